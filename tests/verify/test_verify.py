"""Verification: a table that matches, and each way in which one may not."""

import shutil
from collections import Counter
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetstream.api import verify_runs
from fleetstream.generate.choices import RecordModel
from fleetstream.run.control import Control
from fleetstream.run.manifest import Manifest, read_manifest, write_manifest
from fleetstream.run.options import make_spec
from fleetstream.run.runner import new_run, resumed_run
from fleetstream.targets.registry import TargetOptions, open_reader
from fleetstream.targets.sink import TargetUnusable
from fleetstream.verify import Expectation, Fault, Findings, verify
from tests.telemetry import SECOND, TIMESTAMP

DOUBLE = "measure_value::double"
ROW = "rowid = (SELECT max(rowid) FROM telemetry WHERE measure_name = 'cpu_user')"

TAMPERINGS = {
    "a deleted row": (f"DELETE FROM telemetry WHERE {ROW}", {Fault.MISSING: 1}),
    "a changed digit": (
        f'UPDATE telemetry SET "{DOUBLE}" = "{DOUBLE}" + 0.01 WHERE {ROW}',
        {Fault.DIFFERENT: 1},
    ),
    "a duplicated row": (
        f"INSERT INTO telemetry FROM telemetry WHERE {ROW}",
        {Fault.DUPLICATE: 1},
    ),
    "a shifted timestamp": (
        f"UPDATE telemetry SET time = time + INTERVAL 1 MICROSECOND WHERE {ROW}",
        {Fault.MISSING: 1, Fault.EXTRA: 1},
    ),
    "a foreign row": (
        (
            "INSERT INTO telemetry SELECT * REPLACE ('nobody' AS instance_name) "
            f"FROM telemetry WHERE {ROW}"
        ),
        {Fault.EXTRA: 1},
    ),
    "a row of another time": (
        (
            "INSERT INTO telemetry SELECT * REPLACE (TIMESTAMP '1999-12-31' AS time) "
            f"FROM telemetry WHERE {ROW}"
        ),
        {Fault.EXTRA: 1},
    ),
    "a row without a time": (
        f"INSERT INTO telemetry SELECT * REPLACE (NULL AS time) FROM telemetry WHERE {ROW}",
        {Fault.EXTRA: 1},
    ),
    "a value that is gone": (
        f'UPDATE telemetry SET "{DOUBLE}" = NULL WHERE {ROW}',
        {Fault.DIFFERENT: 1},
    ),
}


def ingest(folder: Path, name: str = "fleet", file: str | None = None, **options: Any) -> Path:
    """Write history of one region into a file of a folder; returns the run's manifest."""
    manifest = folder / f"{name}.json"
    few = {"seed": 7, "include_region": "eu-central-1", "interval": "1m", "start": TIMESTAMP}
    target = {"to": f"duckdb:{folder / (file or name)}.duckdb"}
    end = {"end": TIMESTAMP + 5 * 60 * SECOND}
    spec = make_spec(**{**few, **end, **target, **options})
    with new_run(spec, manifest) as run:
        assert run.execute().delivered
    return manifest


def change(database: Path, statement: str) -> None:
    with duckdb.connect(database) as connection:
        connection.execute(statement)


