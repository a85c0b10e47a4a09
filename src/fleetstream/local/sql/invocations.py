"""Calls as they stand in the tree: plain ones, aggregates and windows, and SQL's own notations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from sqlglot import exp

from fleetstream.local.sql import functions
from fleetstream.local.sql.calls import Caller, Modifiers
from fleetstream.local.sql.operators import INTERVALS, arithmetic
from fleetstream.local.sql.rejection import only, rejected
from fleetstream.local.sql.time_functions import EXTRACTABLE
from fleetstream.local.sql.types import NUMERIC, VARCHAR, Bound

Given = Callable[[exp.Expr], str | None]


class Binder(Protocol):
    """What translates the expressions that stand within a call."""

    caller: Caller
    trying: bool
    windows: dict[str, exp.Expr]

    def bind(self, node: exp.Expr) -> Bound:
        """The meaning of an expression."""
        ...

    def condition(self, node: exp.Expr) -> str:
        """DuckDB's text of an expression that must be true or false."""
        ...

    def text(self, node: exp.Expr) -> str:
        """DuckDB's text of an expression that must be a varchar."""
        ...

    def row(self, node: exp.Expr, parts: Sequence[exp.Expr]) -> Bound:
        """A row of values."""
        ...

    def present(self, node: exp.Expr) -> Bound:
        """The query's one present moment."""
        ...

    def choice(
        self, node: exp.Expr, condition: exp.Expr, yes: exp.Expr, no: exp.Expr | None = None
    ) -> Bound:
        """IF(condition, yes[, no])."""
        ...


def call(binder: Binder, node: exp.Expr) -> Bound:
    """A call `name(…)` of any function."""
    only(node, "this", "expressions")
    name, arguments = str(node.this).lower(), node.expressions
    if name in functions.AGGREGATES or name in functions.WINDOW_FUNCTIONS:
        return aggregate(binder, node)
    if name == "row":
        return binder.row(node, arguments)
    if name == "now" and not arguments:
        return binder.present(exp.CurrentTimestamp())
    if name == "ago" and len(arguments) == 1:
        return _ago(binder, node, arguments[0])
    if name == "if" and len(arguments) in (2, 3):
        return binder.choice(node, *arguments)
    if name == "try" and len(arguments) == 1:
        return _try(binder, node, arguments[0])
    return binder.caller.scalar(node, name, arguments)


def _try(binder: Binder, node: exp.Expr, argument: exp.Expr) -> Bound:
    around, binder.trying = binder.trying, True
    try:
        tried = binder.bind(argument)
    finally:
        binder.trying = around
    if "error(" in tried.sql:
        raise rejected(node, "TRY around a function with checks of its own is not supported")
    return Bound(f"TRY({tried.sql})", tried.type)


def _ago(binder: Binder, node: exp.Expr, argument: exp.Expr) -> Bound:
    interval = binder.bind(argument)
    result = arithmetic("-", binder.present(exp.CurrentTimestamp()), interval)
    if result is None or interval.type not in INTERVALS:
        raise rejected(
            node,
            f"Unexpected parameters ({interval.type}) for function ago. Expected: ago(interval)",
        )
    return result


def aggregate(binder: Binder, node: exp.Expr) -> Bound:
    """An aggregate or window function with all that may stand around it, from outside in."""
    over, condition, ignore_nulls = "", "", False
    if isinstance(node, exp.Window):
        over, node = f" OVER ({_window(binder, node)})", node.this
    if isinstance(node, exp.IgnoreNulls):
        ignore_nulls, node = True, node.this
    if isinstance(node, exp.Filter):
        condition, node = binder.condition(node.expression.this), node.this
    if not isinstance(node, exp.Anonymous):
        raise rejected(node, "Only an aggregate or window function can have FILTER or OVER")
    name, arguments = str(node.this).lower(), list(node.expressions)
    if len(arguments) == 1 and isinstance(arguments[0], exp.IgnoreNulls):
        ignore_nulls, arguments = True, [arguments[0].this]
    in_order = ""
    if arguments and isinstance(arguments[-1], exp.Order):
        in_order = order(binder, arguments[-1])
        arguments[-1] = arguments[-1].this
    distinct = len(arguments) == 1 and isinstance(arguments[0], exp.Distinct)
    if distinct:
        only(arguments[0], "expressions")
        arguments = arguments[0].expressions
    if name == "count" and len(arguments) == 1 and isinstance(arguments[0], exp.Star):
        arguments = []
    modifiers = Modifiers(distinct, in_order, condition, ignore_nulls, over)
    return binder.caller.aggregate(node, name, arguments, modifiers)


