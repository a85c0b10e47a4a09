"""Function signatures, and the choice of the signature that a call means.

Parameter types may contain type variables (``T`` in ``array(T)``), lambdas, and constants whose
value the translation needs. Of the signatures of one name, a call means the one that requires the
fewest conversions, as in Trino.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fleetstream.emulator.sql.conversion import conversion_cost, is_text_literal
from fleetstream.emulator.sql.typed_sql import TypedSql, fill
from fleetstream.emulator.sql.types import (
    TIMESTAMP,
    UNKNOWN,
    VARCHAR,
    ArrayType,
    RowType,
    SqlType,
    TimeSeriesType,
    common_type,
)

TypeVariables = dict[str, SqlType]

_TEXT_COST = 10
"""Cost of reading a string as a timestamp: more than that of any other conversion."""


class _ParameterType(SqlType, ABC):
    """A type that only parameters have: no value is of it."""

    @property
    def duckdb(self) -> str:
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        raise NotImplementedError


@dataclass(frozen=True)
class TypeVariable(_ParameterType):
    """A type that is determined by each call; ``one_of`` lists what is allowed, narrowest first."""

    name: str
    one_of: tuple[SqlType, ...] = ()

    def __str__(self) -> str:
        return " or ".join(map(str, self.one_of)) if self.one_of else self.name


@dataclass(frozen=True)
class LambdaType(_ParameterType):
    """A lambda: ``x -> …``; if ``packed``, its translation takes one row of all its arguments."""

    parameters: tuple[SqlType, ...]
    result: SqlType
    packed: bool = False

    def __str__(self) -> str:
        return f"function({', '.join(map(str, (*self.parameters, self.result)))})"


@dataclass(frozen=True)
class ConstantType(_ParameterType):
    """A literal, whose value the translation needs."""

    type: SqlType

    def __str__(self) -> str:
        return f"constant {self.type}"


@dataclass(frozen=True)
class Function:
    """One signature of a scalar function, and its translation.

    ``template`` is the translation, or a function that makes it from the arguments' types and
    literals; that function raises ValueError for a literal that it does not support. If
    ``variadic``, the last parameter can be repeated, and ``{all}`` stands for all arguments.
    """

    name: str
    parameters: tuple[SqlType, ...]
    result: SqlType
    template: str | Callable[[Sequence[TypedSql]], str]
    variadic: bool = False

    def __str__(self) -> str:
        dots = ", …" if self.variadic else ""
        return f"{self.name}({', '.join(map(str, self.parameters))}{dots})"

    @property
    def volatile(self) -> bool:
        """Whether the translation is random, which DuckDB refuses inside TRY."""
        return not callable(self.template) and "random(" in self.template

    def parameters_for(self, count: int) -> tuple[SqlType, ...] | None:
        """The parameters of a call with ``count`` arguments; None if the number is wrong."""
        if self.variadic and count >= len(self.parameters):
            return self.parameters + self.parameters[-1:] * (count - len(self.parameters))
        return self.parameters if count == len(self.parameters) else None

    def translate(self, arguments: Sequence[TypedSql]) -> str:
        """The expression for a call; the arguments must have the parameters' types."""
        template = self.template if isinstance(self.template, str) else self.template(arguments)
        if self.variadic:
            every = ", ".join(f"{{{number}}}" for number in range(len(arguments)))
            template = template.replace("{all}", every)
        return fill(template, arguments)


@dataclass(frozen=True)
class Aggregate:
    """One signature of an aggregate or window function, and its translation.

    Attributes:
        name: The function's name in Timestream.
        parameters: The parameters' types.
        result: The result's type.
        function: DuckDB's aggregate or window function.
        arguments: A template for its arguments; by default, they are the call's.
        distinct: Whether the function is always applied to distinct arguments.
        result_template: A template for the result, with ``{0}`` for the call.

    """

    name: str
    parameters: tuple[SqlType, ...]
    result: SqlType
    function: str
    arguments: str | None = None
    distinct: bool = False
    result_template: str = "{0}"

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.parameters))})"

    def parameters_for(self, count: int) -> tuple[SqlType, ...] | None:
        """The parameters of a call with ``count`` arguments; None if the number is wrong."""
        return self.parameters if count == len(self.parameters) else None

    def arguments_sql(self, arguments: Sequence[TypedSql]) -> str:
        """The arguments of DuckDB's function."""
        if self.arguments is None:
            return ", ".join(argument.sql for argument in arguments)
        return fill(self.arguments, arguments)


