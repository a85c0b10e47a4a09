"""Keeps the scheduled queries, and runs them when they are due."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

from fleetstream.emulator.errors import ConflictException, ResourceNotFoundException
from fleetstream.emulator.scheduled.definition import ScheduledQuery
from fleetstream.emulator.scheduled.run import RunInterrupted, ScheduledQueryRunner
from fleetstream.emulator.scheduled.schedule import Schedule, read_schedule
from fleetstream.emulator.scheduled.shapes import State
from fleetstream.emulator.store.catalog import Catalog
from fleetstream.emulator.store.store import TimestreamStore
from fleetstream.emulator.store.writer import Writer

CHECK_SECONDS = 0.5
INTERRUPT_SECONDS = 0.05
MAX_MISSED_RUNS = 1000
"""Runs of one query that are made up for when the clock is set forward; the latest ones."""

DOCUMENTS = "scheduled-query"
"""The kind of the catalog's documents that hold scheduled queries."""

_MICROSECOND = timedelta(microseconds=1)
_log = logging.getLogger(__name__)


class Scheduler:
    """All scheduled queries of a store; safe to use from several threads."""

    def __init__(
        self, store: TimestreamStore, writer: Writer, runner: ScheduledQueryRunner
    ) -> None:
        self._clock = store.clock
        self._store = store
        self._writer = writer
        self._runner = runner
        # Runs are made one after the other, in order of their times.
        self._running = threading.RLock()
        self._queries: dict[str, ScheduledQuery] = {}
        self._schedules: dict[str, Schedule] = {}
        self._next: dict[str, datetime | None] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="timestream-scheduler", daemon=True)
        for content in store.catalog.documents(DOCUMENTS):
            self._keep(msgspec.json.decode(content, type=ScheduledQuery))
        store.clock.on_change(self.run_due)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stop the current run, and end the thread; the writer must still be running."""
        self._closing.set()
        while self._thread.is_alive():
            # DuckDB forgets an interrupt between two fetches, so one may not be enough.
            self._runner.interrupt()
            self._thread.join(INTERRUPT_SECONDS)

    def queries(self) -> list[ScheduledQuery]:
        """All queries, sorted by ARN."""
        return [self._queries[arn] for arn in sorted(self._queries)]

    def query(self, arn: str) -> ScheduledQuery:
        """Raises ResourceNotFoundException for an unknown ARN."""
        query = self._queries.get(arn)
        if query is None:
            raise ResourceNotFoundException(f"The scheduled query {arn} does not exist.")
        return query

    def next_invocation(self, query: ScheduledQuery) -> float | None:
        """When a query is run next, in seconds since 1970; None if it is not."""
        time = self._next.get(query.arn)
        return time.timestamp() if time is not None else None

    def add(self, query: ScheduledQuery, tags: dict[str, str]) -> None:
        """Raises ConflictException if there is a query of this name."""
        with self._running:
            if any(other.request.name == query.request.name for other in self._queries.values()):
                raise ConflictException(f"The scheduled query {query.request.name} already exists.")
            self._put(query, tags)

    def set_state(self, arn: str, state: State) -> None:
        """Raises ResourceNotFoundException for an unknown ARN."""
        with self._running:
            self._put(msgspec.structs.replace(self.query(arn), state=state))

    def remove(self, arn: str) -> None:
        """Raises ResourceNotFoundException for an unknown ARN."""
        with self._running:
            self.query(arn)
            self._change(lambda catalog: catalog.remove_document(arn))
            del self._queries[arn], self._next[arn], self._schedules[arn]

    def execute(self, arn: str, invocation: datetime) -> None:
        """Run a query now; raises ResourceNotFoundException for an unknown ARN."""
        with self._running:
            self._run_query(self.query(arn), invocation, scheduled=False)

    def run_due(self) -> None:
        """Run all queries whose time has come, each for all its times since it ran last."""
        with self._running:
            now = self._clock.time()
            for arn in sorted(self._queries):
                for time in self._due(arn, now):
                    if self._closing.is_set():
                        return
                    # A run may disable the query.
                    if self._queries[arn].state == "ENABLED":
                        self._run_query(self._queries[arn], time, scheduled=True)
                # Also if nothing was due: the clock may have been set back.
                self._plan(self._queries[arn], now)

    def _due(self, arn: str, now: datetime) -> list[datetime]:
        """The times from the planned one until ``now``."""
        schedule, planned = self._schedules[arn], self._next[arn]
        due: list[datetime] = []
        if planned is not None and planned <= now:
            time = schedule.last_until(now)
            while time is not None and time >= planned and len(due) < MAX_MISSED_RUNS:
                due.append(time)
                time = schedule.last_until(time - _MICROSECOND)
        return due[::-1]

    def _run_query(self, query: ScheduledQuery, invocation: datetime, *, scheduled: bool) -> None:
        try:
            run, can_go_on = self._runner.run(query, invocation, scheduled=scheduled)
        except RunInterrupted:
            return
        # As the service does with errors that would be the same at every run.
        self._put(query.after(run, query.state if can_go_on else "DISABLED"))

    def _put(self, query: ScheduledQuery, tags: dict[str, str] | None = None) -> None:
        content = msgspec.json.encode(query).decode()

        def put(catalog: Catalog) -> None:
            catalog.put_document(DOCUMENTS, query.arn, content)
            catalog.put_tags(query.arn, tags or {})

        self._change(put)
        self._keep(query)

    def _keep(self, query: ScheduledQuery) -> None:
        self._queries[query.arn] = query
        if query.arn not in self._schedules:
            self._schedules[query.arn] = _schedule(query)
        self._plan(query, self._clock.time())

    def _plan(self, query: ScheduledQuery, now: datetime) -> None:
        """Set the time of a query's next run."""
        enabled = query.state == "ENABLED"
        following = self._schedules[query.arn].next_after(now) if enabled else None
        self._next[query.arn] = following

    def _change(self, change: Callable[[Catalog], None]) -> None:
        self._writer.run(lambda: self._store.change(change)).result()

    def _run(self) -> None:
        while not self._closing.wait(CHECK_SECONDS):
            try:
                self.run_due()
            except Exception:
                _log.exception("The scheduled queries could not be run.")


def _schedule(query: ScheduledQuery) -> Schedule:
    expression = query.request.schedule_configuration.schedule_expression
    return read_schedule(expression, datetime.fromtimestamp(query.created, UTC))
