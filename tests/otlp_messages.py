"""OTLP metrics as records: what requests say, read by OpenTelemetry's own messages."""

from collections.abc import Iterable, Iterator
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1 import metrics_pb2

from fleetstream.generate.choices import RecordModel
from fleetstream.targets.otlp.naming import NAMESPACE, Kind, OtlpNaming
from tests.ends import End
from tests.wire import Record

CUMULATIVE = metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE


def single_records(
    request: ExportMetricsServiceRequest, naming: OtlpNaming
) -> Iterator[tuple[str, Record]]:
    """The values of a table as single-measure records, each with its kind.

    They are those of the batches that the request was made from.
    """
    for resource in request.resource_metrics:
        words = _attributes(resource.resource.attributes)
        if words.pop(NAMESPACE) != naming.namespace:
            continue
        (scope,) = resource.scope_metrics
        kind = naming.kinds[scope.scope.name.removeprefix("fleetstream.")]
        dimensions = tuple(sorted((name, words.pop(of)) for name, of in kind.attributes.items()))
        assert not words
        for metric in scope.metrics:
            for name, value_type, value, time in _values(kind, metric):
                yield kind.name, Record(dimensions, name, ((name, value_type, value),), time)


def held(
    requests: Iterable[ExportMetricsServiceRequest], naming: OtlpNaming, model: RecordModel
) -> list[Record]:
    """The records of a table; of values that were sent again the latest, as stores keep them."""
    latest: dict[tuple[str, Any, int], dict[str, Any]] = {}
    for request in requests:
        for kind, record in single_records(request, naming):
            values = latest.setdefault((kind, record.dimensions, record.time), {})
            values[record.name] = record.values[0]
    if model is RecordModel.MULTI:
        return [
            Record(dimensions, kind, tuple(sorted(values.values())), time)
            for (kind, dimensions, time), values in latest.items()
        ]
    return [
        Record(dimensions, name, (value,), time)
        for (_, dimensions, time), values in latest.items()
        for name, value in values.items()
    ]


def _values(kind: Kind, metric: metrics_pb2.Metric) -> Iterator[tuple[str, str, Any, int]]:
    """The name, type, value and time in microseconds of each value of a metric."""
    (known,) = (each for each in kind.metrics if each.name == metric.name)
    assert metric.unit == known.unit
    data = getattr(metric, metric.WhichOneof("data"))
    for point in data.data_points:
        time, rest = divmod(point.time_unix_nano, 1_000)
        assert rest == 0
        if point.flags:
            continue
        if metric.HasField("histogram"):
            assert data.aggregation_temporality == CUMULATIVE
            assert tuple(point.explicit_bounds) == known.bounds
            counts = [sum(point.bucket_counts[: n + 1]) for n in range(len(point.bucket_counts))]
            assert counts[-1] == point.count
            *names, total = known.measures
            yield from (
                (name, "BIGINT", count, time) for name, count in zip(names, counts, strict=True)
            )
            yield total, "DOUBLE", point.sum, time
            continue
        if metric.HasField("sum"):
            assert data.aggregation_temporality == CUMULATIVE
            assert data.is_monotonic
        if point.attributes:
            assert point.as_int == 1
            ((name, word),) = _attributes(point.attributes).items()
            assert name == metric.name
            yield name, "VARCHAR", word, time
        elif point.WhichOneof("value") == "as_int":
            assert known.data_type != "BOOLEAN" or point.as_int in (0, 1)
            yield metric.name, str(known.data_type), point.as_int, time
        else:
            yield metric.name, "DOUBLE", point.as_double, time


def ends_said(
    requests: Iterable[ExportMetricsServiceRequest], naming: OtlpNaming
) -> Iterator[tuple[str, End]]:
    """The metrics that are said to have no value any more, and the series whose end that is."""
    for request in requests:
        for resource in request.resource_metrics:
            words = _attributes(resource.resource.attributes)
            (scope,) = resource.scope_metrics
            kind = naming.kinds[scope.scope.name.removeprefix("fleetstream.")]
            dimensions = tuple(sorted((name, words[of]) for name, of in kind.attributes.items()))
            for metric in scope.metrics:
                for point in getattr(metric, metric.WhichOneof("data")).data_points:
                    if point.flags:
                        assert point.flags == metrics_pb2.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK
                        _assert_empty(metric, point)
                        time = point.time_unix_nano // 1_000
                        yield metric.name, End(kind.name, dimensions, time)


def _assert_empty(metric: metrics_pb2.Metric, point: Any) -> None:
    if metric.HasField("histogram"):
        assert (point.count, point.sum, set(point.bucket_counts)) == (0, 0, {0})
        assert len(point.bucket_counts) == len(point.explicit_bounds) + 1
    else:
        assert point.WhichOneof("value") is None
        assert not point.attributes


def _attributes(attributes: Any) -> dict[str, str]:
    found = {each.key: each.value.string_value for each in attributes}
    assert len(found) == len(attributes), "an attribute said twice"
    return found
