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
"""Characters of an expression, which also bounds its nesting."""

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
            raise ValueError(f"An expression may have at most {MAX_LENGTH:,} characters.")
        try:
            tree = ast.parse(self.text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise ValueError(f"{self.text!r} is not an expression.") from None
        names: set[str] = set()
        return _compile(tree, names), frozenset(names)


def _compile(node: ast.expr, names: set[str]) -> Evaluate:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return lambda _values: number
        case ast.Name() | ast.Attribute():
            name = _dotted(node)
            names.add(name)
            return operator.itemgetter(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = _compile(operand, names)
            return lambda values: -inner(values)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            function = _OPERATORS[type(op)]
            first, second = _compile(left, names), _compile(right, names)
            return lambda values: function(first(values), second(values))
        case ast.Call(func=ast.Name(id=called), args=[_, *_], keywords=[]) if called in FUNCTIONS:
            function = FUNCTIONS[called]
            arguments = [_compile(argument, names) for argument in node.args]
            return lambda values: function(*(argument(values) for argument in arguments))
    raise ValueError(
        f"{ast.unparse(node)!r} is not allowed in an expression; it may have numbers, names, "
        f"+ - * / // %, parentheses, {' and '.join(FUNCTIONS)}."
    )


def _dotted(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attribute):
            return f"{_dotted(value)}.{attribute}"
    raise ValueError(f"{ast.unparse(node)!r} is not a name.")
