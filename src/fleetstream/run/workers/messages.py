"""What a run's coordinator and its workers send each other."""

from dataclasses import dataclass, field

from fleetstream._version import __version__
from fleetstream.run.ledger import LedgerReport
from fleetstream.run.progress import Progress
from fleetstream.run.spec import RunSpec
from fleetstream.run.undelivered import Kept


@dataclass(frozen=True, slots=True)
class Assignment:
    """What every worker needs to know; each of ``count`` workers takes one share of the series.

    ``live_from`` is that of the pipeline. ``version`` is the coordinator's, which all workers must
    have: others might generate other values.
    """

    spec: RunSpec
    count: int
    live_from: int | None = None
    version: str = field(default=__version__)


@dataclass(frozen=True, slots=True)
class SweepOrder:
    """To a worker: sweep at these timestamps."""

    timestamps: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PauseOrder:
    """To a worker: the clock waits; send what is kept."""


@dataclass(frozen=True, slots=True)
class EndOrder:
    """To a worker: there are no more timestamps."""


@dataclass(frozen=True, slots=True)
class HaltOrder:
    """To a worker: stop, gently or at once."""

    at_once: bool


Order = SweepOrder | PauseOrder | EndOrder | HaltOrder


@dataclass(frozen=True, slots=True)
class SweepDone:
    """From a worker: its share of the latest order is generated."""


@dataclass(frozen=True, slots=True)
class Status:
    """From a worker: what its ledger knows; its ``last`` one may have a ``failure``.

    Some also say how far the worker has come, and what it could not deliver until then.
    """

    report: LedgerReport
    progress: Progress | None = None
    kept: Kept | None = None
    failure: str | None = None
    last: bool = False


Message = SweepDone | Status
