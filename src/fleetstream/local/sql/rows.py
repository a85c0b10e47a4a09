"""Results in the query API's form: `Rows`, `Data`, `ScalarValue` and so on.

DuckDB itself writes every single value as the text that the service sends, so that what arrives
here is text, lists of it and rows of it, to be wrapped according to the column's type.
"""

from __future__ import annotations

from typing import Any

from fleetstream.local.sql.types import UNKNOWN, VARCHAR, Array, Row, TimeSeries, Type


def as_text(kind: Type) -> Type:
    """`kind` with text in the place of every single value."""
    if isinstance(kind, Array):
        return Array(as_text(kind.element))
    if isinstance(kind, TimeSeries):
        return Array(Row((("time", VARCHAR), ("value", as_text(kind.value)))))
    if isinstance(kind, Row):
        return Row(tuple((name, as_text(part)) for name, part in kind.fields))
    return VARCHAR


def datum(value: Any, kind: Type) -> dict[str, Any]:
    """One value as the API's `Datum`."""
    if value is None or kind == UNKNOWN:
        return {"NullValue": True}
    if isinstance(kind, TimeSeries):
        points = [{"Time": point["f1"], "Value": datum(point["f2"], kind.value)} for point in value]
        return {"TimeSeriesValue": points}
    if isinstance(kind, Array):
        return {"ArrayValue": [datum(part, kind.element) for part in value]}
    if isinstance(kind, Row):
        parts = zip(value.values(), kind.fields, strict=True)
        return {"RowValue": {"Data": [datum(part, field) for part, (_, field) in parts]}}
    return {"ScalarValue": value}
