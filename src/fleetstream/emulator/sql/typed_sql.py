"""DuckDB expressions with their types, and templates that combine them.

A template is DuckDB's SQL with ``{0}``, ``{1}``, … for its arguments. ``fill`` evaluates every
argument once, also where the template needs its value several times: DuckDB's ``list_transform``
over a list of one element gives a value a name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from fleetstream.emulator.quoting import quote
from fleetstream.emulator.sql.types import SqlType

_PLACEHOLDER = re.compile(r"\{(\d+)\}")


@dataclass(frozen=True)
class TypedSql:
    """A DuckDB expression and its Timestream type.

    Attributes:
        sql: The expression; an operand of any operator.
        type: Its type.
        simple: Whether it is a column, a variable or a constant, which may be repeated.
        is_lambda: Whether it is a lambda, which is no value.
        lambda_parts: The parameters and the body of a lambda.
        literal: The value of a literal, for functions that need it during the translation.
        never_nan: Whether it is a number that can't be NaN.
        set_type: Called with the type that is required of a query's parameter.

    """

    sql: str
    type: SqlType
    simple: bool = False
    is_lambda: bool = False
    lambda_parts: tuple[str, str] = ("", "")
    literal: str | int | float | None = None
    never_nan: bool = False
    set_type: Callable[[SqlType], None] | None = field(default=None, compare=False)


def quote_in_template(text: str) -> str:
    """A string literal as a part of a template."""
    return as_template(quote(text))


def as_template(sql: str) -> str:
    """An expression as a part of a template, which has no arguments in it."""
    return sql.replace("{", "{{").replace("}", "}}")


def unless_null(numbers: Iterable[int], template: str) -> str:
    """A template whose result is null if one of these arguments is null."""
    known = " AND ".join(f"{{{number}}} IS NOT NULL" for number in numbers)
    return f"CASE WHEN {known} THEN {template} END"


def let(name: str, value: str, body: str) -> str:
    """``body``, in which ``name`` is the value of ``value``."""
    return f"list_transform([{value}], lambda {name}: {body})[1]"


def fill(template: str, arguments: Sequence[TypedSql]) -> str:
    """The expression of a template.

    All values are computed before the template if one of them is not simple, and is used several
    times or inside a lambda.
    """
    texts = [argument.sql for argument in arguments]
    if not any(_is_repeated(template, number, part) for number, part in enumerate(arguments)):
        return template.format(*texts)
    values = {
        number: argument.sql
        for number, argument in enumerate(arguments)
        if argument.literal is None and not argument.is_lambda
    }
    if len(values) == 1:
        (number,) = values
        texts[number] = "args"
        return let("args", values[number], template.format(*texts))
    for number in values:
        # Without the parentheses, DuckDB takes it for a column in HAVING.
        texts[number] = f"(args).a{number}"
    packed = ", ".join(f"a{number} := {value}" for number, value in values.items())
    return let("args", f"struct_pack({packed})", template.format(*texts))


def _is_repeated(template: str, number: int, argument: TypedSql) -> bool:
    """Whether the template would evaluate an argument several times."""
    if argument.simple or argument.is_lambda:
        return False
    uses = [found.start() for found in _PLACEHOLDER.finditer(template) if int(found[1]) == number]
    first_lambda = template.find("lambda ")
    return len(uses) > 1 or (bool(uses) and 0 <= first_lambda < uses[0])
