"""SHOW and DESCRIBE."""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot import exp

from fleetstream.emulator.sql.errors import query_error, require_only
from fleetstream.emulator.sql.table_lookup import find_database, find_table
from fleetstream.emulator.sql.translation import CatalogReader, QueryColumn, TranslatedStatement
from fleetstream.emulator.sql.types import VARCHAR, ArrayType, RowType
from fleetstream.emulator.store.catalog import TableColumn

_ATTRIBUTE_TYPES = {
    "dimension": "DIMENSION",
    "measure_name": "MEASURE_NAME",
    "time": "TIMESTAMP",
    "measure_value": "MULTI",
}
_DIMENSION = RowType((("dimension_name", VARCHAR), ("data_type", VARCHAR)))


def translate_show(tree: exp.Show, catalog: CatalogReader) -> TranslatedStatement:
    """SHOW DATABASES, SHOW TABLES and SHOW MEASURES."""
    source, matches = tree.args.get("db"), _like(tree.args.get("like"))
    if tree.name == "DATABASES":
        names = [name for name in catalog.databases() if matches(name)]
        return TranslatedStatement(_text_columns("Database"), rows=[[name] for name in names])
    if tree.name == "TABLES":
        databases = catalog.databases() if source is None else [find_database(catalog, source)]
        tables = [name for database in databases for name in catalog.tables(database)]
        rows = [[name] for name in tables if matches(name)]
        return TranslatedStatement(_text_columns("Table"), rows=rows)
    if source is None:
        raise query_error(tree, "SHOW MEASURES needs its table: FROM database.table")
    measures = [
        [name, measure_type, [{"f1": dimension, "f2": "varchar"} for dimension in dimensions]]
        for name, measure_type, dimensions in catalog.measures(*find_table(catalog, source))
        if matches(name)
    ]
    dimensions_column = QueryColumn("dimensions", "", ArrayType(_DIMENSION))
    columns = (*_text_columns("measure_name", "data_type"), dimensions_column)
    return TranslatedStatement(columns, rows=measures)


def translate_describe(tree: exp.Describe, catalog: CatalogReader) -> TranslatedStatement:
    """DESCRIBE database.table."""
    require_only(tree, "this")
    if not isinstance(tree.this, exp.Table):
        raise query_error(tree, "DESCRIBE must be followed by database.table")
    columns = catalog.columns(*find_table(catalog, tree.this))
    rows = [[column.name, column.type.lower(), _attribute_type(column)] for column in columns]
    names = _text_columns("Column", "Type", "Timestream attribute type")
    return TranslatedStatement(names, rows=rows)


def _text_columns(*names: str) -> tuple[QueryColumn, ...]:
    return tuple(QueryColumn(name, name, VARCHAR) for name in names)


def _like(pattern: exp.Expr | None) -> Callable[[str], bool]:
    """A test whether a name matches a LIKE pattern; without a pattern, every name does."""
    if pattern is None:
        return lambda _: True
    wildcards = {"%": ".*", "_": "."}
    expression = "".join(wildcards.get(letter, re.escape(letter)) for letter in pattern.name)
    return lambda name: re.fullmatch(expression, name, re.DOTALL) is not None


def _attribute_type(column: TableColumn) -> str:
    """The service's word for a column's role; single-measure values have their own."""
    if column.role == "measure_value" and column.name.startswith("measure_value::"):
        return "MEASURE_VALUE"
    return _ATTRIBUTE_TYPES[column.role]
