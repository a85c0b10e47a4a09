"""DuckDB: the table's shape and contents, writing once, and files that can't be used."""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.records import RecordRange, Records
from fleetstream.targets.duckdb.sink import DuckDBSink
from fleetstream.targets.sink import Delivery, Request, TargetUnusable
from tests.batches import batches
from tests.targets.cases import SCHEMAS
from tests.telemetry import MODEL, TIMESTAMP, generator
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

SWEEPS = [
    batch
    for second in (0, 1_000_000)
    for batch in generator(1, 9, ["eu-central-1"], missing_percent=20).batches([TIMESTAMP + second])
]
"""Two sweeps over ten hosts and twelve processes, with gaps."""

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
    return sorted(_record(dict(zip(names, row, strict=True)), model) for row in rows(path, query))


def _record(fields: dict, model: RecordModel) -> Record:
    dimensions = set(MODEL.dimensions)
    present = {name: value for name, value in fields.items() if value is not None}
    series = sorted((name, value) for name, value in present.items() if name in dimensions)
    name = present["measure_name"]
    types = VALUES[model]
    values = [
        (column if model is RecordModel.MULTI else name, types[column], present[column])
        for column in types
        if column in present
    ]
    if model is RecordModel.MULTI:
        # The two kinds share a column of the same name, so that the order is the records' own.
        own = [each.name for each in MODEL.kinds[name].measures]
        values.sort(key=lambda value: own.index(value[0]))
    return Record(tuple(series), name, tuple(values), present["time"])


def all_records(several: Iterable[pa.RecordBatch], model: RecordModel) -> list[Record]:
    return sorted(record for batch in several for record in expected(batch, model))


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
@given(batches(rows=8), st.sampled_from(RecordModel))
def test_any_values_are_kept(
    tmp_path_factory: pytest.TempPathFactory, batch: pa.RecordBatch, model: RecordModel
) -> None:
    """Whatever the words and numbers; of records with the same key the first is kept."""
    path = tmp_path_factory.mktemp("any") / "fleet.duckdb"
    with opened(path, model) as sink:
        deliveries = write(sink, [batch])
    first: dict[tuple, Record] = {}
    refused = []
    for place, record in enumerate(expected(batch, model)):
        kept = first.setdefault((record.dimensions, record.name, record.time), record)
        if kept.values != record.values:
            refused.append(place)
    assert stored(path, model) == sorted(first.values())
    assert [each.index for delivery in deliveries for each in delivery.rejections] == refused


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
    """Any runs of records, overlapping, in any order, over any number of openings of the file."""
    path = tmp_path_factory.mktemp("again") / "fleet.duckdb"
    written: set[Record] = set()
    for _ in range(data.draw(st.integers(1, 3))):
        with opened(path, model) as sink:
            for _ in range(data.draw(st.integers(1, 4))):
                batch = data.draw(st.sampled_from(SWEEPS))
                records = Records(batch, model)
                start = data.draw(st.integers(0, len(records) - 1))
                stop = data.draw(st.integers(start + 1, len(records)))
                delivery = sink.send(Request((RecordRange(records, start, stop),), None))
                assert not delivery.rejections
                written |= set(expected(batch, model)[start:stop])
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
    batch = SWEEPS[1]
    place = batch.schema.get_field_index("task_completed")
    values = batch["task_completed"].to_pylist()
    other = batch.set_column(
        place, batch.schema.field(place), pa.array([values[0], values[1] + 1, *values[2:]])
    )
    with opened(path, model) as sink:
        write(sink, [batch])
        if not reopened:
            (delivery,) = write(sink, [other])
    if reopened:
        with opened(path, model) as sink:
            (delivery,) = write(sink, [other])
    (rejection,) = delivery.rejections
    assert rejection.reason == "another value is in the table already"
    assert rejection.index == (1 * 5 + 3 if model is RecordModel.SINGLE else 1)
    assert stored(path, model) == all_records([batch], model)


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
    for measure in {"cpu_user", "task_end_state"} if model is RecordModel.SINGLE else {"metrics"}:
        assert measure in shown


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
    with pytest.raises(ValueError, match="is not a DuckDB file, and would be overwritten; name"):
        DuckDBSink(path, RecordModel.SINGLE, SCHEMAS).open()
    assert path.read_text() == "Dear Sir or Madam, " * 1_000


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("nowhere/fleet.duckdb", "There is no folder"),
        ("", "is a folder, but must be a DuckDB file"),
        ("/proc/fleet.duckdb", "'/proc/fleet.duckdb' cannot be written"),
    ],
)
def test_a_path_that_cannot_be_written(path: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=sentence):
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


def test_several_batches_wait_for_one_insert(tmp_path: Path) -> None:
    """A large insert is several times faster than small ones."""
    fleet = generator(1, 1, ["us-east-1"])
    sweep = [TIMESTAMP]
    with opened(tmp_path / "fleet.duckdb", RecordModel.SINGLE) as sink:
        # 450 hosts with 20 values, 540 processes with 5: 11,700 values per sweep.
        requests = [
            request
            for _ in range(30)
            for batch in fleet.batches(sweep)
            for request in sink.prepare(batch)
        ]
        assert len(requests) == 1
        assert 250_000 <= requests[0].values < 250_000 + 11_700
        assert sum(request.values for request in sink.flush()) == 30 * 11_700 - requests[0].values
        assert list(sink.flush()) == []
