"""Injected faults: which ones, how often, and how often they have occurred.

Each kind of fault has its own stream of random numbers, derived from the seed and the kind's name.
The same requests in the same order meet the same faults, whatever other kinds are active.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

KINDS: dict[str, str] = {
    "latency": "every response waits this long first, for example 50ms",
    "throttle": "ThrottlingException, nothing stored",
    "error": "InternalServerException, nothing stored",
    "reset": "the connection is reset, half the time before and half after the data are stored",
    "reset-before": "the connection is reset before the data are stored",
    "reset-after": "the connection is reset after the data are stored",
    "reject": "a record is rejected, the others are stored",
    "capacity": "records per second that a table takes, for example 5000records/s; requests beyond"
    " get a ThrottlingException, nothing stored",
    "truncate": "the response ends in the middle of its body",
    "garbage": "a response with status 200 that is not JSON",
    "oversize": "a response of 32 MiB",
}
"""All kinds. ``latency`` is a duration, ``capacity`` a rate, ``reject`` a probability per record;
the others are probabilities per request."""

BURST_SECONDS = 1.0
BURST_RECORDS = 100.0
"""A table that was idle takes the records of so much time at once, and the largest request."""

_RATE = re.compile(r"(\d+(?:\.\d+)?)records/s")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s)")
_SECONDS = {"ms": 0.001, "s": 1.0}
_BEFORE = ("throttle", "error", "reset-before")
_AFTER = ("reset-after", "truncate", "garbage", "oversize")


class InvalidFault(ValueError):
    """An unknown kind of fault, or an invalid value; the message says what is expected."""


def parse_faults(texts: Sequence[str]) -> dict[str, str | float]:
    """Settings from texts ``KIND=VALUE``; raises InvalidFault for a text without ``=``."""
    settings: dict[str, str | float] = {}
    for text in texts:
        kind, separator, value = text.partition("=")
        if not separator:
            raise InvalidFault(f"The fault {text!r} has no value; write it as KIND=VALUE.")
        settings[kind] = value
    return settings


class Faults:
    """Decides which faults a server injects; safe to use from several threads."""

    def __init__(
        self,
        settings: Mapping[str, str | float],
        seed: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``clock`` returns seconds. Raises InvalidFault for an unknown kind or invalid value."""
        self._seed = seed
        self._clock = clock
        self._lock = threading.Lock()
        self._streams = {kind: random.Random(f"{seed}:{kind}") for kind in KINDS}  # noqa: S311
        self._injected: Counter[str] = Counter()
        self._settings: dict[str, str | float] = {}
        self._probabilities: dict[str, float] = {}
        self._latency = 0.0
        self._capacity: float | None = None
        self._buckets: dict[Hashable, tuple[float, float]] = {}
        self.configure(settings)

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Replace all settings; kinds that are not in ``settings`` are switched off.

        The streams of random numbers continue where they are. Raises InvalidFault, and changes
        nothing, for an unknown kind or an invalid value.
        """
        latency = _parse_latency(settings["latency"]) if "latency" in settings else 0.0
        capacity = _parse_capacity(settings["capacity"]) if "capacity" in settings else None
        probabilities = {
            kind: _parse_probability(kind, value)
            for kind, value in settings.items()
            if kind not in ("latency", "capacity")
        }
        with self._lock:
            self._settings = dict(settings)
            self._probabilities, self._latency = probabilities, latency
            self._capacity, self._buckets = capacity, {}

    def report(self) -> dict[str, Any]:
        """Seed, settings, and the number of injected faults by kind."""
        with self._lock:
            injected = {kind: self._injected[kind] for kind in KINDS if self._injected[kind]}
            return {"seed": self._seed, "settings": self._settings, "injected": injected}

    def latency(self) -> float:
        """Seconds to wait before this response."""
        with self._lock:
            if self._latency:
                self._injected["latency"] += 1
            return self._latency

    def draw(self) -> tuple[str | None, str | None]:
        """The fault of this request: one before it is run, or one after, or neither.

        Every active kind draws for every request, so that no kind shifts another's stream.
        """
        with self._lock:
            hits = {k for k in (*_BEFORE, "reset", *_AFTER) if self._happens(k)}
            if "reset" in hits:
                half = self._streams["reset"].random() < 0.5
                hits.add("reset-before" if half else "reset-after")
            before = next((kind for kind in _BEFORE if kind in hits), None)
            after = next((kind for kind in _AFTER if kind in hits), None)
            chosen = before or after
            if chosen is not None:
                self._injected[chosen] += 1
            return before, None if before else after

    def exceeds_capacity(self, table: Hashable, records: int) -> bool:
        """Whether a table cannot take so many records now; if it can, it takes them.

        Each table has a bucket of tokens, one per record, which is filled at the rate of the
        capacity. A refused request takes none, as the service does not count it.
        """
        with self._lock:
            if self._capacity is None:
                return False
            most, now = max(self._capacity * BURST_SECONDS, BURST_RECORDS), self._clock()
            tokens, then = self._buckets.get(table, (most, now))
            tokens = min(tokens + (now - then) * self._capacity, most)
            exceeded = tokens < records
            self._buckets[table] = (tokens if exceeded else tokens - records, now)
            self._injected["capacity"] += exceeded
            return exceeded

    def rejected_records(self, count: int) -> list[int]:
        """Indexes of the records to reject, of a request with ``count`` records."""
        with self._lock:
            rejected = [index for index in range(count) if self._happens("reject")]
            self._injected["reject"] += len(rejected)
            return rejected

    def _happens(self, kind: str) -> bool:
        probability = self._probabilities.get(kind)
        return probability is not None and self._streams[kind].random() < probability


def _parse_probability(kind: str, value: object) -> float:
    if kind not in KINDS:
        raise InvalidFault(f"There is no fault {kind!r}; there are {', '.join(KINDS)}.")
    try:
        probability = float(value) if isinstance(value, str | int | float) else -1.0
    except ValueError:
        probability = -1.0
    if not 0 <= probability <= 1:
        raise InvalidFault(
            f"The fault {kind} cannot have the value {value!r}; give a probability from 0 to 1, for"
            f" example {kind}=0.1."
        )
    return probability


def _parse_capacity(value: object) -> float:
    found = _RATE.fullmatch(value) if isinstance(value, str) else None
    if found is None or not float(found[1]):
        raise InvalidFault(
            f"The fault capacity cannot have the value {value!r}; give records per second, for"
            " example capacity=5000records/s."
        )
    return float(found[1])


def _parse_latency(value: object) -> float:
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise InvalidFault(
            f"The fault latency cannot have the value {value!r}; give a duration, for example"
            " latency=50ms or latency=1.5s."
        )
    return float(found[1]) * _SECONDS[found[2]]
