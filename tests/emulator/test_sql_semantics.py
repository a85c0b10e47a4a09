"""SQL's results against the same computation in Python, for values that hypothesis chooses."""

import math
import operator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fleetstream.emulator.sql import functions
from fleetstream.emulator.sql.functions.signatures import (
    ConstantType,
    Function,
    LambdaType,
    TypeVariable,
)
from fleetstream.emulator.sql.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DAY_TO_SECOND,
    DOUBLE,
    INTEGER,
    TIMESTAMP,
    VARCHAR,
    YEAR_TO_MONTH,
    ArrayType,
    SqlType,
    TimeSeriesType,
)
from tests.emulator.endpoint import Endpoint
from tests.emulator.sql_tables import rows

OPERATORS = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

doubles = st.none() | st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0, 1.5]) | st.floats()
some = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


def double(value: float | None) -> str:
    """A double in SQL."""
    return "CAST(null AS double)" if value is None else f"CAST('{spelled(value)}' AS double)"


def spelled(value: float) -> str:
    return repr(value).replace("nan", "NaN").replace("inf", "Infinity")


def boolean(value: bool | None) -> str | None:
    """A boolean as the service sends it."""
    return None if value is None else str(value).lower()


def answers(fleet: Endpoint, query: str) -> list[tuple[Any, ...]]:
    return rows(fleet.query.query(QueryString=query))


@some
@given(pairs=st.lists(st.tuples(doubles, doubles), min_size=1, max_size=20))
def test_doubles_compare_as_in_ieee_754(
    fleet: Endpoint, pairs: list[tuple[float | None, float | None]]
) -> None:
    values = ", ".join(f"({n}, {double(a)}, {double(b)})" for n, (a, b) in enumerate(pairs))
    listed = ", ".join(f"a {sign} b, (a + 0) {sign} (b * 1)" for sign in OPERATORS)
    result = answers(
        fleet,
        f"SELECT {listed}, a IN (b), a BETWEEN b AND a, row(a) = row(b)"
        f" FROM (VALUES {values}) AS t(n, a, b) ORDER BY n",
    )
    for (a, b), row in zip(pairs, result, strict=True):
        if a is None or b is None:
            # NaN is not up to any bound, so it is not between an unknown one and another either.
            between = False if a is not None and math.isnan(a) else None
            expected = [None] * (len(row) - 2) + [between, None]
        else:
            compared = [compare(a, b) for compare in OPERATORS.values()]
            expected = [test for one in compared for test in (one, one)]
            expected += [a == b, a >= b and a <= a, a == b]
        assert list(row) == [boolean(test) for test in expected], (a, b)


def java_text(value: float) -> str:
    """A double as the service sends it: as Java prints it, with its shortest digits."""
    if value == 0 or not math.isfinite(value):
        return spelled(value)
    number = Decimal(repr(value))
    if 1e-3 <= abs(value) < 1e7:
        return repr(value)
    digits = "".join(map(str, number.as_tuple().digits)).rstrip("0")
    sign = "-" * (value < 0)
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{number.adjusted()}"


@some
@given(values=st.lists(st.floats() | st.integers(-300, 300).map(lambda n: float(f"1e{n}"))))
@example(values=[1e23, -1e307, 1e-5, 9_999_999.0])
def test_doubles_are_written_with_their_shortest_digits(
    fleet: Endpoint, values: list[float]
) -> None:
    doubles = [0.0, *values]
    rows = ", ".join(f"({number}, {double(value)})" for number, value in enumerate(doubles))
    result = answers(
        fleet, f"SELECT x, CAST(x AS varchar) FROM (VALUES {rows}) AS t(n, x) ORDER BY n"
    )
    assert result == [(java_text(value), java_text(value)) for value in doubles]


def equal(left: Any, right: Any) -> bool | None:
    """SQL's ``=`` for numbers, nulls, and lists of such."""
    if left is None or right is None:
        return None
    if not isinstance(left, list):
        return bool(left == right)
    if len(left) != len(right):
        return False
    tests = [equal(one, other) for one, other in zip(left, right, strict=True)]
    return False if False in tests else None if None in tests else True


def array(value: Any) -> str:
    """Nested lists in SQL."""
    if value is None:
        return "null"
    return f"ARRAY[{', '.join(map(array, value))}]" if isinstance(value, list) else str(value)


numbers = st.lists(st.none() | st.integers(0, 2), max_size=3)
nested = st.lists(st.none() | numbers, max_size=3)


@some
@given(pairs=st.lists(st.tuples(nested, nested), min_size=1, max_size=8))
def test_a_null_in_an_array_is_an_unknown_value(
    fleet: Endpoint, pairs: list[tuple[list[Any], list[Any]]]
) -> None:
    type_ = "AS array(array(bigint))"
    listed = ", ".join(
        f"CAST({array(a)} {type_}) = CAST({array(b)} {type_}),"
        f" contains(CAST({array(a)} {type_}), CAST({array(b[0] if b else [])} AS array(bigint)))"
        for a, b in pairs
    )
    expected = []
    for a, b in pairs:
        wanted = b[0] if b else []
        tests = [equal(element, wanted) for element in a]
        found = True if True in tests else None if None in tests else False
        expected += [boolean(equal(a, b)), boolean(None if wanted is None else found)]
    assert answers(fleet, f"SELECT {listed}") == [tuple(expected)]


moments = st.integers(-(2**62), 2**62) | st.builds(
    # The nanoseconds around midnights and months.
    lambda day, off: day * 86_400 * 10**9 + off,
    st.integers(-20_000, 40_000),
    st.integers(-1001, 1001),
)


@some
@given(instants=st.lists(moments, min_size=1, max_size=20))
def test_parts_of_timestamps_are_those_of_the_calendar(
    fleet: Endpoint, instants: list[int]
) -> None:
    values = ", ".join(f"({number}, CAST({n} AS bigint))" for number, n in enumerate(instants))
    result = answers(
        fleet,
        "SELECT year(t), month(t), day(t), hour(t), minute(t), second(t), nanosecond(t), doy(t),"
        " dow(t), week(t), yow(t), quarter(t), CAST(t AS date), to_milliseconds(t),"
        " date_trunc('hour', t), date_trunc('month', t), date_trunc('week', t) FROM"
        f" (SELECT i, from_nanoseconds(n) AS t FROM (VALUES {values}) AS v(i, n)) ORDER BY i",
    )
    for instant, row in zip(instants, result, strict=True):
        seconds, nanoseconds = divmod(instant, 10**9)
        at = EPOCH + timedelta(seconds=seconds)
        iso = at.isocalendar()
        day = at.replace(hour=0, minute=0, second=0)
        starts = (
            at.replace(minute=0, second=0),
            day.replace(day=1),
            day - timedelta(days=at.weekday()),
        )
        expected = (
            *(at.year, at.month, at.day, at.hour, at.minute, at.second, nanoseconds),
            *(at.timetuple().tm_yday, iso.weekday, iso.week, iso.year, (at.month + 2) // 3),
            *(f"{at:%Y-%m-%d}", instant // 10**6),
            *(f"{start:%Y-%m-%d %H:%M:%S}.000000000" for start in starts),
        )
        assert row == tuple(map(str, expected)), instant


SAMPLES = {
    VARCHAR: "'a'",
    BIGINT: "2",
    INTEGER: "2",
    DOUBLE: "0.5",
    BOOLEAN: "true",
    DATE: "DATE '2024-01-01'",
    TIMESTAMP: "TIMESTAMP '2024-01-01 00:00:00'",
    DAY_TO_SECOND: "1d",
    YEAR_TO_MONTH: "1mo",
}
SERIES = f"(SELECT create_time_series({SAMPLES[TIMESTAMP]}, 0.5))"
LITERALS = {"date_add": "'day'", "date_diff": "'day'", "date_trunc": "'day'"}
TAKES_NULL = {"coalesce", "concat", "interpolate_fill", "nullif", "repeat"}
"""Functions that have a result where one of their values, not of their arrays, is null."""


def sample(of: SqlType, *, null: bool) -> str:
    """A valid argument of a parameter's type, or a null of that type."""
    if isinstance(of, TypeVariable):
        of = of.one_of[-1] if of.one_of else INTEGER
    if isinstance(of, TimeSeriesType):
        return f"IF(false, {SERIES})" if null else SERIES
    if isinstance(of, ArrayType):
        array = f"ARRAY[{sample(of.element, null=False)}]"
        return f"IF(false, {array})" if null else array
    return f"IF(false, {SAMPLES[of]})" if null else SAMPLES[of]


def literal(name: str, of: SqlType) -> str:
    """A valid argument that must be a literal."""
    if of == INTEGER:
        return "0"
    return LITERALS.get(name, "'%Y'" if name.startswith("date_") else "'yyyy'")


def nulls(function: Function) -> list[str]:
    """Calls of a function with one null argument each."""
    calls = []
    for missing, parameter in enumerate(function.parameters):
        if isinstance(parameter, ConstantType):
            continue
        arguments = [
            literal(function.name, other.type)
            if isinstance(other, ConstantType)
            else sample(other, null=number == missing)
            for number, other in enumerate(function.parameters)
        ]
        if not isinstance(parameter, TypeVariable) or function.name not in TAKES_NULL:
            calls.append(f"{function.name}({', '.join(arguments)})")
    return calls


@pytest.mark.parametrize("name", sorted(functions.SCALARS))
def test_a_function_of_null_is_null(fleet: Endpoint, name: str) -> None:
    calls = [
        call
        for function in functions.SCALARS[name]
        if not any(isinstance(parameter, LambdaType) for parameter in function.parameters)
        for call in nulls(function)
    ]
    for call in calls:
        assert answers(fleet, f"SELECT {call}") == [(None,)], call
