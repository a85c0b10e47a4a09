"""Manifests and undelivered records survive, and hostile ones do no harm."""

import json
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fleetstream.fleet import Fleet
from fleetstream.workload import Workload
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetstream.cli import main
from fleetstream.generate.choices import RecordModel, Shape
from fleetstream.generate.records import Records
from fleetstream.generate.signals import Signal
from fleetstream.run.manifest import Manifest, describe, read_manifest, write_manifest
from fleetstream.run.undelivered import (
    UndeliveredStore,
    read_undelivered,
    undelivered_files,
)
from fleetstream.targets.registry import TargetOptions
from fleetstream.targets.sink import Delivery, Part, Rejection, Request

MODELS = list(RecordModel)
WORKLOAD = Workload(
    Fleet(2, ["us-west-2"], ["athena", "zeus"]), 2**64 - 1, Signal(Shape.SINE, 20, "we"), 30
)


def a_manifest() -> Manifest:
    options = TargetOptions(region="us-east-1", database_name="db", table_name="tb")
    return describe(WORKLOAD, options, RecordModel.MULTI, 5)


@settings(max_examples=60)
@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=60))
def test_sweeps_are_kept_in_runs_and_come_back(steps: list[int]) -> None:
    manifest, timestamp, swept = a_manifest(), 10**15, []
    for step in steps:
        timestamp += step
        manifest.settle(timestamp)
        swept.append(timestamp)
    assert list(manifest.timestamps()) == swept
    assert manifest.sweeps == len(swept)
    assert manifest.last == swept[-1]


def test_equidistant_sweeps_take_no_room() -> None:
    manifest = a_manifest()
    for second in range(100_000):
        manifest.settle(second * 1_000_000)
    assert len(msgspec.json.encode(manifest)) < 1_000


def test_a_manifest_gives_the_same_workload(tmp_path: Path) -> None:
    write_manifest(tmp_path / "run.json", a_manifest())
    again = read_manifest(tmp_path / "run.json")
    ours, theirs = (list(w.sweep(10**15)) for w in (WORKLOAD, again.workload()))
    assert ours == theirs
    assert again.target_options().url == "timestream"
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_hostile_manifest_gets_a_sentence(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """One entry of a good manifest is replaced by anything that JSON can hold."""
    folder = tmp_path_factory.mktemp("hostile")
    path = folder / "run.json"
    document = json.loads(msgspec.json.encode(a_manifest()))
    anything = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=6,
    )
    place = data.draw(st.sampled_from(sorted(document)))
    document[place] = data.draw(anything)
    path.write_text(json.dumps(document))
    _, told = _read(path)
    assert told.endswith(".")


def _read(path: Path) -> tuple[str, str]:
    """Whether a manifest and its workload can be had, and the sentence if not."""
    try:
        read_manifest(path).workload()
    except ValueError as error:
        return "refused", str(error)
    return "read", "."


@settings(max_examples=100)
@given(content=st.binary(max_size=200))
def test_a_manifest_of_any_bytes_gets_a_sentence(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("hostile") / "run.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is not a manifest"):
        read_manifest(path)


@pytest.mark.parametrize("model", MODELS)
def test_undelivered_records_come_back_exactly(model: RecordModel, tmp_path: Path) -> None:
    store = UndeliveredStore(tmp_path / "kept")
    wanted: list[tuple[object, ...]] = []
    for batch in WORKLOAD.sweep(10**15):
        records = Records(batch, model)
        parts = (Part(records, 1, 4), Part(records, 6, 9))
        store.undelivered(Request(parts, None), "no answer")
        refused = Request((Part(records, 10, 12),), None)
        store.rejected(refused, Delivery((Rejection(1, "unfit", 7),)))
        wanted += [
            row for start, stop in ((1, 4), (6, 9), (11, 12)) for row in _rows(records, start, stop)
        ]
    store.flush()
    files = undelivered_files(tmp_path / "kept")
    assert sorted(store.losses.files) == sorted(files)
    back = []
    for path in files:
        for batch in read_undelivered(path):
            records = Records(batch, model)
            back += _rows(records, 0, len(records))
        notes = pq.read_table(path).select(
            ["outcome", "reason", "record_index", "existing_version"]
        )
        assert {
            "outcome": "rejected",
            "reason": "unfit",
            "record_index": 1,
            "existing_version": 7,
        } in (notes.to_pylist())
    assert sorted(back, key=repr) == sorted(wanted, key=repr)


def _rows(records: Records, start: int, stop: int) -> list[tuple[object, ...]]:
    """Records as plain values: dimensions, time, and what is there of the measures."""
    return [
        tuple((name, value) for name, value in row.items() if value is not None)
        for place in range(start, stop)
        for row in records.extract(place, place + 1).to_pylist()
    ]


def test_a_folder_that_cannot_be_written_counts_what_is_lost(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = UndeliveredStore(tmp_path / "file" / "kept")
    (batch, *_) = WORKLOAD.sweep(10**15)
    records = Records(batch, RecordModel.MULTI)
    store.undelivered(Request((Part(records, 0, 5),), None), "no answer")
    store.flush()
    assert store.losses.lost == {10**15: 5}
    assert store.losses.failure is not None


HOSTILE_TABLES = [
    pa.table({"a": [1]}),
    pa.table({"time": [1]}).replace_schema_metadata({"kind": "metrics"}),
    pa.table({"time": [1]}).replace_schema_metadata({"kind": "../../etc"}),
]


@pytest.mark.parametrize("content", [*HOSTILE_TABLES, b"", b"PAR1", b"PAR1" + bytes(50) + b"PAR1"])
def test_a_hostile_undelivered_file_stays_and_gets_a_sentence(
    content: pa.Table | bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    path = folder / "metrics-1-1.parquet"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        pq.write_table(content, path)
    code = main(["replay", str(folder), "--to", f"duckdb:{tmp_path / 'fleet.duckdb'}"])
    printed = capsys.readouterr()
    assert code == 1
    assert "is not a file of undelivered records" in printed.out
    assert path.exists()
    assert {each.name for each in tmp_path.iterdir()} == {"kept", "fleet.duckdb"}
