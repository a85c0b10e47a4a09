"""The wire form of remote write, and the names and units that it has."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.records import Records
from fleetstream.targets.prometheus.encoding import FirstEncoder, SecondEncoder
from fleetstream.targets.prometheus.naming import Naming
from fleetstream.targets.prometheus.rendering import STALE, RequestRenderer
from fleetstream.targets.prometheus.sink import VALUES_PER_REQUEST
from fleetstream.targets.row_parts import row_parts
from tests.batches import batches
from tests.remote_write import MESSAGES, Sample, decoded
from tests.targets.cases import ALL_SCHEMAS
from tests.targets.test_contract import history, sweeps
from tests.wire import expected


def wanted(batch: pa.RecordBatch) -> list[Sample]:
    """What must be sent of a batch, by a plain loop over its values."""
    naming = Naming(ALL_SCHEMAS, "fleet")
    kind = batch.schema.metadata[b"kind"].decode()
    found = []
    for record in expected(batch, RecordModel.SINGLE):
        ((name, data_type, value),) = record.values
        metric = naming.metrics[kind, name]
        labels = {each: word for each, word in record.dimensions if word}
        labels |= {"__name__": metric.name, "job": "fleet"}
        if data_type == "VARCHAR":
            labels[name] = value
            number = 1.0
        else:
            (number,) = metric.scaled(np.array([float(value)])).tolist()
            assert metric.data_type != "TIMESTAMP" or number == value / 1_000
        found.append((tuple(sorted(labels.items())), record.time // 1_000, number))
    return found


@given(batches().filter(lambda batch: _times(batch) < 2**42 * 1_000), st.sampled_from([1, 2]))
def test_bodies_state_what_the_batch_holds(batch: pa.RecordBatch, version: int) -> None:
    renderer = RequestRenderer(
        Naming(ALL_SCHEMAS, "fleet"), FirstEncoder if version == 1 else SecondEncoder
    )
    records = Records(batch, RecordModel.SINGLE)
    present = None if records.complete else records.present
    for _ in range(2):
        bodies = [
            renderer.body(records, rows, present) for rows in row_parts(records, VALUES_PER_REQUEST)
        ]
        found = [sample for body in bodies for sample in decoded(body, version)]
        assert sorted(filter(_is_number, found)) == sorted(wanted(batch))
        ended = int((~records.present.any(axis=1)).sum()) if not records.complete else 0
        numbers = sum(not pa.types.is_dictionary(each.type) for each in records.measure_fields)
        assert sum(not _is_number(sample) for sample in found) == ended * numbers


def _is_number(sample: Sample) -> bool:
    """Whether a sample is no staleness marker; the only other NaN would be a mistake."""
    bits = np.array([sample[2]]).view(np.uint64)[0]
    assert not np.isnan(sample[2]) or bits == STALE
    return not np.isnan(sample[2])


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("complete", [True, False])
def test_a_row_without_values_is_a_staleness_marker_of_each_number(
    complete: bool, version: int
) -> None:
    """Whether its series is alone in its entry of the body or together with its samples."""
    (batch, _) = history(5, missing=0 if complete else 30)
    renderer = RequestRenderer(
        Naming(ALL_SCHEMAS, "fleet"), FirstEncoder if version == 1 else SecondEncoder
    )
    last = batch.slice(batch.num_rows - 1)
    nothing = [
        pa.nulls(1, field.type) if place > batch.schema.get_field_index("time") else column
        for place, (field, column) in enumerate(zip(batch.schema, last.columns, strict=True))
    ]
    time = batch.schema.get_field_index("time")
    nothing[time] = pa.array([_times(batch) + 1_000_000]).cast(pa.timestamp("us"))
    ended = pa.concat_batches([batch, pa.record_batch(nothing, schema=batch.schema)])
    records = Records(ended, RecordModel.SINGLE)
    assert len(records) == len(Records(batch, RecordModel.SINGLE))
    present = None if complete else records.present
    rows = slice(0, ended.num_rows)
    found = decoded(renderer.body(records, rows, present), version)
    markers = [sample for sample in found if not _is_number(sample)]
    assert sorted(filter(_is_number, found)) == sorted(wanted(batch))
    assert len(markers) == 20
    assert {time for _, time, _ in markers} == {_times(ended) // 1_000}
    series = {labels for labels, time, _ in wanted(batch) if time == _times(batch) // 1_000}
    assert complete is False or {labels for labels, _, _ in markers} <= series


def _times(batch: pa.RecordBatch) -> int:
    return int(pc.max(batch["time"].cast(pa.int64())).as_py())


@pytest.mark.parametrize("version", [1, 2])
def test_history_has_one_entry_per_series(version: int) -> None:
    (batch, _) = history(5, missing=0)
    renderer = RequestRenderer(
        Naming(ALL_SCHEMAS, "fleet"), FirstEncoder if version == 1 else SecondEncoder
    )
    body = renderer.body(Records(batch, RecordModel.SINGLE), slice(0, 50), None)
    message = MESSAGES["FirstRequest" if version == 1 else "SecondRequest"].FromString(body)
    assert len(message.timeseries) == 10 * 20
    assert all(len(series.samples) == 5 for series in message.timeseries)


@pytest.mark.parametrize("version", [1, 2])
def test_metadata_says_type_and_unit(version: int) -> None:
    renderer = RequestRenderer(
        Naming(ALL_SCHEMAS, "fleet"), FirstEncoder if version == 1 else SecondEncoder
    )
    (batch, _) = sweeps(1, missing=0)
    body = renderer.body(Records(batch, RecordModel.SINGLE), slice(0, 10), None)
    if version == 1:
        message = MESSAGES["FirstRequest"].FromString(body)
        found = {
            each.metric_family_name: (each.type, each.help, each.unit) for each in message.metadata
        }
    else:
        message = MESSAGES["SecondRequest"].FromString(body)
        symbols = message.symbols
        assert symbols[0] == ""
        assert len(set(symbols)) == len(symbols)
        found = {
            symbols[series.labels_refs[1]]: (
                series.metadata.type,
                symbols[series.metadata.help_ref],
                symbols[series.metadata.unit_ref],
            )
            for series in message.timeseries
        }
    assert len(found) == 20
    assert found["memory_used_bytes"] == (2, "memory_used of metrics, in MB in the model", "bytes")
    assert found["disk_io_read"] == (2, "disk_io_read of metrics, in operations in the model", "")


def _field(name: str, unit: str, decimals: int = 2) -> pa.Field:
    return pa.field(name, pa.float64(), metadata={"unit": unit, "decimals": str(decimals)})


def _schema(*fields: pa.Field, dimensions: tuple[str, ...] = ("host",), kind: str = "k") -> Any:
    words = pa.dictionary(pa.int32(), pa.string())
    named = [pa.field(name, words) for name in dimensions]
    return pa.schema([*named, pa.field("time", pa.timestamp("us")), *fields], {"kind": kind})


@pytest.mark.parametrize(
    ("field", "name", "unit", "value", "sample"),
    [
        (_field("cpu", "%"), "cpu_ratio", "ratio", 22.9, 0.229),
        (_field("memory", "MB"), "memory_bytes", "bytes", 1.5, 1_500_000.0),
        (_field("memory", "MiBy"), "memory_bytes", "bytes", 0.5, 524_288.0),
        (_field("latency", "ms"), "latency_seconds", "seconds", 12.34, 0.01234),
        (_field("uptime", "h"), "uptime_seconds", "seconds", 1.5, 5_400.0),
        (_field("bytes_in", "B"), "bytes_in", "bytes", 3.0, 3.0),
        (_field("read", "operations"), "read", "", 3.0, 3.0),
        (_field("sent_total", "B"), "sent_bytes_total", "bytes", 3.0, 3.0),
        (_field("cpu_seconds_total", "s"), "cpu_seconds_total", "seconds", 3.25, 3.25),
        (_field("a-b.c", ""), "a_b_c", "", 1.0, 1.0),
        (_field("5xx", ""), "_5xx", "", 1.0, 1.0),
    ],
)
def test_names_and_units(
    field: pa.Field, name: str, unit: str, value: float, sample: float
) -> None:
    metric = Naming([_schema(field)], "fleet").metrics["k", field.name]
    assert (metric.name, metric.unit) == (name, unit)
    assert metric.type == (1 if name.endswith("_total") else 2)
    assert metric.scaled(np.array([value])).tolist() == [sample]


@given(
    st.sampled_from(["%", "MB", "GB", "MiBy", "ms", "us", "h", "s", ""]),
    st.integers(0, 4),
    st.lists(st.integers(-(10**7), 10**7), min_size=1, max_size=5),
)
def test_values_come_back_exactly(unit: str, decimals: int, steps: list[int]) -> None:
    """And a sample that is none of a measure's values does not become one."""
    metric = Naming([_schema(_field("x", unit, decimals=decimals))], "fleet").metrics["k", "x"]
    values = np.round(np.array(steps) / 10.0**decimals, decimals)
    samples = metric.scaled(values)
    assert metric.original(samples).tolist() == values.tolist()
    if metric.factor != metric.divisor:
        other = np.nextafter(samples, np.inf)
        assert not np.isin(metric.original(other), values).any()


def test_labels_that_prometheus_needs_itself_are_renamed() -> None:
    naming = Naming([_schema(_field("x", ""), dimensions=("job", "a.b"))], "fleet")
    assert naming.labels == {"job": "exported_job", "a.b": "a_b"}


@pytest.mark.parametrize(
    ("schemas", "sentence"),
    [
        ([_schema(_field("x", ""), dimensions=("a.b", "a-b"))], "Two dimensions would be"),
        ([_schema(_field("x", ""), _field("x-", "")), _schema(_field("x_", ""))], "Two measures"),
        ([_schema(_field("x", "")), _schema(_field("x", ""), kind="l")], "could not be told apart"),
    ],
)
def test_names_that_collide_get_a_sentence(schemas: list[pa.Schema], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Naming(schemas, "fleet")
