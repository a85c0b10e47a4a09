"""Records a real run for the pictures of the documentation: `python -m docs.building.record`.

It runs for a minute against the local Timestream, which throttles some requests, and leaves in
`docs/images` what was on the terminal in mid-run, and what the report of the run shows. The
pictures are made of these by `make docs`, always the same; to record again is only needed when the
live view or the report shows something else.
"""

import os
import re
import sys
import tempfile
import time
from pathlib import Path

from tests.servers.emulator_process import EmulatorProcess
from tests.terminal import Terminal

from docs.building import DOCS

IMAGES = DOCS / "images"
FRAME, REPORT = IMAGES / "live.ansi", IMAGES / "report.json"

COLUMNS, ROWS = 100, 24
HOME = b"\x1b[H"
"""What begins a frame on the alternate screen."""

WATCHED = 45.0
"""Seconds after which the terminal is looked at."""

OPTIONS = "-d testDb -t testTable -r us-east-1 --autostop 60 --seed 7 --sin-signal-cpu 20"


def record() -> None:
    """Run, and write what there was to be seen."""
    os.environ.update(AWS_ACCESS_KEY_ID="local", AWS_SECRET_ACCESS_KEY="local")
    # The commands that are shown begin with the program's name where the shell finds it.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    server = EmulatorProcess(faults=["throttle=0.02"])
    server.port = 8765
    with tempfile.TemporaryDirectory() as folder, server:
        server.write.create_database(DatabaseName="testDb")
        server.write.create_table(DatabaseName="testDb", TableName="testTable")
        report = Path(folder) / "report.html"
        terminal = Terminal(
            Path(folder),
            *("ingest", *OPTIONS.split(), "--endpoint-url", server.url, "--report", report.name),
            columns=COLUMNS,
            rows=ROWS,
        )
        until = time.monotonic() + WATCHED
        terminal.wait_for(lambda _: time.monotonic() > until, timeout=2 * WATCHED)
        FRAME.write_bytes(terminal.written.split(HOME)[-2])
        assert terminal.finish(60) == 0, terminal.text
        found = re.search(r'id="data">(.*?)</script>', report.read_text())
        assert found, "The report has no data."
        REPORT.write_text(found[1] + "\n")


if __name__ == "__main__":
    record()
