"""Figures as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetstream.report.formats import dollars, duration, moment, rate

UNITS = {"µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3_600.0, "d": 86_400.0}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (2.5e-7, "0.25 µs"),
        (0.00025, "250 µs"),
        (0.0009996, "1 ms"),
        (0.0123, "12.3 ms"),
        (0.9996, "1 s"),
        (5.8409, "5.84 s"),
        (45, "45 s"),
        (59.96, "1 min 00 s"),
        (125.4, "2 min 05 s"),
        (3_600, "1 h 00 min"),
        (3 * 86_400 + 4 * 3_600, "3 d 04 h"),
    ],
)
def test_durations_have_the_unit_that_suits_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@given(st.floats(min_value=1e-6, max_value=1e8))
def test_a_duration_is_what_it_says(seconds: float) -> None:
    """It is right to three digits below a minute, and to its smaller unit above."""
    parts = duration(seconds).split()
    said = sum(
        float(number) * UNITS[unit] for number, unit in zip(parts[::2], parts[1::2], strict=True)
    )
    if len(parts) == 2:
        assert said == pytest.approx(seconds, rel=0.006)
        assert said < 60
    else:
        assert abs(said - seconds) <= max(UNITS[parts[3]], 0.51)


def test_other_figures() -> None:
    assert (rate(9.96), rate(12_345.6)) == ("10.0", "12,346")
    assert [dollars(amount) for amount in (0, 0.00001, 0.0123, 0.5, 12.346, 1_000)] == [
        "$0.00",
        "under $0.0001",
        "$0.0123",
        "$0.50",
        "$12.35",
        "$1,000.00",
    ]
    assert moment(1_700_000_000_999_999) == "2023-11-14T22:13:20Z"
