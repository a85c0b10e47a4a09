"""A run as people see it: what is known of it before it begins."""

from dataclasses import dataclass

from fleetstream.fleet import Kind
from fleetstream.generate.records import RecordModel
from fleetstream.targets.sink import Sink
from fleetstream.workload import Workload


@dataclass(frozen=True, slots=True)
class Run:
    """What is known of a run before it begins.

    ``sweeps`` is how many it makes, 0 for no end; ``command`` repeats it and
    ``verification`` verifies it, None where nothing can; ``write_price`` is in US
    dollars for a million metered writes.
    """

    workload: Workload
    sink: Sink
    record_model: RecordModel
    sweeps: int
    command: str
    verification: str | None
    write_price: float

    @property
    def hosts(self) -> int:
        """How many hosts emit metrics."""
        return len(self.workload.fleet.tables[Kind.METRICS])

    @property
    def processes(self) -> int:
        """How many processes emit events."""
        return len(self.workload.fleet.tables[Kind.EVENTS])
