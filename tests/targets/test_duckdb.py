"""DuckDB: the table's columns and contents, writing once, and files that cannot be used."""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.records import RecordRange, Records
from fleetstream.generate.schema import measure_fields
from fleetstream.targets.columns import TableColumns
from fleetstream.targets.duckdb.sink import LONGEST_WAIT, VALUES_PER_INSERT, DuckDBSink
from fleetstream.targets.sink import Delivery, Request, TargetUnusable
from tests.batches import batches
from tests.targets.cases import SCHEMAS, record
from tests.telemetry import EVENTS, KINDS, METRICS, MODEL, SECOND, TIMESTAMP, generator
from tests.wire import Record, expected

KEY = {
    **dict.fromkeys(
        [
            *("region", "cell", "silo", "availability_zone", "microservice_name"),
            *("instance_name", "instance_type", "os_version", "process", "jdk_version"),
            "measure_name",
        ],
        "VARCHAR",
    ),
    "time": "TIMESTAMP",
}
VALUES = {
    RecordModel.SINGLE: {
        "measure_value::double": "DOUBLE",
        "measure_value::bigint": "BIGINT",
        "measure_value::varchar": "VARCHAR",
    },
    RecordModel.MULTI: {
        each.name: str(each.type) for kind in MODEL.kinds.values() for each in kind.measures
    },
}

FLEET = generator(1, 9, ["eu-central-1"], missing_percent=20)
SWEEPS = [
    batch
    for times in ([TIMESTAMP], [TIMESTAMP + n * SECOND for n in (1, 2, 3)])
    for batch in FLEET.batches(times)
]
"""Ten hosts and twelve processes, with gaps: one sweep, and three in the batches after it."""

MODELS = pytest.mark.parametrize("model", RecordModel)


@contextmanager
def opened(path: Path, model: RecordModel, *names: str) -> Iterator[DuckDBSink]:
    sink = DuckDBSink(path, model, SCHEMAS, *names)
    with closing(sink):
        sink.open()
        yield sink


def write(sink: DuckDBSink, several: Iterable[pa.RecordBatch]) -> list[Delivery]:
    """Deliver batches as a run does."""
    requests = [request for batch in several for request in sink.prepare(batch)]
    return [sink.send(request) for request in [*requests, *sink.flush()]]


def rows(path: Path, query: str = "SELECT * FROM main.telemetry") -> list[tuple]:
    with duckdb.connect(path, read_only=True) as connection:
        return connection.execute(query).fetchall()


def stored(path: Path, model: RecordModel) -> list[Record]:
    """The records that the table holds, sorted."""
    names = [row[0] for row in rows(path, "DESCRIBE main.telemetry")]
    query = "SELECT * REPLACE (epoch_us(time) AS time) FROM main.telemetry"
    columns = TableColumns(model, SCHEMAS)
    return sorted(record(dict(zip(names, row, strict=True)), columns) for row in rows(path, query))


def all_records(several: Iterable[pa.RecordBatch], model: RecordModel) -> list[Record]:
    return sorted(each for batch in several for each in with_sorted_values(batch, model))


def with_sorted_values(batch: pa.RecordBatch, model: RecordModel) -> list[Record]:
    return [each._replace(values=tuple(sorted(each.values))) for each in expected(batch, model)]


@MODELS
def test_columns_are_those_of_timestream(model: RecordModel, tmp_path: Path) -> None:
    path = tmp_path / "fleet.duckdb"
    with opened(path, model):
        pass
    described = {row[0]: row[1] for row in rows(path, "DESCRIBE main.telemetry")}
    assert described == KEY | VALUES[model]


@MODELS
def test_the_table_holds_what_was_written(model: RecordModel, tmp_path: Path) -> None:
    path = tmp_path / "fleet.duckdb"
    with opened(path, model) as sink:
        assert all(not delivery.rejections for delivery in write(sink, SWEEPS))
    assert stored(path, model) == all_records(SWEEPS, model)


