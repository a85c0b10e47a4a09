"""Runs: everything is checked and opened, then carried out, then accounted for."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from fleetstream.run.assembly import Parts, sink_of
from fleetstream.run.clock import groups
from fleetstream.run.control import Control
from fleetstream.run.interruptible import interruptible
from fleetstream.run.journal import Journal, Recorder
from fleetstream.run.ledger import Ledger, Totals
from fleetstream.run.manifest import Manifest, manifest_path, read_manifest
from fleetstream.run.options import BY_FIELD, changed
from fleetstream.run.periodic import periodically
from fleetstream.run.schedule import check_window, clock_of, sweeps_left
from fleetstream.run.spec import RunSpec
from fleetstream.run.undelivered import Kept, UndeliveredStore
from fleetstream.run.workers.coordinator import Coordinator
from fleetstream.run.workers.messages import Assignment
from fleetstream.run.workers.pool import ProcessPool, WorkerPool
from fleetstream.targets.registry import check_limits
from fleetstream.targets.sink import Sink, TimelySink

PROGRESS_SECONDS = 0.25
"""Seconds between two calls of a progress callback."""

MOST_PROCESSES_PER_CORE = 16
"""More than these would only take memory from each other."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """The outcome of a run.

    ``reason`` says why it ended early, None where it did not or the user stopped it; ``kept`` where
    the records are that were not stored; ``manifest_failure`` why the manifest could not be kept.
    """

    totals: Totals
    seconds: float
    reason: str | None = None
    kept: Kept = field(default_factory=Kept)
    manifest_failure: str | None = None

    @property
    def delivered(self) -> bool:
        """Whether every record was stored and the run did not fail."""
        return self.totals.delivered and self.reason is None


class Run:
    """A run whose target is open: :meth:`execute` carries it out, once.

    As a context manager it closes the target. ``manifest_path`` is None where nothing is kept.
    ``control`` stops or pauses it from any thread, ``ledger`` shows how it goes.
    """

    def __init__(self, manifest: Manifest, path: Path | None) -> None:
        self.spec = manifest.spec
        self.manifest = manifest
        self.manifest_path = path
        self.ledger = Ledger()
        self.control = Control()
        self.generator = self.spec.generator()
        check_limits(self.spec.target, self.spec.record_model, self.generator)
        schemas = self.generator.schemas.values()
        self.sink: Sink = interruptible(lambda: sink_of(self.spec, schemas))
        self._pool, self._workers = worker_pool(self.spec, self.sink)
        interruptible(self.sink.open)
        try:
            check_window(manifest, self.sink)
            if self._pool:
                self._pool.open(self._workers)
        except BaseException:
            self.sink.close()
            raise
        self.sweeps = sweeps_left(manifest)
        """How many sweeps it makes, None where it has no end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool:
            self._pool.end(patiently=True)
        self.sink.close()

    def execute(self, progress: Callable[[Totals], Any] | None = None) -> RunResult:
        """Carry out the run, until its end or until it is stopped.

        ``progress`` is called a few times per second, in a thread of its own, with what became of
        all records until then.
        """
        if progress is None:
            kept, failure = self._execute()
        else:
            report = progress

            def report_now() -> None:
                report(self.ledger.totals())

            with periodically(PROGRESS_SECONDS, report_now, "progress"):
                kept, failure = self._execute()
            report_now()
        return RunResult(
            self.ledger.totals(), self.ledger.elapsed, self.control.reason, kept, failure
        )

    def _execute(self) -> tuple[Kept, str | None]:
        if self.sweeps == 0:
            return Kept(), None
        carry_out = self._share if self._pool else self._work_alone
        journal, kept = carry_out()
        journal.close()
        return kept, journal.failure

    def _sweeps_together(self, shares: int) -> int:
        """How many sweeps of history are generated at once, among so many shares of the series."""
        size = self.generator.timestamps_per_batch(shares)
        if isinstance(self.sink, TimelySink) and self.spec.interval:
            return max(min(size, self.sink.longest_stretch // self.spec.interval), 1)
        return size

    def _work_alone(self) -> tuple[Journal, Kept]:
        store = UndeliveredStore(Path(self.spec.undelivered))
        recorder = Recorder(store)
        journal = Journal(
            self.manifest, self.manifest_path, self.ledger, lambda: [recorder.progress()[0]]
        )
        scheduled = clock_of(self.manifest, self.control.gently.wait, self.ledger.skipped)
        size = self._sweeps_together(1)
        Parts(self.spec, self.sink, self.ledger, self.control, recorder).generate_and_deliver(
            self.generator,
            groups(scheduled.clock, size, self.sweeps, scheduled.live_from),
            live_from=scheduled.live_from,
            begin=journal.begin,
            end=lambda timestamps: self.ledger.swept(len(timestamps), timestamps[-1]),
        )
        return journal, store.flush()

    def _share(self) -> tuple[Journal, Kept]:
        assert self._pool is not None
        # Workers may have another working directory.
        spec = msgspec.structs.replace(
            self.spec, undelivered=str(Path(self.spec.undelivered).absolute())
        )
        assignment = Assignment(spec, self._workers)
        coordinator = Coordinator(self._pool, assignment, self.ledger, self.control)
        journal = Journal(
            self.manifest, self.manifest_path, self.ledger, lambda: coordinator.progress
        )
        scheduled = clock_of(self.manifest, coordinator.wait, self.ledger.skipped)
        size = self._sweeps_together(self._workers)
        coordinator.run(
            groups(scheduled.clock, size, self.sweeps, scheduled.live_from),
            journal.begin,
            scheduled.live_from,
        )
        return journal, sum(coordinator.kept, start=Kept())


def new_run(spec: RunSpec, manifest: Path | str | None = None) -> Run:
    """A run that begins anew. ``manifest`` is where its manifest goes, None chooses a name.

    Raises ValueError where options contradict each other or name what is unknown, TargetUnusable
    where the target cannot be used.
    """
    spec = spec.resolved()
    path = manifest_path(spec, None if manifest is None else Path(manifest))
    return Run(Manifest(spec=spec), path)


def resumed_run(path: Path | str, **changes: Any) -> Run:
    """A run that continues the one of the manifest at ``path``, which it keeps up to date.

    ``changes`` are options, by field name, that change nothing about the data. Raises as
    :func:`new_run`, and ValueError for other options.
    """
    for name in changes:
        if name in BY_FIELD and BY_FIELD[name].changes_data:
            raise ValueError(
                f"{BY_FIELD[name].name} cannot be given with --resume, since the manifest has it; "
                "leave it out."
            )
    path = Path(path)
    manifest = read_manifest(path)
    manifest.spec = changed(manifest.spec, **changes)
    return Run(manifest, path)


def worker_pool(spec: RunSpec, sink: Sink) -> tuple[WorkerPool | None, int]:
    """The pool that shares the work, None for this process alone, and the number of workers.

    Raises ValueError where the target takes only one process, where there would be far more
    processes than cores, or a library is missing.
    """
    if spec.ray is None:
        if spec.processes > 1 and sink.exclusive:
            raise ValueError(
                f"{sink.name} can be written by one process only, but --processes is "
                f"{spec.processes}; leave it out."
            )
        cores = len(os.sched_getaffinity(0))
        if spec.processes > MOST_PROCESSES_PER_CORE * cores:
            raise ValueError(
                f"--processes is {spec.processes:,}, but this machine has {cores:,} "
                f"{'core' if cores == 1 else 'cores'}; choose at most "
                f"{MOST_PROCESSES_PER_CORE * cores:,}, or 0 for one per core."
            )
        count = 1 if sink.exclusive else spec.worker_count
        return (ProcessPool() if count > 1 else None), count
    if sink.exclusive:
        raise ValueError(
            f"{sink.name} can be written by one process only, so --ray cannot be used with it."
        )
    try:
        from fleetstream.run.workers.ray_pool import RayPool
    except ModuleNotFoundError as error:
        raise ValueError(
            "--ray requires the `ray` extra; install it with: pip install 'fleetstream[ray]'"
        ) from error
    return RayPool(spec.ray), spec.worker_count
