"""What is simulated: topology, series, measures and the laws of their values.

A model is immutable data, read from a TOML file. It contains no generator state and no options of a
run. :mod:`fleetstream.generate` turns it into values. The names here are imported when they are
first used, since a command line that only prints help needs none of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fleetstream.model.datatypes import DataType
    from fleetstream.model.kinds import Measure, SeriesKind, Variable
    from fleetstream.model.levels import Level, Member
    from fleetstream.model.loader import builtin_models, load_model
    from fleetstream.model.schema import Model, Overlay, Parameter

__all__ = [
    "DEFAULT_MODEL",
    "DataType",
    "Level",
    "Measure",
    "Member",
    "Model",
    "Overlay",
    "Parameter",
    "SeriesKind",
    "Variable",
    "builtin_models",
    "load_model",
]

DEFAULT_MODEL = "aws-devops"

_MODULE_OF = {
    "DataType": "datatypes",
    "Level": "levels",
    "Member": "levels",
    "builtin_models": "loader",
    "load_model": "loader",
    "Measure": "kinds",
    "Model": "schema",
    "Overlay": "schema",
    "Parameter": "schema",
    "SeriesKind": "kinds",
    "Variable": "kinds",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
