"""A verification as people see it: how far it is, and what it has found."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from fleetstream.run.manifest import Manifest
from fleetstream.verify import Fault, Findings

_HEADINGS = {
    Fault.MISSING: "Missing",
    Fault.EXTRA: "Extra",
    Fault.DIFFERENT: "Different",
    Fault.DUPLICATE: "Duplicate",
}


class Verification:
    """Shows how far a verification of ``total`` values is, on a terminal alone."""

    def __init__(self, total: int) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("Verifying"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.completed:,.0f} values, left:"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("", total=total)
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self._began

    def advance(self, values: int) -> None:
        """So many values are done."""
        self._progress.advance(self._task, values)


def show_findings(
    findings: Findings, manifests: Sequence[Manifest], target: str, seconds: float
) -> None:
    """Print what was found to standard output."""
    sweeps = sum(manifest.sweeps for manifest in manifests)
    print(f"Compared {findings.held:,} records in {target}")
    print(f"with {findings.expected:,} of {sweeps:,} sweeps that must be there: {seconds:,.1f} s.")
    if findings.partial:
        there = findings.partial - findings.absent
        print(
            f"Of {findings.partial:,} records of sweeps that were cut, {there:,} are there; "
            "`fleetstream ingest --resume` completes them."
        )
    for fault, heading in _HEADINGS.items():
        if findings.faults[fault]:
            _show_fault(findings, fault, heading)
    print(_verdict(findings))


def _show_fault(findings: Findings, fault: Fault, heading: str) -> None:
    examples = findings.examples[fault]
    print(f"{heading}: {findings.faults[fault]:,}")
    for example in examples:
        print(f"  {example.time} {example.measure_name} {example.detail}")
        print(f"    of {example.series}")
    more = findings.faults[fault] - len(examples)
    if more > 0:
        print(f"  and {more:,} more")


def _verdict(findings: Findings) -> str:
    if not findings.finished:
        return "Stopped before everything was compared."
    return "It matches." if findings.matches else "It does not match."
