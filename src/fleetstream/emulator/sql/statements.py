"""Statements: from a query's text to DuckDB's SQL, or to the rows of a catalog listing."""

from __future__ import annotations

from functools import lru_cache

from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from fleetstream.emulator.errors import ValidationException
from fleetstream.emulator.sql.catalog_statements import translate_describe, translate_show
from fleetstream.emulator.sql.conversion import cast_sql
from fleetstream.emulator.sql.dialect import TimestreamDialect
from fleetstream.emulator.sql.errors import query_error, token_column
from fleetstream.emulator.sql.functions import AGGREGATES
from fleetstream.emulator.sql.queries import QueryTranslator
from fleetstream.emulator.sql.translation import (
    CatalogReader,
    TimeRange,
    TranslatedQuery,
    TranslatedStatement,
    TranslationContext,
)
from fleetstream.emulator.sql.types import result_type

_FIRST_TOKENS = frozenset({"SELECT", "VALUES", "WITH", "SHOW", "DESCRIBE", "DESC", "("})
_MAX_CACHED_CHARACTERS = 10_000
"""Longer texts are not cached, because they are rarely sent again."""


def translate(
    text: str,
    catalog: CatalogReader,
    *,
    preparing: bool = False,
    time_ranges: list[TimeRange] | None = None,
) -> TranslatedStatement:
    """Translate one statement, with the tables as they are now.

    ``time_ranges`` gets the time range of each table that a query reads.
    Raises ValidationException, with the position in the text, if it is invalid or not supported.
    """
    try:
        tree = _parse_cached(text) if len(text) <= _MAX_CACHED_CHARACTERS else _parse(text)
        if isinstance(tree, exp.Show):
            return translate_show(tree, catalog)
        if isinstance(tree, exp.Describe):
            return translate_describe(tree, catalog)
        return _translate_query(tree, TranslationContext(catalog, preparing, time_ranges))
    except RecursionError as error:
        raise ValidationException("The query is nested too deeply") from error


def translate_query(
    text: str, catalog: CatalogReader, *, time_ranges: list[TimeRange] | None = None
) -> TranslatedQuery:
    """Translate one query, with values of their own types; SHOW and DESCRIBE are no queries.

    ``time_ranges`` gets the time range of each table that the query reads.
    Raises ValidationException, with the position in the text, if it is invalid or not supported.
    """
    try:
        tree = _parse(text)
        if isinstance(tree, exp.Show | exp.Describe):
            raise query_error(tree, "Expected a query: SELECT or WITH")
        context = TranslationContext(catalog, time_ranges=time_ranges)
        return QueryTranslator(context).translate(tree, None)
    except RecursionError as error:
        raise ValidationException("The query is nested too deeply") from error


def _parse(text: str) -> exp.Expr:
    dialect = TimestreamDialect()
    try:
        tokens = dialect.tokenize(text)
        if tokens and tokens[0].text.upper() not in _FIRST_TOKENS:
            raise ValidationException(
                f"line {tokens[0].line}:{token_column(tokens[0])}: mismatched input"
                f" '{tokens[0].text}': only SELECT, VALUES, WITH, SHOW and DESCRIBE statements are"
                " supported"
            )
        trees = [tree for tree in dialect.parser().parse(tokens, text) if tree is not None]
    except ParseError as error:
        raise ValidationException(_parse_error(error)) from error
    except TokenError as error:
        raise ValidationException(f"The query can't be read: {error}") from error
    if len(trees) != 1:
        raise ValidationException(
            f"A query must be exactly one statement, but this text has {len(trees)}"
        )
    return trees[0]


_parse_cached = lru_cache(maxsize=256)(_parse)


def _parse_error(error: ParseError) -> str:
    if not error.errors:
        return f"The query can't be read: {error}"
    first = error.errors[0]
    token = str(first.get("highlight") or "")
    column = max((first.get("col") or 1) - max(len(token), 1) + 1, 1)
    return f"line {first.get('line')}:{column}: mismatched input '{token}': {first['description']}"


def _translate_query(tree: exp.Expr, context: TranslationContext) -> TranslatedStatement:
    query = QueryTranslator(context).translate(tree, None)
    texts = ", ".join(
        f"{cast_sql(column.sql, column.type, result_type(column.type))} AS {column.sql}"
        for column in query.columns
    )
    return TranslatedStatement(
        query.columns,
        sql=f"SELECT {texts} FROM ({query.sql})",
        parameters=dict(context.parameters),
        aggregated=_is_aggregated(tree),
    )


def _is_aggregated(tree: exp.Expr) -> bool:
    """Whether there is a GROUP BY, or an aggregate function without OVER."""
    return any(
        isinstance(node, exp.Group)
        or (str(node.this).lower() in AGGREGATES and not isinstance(node.parent, exp.Window))
        for node in tree.find_all(exp.Group, exp.Anonymous)
    )
