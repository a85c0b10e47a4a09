"""Sinks: where batches go.

A sink is a small thing behind one interface, :class:`Sink`. It turns batches into requests
(:meth:`Sink.prepare`), and delivers one request (:meth:`Sink.send`), from several threads at once
if it says so. It knows nothing of fleets, signals or the command line, and it decides nothing about
retries: it raises :class:`Throttled`, :class:`Unavailable` or :class:`TargetLost`, and the pipeline
acts on it. A fault of the data is no exception: it is a :class:`Rejection` in the
:class:`Delivery`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import pyarrow as pa

from fleetstream.generate.records import Records


@dataclass(frozen=True, slots=True)
class Part:
    """The records ``[start, stop)`` of ``records``."""

    records: Records
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def values(self) -> int:
        """How many values these records hold."""
        return self.records.values_in(self.start, self.stop)

    def batch(self) -> pa.RecordBatch:
        """These records alone, as a batch."""
        return self.records.extract(self.start, self.stop)


@dataclass(frozen=True)
class Request:
    """What is delivered at once.

    ``parts`` are its records in order; ``payload`` is the sink's own form of them, ready to send;
    ``size`` is that form's length in bytes and ``writes`` how many metered writes it counts for,
    both 0 where the target knows no such thing.
    """

    parts: tuple[Part, ...]
    payload: Any
    size: int = 0
    writes: int = 0

    @cached_property
    def records(self) -> int:
        """How many records it holds."""
        return sum(len(part) for part in self.parts)

    @cached_property
    def values(self) -> int:
        """How many values it holds."""
        return sum(part.values for part in self.parts)

    def record(self, index: int) -> Part:
        """The ``index``-th record alone."""
        for part in self.parts:
            if index < len(part):
                place = part.start + index
                return Part(part.records, place, place + 1)
            index -= len(part)
        raise IndexError(f"The request has {self.records} records.")


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record that the target refuses for good: the ``index``-th of its request, from 0."""

    index: int
    reason: str
    existing_version: int | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a request: everything in it is stored but for the rejections."""

    rejections: tuple[Rejection, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Window:
    """The timestamps that a target takes, microseconds of Unix time, the bounds included.

    ``because`` says in a sentence why no others.
    """

    earliest: int
    latest: int
    because: str


class Throttled(Exception):
    """The target asks for patience, of ``wait`` seconds at least; the request will go through."""

    def __init__(self, detail: str = "", wait: float = 0.0) -> None:
        super().__init__(detail)
        self.wait = wait


class Unavailable(Exception):
    """The request failed for a reason that may pass; it may or may not have been stored.

    ``kind`` is the fault in a few words that repeat from request to request, to be counted by.
    """

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(detail or kind)
        self.kind = kind


class TargetLost(Exception):
    """The target can't be used any more, and no retry will mend it; says why in a sentence."""


class TargetUnusable(Exception):
    """The target can't be used at all; says why, and what to do, in a sentence or two."""


class Sink(Protocol):
    """Where batches go. It is a context manager: leaving it releases what it holds."""

    @property
    def name(self) -> str:
        """The target, for people."""
        ...

    @property
    def concurrency(self) -> int | None:
        """How many requests it takes at once, or None where the user decides."""
        ...

    @property
    def exclusive(self) -> bool:
        """Whether only one process can write to the target."""
        ...

    @property
    def window(self) -> Window | None:
        """The timestamps that it takes, known once it is open; None where it takes all."""
        ...

    def open(self) -> None:
        """Make sure that the target can be written to; raises :class:`TargetUnusable`."""
        ...

    def prepare(self, batch: pa.RecordBatch) -> Iterable[Request]:
        """The requests that ``batch`` completes; what does not fill one is kept for the next."""
        ...

    def pause(self) -> Iterable[Request]:
        """Requests for what is kept and should not wait, now that no batch comes for a while."""
        ...

    def flush(self) -> Iterable[Request]:
        """Requests for everything kept."""
        ...

    def send(self, request: Request) -> Delivery:
        """Deliver one request; raises what this module's docstring says. Writing twice is safe."""
        ...

    def close(self) -> None:
        """Release everything; called once, after the last request."""
        ...

    def query_hint(self) -> str | None:
        """A command, ready to paste, that shows what was written; None if there is none."""
        ...
