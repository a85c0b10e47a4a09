"""Expressions in model files: arithmetic over names and numbers, evaluated on NumPy arrays.

The grammar is Python's, restricted to numbers, names (with dots: ``region.cells``), the operators
``+ - * / // % **``, comparisons (1 where they hold, else 0; also ``a < b < c``), parentheses, and
the functions in :data:`FUNCTIONS`. Nothing else is evaluated, so an expression from a file cannot
run code.
"""

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any, NamedTuple

import numpy as np


class NumericFunction(NamedTuple):
    """A function in expressions.

    ``arguments`` are those that it takes, as documentation names them; where the last one is
    ``…``, there may be more, and one is enough.
    """

    calculate: Callable[..., Any]
    arguments: tuple[str, ...]
    meaning: str

    @property
    def takes(self) -> tuple[int, int | None]:
        """The least and the greatest number of arguments, None for any."""
        return (1, None) if self.arguments[-1] == "…" else (len(self.arguments),) * 2


FUNCTIONS = {
    "min": NumericFunction(
        lambda *values: reduce(np.minimum, values), ("a", "b", "…"), "the least"
    ),
    "max": NumericFunction(
        lambda *values: reduce(np.maximum, values), ("a", "b", "…"), "the greatest"
    ),
    "clip": NumericFunction(
        np.clip, ("x", "low", "high"), "`x`, but `low` where it is lower and `high` where higher"
    ),
    "where": NumericFunction(
        lambda condition, yes, no: np.where(condition != 0, yes, no),
        ("condition", "a", "b"),
        "`a` where the condition holds, that is where it is not 0, else `b`",
    ),
    "abs": NumericFunction(np.abs, ("x",), "the absolute value"),
    "floor": NumericFunction(np.floor, ("x",), "the greatest integer that is not above `x`"),
    "ceil": NumericFunction(np.ceil, ("x",), "the least integer that is not below `x`"),
    "round": NumericFunction(np.rint, ("x",), "the nearest integer; of two, the even one"),
    "sqrt": NumericFunction(
        np.sqrt, ("x",), "the square root; of a negative number, a missing value"
    ),
    "exp": NumericFunction(np.exp, ("x",), "e to the power of `x`"),
    "log": NumericFunction(np.log, ("x",), "the natural logarithm; of 0 or less, a missing value"),
    "sin": NumericFunction(np.sin, ("x",), "the sine of an angle in radians"),
    "cos": NumericFunction(np.cos, ("x",), "the cosine of an angle in radians"),
}
"""The functions in expressions, by name."""

_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: lambda left, right: left - np.floor(left) if _is_one(right) else left % right,
    ast.Pow: lambda base, exponent: np.asarray(base, np.float64) ** exponent,
}

_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
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
            raise ValueError(f"{self.text!r} has more than {MAX_LENGTH:,} characters")
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
            case ast.Compare(ops=operators) if all(type(op) in _COMPARISONS for op in operators):
                return self._comparison(node, depth)
            case ast.Call(func=ast.Name(id=called), keywords=[]) if called in FUNCTIONS:
                return self._call(node, called, depth)
        raise self._not_allowed(node)

    def _comparison(self, node: ast.Compare, depth: int) -> Evaluate:
        """Each operand is compared with the next; 1 where all comparisons hold."""
        compares = [_COMPARISONS[type(op)] for op in node.ops]
        operands = [self.compile(each, depth + 1) for each in (node.left, *node.comparators)]

        def evaluate(values: Mapping[str, Any]) -> Any:
            found = [operand(values) for operand in operands]
            pairs = zip(compares, found, found[1:], strict=False)
            holds = (compare(left, right) for compare, left, right in pairs)
            return np.int64(1) * reduce(np.logical_and, holds)

        return evaluate

    def _call(self, node: ast.Call, called: str, depth: int) -> Evaluate:
        function = FUNCTIONS[called].calculate
        least, greatest = FUNCTIONS[called].takes
        if not least <= len(node.args) <= (greatest or len(node.args)):
            wanted = f"{least} or more" if greatest is None else f"{least}"
            raise ValueError(
                f"{ast.get_source_segment(self._text, node)!r} has {len(node.args)} arguments, but "
                f"{called} takes {wanted}"
            )
        arguments = [self.compile(argument, depth + 1) for argument in node.args]
        return lambda values: function(*(argument(values) for argument in arguments))

    def _dotted(self, node: ast.expr) -> str:
        parts = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            raise self._not_allowed(node)
        return ".".join([node.id, *reversed(parts)])

    def _not_allowed(self, node: ast.expr) -> ValueError:
        segment = ast.get_source_segment(self._text, node)
        if instead := _instead(node):
            return ValueError(f"{segment!r} is not allowed in an expression; write {instead}")
        return ValueError(
            f"{segment!r} is not allowed in an expression, which may have numbers up to 2**53, "
            "names, + - * / // % **, comparisons, parentheses, and the functions "
            f"{', '.join(FUNCTIONS)}"
        )


def _instead(node: ast.expr) -> str | None:
    """How to write what Python and other languages have another operator or function for."""
    match node:
        case ast.BoolOp(op=ast.And()):
            return "a * b, where both conditions must hold"
        case ast.BoolOp(op=ast.Or()):
            return "max(a, b), where one of the conditions must hold"
        case ast.UnaryOp(op=ast.Not()):
            return "1 - a, where the condition must not hold"
        case ast.IfExp():
            return "where(condition, a, b)"
        case ast.BinOp(op=ast.BitXor()) | ast.Call(func=ast.Name(id="pow")):
            return "a ** b for a power"
    return None


def _is_one(value: Any) -> bool:
    """Whether a remainder is a fraction, which is an eighth of the work."""
    return np.ndim(value) == 0 and bool(value == 1)


def _is_number(value: float) -> bool:
    return not isinstance(value, bool) and abs(value) <= MAX_NUMBER
