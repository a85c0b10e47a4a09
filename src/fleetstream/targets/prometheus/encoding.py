"""The protobuf encoding of series in both versions of remote write, without their samples.

Version 1.0 (``prometheus.WriteRequest``) writes the labels of each series out; version 2.0
(``io.prometheus.write.v2.Request``) refers to a table of symbols that a request begins with, and
has each series' metadata beside it.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from fleetstream.targets.prometheus.naming import Metric
from fleetstream.targets.protobuf import (
    BYTES,
    content_field,
    key,
    number_field,
    text_field,
    varint,
)

Labels = Sequence[tuple[str, str]]
"""Names and values of a series' labels, sorted by name."""


class SeriesEncoder(Protocol):
    """Encodes the series of one request, or of several with the same symbols."""

    @property
    def entry(self) -> bytes:
        """What each series begins with, before its length."""
        ...

    def labels(self, labels: Labels) -> bytes:
        """The part of a series before its samples."""
        ...

    def metadata(self, metric: Metric) -> bytes:
        """The part of a series behind its samples."""
        ...

    def rest(self, metrics: Iterable[Metric]) -> bytes:
        """The part of a request that has no series, of these metrics."""
        ...


class FirstEncoder:
    """Version 1.0."""

    def __init__(self) -> None:
        self.entry = key(1, BYTES)
        self._encoded: dict[tuple[str, str], bytes] = {}

    def labels(self, labels: Labels) -> bytes:
        return b"".join([self._encoded.get(label) or self._encode(label) for label in labels])

    def metadata(self, metric: Metric) -> bytes:  # noqa: ARG002 - the interface
        return b""

    def rest(self, metrics: Iterable[Metric]) -> bytes:
        """Metadata by metric."""
        return b"".join(
            content_field(
                3,
                number_field(1, each.type) + text_field(2, each.name) + text_field(4, each.help)
                + (text_field(5, each.unit) if each.unit else b""),
            )
            for each in metrics
        )  # fmt: skip

    def _encode(self, label: tuple[str, str]) -> bytes:
        name, word = label
        self._encoded[label] = content_field(1, text_field(1, name) + text_field(2, word))
        return self._encoded[label]


class SecondEncoder:
    """Version 2.0. Symbols are added as they are needed, so encoded series stay valid."""

    def __init__(self) -> None:
        self.entry = key(5, BYTES)
        self._symbols = {"": 0}

    def labels(self, labels: Labels) -> bytes:
        references = (self._reference(text) for pair in labels for text in pair)
        return content_field(1, b"".join(map(varint, references)))

    def metadata(self, metric: Metric) -> bytes:
        unit = number_field(4, self._reference(metric.unit)) if metric.unit else b""
        return content_field(
            5, number_field(1, metric.type) + number_field(3, self._reference(metric.help)) + unit
        )

    def rest(self, metrics: Iterable[Metric]) -> bytes:  # noqa: ARG002 - the interface
        """The symbols."""
        return b"".join(text_field(4, symbol) for symbol in self._symbols)

    def _reference(self, symbol: str) -> int:
        return self._symbols.setdefault(symbol, len(self._symbols))
