"""Aggregate and window functions with DISTINCT, ORDER BY, FILTER, IGNORE NULLS and OVER."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sqlglot import exp

from fleetstream.emulator.sql import functions
from fleetstream.emulator.sql.errors import query_error, require_only
from fleetstream.emulator.sql.expressions.function_calls import resolve_call
from fleetstream.emulator.sql.expressions.handlers import Handlers
from fleetstream.emulator.sql.functions.signatures import Aggregate
from fleetstream.emulator.sql.instants import to_nanoseconds
from fleetstream.emulator.sql.typed_sql import TypedSql, fill
from fleetstream.emulator.sql.types import DATE, DAY_TO_SECOND, INTEGERS, TIMESTAMP

if TYPE_CHECKING:
    from fleetstream.emulator.sql.expressions.translator import ExpressionTranslator

KnownSql = Callable[[exp.Expr], str | None]


@dataclass
class _AggregateCall:
    """A call, with the clauses around it and inside its parentheses as DuckDB's SQL."""

    name: str
    arguments: list[exp.Expr]
    distinct: bool = False
    order: str = ""
    ignore_nulls: bool = False
    filter: str = ""
    over: str = ""

    def sql(self, signature: Aggregate, arguments: Sequence[TypedSql]) -> str:
        distinct = "DISTINCT " if self.distinct or signature.distinct else ""
        nulls = " IGNORE NULLS" if self.ignore_nulls else ""
        call = (
            f"{signature.function}({distinct}{signature.arguments_sql(arguments)}{nulls}"
            f"{self.order}){self.filter}{self.over}"
        )
        return fill(signature.result_template, [TypedSql(call, signature.result)])


def is_aggregate(name: str) -> bool:
    """Whether this is the name of an aggregate or window function."""
    return name in functions.AGGREGATES or name in functions.WINDOW_FUNCTIONS


def call_aggregate(translator: ExpressionTranslator, node: exp.Expr) -> TypedSql:
    """A call of an aggregate or window function, with everything around it."""
    call = _read_call(translator, node)
    known = (
        functions.AGGREGATES if call.name in functions.AGGREGATES else functions.WINDOW_FUNCTIONS
    )
    if known is functions.WINDOW_FUNCTIONS and call.name in known and not call.over:
        raise query_error(node, f"Window function {call.name} requires an OVER clause")
    signature, arguments, result = resolve_call(translator, node, known, call.name, call.arguments)
    if call.distinct and not arguments:
        raise query_error(node, f"{call.name}: DISTINCT needs an argument")
    return TypedSql(f"({call.sql(signature, arguments)})", result)


def _read_call(translator: ExpressionTranslator, node: exp.Expr) -> _AggregateCall:
    """The parts of a call, from the outermost clause to the arguments."""
    over, condition, ignore_nulls, order = "", "", False, ""
    if isinstance(node, exp.Window):
        over, node = f" OVER ({_window(translator, node)})", node.this
    if isinstance(node, exp.IgnoreNulls):
        ignore_nulls, node = True, node.this
    if isinstance(node, exp.Filter):
        condition = f" FILTER (WHERE {translator.boolean(node.expression.this)})"
        node = node.this
    if not isinstance(node, exp.Anonymous):
        raise query_error(node, "Only an aggregate or window function can have FILTER or OVER")
    arguments = list(node.expressions)
    if len(arguments) == 1 and isinstance(arguments[0], exp.IgnoreNulls):
        ignore_nulls, arguments = True, [arguments[0].this]
    if arguments and isinstance(arguments[-1], exp.Order):
        order = f" ORDER BY {order_by(translator, arguments[-1])}"
        arguments[-1] = arguments[-1].this
    distinct = len(arguments) == 1 and isinstance(arguments[0], exp.Distinct)
    if distinct:
        require_only(arguments[0], "expressions")
        arguments = arguments[0].expressions
    name = str(node.this).lower()
    if name == "count" and len(arguments) == 1 and isinstance(arguments[0], exp.Star):
        arguments = []
    return _AggregateCall(name, arguments, distinct, order, ignore_nulls, condition, over)


