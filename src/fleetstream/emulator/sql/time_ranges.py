"""The times that a query's conditions leave of each table that it reads.

A condition counts where it compares the column ``time`` itself with a value that does not depend on
a row, and has to hold together with all others (``AND``) in the WHERE of the SELECT that reads the
table. These are the conditions by which the service can leave out data without reading them.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from fleetstream.emulator.errors import ValidationException
from fleetstream.emulator.sql.conversion import convert, convert_literal, is_text_literal
from fleetstream.emulator.sql.expressions.translator import ExpressionTranslator, QueryTranslation
from fleetstream.emulator.sql.name_resolution import NameScope
from fleetstream.emulator.sql.translation import TimeRange, TranslationContext
from fleetstream.emulator.sql.types import DATE, TIMESTAMP

_MIRRORED: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.GT: exp.LT,
    exp.GTE: exp.LTE,
    exp.LT: exp.GT,
    exp.LTE: exp.GTE,
    exp.EQ: exp.EQ,
}


class TimeRangeReader:
    """Reads the conditions of one SELECT, whose FROM has been translated into ``scope``."""

    def __init__(
        self, context: TranslationContext, scope: NameScope, translate_query: QueryTranslation
    ) -> None:
        self._scope = scope
        # Without relations, so that what depends on a column is an error.
        self._constants = ExpressionTranslator(context, NameScope(), translate_query)

    def ranges(self, where: exp.Expr | None) -> Iterator[TimeRange]:
        """One range for each stored table of FROM."""
        bounds = list(self._bounds(where)) if where is not None else []
        for relation in self._scope.relations:
            stored = relation.stored
            if stored is None:
                continue
            times = {column.sql for column in relation.columns if column.is_named("time")}
            own = [(kind, sql) for column, kind, sql in bounds if column in times]
            yield TimeRange(
                stored.database,
                stored.table,
                starts=tuple(sql for kind, sql in own if kind in (exp.GT, exp.GTE, exp.EQ)),
                ends=tuple(sql for kind, sql in own if kind in (exp.LT, exp.LTE, exp.EQ)),
            )

    def _bounds(self, where: exp.Expr) -> Iterator[tuple[str, type[exp.Expr], str]]:
        """Column, operator and value of each comparison of a column with a constant."""
        node = where.unnest()
        if isinstance(node, exp.And):
            for part in node.flatten():
                yield from self._bounds(part)
        elif isinstance(node, exp.Between):
            yield from self._bound(node.this, exp.GTE, node.args["low"])
            yield from self._bound(node.this, exp.LTE, node.args["high"])
        elif type(node) in _MIRRORED:
            yield from self._bound(node.this, type(node), node.expression)
            yield from self._bound(node.expression, _MIRRORED[type(node)], node.this)

    def _bound(
        self, column: exp.Expr, operator: type[exp.Expr], value: exp.Expr
    ) -> Iterator[tuple[str, type[exp.Expr], str]]:
        column = column.unnest()
        if not isinstance(column, exp.Column) or value.find(exp.Query):
            return
        names = [part.name for part in column.parts]
        found = self._scope.resolve_here(column, names)
        if found is None or found.type != TIMESTAMP:
            return
        moment = self._moment(value)
        if moment is not None:
            yield found.sql, operator, moment

    def _moment(self, node: exp.Expr) -> str | None:
        """The SQL of a constant timestamp; None if the expression is anything else."""
        try:
            value = self._constants.translate(node)
        except ValidationException:
            return None
        if is_text_literal(value):
            return convert_literal(value, TIMESTAMP).sql
        return convert(value, TIMESTAMP).sql if value.type in (TIMESTAMP, DATE) else None
