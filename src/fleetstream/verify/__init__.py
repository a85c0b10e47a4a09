"""Verification: what a target holds, compared with what runs must have written.

Every value is determined by the manifest of its run, so what must be there is generated again, one
slice of time after the other, and compared record by record, every value exactly. The slices cover
all of time, so a table that matches holds nothing else either.
"""

from collections.abc import Callable

from fleetstream.run.control import Control
from fleetstream.targets.reader import Reader
from fleetstream.verify.comparison import Comparison
from fleetstream.verify.expectation import Expectation
from fleetstream.verify.findings import Fault, Findings, WrongRecord
from fleetstream.verify.held import held_records
from fleetstream.verify.migration import compare_targets, opened_targets
from fleetstream.verify.migration_findings import Discrepancy, MigrationFindings, Side

__all__ = [
    "Discrepancy",
    "Expectation",
    "Fault",
    "Findings",
    "MigrationFindings",
    "Side",
    "WrongRecord",
    "compare_targets",
    "opened_targets",
    "verify",
]


def verify(
    expectation: Expectation,
    reader: Reader,
    control: Control,
    advance: Callable[[int], None] = lambda _values: None,
) -> Findings:
    """Compare what an open reader reads with what is expected.

    ``advance`` is called with the number of values compared since the last call. Ends early when
    the control is asked to stop. Raises TargetUnusable where the target cannot be read.
    """
    comparison = Comparison(reader.connection, expectation.columns)
    findings = comparison.findings
    for part in expectation.slices(reader):
        if control.gently.is_set():
            return findings
        held = held_records(reader, part, expectation.columns)
        comparison.compare(expectation.table(part), held, overlap=part.overlap)
        advance(expectation.values(part))
    findings.finished = True
    return findings
