"""Expensive queries, made from the functions that queries can call: `make soak` runs them."""

import itertools
import os
import random
import time
from pathlib import Path

import psutil
import pytest
from botocore.exceptions import ClientError

from fleetstream.emulator.sql.functions import AGGREGATES, SCALARS
from fleetstream.emulator.sql.functions.signatures import (
    Aggregate,
    ConstantType,
    Function,
    LambdaType,
    TypeVariable,
)
from fleetstream.emulator.sql.types import ArrayType, SqlType
from tests.emulator.endpoint import Endpoint
from tests.emulator.sql_tables import rows
from tests.servers.emulator_process import EmulatorProcess

QUERIES = int(os.environ.get("FUZZ_QUERIES", "60"))
TIMEOUT = 2.0
MEMORY_BYTES = 1_000_000_000
NUMBERS = "UNNEST(sequence(1, 10000))"
FROM = f"FROM {NUMBERS} AS a(x) CROSS JOIN {NUMBERS} AS b(y)"
TEXT = "array_join(repeat('xy', 9999), '-')"
VALUES = {
    "varchar": [TEXT, f"concat({TEXT}, {TEXT})", "cast(x AS varchar)"],
    "bigint": ["x", "y", "x * y", "1000000000", "9999"],
    "integer": ["2147483647", "9999"],
    "double": ["1e300", "cast(x AS double)"],
    "boolean": ["x = y", "true"],
    "timestamp": ["now()", "from_nanoseconds(x * y)"],
    "date": ["current_date"],
}


class Generator:
    """Random expressions of given types, as large as their values can be."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._names = (f"v{number}" for number in itertools.count())

    def call(self, function: Function | Aggregate) -> str | None:
        """A call with expensive arguments; None if a parameter has no generated values."""
        found = [self.value(parameter, depth=2) for parameter in function.parameters]
        if any(value is None for value in found):
            return None
        return f"{function.name}({', '.join(map(str, found))})"

    def value(self, of: SqlType, depth: int) -> str | None:
        if isinstance(of, ConstantType):
            of = of.type
        if isinstance(of, TypeVariable):
            of = self._random.choice(of.one_of) if of.one_of else None  # type: ignore[assignment]
            if of is None:
                return self._random.choice(VALUES["bigint"])
        if isinstance(of, ArrayType):
            element = self.value(of.element, depth - 1) if depth else "x"
            if element is None:
                return None
            return self._random.choice([f"repeat({element}, 9999)", f"repeat({element}, 10)"])
        if isinstance(of, LambdaType):
            names = [next(self._names) for _ in of.parameters]
            result = self.value(of.result, depth - 1) if depth else "x"
            return None if result is None else f"({', '.join(names)}) -> {result}"
        known = VALUES.get(str(of).partition("(")[0])
        return self._random.choice(known) if known else None


@pytest.mark.soak
def test_expensive_queries_end_in_time_and_in_memory() -> None:
    seed = random.SystemRandom().randrange(10**6)
    generator, choice = Generator(seed), random.Random(seed)
    functions: list[Function | Aggregate] = [
        function
        for overloads in (*SCALARS.values(), *AGGREGATES.values())
        for function in overloads
    ]
    options = ["--memory-limit", "1GB", "--query-timeout", f"{TIMEOUT:g}s"]
    with EmulatorProcess(options=options) as server:
        endpoint = Endpoint(server.url)
        process = psutil.Process(server.process.pid)
        at_start = process.memory_info().rss
        calls = filter(None, map(generator.call, iter(lambda: choice.choice(functions), None)))
        expensive = 0
        for call in itertools.islice(calls, QUERIES):
            aggregate = call.partition("(")[0] in AGGREGATES
            sql = f"SELECT {call} {FROM}" if aggregate else f"SELECT count({call}) {FROM}"
            context = f"seed {seed}: {sql}"
            began = time.monotonic()
            outcome = outcome_of(endpoint, sql)
            assert not outcome.startswith("Internal"), context
            expensive += outcome in ("", "QueryExecutionException")
            assert time.monotonic() - began < TIMEOUT + 1, context
            assert rows(endpoint.query.query(QueryString="SELECT 1")) == [("1",)], context
            assert peak(process) - at_start < 1.2 * MEMORY_BYTES, context
    # Not all were refused.
    assert expensive > QUERIES / 5


def outcome_of(endpoint: Endpoint, sql: str) -> str:
    """The code of the error of a query; empty if it succeeds."""
    try:
        endpoint.query.query(QueryString=sql)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return ""


def peak(process: psutil.Process) -> int:
    """The most memory that a process has had, in bytes."""
    status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
