"""The manifest: one small JSON file per run, from which the run is resumed or verified.

It has the description of the run, which determines every value, and the timestamps that were swept.
It is replaced as a whole, so a reader never sees half of one, and it names a sweep before any of
its records can be stored: by its timestamp, or by the schedule of a run with a start.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from fleetstream import _version
from fleetstream.generate.keys import GENERATOR_VERSION
from fleetstream.generate.moments import LATEST
from fleetstream.run.ledger import Tally, Totals
from fleetstream.run.spec import RunSpec

FORMAT = 3
"""Raised whenever older programs could not read a manifest any more."""


class TimeSeries(msgspec.Struct, frozen=True, array_like=True):
    """``count`` timestamps in microseconds, ``step`` apart, beginning with ``first``."""

    first: int
    step: int
    count: int

    def timestamps(self) -> range:
        return range(self.first, self.first + self.step * self.count, self.step)

    @property
    def last(self) -> int:
        return self.first + self.step * (self.count - 1)


class Manifest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a run writes, where, and how far it has come.

    Every record of the sweeps in ``swept`` has an outcome. Those at ``unsettled`` had begun; some
    of their records may be stored. ``ledger`` has the totals of the latest run.
    """

    spec: RunSpec
    swept: list[TimeSeries] = []
    unsettled: list[int] = []
    finished: bool = False
    ledger: dict[str, Any] = {}
    generator: int = GENERATOR_VERSION
    format: int = FORMAT
    version: str = _version.__version__

    def timestamps(self) -> Iterator[int]:
        """The timestamps of all settled sweeps, in ascending order."""
        for series in self.swept:
            yield from series.timestamps()

    @property
    def sweeps(self) -> int:
        """How many sweeps are settled."""
        return sum(series.count for series in self.swept)

    @property
    def last(self) -> int:
        """The latest timestamp whose sweep had begun, 0 if none had."""
        return max([*(series.last for series in self.swept), *self.unsettled], default=0)

    def settle(self, timestamps: Iterable[int]) -> None:
        """Note that sweeps are settled, in any order.

        ``swept`` stays in ascending order, and timestamps at equal distances are joined.
        """
        new = sorted(timestamps)
        if not new:
            return
        later: list[int] = []
        while self.swept and self.swept[-1].last > new[0]:
            series = self.swept.pop()
            count = len(range(series.first, new[0], series.step))
            later = [*series.timestamps()[count:], *later]
            if count:
                self._append(TimeSeries(series.first, series.step if count > 1 else 1, count))
        for series in _series(sorted([*new, *later])):
            self._append(series)

    def _append(self, series: TimeSeries) -> None:
        """Add a series after all others, joined with as many of them as can be."""
        while self.swept and (joined := _joined(self.swept[-1], series)):
            self.swept.pop()
            series = joined
        self.swept.append(series)


def _series(timestamps: Sequence[int]) -> Iterator[TimeSeries]:
    """Ascending timestamps as few series, in their order."""
    stamps = np.array(timestamps, np.int64)
    if len(stamps) < 2:
        yield from (TimeSeries(int(stamp), 1, 1) for stamp in stamps)
        return
    steps = np.diff(stamps)
    first = 0
    while first < len(stamps):
        step = int(steps[first]) if first < len(steps) else 1
        differing = np.flatnonzero(steps[first:] != step)
        count = int(differing[0]) + 1 if len(differing) else len(stamps) - first
        yield TimeSeries(int(stamps[first]), step if count > 1 else 1, count)
        first += count


def _joined(one: TimeSeries, other: TimeSeries) -> TimeSeries | None:
    """Both as one series, None where they are not at equal distances."""
    step = other.first - one.last
    if step < 1 or any(each.count > 1 and each.step != step for each in (one, other)):
        return None
    return TimeSeries(one.first, step, one.count + other.count)


def read_manifests(paths: Iterable[Path]) -> list[Manifest]:
    """The manifests in files, each file once. Raises ValueError as :func:`read_manifest` does."""
    return [read_manifest(path) for path in {path.resolve(): path for path in paths}.values()]


def read_manifest(path: Path) -> Manifest:
    """The manifest in a file. Raises ValueError where there is none of this generator version."""
    try:
        content = path.read_bytes()
        about = msgspec.json.decode(content, type=_About)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is not a manifest of a run: {error}.") from error
    if about.format != FORMAT:
        raise ValueError(
            f"{path} has the format {about.format}, but this fleetstream reads {FORMAT}; use the "
            f"version that wrote it, {about.version}."
        )
    check_generator(about.generator, f"{path} is of a run")
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is not a manifest of a run: {error}.") from error
    if not manifest.spec.is_resolved:
        raise ValueError(f"{path} is not a manifest of a run: its seed or schedule is incomplete.")
    if not _is_consistent(manifest):
        raise ValueError(f"{path} is not a manifest of a run: its sweeps are not valid.")
    return manifest


def _is_consistent(manifest: Manifest) -> bool:
    """Whether the sweeps are those that a run could have made, each named once."""
    swept, unsettled = manifest.swept, manifest.unsettled
    ends = [end for each in swept for end in (each.first, each.last + 1)]
    return (
        all(each.step > 0 and each.count > 0 for each in swept)
        and all(0 <= stamp < LATEST for stamp in [*ends, *unsettled])
        and ends == sorted(ends)
        and unsettled == sorted(set(unsettled))
        and not any(stamp in each.timestamps() for stamp in unsettled for each in swept)
    )


def check_generator(version: int, what: str) -> None:
    """Raises ValueError where values were made by another version of the generator."""
    if version != GENERATOR_VERSION:
        raise ValueError(
            f"{what} by version {version} of the generator, but this fleetstream has version "
            f"{GENERATOR_VERSION}, which makes other values; use the fleetstream that wrote it."
        )


class _About(msgspec.Struct):
    """What tells whether the rest of a manifest can be read."""

    format: int
    version: str
    generator: int = 0


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Replace the file at ``path`` as a whole. Raises OSError."""
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


def manifest_path(spec: RunSpec, wanted: Path | None, folder: Path = Path()) -> Path | None:
    """Where the manifest of a new run goes: where it is wanted, or under an unused name.

    None for a target that keeps nothing. Raises ValueError where the file that is wanted exists and
    is not the manifest of a finished run.
    """
    if wanted is None:
        if spec.target.discarded:
            return None
        part = f"-{spec.shard.number}of{spec.shard.count}" if spec.shard else ""
        return _unused(folder / f"fleetstream-{spec.seed}{part}.json")
    if wanted.exists() and not _is_finished(wanted):
        raise ValueError(
            f"{wanted} exists and is not the manifest of a finished run; continue that run with "
            f"--resume {wanted}, or name another file."
        )
    return wanted


def _is_finished(path: Path) -> bool:
    try:
        return read_manifest(path).finished
    except ValueError:
        return False


def _unused(path: Path) -> Path:
    """``path``, or the first such name with a number that no file has."""
    number, candidate = 2, path
    while candidate.exists():
        candidate = path.with_stem(f"{path.stem}-{number}")
        number += 1
    return candidate


def ledger_totals(totals: Totals) -> dict[str, Any]:
    """The totals of a ledger, ready for JSON."""
    facts: dict[str, Any] = {"adds_up": totals.adds_up}
    for each in fields(totals):
        figure = getattr(totals, each.name)
        if isinstance(figure, Tally):
            figure = {"records": figure.records, "values": figure.values}
        facts[each.name] = dict(figure) if isinstance(figure, dict) else figure
    return facts