@pytest.fixture(scope="module")
def million(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest of a table with a million rows beside it."""
    end = TIMESTAMP + 40 * 60 * SECOND
    manifest = ingest(tmp_path_factory.mktemp("million"), include_region=(), end=end)
    findings = verify_runs(manifest)
    assert findings.matches
    assert findings.held == findings.expected == 40 * 26_260
    return manifest


@pytest.mark.slow
@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_fault_among_a_million_rows_is_found(million: Path, tmp_path: Path, name: str) -> None:
    statement, expected = TAMPERINGS[name]
    copy = tmp_path / "copy.duckdb"
    shutil.copy(million.with_suffix(".duckdb"), copy)
    change(copy, statement)
    findings = verify_runs(million, target=TargetOptions(to=f"duckdb:{copy}"))
    assert findings.faults == Counter(expected)
    assert findings.finished
    assert not findings.matches


def test_examples_name_time_series_and_values(tmp_path: Path) -> None:
    manifest = ingest(tmp_path)
    change(
        tmp_path / "fleet.duckdb",
        f"UPDATE telemetry SET \"{DOUBLE}\" = 4711 WHERE measure_name = 'cpu_user' AND "
        "instance_name = 'i-AUa00Zt2-zeus-0001.amazonaws.com' AND time = '2023-11-14 22:15:00'",
    )
    findings = verify_runs(manifest)
    assert findings.faults == {Fault.DIFFERENT: 1}
    (example,) = findings.examples[Fault.DIFFERENT]
    assert example.time == "2023-11-14 22:15:00"
    assert example.measure_name == "cpu_user"
    assert example.series.startswith("eu-central-1/eu-central-1-cell-1/eu-central-1-cell-1-silo-1/")
    assert "zeus/i-AUa00Zt2-zeus-0001.amazonaws.com" in example.series
    assert example.detail.startswith("is 4711.0, must be ")


def test_only_the_first_few_examples_are_kept(tmp_path: Path) -> None:
    manifest = ingest(tmp_path)
    change(tmp_path / "fleet.duckdb", "DELETE FROM telemetry WHERE time > '2023-11-14 22:17'")
    findings = verify_runs(manifest)
    assert findings.faults == {Fault.MISSING: 260}
    assert len(findings.examples[Fault.MISSING]) == 5
    assert all("must be " in each.detail for each in findings.examples[Fault.MISSING])


@pytest.mark.parametrize("model", RecordModel)
def test_signals_missing_values_and_filters_are_expected(
    tmp_path: Path, model: RecordModel
) -> None:
    values = {"missing_cpu": 30, "saw_signal_cpu": 20, "include_ms": "zeus,athena"}
    manifest = ingest(tmp_path, record_model=model, **values)
    assert verify_runs(manifest).matches
    change(tmp_path / "fleet.duckdb", "DELETE FROM telemetry WHERE rowid = 40")
    assert verify_runs(manifest).faults == {Fault.MISSING: 1}


def test_a_digit_of_a_multi_measure_record(tmp_path: Path) -> None:
    manifest = ingest(tmp_path, record_model="multi")
    change(
        tmp_path / "fleet.duckdb",
        "UPDATE telemetry SET task_completed = task_completed + 1 WHERE rowid = "
        "(SELECT min(rowid) FROM telemetry WHERE measure_name = 'events')",
    )
    findings = verify_runs(manifest)
    assert findings.faults == {Fault.DIFFERENT: 1}
    assert "task_completed is " in findings.examples[Fault.DIFFERENT][0].detail


QUOTES = """
name = "quotes"
shard_level = "site"
[[levels]]
name = "site"
members = [{name = "north"}, {name = "south"}]
[kinds.weather]
noun = "sites"
level = "site"
dimensions = {'si"te' = "{site}"}
[[kinds.weather.measures]]
name = 'air "temperature"'
value = {law = "uniform", low = 0, high = 30}
decimals = 1
"""


@pytest.mark.parametrize("record_model", RecordModel)
@pytest.mark.parametrize("target", ["duckdb:table.duckdb", "parquet:lake"])
def test_names_may_have_quotes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, record_model: RecordModel
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("quotes.toml").write_text(QUOTES)
    spec = make_spec(
        model="quotes.toml", seed=7, start="1h", to=target, record_model=record_model
    ).resolved()
    for stored_before in (0, 720):
        with new_run(spec, Path("run.json")) as run:
            result = run.execute()
        assert (result.delivered, result.totals.unchanged) == (True, stored_before)
    assert verify_runs("run.json").matches


def test_a_description_does_as_well_as_a_manifest(tmp_path: Path) -> None:
    spec = read_manifest(ingest(tmp_path)).spec
    for seed, matches in ((7, True), (8, False)):
        manifest = Manifest(spec=make_spec(**{**_fields(spec), "seed": seed}))
        manifest.settle(
            range(
                TIMESTAMP // 60 // SECOND * 60 * SECOND + 60 * SECOND,
                TIMESTAMP + 300 * SECOND,
                60 * SECOND,
            )
        )
        assert verify_runs(manifest).matches is matches


def _fields(spec: Any) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in spec.__struct_fields__}


def test_a_table_of_several_runs_needs_all_their_manifests(tmp_path: Path) -> None:
    east = ingest(tmp_path, "east", "fleet", include_region="us-east-2")
    west = ingest(tmp_path, "west", "fleet", include_region="us-west-2")
    assert verify_runs(east, west).matches
    assert verify_runs(east).faults.keys() == {Fault.EXTRA}


def test_shards_that_write_to_one_table_make_the_whole(tmp_path: Path) -> None:
    parts = [
        ingest(tmp_path, f"part{number}", "fleet", shard=f"{number}/3", include_region="us-west-1")
        for number in (1, 2, 3)
    ]
    assert verify_runs(*parts).matches
    assert verify_runs(*parts, parts[1]).matches
    whole = ingest(tmp_path, "whole", include_region="us-west-1")
    assert verify_runs(whole, target=read_manifest(parts[0]).spec.target).matches
    assert verify_runs(*parts[:2]).faults[Fault.EXTRA] > 1_000


def test_a_sweep_that_two_runs_wrote_is_expected_once(tmp_path: Path) -> None:
    small = ingest(tmp_path, "small", "fleet", include_ms="zeus")
    all_of_it = ingest(tmp_path, "all", "fleet")
    findings = verify_runs(small, all_of_it)
    assert findings.matches
    assert findings.expected == findings.held == 5 * 260


def test_runs_of_different_record_models_are_refused(tmp_path: Path) -> None:
    single, multi = ingest(tmp_path, "single"), ingest(tmp_path, "multi", record_model="multi")
    with pytest.raises(ValueError, match="different record models"):
        verify_runs(single, multi)


def test_an_interrupted_sweep_may_be_there_in_part(tmp_path: Path) -> None:
    path = ingest(tmp_path)
    manifest = read_manifest(path)
    stamps = list(manifest.timestamps())
    manifest.swept, manifest.unsettled, manifest.finished = [], stamps[3:], False
    manifest.settle(stamps[:3])
    write_manifest(path, manifest)
    change(
        tmp_path / "fleet.duckdb",
        "DELETE FROM telemetry WHERE rowid = "
        "(SELECT max(rowid) FROM telemetry WHERE time > '2023-11-14 22:17')",
    )
    findings = verify_runs(path)
    assert findings.matches
    assert (findings.expected, findings.partial, findings.absent) == (3 * 260, 2 * 260, 1)
    with resumed_run(path) as again:
        assert again.execute().delivered
    findings = verify_runs(path)
    assert findings.matches
    assert (findings.expected, findings.partial, findings.absent) == (5 * 260, 0, 0)


def test_sweeps_that_a_killed_run_had_not_named_yet_are_expected_where_they_are(
    tmp_path: Path,
) -> None:
    path = ingest(tmp_path)
    manifest = read_manifest(path)
    stamps = list(manifest.timestamps())
    manifest.swept, manifest.finished = [], False
    manifest.settle(stamps[:2])
    write_manifest(path, manifest)
    findings = verify_runs(path)
    assert findings.matches
    assert (findings.expected, findings.partial) == (2 * 260, 3 * 260)
    change(
        tmp_path / "fleet.duckdb",
        f"INSERT INTO telemetry SELECT * REPLACE "
        f"(time + INTERVAL 1 SECOND AS time) FROM telemetry WHERE {ROW}",
    )
    assert verify_runs(path).faults == {Fault.EXTRA: 1}


@settings(max_examples=12)
@given(
    slice_values=st.integers(1, 3_000),
    settled=st.sets(st.integers(0, 4)),
    model=st.sampled_from(RecordModel),
)
def test_the_size_of_slices_changes_no_finding(
    slice_values: int,
    settled: set[int],
    model: RecordModel,
    tables: dict[RecordModel, Path],
) -> None:
    manifest = read_manifest(tables[model])
    stamps = list(manifest.timestamps())
    manifest.swept = []
    manifest.settle(stamps[place] for place in settled)
    manifest.unsettled = [stamp for place, stamp in enumerate(stamps) if place not in settled]
    compared: list[int] = []
    expectation = Expectation([manifest])
    reader = open_reader(manifest.spec.target, model, expectation.columns.schemas)
    reader.open()
    with closing(reader):
        reader.slice_values = slice_values  # type: ignore[misc]
        parts = list(expectation.slices(reader))
        findings = verify(expectation, reader, Control(), compared.append)
    assert (parts[0].begin, parts[-1].end) == (None, None)
    assert all(one.end == other.begin for one, other in pairwise(parts))
    assert findings.matches
    per_sweep = 260 if model is RecordModel.SINGLE else 22
    assert findings.expected == len(settled) * per_sweep
    assert findings.partial == (5 - len(settled)) * per_sweep
    assert sum(compared) == expectation.total == 5 * 260


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[RecordModel, Path]:
    """The manifest of a table per record model."""
    folder = tmp_path_factory.mktemp("tables")
    return {model: ingest(folder, model, record_model=model) for model in RecordModel}


def test_a_stopped_verification_is_no_proof(tmp_path: Path) -> None:
    manifest, control = ingest(tmp_path), Control()
    control.ask()
    findings = verify_runs(manifest, control=control)
    assert findings == Findings()
    assert not findings.matches


def test_tables_that_cannot_be_verified_are_refused(
    tmp_path: Path, tables: dict[RecordModel, Path]
) -> None:
    single, multi = tables[RecordModel.SINGLE], tables[RecordModel.MULTI]
    with pytest.raises(ValueError, match="cannot be read back"):
        verify_runs(single, target=TargetOptions(to="null:"))
    there = str(single.with_suffix(".duckdb"))
    for target, message in (
        (TargetOptions(to=f"duckdb:{tmp_path / 'none.duckdb'}"), "There is no file"),
        (TargetOptions(to=f"duckdb:{there}", table_name="none"), "cannot be read"),
    ):
        with pytest.raises(TargetUnusable, match=message):
            verify_runs(single, target=target)
    with pytest.raises(TargetUnusable, match="has no column"):
        verify_runs(multi, target=TargetOptions(to=f"duckdb:{there}"))
    with pytest.raises(ValueError, match="at least one manifest"):
        verify_runs()
