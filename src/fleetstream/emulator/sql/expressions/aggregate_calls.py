"""Aggregate and window functions with DISTINCT, ORDER BY, FILTER, IGNORE NULLS and OVER."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

from fleetstream.emulator.sql import functions
from fleetstream.emulator.sql.errors import query_error, require_only
from fleetstream.emulator.sql.expressions.function_calls import resolve_call
from fleetstream.emulator.sql.expressions.handlers import Handlers
from fleetstream.emulator.sql.functions.signatures import Aggregate
from fleetstream.emulator.sql.typed_sql import TypedSql, fill
from fleetstream.emulator.sql.types import INTEGERS

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
    if node.args.get("order"):
        parts.append(f"ORDER BY {order_by(translator, node.args['order'])}")
    if node.args.get("spec"):
        parts.append(_frame(translator, node.args["spec"]))
    return " ".join(parts)


def _frame(translator: ExpressionTranslator, node: exp.Expr) -> str:
    require_only(node, "kind", "start", "start_side", "end", "end_side")
    unit = str(node.args["kind"]).upper()
    if unit not in ("ROWS", "RANGE"):
        raise query_error(node, f"A window's frame must be ROWS or RANGE, not {unit}")
    start, end = (_frame_bound(translator, node, which) for which in ("start", "end"))
    return f"{unit} BETWEEN {start} AND {end or 'CURRENT ROW'}"


def _frame_bound(translator: ExpressionTranslator, node: exp.Expr, which: str) -> str:
    value, side = node.args.get(which), str(node.args.get(f"{which}_side") or "").upper()
    if not isinstance(value, exp.Expr):
        return f"{value or ''} {side}".strip()
    offset = translator.translate(value)
    if offset.type not in INTEGERS:
        raise query_error(node, f"A window's frame needs a whole number, not {offset.type}")
    return f"{offset.sql} {side}"


HANDLERS: Handlers = {
    exp.Window: call_aggregate,
    exp.Filter: call_aggregate,
    exp.IgnoreNulls: call_aggregate,
}
