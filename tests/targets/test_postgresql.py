"""PostgreSQL: its tables, what it refuses, and runs during which it is away."""

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pytest

from fleetstream.cli import main
from fleetstream.generate.choices import RecordModel
from fleetstream.generate.schema import batch_schema
from fleetstream.targets.registry import TargetOptions, open_sink
from fleetstream.targets.sink import TargetLost, TargetUnusable, Unavailable
from tests.servers.postgresql_server import PostgreSQL
from tests.targets.cases import SCHEMAS, through_reader
from tests.targets.commands import SMALL, STRETCH, exit_code, run_through_crash
from tests.targets.test_contract import history, opened, records, sweeps, wild, write
from tests.telemetry import EVENTS, MODEL

NewTable = Callable[[], TargetOptions]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with PostgreSQL() as running:
        yield running


@pytest.fixture(scope="module")
def place(server: PostgreSQL) -> NewTable:
    numbers = count()
    return lambda: TargetOptions(to=server.url, table_name=f"table{next(numbers)}")


@pytest.mark.slow
def test_a_run_outlives_a_crash_of_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed and started again in mid-run: nothing is lost, and nothing is there twice."""
    monkeypatch.chdir(tmp_path)
    live = ("--interval", "50ms", "--autostop", "40", "--manifest", "run.json")
    disorder = ("--duplicate", "5%", "--out-of-order", "5%")
    with PostgreSQL() as server:
        printed = run_through_crash(
            tmp_path,
            *live,
            *disorder,
            *("--to", server.url, "--processes", "2"),
            server=server,
            port=server.port,
            begun=lambda: _series(server) == 260,
        )
        assert re.search(r"Retried +\d+ × no connection", printed), printed
        assert main(["verify", "run.json"]) == 0
    assert "10,400 expected from 40 sweeps" in capsys.readouterr().out


def _series(server: PostgreSQL) -> int:
    """How many series have values; with all of them, both workers have begun."""
    if server.query("SELECT to_regclass('telemetry')::text") == [(None,)]:
        return 0
    ((series,),) = server.query("SELECT count(DISTINCT series_id) FROM telemetry_values")
    return int(series)


@pytest.mark.parametrize("damage", ["value", "row", "series"])
def test_verify_finds_what_was_changed(
    server: PostgreSQL,
    place: NewTable,
    damage: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    table = str(place().table_name)
    target = ("--to", server.url, "--table-name", table, "--record-model", "multi")
    assert main(["ingest", *SMALL, *STRETCH, *target]) == 0
    assert main(["verify", "fleetstream-7.json"]) == 0
    statement = {
        "value": f"UPDATE {table}_values SET memory_used = 1 WHERE time = '2026-11-01'",
        "row": f"DELETE FROM {table}_values WHERE time = '2026-11-01T00:02Z'",
        "series": f"DELETE FROM {table}_series WHERE measure_name = 'metrics'",
    }[damage]
    some = f"SELECT min(series_id) FROM {table}_series WHERE measure_name = 'metrics'"
    statement += f" AND series_id = ({some})"
    server.query(statement, "SELECT 1")
    assert main(["verify", "fleetstream-7.json"]) == 1
    printed = capsys.readouterr().out
    expected = {
        "value": ("Different: 1", "memory_used is 1.0"),
        "row": ("Missing: 1",),
        "series": ("Missing: 3", "Extra: 3"),
    }[damage]
    assert all(each in printed for each in expected), printed


def test_what_cannot_be_verified_gets_a_sentence(
    place: NewTable, capsys: pytest.CaptureFixture[str]
) -> None:
    options = place()
    command = ("verify", *SMALL, *STRETCH, "--to", str(options.to), "-t", str(options.table_name))
    assert main(command) == 3
    assert f"There is no table '{options.table_name}' to verify" in capsys.readouterr().err
    with opened(options, RecordModel.MULTI):
        pass
    assert main(command) == 3
    assert "has no column 'measure_value::double', so it is not" in capsys.readouterr().err


def test_one_table_holds_both_record_models(server: PostgreSQL, place: NewTable) -> None:
    """The second adds its columns to the tables, and to the view behind those that it has."""
    options = place()
    for model in (RecordModel.SINGLE, RecordModel.MULTI, RecordModel.SINGLE):
        with opened(options, model) as sink:
            assert not any(delivery.rejections for _, delivery in write(sink, sweeps(1, 0)))
    found = server.query(
        f'SELECT count("measure_value::double"), count(cpu_user), count(*) '
        f"FROM {options.table_name} WHERE measure_name IN ('cpu_user', 'metrics')"
    )
    assert found == [(10, 10, 20)]


def test_with_timescaledb_the_values_are_a_hypertable(server: PostgreSQL) -> None:
    """Debian has no package of the extension, so its function is replaced by one that notes what
    it is called with, under the documented names of the arguments.
    """
    arguments = (
        "relation regclass, time_column_name name, chunk_time_interval interval, "
        "create_default_indexes boolean"
    )
    server.query(
        "CREATE SCHEMA scale",
        "CREATE TABLE scale.calls (relation text, time text, chunk text, indexes boolean)",
        f"CREATE FUNCTION scale.create_hypertable({arguments}) RETURNS text LANGUAGE sql AS $$"
        "INSERT INTO scale.calls VALUES ($1::text, $2::text, $3::text, $4); SELECT 'done' $$",
        "INSERT INTO pg_extension SELECT 4711, 'timescaledb', oid, 'scale'::regnamespace, false, "
        "'2.17' FROM pg_roles WHERE rolname = 'fleet'",
        "SELECT 1",
    )
    options = TargetOptions(to=f"{server.url}?options=-csearch_path%3Dscale", table_name="fleet")
    try:
        with opened(options, RecordModel.SINGLE) as sink:
            write(sink, sweeps(1))
        with opened(options, RecordModel.SINGLE):
            pass
        assert server.query("SELECT * FROM scale.calls") == [
            ("fleet_values", "time", "1 day", False)
        ]
        assert server.query("SELECT 1 FROM pg_class WHERE relname = 'fleet_values_time'") == []
    finally:
        server.query("DELETE FROM pg_extension WHERE extname = 'timescaledb'", "SELECT 1")


def test_a_full_disk_is_waited_for() -> None:
    """Nothing of the request is stored, and all of it once there is room."""
    batches = history(20, 20, 20, missing=0)
    with PostgreSQL() as server, server.tablespace("1m") as resize:
        setting = quote("-c default_tablespace=small")
        options = TargetOptions(to=f"{server.url}?options={setting}")
        with opened(options, RecordModel.SINGLE) as sink:
            with pytest.raises(Unavailable) as raised:
                write(sink, batches)
            assert raised.value.kind == "server out of resources"
            resize("64m")
            assert not any(delivery.rejections for _, delivery in write(sink, batches))
        held = through_reader(options, RecordModel.SINGLE)
    assert sorted(held) == records(batches, RecordModel.SINGLE)


def test_tables_that_are_dropped_end_the_run(server: PostgreSQL, place: NewTable) -> None:
    options = place()
    with opened(options, RecordModel.MULTI) as sink:
        first, second = sweeps(1)
        write(sink, [first])
        server.query(f"DROP TABLE {options.table_name}_values CASCADE", "SELECT 1")
        with pytest.raises(TargetLost, match=r'takes no more rows: relation ".*" does not exist'):
            write(sink, [second])


def test_a_read_only_server_may_be_writable_again(server: PostgreSQL, place: NewTable) -> None:
    """As after a failover; the same request succeeds later."""
    options = place()
    with opened(options, RecordModel.MULTI) as sink:
        (request, *_) = sink.prepare(sweeps(1)[0])
        setting = quote("-c default_transaction_read_only=on")
        read_only = TargetOptions(
            to=f"{server.url}?options={setting}", table_name=options.table_name
        )
        with closing(open_sink(read_only, RecordModel.MULTI, SCHEMAS)) as other:
            with pytest.raises(Unavailable) as raised:
                other.send(request)
            assert raised.value.kind == "read-only"
        assert not sink.send(request).rejections


def test_words_that_cannot_be_stored_end_the_run(place: NewTable) -> None:
    batch = wild(EVENTS)
    words = pa.DictionaryArray.from_arrays(
        pa.array([0] * len(batch), pa.int32()), pa.array(["a\0b"])
    )
    name = next(each.name for each in MODEL.kinds[EVENTS].measures if each.type == "VARCHAR")
    schema = batch_schema(MODEL, EVENTS)
    index = schema.get_field_index(name)
    changed = batch.set_column(index, schema.field(index), words)
    with (
        opened(place(), RecordModel.SINGLE) as sink,
        pytest.raises(TargetLost, match="invalid byte sequence"),
    ):
        write(sink, [changed])


def test_a_table_of_another_shape_is_left_alone(server: PostgreSQL, place: NewTable) -> None:
    options = place()
    table = options.table_name
    server.query(f"CREATE TABLE {table}_series (series_id bigint, region integer)", "SELECT 1")
    with pytest.raises(TargetUnusable, match="column 'region' of type integer, where text"):
        open_sink(options, RecordModel.SINGLE, SCHEMAS).open()
    server.query(f"DROP TABLE {table}_series", f"CREATE TABLE {table} (region text)", "SELECT 1")
    with pytest.raises(TargetUnusable, match=f'"{table}" is not a view'):
        open_sink(options, RecordModel.SINGLE, SCHEMAS).open()
    assert server.query(f"SELECT to_regclass('{table}_values')::text") == [(None,)]


@pytest.mark.parametrize(
    ("url", "code", "sentence"),
    [
        ("postgresql:", 2, "is not the URL of a database, for example postgresql://"),
        ("postgresql:fleet", 2, "is not the URL of a database, for example postgresql://"),
        ("postgresql://h:x/d", 2, "is not understood (Port could not be cast"),
        ("postgresql://me:pw@h/d", 2, "leave it out, and set PGPASSWORD"),
        ("postgresql://h/d?password=pw", 2, "leave it out, and set PGPASSWORD"),
        ("postgresql://h/d?sslpassword=pw", 2, "leave it out, and set PGPASSWORD"),
        ("postgresql://127.0.0.1:1,localhost:2/d", 3, "Connection refused"),
        ("postgres://h/d", 2, "did you mean postgresql://h/d?"),
        (
            "postgresql://127.0.0.1:1/d",
            3,
            "does not answer as PostgreSQL does (Connection refused)",
        ),
        ("postgresql://nowhere.invalid/d", 3, '(could not translate host name "nowhere.invalid"'),
        ("postgresql://", 3, "name a host and a database, for example postgresql://fleet@127"),
        ("postgresql:///d?host=/nowhere", 3, '"/nowhere/.s.PGSQL.5432" failed: No such file'),
        ("postgresql://h/d?nonsense=1", 3, 'invalid URI query parameter: "nonsense"'),
    ],
)
def test_what_is_no_target_gets_a_sentence(
    url: str, code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = exit_code("ingest", "--autostop", "1", "--to", url)
    printed = capsys.readouterr().err
    assert ended == code, printed
    assert sentence in printed
    assert "pw" not in printed.replace("PGPASSWORD", "")


def test_a_port_that_does_not_answer(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://127.0.0.1:{silent.getsockname()[1]}/d?connect_timeout=2"
        assert exit_code("ingest", "--autostop", "1", "--to", url) == 3
    sentence = "does not answer as PostgreSQL does (timeout expired); check the host and the port."
    assert sentence in capsys.readouterr().err


@pytest.fixture(scope="module")
def locked() -> Iterator[PostgreSQL]:
    """A server that asks for a password."""
    with PostgreSQL("s3cret-word") as running:
        yield running


@pytest.mark.parametrize(
    ("password", "code"), [(None, 3), ("wrong", 3), ("s3cret-word", 0)], ids=str
)
def test_passwords_come_from_the_environment(
    locked: PostgreSQL,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    password: str | None,
    code: int,
) -> None:
    """And appear in nothing that is written."""
    monkeypatch.chdir(tmp_path)
    if password is not None:
        monkeypatch.setenv("PGPASSWORD", password)
    files = ("report.html", "summary.json", "fleetstream-7.json")
    outputs = ("--report", files[0], "--summary", files[1])
    assert main(["ingest", *SMALL, *STRETCH, "--to", locked.url, *outputs]) == code
    printed = "".join(capsys.readouterr())
    if code:
        assert "Set PGPASSWORD or use ~/.pgpass." in printed
    else:
        assert main(["verify", files[2]]) == 0
        written = [printed, *((tmp_path / name).read_text() for name in files)]
        assert not any("s3cret-word" in each for each in written)
