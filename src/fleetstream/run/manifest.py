"""The manifest: one small JSON file a run, from which the run can be resumed or checked.

It names what determines every value (seed, fleet, signal, …) and which timestamps were swept. It is
replaced as a whole, so that a reader never sees half of one, and it is written before a sweep
begins, so that after a sudden end it names every sweep whose records may be anywhere.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from fleetstream import _version
from fleetstream.generate.disorder import Disorder
from fleetstream.fleet import Fleet, Shard
from fleetstream.generate.records import RecordModel
from fleetstream.generate.signals import Shape, Signal
from fleetstream.targets.registry import TargetOptions
from fleetstream.workload import Workload

FORMAT = 1
"""Raised whenever older programs could not read a manifest any more."""

SETTLE_EVERY = 10.0
"""Seconds between two looks at which sweeps are settled."""


class Run(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Lengths of equidistant timestamps: ``count`` of them from ``first``, ``step`` apart (µs)."""

    first: int
    step: int
    count: int


class FleetFacts(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What makes a :class:`~fleetstream.fleet.Fleet`."""

    host_scale: int
    regions: list[str]
    microservices: list[str]
    shard: Shard | None = None


class SignalFacts(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What makes a :class:`~fleetstream.generate.signals.Signal`."""

    shape: Shape
    ratio: float
    frequency: str


class TargetFacts(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What names a target; never a credential."""

    to: str | None = None
    database_name: str | None = None
    table_name: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    profile: str | None = None


class Pace(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """When a run sweeps: at multiples of ``step``; all times in microseconds.

    From ``start``, or from when the run begins if that is None, until before ``end``, or live and
    without end if that is None. ``max_lag`` is how late a live sweep may start.
    """

    step: int
    start: int | None = None
    end: int | None = None
    max_lag: int | None = None


class Manifest(msgspec.Struct, forbid_unknown_fields=True):
    """A run: what it writes, where to, and how far it has come."""

    seed: int
    fleet: FleetFacts
    signal: SignalFacts | None
    missing_cpu: float
    record_model: RecordModel
    target: TargetFacts
    autostop: int
    swept: list[Run]
    """Sweeps of which every record has an outcome."""
    unsettled: list[int]
    """Timestamps of sweeps that had begun but were not settled."""
    finished: bool
    ledger: dict[str, Any]
    """What the ledger of the latest run knew."""
    disorder: Disorder | None = None
    pace: Pace | None = None
    """None for the current second, as often as it can be had."""
    format: int = FORMAT
    version: str = _version.__version__

    def workload(self) -> Workload:
        """The workload of the run; raises :class:`ValueError` with a sentence."""
        signal = None
        if self.signal is not None:
            signal = Signal(self.signal.shape, self.signal.ratio, self.signal.frequency)
        facts = self.fleet
        fleet = Fleet(facts.host_scale, facts.regions, facts.microservices, facts.shard)
        return Workload(fleet, self.seed, signal, self.missing_cpu)

    def target_options(self) -> TargetOptions:
        """The target of the run."""
        return TargetOptions(**msgspec.structs.asdict(self.target))

    def timestamps(self) -> Iterable[int]:
        """The timestamps of all settled sweeps, in the order of sweeping."""
        for run in self.swept:
            yield from range(run.first, run.first + run.step * run.count, run.step)

    @property
    def sweeps(self) -> int:
        """How many sweeps are settled."""
        return sum(run.count for run in self.swept)

    @property
    def last(self) -> int:
        """The latest timestamp that had begun, 0 if none had."""
        ends = [run.first + run.step * (run.count - 1) for run in self.swept]
        return max([*ends, *self.unsettled], default=0)

    def settle(self, timestamp: int) -> None:
        """Note that a sweep is settled: timestamps at even distances make one run."""
        last = self.swept[-1] if self.swept else None
        if last is not None:
            end = last.first + last.step * (last.count - 1)
            step = timestamp - end
            if last.count == 1 and step > 0:
                self.swept[-1] = Run(last.first, step, 2)
                return
            if step == last.step:
                self.swept[-1] = Run(last.first, step, last.count + 1)
                return
        self.swept.append(Run(timestamp, 1, 1))


def describe(
    workload: Workload,
    target: TargetOptions,
    model: RecordModel,
    autostop: int,
    pace: Pace | None = None,
    disorder: Disorder | None = None,
) -> Manifest:
    """The manifest of a run that is about to begin."""
    fleet, signal = workload.fleet, workload.signal
    return Manifest(
        seed=workload.seed,
        fleet=FleetFacts(
            fleet.host_scale, list(fleet.regions), list(fleet.microservices), fleet.shard
        ),
        signal=None
        if signal is None
        else SignalFacts(signal.shape, signal.ratio, signal.frequency),
        missing_cpu=workload.missing_cpu,
        record_model=model,
        target=TargetFacts(
            **{name: getattr(target, name) for name in TargetFacts.__struct_fields__}
        ),
        autostop=autostop,
        swept=[],
        unsettled=[],
        finished=False,
        ledger={},
        pace=pace,
        disorder=disorder,
    )


def read_manifest(path: Path) -> Manifest:
    """The manifest in a file; raises :class:`ValueError` with a sentence if there is none."""
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror}.") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"{path} is not a manifest of a run: {error}.") from error
    if manifest.format != FORMAT:
        raise ValueError(
            f"{path} has the format {manifest.format}, but this fleetstream reads {FORMAT}; "
            f"use the version that wrote it, {manifest.version}."
        )
    if any(run.step < 1 or run.count < 1 or run.first < 0 for run in manifest.swept):
        raise ValueError(f"{path} is not a manifest of a run: its sweeps make no sense.")
    if manifest.pace is not None and manifest.pace.step < 1:
        raise ValueError(f"{path} is not a manifest of a run: its pace makes no sense.")
    if manifest.unsettled and min(manifest.unsettled) < 0:
        raise ValueError(f"{path} is not a manifest of a run: its sweeps make no sense.")
    return manifest


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Replace the file at ``path`` in one step; raises :class:`OSError`."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        with unfinished.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
