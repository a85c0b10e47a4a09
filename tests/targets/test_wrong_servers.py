"""Addresses at which something else listens: each gets a sentence, and nothing is written."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers.victoria_metrics import VictoriaMetrics
from tests.targets.commands import SMALL, exit_code
from tests.targets.http_servers import Origin, Received, running
from tests.terminal import FLEETSTREAM

PAGE = b"<!DOCTYPE html>\n<html><body>Sign in</body></html>"

OF_TLS = b"Client sent an HTTP request to an HTTPS server.\n"
"""What Go's servers say; nginx and Apache have pages of the same meaning."""

TARGETS = {
    "influx": (("--to", "influx:{url}", "-d", "fleet"), "InfluxDB"),
    "influx-3": (("--to", "influx:{url}?version=3", "-d", "fleet"), "InfluxDB"),
    "prometheus": (("--to", "prometheus:{url}"), "remote write"),
    "otlp": (("--to", "otlp:{url}"), "OTLP over HTTP"),
    "timestream": (("-r", "us-east-1", "-d", "d", "-t", "t", "-url", "{url}"), "Amazon Timestream"),
}


def always(status: int, body: bytes) -> Callable[[Received], bytes]:
    kind = "text/html" if body == PAGE else "text/plain"
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return lambda _: head.encode() + body


@pytest.fixture(autouse=True)
def credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")


@pytest.mark.parametrize(
    ("status", "body", "found"),
    [
        (200, PAGE, "a web page, HTTP 200"),
        (501, PAGE, "a web page, HTTP 501"),
        (400, OF_TLS, "the port is one of TLS"),
    ],
    ids=["page", "page of an error", "TLS"],
)
@pytest.mark.parametrize("target", TARGETS)
def test_a_web_page_and_a_port_of_tls(
    target: str, status: int, body: bytes, found: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options, service = TARGETS[target]
    origin = Origin(always(status, body))
    with running(origin):
        named = [option.format(url=origin.url) for option in options]
        assert exit_code("ingest", "--autostop", "1", *SMALL, *named) == 3
    message = capsys.readouterr().err
    assert f"does not answer as {service} does" in message
    assert (f"HTTP {status}" if target == "timestream" else found) in message
    assert "<" not in message


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server without TLS."""
    with VictoriaMetrics(tmp_path_factory.mktemp("plain")) as server:
        yield server.url


@pytest.mark.parametrize("target", ["influx", "prometheus", "otlp"])
def test_a_port_without_tls(target: str, plain: str, capsys: pytest.CaptureFixture[str]) -> None:
    options, service = TARGETS[target]
    url = plain.replace("http://", "https://")
    named = [option.format(url=url) for option in options]
    assert exit_code("ingest", "--autostop", "1", *SMALL, *named) == 3
    sentence = f"does not answer as {service} does (TLS failed: the port is one without TLS)"
    assert sentence in capsys.readouterr().err


def test_grpc_logs_nothing_beside_the_sentence(plain: str) -> None:
    to = f"otlp:{plain.replace('http://', 'grpcs://')}"
    run = subprocess.run(
        [FLEETSTREAM, "ingest", "--autostop", "1", *SMALL, "--to", to],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 3
    assert run.stderr.startswith("Error: The server at grpcs://")
    assert len(run.stderr.splitlines()) == 1


def test_a_victoria_metrics_that_asks_for_a_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It shows its flags and answers `/ping` without one."""
    with VictoriaMetrics(tmp_path, password="s3cret-word") as server:
        command = ("ingest", "--autostop", "1", *SMALL, "--to", f"influx:{server.url}", "-d", "f")
        assert exit_code(*command) == 3
        assert "refuses the credentials" in capsys.readouterr().err
        monkeypatch.setenv("INFLUX_USERNAME", "admin")
        monkeypatch.setenv("INFLUX_PASSWORD", "s3cret-word")
        assert exit_code(*command) == 0
