"""The JSON Schema of model files, for editors."""

import inspect
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from fleetstream.model.schema import Model

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def model_schema() -> dict[str, Any]:
    """The schema, made from the types of :class:`Model`; keys that it does not have are errors."""
    found = described(msgspec.json.schema(Model))
    for definition in found["$defs"].values():
        if "properties" in definition:
            definition["additionalProperties"] = False
    return {"$schema": DIALECT, "title": "Model file of fleetstream", **found}


def described(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with docstrings as descriptions, without their indentation."""
    for definition in schema["$defs"].values():
        if "description" in definition:
            definition["description"] = inspect.cleandoc(definition["description"])
    return schema


@cache
def starting_point() -> str:
    """A model file to begin with."""
    return (files("fleetstream.model") / "start.toml").read_text()
