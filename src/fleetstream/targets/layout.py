"""Layout: records as the columns of Amazon Timestream's tables."""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from fleetstream.fleet import DIMENSIONS
from fleetstream.measures import CATALOGUE, DataType
from fleetstream.generate.records import TIME, RecordModel, Records
from fleetstream.targets.sink import Part

MEASURE_NAME = "measure_name"

_KEY = {
    **{name: "VARCHAR" for names in DIMENSIONS.values() for name in names},
    MEASURE_NAME: "VARCHAR",
    TIME: "TIMESTAMP",
}

COLUMNS = {
    RecordModel.SINGLE: _KEY | {f"measure_value::{t.lower()}": str(t) for t in DataType},
    RecordModel.MULTI: _KEY | {measure.name: str(measure.type) for measure in CATALOGUE},
}
"""Each model's columns in order, with their SQL types."""

KEY_COLUMNS = tuple(_KEY)
"""The columns that tell one record from another."""


def in_columns(parts: Sequence[Part], model: RecordModel) -> pa.Table:
    """The records of ``parts``, one row each and in their order, as columns of the model's table.

    Columns that no record has are left out.
    """
    shape: Callable[[Part], pa.Table] = _single if model is RecordModel.SINGLE else _multi
    return pa.concat_tables([shape(part) for part in parts], promote_options="default")


def _multi(part: Part) -> pa.Table:
    records = part.records
    batch = part.batch()
    name = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(batch.num_rows, np.int32)), pa.array([str(records.kind)])
    )
    table = pa.Table.from_batches([batch]).replace_schema_metadata(None)
    return table.append_column(MEASURE_NAME, name)


def _single(part: Part) -> pa.Table:
    records = part.records
    rows = pa.array(records.rows[part.start : part.stop])
    measures = records.measures[part.start : part.stop]
    columns = {
        name: records.batch.column(place).take(rows)
        for place, name in enumerate(records.batch.schema.names)
        if name in _KEY
    }
    columns[MEASURE_NAME] = pa.DictionaryArray.from_arrays(
        pa.array(measures.astype(np.int32)), pa.array(records.measure_names)
    )
    for kind in DataType:
        values = _values(records, kind, measures, rows)
        if values is not None:
            columns[f"measure_value::{kind.lower()}"] = values
    return pa.table(columns)


def _values(
    records: Records, kind: DataType, measures: np.ndarray, rows: pa.Array
) -> pa.Array | None:
    """The values of one type, null where a record's is of another; None if there are none."""
    places = [
        place
        for place, column in enumerate(records.measure_columns)
        if _sql_type(column.type) == kind
    ]
    if not places:
        return None
    # All columns of the type lie end to end; a record's value is found at column × rows + row.
    end_to_end = pa.concat_arrays([records.measure_columns[place] for place in places])
    offsets = np.full(len(records.measure_names), -1)
    offsets[places] = np.arange(len(places)) * records.batch.num_rows
    offset = offsets[measures]
    return end_to_end.take(pa.array(offset + rows.to_numpy(), mask=offset < 0))


def _sql_type(arrow: pa.DataType) -> DataType:
    if pa.types.is_dictionary(arrow):
        return DataType.VARCHAR
    return DataType.BIGINT if pa.types.is_integer(arrow) else DataType.DOUBLE
