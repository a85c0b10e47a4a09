"""Expressions: every node of the tree that may stand for a value, one method a kind.

What is not listed in `_HANDLERS`, and every part of a node that its method does not know, is
refused with its place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, NoReturn

from sqlglot import exp

from fleetstream.local.sql import invocations, operators
from fleetstream.local.sql.calls import Caller
from fleetstream.local.sql.conversion import cast_literal, cast_sql, coerce
from fleetstream.local.sql.data_types import read_type
from fleetstream.local.sql.literals import read_interval, read_literal
from fleetstream.local.sql.rejection import only, rejected
from fleetstream.local.sql.scope import Query, Scope, Translation, dereference
from fleetstream.local.sql.time_functions import instant
from fleetstream.local.sql.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    NUMERIC,
    TIME,
    TIMESTAMP,
    UNKNOWN,
    VARCHAR,
    Array,
    Bound,
    Row,
    TimeSeries,
    Type,
    common_type,
)

QueryBinder = Callable[[exp.Expr, Scope], Query]
MOST_TEXT = 250_000
"""Characters of DuckDB's text for one expression: many functions write an argument out twice."""

_PRESENT: dict[type[exp.Expr], Type] = {
    exp.CurrentDate: DATE,
    exp.CurrentTime: TIME,
    exp.Localtime: TIME,
}


