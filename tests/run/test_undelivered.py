"""Records that were not stored come back exactly, and hostile files do no harm."""

from collections.abc import Iterable
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.keys import GENERATOR_VERSION
from fleetstream.generate.records import RecordRange, Records
from fleetstream.run.options import make_spec
from fleetstream.run.replay import open_replay
from fleetstream.run.undelivered import (
    UndeliveredStore,
    read_undelivered,
    undelivered_files,
)
from fleetstream.targets.sink import Delivery, Rejection, Request
from tests.batches import batches
from tests.run.memory_target import MemoryTarget, Row, rows_of
from tests.telemetry import KINDS, METRICS, SECOND, STATES, TIMESTAMP, generator

GENERATOR = generator(regions=["eu-central-1"], missing_percent=30)
TIMES = [TIMESTAMP, TIMESTAMP + SECOND]
BATCHES = list(GENERATOR.batches(TIMES))


def sorted_rows(made: Iterable[pa.RecordBatch]) -> list[Row]:
    return sorted((row for batch in made for row in rows_of(batch)), key=repr)


@settings(max_examples=60)
@given(
    made=st.lists(batches(rows=12), min_size=1, max_size=3),
    model=st.sampled_from(RecordModel),
    data=st.data(),
)
def test_records_come_back_exactly(
    made: list[pa.RecordBatch],
    model: RecordModel,
    data: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("kept")
    store = UndeliveredStore(folder)
    wanted = []
    for batch in made:
        records = Records(batch, model)
        cut = data.draw(st.integers(0, len(records)))
        whole = Request((RecordRange(records, 0, cut),), None)
        store.undelivered(whole, "no answer")
        wanted += [each.batch() for each in whole.ranges]
        rest = Request((RecordRange(records, cut, len(records)),), None)
        refused = data.draw(st.sets(st.integers(0, max(rest.records - 1, 0)), max_size=3))
        if rest.records:
            rejections = tuple(Rejection(index, "unfit", 7) for index in sorted(refused))
            store.rejected(rest, Delivery(rejections))
            wanted += [rest.record(each.index).batch() for each in rejections]
    kept = store.flush()
    files = undelivered_files(folder)
    assert sorted(kept.files) == sorted(files)
    back = [batch for path in files for batch in read_undelivered(path)]
    assert sorted_rows(back) == sorted_rows(wanted)
    assert {batch.schema.metadata[b"kind"] for batch in back} <= {
        kind.encode() for kind in (*KINDS, STATES)
    }


def test_a_file_says_why_each_record_is_in_it(tmp_path: Path) -> None:
    store = UndeliveredStore(tmp_path)
    records = Records(BATCHES[0], RecordModel.SINGLE)
    store.undelivered(Request((RecordRange(records, 3, 5),), None), "no answer")
    request = Request((RecordRange(records, 10, 12),), None)
    store.rejected(request, Delivery((Rejection(1, "unfit", 7),)))
    (path,) = store.flush().files
    notes = pq.read_table(path).select(["outcome", "reason", "record_index", "existing_version"])
    assert {tuple(row.values()) for row in notes.to_pylist()} == {
        ("undelivered", "no answer", 0, None),
        ("rejected", "unfit", 1, 7),
    }


def test_a_folder_that_cannot_be_written_counts_what_is_lost(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = UndeliveredStore(tmp_path / "file" / "kept")
    records = Records(BATCHES[0], RecordModel.MULTI)
    store.undelivered(Request((RecordRange(records, 0, len(records)),), None), "no answer")
    kept = store.flush()
    assert kept.lost == {stamp: len(records) // 2 for stamp in TIMES}
    assert kept.failure is not None
    assert not kept.files


def test_many_records_are_written_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleetstream.run.undelivered.ROWS_IN_MEMORY", 20)
    store = UndeliveredStore(tmp_path)
    for batch in BATCHES:
        records = Records(batch, RecordModel.MULTI)
        store.undelivered(Request((RecordRange(records, 0, len(records)),), None), "no answer")
    assert len(undelivered_files(tmp_path)) == 2


def replay(folder: Path, target: MemoryTarget) -> tuple[int, list[str]]:
    again = open_replay(make_spec(seed=1, to="memory:"), folder)
    left = again.execute()
    again.sink.close()
    assert again.ledger.totals().adds_up
    assert target.closed == 1
    target.closed = 0
    return left, again.unreadable


def keep(folder: Path, made: Iterable[pa.RecordBatch] = BATCHES) -> None:
    store = UndeliveredStore(folder)
    for batch in made:
        records = Records(batch, RecordModel.SINGLE)
        store.undelivered(Request((RecordRange(records, 0, len(records)),), None), "no answer")
    store.flush()


def test_a_replay_delivers_all_kinds_and_removes_the_folder(
    memory: MemoryTarget, tmp_path: Path
) -> None:
    folder = tmp_path / "kept"
    keep(folder)
    keep(folder, GENERATOR.batches([TIMESTAMP + 9 * SECOND]))
    assert len(undelivered_files(folder)) == 4
    assert replay(folder, memory) == (0, [])
    wanted = [*BATCHES, *GENERATOR.batches([TIMESTAMP + 9 * SECOND])]
    assert sorted(memory.rows, key=repr) == sorted_rows(wanted)
    assert not folder.exists()


def test_a_replay_keeps_what_is_refused_again(memory: MemoryTarget, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    keep(folder)
    memory.answer = lambda _request: "rejected"
    left, _ = replay(folder, memory)
    assert left == len(undelivered_files(folder)) == 2
    kept = [
        row
        for path in undelivered_files(folder)
        for b in read_undelivered(path)
        for row in rows_of(b)
    ]
    assert sorted([*memory.rows, *kept], key=repr) == sorted_rows(BATCHES)
    assert kept
    memory.answer = lambda _request: "stored"
    assert replay(folder, memory) == (0, [])
    assert sorted(memory.rows, key=repr) == sorted_rows(BATCHES)


@pytest.mark.parametrize("asked", [1, 2])
def test_a_replay_that_is_stopped_keeps_its_files(
    memory: MemoryTarget, tmp_path: Path, asked: int
) -> None:
    """Also when it is stopped within the last batch of a file, before all requests are made."""
    folder = tmp_path / "kept"
    keep(folder)
    memory.records_per_request = 5
    before = undelivered_files(folder)
    again = open_replay(make_spec(seed=1, to="memory:", concurrency=1), folder)

    def stop(_request: Request) -> str:
        for _ in range(asked if not again.control.gently.is_set() else 0):
            again.control.ask()
        return "stored"

    memory.answer = stop
    assert again.execute() == len(before) == 2
    assert undelivered_files(folder) == before
    memory.answer = lambda _request: "stored"
    assert open_replay(make_spec(seed=1, to="memory:"), folder).execute() == 0
    assert sorted(set(memory.rows), key=repr) == sorted_rows(BATCHES)


def _with_metadata(**changes: str) -> pa.Table:
    table = pa.Table.from_batches([BATCHES[0]])
    for name in ("outcome", "reason"):
        table = table.append_column(name, pa.array(["x"] * table.num_rows))
    for name in ("record_index", "existing_version"):
        table = table.append_column(name, pa.array([1] * table.num_rows))
    changed = {name.encode(): text for name, text in changes.items()}
    return table.replace_schema_metadata({**table.schema.metadata, **changed})


def _without_times() -> pa.Table:
    table = _with_metadata()
    place = table.schema.get_field_index("time")
    times = pa.nulls(table.num_rows, table.schema.field(place).type)
    return table.set_column(place, table.schema.field(place), times)


HOSTILE = {
    "empty": b"",
    "too short": b"PAR1",
    "garbage": b"PAR1" + bytes(50) + b"PAR1",
    "another table": pa.table({"a": [1]}),
    "metadata of nothing": pa.table({"time": [1]}).replace_schema_metadata({"kind": METRICS}),
    "a path as its kind": pa.table({"time": [1]}).replace_schema_metadata({"kind": "../../etc"}),
    "no columns of its own": pa.Table.from_batches([BATCHES[0]]),
    "a version that is no number": _with_metadata(generator="new"),
    "no times": _without_times(),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_and_stays(
    name: str, memory: MemoryTarget, tmp_path: Path
) -> None:
    content, path = HOSTILE[name], tmp_path / "metrics-1-1.parquet"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        pq.write_table(content, path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="is not a file of undelivered records") as caught:
        list(read_undelivered(path))
    assert "\n" not in str(caught.value)
    keep(tmp_path)
    left, unreadable = replay(tmp_path, memory)
    assert left == 1
    assert len(unreadable) == 1
    assert path.read_bytes() == before
    assert sorted(memory.rows, key=repr) == sorted_rows(BATCHES)


def test_values_of_another_generator_version_are_refused(
    memory: MemoryTarget, tmp_path: Path
) -> None:
    path = tmp_path / "metrics-1-1.parquet"
    pq.write_table(_with_metadata(generator=str(GENERATOR_VERSION + 1)), path)
    with pytest.raises(ValueError, match=f"version {GENERATOR_VERSION + 1} of the generator"):
        open_replay(make_spec(seed=1, to="memory:"), tmp_path)
    assert path.exists()


@given(content=st.binary(max_size=100), cut=st.integers(0, 10**5))
@settings(max_examples=50)
def test_damaged_files_raise_nothing_else(
    content: bytes, cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "metrics-1-1.parquet"
    pq.write_table(_with_metadata(), path)
    good = path.read_bytes()
    place = cut % len(good)
    path.write_bytes(good[:place] + content + good[place + len(content) :])
    assert _error_of(path) is None or "is not a file of" in str(_error_of(path))


def _error_of(path: Path) -> ValueError | None:
    try:
        list(read_undelivered(path))
    except ValueError as error:
        return error
    return None


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    spec = msgspec.structs.replace(make_spec(seed=1), to="null:")
    with pytest.raises(ValueError, match="There is no folder"):
        open_replay(spec, tmp_path / "gone")
    with pytest.raises(ValueError, match="There are no undelivered records"):
        open_replay(spec, tmp_path)
