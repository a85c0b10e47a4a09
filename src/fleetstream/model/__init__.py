"""What is simulated: topology, series, measures and the laws of their values.

A model is immutable data, read from a TOML file. It contains no generator state and no options of a
run. :mod:`fleetstream.generate` turns it into values.
"""

from fleetstream.model.datatypes import DataType
from fleetstream.model.levels import Level, Member
from fleetstream.model.loader import DEFAULT_MODEL, builtin_models, load_model
from fleetstream.model.schema import (
    Measure,
    Model,
    Overlay,
    Parameter,
    SeriesKind,
    Variable,
)

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
