"""Incidents in runs: however a run is carried out, it has the same values."""

from pathlib import Path
from typing import Any

import duckdb
import pytest

from fleetstream.api import labels, telemetry, verify_runs
from fleetstream.generate.moments import MICROSECONDS
from fleetstream.run.manifest import read_manifest
from fleetstream.run.options import make_spec
from fleetstream.run.runner import new_run, resumed_run

SLOW = "slow-dependency region=eu-central-1 service=catalog start=+40s for=2m severity=0.9"
OUTAGE = "region-outage region=us-east-1 start=+1m for=1m"
HISTORY: dict[str, Any] = {
    "model": "web-shop",
    "seed": 7,
    "start": "2026-11-02T12:00:00Z",
    "end": "2026-11-02T12:04:00Z",
    "interval": "10s",
    "incident": [SLOW, OUTAGE],
}
MEASURE = "latency_p50"
VALUES = f"SELECT region, service, time, {MEASURE} FROM rows ORDER BY ALL"


def expected() -> list[tuple[object, ...]]:
    rows = telemetry("service", **HISTORY).read_all()
    assert rows.num_rows
    return duckdb.sql(VALUES).fetchall()


def written(folder: Path) -> list[tuple[object, ...]]:
    rows = duckdb.sql(
        f"SELECT * FROM read_parquet('{folder}/**/*.parquet', union_by_name = true) "
        f"WHERE {MEASURE} IS NOT NULL"
    )
    assert len(rows)
    return duckdb.sql(VALUES).fetchall()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"processes": 2},
        {"late": "20%:30s"},
        pytest.param(
            {"ray": "local", "workers": 2}, marks=[pytest.mark.slow, pytest.mark.xdist_group("ray")]
        ),
    ],
)
def test_runs_of_any_kind_write_the_same_incidents(tmp_path: Path, options: dict[str, Any]) -> None:
    lake, path = tmp_path / "lake", tmp_path / "run.json"
    spec = make_spec(**HISTORY, to=f"parquet:{lake}", record_model="multi", **options)
    with new_run(spec, path) as run:
        assert run.execute().delivered
    assert written(lake) == expected()
    assert verify_runs(path).matches
    assert labels(path).equals(labels(**HISTORY))
    assert set(labels(path)["incident"].to_pylist()) >= {"slow-dependency", "region-outage"}


def test_shards_together_write_the_same_incidents(tmp_path: Path) -> None:
    for number in (1, 2):
        to = {"to": f"parquet:{tmp_path / 'lake'}", "record_model": "multi"}
        spec = make_spec(**HISTORY, **to, shard=f"{number}/2")
        with new_run(spec, tmp_path / f"{number}.json") as run:
            assert run.execute().delivered
    assert written(tmp_path / "lake") == expected()


def test_a_resumed_run_continues_its_incidents(tmp_path: Path) -> None:
    """A relative start is fixed when the run begins, and not when it is resumed."""
    lake, path = tmp_path / "lake", tmp_path / "run.json"
    live = {**HISTORY, "to": f"parquet:{lake}", "record_model": "multi"}
    del live["start"], live["end"], live["interval"]
    with new_run(make_spec(**live, autostop=1), path) as run:
        assert run.execute().delivered
    began = read_manifest(path).spec.incident
    assert began[1].start - began[0].start == 20 * MICROSECONDS
    with resumed_run(path) as run:
        assert run.spec.incident == began
    assert verify_runs(path).matches
