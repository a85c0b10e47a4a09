"""The metrics of one series, encoded without their values and times.

They are the same for all series of a kind that have as many points in a request. The messages are
those of ``opentelemetry/proto/metrics/v1/metrics.proto``.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fleetstream.generate.records import Indices
from fleetstream.model import DataType
from fleetstream.targets.otlp.fragments import LENGTHS, Bytes, Fragment, joined
from fleetstream.targets.otlp.naming import DataShape, Kind, OtlpMetric
from fleetstream.targets.protobuf import (
    FIXED64,
    VARINT,
    content_field,
    key,
    number_field,
    text_field,
)

NANOSECONDS = 1_000
"""Per microsecond."""

METRICS_FIELD = 2
"""The field of metrics in a scope."""

_POINTS_FIELD = 1
_DATA_FIELDS = {DataShape.GAUGE: 5, DataShape.SUM: 7, DataShape.HISTOGRAM: 9}

_CUMULATIVE, _MONOTONIC = number_field(2, 2), number_field(3, 1)
"""The temporality of sums and histograms, and that a sum never falls."""

_TIME, _VALUE, _WORD, _POINT, _METRIC = "times", "values", "words", "points", "metrics"
"""Marks of timestamps, values and words, and of where data points and metrics begin and end."""

_FLAG = "flags"
"""Marks of the fields that :data:`_NO_VALUE` takes the place of: a value, or a count."""

_NO_VALUE = b"\x81" + b"\x80" * 6 + b"\0"
"""The flag NO_RECORDED_VALUE, 1, as long as the number in whose place it is put."""

_FLAG_FIELDS = {DataShape.GAUGE: 8, DataShape.SUM: 8, DataShape.HISTOGRAM: 10}

_NONE = np.empty((0, 2), np.int64)


@dataclass(frozen=True, slots=True)
class Block:
    """The metrics of one series with ``points`` data points each, in the order of metrics.

    ``times`` and ``values`` have the positions of timestamps and values, ``words``,
    ``point_ranges`` and ``metric_ranges`` where each begins and ends. ``of_times``, ``of_values``
    and ``of_words`` say to which of the points of its metric each belongs, and ``columns`` which of
    the kind's columns each value is. ``lengths`` are those of :mod:`fragments`.

    A point of numbers has no value where the field at its position in ``flags`` is replaced by that
    of its metric in ``flag_fields`` (metrics of numbers, bytes).
    """

    points: int
    content: bytes
    times: Indices
    of_times: Indices
    values: Indices
    of_values: Indices
    columns: Indices
    words: Indices
    of_words: Indices
    flags: Indices
    flag_fields: Bytes
    point_ranges: Indices
    metric_ranges: Indices
    lengths: Indices


def column_count(metric: OtlpMetric) -> int:
    """How many values a data point of a metric has: in a histogram its count, sum and buckets."""
    if metric.shape is DataShape.HISTOGRAM:
        return len(metric.bounds) + 3
    return 0 if metric.data_type is DataType.VARCHAR else 1


def block(kind: Kind, points: int, widths: Mapping[str, int]) -> Block:
    """The metrics of a series. ``widths`` has the bytes to reserve for words, by metric."""
    metrics = kind.metrics
    whole = joined(_metric(each, kind.begun, points, widths.get(each.name, 0)) for each in metrics)
    counts = [column_count(each) for each in metrics]
    firsts = np.cumsum([0, *counts])
    of_points = np.arange(points)
    marks = whole.marks
    words = marks.get(_WORD, _NONE)
    flag_fields = [
        key(_FLAG_FIELDS[each.shape], VARINT) + _NO_VALUE
        for each in metrics
        if each.data_type is not DataType.VARCHAR
    ]
    return Block(
        points,
        whole.content,
        marks[_TIME][:, 0],
        np.tile(of_points, len(metrics)),
        marks.get(_VALUE, _NONE)[:, 0],
        np.concatenate([np.repeat(of_points, count) for count in counts]),
        np.concatenate(
            [
                np.tile(np.arange(first, first + count), points)
                for first, count in zip(firsts[:-1], counts, strict=True)
            ]
        ),
        words,
        np.tile(of_points, len(words) // points),
        marks.get(_FLAG, _NONE)[:, 0],
        np.array([list(each) for each in flag_fields], np.uint8),
        marks[_POINT],
        marks[_METRIC],
        marks[LENGTHS],
    )


def _metric(metric: OtlpMetric, begun: int | None, points: int, width: int) -> Fragment:
    """A metric with its data points."""
    start = b""
    if begun is not None and metric.shape is not DataShape.GAUGE:
        start = key(2, FIXED64) + (begun * NANOSECONDS).to_bytes(8, "little")
    kinds = {
        DataShape.GAUGE: b"",
        DataShape.SUM: _CUMULATIVE + _MONOTONIC,
        DataShape.HISTOGRAM: _CUMULATIVE,
    }
    data = joined([_point(metric, start, width).repeated(points), Fragment(kinds[metric.shape])])
    name = text_field(1, metric.name) + (text_field(3, metric.unit) if metric.unit else b"")
    whole = joined([Fragment(name), data.wrapped(_DATA_FIELDS[metric.shape])])
    whole = whole.wrapped(METRICS_FIELD)
    return whole.marked(_METRIC, 0, len(whole.content))


def _point(metric: OtlpMetric, start: bytes, width: int) -> Fragment:
    """A data point."""
    parts = [Fragment(start + key(3, FIXED64)), _number(_TIME)]
    if metric.shape is DataShape.HISTOGRAM:
        parts += _histogram(metric)
    elif metric.data_type is DataType.VARCHAR:
        word = Fragment(bytes(width)).marked(_WORD, 0, width).wrapped(1).wrapped(2)
        attribute = joined([Fragment(text_field(1, metric.name)), word])
        parts += [Fragment(key(6, FIXED64) + (1).to_bytes(8, "little")), attribute.wrapped(7)]
        whole = joined(parts).wrapped(_POINTS_FIELD)
        return whole.marked(_POINT, 0, len(whole.content))
    else:
        number_type = 4 if metric.data_type is DataType.DOUBLE else 6
        parts.append(_first_number(number_type))
    whole = joined(parts).fixed(_POINTS_FIELD)
    return whole.marked(_POINT, 0, len(whole.content))


def _histogram(metric: OtlpMetric) -> list[Fragment]:
    """The count, the sum and the buckets of a data point."""
    bounds = np.array(metric.bounds, "<f8").tobytes()
    return [
        _first_number(4),
        *(Fragment(key(5, FIXED64)), _number(_VALUE)),
        _number(_VALUE).repeated(len(metric.bounds) + 1).fixed(6),
        Fragment(content_field(7, bounds)),
    ]


def _first_number(number: int) -> Fragment:
    """The field of a point's value or count, in whose place its flags may be put."""
    return joined([Fragment(key(number, FIXED64)), _number(_VALUE)]).marked(_FLAG, 0)


def _number(mark: str) -> Fragment:
    """Eight bytes for a number."""
    return Fragment(bytes(8)).marked(mark, 0)
