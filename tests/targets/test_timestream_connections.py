"""Ways to Amazon Timestream on which nothing answers: each gets a sentence that says what to do."""

import socket
import ssl

import pytest
import trustme

from tests.servers.emulator_process import EmulatorProcess
from tests.targets.commands import exit_code
from tests.targets.http_servers import Origin, running

ANSWERLESS = "Amazon Timestream at {} does not answer ({}); check {}"
THERE = "the endpoint URL and the network."


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials, and a proxy that is not there, so that no test leaves this machine."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost,nowhere.invalid")
    monkeypatch.setattr("fleetstream.targets.timestream.account._ATTEMPTS", 1)


def said(capsys: pytest.CaptureFixture[str], *options: str, code: int = 3) -> str:
    assert exit_code("ingest", "--autostop", "1", "-d", "db", "-t", "tb", *options) == code
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://127.0.0.1:1", "connection refused"),
        ("https://nowhere.invalid", "host name not found"),
    ],
)
def test_an_endpoint_that_is_not_there(
    url: str, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    host = url.partition("://")[2]
    assert ANSWERLESS.format(host, fault, THERE) in said(capsys, "-r", "us-east-1", "-url", url)


@pytest.mark.parametrize(
    ("scheme", "fault"),
    [
        ("https", "TLS failed: unable to get local issuer certificate"),
        ("http", "connection cut"),
    ],
)
def test_a_port_of_tls(scheme: str, fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    origin = Origin(tls=context)
    with running(origin):
        text = said(capsys, "-r", "us-east-1", "-url", f"{scheme}://localhost:{origin.port}")
    assert ANSWERLESS.format(f"localhost:{origin.port}", fault, THERE) in text


def test_a_port_without_tls(emulator: EmulatorProcess, capsys: pytest.CaptureFixture[str]) -> None:
    place = emulator.url.removeprefix("http://")
    text = said(capsys, "-r", "us-east-1", "-url", f"https://{place}")
    assert ANSWERLESS.format(place, "TLS failed: the port is one without TLS", THERE) in text


def test_a_server_that_is_silent(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleetstream.targets.timestream.account._READ_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        text = said(capsys, "-r", "us-east-1", "-url", f"http://{place}")
    assert ANSWERLESS.format(place, "no answer in time", THERE) in text


@pytest.mark.parametrize(
    ("region", "remedy"),
    [("us-east-1", "the network."), ("us-esat-1", "the region: botocore knows the service in ap-")],
)
def test_an_endpoint_that_cannot_be_discovered(
    region: str, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = f"ingest.timestream.{region}.amazonaws.com"
    sentence = ANSWERLESS.format(place, "no connection to the proxy", remedy)
    assert sentence in said(capsys, "-r", region)


def test_what_is_no_region(capsys: pytest.CaptureFixture[str]) -> None:
    assert "'us east' is not an AWS region" in said(capsys, "-r", "us east", code=2)


def test_a_profile_of_the_environment(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert "There is no AWS profile 'nobody'" in said(capsys, "-r", "us-east-1")
