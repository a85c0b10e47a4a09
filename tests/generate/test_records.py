"""Records of a batch: every value is in exactly one, and any run of them can be taken out."""

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.keys import GENERATOR_VERSION
from fleetstream.generate.records import RecordRange, Records, timestamps_of, values_by_timestamp
from fleetstream.generate.schema import (
    TIME,
    batch_schema,
    decimals_of,
    dimension_names,
    generator_version_of,
    kind_of,
    measure_fields,
    partition_of,
)
from tests.batches import batches, counted, fleet_batches
from tests.telemetry import EVENTS, KINDS, METRICS, MODEL
from tests.wire import Record, expected

MODELS = st.sampled_from(RecordModel)


def listed(records: Records) -> list[Record]:
    """Every record, by its row and measure."""
    columns = [column.to_pylist() for column in records.measure_columns]
    by_row = expected(records.batch, RecordModel.MULTI)
    present = [row for row, any_value in enumerate(records.present.any(axis=1)) if any_value]
    if records.model is RecordModel.MULTI:
        return [by_row[present.index(row)] for row in records.rows]
    found = []
    for row, measure in zip(records.rows, records.measures, strict=True):
        whole, name = by_row[present.index(row)], records.measure_names[measure]
        value = next(each for each in whole.values if each[0] == name)
        if value[1] == "TIMESTAMP":
            value = (name, "BIGINT", value[2] // 1_000)
        assert columns[measure][row] == value[2]
        found.append(Record(whole.dimensions, name, (value,), whole.time))
    return found


@given(batches(), MODELS)
def test_records_are_the_values_that_are_there(batch: pa.RecordBatch, model: RecordModel) -> None:
    records = Records(batch, model)
    assert listed(records) == expected(batch, model)
    values = sum(len(batch) - column.null_count for column in records.measure_columns)
    assert records.values_in(0, len(records)) == values


@given(batches(), MODELS, st.data())
def test_any_run_of_records_can_be_taken_out(
    batch: pa.RecordBatch, model: RecordModel, data: st.DataObject
) -> None:
    records = Records(batch, model)
    start = data.draw(st.integers(0, len(records)))
    stop = data.draw(st.integers(start, len(records)))
    part = records.extract(start, stop)
    assert part.schema == batch.schema
    assert expected(part, model) == expected(batch, model)[start:stop]
    assert Records(part, model).values_in(0, stop - start) == records.values_in(start, stop)


@pytest.mark.parametrize("model", RecordModel)
@pytest.mark.parametrize("kind", KINDS)
def test_records_of_the_fleet(kind: str, model: RecordModel) -> None:
    (batch,) = fleet_batches(kind)
    records = Records(batch, model)
    per_row = len(MODEL.kinds[kind].measures) if model is RecordModel.SINGLE else 1
    assert len(records) == len(batch) * per_row
    assert records.complete
    assert records.kind == kind
    assert records.timestamp == batch[TIME][0].value


def test_missing_cpu_values_are_no_records() -> None:
    (batch,) = fleet_batches(METRICS, missing_percent=40)
    gone = batch["cpu_user"].null_count
    assert 0 < gone < len(batch)
    assert len(Records(batch, RecordModel.SINGLE)) == len(batch) * 20 - gone * 8
    assert len(Records(batch, RecordModel.MULTI)) == len(batch)


def test_a_row_without_values_is_no_record() -> None:
    (batch,) = fleet_batches(EVENTS)
    nulls = [pa.nulls(len(batch), field.type) for field in batch.schema][9:]
    empty = pa.RecordBatch.from_arrays([*batch.columns[:9], *nulls], schema=batch.schema)
    for model in RecordModel:
        assert len(Records(empty, model)) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_schema_describes_the_kind(kind: str) -> None:
    schema = batch_schema(MODEL, kind)
    assert kind_of(schema) == kind
    assert generator_version_of(schema) == GENERATOR_VERSION
    assert partition_of(schema) == "region"
    assert dimension_names(schema) == [*MODEL.kinds[kind].dimensions]
    fields = {field.name: field for field in measure_fields(schema)}
    assert [*fields] == [each.name for each in MODEL.kinds[kind].measures]
    for each in MODEL.kinds[kind].measures:
        assert decimals_of(fields[each.name]) == each.decimals
        assert fields[each.name].metadata[b"unit"].decode() == each.unit
        assert fields[each.name].type == each.type.arrow
    assert decimals_of(schema.field(TIME)) is None


@given(batches(), MODELS, st.data())
def test_values_are_counted_by_timestamp(
    batch: pa.RecordBatch, model: RecordModel, data: st.DataObject
) -> None:
    records = Records(batch, model)
    start = data.draw(st.integers(0, len(records)))
    stop = data.draw(st.integers(start, len(records)))
    part = RecordRange(records, start, stop)
    counts = Counter[int]()
    for record in expected(batch, model)[start:stop]:
        counts[record.time] += len(record.values)
    assert counted(part.values_by_timestamp()) == counts
    assert part.values == counts.total()
    assert len(part) == len(part.timestamps) == stop - start
    assert part.batch().equals(records.extract(start, stop))


@given(batches())
def test_values_of_a_batch_by_timestamp(batch: pa.RecordBatch) -> None:
    counts = Counter(dict.fromkeys(timestamps_of(batch).tolist(), 0))
    for record in expected(batch, RecordModel.SINGLE):
        counts[record.time] += 1
    assert counted(values_by_timestamp(batch)) == counts
    assert Records(batch, RecordModel.SINGLE).timestamp == (
        next(iter(counts)) if len(counts) == 1 else None
    )


@pytest.mark.parametrize("model", RecordModel)
def test_a_batch_without_rows(model: RecordModel) -> None:
    batch = fleet_batches(METRICS)[0].slice(0, 0)
    records = Records(batch, model)
    assert len(records) == 0
    assert records.timestamp is None
    assert not counted(values_by_timestamp(batch))
    assert not counted(RecordRange(records, 0, 0).values_by_timestamp())
