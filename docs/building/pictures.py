"""Makes the pictures of the documentation, from a recorded run and by the commands that it shows."""

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

from docs.building.record import COLUMNS, FRAME, IMAGES, REPORT
from fleetstream.cli import main
from fleetstream.report.html import ReportContent, write_report

PLOTS = (
    "fleetstream plot --seed 7 --start 2026-11-01T00:00:00Z --out docs/images/cpu_user.png",
    "fleetstream plot --seed 7 --start 2026-11-01T00:00:00Z --signals --out docs/images/signals.png",
    "fleetstream plot --over-time --model web-shop --seed 7 --start 2026-11-02 --end 2026-11-05 --include service=cart --include region=eu-central-1 --measure latency_p50 --measure requests_per_second --baseline --out docs/images/over_time.png",
)
"""The commands that draw the plots of the README and of `watching.md`."""

LIVE, REPORT_PICTURE = IMAGES / "live.svg", IMAGES / "report.png"

WIDTH, HEIGHT = 1_000, 1_330
"""Pixels of the report's picture, which is the upper part of the page."""


def build() -> None:
    """Make all pictures."""
    LIVE.write_text(live_view())
    take_report()
    for command in PLOTS:
        code = main(shlex.split(command)[1:])
        assert code == 0, command


def live_view() -> str:
    """The recorded terminal as an SVG that loads no fonts from elsewhere."""
    frame = Text.from_ansi(FRAME.read_bytes().decode().replace("\r", "").rstrip())
    with Path("/dev/null").open("w") as nowhere:
        console = Console(file=nowhere, record=True, width=COLUMNS, force_terminal=True)
        console.print(frame)
    form = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    return console.export_svg(
        title="fleetstream ingest", theme=DIMMED_MONOKAI, code_format=form, unique_id="live"
    )


def take_report() -> None:
    """The recorded report as headless Chromium shows it; it stays as it is without Chromium."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print(f"{REPORT_PICTURE} stays as it is, since Chromium is not installed.", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        write_report(page, msgspec.json.decode(REPORT.read_bytes(), type=ReportContent))
        subprocess.run(
            [
                chromium,
                *("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                *("--virtual-time-budget=3000", f"--user-data-dir={folder}/profile"),
                f"--window-size={WIDTH},{HEIGHT}",
                f"--screenshot={REPORT_PICTURE}",
                page.as_uri(),
            ],
            check=True,
            stderr=subprocess.DEVNULL,
        )


if __name__ == "__main__":
    build()