Signature = Function | Aggregate


def match(
    signature: Signature, arguments: Sequence[TypedSql | None]
) -> tuple[int, TypeVariables] | None:
    """The cost of the conversions and the types of variables; None if the call does not match.

    The argument for a lambda is None: its type follows from those of the others.
    """
    parameters = signature.parameters_for(len(arguments))
    if parameters is None:
        return None
    variables: TypeVariables = {}
    cost = 0
    for parameter, argument in zip(parameters, arguments, strict=True):
        if isinstance(parameter, LambdaType) != (argument is None):
            return None
        if argument is not None and not _unify(parameter, argument, variables):
            return None
    for parameter, argument in zip(parameters, arguments, strict=True):
        if argument is not None and _reads_timestamp(parameter, argument):
            cost += _TEXT_COST
        elif argument is not None:
            step = conversion_cost(argument.type, substitute(parameter, variables))
            if step is None:
                return None
            cost += step + (argument.type == UNKNOWN)
    return cost, variables


def _unify(parameter: SqlType, argument: TypedSql, variables: TypeVariables) -> bool:
    if isinstance(parameter, ConstantType):
        return argument.literal is not None and argument.type == parameter.type
    given = TIMESTAMP if _reads_timestamp(parameter, argument) else argument.type
    return _unify_types(parameter, given, variables)


def _reads_timestamp(parameter: SqlType, argument: TypedSql) -> bool:
    """Whether a call converts an argument, a string in quotes, to a timestamp."""
    accepted = parameter.one_of if isinstance(parameter, TypeVariable) else (parameter,)
    return is_text_literal(argument) and TIMESTAMP in accepted and VARCHAR not in accepted


def _unify_types(parameter: SqlType, actual: SqlType, variables: TypeVariables) -> bool:
    if isinstance(parameter, TypeVariable):
        return _bind_variable(parameter, actual, variables)
    if isinstance(parameter, ArrayType):
        if isinstance(actual, TimeSeriesType):
            actual = actual.rows
        if not isinstance(actual, ArrayType):
            return actual == UNKNOWN and _unify_types(parameter.element, UNKNOWN, variables)
        return _unify_types(parameter.element, actual.element, variables)
    if isinstance(parameter, TimeSeriesType):
        return isinstance(actual, TimeSeriesType) and _unify_types(
            parameter.value, actual.value, variables
        )
    return conversion_cost(actual, parameter) is not None


def _bind_variable(variable: TypeVariable, actual: SqlType, variables: TypeVariables) -> bool:
    known = variables.get(variable.name, UNKNOWN)
    common = common_type((known, actual))
    if common is None:
        return False
    if variable.one_of and common not in variable.one_of:
        if common != UNKNOWN:
            return False
        common = variable.one_of[0]
    variables[variable.name] = common
    return True


def substitute(parameter: SqlType, variables: TypeVariables) -> SqlType:
    """The type of a parameter, with the types of variables put in."""
    if isinstance(parameter, TypeVariable):
        return variables.get(parameter.name, UNKNOWN)
    if isinstance(parameter, ConstantType):
        return parameter.type
    if isinstance(parameter, ArrayType):
        return ArrayType(substitute(parameter.element, variables))
    if isinstance(parameter, TimeSeriesType):
        return TimeSeriesType(substitute(parameter.value, variables))
    if isinstance(parameter, RowType):
        fields = ((name, substitute(of, variables)) for name, of in parameter.fields)
        return RowType(tuple(fields))
    return parameter
