"""Credentials that end in the middle of a run: renewed where they can be, else a clean end."""

import json
import os
import stat
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.recording import WRITE, serving
from tests.terminal import FLEETSTREAM

VALUES = 260
"""Of a sweep of eu-central-1."""


class Guarded(ThreadingHTTPServer):
    """A Timestream that refuses writes with a code as soon as a key has had its writes.

    Attributes:
        refusal: The code that it refuses writes with.
        allowed: How many writes each key may make; others may make any number.
        keys: The access key of each write that was taken.

    """

    daemon_threads = True

    def __init__(self, refusal: str) -> None:
        super().__init__(("127.0.0.1", 0), _Guard)
        self.refusal = refusal
        self.allowed = {"first": 4}
        self.keys: list[str] = []
        self.on_refusal = lambda: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Guard(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: Guarded

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        key = self.headers["Authorization"].partition("Credential=")[2].partition("/")[0]
        server = self.server
        if self.headers["X-Amz-Target"] != WRITE:
            self._answer(200, {})
        elif server.keys.count(key) >= server.allowed.get(key, 1_000_000):
            server.on_refusal()
            self._answer(400, {"__type": f"com.amazonaws#{server.refusal}", "message": "no"})
        else:
            server.keys.append(key)
            self._answer(200, {})

    def _answer(self, status: int, content: dict[str, str]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """The environment of a user whose credentials stand in a file of a folder of their own."""
    settings = {
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
    write_key(tmp_path, "first")
    return inherited | settings


def write_key(folder: Path, key: str) -> None:
    # At one blow, since several refused requests write it while others read it.
    unfinished = folder / f"credentials.{threading.get_ident()}"
    unfinished.write_text(f"[default]\naws_access_key_id={key}\naws_secret_access_key=secret\n")
    unfinished.replace(folder / "credentials")


def ingest(folder: Path, server: Guarded, home: dict[str, str]) -> tuple[int, str, dict[str, int]]:
    """The exit code of a run of six sweeps, what it printed, and its ledger's records."""
    target = ("-r", "us-east-1", "-url", server.url, "-d", "fleet", "-t", "telemetry")
    stretch = ("--include-region", "eu-central-1", "--start", "-6m", "--interval", "1m")
    run = subprocess.run(
        [FLEETSTREAM, "ingest", *target, *stretch, "--summary", "summary.json"],
        cwd=folder,
        env=home,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "Traceback" not in run.stderr
    summary = json.loads((folder / "summary.json").read_bytes())
    outcomes = ("generated", "stored", "rejected", "undelivered")
    return run.returncode, run.stdout, {name: summary[name]["records"] for name in outcomes}


@pytest.mark.parametrize("refusal", ["ExpiredTokenException", "UnrecognizedClientException"])
def test_credentials_that_were_renewed_in_their_file(
    refusal: str, home: dict[str, str], tmp_path: Path
) -> None:
    server = Guarded(refusal)
    server.on_refusal = lambda: write_key(tmp_path, "second")
    with serving(server):
        code, printed, records = ingest(tmp_path, server, home)
    assert code == 0, printed
    assert records["stored"] == records["generated"] == 6 * VALUES
    assert server.keys[:4] == ["first"] * 4
    assert set(server.keys[4:]) == {"second"}


@pytest.mark.parametrize(
    ("refusal", "sentence"),
    [
        ("ExpiredTokenException", "The AWS credentials have expired; renew them"),
        ("AccessDeniedException", "These AWS credentials may not use the table"),
    ],
)
def test_credentials_that_stay_refused_end_the_run(
    refusal: str, sentence: str, home: dict[str, str], tmp_path: Path
) -> None:
    server = Guarded(refusal)
    with serving(server):
        code, printed, records = ingest(tmp_path, server, home)
    assert code == 1
    assert sentence in printed
    assert len(server.keys) == 4
    assert 0 < records["stored"] < records["generated"]
    assert records["stored"] + records["undelivered"] == records["generated"]


def test_credentials_whose_end_is_known_are_refreshed_before_it(
    home: dict[str, str], tmp_path: Path
) -> None:
    """Those of a credential process end each time they are asked for, so each write has its own."""
    process = tmp_path / "process"
    process.write_text(
        "#!/bin/sh\n"
        f"echo x >> {tmp_path}/asked\n"
        f"number=$(wc -l < {tmp_path}/asked)\n"
        'ends=$(date -u -d "+2 seconds" +%Y-%m-%dT%H:%M:%SZ)\n'
        'echo "{\\"Version\\": 1, \\"AccessKeyId\\": \\"key$number\\", '
        '\\"SecretAccessKey\\": \\"s\\", \\"SessionToken\\": \\"t\\", '
        '\\"Expiration\\": \\"$ends\\"}"\n'
    )
    process.chmod(process.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "credentials").unlink()
    (tmp_path / "config").write_text(f"[default]\ncredential_process = {process}\n")
    server = Guarded("ExpiredTokenException")
    with serving(server):
        code, printed, records = ingest(tmp_path, server, home)
    assert code == 0, printed
    assert records["stored"] == 6 * VALUES
    assert len(set(server.keys)) > 3
