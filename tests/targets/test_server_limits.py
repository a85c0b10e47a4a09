"""What becomes of records for which a server has no room, or which it does not keep any more."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from fleetstream.api import verify_runs
from fleetstream.generate.choices import RecordModel
from fleetstream.generate.moments import now
from fleetstream.run.options import make_spec
from fleetstream.run.runner import RunResult, new_run
from fleetstream.targets.registry import TargetOptions
from fleetstream.targets.sink import Unavailable
from tests.servers.influx_server import InfluxDB
from tests.servers.prometheus_server import Prometheus
from tests.servers.victoria_metrics import VictoriaMetrics
from tests.targets.cases import through_reader
from tests.targets.test_contract import history, opened, write
from tests.telemetry import SECOND
from tests.wire import expected

MINUTE = 60 * SECOND
HOUR = 60 * MINUTE


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Callable[[str], None]]:
    """A disk of a size at a folder, and what gives it another; the right to mount is needed."""

    def mount(options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"can't mount a small disk here: {done.stderr.strip()}")

    folder.mkdir()
    mount(f"size={size}")
    try:
        yield lambda other: mount(f"remount,size={other}")
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path, rest: int = 0) -> None:
    """Fill a disk but for a rest of so many bytes."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4_096))
    os.truncate(ballast, ballast.stat().st_size - rest)


def influx_target(server: InfluxDB) -> TargetOptions:
    return TargetOptions(to=f"influx:{server.url}", database_name="fleet")


def prometheus_target(server: Prometheus | VictoriaMetrics) -> TargetOptions:
    return TargetOptions(to=f"prometheus:{server.url}")


@pytest.mark.parametrize(
    ("make", "target"), [(InfluxDB, influx_target), (Prometheus, prometheus_target)]
)
def test_a_full_disk_is_waited_for(make: Any, target: Any, tmp_path: Path) -> None:
    """What did not fit is a fault that may pass, and is stored once there is room."""
    batches = history(10, 10, missing=0)
    folder = tmp_path / "disk"
    with small_disk(folder, "1m") as resize, make(folder) as server:
        options = target(server)
        with opened(options, RecordModel.SINGLE) as sink:
            fill(folder)
            with pytest.raises(Unavailable, match="no space left"):
                write(sink, batches)
            resize("256m")
            assert not any(delivery.rejections for _, delivery in write(sink, batches))
        held = through_reader(options, RecordModel.SINGLE)
    wanted = [each for batch in batches for each in expected(batch, RecordModel.SINGLE)]
    assert sorted(held) == sorted(wanted)


def test_a_victoriametrics_that_has_little_room_left_only_reads(tmp_path: Path) -> None:
    """It takes records again when it has looked at the disk again, every half minute."""
    folder = tmp_path / "disk"
    with small_disk(folder, "20m"):
        fill(folder, rest=5_000_000)
        with (
            VictoriaMetrics(folder) as server,
            opened(prometheus_target(server), RecordModel.SINGLE) as sink,
            pytest.raises(Unavailable, match="the storage is in read-only mode") as raised,
        ):
            write(sink, history(1, missing=0))
    assert raised.value.kind == "HTTP 503"


def written(manifest: Path, target: TargetOptions, hours: int) -> RunResult:
    """Write some hours of history of one region, until now."""
    end = now() // MINUTE * MINUTE
    fleet = {"seed": 7, "include_region": "eu-central-1", "record_model": "multi"}
    stretch = {"start": end - hours * HOUR, "end": end, "interval": "10m"}
    folder = {"undelivered": str(manifest.with_suffix(""))}
    place = {"to": target.url, **target.given}
    with new_run(make_spec(**{**fleet, **stretch, **place, **folder}), manifest) as run:
        return run.execute()


def test_influxdb_rejects_what_its_retention_policy_does_not_keep(tmp_path: Path) -> None:
    """Exactly what is too old, and everything else is stored."""
    with InfluxDB(tmp_path) as server:
        server.query('CREATE DATABASE "short" WITH DURATION 2h')
        target = TargetOptions(to=f"influx:{server.url}", database_name="short")
        result = written(tmp_path / "run.json", target, 4)
        (stored,) = server.query('SELECT count(cpu_user) FROM "short"."autogen"."metrics"')
        ((_, metrics),) = stored["values"]
    assert result.totals.generated.records == 24 * 22
    sweeps = result.totals.stored.records // 22
    assert 11 <= sweeps <= 19  # whole shards, of an hour each
    assert (result.totals.stored.records, metrics) == (sweeps * 22, sweeps * 10)
    assert result.totals.rejected.records == (24 - sweeps) * 22
    (reason,) = result.totals.rejections
    assert "points beyond retention policy" in reason


def test_prometheus_rejects_what_is_too_old(tmp_path: Path) -> None:
    """A run of an earlier time than what it holds; what it held before stays as it was."""
    with Prometheus(tmp_path) as server:
        target = prometheus_target(server)
        assert written(tmp_path / "first.json", target, 1).delivered
        earlier = TargetOptions(to=target.to, table_name="earlier")
        result = written(tmp_path / "second.json", earlier, 6)
        assert result.totals.rejected.records > 0
        assert result.totals.stored.records + result.totals.rejected.records == 36 * 22
        assert all("bounds" in each or "old" in each for each in result.totals.rejections)
        assert verify_runs(tmp_path / "first.json").matches


def test_prometheus_rejects_what_its_series_have_passed(tmp_path: Path) -> None:
    """Also what it has already, but for the latest sample of each series."""
    with Prometheus(tmp_path) as server:
        target = prometheus_target(server)
        assert written(tmp_path / "first.json", target, 1).delivered
        again = written(tmp_path / "again.json", target, 1)
        assert (again.totals.stored.records, again.totals.rejected.records) == (22, 5 * 22)
        assert set(again.totals.rejections) == {"out of order sample"}
        assert verify_runs(tmp_path / "first.json").matches
