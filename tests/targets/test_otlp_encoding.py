"""The wire form of OTLP metrics, and the names, units and kinds of data that it has."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.generator import Generator
from fleetstream.generate.lives import BEGINNING
from fleetstream.generate.records import Records
from fleetstream.generate.schema import batch_schema, kind_of
from fleetstream.model import load_model
from fleetstream.targets.otlp.naming import DataShape, OtlpNaming
from fleetstream.targets.otlp.rendering import OtlpRenderer
from fleetstream.targets.otlp.sink import VALUES_PER_REQUEST
from fleetstream.targets.row_parts import row_parts
from tests.batches import batches
from tests.otlp_messages import single_records
from tests.targets.cases import ALL_SCHEMAS
from tests.targets.test_contract import NOW, history, sweeps, wild
from tests.telemetry import EVENTS, KINDS
from tests.wire import Record, expected

MINUTE = 60_000_000

MODELS = ("kubernetes", "web-shop", "smart-meters")


def naming_of(model: str) -> OtlpNaming:
    loaded = load_model(model)
    return OtlpNaming([batch_schema(loaded, kind) for kind in loaded.kinds], "fleet")


def bodies(batch: pa.RecordBatch, naming: OtlpNaming) -> list[bytes]:
    """The requests of a batch whose histograms are whole."""
    records = Records(batch, RecordModel.SINGLE)
    shown = None
    if not records.complete:
        measures = records.measure_names
        shown = np.stack(
            [
                records.present[:, measures.index(metric.measures[0])]
                for metric in naming.kinds[records.kind].metrics
            ],
            axis=1,
        )
    renderer = OtlpRenderer(naming)
    parts = list(row_parts(records, VALUES_PER_REQUEST))
    first = [renderer.body(records, rows, shown) for rows in parts]
    assert [renderer.body(records, rows, shown) for rows in parts] == first
    return first


def decoded(sent: Sequence[bytes], naming: OtlpNaming) -> list[Record]:
    messages = map(ExportMetricsServiceRequest.FromString, sent)
    return sorted(record for each in messages for _, record in single_records(each, naming))


@given(batches())
def test_bodies_state_what_the_batch_holds(batch: pa.RecordBatch) -> None:
    """Any words, numbers, gaps and times."""
    naming = OtlpNaming(ALL_SCHEMAS, "fleet")
    sent = bodies(batch, naming)
    assert decoded(sent, naming) == sorted(expected(batch, RecordModel.SINGLE))


@pytest.mark.parametrize("model", MODELS)
def test_counters_and_histograms_come_back_exactly(model: str) -> None:
    """At one timestamp and at several, of series that come and go."""
    made = Generator(load_model(model), 7)
    naming = naming_of(model)
    times = [NOW + n * MINUTE for n in range(40)]
    for batch in [*made.batches(times[:1]), *made.batches(times)]:
        sent = bodies(batch, naming)
        assert decoded(sent, naming) == sorted(expected(batch, RecordModel.SINGLE))


@pytest.mark.parametrize("batch", [history(5, missing=0)[0], wild(EVENTS)], ids=KINDS)
def test_complete_bodies_are_those_of_the_library(batch: pa.RecordBatch) -> None:
    """Byte by byte, where no word is shorter than the others of its measure."""
    naming = OtlpNaming(ALL_SCHEMAS, "fleet")
    if kind_of(batch.schema) == EVENTS:
        batch = batch.slice(0, 1)
        place = batch.schema.get_field_index("task_end_state")
        words = pa.array(["END"]).dictionary_encode()
        batch = batch.set_column(place, batch.schema.field(place), words)
    for body in bodies(batch, naming):
        assert ExportMetricsServiceRequest.FromString(body).SerializeToString() == body


def test_a_series_is_one_resource_with_all_its_points() -> None:
    (batch, _) = history(5, missing=0)
    (body,) = bodies(batch, OtlpNaming(ALL_SCHEMAS, "fleet"))
    message = ExportMetricsServiceRequest.FromString(body)
    assert len(message.resource_metrics) == 10
    for resource in message.resource_metrics:
        (scope,) = resource.scope_metrics
        assert len(scope.metrics) == 20
        for metric in scope.metrics:
            times = [point.time_unix_nano for point in metric.gauge.data_points]
            assert len(times) == 5
            assert times == sorted(times)


def test_nothing_is_left_of_what_is_missing() -> None:
    """Neither data points nor metrics or resources without any."""
    metrics, _ = sweeps(1, missing=0)
    gone = np.ones((metrics.num_rows, 20), np.bool_)
    gone[3], gone[:, 7] = False, False
    renderer = OtlpRenderer(OtlpNaming(ALL_SCHEMAS, "fleet"))
    body = renderer.body(Records(metrics, RecordModel.SINGLE), slice(0, 10), gone)
    message = ExportMetricsServiceRequest.FromString(body)
    assert len(message.resource_metrics) == 9
    for resource in message.resource_metrics:
        assert len(resource.scope_metrics[0].metrics) == 19
        assert all(metric.gauge.data_points for metric in resource.scope_metrics[0].metrics)
    nothing = renderer.body(Records(metrics, RecordModel.SINGLE), slice(0, 10), gone & False)
    assert nothing == b""


@pytest.mark.parametrize(
    ("model", "kind", "begun"), [("smart-meters", "meter", BEGINNING), ("kubernetes", "pod", 0)]
)
def test_start_times_are_sent_where_they_are_known(model: str, kind: str, begun: int) -> None:
    """Not of series with a life cycle, and not for gauges, which do not begin."""
    naming = naming_of(model)
    made = Generator(load_model(model), 7).batches([NOW // (3_600 * 10**6) * 3_600 * 10**6])
    batch = next(each for each in made if kind_of(each.schema) == kind)
    message = ExportMetricsServiceRequest.FromString(bodies(batch, naming)[0])
    found = {
        (each.WhichOneof("data"), point.start_time_unix_nano)
        for resource in message.resource_metrics
        for each in resource.scope_metrics[0].metrics
        for point in getattr(each, each.WhichOneof("data")).data_points
    }
    assert {start for data, start in found if data == "gauge"} == {0}
    assert {start for data, start in found if data == "sum"} == {begun * 1_000}


def test_kinds_of_data() -> None:
    kinds = naming_of("kubernetes").kinds
    shapes = {metric.name: metric.shape for kind in kinds.values() for metric in kind.metrics}
    assert shapes["node_cpu_seconds_total"] is DataShape.SUM
    assert shapes["http_request_duration_seconds"] is DataShape.HISTOGRAM
    assert not any(name.endswith(("_count", "_sum")) for name in shapes)
    histogram = next(
        metric for metric in kinds["deployment"].metrics if metric.shape is DataShape.HISTOGRAM
    )
    assert histogram.bounds == (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
    assert histogram.unit == "s"


@pytest.mark.parametrize(
    ("model", "kind", "attributes"),
    [
        (
            "aws-devops",
            "metrics",
            {
                "region": "cloud.region",
                "cell": "cell",
                "availability_zone": "cloud.availability_zone",
                "microservice_name": "service.name",
                "instance_name": "host.name",
                "instance_type": "host.type",
                "os_version": "os.version",
            },
        ),
        (
            "aws-devops",
            "events",
            {"process": "process.executable.name", "jdk_version": "process.runtime.version"},
        ),
        (
            "kubernetes",
            "deployment",
            {
                "cluster": "k8s.cluster.name",
                "namespace": "k8s.namespace.name",
                "deployment": "k8s.deployment.name",
            },
        ),
        (
            "web-shop",
            "instance",
            {
                "service": "service.name",
                "instance": "service.instance.id",
                "version": "service.version",
            },
        ),
        ("smart-meters", "meter", {"meter": "meter", "street": "street"}),
    ],
)
def test_attributes_have_conventional_names(
    model: str, kind: str, attributes: dict[str, str]
) -> None:
    found = naming_of(model).kinds[kind].attributes
    assert found.items() >= attributes.items()


def schema(*fields: pa.Field, dimensions: Sequence[str] = ("host",)) -> pa.Schema:
    words = pa.dictionary(pa.int32(), pa.string())
    named = [pa.field(name, words) for name in dimensions]
    return pa.schema([*named, pa.field("time", pa.timestamp("us")), *fields], {"kind": "k"})


def field(name: str, unit: str = "", **metadata: str) -> pa.Field:
    return pa.field(name, pa.float64(), metadata={"unit": unit, "decimals": "2", **metadata})


@pytest.mark.parametrize(
    ("dimensions", "attributes"),
    [
        (("service", "microservice"), ("service", "microservice")),
        (("host", "host.name"), ("host", "host.name")),
        (("service.namespace",), ("service.namespace_",)),
        (("node", "cluster"), ("node", "cluster")),
        (("version",), ("version",)),
    ],
)
def test_ambiguous_names_stay_as_they_are(
    dimensions: tuple[str, ...], attributes: tuple[str, ...]
) -> None:
    kind = OtlpNaming([schema(field("x"), dimensions=dimensions)], "fleet").kinds["k"]
    assert tuple(kind.attributes.values()) == attributes


@pytest.mark.parametrize(
    ("unit", "sent"),
    [
        ("%", "%"), ("ms", "ms"), ("MB", "MBy"), ("By", "By"), ("kWh", "kW.h"), ("Cel", "Cel"),
        ("operations", "{operations}"), ("rpm", "{rpm}"), ("km/h", "km/h"), ("", ""), ("1", "1"),
        ("requests per day", "{requests per day}"),
    ],
)  # fmt: skip
def test_units_are_those_of_ucum(unit: str, sent: str) -> None:
    (metric,) = OtlpNaming([schema(field("x", unit))], "fleet").kinds["k"].metrics
    assert metric.unit == sent


def test_names_that_collide_get_a_sentence() -> None:
    parts = [
        field("x_bucket_le_1", histogram="x", bound="1.0"),
        field("x_count", histogram="x", bound="inf"),
        field("x_sum", histogram="x"),
    ]
    with pytest.raises(ValueError, match="A measure and a histogram would both be the metric 'x'"):
        OtlpNaming([schema(field("x"), *parts)], "fleet")