def order(binder: Binder, node: exp.Expr, given: Given | None = None) -> str:
    """DuckDB's text of what ORDER BY lists; `given` may know an expression's text already."""
    only(node, "this", "expressions")
    return ", ".join(_ordered(binder, part, given) for part in node.expressions)


def _ordered(binder: Binder, node: exp.Expr, given: Given | None) -> str:
    only(node, "this", "desc", "nulls_first")
    text = (given(node.this) if given else None) or binder.bind(node.this).sql
    direction = "DESC" if node.args.get("desc") else "ASC"
    nulls = "FIRST" if node.args.get("nulls_first") else "LAST"
    return f"{text} {direction} NULLS {nulls}"


def _window(binder: Binder, node: exp.Expr) -> str:
    only(node, "this", "partition_by", "order", "spec", "over", "alias")
    named = node.args.get("alias")
    if named is not None:
        known = binder.windows.get(named.name.lower())
        if known is None or any(node.args.get(part) for part in ("partition_by", "order", "spec")):
            raise rejected(node, f"Window '{named.name}' is not one that WINDOW defines as it is")
        return _window(binder, known)
    parts = []
    if node.args.get("partition_by"):
        keys = ", ".join(binder.bind(part).sql for part in node.args["partition_by"])
        parts.append(f"PARTITION BY {keys}")
    if node.args.get("order"):
        parts.append(f"ORDER BY {order(binder, node.args['order'])}")
    if node.args.get("spec"):
        parts.append(_frame(binder, node.args["spec"]))
    return " ".join(parts)


def _frame(binder: Binder, node: exp.Expr) -> str:
    only(node, "kind", "start", "start_side", "end", "end_side")
    kind = str(node.args["kind"]).upper()
    if kind not in ("ROWS", "RANGE"):
        raise rejected(node, f"A window's frame must be ROWS or RANGE, not {kind}")
    start, end = _edge(binder, node, "start"), _edge(binder, node, "end")
    return f"{kind} BETWEEN {start} AND {end or 'CURRENT ROW'}"


def _edge(binder: Binder, node: exp.Expr, which: str) -> str:
    value, side = node.args.get(which), str(node.args.get(f"{which}_side") or "").upper()
    if not isinstance(value, exp.Expr):
        return f"{value or ''} {side}".strip()
    edge = binder.bind(value)
    if edge.type not in NUMERIC[:2]:
        raise rejected(node, f"A window's frame needs a whole number, not {edge.type}")
    return f"{edge.sql} {side}"


def extract(binder: Binder, node: exp.Expr) -> Bound:
    """EXTRACT(part FROM moment)."""
    part = node.this.name.lower()
    if part not in EXTRACTABLE:
        raise rejected(node, f"Cannot extract {part}; expected {', '.join(sorted(EXTRACTABLE))}")
    return binder.caller.scalar(node, part, [node.expression])


def substring(binder: Binder, node: exp.Expr) -> Bound:
    """SUBSTRING(text FROM start FOR length), and the same with commas."""
    only(node, "this", "start", "length")
    parts = [node.this, node.args.get("start"), node.args.get("length")]
    return binder.caller.scalar(node, "substr", [part for part in parts if part is not None])


def position(binder: Binder, node: exp.Expr) -> Bound:
    """POSITION(part IN text)."""
    only(node, "this", "substr")
    return binder.caller.scalar(node, "strpos", [node.this, node.args["substr"]])


def trim(binder: Binder, node: exp.Expr) -> Bound:
    """TRIM([LEADING | TRAILING | BOTH] [letters FROM] text)."""
    only(node, "this", "position", "expression")
    where = str(node.args.get("position") or "BOTH").upper()
    name = {"LEADING": "ltrim", "TRAILING": "rtrim", "BOTH": "trim"}[where]
    if node.args.get("expression") is None:
        return binder.caller.scalar(node, name, [node.this])
    return Bound(f"{name}({binder.text(node.this)}, {binder.text(node.expression)})", VARCHAR)
