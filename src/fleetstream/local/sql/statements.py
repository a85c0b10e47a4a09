"""Statements: from a query's text to what DuckDB is to run, or to a listing of the catalogue."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlglot import Token, exp
from sqlglot.errors import ParseError, TokenError

from fleetstream.local.catalog import Column
from fleetstream.local.errors import ValidationException
from fleetstream.local.sql.conversion import cast_sql
from fleetstream.local.sql.dialect import Timestream
from fleetstream.local.sql.queries import Queries
from fleetstream.local.sql.rejection import only, rejected
from fleetstream.local.sql.rows import as_text
from fleetstream.local.sql.scope import Field, Tables, Translation
from fleetstream.local.sql.sources import find_table
from fleetstream.local.sql.types import VARCHAR, Array, Row, Type

_BEGINNINGS = frozenset({"SELECT", "WITH", "SHOW", "DESCRIBE", "DESC", "("})
_SHORT = 10_000
"""Texts up to this many characters are kept parsed; longer ones are rarely sent twice."""

_ATTRIBUTES = {
    "dimension": "DIMENSION",
    "measure_name": "MEASURE_NAME",
    "time": "TIMESTAMP",
    "measure_value": "MULTI",
}
_DIMENSION = Row((("dimension_name", VARCHAR), ("data_type", VARCHAR)))


@dataclass(frozen=True)
class Statement:
    """What a statement comes down to.

    `sql` is for DuckDB, and gives every single value as text; without it, `listed` are the rows.
    `parameters` are those of a query that is being prepared, with the types found for them.
    """

    fields: tuple[Field, ...]
    sql: str | None = None
    listed: Sequence[Sequence[Any]] = ()
    parameters: Mapping[str, Type] | None = None


def translate(text: str, tables: Tables, *, preparing: bool = False) -> Statement:
    """The meaning of one statement of Timestream's SQL, with the tables as they are now.

    Raises:
        ValidationException: it is not one statement that the local Timestream knows; the message
            has the place and what is wrong there.

    """
    try:
        tree = _parse_short(text) if len(text) <= _SHORT else _parse(text)
        if isinstance(tree, exp.Show):
            return _show(tree, Translation(tables))
        if isinstance(tree, exp.Describe):
            return _describe(tree, Translation(tables))
        return _query(tree, Translation(tables, preparing))
    except RecursionError as error:
        raise ValidationException("The query is nested too deeply") from error


def _parse(text: str) -> exp.Expr:
    dialect = Timestream()
    try:
        tokens = dialect.tokenize(text)
        if tokens and tokens[0].text.upper() not in _BEGINNINGS:
            raise ValidationException(
                f"line {tokens[0].line}:{_column(tokens[0])}: mismatched input '{tokens[0].text}':"
                " only SELECT, WITH, SHOW and DESCRIBE statements are supported"
            )
        trees = [tree for tree in dialect.parser().parse(tokens, text) if tree is not None]
    except ParseError as error:
        raise ValidationException(_where(error)) from error
    except TokenError as error:
        raise ValidationException(f"The query can't be read: {error}") from error
    if len(trees) != 1:
        raise ValidationException(
            f"A query must be exactly one statement, but this text has {len(trees)}"
        )
    return trees[0]


def _column(token: Token) -> int:
    """Where a token begins, counted from 1; it notes the column of its end."""
    return max(token.col - (token.end - token.start), 1)


_parse_short = lru_cache(maxsize=256)(_parse)


def _where(error: ParseError) -> str:
    if not error.errors:
        return f"The query can't be read: {error}"
    first = error.errors[0]
    near = str(first.get("highlight") or "")
    column = max((first.get("col") or 1) - max(len(near), 1) + 1, 1)
    return f"line {first.get('line')}:{column}: mismatched input '{near}': {first['description']}"


def _query(tree: exp.Expr, translation: Translation) -> Statement:
    query = Queries(translation).bind(tree, None)
    texts = ", ".join(
        f"{cast_sql(part.sql, part.type, as_text(part.type))} AS {part.sql}"
        for part in query.fields
    )
    return Statement(
        query.fields,
        sql=f"SELECT {texts} FROM ({query.sql})",
        parameters=dict(translation.parameters),
    )


def _text_columns(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, name, VARCHAR) for name in names)


def _show(tree: exp.Expr, translation: Translation) -> Statement:
    source, tables = tree.args.get("db"), translation.tables
    keep = _like(tree.args.get("like"))
    if tree.name == "DATABASES":
        return Statement(
            _text_columns("Database"), listed=[[name] for name in tables.databases() if keep(name)]
        )
    if tree.name == "TABLES":
        databases = list(tables.databases())
        if source is not None:
            databases = [_database(source, databases)]
        found = [name for database in databases for name in tables.tables(database) if keep(name)]
        return Statement(_text_columns("Table"), listed=[[name] for name in found])
    if source is None:
        raise rejected(tree, "SHOW MEASURES needs its table: FROM database.table")
    measures = tables.measures(*find_table(translation, source))
    fields = (
        *_text_columns("measure_name", "data_type"),
        Field("dimensions", "", Array(_DIMENSION)),
    )
    listed = [
        [name, kind, [{"f1": dimension, "f2": "varchar"} for dimension in dimensions]]
        for name, kind, dimensions in measures
        if keep(name)
    ]
    return Statement(fields, listed=listed)


def _database(source: exp.Expr, known: Sequence[str]) -> str:
    found = [name for name in known if name.lower() == source.name.lower()]
    if source.args.get("db") is not None or not found:
        raise rejected(source, f"Database '{source.name}' does not exist")
    return source.name if source.name in found else found[0]


def _like(pattern: exp.Expr | None) -> Callable[[str], bool]:
    """Whether a name is LIKE the pattern; without one, every name is."""
    if pattern is None:
        return lambda _: True
    letters = {"%": ".*", "_": "."}
    expression = "".join(letters.get(letter, re.escape(letter)) for letter in pattern.name)
    return lambda name: re.fullmatch(expression, name, re.DOTALL) is not None


def _describe(tree: exp.Expr, translation: Translation) -> Statement:
    only(tree, "this")
    if not isinstance(tree.this, exp.Table):
        raise rejected(tree, "DESCRIBE must be followed by database.table")
    columns = translation.tables.columns(*find_table(translation, tree.this))
    listed = [[column.name, column.type, _attribute(column)] for column in columns]
    return Statement(_text_columns("Column", "Type", "Timestream attribute type"), listed=listed)


def _attribute(column: Column) -> str:
    """The service's word for what a column is; single-measure values have one of their own."""
    if column.kind == "measure_value" and column.name.startswith("measure_value::"):
        return "MEASURE_VALUE"
    return _ATTRIBUTES[column.kind]