@settings(max_examples=25)
@given(batches(KINDS, rows=8), st.sampled_from(RecordModel))
def test_any_values_are_kept(
    tmp_path_factory: pytest.TempPathFactory, batch: pa.RecordBatch, model: RecordModel
) -> None:
    """Whatever the words and numbers; of records with the same key the first is kept."""
    path = tmp_path_factory.mktemp("any") / "fleet.duckdb"
    with opened(path, model) as sink:
        deliveries = write(sink, [batch])
    first: dict[tuple, Record] = {}
    refused = []
    repeated = 0
    for place, each in enumerate(with_sorted_values(batch, model)):
        key = (each.dimensions, each.name, each.time)
        repeated += first.get(key) == each
        if first.setdefault(key, each) != each:
            refused.append(place)
    assert stored(path, model) == sorted(first.values())
    assert [each.index for delivery in deliveries for each in delivery.rejections] == refused
    assert sum(delivery.unchanged or 0 for delivery in deliveries) == repeated


@MODELS
def test_both_models_give_the_same_answers(model: RecordModel, tmp_path: Path) -> None:
    path = tmp_path / "fleet.duckdb"
    with opened(path, model) as sink:
        write(sink, SWEEPS)
    if model is RecordModel.SINGLE:
        query = (
            'SELECT instance_name, avg("measure_value::double") FROM main.telemetry '
            "WHERE measure_name = 'disk_used' GROUP BY ALL ORDER BY ALL"
        )
    else:
        query = (
            "SELECT instance_name, avg(disk_used) FROM main.telemetry "
            "WHERE measure_name = 'metrics' GROUP BY ALL ORDER BY ALL"
        )
    by_host: dict[str, list[float]] = {}
    for batch in SWEEPS:
        if "disk_used" in batch.schema.names:
            hosts, used = batch["instance_name"].to_pylist(), batch["disk_used"].to_pylist()
            for host, value in zip(hosts, used, strict=True):
                by_host.setdefault(host, []).append(value)
    means = sorted((host, sum(used) / len(used)) for host, used in by_host.items())
    found = rows(path, query)
    assert [host for host, _ in found] == [host for host, _ in means]
    assert [mean for _, mean in found] == pytest.approx([mean for _, mean in means])


@settings(max_examples=25)
@given(st.sampled_from(RecordModel), st.data())
def test_writing_again_stores_once(
    tmp_path_factory: pytest.TempPathFactory, model: RecordModel, data: st.DataObject
) -> None:
    """Any ranges of records, overlapping, in any order, over several openings of the file."""
    path = tmp_path_factory.mktemp("again") / "fleet.duckdb"
    written: set[Record] = set()
    for _ in range(data.draw(st.integers(1, 3))):
        with opened(path, model) as sink:
            for _ in range(data.draw(st.integers(1, 4))):
                batch = data.draw(st.sampled_from(SWEEPS))
                records = Records(batch, model)
                start = data.draw(st.integers(0, len(records) - 1))
                stop = data.draw(st.integers(start + 1, len(records)))
                part = set(with_sorted_values(batch, model)[start:stop])
                delivery = sink.send(Request((RecordRange(records, start, stop),), None))
                assert delivery == Delivery((), len(part & written))
                written |= part
    assert stored(path, model) == sorted(written)


@MODELS
def test_the_same_request_twice(model: RecordModel, tmp_path: Path) -> None:
    path = tmp_path / "fleet.duckdb"
    with opened(path, model) as sink:
        write(sink, SWEEPS * 2)
        write(sink, SWEEPS)
    assert stored(path, model) == all_records(SWEEPS, model)


@MODELS
@pytest.mark.parametrize("reopened", [False, True])
def test_another_value_is_rejected(model: RecordModel, tmp_path: Path, *, reopened: bool) -> None:
    path = tmp_path / "fleet.duckdb"
    batch = SWEEPS[3]
    place = batch.schema.get_field_index("task_completed")
    values = batch["task_completed"].to_pylist()
    values[13] += 1
    other = batch.set_column(place, batch.schema.field(place), pa.array(values))
    with opened(path, model) as sink:
        write(sink, [batch])
        if not reopened:
            (delivery,) = write(sink, [other])
    if reopened:
        with opened(path, model) as sink:
            (delivery,) = write(sink, [other])
    (rejection,) = delivery.rejections
    assert rejection.reason == "another value is in the table already"
    assert rejection.index == (13 * 5 + 3 if model is RecordModel.SINGLE else 13)
    assert delivery.unchanged == len(all_records([batch], model)) - 1
    assert stored(path, model) == all_records([batch], model)


