"""Queries end within their limits of time, memory and number, and the server goes on."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from botocore.exceptions import ClientError
from starlette.requests import Request
from starlette.types import Message

from fleetstream.emulator import LocalTimestream
from fleetstream.emulator.api.query_runner import QueryLimits, QueryRunner, QueryTask
from fleetstream.emulator.errors import QueryExecutionException, ThrottlingException
from tests.emulator.endpoint import Endpoint
from tests.emulator.sql_tables import rows
from tests.servers.emulator_process import EmulatorProcess

TIMEOUT = 1.0
MEMORY_MB = 200
MEGABYTE = 1_000_000
NUMBERS = "UNNEST(sequence(1, 10000))"
ENDLESS = (
    f"SELECT count(*) FROM {NUMBERS} AS a(x) CROSS JOIN {NUMBERS} AS b(y)"
    f" CROSS JOIN {NUMBERS} AS c(z) WHERE x * y * z = -1"
)
SORTING = (
    f"SELECT x, row_number() OVER (ORDER BY x * y)"
    f" FROM {NUMBERS} AS a(x) CROSS JOIN {NUMBERS} AS b(y)"
)
# DuckDB's own limit does not count what scalar functions take.
NESTED = (
    f"SELECT max(cardinality(transform(sequence(1, 9999),"
    f" i -> transform(sequence(1, 9999), j -> i * j * x)))) FROM {NUMBERS} AS a(x)"
)
LONG_TEXTS = (
    f"SELECT max(cardinality(transform(sequence(1, 9999), i -> rpad('x', 99999, 'y'))))"
    f" FROM {NUMBERS} AS a(x)"
)


@pytest.fixture(scope="module")
def bounded() -> Iterator[Endpoint]:
    """A server with two queries at once, and one second for each."""
    with LocalTimestream(query_timeout=TIMEOUT, max_queries=2) as timestream:
        yield Endpoint(timestream.url)


def failure(endpoint: Endpoint, sql: str) -> tuple[str, int, str]:
    """Code, status and message of the error of a query that must fail."""
    with pytest.raises(ClientError) as caught:
        endpoint.query.query(QueryString=sql)
    error, metadata = caught.value.response["Error"], caught.value.response["ResponseMetadata"]
    return error["Code"], metadata["HTTPStatusCode"], error["Message"]


def test_a_query_is_stopped_at_its_timeout(bounded: Endpoint) -> None:
    began = time.monotonic()
    assert failure(bounded, ENDLESS) == (
        "QueryExecutionException",
        400,
        "The query took longer than 1 s, the server's query timeout.",
    )
    assert time.monotonic() - began < TIMEOUT + 2
    assert rows(bounded.query.query(QueryString="SELECT 1")) == [("1",)]


@pytest.mark.parametrize("sql", [ENDLESS, f"SELECT * FROM {NUMBERS} AS a(x), {NUMBERS} AS b(y)"])
def test_an_unload_is_stopped_at_its_timeout(tmp_path: Path, sql: str) -> None:
    """Also while it writes files; the one with the list of files is missing then."""
    with LocalTimestream(query_timeout=TIMEOUT, s3=tmp_path) as timestream:
        endpoint = Endpoint(timestream.url)
        began = time.monotonic()
        statement = f"UNLOAD ({sql}) TO 's3://unloads' WITH (max_file_size = '16MB')"
        code, _, message = failure(endpoint, statement)
        assert (code, message[:31]) == (
            "QueryExecutionException",
            "The query took longer than 1 s,",
        )
        assert time.monotonic() - began < TIMEOUT + 2
        assert rows(endpoint.query.query(QueryString="SELECT 1")) == [("1",)]
    assert list(tmp_path.rglob("*manifest*")) == []


def test_further_queries_wait(bounded: Endpoint) -> None:
    """Those that come at the same time have no thread in time; later ones have what is left."""
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: failure(bounded, ENDLESS)[:2], range(6)))
    assert found.count(("QueryExecutionException", 400)) >= 2
    assert set(found) <= {("QueryExecutionException", 400), ("ThrottlingException", 429)}
    assert rows(bounded.query.query(QueryString="SELECT 1")) == [("1",)]


def test_a_query_without_a_thread_in_time_is_throttled() -> None:
    async def receive() -> Message:
        return await asyncio.get_running_loop().create_future()

    async def run_two() -> None:
        runner = QueryRunner(QueryLimits(timeout=0.1, memory=2**50, at_once=1))
        request = Request({"type": "http"}, receive)
        may_end = threading.Event()

        def wait_for_the_end(_task: QueryTask) -> dict[str, object]:
            may_end.wait()
            return {}

        try:
            errors = await asyncio.gather(
                runner.run(wait_for_the_end, request),
                runner.run(lambda _task: {}, request),
                return_exceptions=True,
            )
        finally:
            may_end.set()
            runner.close()
        assert [type(error) for error in errors] == [QueryExecutionException, ThrottlingException]

    asyncio.run(run_two())


def test_a_query_whose_client_has_gone_is_stopped() -> None:
    """One thread runs queries, for a long time each: it is free because the query was stopped."""
    with LocalTimestream(query_timeout=600, max_queries=1) as timestream:
        endpoint = Endpoint(timestream.url)
        body = json.dumps({"QueryString": ENDLESS}).encode()
        with socket.create_connection(("127.0.0.1", timestream.port)) as connection:
            connection.sendall(
                b"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: Timestream_20181101.Query\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
            )
            connection.settimeout(0.3)
            with pytest.raises(TimeoutError):
                connection.recv(1)
        assert rows(endpoint.query.query(QueryString="SELECT 1")) == [("1",)]


def test_a_running_query_does_not_delay_the_end() -> None:
    with LocalTimestream(query_timeout=600) as timestream:
        endpoint = Endpoint(timestream.url)
        waiting = threading.Thread(target=failure, args=(endpoint, ENDLESS))
        waiting.start()
        while not any("timestream-query" in thread.name for thread in threading.enumerate()):
            time.sleep(0.01)
        began = time.monotonic()
    assert time.monotonic() - began < 10
    waiting.join()


def test_memory_is_bounded_and_given_back() -> None:
    options = ["--memory-limit", f"{MEMORY_MB}MB", "--query-timeout", "20s"]
    with EmulatorProcess(options=options) as server:
        endpoint = Endpoint(server.url)
        process = psutil.Process(server.process.pid)
        before = process.memory_info().rss
        highest = 0
        with ThreadPoolExecutor(1) as pool:
            for sql in (SORTING, NESTED):
                query = pool.submit(failure, endpoint, sql)
                while not query.done():
                    highest = max(highest, process.memory_info().rss)
                    time.sleep(0.005)
                assert query.result()[0] == "QueryExecutionException"
                assert "memory limit" in query.result()[2]
                assert rows(endpoint.query.query(QueryString="SELECT 1")) == [("1",)]
        assert highest - before > MEMORY_MB / 4 * MEGABYTE
        deadline = time.monotonic() + 30
        while process.memory_info().rss > before + MEMORY_MB / 2 * MEGABYTE:
            assert time.monotonic() < deadline, "The memory was not given back."
            time.sleep(0.1)


@pytest.mark.slow
def test_the_memory_of_stopped_queries_does_not_add_up() -> None:
    """DuckDB notices late that it shall stop, so each of them takes more than it may for a time."""
    with EmulatorProcess(options=["--memory-limit", f"{MEMORY_MB}MB"]) as server:
        endpoint = Endpoint(server.url)
        process = psutil.Process(server.process.pid)
        before = process.memory_info().rss
        highest = 0
        with ThreadPoolExecutor(1) as pool:
            for sql in (LONG_TEXTS, NESTED) * 4:
                query = pool.submit(failure, endpoint, sql)
                while not query.done():
                    highest = max(highest, process.memory_info().rss)
                    time.sleep(0.005)
                assert query.result()[0] == "QueryExecutionException"
        assert highest - before < 3.5 * MEMORY_MB * MEGABYTE


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"memory_limit": "much"}, "'much' is not a size; write it with a unit"),
        ({"memory_limit": "1MB"}, "The memory limit 1MB is too low; the least is 64MiB."),
        ({"query_timeout": 0}, "The query timeout 0 s is too short; it must be above 0."),
        ({"max_queries": 0}, "0 queries are too few; at least 1 must run."),
    ],
)
def test_invalid_limits_are_refused(setting: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LocalTimestream(**setting)  # type: ignore[arg-type]
