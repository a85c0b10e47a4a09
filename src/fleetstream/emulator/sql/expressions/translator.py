"""The translator of expressions: it dispatches each kind of node to its handler."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from sqlglot import exp

from fleetstream.emulator.sql.conversion import convert
from fleetstream.emulator.sql.errors import keywords, query_error
from fleetstream.emulator.sql.expressions import (
    aggregate_calls,
    arithmetic,
    comparisons,
    conditionals,
    literals,
    names,
    special_calls,
    subqueries,
)
from fleetstream.emulator.sql.expressions.handlers import Handlers
from fleetstream.emulator.sql.name_resolution import NameScope
from fleetstream.emulator.sql.translation import TranslatedQuery, TranslationContext
from fleetstream.emulator.sql.typed_sql import TypedSql
from fleetstream.emulator.sql.types import (
    BOOLEAN,
    UNKNOWN,
    VARCHAR,
    ScalarType,
    SqlType,
    common_type,
)

MAX_EXPRESSION_CHARACTERS = 250_000
"""Maximum size of one expression in DuckDB's SQL."""

QueryTranslation = Callable[[exp.Expr, NameScope], TranslatedQuery]

_HANDLERS: Handlers = {
    **names.HANDLERS,
    **literals.HANDLERS,
    **arithmetic.HANDLERS,
    **comparisons.HANDLERS,
    **conditionals.HANDLERS,
    **subqueries.HANDLERS,
    **aggregate_calls.HANDLERS,
    **special_calls.HANDLERS,
}


class ExpressionTranslator:
    """Translates the expressions of one query.

    Nodes without a handler, and parts of a node that its handler does not use, are errors.

    Attributes:
        context: The state of the statement's translation.
        scope: The names that are known in the query.
        windows: The windows of the query's WINDOW clause, by name in lower case.
        lambda_variables: The variables of the lambdas around the current node, outermost first.
        inside_try: Whether the current node is inside TRY, where an invalid literal is null.

    """

    def __init__(
        self,
        context: TranslationContext,
        scope: NameScope,
        translate_query: QueryTranslation,
        windows: Mapping[str, exp.Expr] | None = None,
    ) -> None:
        self.context = context
        self.scope = scope
        self.windows = windows or {}
        self.lambda_variables: list[dict[str, TypedSql]] = []
        self.inside_try = False
        self._translate_query = translate_query

    def translate(self, node: exp.Expr) -> TypedSql:
        """Raises ValidationException, with the node's position, if the expression is invalid."""
        handler = _HANDLERS.get(type(node))
        if handler is None:
            raise query_error(node, f"{keywords(node)} is not supported by the local Timestream")
        try:
            result = handler(self, node)
        except ValueError as error:
            raise query_error(node, str(error)) from error
        if len(result.sql) > MAX_EXPRESSION_CHARACTERS:
            raise query_error(node, "The expression is too complex; use a subquery for its parts")
        return result

    def boolean(self, node: exp.Expr) -> str:
        """Translate an expression that must be a boolean."""
        return self._translate_as(BOOLEAN, node)

    def varchar(self, node: exp.Expr) -> str:
        """Translate an expression that must be a varchar."""
        return self._translate_as(VARCHAR, node)

    def _translate_as(self, wanted: ScalarType, node: exp.Expr) -> str:
        result = self.translate(node)
        if result.type not in (wanted, UNKNOWN):
            raise query_error(node, f"A {wanted} was expected, but the expression is {result.type}")
        return convert(result, wanted).sql

    def same_type(
        self, node: exp.Expr, parts: Sequence[exp.Expr]
    ) -> tuple[list[TypedSql], SqlType]:
        """Translate expressions, and convert them to their common type."""
        values = [self.translate(part) for part in parts]
        common = common_type([value.type for value in values])
        if common is None:
            types = ", ".join(str(value.type) for value in values)
            raise query_error(node, f"All values must have the same type, but they are {types}")
        return [convert(value, common) for value in values], common

    def query(self, node: exp.Expr) -> TranslatedQuery:
        """Translate a subquery."""
        return self._translate_query(node, self.scope)

    @contextmanager
    def lambda_scope(self, variables: dict[str, TypedSql]) -> Iterator[None]:
        """Make the variables of a lambda known, by name in lower case."""
        self.lambda_variables.append(variables)
        try:
            yield
        finally:
            self.lambda_variables.pop()
