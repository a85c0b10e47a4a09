"""Estimates, as text and JSON."""

import json

import pytest

from fleetstream.generate.choices import RecordModel
from fleetstream.report.estimate import estimates_json, progress_of, show_estimates
from fleetstream.targets.timestream.estimate import Estimate, TimestreamLoad

TOTAL = TimestreamLoad(1_000, 100_000, 200_000, 5_000_000, 3_000_000)
EXACT = Estimate(10, 10, TOTAL, TimestreamLoad(0, 0, 0, 0, 0))
SAMPLED = Estimate(1_000, 10, TOTAL, TimestreamLoad(0, 0, 0, 50_000, 3_000))
ALL_VARYING = Estimate(1_000, 10, TOTAL, TimestreamLoad(1, 100, 200, 5_000, 3_000))


def shown(capsys: pytest.CaptureFixture[str], *estimates: Estimate) -> list[str]:
    show_estimates(dict(zip(RecordModel, estimates, strict=True)), 0.5, "as given")
    return capsys.readouterr().out.splitlines()


def test_exact_estimates_say_so(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, EXACT, EXACT)
    assert any(line.split() == ["Metered", "writes", "3,000,000", "3,000,000"] for line in lines)
    assert any(line.split() == ["Cost", "of", "writes", "$1.50", "$1.50"] for line in lines)
    assert "All sweeps were counted" in lines[-3]
    assert lines[-2] == "The price is $0.50 per million writes of 1 KiB (as given)."


def test_samples_have_margins(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, SAMPLED, ALL_VARYING)
    assert (
        "  single-measure: bytes sent ± 1 %; metered writes ± 0.1 %; the others are exact." in lines
    )
    multi = next(line for line in lines if line.startswith("  multi-measure: "))
    assert multi.count("±") == 5
    assert "exact" not in multi


def test_json_has_costs() -> None:
    document = json.loads(estimates_json({RecordModel.SINGLE: SAMPLED}, 0.5))
    assert document["write_price"] == 0.5
    assert document["single"]["cost"] == 1.5
    assert document["single"]["total"]["records"] == 100_000


def test_progress_is_silent_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress_of(RecordModel.MULTI)([3, 4])) == [3, 4]
    assert capsys.readouterr() == ("", "")
