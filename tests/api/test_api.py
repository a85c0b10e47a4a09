"""The Python API: what it lists, what it refuses, and how a run is watched and stopped."""

import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

import fleetstream
from tests.telemetry import generator

DAY = {"seed": 7, "start": "2026-11-01", "end": "2026-11-02", "include_region": "eu-central-1"}


def test_everything_that_is_listed_exists() -> None:
    for name in fleetstream.__all__:
        assert getattr(fleetstream, name) is not None
        assert name in dir(fleetstream)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = fleetstream.nothing


def test_importing_it_loads_nothing_else() -> None:
    code = "import fleetstream, sys; print(*(m for m in sys.modules if m.startswith('fleet')))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert set(loaded.split()) == {"fleetstream", "fleetstream._version"}


def test_telemetry_is_that_of_the_generator() -> None:
    reader = fleetstream.telemetry(
        "events", seed=7, start="2026-11-01", autostop=40, interval="1s",
        include_region="eu-central-1",
    )  # fmt: skip
    table = reader.read_all()
    made = generator(1, 7, ["eu-central-1"])
    start = 1_793_491_200
    stamps = [second * 1_000_000 for second in range(start, start + 40)]
    expected = [batch for batch in made.batches(stamps) if "process" in batch.schema.names]
    assert table.combine_chunks().equals(pa.Table.from_batches(expected).combine_chunks())


def test_telemetry_streams_into_duckdb() -> None:
    hour = fleetstream.telemetry(seed=7, start="2026-11-01", end="2026-11-01T01:00", interval="1m")
    relation = duckdb.from_arrow(hour)
    (counted,) = relation.aggregate("count(*), count(DISTINCT time)").fetchall()
    assert counted == (60 * 1_010, 60)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fleetstream.telemetry("pods", **DAY), "There is no kind 'pods'; choose from"),
        (lambda: fleetstream.telemetry(seed=7), "The run has no end; give --end or --autostop."),
        (lambda: fleetstream.series(include_ms="hera"), "There is no microservice_name 'hera'"),
        (lambda: fleetstream.make_spec(interval="soon"), "'soon' is not a duration"),
        (lambda: fleetstream.make_spec(end="1h"), "--end needs --start"),
        (lambda: fleetstream.make_spec(concurrency=0), "The options of a run are not valid"),
        (lambda: fleetstream.load_model("mainframe"), "There is no model 'mainframe'"),
        (lambda: fleetstream.verify_runs(), "Name at least one manifest."),
        (lambda: fleetstream.verify_runs("none.json"), "none.json cannot be read"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_sentence(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$") as caught:
        call()  # type: ignore[operator]
    assert message in str(caught.value)


def test_an_unknown_option_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="no option 'colour'"):
        fleetstream.make_spec(colour="red")


def test_a_run_reports_progress_and_can_be_verified(tmp_path: Path) -> None:
    spec = fleetstream.make_spec(**DAY, interval="1m", to=f"duckdb:{tmp_path / 'day.duckdb'}")
    seen: list[int] = []
    with fleetstream.new_run(spec, tmp_path / "run.json") as run:
        result = run.execute(progress=lambda totals: seen.append(totals.stored.values))
    assert result.delivered
    assert seen == sorted(seen)
    assert seen[-1] == result.totals.stored.values == 1_440 * 260
    findings = fleetstream.verify_runs(tmp_path / "run.json")
    assert (findings.matches, findings.held) == (True, 1_440 * 260)


def test_a_run_is_stopped_from_another_thread_and_resumed(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    spec = fleetstream.make_spec(
        seed=7, interval="50ms", include_region="eu-central-1",
        to=f"duckdb:{tmp_path / 'live.duckdb'}",
    )  # fmt: skip
    with fleetstream.new_run(spec, path) as run:
        threading.Timer(0.5, run.control.ask).start()
        first = run.execute()
    assert first.delivered
    assert first.totals.sweeps > 0
    with fleetstream.resumed_run(path) as run:
        threading.Timer(0.5, run.control.ask).start()
        assert run.execute().delivered
    manifest = fleetstream.read_manifest(path)
    assert manifest.sweeps >= first.totals.sweeps
    assert fleetstream.verify_runs(manifest).matches


def test_a_target_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear Sir or Madam, " * 1_000)
    spec = fleetstream.make_spec(to=f"duckdb:{tmp_path / 'letter.txt'}")
    with pytest.raises((ValueError, fleetstream.TargetUnusable), match="is not a DuckDB file"):
        fleetstream.new_run(spec, tmp_path / "run.json")
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_estimate_of_a_run_with_an_end() -> None:
    spec = fleetstream.make_spec(autostop=5, seed=7, record_model="multi")
    estimate = fleetstream.estimate_writes(spec)
    assert (estimate.sweeps, estimate.total.records) == (5, 5 * 2_222)
