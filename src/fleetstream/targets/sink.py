"""The interface of targets that are written to.

A sink turns batches into requests (:meth:`Sink.prepare`) and delivers one request
(:meth:`Sink.send`), from several threads at once where its ``concurrency`` allows it. It does not
retry: it raises :class:`Throttled`, :class:`Unavailable` or :class:`TargetLost`, and the
pipeline decides. A refused record is not an exception but a :class:`Rejection` in the
:class:`Delivery`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa

from fleetstream.generate.records import RecordRange

MAX_WAIT = 300
"""The most seconds that a target may ask to wait."""


@dataclass(frozen=True)
class Request:
    """What is delivered at once.

    ``ranges`` are its records in order; ``payload`` is the sink's own form of them, ready to send;
    ``size`` is that form's length in bytes and ``writes`` the number of metered writes, both None
    where the target has no such figure.
    """

    ranges: tuple[RecordRange, ...]
    payload: Any
    size: int | None = None
    writes: int | None = None

    @cached_property
    def records(self) -> int:
        """How many records it has."""
        return sum(map(len, self.ranges))

    @cached_property
    def values(self) -> int:
        """How many values it has."""
        return sum(each.values for each in self.ranges)

    def record(self, index: int) -> RecordRange:
        """The ``index``-th record alone. Raises IndexError."""
        for each in self.ranges:
            if index < len(each):
                start = each.start + index
                return RecordRange(each.records, start, start + 1)
            index -= len(each)
        raise IndexError(f"The request has {self.records} records.")


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record that the target refuses permanently: the ``index``-th of its request, from 0.

    ``existing_version`` is the version of the record that the target has instead, if it says so.
    """

    index: int
    reason: str
    existing_version: int | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """The outcome of a request: all its records are stored except the rejections.

    ``unchanged`` counts the stored records that the target had already, with the same values, None
    where the target does not say.
    """

    rejections: tuple[Rejection, ...] = ()
    unchanged: int | None = None


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """The timestamps that a target accepts, in microseconds, both bounds included.

    ``reason`` says why it accepts no others, for people.
    """

    earliest: int
    latest: int
    reason: str


class Throttled(Exception):
    """The target asks to send the request again later, after at least ``wait`` seconds.

    No more than :data:`MAX_WAIT` of them are respected.
    """

    def __init__(self, detail: str = "", wait: float = 0.0) -> None:
        super().__init__(detail)
        self.wait = min(wait, MAX_WAIT)


class Unavailable(Exception):
    """The request failed for a reason that may pass; it may or may not have been stored.

    ``kind`` names the fault in a few words that are the same for all faults of its kind.
    """

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(detail or kind)
        self.kind = kind


class TargetLost(Exception):
    """The target cannot be used any more, and no retry will help. The message says why."""


class TargetUnusable(Exception):
    """The target cannot be used at all. The message says why and what to do."""


def first_line(error: Exception) -> str:
    """The first line of an error message, with a full stop."""
    text = getattr(error, "strerror", None) or str(error)
    return f"{text.splitlines()[0].rstrip('.')}."


class Sink(Protocol):
    """A target that is written to. Writing a batch twice stores it once."""

    @property
    def name(self) -> str:
        """The target, for people."""
        ...

    @property
    def concurrency(self) -> int | None:
        """How many requests it takes at once, None where the user decides."""
        ...

    @property
    def exclusive(self) -> bool:
        """Whether only one process can write to the target."""
        ...

    @property
    def window(self) -> TimeWindow | None:
        """The timestamps that it accepts, known once it is open; None where it accepts all."""
        ...

    def open(self) -> None:
        """Make sure that the target can be written to. Raises TargetUnusable."""
        ...

    def prepare(self, batch: pa.RecordBatch) -> Iterable[Request]:
        """The requests that ``batch`` completes; the rest is kept for the next call."""
        ...

    def pause(self) -> Iterable[Request]:
        """Requests for what is kept and should not wait, since no batch comes for a while."""
        ...

    def flush(self) -> Iterable[Request]:
        """Requests for everything that is kept."""
        ...

    def send(self, request: Request) -> Delivery:
        """Deliver a request. Raises Throttled, Unavailable or TargetLost."""
        ...

    def close(self) -> None:
        """Release everything; called once, after the last request."""
        ...

    def query_hint(self) -> str | None:
        """A shell command that shows what was written, None if there is none."""
        ...


@runtime_checkable
class EndMarkingSink(Protocol):
    """A sink that also gets rows without values, where series end, and tells the target so."""

    marks_ends: bool


@runtime_checkable
class TimelySink(Protocol):
    """A sink of a target that takes samples in the order of time only."""

    @property
    def longest_stretch(self) -> int:
        """How much history may be generated together, in microseconds; known once it is open."""
        ...


@runtime_checkable
class SometimesReadableSink(Protocol):
    """A sink of a target that can be read back from some servers only."""

    @property
    def readable(self) -> bool:
        """Whether it can from this server; known once it is open."""
        ...
