"""Timestream's SQL, case by case, as boto3's query client sees it."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fleetstream.emulator.sql import functions
from tests.emulator.sql_cases import CASES, REFUSED
from tests.emulator.sql_endpoint import rows, serving
from tests.emulator_process import EmulatorProcess as LocalTimestream


@pytest.fixture(scope="module")
def endpoint() -> Iterator[LocalTimestream]:
    with serving() as endpoint:
        yield endpoint


@pytest.mark.parametrize(("query", "expected"), CASES, ids=[case[0][:60] for case in CASES])
def test_a_query_gives_the_rows_that_it_gives_at_the_service(
    endpoint: LocalTimestream, query: str, expected: list[tuple[object, ...]]
) -> None:
    assert rows(endpoint.query.query(QueryString=query)) == expected


@pytest.mark.parametrize(("query", "reason"), REFUSED, ids=[case[0][:60] for case in REFUSED])
def test_what_is_wrong_or_unknown_or_out_of_bounds_is_refused_with_the_reason(
    endpoint: LocalTimestream, query: str, reason: str
) -> None:
    with pytest.raises(endpoint.query.exceptions.ValidationException) as caught:
        endpoint.query.query(QueryString=query)
    assert reason in caught.value.response["Error"]["Message"]


def test_describe_tells_the_columns_their_types_and_what_they_are(
    endpoint: LocalTimestream,
) -> None:
    described = rows(endpoint.query.query(QueryString="DESCRIBE fleet.multi"))
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
    single = rows(endpoint.query.query(QueryString="DESCRIBE fleet.single"))
    assert ("measure_value::double", "double", "MEASURE_VALUE") in single


def test_a_star_stands_for_the_columns_that_describe_lists(endpoint: LocalTimestream) -> None:
    described = rows(endpoint.query.query(QueryString="DESCRIBE fleet.single"))
    answer = endpoint.query.query(QueryString="SELECT * FROM fleet.single")
    names = [column["Name"] for column in answer["ColumnInfo"]]
    assert names == [name for name, _, _ in described]


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
    endpoint: LocalTimestream, words: list[str], start: bool
) -> None:
    text = ("select " if start else "") + " ".join(words)
    # Anything but a result or this one error fails the test.
    with suppress(endpoint.query.exceptions.ValidationException):
        endpoint.query.query(QueryString=text)


def test_the_documentation_lists_every_function() -> None:
    pages = (Path(__file__).parents[2] / "docs").glob("local*.md")
    section = "".join(page.read_text().partition("### Functions")[2] for page in pages)
    known = {*functions.SCALARS, *functions.AGGREGATES, *functions.WINDOW_FUNCTIONS}
    assert known <= set(re.findall(r"`(\w+)`", section))
