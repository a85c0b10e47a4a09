"""No credential, token or signature ends up anywhere, whatever goes wrong."""

from collections.abc import Callable

import pytest

from fleetstream.cli.outcome import warn_if_unencrypted
from fleetstream.targets.registry import TargetOptions
from tests.chaos import generator
from tests.chaos.conftest import Scene

KEY, SECRET, TOKEN = "AKIDEXAMPLEKEY", "wJalrXUtnFEMIexamplesecret", "FwoGZXexampletoken"


def test_nothing_that_is_written_holds_a_secret(
    scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rejections, faults, a server that goes away, a report, a summary, a manifest."""
    monkeypatch.setattr(
        generator,
        "CREDENTIALS",
        {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": TOKEN},
    )
    act = scene("reject=0.01", "error=0.1")
    outputs = ("--report", "report.html", "--summary", "summary.json", "--log-format", "json")
    run = act.generate("--give-up-after", "1s", *outputs)
    run.wait_until(2)
    act.server.kill()
    code, printed = run.end()
    assert code == 1
    written = [path for path in act.folder.rglob("*") if path.is_file()]
    assert len(written) >= 4
    everything = printed.encode() + b"".join(path.read_bytes() for path in written)
    for secret in (KEY, SECRET, TOKEN, "AWS4-HMAC", "Signature="):
        assert secret.encode() not in everything


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://timestream.example.com", True),
        ("http://192.0.2.1:8086", True),
        ("https://timestream.example.com", False),
        ("http://127.0.0.1:8086", False),
        ("http://localhost:8086", False),
        ("http://[::1]:8086", False),
        (None, False),
    ],
)
def test_plain_http_beyond_this_machine_is_warned_of(
    url: str | None, warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    warn_if_unencrypted(TargetOptions(endpoint_url=url))
    assert ("is not encrypted" in capsys.readouterr().err) == warned
