"""Calls of functions: which signature is meant, and DuckDB's text for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from sqlglot import exp

from fleetstream.local.sql import functions
from fleetstream.local.sql.conversion import coerce
from fleetstream.local.sql.rejection import rejected
from fleetstream.local.sql.signatures import (
    Function,
    Lambda,
    TypeVariables,
    Variable,
    match,
    substitute,
)
from fleetstream.local.sql.types import UNKNOWN, Bound, Type, common_type

ExpressionBinder = Callable[[exp.Expr], Bound]
LambdaBinder = Callable[[exp.Lambda, Sequence[Type]], tuple[list[str], Bound]]


@dataclass(frozen=True)
class Modifiers:
    """What stands around the arguments of an aggregate or window function, as DuckDB's text."""

    distinct: bool = False
    order: str = ""
    filter: str = ""
    ignore_nulls: bool = False
    over: str = ""

    def apply(self, function: Function, call: str) -> str:
        """`call`, which ends with its closing parenthesis, with all this in its place.

        Raises:
            ValueError: the function can't take one of them; says which.

        """
        head, arguments = call.split("(", 1)
        arguments = arguments[:-1]
        if self.distinct and not function.parameters:
            raise ValueError("DISTINCT needs an argument")
        if self.distinct and not arguments.startswith("DISTINCT "):
            arguments = f"DISTINCT {arguments}"
        if self.order and " ORDER BY " in str(function.sql):
            raise ValueError("ORDER BY is not supported, the result has an order of its own")
        nulls = " IGNORE NULLS" if self.ignore_nulls else ""
        order = f" ORDER BY {self.order}" if self.order else ""
        condition = f" FILTER (WHERE {self.filter})" if self.filter else ""
        return f"{head}({arguments}{nulls}{order}){condition}{self.over}"


@dataclass(frozen=True)
class Caller:
    """Translates calls, with the help of what translates their arguments."""

    bind: ExpressionBinder
    bind_lambda: LambdaBinder

    def scalar(self, node: exp.Expr, name: str, arguments: Sequence[exp.Expr]) -> Bound:
        """A call of a function of single values."""
        function, bound, result = self._choose(node, functions.SCALARS, name, arguments)
        return Bound(_render(node, function, bound), result)

    def aggregate(
        self, node: exp.Expr, name: str, arguments: Sequence[exp.Expr], modifiers: Modifiers
    ) -> Bound:
        """A call of an aggregate, over a group or over a window; or of a window function."""
        known = functions.AGGREGATES if name in functions.AGGREGATES else functions.WINDOW_FUNCTIONS
        if known is functions.WINDOW_FUNCTIONS and name in known and not modifiers.over:
            raise rejected(node, f"Window function {name} requires an OVER clause")
        function, bound, result = self._choose(node, known, name, arguments)
        try:
            call = modifiers.apply(function, _render(node, function, bound))
        except ValueError as error:
            raise rejected(node, f"{name}: {error}") from error
        return Bound(f"({function.finish.format(call)})", result)

    def _choose(
        self,
        node: exp.Expr,
        known: Mapping[str, tuple[Function, ...]],
        name: str,
        arguments: Sequence[exp.Expr],
    ) -> tuple[Function, list[Bound], Type]:
        signatures = known.get(name)
        if signatures is None:
            raise rejected(node, _unknown(name))
        bound = [None if isinstance(part, exp.Lambda) else self.bind(part) for part in arguments]
        fits = [
            (fit[0], place, fit[1])
            for place, function in enumerate(signatures)
            if (fit := match(function, bound)) is not None
        ]
        if not fits:
            raise rejected(node, _misfit(name, signatures, bound))
        _, place, variables = min(fits, key=lambda fit: fit[:2])
        function = signatures[place]
        coerced = self._complete(function, arguments, bound, variables)
        return function, coerced, substitute(function.result, variables)

    def _complete(
        self,
        function: Function,
        nodes: Sequence[exp.Expr],
        bound: Sequence[Bound | None],
        variables: TypeVariables,
    ) -> list[Bound]:
        """All arguments, the lambdas too, in the types that the signature asks for."""
        parameters = function.expected(len(nodes)) or ()
        lambdas: dict[int, Bound] = {}
        for place, (parameter, node) in enumerate(zip(parameters, nodes, strict=True)):
            if isinstance(parameter, Lambda) and isinstance(node, exp.Lambda):
                lambdas[place] = self._lambda(node, parameter, variables)
        return [
            lambdas[place] if argument is None else coerce(argument, substitute(kind, variables))
            for place, (kind, argument) in enumerate(zip(parameters, bound, strict=True))
        ]

    def _lambda(self, node: exp.Lambda, parameter: Lambda, variables: TypeVariables) -> Bound:
        """A lambda's text; what it gives decides a variable, or widens it (REDUCE's state)."""
        kinds = [substitute(kind, variables) for kind in parameter.parameters]
        if len(kinds) != len(node.expressions):
            raise rejected(node, f"The lambda must take {len(kinds)} arguments")
        names, body = self.bind_lambda(node, kinds)
        wanted = substitute(parameter.result, variables)
        joined = common_type((wanted, body.type))
        if isinstance(parameter.result, Variable) and joined is not None:
            known = variables.get(parameter.result.name)
            variables[parameter.result.name] = joined
            if known not in (None, UNKNOWN, joined):
                return self._lambda(node, parameter, variables)
        elif joined != wanted:
            joined = None
        if joined is None:
            raise rejected(node, f"The lambda gives {body.type}, but {wanted} is expected")
        return Bound(f"lambda {', '.join(names)}: {coerce(body, joined).sql}", joined)


def _render(node: exp.Expr, function: Function, arguments: Sequence[Bound]) -> str:
    try:
        text = function.render(arguments)
    except ValueError as error:
        raise rejected(node, f"{function.name}: {error}") from error
    return f"({text})" if text.startswith("CASE ") else text


def _unknown(name: str) -> str:
    known = (*functions.SCALARS, *functions.AGGREGATES, *functions.WINDOW_FUNCTIONS)
    near = get_close_matches(name, known, n=2)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"Function '{name}' is not supported by the local Timestream{hint}"


def _misfit(name: str, signatures: Sequence[Function], arguments: Sequence[Bound | None]) -> str:
    given = ", ".join("lambda" if part is None else str(part.type) for part in arguments)
    expected = ", ".join(map(str, signatures))
    return f"Unexpected parameters ({given}) for function {name}. Expected: {expected}"
