"""The pace of a run: its options, and the clock that they make."""

import argparse
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from fleetstream.cli.options import at_least, duration, moment
from fleetstream.generate.moments import MICROSECONDS

if TYPE_CHECKING:
    from fleetstream.run.clock import Clock
    from fleetstream.run.ledger import Ledger
    from fleetstream.run.manifest import Manifest, Pace
    from fleetstream.targets.sink import Sink

MILLISECOND = 1_000
"""Microseconds; intervals are whole milliseconds."""

LONGEST_INTERVAL = 366 * 86_400 * MICROSECONDS
"""Microseconds; nobody waits longer for a second sweep."""


def add_pace_options(group: "argparse._ArgumentGroup") -> None:
    """When the fleet is swept: the options that make a clock."""
    add_stretch_options(
        group,
        "sweep at the multiples of this time, such as 10s, however slow the target is "
        "(default: the current second, as often as the target allows)",
        "write history from here on, as fast as the target takes it",
    )
    group.add_argument("--follow", action="store_true", help="when history is written, go on live")
    group.add_argument(
        "--max-lag",
        metavar="TIME",
        type=duration,
        default=None,
        help="skip live sweeps that could not start within this time (default: make up for all)",
    )
    group.add_argument(
        "--rate",
        metavar="N",
        type=at_least(1),
        default=0,
        help="write at most N values a second (default: no limit)",
    )


def add_stretch_options(
    group: "argparse._ArgumentGroup", interval_help: str, start_help: str
) -> None:
    """Which stretch of time is swept, and how often."""
    group.add_argument(
        "--interval", metavar="TIME", type=interval, default=None, help=interval_help
    )
    group.add_argument(
        "--start",
        metavar="WHEN",
        type=moment,
        default=None,
        help=f"{start_help}: a time such as 2026-11-01T00:00:00Z, or an age such as -24h",
    )
    group.add_argument(
        "--end",
        metavar="WHEN",
        type=moment,
        default=None,
        help="where history ends, itself not included (default: now)",
    )


def interval(text: str) -> int:
    """Microseconds between two sweeps, or a sentence on why it is none."""
    microseconds = round(duration(text) * MICROSECONDS)
    if not MILLISECOND <= microseconds <= LONGEST_INTERVAL or microseconds % MILLISECOND:
        raise argparse.ArgumentTypeError(
            f"{text} is no interval; it must be a whole number of milliseconds, from 1ms to 366d."
        )
    return microseconds


def pace_of(options: argparse.Namespace) -> "Pace | None":
    """The pace that the options ask for; raises :class:`ValueError` with a sentence.

    All timestamps are multiples of the interval since the Unix epoch, so that runs of the same
    interval fit together, whenever they begin.
    """
    from fleetstream.run.clock import on_grid
    from fleetstream.run.manifest import Pace

    _check(options)
    if options.interval is None:
        return None
    max_lag = None if options.max_lag is None else round(options.max_lag * MICROSECONDS)
    if options.start is None:
        return Pace(options.interval, max_lag=max_lag)
    now = time.time_ns() // 1_000
    start = on_grid(options.start, options.interval)
    if options.follow:
        if options.start > now:
            raise ValueError("--start lies in the future, but --follow needs one in the past.")
        return Pace(options.interval, start, max_lag=max_lag)
    end = now if options.end is None else options.end
    if end <= options.start:
        raise ValueError("--end must be later than --start; without --end, that is now.")
    if end <= start:
        raise ValueError(
            "No multiple of --interval lies between --start and --end; choose a shorter interval "
            "or a longer time."
        )
    return Pace(options.interval, start, end)


def clock_of(
    pace: "Pace | None", last: int, wait: "Callable[[float], bool]", ledger: "Ledger"
) -> "tuple[Clock, int | None]":
    """The clock of a pace, going on after the timestamp ``last`` (0 for none).

    It waits with ``wait``, which gives whether the run is to stop.
    Also gives from which timestamp on sweeps are meant to be at their timestamp, None if none are.
    """
    from fleetstream.run.clock import GridClock, HistoryClock, LiveClock

    if pace is None:
        return LiveClock(wait, last=last), None
    first = _first(pace, last)
    if pace.end is not None:
        return HistoryClock(first, pace.end, pace.step), None
    clock = GridClock(first, pace.step, wait, max_lag=pace.max_lag, skipped=ledger.skipped)
    return clock, clock.live_from


def check_window(pace: "Pace | None", last: int, sink: "Sink") -> None:
    """Raises :class:`TargetUnusable` where a target does not take a pace's history."""
    from fleetstream.targets.sink import TargetUnusable

    window = sink.window
    if pace is None or pace.start is None or window is None:
        return
    first = _first(pace, last)
    for option, timestamp in (("--start", first), ("--end", (pace.end or first + 1) - 1)):
        if not window.earliest <= timestamp <= window.latest:
            raise TargetUnusable(
                f"{sink.name} takes records of now from {_iso(window.earliest)} until "
                f"{_iso(window.latest)}. {window.because} Move {option}, or change the table."
            )


def sweeps_left(manifest: "Manifest") -> int:
    """How many sweeps a run still makes, 0 where it has no end."""
    counts = []
    if manifest.autostop:
        counts.append(max(manifest.autostop - manifest.sweeps, 0))
    pace = manifest.pace
    if pace is not None and pace.end is not None:
        new = range(_first(pace, manifest.last), pace.end, pace.step)
        counts.append(len(manifest.unsettled) + len(new))
    return min(counts, default=0)


def stretch_options(pace: "Pace") -> list[str]:
    """The options that name the history of a pace, whenever they are given."""
    options = []
    for option, timestamp in (("--start", pace.start), ("--end", pace.end)):
        if timestamp is not None:
            options += [option, _iso(timestamp)]
    return options


def _iso(timestamp: int) -> str:
    """A timestamp in microseconds as ISO 8601, UTC."""
    when = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=timestamp)
    return when.isoformat().replace("+00:00", "Z")


def _first(pace: "Pace", last: int) -> int:
    """The first timestamp of a pace after ``last``; live ones are still to come."""
    from fleetstream.run.clock import on_grid

    begin = time.time_ns() // 1_000 if pace.start is None else pace.start
    return on_grid(max(begin, last + 1), pace.step)


def _check(options: argparse.Namespace) -> None:
    """Raises :class:`ValueError` where options do not go together."""
    needs = {
        "--start": (options.start is not None, "--interval", options.interval is not None),
        "--end": (options.end is not None, "--start", options.start is not None),
        "--follow": (options.follow, "--start", options.start is not None),
        "--max-lag": (options.max_lag is not None, "--interval", options.interval is not None),
    }
    for option, (given, needed, there) in needs.items():
        if given and not there:
            raise ValueError(f"{option} needs {needed}, which is not given.")
    if options.follow and options.end is not None:
        raise ValueError("--follow goes on without end; leave out --end or --follow.")
    if options.max_lag is not None and options.start is not None and not options.follow:
        raise ValueError("--max-lag is for live sweeps, but history has none; add --follow.")
