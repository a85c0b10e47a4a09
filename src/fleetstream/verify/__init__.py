"""Verify: compares what a target holds with what runs must have written.

Every value is determined by what a manifest says, so what must be there is generated again, one
slice of time after the other, and compared with what is there: record by record, and every value
exactly. The slices cover all of time, so that a table which matches holds nothing else either.
"""

from collections.abc import Callable, Sequence

from fleetstream.run.pipeline import Stop
from fleetstream.run.manifest import Manifest
from fleetstream.verify.comparison import Comparison
from fleetstream.verify.expectation import Expectation
from fleetstream.verify.findings import Example, Fault, Findings
from fleetstream.verify.readers import Reader

__all__ = ["Example", "Expectation", "Fault", "Findings", "Reader", "verify"]


def verify(
    manifests: Sequence[Manifest],
    reader: Reader,
    stop: Stop,
    advance: Callable[[int], None] = lambda _values: None,
) -> Findings:
    """Compare what ``reader`` reads with what ``manifests`` name, all of one record model.

    ``advance`` is told of values as they are done. Ends early when ``stop`` is asked for. Raises
    :class:`~fleetstream.targets.TargetUnusable` where the target can't be read.
    """
    expectation = Expectation(manifests, reader.slice_values, reader.times_after)
    comparison = Comparison(reader.connection, manifests[0].record_model)
    findings = comparison.findings
    for part in expectation.slices():
        if stop.gently.is_set():
            return findings
        comparison.compare(
            expectation.table(part), reader.held(part.begin, part.end), overlap=part.overlap
        )
        advance(expectation.values(part))
    findings.finished = True
    return findings
