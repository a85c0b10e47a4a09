"""Templates in model files: text with fields such as ``{region}`` or ``{instance.index:04}``.

The number after a colon is the least width, as in Python's format strings. Fields are looked up by
their whole dotted name, never as attributes of an object, so a template from a file reads nothing
but what it is given.
"""

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

_WIDTH = re.compile(r"0?[1-9]?[0-9]?")


@dataclass(frozen=True)
class Template:
    """A parsed template. Raises ValueError where braces or widths are not understood."""

    text: str

    def __post_init__(self) -> None:
        _ = self._parts

    @property
    def fields(self) -> tuple[str, ...]:
        """The distinct names of its fields, in the order of appearance."""
        return tuple(dict.fromkeys(name for _, name, _ in self._parts if name is not None))

    @property
    def sole_field(self) -> str | None:
        """The field's name where the template is one field without a format, else None."""
        match self._parts:
            case (("", str(name), ""),):
                return name
        return None

    def render(self, values: Mapping[str, str | int]) -> str:
        """The text for one value per field."""
        return "".join(
            literal if name is None else literal + format(values[name], spec)
            for literal, name, spec in self._parts
        )

    @property
    def parts(self) -> tuple[tuple[str, str | None, str], ...]:
        """Literal text, the field that follows it (None at the end), and its format."""
        return self._parts

    @cached_property
    def _parts(self) -> tuple[tuple[str, str | None, str], ...]:
        parts = []
        try:
            for literal, name, spec, conversion in string.Formatter().parse(self.text):
                if name == "" or conversion or not _WIDTH.fullmatch(spec or ""):
                    raise ValueError
                parts.append((literal, name, spec or ""))
        except ValueError:
            raise ValueError(
                f"{self.text!r} is not a template; a field is written like {{region}} or "
                "{instance.index:04}"
            ) from None
        return tuple(parts)
