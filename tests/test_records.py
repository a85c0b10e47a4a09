"""Records of a batch: every value is in exactly one, and any run of them can be taken out."""

import pyarrow as pa
import pytest
from fleetstream.fleet import Kind
from fleetstream.measures import measures_of
from hypothesis import given
from hypothesis import strategies as st

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.records import Records, batch_schema, decimals_of, kind_of
from fleetstream.generate.schema import TIME
from tests.batches import batches, fleet_batches
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
        assert columns[measure][row] == value[2]
        found.append(Record(whole.dimensions, name, (value,), records.timestamp))
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
@pytest.mark.parametrize("kind", Kind)
def test_records_of_the_fleet(kind: Kind, model: RecordModel) -> None:
    (batch,) = fleet_batches(kind)
    records = Records(batch, model)
    per_row = len(measures_of(kind)) if model is RecordModel.SINGLE else 1
    assert len(records) == len(batch) * per_row
    assert records.complete
    assert records.kind is kind
    assert records.timestamp == batch[TIME][0].value


def test_missing_cpu_values_are_no_records() -> None:
    (batch,) = fleet_batches(Kind.METRICS, missing_cpu=40)
    gone = batch["cpu_user"].null_count
    assert 0 < gone < len(batch)
    assert len(Records(batch, RecordModel.SINGLE)) == len(batch) * 20 - gone * 8
    assert len(Records(batch, RecordModel.MULTI)) == len(batch)


def test_a_row_without_values_is_no_record() -> None:
    (batch,) = fleet_batches(Kind.EVENTS)
    nulls = [pa.nulls(len(batch), field.type) for field in batch.schema][9:]
    empty = pa.RecordBatch.from_arrays([*batch.columns[:9], *nulls], schema=batch.schema)
    for model in RecordModel:
        assert len(Records(empty, model)) == 0


@pytest.mark.parametrize("kind", Kind)
def test_a_schema_tells_kind_and_decimals(kind: Kind) -> None:
    schema = batch_schema(kind)
    assert kind_of(pa.RecordBatch.from_pylist([], schema)) is kind
    decimals = {each.name: each.decimals for each in measures_of(kind)}
    assert {name: decimals_of(schema.field(name)) for name in decimals} == decimals
    assert decimals_of(schema.field(TIME)) is None
