"""Types as CAST names them."""

from __future__ import annotations

from sqlglot import exp

from fleetstream.emulator.sql.errors import query_error
from fleetstream.emulator.sql.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    TIME,
    TIMESTAMP,
    VARCHAR,
    ArrayType,
    RowType,
    SqlType,
)

_SCALARS = {
    exp.DType.VARCHAR: VARCHAR,
    exp.DType.DOUBLE: DOUBLE,
    exp.DType.BIGINT: BIGINT,
    exp.DType.INT: INTEGER,
    exp.DType.BOOLEAN: BOOLEAN,
    exp.DType.TIMESTAMP: TIMESTAMP,
    exp.DType.DATE: DATE,
    exp.DType.TIME: TIME,
}


def varchar_length(node: exp.Expr) -> int | None:
    """The length of ``varchar(n)``; None for other types."""
    if not isinstance(node, exp.DataType) or node.this != exp.DType.VARCHAR:
        return None
    if len(node.expressions) != 1 or not str(node.expressions[0].name).isdecimal():
        return None
    return int(node.expressions[0].name)


def read_type(node: exp.Expr) -> SqlType:
    """The type that ``node`` names; a length or precision is an error, as at the service."""
    if not isinstance(node, exp.DataType):
        raise query_error(node, "A type was expected")
    if node.this == exp.DType.ARRAY and len(node.expressions) == 1:
        return ArrayType(read_type(node.expressions[0]))
    if node.this == exp.DType.STRUCT and node.expressions:
        return RowType(tuple(_read_field(part) for part in node.expressions))
    scalar = _SCALARS.get(node.this)
    # The parser adds a precision to the types of TIMESTAMP and TIME literals.
    has_length = node.expressions and scalar not in (TIMESTAMP, TIME)
    if scalar is None or has_length:
        known = ", ".join(map(str, _SCALARS.values()))
        raise query_error(node, f"Unknown type: {node.sql()}; expected {known}, array or row")
    return scalar


def _read_field(node: exp.Expr) -> tuple[str | None, SqlType]:
    if isinstance(node, exp.ColumnDef) and isinstance(node.args.get("kind"), exp.DataType):
        return node.name, read_type(node.args["kind"])
    return None, read_type(node)
