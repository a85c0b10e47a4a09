"""Orders: what a run's parent and its workers say to each other; all of it travels."""

from dataclasses import dataclass
from pathlib import Path

from fleetstream._version import __version__
from fleetstream.run.ledger import Report
from fleetstream.run.manifest import Manifest
from fleetstream.run.outstanding import Standing
from fleetstream.run.undelivered import Losses


@dataclass(frozen=True, slots=True)
class Assignment:
    """What every worker needs to know; it generates every ``count``-th block.

    ``version`` is that of the parent, which all workers must have too: others might generate
    other values.
    """

    manifest: Manifest
    count: int
    concurrency: int
    give_up_after: float
    undelivered: Path
    rate: float = 0.0
    timed_from: int | None = None
    version: str = __version__


@dataclass(frozen=True, slots=True)
class Sweep:
    """To a worker: sweep at this timestamp."""

    timestamp: int


@dataclass(frozen=True, slots=True)
class Pause:
    """To a worker: the clock makes a pause; send what is kept."""


@dataclass(frozen=True, slots=True)
class End:
    """To a worker: there are no more timestamps."""


@dataclass(frozen=True, slots=True)
class Halt:
    """To a worker: stop, gently or at once."""

    at_once: bool


Order = Sweep | Pause | End | Halt


@dataclass(frozen=True, slots=True)
class Swept:
    """From a worker: its part of the sweep is generated."""


@dataclass(frozen=True, slots=True)
class News:
    """From a worker: what its ledger knows; with its ``last`` word also what went wrong, if so.

    Now and then it tells how far it has come (``standing``), and what it could not deliver until
    then (``losses``).
    """

    report: Report
    standing: Standing | None = None
    losses: Losses | None = None
    failure: str | None = None
    last: bool = False


Message = Swept | News
