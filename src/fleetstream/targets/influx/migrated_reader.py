"""Reads what AWS's migration scripts make of a Timestream table in InfluxDB.

The scripts (awslabs/amazon-timestream-tools, ``liveanalytics_migration_scripts`` and
``liveanalytics_influxdb3_migration_plugin``) write the table as one measurement of the same name:
dimensions and ``measure_name`` become tags, and all columns of values become fields of their names,
``measure_value::double`` too. The former writes integers as floats, the latter as integers, and
times as texts.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.schema import TIME
from fleetstream.model import DataType
from fleetstream.model.datatypes import TIMESTAMPS
from fleetstream.targets.columns import MEASURE_NAME
from fleetstream.targets.influx.reader import InfluxReader
from fleetstream.targets.influx.server import InfluxDatabase
from fleetstream.targets.sink import TargetUnusable

_LARGEST = 2.0**63


class MigratedMeasurementReader(InfluxReader):
    """Reads the measurement that a table was migrated to; fields of no column are left out."""

    def __init__(
        self,
        database: InfluxDatabase,
        model: RecordModel,
        schemas: Sequence[pa.Schema],
        measurement: str,
    ) -> None:
        super().__init__(database, model, schemas)
        self._migrated = measurement

    @property
    def name(self) -> str:
        return f"{self._server.name}, measurement {self._migrated}"

    def open(self) -> None:
        """Connect, and find out which fields the measurement has."""
        super().open()
        if self._migrated not in self._field_types:
            self.close()
            raise TargetUnusable(
                f"{self._server.name} has no measurement {self._migrated!r}; name it with "
                "--table-name."
            )
        self._field_types = {self._migrated: self._field_types[self._migrated]}

    def _measurement(self, name: str, where: str) -> pa.Table | None:
        rows = self._points(name, where)
        if rows is None:
            return None
        columns = {TIME: rows["time"].cast(pa.timestamp("us"))}
        for column in self._columns.keys() & set(rows.column_names) - {TIME}:
            values = rows[column]
            kind = self._columns[column]
            if kind == DataType.BIGINT and pa.types.is_floating(values.type):
                values = _whole(values)
            elif kind == DataType.TIMESTAMP and pa.types.is_string(values.type):
                values = self._times(column, values)
            columns[column] = values
        # Points that another writer has added may lack the tag.
        columns.setdefault(MEASURE_NAME, pa.nulls(len(rows), pa.string()))
        return pa.table(columns)

    def _times(self, column: str, texts: pa.ChunkedArray) -> pa.ChunkedArray:
        """Times that were written as texts. Raises TargetUnusable where they are none."""
        try:
            return texts.cast(TIMESTAMPS)
        except pa.ArrowInvalid as error:
            raise TargetUnusable(
                f"{self.name} has texts in {column!r} that are no times: {error}."
            ) from error


def _whole(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Floats as integers where all of them are; else as they are, since they were changed."""
    numbers = pc.fill_null(values, 0.0).to_numpy()
    if np.all((numbers == np.rint(numbers)) & (numbers >= -_LARGEST) & (numbers < _LARGEST)):
        return values.cast(pa.int64())
    return values
