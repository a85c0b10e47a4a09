"""Decoding request bodies, with the service's error messages.

As at the service, a value of the wrong JSON type is a SerializationException, and a value outside
its constraint is a ValidationException.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, TypeVar, cast

import msgspec

from fleetstream.emulator.errors import SerializationException, ServiceError, ValidationException

Shape = TypeVar("Shape")

_STEPS = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_MISSING = re.compile(r"Object missing required field `(.*)`")
_LONGEST_SHOWN = 60
_CONSTRAINTS = (
    (r"of length >= (\d+)", "Member must have length greater than or equal to {}"),
    (r"of length <= (\d+)", "Member must have length less than or equal to {}"),
    (r"`int` >= (-?\d+)", "Member must have value greater than or equal to {}"),
    (r"`int` <= (-?\d+)", "Member must have value less than or equal to {}"),
    (r"matching regex ['\"](.*)['\"]", "Member must satisfy regular expression pattern: {}"),
    (
        r"Invalid enum value (.*)",
        "Member must satisfy the model's enumeration, and {} is not in it",
    ),
    (r"got `null`()", "Member must not be null{}"),
)
"""msgspec's messages, and the service's messages for the same constraints."""


@cache
def _decoder(shape: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(shape)


def decode(body: bytes | bytearray, shape: type[Shape], path: str = "") -> Shape:
    """Decode a request, or the part of one that is at ``path``.

    Raises SerializationException if the body is not JSON or a value has the wrong JSON type, and
    ValidationException if a member is missing or outside the model's constraint.
    """
    try:
        try:
            decoded: Shape = _decoder(cast("Any", shape)).decode(body)
        except msgspec.ValidationError as error:
            # Behind the value it is about, the body may still be no JSON.
            raise _service_error(str(error), path, body) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SerializationException(f"The request's body is not valid JSON: {error}") from error
    return decoded


def _service_error(message: str, base_path: str, body: bytes | bytearray) -> ServiceError:
    problem, _, path = message.partition(" - at `$")
    path = path.rstrip("`")
    missing = _MISSING.fullmatch(problem)
    if missing:
        return _constraint_error(
            "null", f"{base_path}{path}.{missing[1]}", "Member must not be null"
        )
    for pattern, template in _CONSTRAINTS:
        found = re.search(pattern, problem)
        if found:
            constraint = template.format(found[1].strip("^$"))
            return _constraint_error(_value_at(path, body), base_path + path, constraint)
    return SerializationException(f"{problem} at '{_member(base_path + path)}'")


def _constraint_error(value: str, path: str, constraint: str) -> ValidationException:
    shown = f"Value {value} at" if value else "Value at"
    return ValidationException(
        f"1 validation error detected: {shown} '{_member(path)}' failed to satisfy constraint:"
        f" {constraint}"
    )


def _value_at(path: str, body: bytes | bytearray) -> str:
    """The value at a path of msgspec's, as the service shows it; empty if it is long."""
    value: Any = msgspec.json.decode(body)
    for name, index in _STEPS.findall(path):
        value = value[name] if name else value[int(index)]
    if value is None:
        return "null"
    return f"'{value}'" if len(str(value)) <= _LONGEST_SHOWN else ""


def _member(path: str) -> str:
    """``Records[3].MeasureName`` in the service's notation: ``records.4.member.measureName``."""
    parts: list[str] = []
    for name, index in _STEPS.findall(path):
        parts += [name[0].lower() + name[1:]] if name else [str(int(index) + 1), "member"]
    return ".".join(parts) or "request"
