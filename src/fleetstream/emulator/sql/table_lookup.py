"""Finding the databases and tables that a statement names."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from fleetstream.emulator.sql.errors import query_error, require_only
from fleetstream.emulator.sql.translation import CatalogReader


def find_table(catalog: CatalogReader, node: exp.Expr) -> tuple[str, str]:
    """The names of the stored database and table that ``"database"."table"`` denotes.

    Names match exactly, or without regard to letter case if one stored name does. Raises
    ValidationException if there is no such table, or more than one.
    """
    require_only(node, "this", "db", "alias", "joins")
    database, table = node.args.get("db"), node.this
    if not isinstance(table, exp.Identifier):
        raise query_error(node, f"Table function '{table.name or table}' is not supported")
    if database is None:
        raise query_error(node, f'Table \'{table.name}\' needs its database: "database"."table"')
    found = _find(node, "Database", database.name, catalog.databases())
    return found, _find(node, "Table", table.name, catalog.tables(found), f"{found}.")


def find_database(catalog: CatalogReader, node: exp.Expr) -> str:
    """The name of the stored database that a node denotes, by the rules of ``find_table``."""
    require_only(node, "this")
    return _find(node, "Database", node.name, catalog.databases())


def _find(node: exp.Expr, what: str, name: str, stored: Sequence[str], prefix: str = "") -> str:
    if name in stored:
        return name
    similar = [other for other in stored if other.lower() == name.lower()]
    if not similar:
        raise query_error(node, f"{what} '{prefix}{name}' does not exist")
    if len(similar) > 1:
        raise query_error(
            node,
            f"{what} '{prefix}{name}' is ambiguous: it can be {' or '.join(similar)}; use the exact"
            " letter case",
        )
    return similar[0]