def order_by(
    translator: ExpressionTranslator, node: exp.Expr, known_sql: KnownSql | None = None
) -> str:
    """The list of an ORDER BY clause; ``known_sql`` may return the SQL of an expression."""
    require_only(node, "this", "expressions")
    return ", ".join(_ordered(translator, part, known_sql) for part in node.expressions)


def _ordered(translator: ExpressionTranslator, node: exp.Expr, known_sql: KnownSql | None) -> str:
    require_only(node, "this", "desc", "nulls_first")
    known = known_sql(node.this) if known_sql is not None else None
    sql = known or translator.translate(node.this).sql
    direction = "DESC" if node.args.get("desc") else "ASC"
    nulls = "FIRST" if node.args.get("nulls_first") else "LAST"
    return f"{sql} {direction} NULLS {nulls}"


def _window(translator: ExpressionTranslator, node: exp.Expr) -> str:
    require_only(node, "this", "partition_by", "order", "spec", "over", "alias")
    name = node.args.get("alias")
    if name is not None:
        named = translator.windows.get(name.name.lower())
        if named is None:
            raise query_error(node, f"Window '{name.name}' is not defined by WINDOW")
        if any(node.args.get(part) for part in ("partition_by", "order", "spec")):
            raise query_error(node, f"Window '{name.name}' can't be extended")
        return _window(translator, named)
    parts = []
    if node.args.get("partition_by"):
        keys = ", ".join(translator.translate(part).sql for part in node.args["partition_by"])
        parts.append(f"PARTITION BY {keys}")
    order, frame = node.args.get("order"), node.args.get("spec")
    offsets = _frame_offsets(translator, frame) if frame else {}
    if order:
        in_nanoseconds = any(offset.type == DAY_TO_SECOND for offset in offsets.values())
        key = partial(_nanoseconds, translator, order) if in_nanoseconds else None
        parts.append(f"ORDER BY {order_by(translator, order, key)}")
    if frame:
        parts.append(_frame(frame, offsets))
    return " ".join(parts)


def _frame_offsets(translator: ExpressionTranslator, node: exp.Expr) -> dict[str, TypedSql]:
    """The offsets of a frame's ``start`` and ``end``: numbers, or durations as nanoseconds."""
    require_only(node, "kind", "start", "start_side", "end", "end_side")
    values = {which: node.args.get(which) for which in ("start", "end")}
    offsets = {
        which: translator.translate(value)
        for which, value in values.items()
        if isinstance(value, exp.Expr)
    }
    is_range = str(node.args["kind"]).upper() == "RANGE"
    allowed = (*INTEGERS, DAY_TO_SECOND) if is_range else INTEGERS
    for offset in offsets.values():
        if offset.type not in allowed:
            what = "a whole number or a duration of fixed length" if is_range else "a whole number"
            raise query_error(node, f"A window's frame needs {what}, not {offset.type}")
    return offsets


def _nanoseconds(translator: ExpressionTranslator, order: exp.Expr, key: exp.Expr) -> str:
    """The key of a window whose frame is a duration: DuckDB's durations have microseconds."""
    value = translator.translate(key)
    if value.type not in (DATE, TIMESTAMP) or len(order.expressions) != 1:
        raise query_error(key, "A frame of a duration needs ORDER BY of one timestamp or date")
    return to_nanoseconds(value.sql, value.type)


def _frame(node: exp.Expr, offsets: Mapping[str, TypedSql]) -> str:
    unit = str(node.args["kind"]).upper()
    if unit not in ("ROWS", "RANGE"):
        raise query_error(node, f"A window's frame must be ROWS or RANGE, not {unit}")
    bounds = []
    for which in ("start", "end"):
        value = offsets[which].sql if which in offsets else str(node.args.get(which) or "")
        side = str(node.args.get(f"{which}_side") or "").upper()
        bounds.append(f"{value} {side}".strip())
    return f"{unit} BETWEEN {bounds[0]} AND {bounds[1] or 'CURRENT ROW'}"


HANDLERS: Handlers = {
    exp.Window: call_aggregate,
    exp.Filter: call_aggregate,
    exp.IgnoreNulls: call_aggregate,
}
