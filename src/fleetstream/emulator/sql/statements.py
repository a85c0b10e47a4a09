"""Statements: from a query's text to DuckDB's SQL, or to the rows of a catalog listing."""

from __future__ import annotations

from sqlglot import exp

from fleetstream.emulator.errors import ValidationException
from fleetstream.emulator.sql.catalog_statements import translate_describe, translate_show
from fleetstream.emulator.sql.conversion import cast_sql
from fleetstream.emulator.sql.errors import query_error
from fleetstream.emulator.sql.functions import AGGREGATES
from fleetstream.emulator.sql.parsing import parse
from fleetstream.emulator.sql.queries import QueryTranslator
from fleetstream.emulator.sql.translation import (
    CatalogReader,
    TimeRange,
    TranslatedQuery,
    TranslatedStatement,
    TranslationContext,
)
from fleetstream.emulator.sql.types import result_type


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
        tree = parse(text)
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
        tree = parse(text)
        if isinstance(tree, exp.Show | exp.Describe):
            raise query_error(tree, "Expected a query: SELECT or WITH")
        context = TranslationContext(catalog, time_ranges=time_ranges)
        return QueryTranslator(context).translate(tree, None)
    except RecursionError as error:
        raise ValidationException("The query is nested too deeply") from error


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
