"""Changed copies of the sample fleet's model, and the values of all cells of a generator."""

import json
import re
import tomllib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import msgspec

from fleetstream.generate.generator import Generator
from fleetstream.generate.moments import from_datetime
from fleetstream.generate.schema import TIME, dimension_names, kind_of
from fleetstream.model import DEFAULT_MODEL, Model
from tests.telemetry import TIMESTAMP

TEXT = (files("fleetstream.model") / "builtin" / f"{DEFAULT_MODEL}.toml").read_text()

Cell = tuple[str, frozenset[tuple[str, str]], str, int]
"""Kind, dimensions with their names, measure and timestamp."""


def document() -> dict[str, Any]:
    """The content of the model file, to be changed."""
    return tomllib.loads(TEXT)


def toml(content: dict[str, Any]) -> str:
    """The content as a model file."""
    return "\n".join(f"{_key(key)} = {_inline(value)}" for key, value in content.items())


def _inline(value: object) -> str:
    if isinstance(value, dict):
        entries = (f"{_key(key)} = {_inline(each)}" for key, each in value.items())
        return "{" + ", ".join(entries) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[\w-]+", name, re.ASCII) else _inline(name)


def model_of(content: dict[str, Any]) -> Model:
    return msgspec.convert(content, Model)


def cells(generator: Generator, timestamps: Sequence[int] = (TIMESTAMP,)) -> dict[Cell, object]:
    """The value of every cell; None where it is missing."""
    found: dict[Cell, object] = {}
    for batch in generator.batches(timestamps):
        kind, dimensions = kind_of(batch.schema), dimension_names(batch.schema)
        for row in batch.to_pylist():
            series = frozenset((name, row.pop(name)) for name in dimensions)
            stamp = from_datetime(row.pop(TIME))
            found |= {(kind, series, measure, stamp): value for measure, value in row.items()}
    return found
