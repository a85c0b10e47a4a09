"""Comparing Timestream and InfluxDB, in the layout of AWS's migration scripts."""

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.generator import Generator
from fleetstream.generate.moments import now
from fleetstream.model import load_model
from fleetstream.targets.registry import TargetOptions, open_reader
from fleetstream.targets.sink import TargetUnusable
from fleetstream.verify import Side
from tests.servers.emulator_process import EmulatorProcess
from tests.servers.influx_server import InfluxDB
from tests.targets.cases import SCHEMAS
from tests.telemetry import SECOND, TIMESTAMP
from tests.verify.migrated import (
    DIFFERENT,
    DOUBLE,
    DUPLICATE,
    EXTRA,
    MINUTE,
    MISSING,
    RECORDS,
    ZEUS,
    Migrated,
    faults_in,
    ingest,
)

PAGE = Path(__file__).parents[2] / "docs" / "migration.md"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "any",
    "AWS_SECRET_ACCESS_KEY": "any",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxDB]:
    with InfluxDB(tmp_path_factory.mktemp("influx")) as server:
        yield server


def point(table: str, tags: Mapping[str, str], fields: Mapping[str, str], time: int) -> str:
    """A line as AWS's scripts write it; ``time`` is in microseconds."""
    key = "".join(f",{escaped(name)}={escaped(word)}" for name, word in sorted(tags.items()))
    values = ",".join(f"{escaped(name)}={value}" for name, value in fields.items())
    return f"{table}{key} {values} {time}"


def escaped(word: str) -> str:
    return re.sub(r"([, =])", r"\\\1", word)


def write_lines(server: InfluxDB, lines: list[str]) -> None:
    query = {"db": "fleet", "precision": "u"}
    body = "\n".join(lines).encode()
    answer = requests.post(f"{server.url}/write", params=query, data=body, timeout=30)
    assert answer.status_code == 204, answer.text


@pytest.fixture(scope="module")
def from_timestream(
    tmp_path_factory: pytest.TempPathFactory, emulator: EmulatorProcess, influx: InfluxDB
) -> Iterator[Migrated]:
    """A run in the local Timestream, migrated by the script of the page."""
    folder = tmp_path_factory.mktemp("timestream")
    database = emulator.new_database()
    emulator.write.create_table(DatabaseName=database, TableName="telemetry")
    table = TargetOptions(
        to="timestream", database_name=database, table_name="telemetry", region="us-east-1",
        endpoint_url=emulator.url,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for name, text in CREDENTIALS.items():
            patch.setenv(name, text)
        yield from _migrated(folder, table, influx)


def _migrated(folder: Path, table: TargetOptions, influx: InfluxDB) -> Iterator[Migrated]:
    begin = now() // MINUTE * MINUTE - 10 * MINUTE
    manifest = ingest(folder / "fleet.json", table, start=begin, end=begin + 5 * MINUTE)
    (script,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert '"testDb"' in script
    subprocess.run(
        [sys.executable, "-c", script.replace('"testDb"', f'"{table.database_name}"')],
        env=os.environ | {"TIMESTREAM_URL": str(table.endpoint_url), "INFLUX_URL": influx.url},
        check=True,
        timeout=60,
    )
    target = TargetOptions(to=f"influx:{influx.url}", database_name="fleet", table_name="telemetry")
    yield Migrated(manifest, target, "aws", influx.query)
    influx.query("DROP MEASUREMENT telemetry")


def test_each_damage_of_a_migration_to_influxdb_is_found(
    from_timestream: Migrated, influx: InfluxDB
) -> None:
    """One after the other, each mended before the next."""
    findings = from_timestream.compared()
    assert findings.matches
    assert findings.records == dict.fromkeys(Side, RECORDS)
    one = f"instance_name = '{ZEUS}' AND measure_name = 'cpu_user'"
    names, *found = stored(influx, one)
    assert len(found) == 5
    first = dict(zip(names, found[0], strict=True))
    time = first.pop("time")
    value = first.pop(DOUBLE)
    tags = {name: word for name, word in first.items() if word and "::" not in name}

    def written(time: int, value: float, **further: str) -> None:
        write_lines(influx, [point("telemetry", tags | further, {DOUBLE: repr(value)}, time)])

    for damage, mend, faults in (
        (lambda: influx.query(f"DROP SERIES FROM telemetry WHERE {one}"), None, {MISSING: 5}),
        (
            lambda: influx.query(f"DELETE FROM telemetry WHERE {one} AND time = {time}u"),
            lambda: written(time, value),
            {MISSING: 1},
        ),
        (
            lambda: written(time, value + 0.01),
            lambda: written(time, value),
            {DIFFERENT: 1},
        ),
        (
            lambda: written(time, value, migrated="again"),
            lambda: influx.query("DROP SERIES FROM telemetry WHERE migrated = 'again'"),
            {DUPLICATE: 1},
        ),
        (
            lambda: written(time + 3_600 * SECOND, value),
            lambda: influx.query(
                f"DELETE FROM telemetry WHERE {one} AND time = {time + 3_600 * SECOND}u"
            ),
            {EXTRA: 1},
        ),
        (
            lambda: written(time, float(round(value))),
            lambda: written(time, value),
            {DIFFERENT: 1} if value != round(value) else {},
        ),
    ):
        damage()
        findings = from_timestream.compared()
        assert faults_in(findings) == faults
        if mend is None:
            lines = [
                point("telemetry", tags, {DOUBLE: repr(row[names.index(DOUBLE)])}, row[0])
                for row in found
            ]
            write_lines(influx, lines)
        else:
            mend()
    assert from_timestream.compared().matches


def stored(influx: InfluxDB, where: str) -> list[list[Any]]:
    """The columns of the measurement, and its points."""
    (series,) = influx.query(f"SELECT * FROM telemetry WHERE {where}")
    return [series["columns"], *series["values"]]


WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"], include_characters=" ,=\"'ä"),
    min_size=1,
    max_size=12,
).filter(lambda word: not word.endswith("\\"))
INTEGERS = st.integers(-(2**53), 2**53)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False).filter(
    lambda each: each == 0 or abs(each) > 1e-300
)


