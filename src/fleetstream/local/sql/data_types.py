"""The names of types in SQL, as CAST takes them."""

from __future__ import annotations

from sqlglot import exp

from fleetstream.local.sql.rejection import rejected
from fleetstream.local.sql.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    TIME,
    TIMESTAMP,
    VARCHAR,
    Array,
    Row,
    Type,
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


def read_type(node: exp.Expr) -> Type:
    """The type that `node` names; a length or precision is none of the service's, and refused."""
    if not isinstance(node, exp.DataType):
        raise rejected(node, "A type was expected")
    if node.this == exp.DType.ARRAY and len(node.expressions) == 1:
        return Array(read_type(node.expressions[0]))
    if node.this == exp.DType.STRUCT and node.expressions:
        return Row(tuple(_read_field(part) for part in node.expressions))
    kind = _SCALARS.get(node.this)
    # The parser gives TIMESTAMP and TIME literals a precision; the service's is always 9.
    sized = node.expressions and kind not in (TIMESTAMP, TIME)
    if kind is None or sized:
        known = ", ".join(map(str, _SCALARS.values()))
        raise rejected(
            node, f"Unknown type: {node.sql(dialect='trino')}; expected {known}, array or row"
        )
    return kind


def _read_field(node: exp.Expr) -> tuple[str | None, Type]:
    if isinstance(node, exp.ColumnDef) and isinstance(node.args.get("kind"), exp.DataType):
        return node.name, read_type(node.args["kind"])
    return None, read_type(node)
