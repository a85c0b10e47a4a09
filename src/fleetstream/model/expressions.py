"""Expressions in model files: arithmetic over names and numbers, evaluated on NumPy arrays.

The grammar is Python's, restricted to numbers, names (with dots: ``region.cells``), the operators
``+ - * / // %``, parentheses, and the functions in :data:`FUNCTIONS`. Nothing else is evaluated, so
an expression from a file cannot run code.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import numpy as np

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "min": lambda *values: reduce(np.minimum, values),
    "max": lambda *values: reduce(np.maximum, values),
}

_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}

MAX_LENGTH = 1_000
"""Characters of an expression."""

MAX_DEPTH = 100
"""How deep operations nest; a sum of n terms nests n deep."""

MAX_NUMBER = 2**53
"""Integers up to this are exact as doubles."""

Evaluate = Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True)
class Expression:
    """A parsed expression. Raises ValueError for text outside the grammar."""

    text: str

    def __post_init__(self) -> None:
        _ = self._compiled

    def __str__(self) -> str:
        return self.text

    @property
    def names(self) -> frozenset[str]:
        """The names that :meth:`evaluate` looks up."""
        return self._compiled[1]

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """The result for numbers or arrays that broadcast against each other."""
        return self._compiled[0](values)

    @cached_property
    def _compiled(self) -> tuple[Evaluate, frozenset[str]]:
        if len(self.text) > MAX_LENGTH:
            raise ValueError(f"an expression has more than {MAX_LENGTH:,} characters")
        try:
            tree = ast.parse(self.text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise ValueError(f"{self.text!r} is not an expression") from None
        compiler = _Compiler(self.text.strip())
        return compiler.compile(tree), frozenset(compiler.names)


class _Compiler:
    """Turns a syntax tree into nested functions, and collects the names it looks up."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.names: set[str] = set()

    def compile(self, node: ast.expr, depth: int = 1) -> Evaluate:
        if depth > MAX_DEPTH:
            raise ValueError(f"{self._text!r} nests more than {MAX_DEPTH} deep")
        match node:
            case ast.Constant(value=int() | float() as value) if _is_number(value):
                # NumPy's numbers divide by zero as arrays do.
                number = np.float64(value) if isinstance(value, float) else np.int64(value)
                return lambda _values: number
            case ast.Name() | ast.Attribute():
                name = self._dotted(node)
                self.names.add(name)
                return operator.itemgetter(name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self.compile(operand, depth + 1)
                return lambda values: -inner(values)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                function = _OPERATORS[type(op)]
                first, second = self.compile(left, depth + 1), self.compile(right, depth + 1)
                return lambda values: function(first(values), second(values))
            case ast.Call(func=ast.Name(id=called), args=[_, *_], keywords=[]) if (
                called in FUNCTIONS
            ):
                function = FUNCTIONS[called]
                arguments = [self.compile(argument, depth + 1) for argument in node.args]
                return lambda values: function(*(argument(values) for argument in arguments))
        raise self._not_allowed(node)

    def _dotted(self, node: ast.expr) -> str:
        parts = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            raise self._not_allowed(node)
        return ".".join([node.id, *reversed(parts)])

    def _not_allowed(self, node: ast.expr) -> ValueError:
        return ValueError(
            f"{ast.get_source_segment(self._text, node)!r} is not allowed in an expression, which "
            f"may have numbers, names, + - * / // %, parentheses, {' and '.join(FUNCTIONS)}"
        )


def _is_number(value: float) -> bool:
    return not isinstance(value, bool) and abs(value) <= MAX_NUMBER
