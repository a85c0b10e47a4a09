"""The schedule of a run: from its description to a clock."""

from collections.abc import Callable
from dataclasses import dataclass

from fleetstream.generate.moments import LATEST, MICROSECONDS, iso, next_multiple, now
from fleetstream.run.clock import Clock, GridClock, HistoryClock, LiveClock, ResumedClock
from fleetstream.run.manifest import Manifest
from fleetstream.run.spec import DEFAULT_INTERVAL, RunSpec
from fleetstream.targets.sink import Sink, TargetUnusable


@dataclass(frozen=True, slots=True)
class ScheduledClock:
    """A clock, and from which timestamp on its sweeps are meant to begin at their timestamp.

    ``live_from`` is None where no sweep is: in history, and where sweeps follow each other as fast
    as the target allows.
    """

    clock: Clock
    live_from: int | None = None


def clock_of(
    manifest: Manifest,
    wait: Callable[[float], bool],
    skipped: Callable[[int], None],
) -> ScheduledClock:
    """The clock of a run: what an earlier run left unsettled, then what it had not begun.

    ``wait`` is that of :class:`LiveClock`, ``skipped`` that of :class:`GridClock`.
    """
    spec = manifest.spec
    if spec.interval is None:
        onward = ScheduledClock(LiveClock(wait, last=manifest.last))
    elif spec.end is not None:
        history = HistoryClock(_first(manifest), spec.end, spec.interval)
        onward = ScheduledClock(history)
    else:
        grid = GridClock(
            _first(manifest), spec.interval, wait, max_lag=spec.max_lag, skipped=skipped
        )
        onward = ScheduledClock(grid, grid.live_from)
    if not manifest.unsettled:
        return onward
    return ScheduledClock(ResumedClock(manifest.unsettled, onward.clock), onward.live_from)


def sweeps_left(manifest: Manifest) -> int | None:
    """How many sweeps a run still makes, None where it has no end."""
    spec = manifest.spec
    counts = []
    if spec.autostop:
        counts.append(max(spec.autostop - manifest.sweeps, 0))
    if spec.end is not None and spec.interval is not None:
        new = range(_first(manifest), spec.end, spec.interval)
        counts.append(len(manifest.unsettled) + len(new))
    return min(counts, default=None)


def planned_timestamps(spec: RunSpec, sweeps: int | None = None) -> range:
    """The timestamps of a resolved run, at most the first ``sweeps`` of them.

    A run without an interval is taken to sweep once per second. Raises ValueError for a run without
    end where ``sweeps`` does not limit it, and for one that goes on after the year 9999.
    """
    step = spec.interval or MICROSECONDS
    first = next_multiple(now() if spec.start is None else spec.start, step)
    limits = [first + step * each for each in (sweeps, spec.autostop or None) if each is not None]
    if spec.end is not None:
        limits.append(spec.end)
    if not limits:
        raise ValueError("The run has no end; give --end or --autostop.")
    if min(limits) > LATEST:
        raise ValueError("The run would go on after the year 9999; choose a shorter one.")
    return range(first, min(limits), step)


def check_window(manifest: Manifest, sink: Sink) -> None:
    """Raises TargetUnusable where an open target does not accept the timestamps of a history."""
    spec, window = manifest.spec, sink.window
    if spec.start is None or window is None:
        return
    first = _first(manifest)
    end = first + 1 if spec.end is None else spec.end
    new = range(first, end, spec.interval or DEFAULT_INTERVAL)
    for option, timestamps in (("--start", new[:1]), ("--end", new[-1:])):
        if not all(window.earliest <= each <= window.latest for each in timestamps):
            raise TargetUnusable(
                f"{sink.name} now accepts records from {iso(window.earliest)} until "
                f"{iso(window.latest)}. {window.reason} Change {option}, or the table."
            )


def _first(manifest: Manifest) -> int:
    """The first timestamp after those that had begun; live ones are in the future."""
    spec = manifest.spec
    assert spec.interval is not None
    begin = now() if spec.start is None else spec.start
    return next_multiple(max(begin, manifest.last + 1), spec.interval)
