"""The catalogue of measures: the one table that generator, documentation and checks all read.

Names, ranges and laws are those of the AWS sample "continuous data generator for DevOps metrics".
Units and decimals are this project's choice: a value is worth no more digits than its unit.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from fleetstream.distributions import (
    Choice,
    Distribution,
    HostLoad,
    HostOffset,
    Normal,
    OppositeOffset,
    Remainder,
    Uniform,
    UniformInteger,
)
from fleetstream.fleet import Kind


class DataType(StrEnum):
    """The data types of measures, under Amazon Timestream's names."""

    DOUBLE = "DOUBLE"
    BIGINT = "BIGINT"
    VARCHAR = "VARCHAR"


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure of a host or process.

    ``decimals`` is how many digits after the point its values have; ``unit`` follows UCUM where
    it has one (`%`, `MB`, `GB`, `ms`, `B`).
    """

    kind: Kind
    name: str
    type: DataType
    unit: str
    domain: str
    decimals: int
    distribution: Distribution
    description: str

    def rounded(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """``values`` rounded to the measure's decimals: each the double nearest to that decimal."""
        scale = 10.0**self.decimals
        rounded = values * scale
        np.rint(rounded, out=rounded)
        if self.decimals:
            rounded /= scale
        rounded += 0.0  # turns −0.0, which would print as "-0", into 0.0
        return rounded


DISK_STEP = 30.0
"""GB of used disk from one host number to the next."""

CPU_SMALL = ("cpu_system", "cpu_iowait", "cpu_steal", "cpu_nice", "cpu_si", "cpu_hi")
"""The six small parts of the CPU's time."""

_D, _B, _V = DataType.DOUBLE, DataType.BIGINT, DataType.VARCHAR
_M, _E = Kind.METRICS, Kind.EVENTS
_SMALL = Uniform(0, 1)
_IDLE = Remainder(100, ("cpu_user", *CPU_SMALL))

# fmt: off
CATALOGUE = (
    Measure(_M, "cpu_user", _D, "%", "CPU", 2,
            HostLoad(Normal(85, 10), Normal(15, 10), Uniform(0, 100)), "time in user space"),
    Measure(_M, "cpu_system", _D, "%", "CPU", 2, _SMALL, "time in the kernel"),
    Measure(_M, "cpu_iowait", _D, "%", "CPU", 2, _SMALL, "time waiting for I/O"),
    Measure(_M, "cpu_steal", _D, "%", "CPU", 2, _SMALL, "time taken by the hypervisor"),
    Measure(_M, "cpu_nice", _D, "%", "CPU", 2, _SMALL, "time in low-priority processes"),
    Measure(_M, "cpu_si", _D, "%", "CPU", 2, _SMALL, "time in software interrupts"),
    Measure(_M, "cpu_hi", _D, "%", "CPU", 2, _SMALL, "time in hardware interrupts"),
    Measure(_M, "cpu_idle", _D, "%", "CPU", 2, _IDLE, "time with nothing to do"),
    Measure(_M, "memory_used", _D, "MB", "Memory", 1, Uniform(0, 8000), "memory in use"),
    Measure(_M, "memory_free", _D, "MB", "Memory", 1,
            Remainder(8000, ("memory_used",)), "memory not in use"),
    Measure(_M, "memory_cached", _D, "MB", "Memory", 1, Uniform(0, 4000), "disk cache"),
    Measure(_M, "disk_io_read", _D, "operations", "Disk", 0, Uniform(0, 25_000), "reads"),
    Measure(_M, "disk_io_write", _D, "operations", "Disk", 0, Uniform(0, 25_000), "writes"),
    Measure(_M, "disk_used", _D, "GB", "Disk", 2,
            HostOffset(DISK_STEP, Normal(5, 5)), "disk space in use"),
    Measure(_M, "disk_free", _D, "GB", "Disk", 2,
            OppositeOffset(15, "disk_used", DISK_STEP), "disk space left"),
    Measure(_M, "file_descriptors_in_use", _D, "files", "Disk", 0,
            Normal(2200, 500), "open files"),
    Measure(_M, "latency_per_read", _D, "ms", "Network", 2, Normal(8, 4), "time of a read"),
    Measure(_M, "latency_per_write", _D, "ms", "Network", 2, Normal(12, 8), "time of a write"),
    Measure(_M, "network_bytes_in", _D, "B", "Network", 0, Uniform(0, 1000), "bytes received"),
    Measure(_M, "network_bytes_out", _D, "B", "Network", 0, Uniform(0, 5000), "bytes sent"),
    Measure(_E, "gc_reclaimed", _D, "%", "JVM", 2, Uniform(0, 100), "heap that the GC freed"),
    Measure(_E, "gc_pause", _D, "%", "JVM", 2, Uniform(0, 100), "time paused by the GC"),
    Measure(_E, "memory_free", _D, "%", "JVM", 2, Uniform(0, 100), "heap not in use"),
    Measure(_E, "task_completed", _B, "tasks", "Task", 0,
            UniformInteger(0, 500), "tasks finished"),
    Measure(_E, "task_end_state", _V, "", "Task", 0,
            Choice(("SUCCESS_WITH_NO_RESULT", "SUCCESS_WITH_RESULT", "INTERNAL_ERROR",
                    "USER_ERROR", "UNKNOWN", "THROTTLED"),
                   (0.2, 0.7, 0.01, 0.07, 0.01, 0.01)), "how the last task ended"),
)
# fmt: on

CPU_MEASURES = ("cpu_user", *CPU_SMALL, "cpu_idle")
"""The eight measures that add up to 100, and that are missing together."""


def measures_of(kind: Kind) -> tuple[Measure, ...]:
    """The measures of a kind, in the catalogue's order."""
    return tuple(measure for measure in CATALOGUE if measure.kind is kind)
