"""Reads model files: those shipped in ``builtin/`` by name, others by path."""

from functools import cache
from importlib.resources import files
from pathlib import Path

import msgspec

from fleetstream.model import DEFAULT_MODEL
from fleetstream.model.schema import Model

_SUFFIX = ".toml"


def builtin_models() -> list[str]:
    """The names of the models that are shipped with the package."""
    folder = files("fleetstream.model") / "builtin"
    names = (entry.name for entry in folder.iterdir())
    return sorted(name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))


def load_model(name: str | Path = DEFAULT_MODEL) -> Model:
    """The model of that name or in that file, which ends with ``.toml``.

    Raises ValueError where there is none or its content is not a model.
    """
    text = str(name)
    if not text.endswith(_SUFFIX):
        return _builtin(text)
    try:
        content = Path(name).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ValueError(f"The model {text!r} cannot be read: {reason}.") from error
    return _decoded(content, text)


@cache
def _builtin(name: str) -> Model:
    if name not in builtin_models():
        raise ValueError(
            f"There is no model {name!r}; choose {', '.join(builtin_models())}, or name a file "
            f"that ends with {_SUFFIX}."
        )
    content = (files("fleetstream.model") / "builtin" / f"{name}{_SUFFIX}").read_bytes()
    return _decoded(content, name)


def _decoded(content: bytes, name: str) -> Model:
    try:
        return msgspec.toml.decode(content, type=Model)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ValueError(f"The model {name!r} is not valid: {error}.") from error
