"""Comparing two targets: clean migrations, and each way in which one can go wrong."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetstream.api import compare
from fleetstream.generate.choices import RecordModel
from fleetstream.run.control import Control
from fleetstream.run.manifest import read_manifest
from fleetstream.targets.reader import Reader
from fleetstream.targets.registry import TargetOptions, open_reader
from fleetstream.targets.sink import TargetUnusable
from fleetstream.verify import Expectation, Fault, Side, compare_targets
from tests.servers.postgresql_server import PostgreSQL
from tests.servers.victoria_metrics import VictoriaMetrics
from tests.verify.migrated import (
    DIFFERENT,
    DOUBLE,
    DUPLICATE,
    EXTRA,
    MISSING,
    RECORDS,
    WORD,
    ZEUS,
    Migrated,
    duckdb_target,
    faults_in,
    ingest,
    to_duckdb,
)

DAMAGES: dict[str, tuple[str, dict[Fault, int], int]] = {
    "a missing series": (
        f"DELETE FROM copied WHERE instance_name = '{ZEUS}' AND measure_name = 'cpu_user'",
        {MISSING: 5},
        1,
    ),
    "a missing row": (
        (
            f"DELETE FROM copied WHERE instance_name = '{ZEUS}' AND measure_name = 'cpu_user' "
            "AND time = '2023-11-14 22:15:00'"
        ),
        {MISSING: 1},
        1,
    ),
    "a changed value": (
        (
            f"UPDATE copied SET \"{DOUBLE}\" = 4711 WHERE instance_name = '{ZEUS}' AND "
            "measure_name = 'cpu_user' AND time = '2023-11-14 22:15:00'"
        ),
        {DIFFERENT: 1},
        1,
    ),
    "doubled rows": (
        "INSERT INTO copied SELECT * FROM copied WHERE measure_name = 'cpu_user'",
        {DUPLICATE: 50},
        10,
    ),
    "a shifted time": (
        (
            f"UPDATE copied SET time = time + INTERVAL '1 hour' WHERE instance_name = '{ZEUS}' "
            "AND measure_name = 'cpu_user'"
        ),
        {MISSING: 5, EXTRA: 5},
        1,
    ),
    "truncated precision": (
        (
            f'UPDATE copied SET "{DOUBLE}" = CAST("{DOUBLE}" AS real) '
            "WHERE measure_name = 'latency_per_read'"
        ),
        {DIFFERENT: 49},  # one of 50 values is a real number of that precision
        10,
    ),
    "a lost word": (
        "UPDATE copied SET \"measure_value::varchar\" = NULL WHERE measure_name = 'task_end_state'",
        {DIFFERENT: 60},
        12,
    ),
}
"""In SQL: what is done to a copy, the faults that it makes, and of how many series."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest of a run in a DuckDB file beside it."""
    folder = tmp_path_factory.mktemp("source")
    return ingest(folder / "fleet.json", duckdb_target(folder / "fleet.duckdb"))


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    with PostgreSQL() as server:
        yield server


@pytest.fixture(scope="module")
def rows(source: Path) -> pa.Table:
    """What the source holds."""
    with duckdb.connect(source.with_suffix(".duckdb"), read_only=True) as connection:
        return connection.sql("FROM telemetry").to_arrow_table()


def to_postgresql(source: Path, rows: pa.Table, server: PostgreSQL) -> Migrated:
    """A table with the columns of Timestream, as AWS's scripts fill it."""
    from adbc_driver_postgresql import dbapi

    server.query("DROP TABLE IF EXISTS copied", "SELECT 1")
    with dbapi.connect(server.url) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("copied", rows.cast(_plain(rows.schema)), mode="create")
        connection.commit()

    def execute(statement: str) -> None:
        server.query(statement, "SELECT 1")

    target = TargetOptions(to=server.url, table_name="copied")
    return Migrated(source, target, "aws", execute)


def _plain(schema: pa.Schema) -> pa.Schema:
    """A schema whose words are strings."""
    words = (pa.types.is_dictionary, pa.types.is_large_string, pa.types.is_string_view)
    return pa.schema(
        [
            pa.field(each.name, pa.string()) if any(test(each.type) for test in words) else each
            for each in schema
        ]
    )