@settings(max_examples=8)
@given(
    words=st.lists(st.tuples(WORDS, st.none() | WORDS), min_size=1, max_size=4, unique=True),
    numbers=st.lists(NUMBERS, min_size=4, max_size=4),
    integers=st.lists(INTEGERS, min_size=4, max_size=4),
    as_integers=st.booleans(),
)
def test_whatever_is_migrated_by_the_layout_is_read_as_it_was(
    words: list[tuple[str, str | None]],
    numbers: list[float],
    integers: list[int],
    as_integers: bool,
    influx: InfluxDB,
) -> None:
    influx.query("DROP MEASUREMENT mapped")
    rows, lines = [], []
    for place, (region, cell) in enumerate(words):
        time = TIMESTAMP + place * SECOND
        tags = {"region": region} | ({"cell": cell} if cell else {})
        for name, fields, values in (
            ("latency", {DOUBLE: repr(numbers[place])}, (numbers[place], None)),
            (
                "tasks",
                {"measure_value::bigint": f"{integers[place]}{'i' if as_integers else ''}"},
                (None, integers[place]),
            ),
        ):
            fields = {**fields, "la_unload": "1"}
            lines.append(point("mapped", tags | {"measure_name": name}, fields, time))
            rows.append((region, cell, name, time, *values))
    write_lines(influx, lines)
    target = TargetOptions(to=f"influx:{influx.url}", database_name="fleet", table_name="mapped")
    reader = open_reader(target, RecordModel.SINGLE, SCHEMAS, "aws")
    reader.open()
    with closing(reader):
        held = reader.held(None, None)
    assert isinstance(held, pa.Table)
    times = held["time"].cast(pa.int64())
    columns = [held[name] if name in held.column_names else pa.nulls(len(held)) for name in (
        "region", "cell", "measure_name"
    )]  # fmt: skip
    columns += [times, held[DOUBLE], held["measure_value::bigint"]]
    read = zip(*(column.to_pylist() for column in columns), strict=True)
    assert Counter(read) == Counter(rows)


def test_integers_that_became_other_floats_are_different(influx: InfluxDB) -> None:
    """Beyond 2^53 a float does not have them all, and one was rounded."""
    influx.query("DROP MEASUREMENT mapped")
    target = TargetOptions(to=f"influx:{influx.url}", database_name="fleet", table_name="mapped")
    for text, read in ((f"{2**53 + 1}", 2**53), ("7.5", 7.5)):
        line = point(
            "mapped", {"measure_name": "tasks"}, {"measure_value::bigint": text}, TIMESTAMP
        )
        write_lines(influx, [line])
        reader = open_reader(target, RecordModel.SINGLE, SCHEMAS, "aws")
        reader.open()
        with closing(reader):
            held = reader.held(None, None)
        assert isinstance(held, pa.Table)
        assert held["measure_value::bigint"].to_pylist() == [read]


def test_a_measurement_that_is_not_there(influx: InfluxDB) -> None:
    nowhere = TargetOptions(to=f"influx:{influx.url}", database_name="fleet", table_name="nowhere")
    reader = open_reader(nowhere, RecordModel.SINGLE, SCHEMAS, "aws")
    with pytest.raises(TargetUnusable, match="no measurement 'nowhere'"):
        reader.open()


def test_times_may_have_become_texts(influx: InfluxDB) -> None:
    """As AWS's plugin for InfluxDB 3 writes them."""
    schemas = tuple(Generator(load_model("kubernetes"), 7).schemas.values())
    target = TargetOptions(to=f"influx:{influx.url}", database_name="fleet", table_name="pods")
    for text, right in (('"2026-11-01 00:00:01.5"', True), ('"yesterday"', False)):
        influx.query("DROP MEASUREMENT pods")
        fields = {"kube_pod_start_time": text}
        write_lines(influx, [point("pods", {"measure_name": "pod"}, fields, TIMESTAMP)])
        reader = open_reader(target, RecordModel.MULTI, schemas, "aws")
        reader.open()
        with closing(reader):
            if right:
                held = reader.held(None, None)
                assert isinstance(held, pa.Table)
                (time,) = held["kube_pod_start_time"].to_pylist()
                assert str(time) == "2026-11-01 00:00:01.500000"
            else:
                with pytest.raises(TargetUnusable, match="that are no times"):
                    reader.held(None, None)
