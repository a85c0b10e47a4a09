"""The description of a run: immutable data from which everything else is assembled.

The command line parses into it, the manifest stores it, workers receive it, and the Python API
takes it.
"""

import os
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from fleetstream.generate.choices import (
    PERIODS,
    Disorder,
    IncidentChoice,
    Lateness,
    Percent,
    RecordModel,
    ScheduledIncident,
    Shape,
    Shard,
)
from fleetstream.generate.moments import LATEST, MICROSECONDS, MILLISECOND, next_multiple
from fleetstream.generate.moments import now as current_time
from fleetstream.model import DEFAULT_MODEL
from fleetstream.model.durations import LONGEST_DURATION
from fleetstream.run.notation import LONGEST_INTERVAL
from fleetstream.targets.registry import TargetOptions

if TYPE_CHECKING:
    from fleetstream.generate.generator import Generator
    from fleetstream.generate.signals import Signal

MAX_SEED = 2**64 - 1

DEFAULT_INTERVAL = 10 * MICROSECONDS
"""Microseconds between two sweeps of history where no interval is given."""

_Natural = Annotated[int, msgspec.Meta(ge=0)]
_Positive = Annotated[int, msgspec.Meta(ge=1)]
_Duration = Annotated[float, msgspec.Meta(ge=0, le=LONGEST_DURATION)]
_Moment = Annotated[int, msgspec.Meta(ge=0, lt=LATEST)]
_Interval = Annotated[
    int, msgspec.Meta(ge=MILLISECOND, le=LONGEST_INTERVAL, multiple_of=MILLISECOND)
]
_Lag = Annotated[
    int, msgspec.Meta(ge=0, le=LONGEST_DURATION * MICROSECONDS, multiple_of=MILLISECOND)
]


class RunSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a run is to do. Fields have the names of the options, which docs/cli.md describes.

    ``set`` maps parameters of the model to their values; ``include`` and ``exclude`` map dimensions
    to the values that are kept and left out.
    Points in time, ``interval`` and ``max_lag`` are whole microseconds (of Unix time);
    ``give_up_after`` is seconds; None stands for what is not given. Raises ValueError where options
    contradict each other.
    """

    model: str = DEFAULT_MODEL
    set: dict[str, int] = {}
    include: dict[str, tuple[str, ...]] = {}
    exclude: dict[str, tuple[str, ...]] = {}
    shard: Shard | None = None

    seed: int | None = None
    missing_cpu: Percent = 0.0
    sin_signal_cpu: Percent = 0.0
    sin_frq_cpu: str = "m"
    saw_signal_cpu: Percent = 0.0
    saw_frq_cpu: str = "m"
    incidents: IncidentChoice = IncidentChoice.ON
    incident: tuple[ScheduledIncident, ...] = ()

    autostop: _Natural = 0
    interval: _Interval | None = None
    start: _Moment | None = None
    end: _Moment | None = None
    follow: bool = False
    max_lag: _Lag | None = None
    rate: _Natural = 0

    late: Lateness | None = None
    out_of_order: Percent = 0.0
    duplicate: Percent = 0.0
    always_connected: bool = False

    to: str | None = None
    database_name: str | None = None
    table_name: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    read_url: str | None = None
    profile: str | None = None
    record_model: RecordModel = RecordModel.SINGLE

    concurrency: _Positive = 10
    give_up_after: _Duration = 300.0
    undelivered: str = "fleetstream-undelivered"
    processes: _Natural = 1
    ray: str | None = None
    workers: _Positive | None = None

    def __post_init__(self) -> None:
        if self.seed is not None and not 0 <= self.seed <= MAX_SEED:
            raise ValueError(f"The seed is {self.seed}, but must be an integer from 0 to 2^64 - 1.")
        if self.shard and self.seed is None:
            raise ValueError(
                "--shard needs --seed: the parts make one fleet only if all have the same seed."
            )
        if self.sin_signal_cpu and self.saw_signal_cpu:
            raise ValueError("Give either --sin-signal-cpu or --saw-signal-cpu, not both.")
        if not self.undelivered:
            raise ValueError("--undelivered is empty; name a folder, or leave it out.")
        self._check_schedule()
        self._check_workers()
        for frequency in (self.sin_frq_cpu, self.saw_frq_cpu):
            if frequency not in PERIODS:
                raise ValueError(
                    f"There is no frequency {frequency!r}; choose from {', '.join(PERIODS)}."
                )
        for each in self.incident:
            if not each.relative and not 0 <= each.start < LATEST:
                raise ValueError(
                    f"The incident {each.incident!r} does not start in the years from 1970 to 9999."
                )
        _ = self.disorder

    def _check_schedule(self) -> None:
        for option, given, needed, present in (
            ("--end", self.end is not None, "--start", self.start is not None),
            ("--follow", self.follow, "--start", self.start is not None),
            ("--max-lag", self.max_lag is not None, "--interval", self.interval is not None),
        ):
            if given and not present:
                raise ValueError(f"{option} needs {needed}, which is not given.")
        if self.follow and self.end is not None:
            raise ValueError("--follow goes on without end; leave out --end or --follow.")
        if self.max_lag is not None and self.start is not None and not self.follow:
            raise ValueError("--max-lag is for live sweeps, but history has none; add --follow.")
        if self.start is not None and self.end is not None:
            if self.end <= self.start:
                raise ValueError("--end must be later than --start.")
            step = self.interval or DEFAULT_INTERVAL
            if next_multiple(self.start, step) >= self.end:
                raise ValueError(
                    "No multiple of --interval lies between --start and --end; choose a shorter "
                    "interval or a longer time."
                )

    def _check_workers(self) -> None:
        if self.ray is None and self.workers is not None:
            raise ValueError("--workers is for a Ray cluster; name one with --ray.")
        if self.ray is not None and self.workers is None:
            raise ValueError("--ray needs --workers, the number of workers on the cluster.")
        if self.ray is not None and self.processes != 1:
            raise ValueError("--processes and --ray both share the work; leave one of them out.")

    def resolved(self, now: int | None = None) -> "RunSpec":
        """The same with everything fixed that depends on the current time.

        A missing seed is the current second, a missing interval that of the model or, for history,
        the default, and the missing end of history is now. A run without history begins now.
        ``now`` is in microseconds. Raises ValueError where that leaves nothing to do, or the model
        is not valid.
        """
        now = current_time() if now is None else now
        changes: dict[str, Any] = {}
        if self.seed is None:
            changes["seed"] = now // MICROSECONDS
        if self.interval is None:
            from fleetstream.model import load_model

            interval = load_model(self.model).interval_us
            if interval is None and self.start is not None:
                interval = DEFAULT_INTERVAL
            if interval is not None:
                changes["interval"] = interval
        if self.start is not None:
            if self.start > now and self.end is None:
                raise ValueError(
                    "--start is in the future; choose a time in the past, or give --end too."
                )
            if self.end is None and not self.follow:
                changes["end"] = now
        if any(each.relative for each in self.incident):
            begin = now if self.start is None else self.start
            changes["incident"] = tuple(each.from_beginning(begin) for each in self.incident)
        return msgspec.structs.replace(self, **changes)

    @property
    def is_resolved(self) -> bool:
        """Whether nothing depends on the current time."""
        bounded = self.follow or self.end is not None
        return (
            self.seed is not None
            and (self.start is None or (self.interval is not None and bounded))
            and not any(each.relative for each in self.incident)
        )

    @property
    def worker_count(self) -> int:
        """How many processes share the work: those on a cluster or here, 0 meaning one per core."""
        return self.workers or self.processes or len(os.sched_getaffinity(0))

    @property
    def target(self) -> TargetOptions:
        """The target's part of the options."""
        return TargetOptions(**{name: getattr(self, name) for name in TARGET_FIELDS})

    @property
    def signal(self) -> "Signal | None":
        """The signal that overlays the model's measure for that, None for none."""
        from fleetstream.generate.signals import Signal

        if self.sin_signal_cpu:
            return Signal(Shape.SINE, self.sin_signal_cpu, self.sin_frq_cpu)
        if self.saw_signal_cpu:
            return Signal(Shape.SAWTOOTH, self.saw_signal_cpu, self.saw_frq_cpu)
        return None

    @property
    def disorder(self) -> Disorder | None:
        """The disorder of the run, None for none."""
        disorder = Disorder(
            late=self.late, out_of_order=self.out_of_order, duplicate=self.duplicate
        )
        return None if disorder == Disorder() else disorder

    def generator(self) -> "Generator":
        """The generator of a resolved run. Raises ValueError for what is unknown or impossible."""
        from fleetstream.generate.generator import Generator
        from fleetstream.model.loader import ModelFault, load_model, positioned

        assert self.seed is not None, "the spec is not resolved"
        try:
            return Generator(
                load_model(self.model),
                self.seed,
                parameters=self.set,
                include=self.include,
                exclude=self.exclude,
                shard=self.shard,
                signal=self.signal,
                missing_percent=self.missing_cpu,
                step=self.interval,
                incidents=self.incidents,
                scheduled=self.incident,
                always_connected=self.always_connected,
            )
        except ModelFault as fault:
            raise positioned(self.model, fault) from fault


TARGET_FIELDS = tuple(TargetOptions.__struct_fields__)
"""The fields that a run and its target options share."""