@MODELS
def test_a_table_with_repeated_rows_rejects_each_record_once(
    model: RecordModel, tmp_path: Path
) -> None:
    """Others can write rows into the table that it does not hold twice by itself."""
    path = tmp_path / "fleet.duckdb"
    batch = SWEEPS[1].slice(0, 2)
    with opened(path, model) as sink:
        write(sink, [batch])
    value = "measure_value::double" if model is RecordModel.SINGLE else "gc_pause"
    with duckdb.connect(path) as connection:
        for _ in range(2):
            connection.execute(
                f'INSERT INTO telemetry SELECT * REPLACE (-1.0 AS "{value}") FROM telemetry '
                f'WHERE "{value}" IS NOT NULL'
            )
    with opened(path, model) as sink:
        (delivery,) = write(sink, [batch])
    indices = [each.index for each in delivery.rejections]
    assert indices
    assert indices == sorted(set(indices))


ODD = [
    'plain "quoted"',
    "it's",
    "tæble ✓",
    "semi;colon -- x",
    "back\\slash",
    'ends with "',
    "select",
]


@MODELS
@pytest.mark.parametrize("name", ODD)
def test_any_names_of_schema_and_table(model: RecordModel, name: str, tmp_path: Path) -> None:
    """And the query that is printed at the end of a run works as it stands, in a shell."""
    path = tmp_path / 'a folder with "quotes" and $HOME' / "fleet's.duckdb"
    path.parent.mkdir()
    with opened(path, model, name, name) as sink:
        write(sink, SWEEPS)
        hint = sink.query_hint()
    quoted = '"' + name.replace('"', '""') + '"'
    assert rows(path, f"SELECT count(*) FROM {quoted}.{quoted}") == [
        (len(all_records(SWEEPS, model)),)
    ]
    assert hint is not None
    shown = subprocess.run(hint, shell=True, capture_output=True, text=True, check=True).stdout
    names = {"cpu_user", "task_end_state"} if model is RecordModel.SINGLE else {METRICS, EVENTS}
    assert all(name in shown for name in names)


def test_a_schema_named_as_the_file(tmp_path: Path) -> None:
    """DuckDB names a catalog after its file, and takes a schema of that name for ambiguous."""
    path = tmp_path / "testdb.duckdb"
    for _ in range(2):
        with opened(path, RecordModel.SINGLE, "testDb", "telemetry") as sink:
            write(sink, SWEEPS)
            assert sink.name == f"DuckDB, testDb.telemetry in {path}"
            hint = sink.query_hint()
    records = len(all_records(SWEEPS, RecordModel.SINGLE))
    assert rows(path, "SELECT count(*) FROM testdb.testDb.telemetry") == [(records,)]
    assert hint is not None
    subprocess.run(hint, shell=True, capture_output=True, check=True)


def test_a_table_of_one_model_grows_the_columns_of_the_other(tmp_path: Path) -> None:
    path = tmp_path / "fleet.duckdb"
    for model in (RecordModel.SINGLE, RecordModel.MULTI):
        with opened(path, model) as sink:
            assert all(not delivery.rejections for delivery in write(sink, SWEEPS))
    described = {row[0]: row[1] for row in rows(path, "DESCRIBE main.telemetry")}
    assert described == KEY | VALUES[RecordModel.SINGLE] | VALUES[RecordModel.MULTI]
    records = sum(len(all_records(SWEEPS, model)) for model in RecordModel)
    assert rows(path, "SELECT count(*) FROM main.telemetry") == [(records,)]


