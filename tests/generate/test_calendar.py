"""Growth and holidays of drivers."""

import re
import tomllib
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetstream.generate.drivers import YEAR_SECONDS, DriverRows
from fleetstream.generate.keys import seeded
from fleetstream.generate.moments import MICROSECONDS, from_datetime
from fleetstream.model.dynamics import Driver
from tests.generate.models import model_of

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
OFFSETS = (-8, 0, 9)


def rows(**changes: Any) -> DriverRows:
    driver = msgspec.convert(changes, Driver)
    keys = seeded(np.arange(len(OFFSETS), dtype=np.uint64), 7)
    return DriverRows("load", driver, keys, np.array(OFFSETS))


def at(*moments: datetime) -> npt.NDArray[np.int64]:
    return np.array([from_datetime(each) for each in moments])


def test_growth_multiplies_by_the_same_share_each_year() -> None:
    grown = rows(growth={"per_year": 0.2, "since": "2026-01-01"})
    begin = from_datetime(datetime(2026, 1, 1, tzinfo=UTC))
    years = np.array([-2, 0, 1, 2.5])
    times = (begin + years * YEAR_SECONDS * MICROSECONDS).astype(np.int64)
    expected = np.repeat(1.2 ** years[:, np.newaxis], len(OFFSETS), axis=1)
    np.testing.assert_allclose(grown.values(times), expected, rtol=1e-9)
    shrunk = rows(growth={"per_year": -0.5}).values(times[1:2])
    assert shrunk[0, 0] == pytest.approx(0.5**6, rel=1e-2)  # since 2020


@given(
    minutes=st.integers(-2 * 1_440, 5 * 1_440),
    year=st.integers(1990, 2060),
    place=st.integers(0, len(OFFSETS) - 1),
)
@settings(max_examples=200)
def test_a_holiday_has_its_factor_in_local_time(minutes: int, year: int, place: int) -> None:
    """From midnight to midnight of its days, with an hour of transition at both ends."""
    festive = rows(holidays=[{"dates": ["12-25"], "days": 2, "factor": 0.4}])
    local = timezone(timedelta(hours=OFFSETS[place]))
    begin = datetime(year, 12, 25, tzinfo=local)
    found = festive.values(at(begin + timedelta(minutes=minutes)))[0, place]
    inside = min(minutes, 2 * 1_440 - minutes) / 60
    assert found == pytest.approx(1 - 0.6 * np.clip(inside, 0, 1))


def test_dates_of_one_year_and_overlapping_holidays() -> None:
    festive = rows(
        holidays=[
            {"dates": ["2026-11-27", "02-29"], "factor": 2.0},
            {"dates": ["11-26"], "days": 3, "factor": 1.5},
        ]
    )
    noons = at(
        *(datetime(2026, 11, day, 12, tzinfo=UTC) for day in (25, 26, 27, 28, 29)),
        datetime(2025, 11, 27, 12, tzinfo=UTC),
        datetime(2028, 2, 29, 12, tzinfo=UTC),
        datetime(2026, 3, 1, 12, tzinfo=UTC),
    )
    expected = [1, 1.5, 3, 1.5, 1, 1.5, 2, 1]
    np.testing.assert_allclose(festive.values(noons)[:, 1], expected)


def test_values_do_not_depend_on_what_else_is_evaluated() -> None:
    festive = rows(holidays=[{"dates": ["01-01", "07-14"], "factor": 0.3}], noise=0.1)
    times = at(*(datetime(2020 + 7 * n, 7, 14, 9, tzinfo=UTC) for n in range(5)))
    together = festive.values(times)
    for place, time in enumerate(times):
        np.testing.assert_array_equal(festive.values(times[place : place + 1])[0], together[place])
        assert time == times[place]
    assert festive.values(times[:0]).shape == (0, len(OFFSETS))


def test_the_page_shows_a_driver() -> None:
    text = re.search(
        r"(?m)(?:^    .*\n)*^    \[drivers\.season\]\n(?:^    .*\n)+", PAGE.read_text()
    )
    assert text is not None
    driver = msgspec.convert(tomllib.loads(text[0])["drivers"]["season"], Driver)
    assert driver.growth is not None
    assert [each.factor for each in driver.holidays] == [0.5, 1.4]
    assert not driver.is_weekly


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"holidays": [{"dates": ["25.12."], "factor": 1}]}, "'25.12.' is not a date; write it as"),
        ({"holidays": [{"dates": ["02-30"], "factor": 1}]}, "'02-30' is not a date"),
        ({"holidays": [{"dates": ["2026-02-29"], "factor": 1}]}, "is not a date"),
        ({"holidays": [{"dates": [], "factor": 1}]}, "length >= 1"),
        ({"growth": {"per_year": 0.1, "since": "soon"}}, "'soon' is not a date"),
        ({"growth": {"per_year": -1}}, ">= -0.9"),
    ],
)
def test_mistakes_are_said(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=re.escape(message)):
        msgspec.convert(fields, Driver)


COUNTED = """
name = "counted"
shard_level = "host"
levels = [{ name = "host", count = "1", label = "host" }]
drivers = { load = { growth = { per_year = 0.1 } } }
[kinds.host]
noun = "hosts"
level = "host"
dimensions = { host = "{host}" }
measures = [{ name = "total", value = { law = "counter", rate = 1, driver = "load" } }]
"""


def test_counters_cannot_follow_them() -> None:
    with pytest.raises(msgspec.ValidationError, match="cannot follow months, growth or holidays"):
        model_of(tomllib.loads(COUNTED))