@pytest.fixture(params=["duckdb", "postgresql"])
def migrated(request: pytest.FixtureRequest, source: Path, tmp_path: Path) -> Migrated:
    """The run in a table of another database."""
    if request.param == "duckdb":
        return to_duckdb(source, tmp_path)
    rows = request.getfixturevalue("rows")
    return to_postgresql(source, rows, request.getfixturevalue("postgresql"))


def test_a_copied_table_matches(migrated: Migrated) -> None:
    findings = migrated.compared()
    assert findings.matches
    assert findings.expected == RECORDS
    assert findings.records == findings.values == dict.fromkeys(Side, RECORDS)


def test_values_of_all_types_are_compared(tmp_path: Path, postgresql: PostgreSQL) -> None:
    """Times and truth values too, which single-measure records of the sample fleet do not have."""
    path = tmp_path / "fleet.duckdb"
    fleet = {"model": "kubernetes", "record_model": "multi", "include": "namespace=shop"}
    manifest = ingest(tmp_path / "fleet.json", duckdb_target(path), include_region=(), **fleet)
    with duckdb.connect(path, read_only=True) as connection:
        rows = connection.sql("FROM telemetry").to_arrow_table()
    kinds = {str(field.type) for field in rows.schema}
    assert {"bool", "double", "int64", "timestamp[us]"} <= kinds
    migrated = to_postgresql(manifest, rows, postgresql)
    assert migrated.compared().matches
    postgresql.query(
        "ALTER TABLE copied ALTER COLUMN kube_pod_start_time TYPE timestamptz "
        "USING kube_pod_start_time AT TIME ZONE 'UTC'",
        "SELECT 1",
    )
    assert migrated.compared().matches


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_damage_of_a_table_is_found(damage: str, migrated: Migrated) -> None:
    statement, faults, series = DAMAGES[damage]
    migrated.execute(statement)
    findings = migrated.compared()
    assert findings.finished
    assert not findings.matches
    assert faults_in(findings) == faults
    assert all(len(findings.series[Side.DESTINATION, fault]) == series for fault in faults)
    for fault in faults:
        examples = findings.examples[Side.DESTINATION, fault]
        assert len(examples) == min(faults[fault], 5)
        for example in examples:
            assert example.series["region"] == "eu-central-1"
            assert example.measure_name in statement


def test_a_migration_to_victoriametrics(source: Path, tmp_path: Path) -> None:
    with VictoriaMetrics(tmp_path) as server:
        target = TargetOptions(to=f"prometheus:{server.url}", table_name="moved")
        ingest(tmp_path / "moved.json", target)
        assert compare(source, destination=target).matches
        query = {"match[]": f'cpu_user_ratio{{instance_name="{ZEUS}"}}'}
        deleted = requests.post(
            f"{server.url}/api/v1/admin/tsdb/delete_series", params=query, timeout=30
        )
        assert deleted.ok
        findings = compare(source, destination=target)
        assert faults_in(findings) == {MISSING: 5}
        (example, *_) = findings.examples[Side.DESTINATION, MISSING]
        assert (example.measure_name, example.series["instance_name"]) == ("cpu_user", ZEUS)
        assert example.values["destination"] is None
        assert example.values["source"] == example.values["expected"]


def test_what_both_lack_is_missing_in_both(source: Path, tmp_path: Path) -> None:
    migrated = to_duckdb(source, tmp_path)
    original = tmp_path / "original.duckdb"
    shutil.copy(source.with_suffix(".duckdb"), original)
    gone = f"WHERE instance_name = '{ZEUS}' AND measure_name = 'cpu_user'"
    migrated.execute(f"DELETE FROM copied {gone}")
    with duckdb.connect(original) as connection:
        connection.execute(f"DELETE FROM telemetry {gone}")
    findings = compare(source, source=duckdb_target(original), destination=migrated.target)
    assert findings.faults == {(side, MISSING): 5 for side in Side}
    (example, *_) = findings.examples[Side.SOURCE, MISSING]
    assert example.values["source"] is example.values["destination"] is None
    assert example.values["expected"] is not None


