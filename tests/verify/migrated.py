"""Runs that were migrated from one target to another, and what a comparison of both finds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from fleetstream.api import compare
from fleetstream.model import DataType
from fleetstream.run.options import make_spec
from fleetstream.run.runner import new_run
from fleetstream.targets.columns import value_column
from fleetstream.targets.registry import TargetOptions
from fleetstream.verify import Fault, Side
from tests.telemetry import SECOND, TIMESTAMP

MINUTE = 60 * SECOND
ZEUS = "i-AUa00Zt2-zeus-0001.amazonaws.com"
DOUBLE = value_column(DataType.DOUBLE)
WORD = value_column(DataType.VARCHAR)
RECORDS = 5 * 260

MISSING, EXTRA, DIFFERENT, DUPLICATE = Fault.MISSING, Fault.EXTRA, Fault.DIFFERENT, Fault.DUPLICATE


def ingest(manifest: Path, target: TargetOptions, **options: Any) -> Path:
    """Write five sweeps of one region; returns the manifest."""
    few = {"seed": 7, "include_region": "eu-central-1", "interval": "1m"}
    stretch = {"start": TIMESTAMP, "end": TIMESTAMP + 5 * MINUTE}
    with new_run(
        make_spec(**{**few, **stretch, **target.given, "to": target.url, **options}), manifest
    ) as run:
        assert run.execute().delivered
    return manifest


def duckdb_target(path: Path) -> TargetOptions:
    return TargetOptions(to=f"duckdb:{path}")


def faults_in(findings: Any, side: Side = Side.DESTINATION) -> Mapping[Fault, int]:
    """The faults of a side, where the other has none."""
    assert all(found is side for found, _ in findings.faults)
    return {fault: count for (_, fault), count in findings.faults.items()}


@dataclass(frozen=True)
class Migrated:
    """A destination that a run was migrated to.

    ``execute`` runs a statement there.
    """

    manifest: Path
    target: TargetOptions
    layout: str | None
    execute: Callable[[str], Any]

    def compared(self) -> Any:
        return compare(self.manifest, destination=self.target, layout=self.layout)


def to_duckdb(source: Path, folder: Path) -> Migrated:
    """A table of its own in another file."""
    path = folder / "copied.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute(f"ATTACH '{source.with_suffix('.duckdb')}' AS original (READ_ONLY)")
        connection.execute("CREATE TABLE copied AS FROM original.telemetry")

    def execute(statement: str) -> None:
        with duckdb.connect(path) as connection:
            connection.execute(statement)

    target = TargetOptions(to=f"duckdb:{path}", table_name="copied")
    return Migrated(source, target, None, execute)
