"""A day of the sample fleet and an hour of Kubernetes in each target that can be read back.

By default one region; with SOAK_REGIONS=all the whole fleet, 37.8 million values.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from fleetstream.api import verify_runs
from fleetstream.generate.moments import now
from fleetstream.run.options import make_spec
from fleetstream.run.runner import new_run
from fleetstream.targets.registry import TargetOptions
from tests.servers.emulator_process import EmulatorProcess
from tests.servers.influx_server import InfluxDB
from tests.servers.postgresql_server import PostgreSQL
from tests.servers.prometheus_server import Prometheus
from tests.servers.victoria_metrics import VictoriaMetrics
from tests.telemetry import SECOND

REGIONS = os.environ.get("SOAK_REGIONS", "eu-central-1")

HOUR = 3_600 * SECOND

Opened = Callable[[Path], AbstractContextManager[TargetOptions]]


@contextmanager
def duckdb(folder: Path) -> Iterator[TargetOptions]:
    yield TargetOptions(to=f"duckdb:{folder / 'fleet.duckdb'}")


@contextmanager
def parquet(folder: Path) -> Iterator[TargetOptions]:
    yield TargetOptions(to=f"parquet:{folder / 'lake'}")


@contextmanager
def timestream(_folder: Path) -> Iterator[TargetOptions]:
    with EmulatorProcess() as server:
        server.write.create_database(DatabaseName="fleet")
        kept = {"MemoryStoreRetentionPeriodInHours": 72, "MagneticStoreRetentionPeriodInDays": 9}
        server.write.create_table(
            DatabaseName="fleet", TableName="telemetry", RetentionProperties=kept
        )
        yield TargetOptions(
            to="timestream",
            database_name="fleet",
            table_name="telemetry",
            region="us-east-1",
            endpoint_url=server.url,
        )


@contextmanager
def influx(folder: Path) -> Iterator[TargetOptions]:
    with InfluxDB(folder) as server:
        yield TargetOptions(to=f"influx:{server.url}", database_name="fleet")


@contextmanager
def postgresql(_folder: Path) -> Iterator[TargetOptions]:
    with PostgreSQL() as server:
        yield TargetOptions(to=server.url)


@contextmanager
def prometheus(folder: Path) -> Iterator[TargetOptions]:
    with Prometheus(folder) as server:
        yield TargetOptions(to=f"prometheus:{server.url}")


@contextmanager
def victoria_metrics(folder: Path) -> Iterator[TargetOptions]:
    with VictoriaMetrics(folder) as server:
        yield TargetOptions(to=f"prometheus:{server.url}")


TARGETS: tuple[Opened, ...] = (
    duckdb, parquet, timestream, influx, postgresql, prometheus, victoria_metrics,
)  # fmt: skip

RUNS = {"aws-devops": 24 * HOUR, "kubernetes": HOUR}
"""Models, and how much of their history is written, until the last full hour."""


@pytest.mark.soak
@pytest.mark.parametrize("model", RUNS)
@pytest.mark.parametrize("opened", TARGETS, ids=lambda opened: opened.__name__)
def test_history_is_verified(
    opened: Opened, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    end = now() // HOUR * HOUR
    fleet: dict[str, Any] = {"model": model, "seed": 7, "record_model": "multi"}
    if model == "aws-devops" and REGIONS != "all":
        fleet["include_region"] = REGIONS
    stretch = {"start": end - RUNS[model], "end": end, "interval": "60s"}
    manifest = tmp_path / "run.json"
    with opened(tmp_path) as target:
        place = {"to": target.url, **target.given}
        seconds = [time.perf_counter()]
        with new_run(make_spec(**fleet, **stretch, **place), manifest) as run:
            result = run.execute()
        seconds.append(time.perf_counter())
        assert result.delivered
        assert not result.totals.rejected.records
        findings = verify_runs(manifest)
        seconds.append(time.perf_counter())
    wrote, verified = seconds[1] - seconds[0], seconds[2] - seconds[1]
    stored = result.totals.stored
    print(
        f"{opened.__name__} {model}: {stored.records:,} records, {stored.values:,} values, "
        f"written in {wrote:.1f} s, verified in {verified:.1f} s"
    )
    assert findings.matches
    assert findings.held == findings.expected == stored.records
