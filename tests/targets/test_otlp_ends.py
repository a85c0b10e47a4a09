"""Data points without a value: OTLP's way to say that a series has ended."""

from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.schema import kind_of, measure_fields
from fleetstream.model import DataType
from fleetstream.run.options import make_spec
from fleetstream.run.runner import new_run
from fleetstream.run.spec import RunSpec
from fleetstream.targets.otlp.naming import OtlpNaming
from fleetstream.targets.registry import TargetOptions, open_sink
from tests.ends import End, ends_of
from tests.otlp_messages import ends_said, held
from tests.servers.otlp_collector import Collector
from tests.servers.otlp_receiver import RECEIVERS, Answer
from tests.telemetry import SECOND, TIMESTAMP

MINUTE = 60 * SECOND


def naming_of(spec: RunSpec) -> OtlpNaming:
    return OtlpNaming(tuple(spec.generator().schemas.values()), "fleetstream")


def said(requests: Iterable[ExportMetricsServiceRequest], spec: RunSpec) -> Counter[End]:
    """The ends that are said, each once per metric of numbers of its series."""
    return Counter(end for _, end in ends_said(requests, naming_of(spec)))


def due(spec: RunSpec) -> dict[End, int]:
    """The ends that must be said, and by how many metrics."""
    metrics = {
        kind.name: sum(each.data_type is not DataType.VARCHAR for each in kind.metrics)
        for kind in naming_of(spec).kinds.values()
    }
    return {end: metrics[end.kind] for end in ends_of(spec, MINUTE)}


@pytest.mark.parametrize("record_model", RecordModel)
@pytest.mark.parametrize("model", ["kubernetes", "iot-trucks"])
def test_a_collector_forwards_the_ends(
    model: str, record_model: RecordModel, tmp_path: Path
) -> None:
    """Of pods that are replaced and trucks out of reach, with gauges, sums and histograms.

    The other data points are those of the records.
    """
    stretch = {"start": TIMESTAMP, "end": TIMESTAMP + 40 * MINUTE, "interval": "60s"}
    with Collector(tmp_path) as server:
        place = {"to": f"otlp:{server.grpc_url}", "record_model": record_model}
        spec = make_spec(model=model, seed=7, **stretch, **place)
        with new_run(spec, tmp_path / "run.json") as run:
            result = run.execute()
        assert result.delivered
        assert result.totals.generated == result.totals.stored
        requests = list(server.requests())
    ends = due(spec)
    assert ends
    assert said(requests, spec) == ends
    records = held(requests, naming_of(spec), record_model)
    assert len(records) == result.totals.stored.records


def test_histograms_end_without_events() -> None:
    """Their counts are 0 beside the flag, as Prometheus's receiver of a collector has them."""
    generator = make_spec(model="web-shop", seed=7, interval="60s").resolved().generator()
    naming = OtlpNaming(tuple(generator.schemas.values()), "fleetstream")
    batch = next(
        each
        for each in generator.batches([TIMESTAMP])
        if any(metric.bounds for metric in naming.kinds[kind_of(each.schema)].metrics)
    )
    for field in measure_fields(batch.schema):
        place = batch.schema.get_field_index(field.name)
        batch = batch.set_column(place, field, pa.nulls(batch.num_rows, field.type))
    with closing(open_sink(TargetOptions(to="otlp:http://127.0.0.1:1"), RecordModel.MULTI,
                           tuple(generator.schemas.values()))) as sink:  # fmt: skip
        (request,) = sink.prepare(batch)
    message = ExportMetricsServiceRequest.FromString(request.payload.message)
    kind = naming.kinds[kind_of(batch.schema)]
    histograms = {metric.name for metric in kind.metrics if metric.bounds}
    found = Counter(name for name, _ in ends_said([message], naming))
    assert histograms <= found.keys()
    assert found == dict.fromkeys((metric.name for metric in kind.metrics), batch.num_rows)


@pytest.mark.parametrize("answer", [Answer(), Answer(rejected=9), Answer(status=400)], ids=str)
def test_a_request_of_ends_alone_has_no_records(answer: Answer) -> None:
    """So none is rejected, whatever the server says of it."""
    generator = make_spec(model="kubernetes", seed=7, interval="60s").resolved().generator()
    (chunk,) = [each for each in generator.chunks if each.kind == "pod"]
    ends = generator.ends(chunk, [TIMESTAMP + place * MINUTE for place in range(40)])
    assert ends is not None
    schemas = tuple(generator.schemas.values())
    with RECEIVERS["http"](lambda _: answer) as receiver:
        options = TargetOptions(to=f"otlp:{receiver.url}")
        with closing(open_sink(options, RecordModel.SINGLE, schemas)) as sink:
            (request,) = sink.prepare(ends)
            assert (request.records, request.values) == (0, 0)
            assert sink.send(request).rejections == ()
    ((message, _),) = receiver.received
    naming = OtlpNaming(schemas, "fleetstream")
    assert len({end for _, end in ends_said([message], naming)}) == ends.num_rows
