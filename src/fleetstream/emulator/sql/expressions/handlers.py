"""The type of the tables of handlers, which translate one kind of node each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlglot import exp

from fleetstream.emulator.sql.typed_sql import TypedSql

Handlers = Mapping[type[exp.Expr], Callable[..., TypedSql]]
"""Handlers by kind of node; they take the ``ExpressionTranslator`` and the node."""
