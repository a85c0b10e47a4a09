"""Progress while a run goes on: a header, then a line now and again."""

import threading
from types import TracebackType

from rich.console import Console

from fleetstream.ledger import Ledger
from fleetstream.sinks import Sink
from fleetstream.workload import Workload

EVERY = 10.0
"""Seconds between two lines."""


class Progress:
    """Shows how the run goes, from entering it to leaving it."""

    def __init__(self, workload: Workload, sink: Sink, ledger: Ledger) -> None:
        self._workload = workload
        self._sink = sink
        self._ledger = ledger
        self._console = Console(highlight=False, stderr=True, soft_wrap=True)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._report, daemon=True)

    def __enter__(self) -> "Progress":
        tables = self._workload.fleet.tables.values()
        hosts, processes = (len(table) for table in tables)
        self._console.print(
            f"Streaming {hosts:,} hosts and {processes:,} processes "
            f"({self._workload.values_per_sweep:,} values a sweep) into {self._sink.name}; "
            f"seed {self._workload.seed}. Ctrl-C stops.",
            markup=False,
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _report(self) -> None:
        while not self._over.wait(EVERY):
            totals, seconds = self._ledger.totals(), self._ledger.elapsed
            self._console.print(
                f"{seconds:.0f} s: {totals.sweeps:,} sweeps, {totals.stored.values:,} values "
                f"stored ({totals.stored.values / seconds:,.0f}/s), "
                f"{totals.in_flight.records:,} records in flight",
                markup=False,
            )
