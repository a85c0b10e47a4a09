"""Results in the query API's form: `Rows`, `Data`, `ScalarValue` and so on.

DuckDB itself writes every single value as the text that the service sends, so that what arrives
here is text, lists of it and rows of it. Rows are written as JSON a whole batch at a time, column
by column, which takes a third of the time of doing it value by value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from fleetstream.local.sql.types import UNKNOWN, VARCHAR, Array, Row, Scalar, TimeSeries, Type

_TEXT = pa.large_string()
_NULL = '{"NullValue":true}'
_ESCAPED = r'["\\\x00-\x1f]'
"""What JSON wants escaped within a text, as a regular expression; of all types, VARCHAR alone can
have it."""


class RowTexts:
    """Rows of a result as JSON, one after the other, to be cut into pages."""

    def __init__(self, columns: Sequence[pa.Array], kinds: Sequence[Type]) -> None:
        """Write the rows that columns of texts, or of lists and structs of texts, make."""
        data = [_data(column, kind) for column, kind in zip(columns, kinds, strict=True)]
        texts = _joined('{"Data":[', _joined(*data, separator=","), "]},")
        _, offsets, characters = texts.buffers()
        self._ends = np.frombuffer(offsets, np.int64)[: len(texts) + 1]
        self._characters = characters
        self._place = 0

    @property
    def left(self) -> int:
        """How many rows have not been taken."""
        return len(self._ends) - 1 - self._place

    def take(self, most_rows: int, most_bytes: int) -> tuple[int, bytes]:
        """The next rows within both bounds: how many, and their JSON with a comma after each."""
        begin = self._place
        fitting = int(np.searchsorted(self._ends, self._ends[begin] + most_bytes, "right")) - 1
        end = min(fitting, begin + most_rows)
        self._place = end
        first, last = int(self._ends[begin]), int(self._ends[end])
        return end - begin, self._characters[first:last].to_pybytes()


def _data(column: pa.Array, kind: Type) -> pa.Array:
    """A column's values as JSON, each an API's `Datum`."""
    if not isinstance(kind, Scalar) or kind == UNKNOWN or pa.types.is_null(column.type):
        texts = [orjson.dumps(_datum(value, kind)).decode() for value in column.to_pylist()]
        return pa.array(texts, _TEXT)
    texts = column.cast(_TEXT)
    if kind == VARCHAR and pc.any(pc.match_substring_regex(texts, _ESCAPED)).as_py():
        quoted = [text and orjson.dumps(text).decode()[1:-1] for text in texts.to_pylist()]
        texts = pa.array(quoted, _TEXT)
    return _joined('{"ScalarValue":"', texts, '"}').fill_null(_NULL)


def _joined(*parts: pa.Array | str, separator: str = "") -> pa.Array:
    """Texts put together row by row; a row that has a null among them is null."""
    texts = [pa.scalar(p, _TEXT) if isinstance(p, str) else p for p in (*parts, separator)]
    return pc.binary_join_element_wise(*texts)


def as_text(kind: Type) -> Type:
    """`kind` with text in the place of every single value."""
    if isinstance(kind, Array):
        return Array(as_text(kind.element))
    if isinstance(kind, TimeSeries):
        return Array(Row((("time", VARCHAR), ("value", as_text(kind.value)))))
    if isinstance(kind, Row):
        return Row(tuple((name, as_text(part)) for name, part in kind.fields))
    return VARCHAR


def _datum(value: Any, kind: Type) -> dict[str, Any]:
    """One value as the API's `Datum`."""
    if value is None or kind == UNKNOWN:
        return {"NullValue": True}
    if isinstance(kind, TimeSeries):
        points = [
            {"Time": point["f1"], "Value": _datum(point["f2"], kind.value)} for point in value
        ]
        return {"TimeSeriesValue": points}
    if isinstance(kind, Array):
        return {"ArrayValue": [_datum(part, kind.element) for part in value]}
    if isinstance(kind, Row):
        parts = zip(value.values(), kind.fields, strict=True)
        return {"RowValue": {"Data": [_datum(part, field) for part, (_, field) in parts]}}
    return {"ScalarValue": value}
