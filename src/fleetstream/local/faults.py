"""Faults on demand: what goes wrong, how often, and how often it has.

Each kind of fault has a stream of random numbers of its own, made from the seed and its name, so a
run with the same requests in the same order meets the same faults, whatever other kinds are on.
"""

from __future__ import annotations

import random
import re
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

KINDS: dict[str, str] = {
    "latency": "every answer waits this long first, for example 50ms",
    "throttle": "ThrottlingException, nothing stored",
    "error": "InternalServerException, nothing stored",
    "reset": "the connection is cut, half the time before and half after the data are stored",
    "reset-before": "the connection is cut before the data are stored",
    "reset-after": "the connection is cut after the data are stored",
    "reject": "a record is rejected, the others are stored",
    "truncate": "the answer ends in the middle of its body",
    "garbage": "an answer of status 200 that is not JSON",
    "oversize": "an answer of 32 MiB",
}
"""The kinds of faults. All but latency are given as a probability per request, or per record."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s)")
_SECONDS = {"ms": 0.001, "s": 1.0}
_BEFORE = ("throttle", "error", "reset-before")
_AFTER = ("reset-after", "truncate", "garbage", "oversize")


class InvalidFault(ValueError):
    """A fault that can't be injected as asked for; the message is a sentence."""


def parse(texts: Sequence[str]) -> dict[str, str | float]:
    """The settings that the texts `KIND=VALUE` stand for.

    Raises:
        InvalidFault: one stands for none.

    """
    settings: dict[str, str | float] = {}
    for text in texts:
        kind, separator, value = text.partition("=")
        if not separator:
            raise InvalidFault(f"The fault {text!r} has no value; write it as KIND=VALUE.")
        settings[kind] = value
    return settings


class Faults:
    """The faults that a server injects; threads can use it at the same time."""

    def __init__(self, settings: Mapping[str, str | float], seed: int) -> None:
        """Start with these settings, by kind.

        Raises:
            InvalidFault: a kind is not known, or a value not one for its kind.

        """
        self._seed = seed
        self._lock = threading.Lock()
        self._streams = {kind: random.Random(f"{seed}:{kind}") for kind in KINDS}  # noqa: S311
        self._injected: Counter[str] = Counter()
        self._settings: dict[str, str | float] = {}
        self._chances: dict[str, float] = {}
        self._latency = 0.0
        self.change(settings)

    def change(self, settings: Mapping[str, Any]) -> None:
        """Replace all settings; kinds that are not in `settings` are off from now on.

        The streams of random numbers go on where they are.

        Raises:
            InvalidFault: nothing is changed, because a kind or value is not valid.

        """
        latency = _seconds(settings["latency"]) if "latency" in settings else 0.0
        chances = {k: _probability(k, v) for k, v in settings.items() if k != "latency"}
        with self._lock:
            self._settings = dict(settings)
            self._chances, self._latency = chances, latency

    def report(self) -> dict[str, Any]:
        """Seed, settings, and how often each kind has been injected."""
        with self._lock:
            injected = {kind: self._injected[kind] for kind in KINDS if self._injected[kind]}
            return {"seed": self._seed, "settings": self._settings, "injected": injected}

    def delay(self) -> float:
        """How many seconds this answer is to wait."""
        with self._lock:
            if self._latency:
                self._injected["latency"] += 1
            return self._latency

    def draw(self) -> tuple[str | None, str | None]:
        """What goes wrong with this request: before it is carried out, and after.

        Every kind that is on draws, so that what one does never shifts another's stream.
        """
        with self._lock:
            hit = {k for k in (*_BEFORE, "reset", *_AFTER) if self._happens(k)}
            if "reset" in hit:
                half = self._streams["reset"].random() < 0.5
                hit.add("reset-before" if half else "reset-after")
            before = next((kind for kind in _BEFORE if kind in hit), None)
            after = next((kind for kind in _AFTER if kind in hit), None)
            chosen = before or after
            if chosen is not None:
                self._injected[chosen] += 1
            return before, None if before else after

    def reject(self, records: int) -> list[int]:
        """Which of so many records are to be rejected, by their index."""
        with self._lock:
            rejected = [index for index in range(records) if self._happens("reject")]
            self._injected["reject"] += len(rejected)
            return rejected

    def _happens(self, kind: str) -> bool:
        chance = self._chances.get(kind)
        return chance is not None and self._streams[kind].random() < chance


def _probability(kind: str, value: object) -> float:
    if kind not in KINDS:
        raise InvalidFault(f"There is no fault {kind!r}; there are {', '.join(KINDS)}.")
    try:
        chance = float(value) if isinstance(value, str | int | float) else -1.0
    except ValueError:
        chance = -1.0
    if not 0 <= chance <= 1:
        raise InvalidFault(
            f"The fault {kind} can't have the value {value!r}; give a probability from 0 to 1, for"
            f" example {kind}=0.1."
        )
    return chance


def _seconds(value: object) -> float:
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise InvalidFault(
            f"The fault latency can't have the value {value!r}; give a duration, for example"
            " latency=50ms or latency=1.5s."
        )
    return float(found[1]) * _SECONDS[found[2]]
