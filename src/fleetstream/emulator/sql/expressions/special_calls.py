"""Calls in the tree: those with a syntax of their own, and the dispatch of all others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sqlglot import exp

from fleetstream.emulator.quoting import quote
from fleetstream.emulator.sql.conversion import cast_sql
from fleetstream.emulator.sql.errors import query_error, require_only
from fleetstream.emulator.sql.expressions.aggregate_calls import call_aggregate, is_aggregate
from fleetstream.emulator.sql.expressions.arithmetic import calculate
from fleetstream.emulator.sql.expressions.conditionals import translate_if, translate_try
from fleetstream.emulator.sql.expressions.function_calls import call_function
from fleetstream.emulator.sql.expressions.handlers import Handlers
from fleetstream.emulator.sql.expressions.literals import row
from fleetstream.emulator.sql.functions.times import EXTRACTABLE
from fleetstream.emulator.sql.instants import from_nanoseconds
from fleetstream.emulator.sql.typed_sql import TypedSql
from fleetstream.emulator.sql.types import DATE, INTERVALS, TIME, TIMESTAMP, VARCHAR, SqlType

if TYPE_CHECKING:
    from fleetstream.emulator.sql.expressions.translator import ExpressionTranslator

_CURRENT: Mapping[type[exp.Expr], SqlType] = {
    exp.CurrentTimestamp: TIMESTAMP,
    exp.Localtimestamp: TIMESTAMP,
    exp.CurrentDate: DATE,
    exp.CurrentTime: TIME,
    exp.Localtime: TIME,
}


def _call(translator: ExpressionTranslator, node: exp.Anonymous) -> TypedSql:
    """A call ``name(…)`` of any function."""
    require_only(node, "this", "expressions")
    name, arguments = str(node.this).lower(), node.expressions
    if is_aggregate(name):
        return call_aggregate(translator, node)
    match name, len(arguments):
        case "row", _:
            return row(translator, node, arguments)
        case "now", 0:
            return _current(translator, exp.CurrentTimestamp())
        case "ago", 1:
            return _ago(translator, node, arguments[0])
        case "if", 2 | 3:
            return translate_if(translator, node, *arguments)
        case "typeof", 1:
            # The argument must be valid, also if its value does not matter.
            argument = translator.translate(arguments[0])
            name = quote(str(argument.type))
            return TypedSql(
                f"(CASE WHEN {argument.sql} IS NULL THEN {name} ELSE {name} END)", VARCHAR
            )
        case "try", 1:
            return translate_try(translator, node, arguments[0])
    return call_function(translator, node, name, arguments)


def _current(translator: ExpressionTranslator, node: exp.Expr) -> TypedSql:
    """The time of the query, which is the same in all its parts."""
    require_only(node)
    now = from_nanoseconds(f"CAST({translator.context.now} AS BIGINT)")
    of = _CURRENT[type(node)]
    return TypedSql(cast_sql(now, TIMESTAMP, of), of, simple=True)


def _ago(translator: ExpressionTranslator, node: exp.Expr, argument: exp.Expr) -> TypedSql:
    interval = translator.translate(argument)
    result = calculate("-", _current(translator, exp.CurrentTimestamp()), interval)
    if result is None or interval.type not in INTERVALS:
        raise query_error(
            node,
            f"Unexpected parameters ({interval.type}) for function ago. Expected: ago(interval)",
        )
    return result


def _extract(translator: ExpressionTranslator, node: exp.Extract) -> TypedSql:
    """EXTRACT(part FROM moment)."""
    part = node.this.name.lower()
    if part not in EXTRACTABLE:
        expected = ", ".join(sorted(EXTRACTABLE))
        raise query_error(node, f"Cannot extract {part}; expected {expected}")
    return call_function(translator, node, part, [node.expression])


def _substring(translator: ExpressionTranslator, node: exp.Substring) -> TypedSql:
    """SUBSTRING(text FROM start FOR length), or with commas."""
    require_only(node, "this", "start", "length")
    parts = [node.this, node.args.get("start"), node.args.get("length")]
    return call_function(translator, node, "substr", [part for part in parts if part is not None])


def _position(translator: ExpressionTranslator, node: exp.StrPosition) -> TypedSql:
    """POSITION(part IN text)."""
    require_only(node, "this", "substr")
    return call_function(translator, node, "strpos", [node.this, node.args["substr"]])


def _trim(translator: ExpressionTranslator, node: exp.Trim) -> TypedSql:
    """TRIM([LEADING | TRAILING | BOTH] [characters FROM] text)."""
    require_only(node, "this", "position", "expression")
    side = str(node.args.get("position") or "BOTH").upper()
    name = {"LEADING": "ltrim", "TRAILING": "rtrim", "BOTH": "trim"}[side]
    if node.args.get("expression") is None:
        return call_function(translator, node, name, [node.this])
    text, characters = translator.varchar(node.this), translator.varchar(node.expression)
    return TypedSql(f"{name}({text}, {characters})", VARCHAR)


HANDLERS: Handlers = {
    **dict.fromkeys(_CURRENT, _current),
    exp.Anonymous: _call,
    exp.Extract: _extract,
    exp.Substring: _substring,
    exp.StrPosition: _position,
    exp.Trim: _trim,
}
