"""Signatures of functions, and how a call finds the one that it means.

A signature's parameter types may hold variables (`T` in `array(T)`), lambdas, and constants whose
value the translation needs to know. The choice among the signatures of one name is Trino's: an
exact match, or else the one that needs the fewest coercions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fleetstream.local.sql.conversion import coercion_cost
from fleetstream.local.sql.types import (
    UNKNOWN,
    Array,
    Bound,
    Row,
    TimeSeries,
    Type,
    common_type,
)

TypeVariables = dict[str, Type]


@dataclass(frozen=True)
class Variable(Type):
    """A type that a call decides; `one_of` limits it, the narrowest first."""

    name: str
    one_of: tuple[Type, ...] = ()

    def __str__(self) -> str:
        return " or ".join(map(str, self.one_of)) if self.one_of else self.name


@dataclass(frozen=True)
class Lambda(Type):
    """A function given as an argument: `x -> …`."""

    parameters: tuple[Type, ...]
    result: Type

    def __str__(self) -> str:
        return f"function({', '.join(map(str, (*self.parameters, self.result)))})"


@dataclass(frozen=True)
class Constant(Type):
    """A literal of a type, whose value the translation must know."""

    type: Type

    def __str__(self) -> str:
        return f"constant {self.type}"


@dataclass(frozen=True)
class Function:
    """One signature of a function, and its translation.

    `sql` is DuckDB's text with `{0}`, `{1}` … for the arguments, or a callable that makes the text
    from them (it raises ValueError with a sentence for a constant that it can't take). With
    `variadic`, the last parameter repeats and `{all}` stands for all arguments.

    An aggregate's `sql` is a bare call, into which DISTINCT, ORDER BY, FILTER and OVER go; what
    must happen to its result is `finish`, with `{}` for the call.
    """

    name: str
    parameters: tuple[Type, ...]
    result: Type
    sql: str | Callable[[Sequence[Bound]], str]
    variadic: bool = False
    finish: str = "{}"

    def __str__(self) -> str:
        dots = ", …" if self.variadic else ""
        return f"{self.name}({', '.join(map(str, self.parameters))}{dots})"

    def expected(self, count: int) -> tuple[Type, ...] | None:
        """The parameters for a call with `count` arguments; None when that is a wrong number."""
        if self.variadic and count >= len(self.parameters):
            return self.parameters + self.parameters[-1:] * (count - len(self.parameters))
        return self.parameters if count == len(self.parameters) else None

    def render(self, arguments: Sequence[Bound]) -> str:
        """DuckDB's text for a call with these arguments, coerced already."""
        if callable(self.sql):
            return self.sql(arguments)
        texts = [argument.sql for argument in arguments]
        return self.sql.format(*texts, all=", ".join(texts))


def match(
    function: Function, arguments: Sequence[Bound | None]
) -> tuple[int, TypeVariables] | None:
    """How well a call fits a signature: its cost and its variables' types; None when not.

    A lambda's argument is None here, because its own type follows from the others'.
    """
    parameters = function.expected(len(arguments))
    if parameters is None:
        return None
    variables: TypeVariables = {}
    cost = 0
    for parameter, argument in zip(parameters, arguments, strict=True):
        if isinstance(parameter, Lambda) != (argument is None):
            return None
        if argument is not None and not _unify(parameter, argument, variables):
            return None
    for parameter, argument in zip(parameters, arguments, strict=True):
        if argument is not None:
            step = coercion_cost(argument.type, substitute(parameter, variables))
            if step is None:
                return None
            cost += step + (argument.type == UNKNOWN)
    return cost, variables


def _unify(parameter: Type, argument: Bound, variables: TypeVariables) -> bool:
    if isinstance(parameter, Constant):
        return argument.literal is not None and argument.type == parameter.type
    return _unify_types(parameter, argument.type, variables)


def _unify_types(parameter: Type, actual: Type, variables: TypeVariables) -> bool:
    if isinstance(parameter, Variable):
        return _bind_variable(parameter, actual, variables)
    if isinstance(parameter, Array):
        if isinstance(actual, TimeSeries):
            actual = actual.rows
        if not isinstance(actual, Array):
            return actual == UNKNOWN and _unify_types(parameter.element, UNKNOWN, variables)
        return _unify_types(parameter.element, actual.element, variables)
    if isinstance(parameter, TimeSeries):
        return isinstance(actual, TimeSeries) and _unify_types(
            parameter.value, actual.value, variables
        )
    return coercion_cost(actual, parameter) is not None


def _bind_variable(variable: Variable, actual: Type, variables: TypeVariables) -> bool:
    known = variables.get(variable.name, UNKNOWN)
    joined = common_type((known, actual))
    if joined is None:
        return False
    if variable.one_of and joined not in variable.one_of:
        if joined != UNKNOWN:
            return False
        joined = variable.one_of[0]
    variables[variable.name] = joined
    return True


def substitute(kind: Type, variables: TypeVariables) -> Type:
    """`kind` with its variables replaced by what they turned out to be."""
    if isinstance(kind, Variable):
        return variables.get(kind.name, UNKNOWN)
    if isinstance(kind, Constant):
        return kind.type
    if isinstance(kind, Array):
        return Array(substitute(kind.element, variables))
    if isinstance(kind, TimeSeries):
        return TimeSeries(substitute(kind.value, variables))
    if isinstance(kind, Row):
        return Row(tuple((name, substitute(part, variables)) for name, part in kind.fields))
    return kind
