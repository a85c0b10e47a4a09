"""The estimate command: what it prints, as text and as JSON, and its error messages."""

import json
import subprocess
from collections.abc import Sequence

import pytest

from tests.terminal import FLEETSTREAM


def tell(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([FLEETSTREAM, "estimate", *arguments], capture_output=True, text=True)


def test_command_tells_both_models_and_their_price() -> None:
    options = ("--seed", "7", "--autostop", "2", "--start", "2026-11-01", "--write-price", "2")
    document = json.loads(tell(*options, "--format", "json").stdout)
    single, multi = document["single"], document["multi"]
    assert single["total"]["values"] == multi["total"]["values"] == 2 * 26_260
    assert single["total"]["records"] == 2 * 26_260
    assert multi["total"]["records"] == 2 * (1_010 + 1_212)
    assert single["cost"] == pytest.approx(single["total"]["metered_writes"] * 2e-6)
    assert multi["cost"] < single["cost"] / 3

    text = tell(*options).stdout
    for figure in (*single["total"].values(), multi["total"]["metered_writes"]):
        assert f"{figure:,}" in text or figure == single["total"]["bytes_sent"]
    assert "$2.00 per million writes of 1 KiB (as given)" in text


def test_instance_hours_are_priced_beside_writes() -> None:
    options = ("--seed", "7", "--for", "36h", "--interval", "10m", "--instance-price", "0.25")
    document = json.loads(tell(*options, "--format", "json").stdout)
    assert document["instances"] == {"hours": 36.0, "price": 0.25, "cost": 9.0}
    text = tell(*options).stdout
    assert "InfluxDB would cost $9.00 instead: 36 hours at $0.25 (as given)" in text
    without = json.loads(tell("--seed", "7", "--autostop", "2", "--format", "json").stdout)
    assert "instances" not in without


def test_a_rate_limits_how_many_sweeps_there_are() -> None:
    """A sweep of 260 values takes ten seconds, however often the fleet is to be swept."""
    options = ("--seed", "7", "--include-region", "eu-central-1", "--instance-price", "1")
    for more, sweeps in (
        (("--for", "1h"), 360),
        (("--for", "1h", "--interval", "5s"), 360),
        (("--for", "1h", "--interval", "60s"), 60),
        (("--start", "2026-11-01", "--for", "1h", "--interval", "5s"), 720),
    ):
        result = tell(*options, "--rate", "26", *more, "--format", "json")
        document = json.loads(result.stdout)
        assert document["multi"]["sweeps"] == sweeps
        assert document["instances"]["hours"] == pytest.approx(1)


@pytest.mark.slow
def test_a_month_says_what_is_not_exact() -> None:
    text = tell("--for", "30d", "--seed", "7").stdout
    assert "Counted in 114 of 2,592,000 sweeps" in text
    assert "metered writes ±" in text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--for", "1h", "--autostop", "3"), "both limit the run; give only one"),
        (("--for", "0"), "shorter than the time between two sweeps"),
        (("--start", "yesterday"), "'yesterday' is not a time"),
        (("--start", "9000-01-01", "--for", "1000000d"), "go on after the year 9999"),
        (("--autostop", "9" * 30), "go on after the year 9999"),
        (("--to", "null:"), "Only writes to Amazon Timestream are metered"),
        (("--write-price", "-1"), "-1 is not a price"),
        (("--instance-price", "cheap"), "'cheap' is not"),
    ],
)
def test_bad_input_gets_a_sentence(arguments: Sequence[str], sentence: str) -> None:
    result = tell(*arguments)
    assert result.returncode == 2
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr
