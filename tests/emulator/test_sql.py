"""Timestream's SQL, case by case, as boto3's query client sees it."""

import re
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fleetstream.emulator.sql import functions
from fleetstream.emulator.sql.functions.signatures import (
    ConstantType,
    Function,
    LambdaType,
    substitute,
)
from fleetstream.emulator.sql.typed_sql import TypedSql
from fleetstream.emulator.sql.types import TIMESTAMP, VARCHAR
from tests.emulator.endpoint import Endpoint
from tests.emulator.sql_cases import CASES, REFUSED
from tests.emulator.sql_tables import rows


@pytest.mark.parametrize(("query", "expected"), CASES, ids=[case[0][:60] for case in CASES])
def test_a_query_gives_the_rows_that_it_gives_at_the_service(
    fleet: Endpoint, query: str, expected: list[tuple[object, ...]]
) -> None:
    assert rows(fleet.query.query(QueryString=query)) == expected


@pytest.mark.parametrize(("query", "reason"), REFUSED, ids=[case[0][:60] for case in REFUSED])
def test_what_is_wrong_or_unknown_or_out_of_bounds_is_refused_with_the_reason(
    fleet: Endpoint, query: str, reason: str
) -> None:
    with pytest.raises(fleet.query.exceptions.ValidationException) as caught:
        fleet.query.query(QueryString=query)
    assert reason in caught.value.response["Error"]["Message"]


def test_describe_tells_the_columns_their_types_and_what_they_are(
    fleet: Endpoint,
) -> None:
    described = rows(fleet.query.query(QueryString="DESCRIBE fleet.multi"))
    assert set(described) == {
        ("host", "varchar", "DIMENSION"),
        ("region", "varchar", "DIMENSION"),
        ("measure_name", "varchar", "MEASURE_NAME"),
        ("time", "timestamp", "TIMESTAMP"),
        ("cpu", "double", "MULTI"),
        ("jobs", "bigint", "MULTI"),
        ("up", "boolean", "MULTI"),
        ("note", "varchar", "MULTI"),
        ("seen", "timestamp", "MULTI"),
    }
    single = rows(fleet.query.query(QueryString="DESCRIBE fleet.single"))
    assert ("measure_value::double", "double", "MEASURE_VALUE") in single


def test_a_star_stands_for_the_columns_that_describe_lists(fleet: Endpoint) -> None:
    described = rows(fleet.query.query(QueryString="DESCRIBE fleet.single"))
    answer = fleet.query.query(QueryString="SELECT * FROM fleet.single")
    names = [column["Name"] for column in answer["ColumnInfo"]]
    assert names == [name for name, _, _ in described]


VALUE_FUNCTIONS = [
    function
    for overloads in functions.SCALARS.values()
    for function in overloads
    if not any(isinstance(parameter, LambdaType) for parameter in function.parameters)
]


@pytest.mark.parametrize("function", VALUE_FUNCTIONS, ids=str)
def test_every_function_evaluates_its_arguments_once(function: Function) -> None:
    arguments = [
        TypedSql("'day'", VARCHAR, simple=True, literal="day")
        if isinstance(parameter, ConstantType)
        else TypedSql(f"argument_{number}()", substitute(parameter, {"M": TIMESTAMP}))
        for number, parameter in enumerate(function.parameters)
    ]
    values = [argument.sql for argument in arguments if argument.literal is None]
    if not values:
        return
    sql = function.translate(arguments)
    outside_of_lambdas = sql.partition("lambda ")[0]
    assert [sql.count(value) for value in values] == [1] * len(values)
    assert all(value in outside_of_lambdas for value in values)


WORDS = re.split(
    " ",
    "select from where group by order having limit union all except with as ( ) ( ) , , . * + - / %"
    " = < <> and or not in is null like between case when then else end cast( exists distinct over"
    " partition rows unnest cross join left on using values array [ ] row( -> fleet.multi"
    " fleet.single t host time cpu jobs measure_value::double 'a' '%' '2024-01-01' 1 0 1.5 15m 1mo"
    " count(*) sum( avg( max( bin( ago( now() date_trunc( 'hour' sequence( create_time_series("
    ' interpolate_linear( transform( filter( reduce( try( x "x" " ; -- /* */ @p :: \' \\ $1 ? {'
    " show describe tables measures set copy attach true interval '2' day timestamp extract( for"
    " substring( trim( both grouping sets rollup window natural full asc desc nulls last first"
    " current_date at zone escape any collate u&'x' x'00' 1e5 .5 99999999999999999999 read_csv("
    " if( coalesce( := => << | ! \0 \n é 🦆",
)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=16), start=st.booleans())
@example(words=["("] * 5000, start=True)
@example(words=["1", "+"] * 5000 + ["1"], start=True)
@example(words=["sqrt("] * 30 + ["1"] + [")"] * 30, start=True)
def test_any_text_gives_a_result_or_a_sentence_on_what_is_wrong_with_it(
    fleet: Endpoint, words: list[str], start: bool
) -> None:
    text = ("select " if start else "") + " ".join(words)
    # Anything but a result or this one error fails the test.
    with suppress(fleet.query.exceptions.ValidationException):
        fleet.query.query(QueryString=text)
