"""Calls of functions: choosing the signature, converting the arguments, translating the call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeVar

from sqlglot import exp

from fleetstream.emulator.sql import functions
from fleetstream.emulator.sql.conversion import convert, convert_literal
from fleetstream.emulator.sql.errors import query_error, require_only
from fleetstream.emulator.sql.functions.signatures import (
    Aggregate,
    Function,
    LambdaType,
    Signature,
    TypeVariable,
    TypeVariables,
    match,
    substitute,
)
from fleetstream.emulator.sql.typed_sql import TypedSql
from fleetstream.emulator.sql.types import UNKNOWN, SqlType, common_type

if TYPE_CHECKING:
    from fleetstream.emulator.sql.expressions.translator import ExpressionTranslator

Chosen = TypeVar("Chosen", Function, Aggregate)


def call_function(
    translator: ExpressionTranslator, node: exp.Expr, name: str, arguments: Sequence[exp.Expr]
) -> TypedSql:
    """A call of a scalar function."""
    if name not in functions.SCALARS:
        raise query_error(node, _unknown_function(name))
    return call_with_values(translator, node, name, arguments, _translated(translator, arguments))


def call_with_values(
    translator: ExpressionTranslator,
    node: exp.Expr,
    name: str,
    arguments: Sequence[exp.Expr],
    translations: Sequence[TypedSql | None],
) -> TypedSql:
    """A call of a scalar function, whose arguments are translated, but for lambdas."""
    signature, values, result = _resolve(
        translator, node, functions.SCALARS, name, arguments, translations
    )
    try:
        sql = signature.translate(values)
    except ValueError as error:
        raise query_error(node, f"{name}: {error}") from error
    return TypedSql(f"({sql})", result)


def resolve_call(
    translator: ExpressionTranslator,
    node: exp.Expr,
    known: Mapping[str, tuple[Chosen, ...]],
    name: str,
    arguments: Sequence[exp.Expr],
) -> tuple[Chosen, list[TypedSql], SqlType]:
    """The signature that a call means, the converted arguments, and the result's type."""
    if name not in known:
        raise query_error(node, _unknown_function(name))
    values = _translated(translator, arguments)
    return _resolve(translator, node, known, name, arguments, values)


def _translated(
    translator: ExpressionTranslator, arguments: Sequence[exp.Expr]
) -> list[TypedSql | None]:
    """The translations of arguments; None for a lambda, whose types follow from the others."""
    return [
        None if isinstance(part, exp.Lambda) else translator.translate(part) for part in arguments
    ]


def _resolve(
    translator: ExpressionTranslator,
    node: exp.Expr,
    known: Mapping[str, tuple[Chosen, ...]],
    name: str,
    arguments: Sequence[exp.Expr],
    values: Sequence[TypedSql | None],
) -> tuple[Chosen, list[TypedSql], SqlType]:
    signatures = known[name]
    matches = [
        (found[0], position, found[1])
        for position, signature in enumerate(signatures)
        if (found := match(signature, values)) is not None
    ]
    if not matches:
        raise query_error(node, _mismatch(name, signatures, values))
    _, position, variables = min(matches, key=lambda found: found[:2])
    signature = signatures[position]
    if isinstance(signature, Function):
        translator.context.volatile |= signature.volatile
    converted = _convert_arguments(translator, signature, arguments, values, variables)
    return signature, converted, substitute(signature.result, variables)


def _convert_arguments(
    translator: ExpressionTranslator,
    signature: Signature,
    nodes: Sequence[exp.Expr],
    values: Sequence[TypedSql | None],
    variables: TypeVariables,
) -> list[TypedSql]:
    """The arguments in the signature's types; lambdas may determine further type variables."""
    parameters = signature.parameters_for(len(nodes)) or ()
    lambdas: dict[int, TypedSql] = {}
    for position, (parameter, node) in enumerate(zip(parameters, nodes, strict=True)):
        if isinstance(parameter, LambdaType) and isinstance(node, exp.Lambda):
            lambdas[position] = _lambda(translator, node, parameter, variables)
    return [
        lambdas[position]
        if value is None
        else convert_literal(value, substitute(parameter, variables))
        for position, (parameter, value) in enumerate(zip(parameters, values, strict=True))
    ]


def _lambda(
    translator: ExpressionTranslator,
    node: exp.Lambda,
    parameter: LambdaType,
    variables: TypeVariables,
) -> TypedSql:
    """A lambda. Its result determines a type variable, or widens it, as REDUCE's state."""
    require_only(node, "this", "expressions")
    types = [substitute(of, variables) for of in parameter.parameters]
    if len(types) != len(node.expressions):
        raise query_error(node, f"The lambda must take {len(types)} arguments")
    depth = len(translator.lambda_variables)
    if parameter.packed:
        names = [f"p{depth}"]
        values = [f"(p{depth}).f{number}" for number in range(1, len(types) + 1)]
    else:
        names = values = [f"p{depth}_{number}" for number in range(len(types))]
    known = {
        part.name.lower(): TypedSql(value, of, simple=True)
        for part, value, of in zip(node.expressions, values, types, strict=True)
    }
    with translator.lambda_scope(known):
        body = translator.translate(node.this)
    wanted = substitute(parameter.result, variables)
    common = common_type((wanted, body.type))
    if common is None or not (isinstance(parameter.result, TypeVariable) or common == wanted):
        raise query_error(node, f"The lambda returns {body.type}, but {wanted} is expected")
    if isinstance(parameter.result, TypeVariable):
        before = variables.get(parameter.result.name, UNKNOWN)
        variables[parameter.result.name] = common
        if before not in (UNKNOWN, common):
            return _lambda(translator, node, parameter, variables)
    parts = ", ".join(names), convert(body, common).sql
    return TypedSql(f"lambda {parts[0]}: {parts[1]}", common, is_lambda=True, lambda_parts=parts)


def _unknown_function(name: str) -> str:
    known = (*functions.SCALARS, *functions.AGGREGATES, *functions.WINDOW_FUNCTIONS)
    similar = get_close_matches(name, known, n=2)
    hint = f"; did you mean {' or '.join(similar)}?" if similar else ""
    return f"Function '{name}' is not supported by the local Timestream{hint}"


def _mismatch(name: str, signatures: Sequence[Signature], values: Sequence[TypedSql | None]) -> str:
    given = ", ".join("lambda" if value is None else str(value.type) for value in values)
    expected = ", ".join(map(str, signatures))
    return f"Unexpected parameters ({given}) for function {name}. Expected: {expected}"
