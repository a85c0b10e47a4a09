"""Translation of expressions."""

from __future__ import annotations

from fleetstream.emulator.sql.expressions.translator import ExpressionTranslator

__all__ = ["ExpressionTranslator"]
