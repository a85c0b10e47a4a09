"""The notation of options: what is written reads as the same, and what is no value."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetstream.generate.choices import PERIODS, IncidentChoice, RecordModel
from fleetstream.generate.moments import MICROSECONDS, iso, now
from fleetstream.run import notation
from fleetstream.run.options import OPTIONS, make_spec
from tests.run.specs import (
    INTERVALS,
    KEYS,
    LAGS,
    LATENESSES,
    MOMENTS,
    NAMES,
    PERCENTAGES,
    SHARDS,
    scheduled,
)


def _entry(key: str, value: object) -> dict[str, object]:
    return {key: value}


PAIRS: list[tuple[Callable[[str], Any], Callable[[Any], str], st.SearchStrategy[Any]]] = [
    (notation.read_integer, str, st.integers(0)),
    (notation.read_percentage, notation.write_number, PERCENTAGES),
    (notation.read_percentage, notation.write_percentage, PERCENTAGES),
    (notation.read_names, notation.write_names, NAMES.filter(bool)),
    (notation.read_setting, notation.write_setting, st.builds(_entry, KEYS, st.integers())),
    (notation.read_filter, notation.write_filter, st.builds(_entry, KEYS, NAMES.filter(bool))),
    (notation.read_shard, str, SHARDS),
    (notation.read_incident_choice, str, st.sampled_from(IncidentChoice)),
    (notation.read_incident, notation.write_incident, scheduled(resolved=False)),
    (notation.read_frequency, str, st.sampled_from(list(PERIODS))),
    (notation.read_record_model, str, st.sampled_from(RecordModel)),
    (notation.read_duration, notation.write_duration, st.floats(0, 10**9)),
    (notation.read_interval, notation.write_microseconds, INTERVALS),
    (notation.read_lag, notation.write_microseconds, LAGS),
    (notation.read_moment, iso, MOMENTS),
    (notation.read_lateness, notation.write_lateness, LATENESSES),
]


@given(st.data())
@pytest.mark.parametrize(
    ("read", "write", "values"), PAIRS, ids=[f"{r.__name__}-{w.__name__}" for r, w, _ in PAIRS]
)
def test_what_is_written_reads_as_the_same(
    read: Callable[[str], Any],
    write: Callable[[Any], str],
    values: st.SearchStrategy[Any],
    data: st.DataObject,
) -> None:
    value = data.draw(values)
    assert read(write(value)) == value


def test_every_function_of_the_notation_is_in_a_pair() -> None:
    functions = {name for name in vars(notation) if name.startswith(("read_", "write_"))}
    paired = {function.__name__ for read, write, _ in PAIRS for function in (read, write)}
    assert functions <= paired
    assert {option.read for option in OPTIONS} <= {None, str, *(read for read, _, _ in PAIRS)} | {
        option.read for option in OPTIONS if "at_least" in getattr(option.read, "__qualname__", "")
    }


PERCENT_FIELDS = [
    *("missing_cpu", "sin_signal_cpu", "saw_signal_cpu", "out_of_order", "duplicate"),
]


@given(PERCENTAGES)
def test_a_percentage_means_the_same_in_every_option(percent: float) -> None:
    """With or without the sign: 1 and 1% are one per cent."""
    text = notation.write_number(percent)
    for form in (text, f"{text}%"):
        for field in PERCENT_FIELDS:
            assert getattr(make_spec(**{field: form}), field) == percent
        late = make_spec(late=f"{form}:5m").late
        assert late is not None
        assert (late.percent, late.delay) == (percent, 300 * MICROSECONDS)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0"), (86_400, "1d"), (90, "90s"), (120, "2m"), (0.25, "250ms"), (1.5, "1500ms")],
)
def test_durations_are_written_in_the_largest_unit(seconds: float, text: str) -> None:
    assert notation.write_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1h30m", 5_400), ("1m30ms", 60.03), ("1.5h30m", 7_200), ("1d2h3m4s5ms", 93_784.005)],
)
def test_the_parts_of_a_duration_add_up(text: str, seconds: float) -> None:
    assert notation.read_duration(text) == seconds
    assert notation.read_moment(f"+{text}") - now() == pytest.approx(
        seconds * MICROSECONDS, abs=5 * MICROSECONDS
    )


@pytest.mark.parametrize("text", ["1h30", "h", "1h 30m", "-5s", "100us", "1e3s", "٣s", ""])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="write numbers with a unit"):
        notation.read_duration(text)


@pytest.mark.parametrize("text", ["24h", "-24h"])
def test_an_age_is_before_now_with_or_without_a_sign(text: str) -> None:
    before = now()
    age = before - notation.read_moment(text)
    assert -5 * MICROSECONDS < age - 86_400 * MICROSECONDS <= 0