def test_a_column_of_another_type(tmp_path: Path) -> None:
    path = tmp_path / "fleet.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute("CREATE TABLE telemetry (region INTEGER)")
    with pytest.raises(TargetUnusable, match="'region' of type INTEGER, where VARCHAR is needed"):
        DuckDBSink(path, RecordModel.SINGLE, SCHEMAS).open()


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir or Madam, " * 1_000)
    with pytest.raises(
        ValueError, match="is not a DuckDB file, and would be overwritten; name another path"
    ):
        DuckDBSink(path, RecordModel.SINGLE, SCHEMAS).open()
    assert path.read_text() == "Dear Sir or Madam, " * 1_000


@pytest.mark.parametrize(
    ("path", "error", "sentence"),
    [
        ("nowhere/fleet.duckdb", ValueError, "There is no folder"),
        ("", ValueError, "is a folder, but must be a DuckDB file"),
        ("/proc/fleet.duckdb", TargetUnusable, "'/proc/fleet.duckdb' cannot be written"),
    ],
)
def test_a_path_that_cannot_be_written(
    path: str, error: type[Exception], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=sentence):
        DuckDBSink(tmp_path / path, RecordModel.SINGLE, SCHEMAS).open()


def test_a_file_that_another_process_has_open(tmp_path: Path) -> None:
    path = tmp_path / "fleet.duckdb"
    code = f"import duckdb; c = duckdb.connect({str(path)!r}); print('open', flush=True); input()"
    other = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "open\n"
    try:
        with pytest.raises(TargetUnusable, match="is open in another process; close it there"):
            DuckDBSink(path, RecordModel.SINGLE, SCHEMAS).open()
    finally:
        other.communicate("\n")


@MODELS
def test_inserts_are_large_but_bounded(model: RecordModel, tmp_path: Path) -> None:
    """Batches wait for each other, but history of a small fleet is not one request."""
    made = generator(2)
    size = made.timestamps_per_batch()
    largest = max(values_of(batch) for batch in made.batches(range(0, size * SECOND, SECOND)))
    limit = VALUES_PER_INSERT[model]
    with opened(tmp_path / "fleet.duckdb", model) as sink:
        requests = [
            request
            for begin in range(0, 8 * size * SECOND, size * SECOND)
            for batch in made.batches(range(begin, begin + size * SECOND, SECOND))
            for request in sink.prepare(batch)
        ]
        rest = list(sink.flush())
        assert list(sink.flush()) == []
    assert len(requests) > 2
    assert all(limit <= request.values < limit + largest for request in requests)
    assert any(len(request.ranges) > 1 for request in requests)
    values = sum(request.values for request in [*requests, *rest])
    assert values == 8 * size * made.values_per_sweep


def values_of(batch: pa.RecordBatch) -> int:
    return len(Records(batch, RecordModel.SINGLE))


def test_values_do_not_wait_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of a slow source are inserted with the first that comes after the longest wait."""
    clock = [100.0]
    monkeypatch.setattr(
        "fleetstream.targets.waiting.time", SimpleNamespace(monotonic=lambda: clock[0])
    )
    with opened(tmp_path / "fleet.duckdb", RecordModel.SINGLE) as sink:
        assert not list(sink.prepare(SWEEPS[0]))
        clock[0] += LONGEST_WAIT / 2
        assert not list(sink.prepare(SWEEPS[1]))
        clock[0] += LONGEST_WAIT / 2
        (request,) = sink.prepare(SWEEPS[2])
        assert len(request.ranges) == 3
        assert not list(sink.prepare(SWEEPS[3]))


def test_a_batch_without_values_makes_no_request(tmp_path: Path) -> None:
    batch = SWEEPS[0]
    nulls = [pa.nulls(len(batch), field.type) for field in measure_fields(batch.schema)]
    kept = batch.columns[: len(batch.columns) - len(nulls)]
    empty = pa.RecordBatch.from_arrays([*kept, *nulls], schema=batch.schema)
    with opened(tmp_path / "fleet.duckdb", RecordModel.SINGLE) as sink:
        assert write(sink, [empty]) == []
