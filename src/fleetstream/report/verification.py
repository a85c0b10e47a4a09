"""A verification on the terminal: its progress, and its findings."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from fleetstream.report.formats import duration
from fleetstream.verify.findings import Fault, Findings


class VerificationProgress:
    """Shows the progress of a verification of ``total`` values, on a terminal only."""

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
        """Seconds since the verification began."""
        return time.monotonic() - self._began

    def advance(self, values: int) -> None:
        """Another ``values`` values were compared."""
        self._progress.advance(self._task, values)


def show_findings(findings: Findings, sweeps: int, target: str, seconds: float) -> None:
    """Print the findings to standard output; ``sweeps`` is how many the manifests have."""
    print(f"Compared {findings.held:,} records in {target}")
    print(f"with {findings.expected:,} expected from {sweeps:,} sweeps, in {duration(seconds)}.")
    if findings.partial:
        present = findings.partial - findings.absent
        print(
            f"Of {findings.partial:,} records of interrupted sweeps, {present:,} are there; "
            "complete them with `fleetstream ingest --resume`."
        )
    for fault in Fault:
        if findings.faults[fault]:
            _show_fault(findings, fault)
    print(_verdict(findings))


def _show_fault(findings: Findings, fault: Fault) -> None:
    examples = findings.examples[fault]
    print(f"{fault.capitalize()}: {findings.faults[fault]:,}")
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