class Expressions:
    """Translates the expressions of one scope; `windows` are those that WINDOW has named.

    `trying` is set inside of TRY, where a literal that can't be cast is null.
    """

    def __init__(
        self,
        translation: Translation,
        scope: Scope,
        bind_query: QueryBinder,
        windows: dict[str, exp.Expr] | None = None,
    ) -> None:
        self.translation = translation
        self.scope = scope
        self.windows = windows or {}
        self._bind_query = bind_query
        self.trying = False
        self._lambda_variables: list[dict[str, Bound]] = []
        self.caller = Caller(self.bind, self._bind_lambda)

    def bind(self, node: exp.Expr) -> Bound:
        """The meaning of `node`."""
        handler = self._HANDLERS.get(type(node))
        if handler is None:
            word = type(node).__name__.upper()
            raise rejected(node, f"{word} is not supported by the local Timestream")
        try:
            bound = handler(self, node)
        except ValueError as error:
            raise rejected(node, str(error)) from error
        if len(bound.sql) > MOST_TEXT:
            raise rejected(node, "The expression is too complex; use a subquery for its parts")
        return bound

    def condition(self, node: exp.Expr) -> str:
        """DuckDB's text of an expression that must be true or false."""
        bound = self.bind(node)
        if bound.type not in (BOOLEAN, UNKNOWN):
            raise rejected(node, f"A boolean was expected, but the expression is {bound.type}")
        return coerce(bound, BOOLEAN).sql

    def common(self, node: exp.Expr, parts: Sequence[exp.Expr]) -> tuple[list[str], Type]:
        """The texts of several expressions, all turned into the type that they share."""
        bound = [self.bind(part) for part in parts]
        kind = common_type([part.type for part in bound])
        if kind is None:
            kinds = ", ".join(str(part.type) for part in bound)
            raise rejected(node, f"All values must have the same type, but they are {kinds}")
        return [coerce(part, kind).sql for part in bound], kind

    # Names

    def _column(self, node: exp.Column) -> Bound:
        only(node, "this", "table", "db", "catalog")
        if isinstance(node.this, exp.Star):
            raise rejected(node, "* can only stand alone in a SELECT list")
        return self._named(node, [part.name for part in node.parts if isinstance(part, exp.Expr)])

    def _named(self, node: exp.Expr, names: list[str]) -> Bound:
        for variables in reversed(self._lambda_variables):
            if names[0].lower() in variables:
                return dereference(node, variables[names[0].lower()], names[1:])
        return self.scope.resolve(node, names)

    def _dot(self, node: exp.Expr) -> Bound:
        only(node, "this", "expression")
        if not isinstance(node.expression, exp.Identifier):
            raise rejected(node, "A function's name can't be qualified")
        return dereference(node, self.bind(node.this), [node.expression.name])

    def _bind_lambda(self, node: exp.Lambda, kinds: Sequence[Type]) -> tuple[list[str], Bound]:
        only(node, "this", "expressions")
        names = [self.translation.fresh("p") for _ in kinds]
        variables = {
            part.name.lower(): Bound(name, kind)
            for part, name, kind in zip(node.expressions, names, kinds, strict=True)
        }
        self._lambda_variables.append(variables)
        try:
            return names, self.bind(node.this)
        finally:
            self._lambda_variables.pop()

    def _parameter(self, node: exp.Expr) -> Bound:
        name, parameters = node.name, self.translation.parameters
        if not self.translation.preparing:
            raise rejected(
                node, f"@{name} has no value: parameters are only allowed in PrepareQuery"
            )
        known = parameters.setdefault(name, UNKNOWN)

        def decide(kind: Type) -> None:
            parameters[name] = kind

        return Bound(f"CAST(NULL AS {known.duckdb})", known, decide=decide)

    # Literals and constructors

    def _null(self, _: exp.Expr) -> Bound:
        return Bound("NULL", UNKNOWN)

    def _boolean(self, node: exp.Expr) -> Bound:
        return Bound("true" if node.this else "false", BOOLEAN)

    def _paren(self, node: exp.Expr) -> Bound:
        inner = self.bind(node.this)
        return Bound(f"({inner.sql})", inner.type, inner.literal, inner.decide)

    def _array(self, node: exp.Expr) -> Bound:
        only(node, "expressions")
        texts, kind = self.common(node, node.expressions)
        empty = Array(kind)
        text = f"[{', '.join(texts)}]"
        return Bound(text if texts else f"CAST([] AS {empty.duckdb})", empty)

    def row(self, node: exp.Expr, parts: Sequence[exp.Expr]) -> Bound:
        """A row of values, whose fields have no names yet."""
        if not parts:
            raise rejected(node, "ROW needs at least one value")
        bound = [self.bind(part) for part in parts]
        fields = ", ".join(f"f{place} := {part.sql}" for place, part in enumerate(bound, 1))
        return Bound(f"struct_pack({fields})", Row(tuple((None, part.type) for part in bound)))

    def present(self, node: exp.Expr) -> Bound:
        """The query's one present moment, as a timestamp, date or time."""
        only(node)
        now = instant(f"CAST({self.translation.now} AS BIGINT)")
        kind = _PRESENT.get(type(node), TIMESTAMP)
        return Bound(cast_sql(now, TIMESTAMP, kind), kind)

    # Operators

    def _arithmetic(self, node: exp.Expr) -> Bound:
        left, right = self.bind(node.this), self.bind(node.expression)
        result = operators.arithmetic(operators.ARITHMETIC[type(node)], left, right)
        return result or self._mismatch(node, operators.ARITHMETIC[type(node)], left, right)

    def _mismatch(self, node: exp.Expr, operator: str, left: Bound, right: Bound) -> NoReturn:
        raise rejected(node, f"Cannot apply operator: {left.type} {operator} {right.type}")

    def _negative(self, node: exp.Expr) -> Bound:
        value = self.bind(node.this)
        if value.type not in (*NUMERIC, *operators.INTERVALS):
            raise rejected(node, f"Cannot apply operator: -{value.type}")
        literal = -value.literal if isinstance(value.literal, int | float) else None
        return Bound(f"(-{value.sql})", value.type, literal)

    def _joined(self, node: exp.Expr) -> Bound:
        word = "AND" if isinstance(node, exp.And) else "OR"
        return Bound(
            f"({self.condition(node.this)} {word} {self.condition(node.expression)})", BOOLEAN
        )

    def _negation(self, node: exp.Expr) -> Bound:
        return Bound(f"(NOT {self.condition(node.this)})", BOOLEAN)

    def _concatenation(self, node: exp.Expr) -> Bound:
        return self.caller.scalar(node, "concat", [node.this, node.expression])

    def _comparison(self, node: exp.Expr) -> Bound:
        operator = operators.COMPARISONS[type(node)]
        if isinstance(node.expression, exp.Any | exp.All):
            return self._quantified(node, operator, node.expression)
        left, right = self.bind(node.this), self.bind(node.expression)
        return operators.comparison(operator, left, right) or self._mismatch(
            node, operator, left, right
        )

    def _quantified(self, node: exp.Expr, operator: str, quantifier: exp.Expr) -> Bound:
        inner = quantifier.this
        inner = inner.this if isinstance(inner, exp.Subquery | exp.Paren) else inner
        query = self._single_column(quantifier, inner)
        left, kind = self.bind(node.this), query.fields[0].type
        if left.type != kind and common_type((left.type, kind)) is None:
            self._mismatch(node, operator, left, Bound("", kind))
        word = "ANY" if isinstance(quantifier, exp.Any) else "ALL"
        return Bound(f"({left.sql} {operator} {word}({query.sql}))", BOOLEAN)

    def _between(self, node: exp.Expr) -> Bound:
        only(node, "this", "low", "high")
        value, low, high = (self.bind(node.args[name]) for name in ("this", "low", "high"))
        parts = operators.alike(value, low, high)
        if parts is None:
            self._mismatch(node, "BETWEEN", value, low)
        value, low, high = parts or []
        return Bound(f"({value.sql} BETWEEN {low.sql} AND {high.sql})", BOOLEAN)

    def _membership(self, node: exp.Expr) -> Bound:
        only(node, "this", "expressions", "query")
        value = self.bind(node.this)
        if node.args.get("query"):
            query = self._single_column(node, node.args["query"].this)
            kind = query.fields[0].type
            if common_type((value.type, kind)) is None:
                self._mismatch(node, "IN", value, Bound("", kind))
            return Bound(f"({value.sql} IN ({query.sql}))", BOOLEAN)
        choices = [self.bind(part) for part in node.expressions]
        parts = operators.alike(value, *choices)
        if parts is None:
            self._mismatch(node, "IN", value, choices[0])
        texts = [part.sql for part in parts or []]
        return Bound(f"({texts[0]} IN ({', '.join(texts[1:])}))", BOOLEAN)

    def _null_test(self, node: exp.Expr) -> Bound:
        if not isinstance(node.expression, exp.Null):
            raise rejected(node, "IS must be followed by NULL, NOT NULL or DISTINCT FROM")
        return Bound(f"({self.bind(node.this).sql} IS NULL)", BOOLEAN)

    def _like(self, node: exp.Expr) -> Bound:
        only(node, "this", "expression", "negate")
        word = "NOT LIKE" if node.args.get("negate") else "LIKE"
        return Bound(f"({self.text(node.this)} {word} {self.text(node.expression)})", BOOLEAN)

    def _escape(self, node: exp.Expr) -> Bound:
        like, escape = node.this, node.expression
        if not isinstance(like, exp.Like) or len(escape.name) != 1:
            raise rejected(node, "ESCAPE must follow LIKE, with a string of one character")
        return Bound(f"({self._like(like).sql[1:-1]} ESCAPE {self.text(escape)})", BOOLEAN)

    def text(self, node: exp.Expr) -> str:
        """DuckDB's text of an expression that must be a varchar."""
        bound = self.bind(node)
        if bound.type not in (VARCHAR, UNKNOWN):
            raise rejected(node, f"A varchar was expected, but the expression is {bound.type}")
        return coerce(bound, VARCHAR).sql

    def _element(self, node: exp.Expr) -> Bound:
        only(node, "this", "expressions")
        array = self.bind(node.this)
        kind = array.type.rows if isinstance(array.type, TimeSeries) else array.type
        if not isinstance(kind, Array) or len(node.expressions) != 1:
            raise rejected(node, f"Cannot take an element of {array.type} with [ ]")
        index = self.bind(node.expressions[0])
        if index.type not in (*NUMERIC[:2], UNKNOWN):
            raise rejected(node, f"An array's index must be a whole number, not {index.type}")
        place = coerce(index, BIGINT).sql
        return Bound(
            f"(CASE WHEN {place} < 1 OR {place} > len({array.sql}) THEN error('The array has no"
            f" element ' || CAST({place} AS VARCHAR)) ELSE ({array.sql})[{place}] END)",
            kind.element,
        )

    # Conditionals and casts

    def _case(self, node: exp.Expr) -> Bound:
        only(node, "this", "ifs", "default")
        branches, operand = node.args["ifs"], node.args.get("this")
        default = node.args.get("default") or exp.Null()
        conditions = [
            self.bind(exp.EQ(this=operand, expression=branch.this, copy=False)).sql
            if operand
            else self.condition(branch.this)
            for branch in branches
        ]
        texts, kind = self.common(node, [*(branch.args["true"] for branch in branches), default])
        whens = " ".join(
            f"WHEN {condition} THEN {text}"
            for condition, text in zip(conditions, texts[:-1], strict=True)
        )
        return Bound(f"(CASE {whens} ELSE {texts[-1]} END)", kind)

    def choice(
        self, node: exp.Expr, condition: exp.Expr, yes: exp.Expr, no: exp.Expr | None = None
    ) -> Bound:
        """IF(condition, yes[, no])."""
        texts, kind = self.common(node, [yes, no or exp.Null()])
        test = self.condition(condition)
        return Bound(f"(CASE WHEN {test} THEN {texts[0]} ELSE {texts[1]} END)", kind)

    def _cast(self, node: exp.Expr) -> Bound:
        only(node, "this", "to", "safe")
        value, kind = self.bind(node.this), read_type(node.args["to"])
        try:
            if isinstance(node.this, exp.Literal) and isinstance(value.literal, str):
                text = cast_literal(value.literal, kind)
            else:
                text = cast_sql(value.sql, value.type, kind)
        except ValueError:
            if not isinstance(node, exp.TryCast) and not self.trying:
                raise
            text = f"CAST(NULL AS {kind.duckdb})"
        except LookupError as error:
            raise rejected(node, f"Cannot cast {value.type} to {kind}") from error
        if value.decide:
            value.decide(kind)
        return Bound(f"TRY({text})" if isinstance(node, exp.TryCast) else text, kind)

    # Subqueries

    def _single_column(self, node: exp.Expr, query: exp.Expr) -> Query:
        bound = self._bind_query(query, self.scope)
        if len(bound.fields) != 1:
            raise rejected(node, f"A subquery must give one column here, not {len(bound.fields)}")
        return bound

    def _subquery(self, node: exp.Expr) -> Bound:
        only(node, "this")
        query = self._single_column(node, node.this)
        return Bound(f"({query.sql})", query.fields[0].type)

    def _exists(self, node: exp.Expr) -> Bound:
        return Bound(f"EXISTS({self._bind_query(node.this, self.scope).sql})", BOOLEAN)

    _HANDLERS: ClassVar[dict[type[exp.Expr], Callable[..., Bound]]] = {
        **dict.fromkeys(operators.ARITHMETIC, _arithmetic),
        **dict.fromkeys(operators.COMPARISONS, _comparison),
        **dict.fromkeys((exp.And, exp.Or), _joined),
        **dict.fromkeys((exp.Cast, exp.TryCast), _cast),
        **dict.fromkeys(
            (
                exp.CurrentDate,
                exp.CurrentTime,
                exp.CurrentTimestamp,
                exp.Localtime,
                exp.Localtimestamp,
            ),
            present,
        ),
        exp.Anonymous: invocations.call,
        exp.Window: invocations.aggregate,
        exp.Filter: invocations.aggregate,
        exp.IgnoreNulls: invocations.aggregate,
        exp.Extract: invocations.extract,
        exp.Substring: invocations.substring,
        exp.StrPosition: invocations.position,
        exp.Trim: invocations.trim,
        exp.Literal: lambda _, node: read_literal(node),
        exp.Interval: lambda _, node: read_interval(node),
        exp.Column: _column,
        exp.Identifier: lambda self, node: self._named(node, [node.name]),
        exp.Dot: _dot,
        exp.Parameter: _parameter,
        exp.Null: _null,
        exp.Boolean: _boolean,
        exp.Paren: _paren,
        exp.Array: _array,
        exp.Tuple: lambda self, node: self.row(node, node.expressions),
        exp.Neg: _negative,
        exp.Not: _negation,
        exp.DPipe: _concatenation,
        exp.Between: _between,
        exp.In: _membership,
        exp.Is: _null_test,
        exp.Like: _like,
        exp.Escape: _escape,
        exp.Bracket: _element,
        exp.Case: _case,
        exp.Subquery: _subquery,
        exp.Exists: _exists,
    }
