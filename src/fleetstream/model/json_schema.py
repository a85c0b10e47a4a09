"""The JSON Schema of model files, for editors."""

import inspect
import re
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from fleetstream.model.schema import Model

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def model_schema() -> dict[str, Any]:
    """The schema, made from the types of :class:`Model`; keys that it does not have are errors.

    Each key has the sentences about it in the docstring of its class as its description.
    """
    found = described(msgspec.json.schema(Model))
    for definition in found["$defs"].values():
        if "properties" in definition:
            definition["additionalProperties"] = False
        if "description" in definition:
            text = definition["description"] = _markdown(definition["description"])
            for key, value in definition.get("properties", {}).items():
                definition["properties"][key] = _without_null(value) | {
                    "description": _about(key, text)
                }
    return {"$schema": DIALECT, "title": "Model file of fleetstream", **found}


def described(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with docstrings as descriptions, without their indentation."""
    for definition in schema["$defs"].values():
        if "description" in definition:
            definition["description"] = inspect.cleandoc(definition["description"])
    return schema


def _markdown(docstring: str) -> str:
    """A docstring as editors show it."""
    return re.sub(r":\w+:`~?\.?([^`]*)`", r"`\1`", docstring).replace("``", "`")


def _about(key: str, text: str) -> str:
    """The sentences of a description that name a key, else the first one."""
    sentences = re.split(r"(?<=\.)\s+", text)
    found = [each for each in sentences if re.search(rf"`{key}\b", each)]
    return " ".join(" ".join(found or sentences[:1]).split())


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a key that may be left out; TOML has no null."""
    alternatives = [each for each in schema.get("anyOf", []) if each != {"type": "null"}]
    if len(alternatives) == len(schema.get("anyOf", [])):
        return schema
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    return rest | (alternatives[0] if len(alternatives) == 1 else {"anyOf": alternatives})


@cache
def starting_point() -> str:
    """A model file to begin with."""
    return (files("fleetstream.model") / "start.toml").read_text()