def test_a_record_of_an_interrupted_sweep_must_be_in_both_or_in_neither(
    source: Path, tmp_path: Path
) -> None:
    migrated = to_duckdb(source, tmp_path)
    manifest = read_manifest(source)
    stamps = list(manifest.timestamps())
    manifest.swept, manifest.unsettled, manifest.finished = [], stamps[3:], False
    manifest.settle(stamps[:3])
    migrated.execute(
        f"DELETE FROM copied WHERE instance_name = '{ZEUS}' AND time > '2023-11-14 22:17'"
    )
    findings = compare(manifest, destination=migrated.target)
    assert faults_in(findings) == {MISSING: 25}
    assert (findings.expected, findings.absent) == (RECORDS, 0)
    original = tmp_path / "original.duckdb"
    shutil.copy(source.with_suffix(".duckdb"), original)
    with duckdb.connect(original) as connection:
        connection.execute(
            f"DELETE FROM telemetry WHERE instance_name = '{ZEUS}' AND time > '2023-11-14 22:17'"
        )
    findings = compare(manifest, source=duckdb_target(original), destination=migrated.target)
    assert findings.matches
    assert (findings.expected, findings.absent) == (RECORDS - 25, 25)


@settings(max_examples=6)
@given(
    deleted=st.sets(st.integers(0, RECORDS - 1), max_size=30),
    changed=st.sets(st.integers(0, RECORDS - 1), max_size=30),
    doubled=st.sets(st.integers(0, RECORDS - 1), max_size=30),
    slice_values=st.integers(1, 2_000),
)
def test_the_counts_are_exact(
    deleted: set[int], changed: set[int], doubled: set[int], slice_values: int, source: Path
) -> None:
    changed, doubled = changed - deleted, doubled - deleted
    expectation = Expectation([read_manifest(source)])
    schemas = expectation.columns.schemas
    target = duckdb_target(source.with_suffix(".duckdb"))
    whole = open_reader(target, RecordModel.SINGLE, schemas)
    damaged = Damaged(open_reader(target, RecordModel.SINGLE, schemas), deleted, changed, doubled)
    for reader in (whole, damaged):
        reader.open()
    with closing(whole), closing(damaged):
        whole.slice_values = slice_values  # type: ignore[misc]
        findings = compare_targets(expectation, whole, damaged, Control())
    counts = {MISSING: len(deleted), DIFFERENT: len(changed), DUPLICATE: len(doubled)}
    assert faults_in(findings) == {fault: count for fault, count in counts.items() if count}
    assert findings.matches is not any(counts.values())
    assert findings.records[Side.DESTINATION] == RECORDS - len(deleted) + len(doubled)


class Damaged:
    """A reader of what another reads, without some rows, with others changed or twice."""

    slice_values = 10_000_000

    def __init__(
        self, reader: Reader, deleted: set[int], changed: set[int], doubled: set[int]
    ) -> None:
        self._reader = reader
        self._deleted, self._changed, self._doubled = deleted, changed, doubled
        self.name = "damaged"

    def open(self) -> None:
        self._reader.open()
        self.connection = self._reader.connection

    def times_after(self, timestamp: int) -> list[int]:
        return []

    def held(self, begin: int | None, end: int | None) -> str:
        held = self._reader.held(begin, end)
        assert isinstance(held, str)
        rows = held.replace("FROM", ", rowid AS place FROM", 1)
        changed = f"place IN ({listed(self._changed)})"
        value = f'"{DOUBLE}" + CASE WHEN {changed} THEN 0.01 ELSE 0.0 END'
        word = f"CASE WHEN {changed} THEN 'changed' ELSE \"{WORD}\" END"
        there = (
            f'SELECT * EXCLUDE (place) REPLACE ({value} AS "{DOUBLE}", {word} AS "{WORD}") '
            f"FROM ({rows}) WHERE place "
        )
        return (
            f"{there} NOT IN ({listed(self._deleted)}) "
            f"UNION ALL {there} IN ({listed(self._doubled)})"
        )

    def close(self) -> None:
        self._reader.close()


def listed(places: set[int]) -> str:
    return ", ".join(map(str, [*places, -1]))


def test_a_table_that_is_not_there_or_has_other_columns(
    source: Path, postgresql: PostgreSQL
) -> None:
    other = TargetOptions(to=postgresql.url, table_name="other")
    with pytest.raises(TargetUnusable, match="'region' of type text, but it is not there"):
        compare(source, destination=other, layout="aws")
    postgresql.query("CREATE TABLE other (region integer)", "SELECT 1")
    with pytest.raises(TargetUnusable, match="'region' of type text, but it is of type integer"):
        compare(source, destination=other, layout="aws")
