"""Writes `docs/model-reference.md`, every field of a model file, from the classes that read it."""

import inspect
import re
from typing import Any

import msgspec

from fleetstream.model import calendar, connectivity, dynamics, incidents, kinds, laws, levels, schema
from fleetstream.model.expressions import FUNCTIONS

from docs.building import DOCS

PAGE = DOCS / "model-reference.md"

PARTS: tuple[tuple[str, str, type[msgspec.Struct]], ...] = (
    ("The file", "", schema.Model),
    ("A parameter", "`[parameters.NAME]`", schema.Parameter),
    ("A level", "`[[levels]]`", levels.Level),
    ("The life cycle of a level", "`[levels.life]`", dynamics.Life),
    ("Releases", "`[levels.life.releases]`", dynamics.Releases),
    ("The connectivity of a level", "`[levels.connectivity]`", connectivity.Connectivity),
    ("A driver", "`[drivers.NAME]`", dynamics.Driver),
    ("Growth of a driver", "`[drivers.NAME.growth]`", calendar.Growth),
    ("Holidays of a driver", "`[[drivers.NAME.holidays]]`", calendar.Holidays),
    ("A kind of series", "`[kinds.NAME]`", kinds.SeriesKind),
    ("A variable", "`[[kinds.NAME.variables]]`", kinds.Variable),
    ("A measure", "`[[kinds.NAME.measures]]`", kinds.Measure),
    ("A histogram", "`[[kinds.NAME.histograms]]`", dynamics.Histogram),
    ("A summary", "`[[kinds.NAME.summaries]]`", dynamics.QuantileSummary),
    ("An incident", "`[incidents.NAME]`", incidents.Incident),
    ("An effect of an incident", "`[[incidents.NAME.effects]]`", incidents.Effect),
    ("A scheduled incident", "`[[incidents.NAME.scheduled]]`", incidents.IncidentSchedule),
    ("How an incident spreads", "`[[incidents.NAME.spreads]]`", incidents.Spread),
    ("Measures that options change", "`[overlay]`", schema.Overlay),
)

LAWS: tuple[type[msgspec.Struct], ...] = (
    *(laws.Constant, laws.Uniform, laws.Integer, laws.Normal, laws.LogNormal, laws.Exponential),
    *(laws.Gamma, laws.Poisson, laws.Zipf, laws.Bernoulli, laws.Choice, laws.Mixture),
    *(dynamics.Smooth, dynamics.Counter, dynamics.RecentQuantile),
)


EXPRESSIONS = """\
## Expressions

An expression has numbers, names, parentheses, these operators, and the functions below.

| operator | result |
|---|---|
| `+ - * /` | as in arithmetic; what is divided by 0 is missing |
| `a // b`, `a % b` | the quotient, rounded down, and the remainder, which has the sign of `b` |
| `a ** b` | a power |
| `< <= > >= == !=` | 1 where the comparison holds, else 0; they may be chained: `0.1 < x < 0.9` |

Conditions are combined by `a * b` (both hold), `max(a, b)` (one of them holds) and `1 - a` (it does
not hold).
"""

UNLIMITED = 1e12
"""Greatest values from here on are no limit that anyone meets."""


def build() -> None:
    """Write the page."""
    PAGE.write_text(page())


def page() -> str:
    """The page as it should be."""
    parts = [
        "# Model files\n\nEvery field of a model file, written by `make docs`. "
        "[models.md](models.md) introduces them.\n"
    ]
    for title, table, struct in PARTS:
        heading = f"## {title}" + (f": {table}" if table else "")
        parts += [f"{heading}\n", _described(struct), _fields(struct)]
    parts.append("## Laws\n\nA law is a table with its name as `law`, and its parameters.\n")
    for struct in LAWS:
        tag = struct.__struct_config__.tag
        parts += [f"### `{tag}`\n", _described(struct), _fields(struct)]
    parts += [EXPRESSIONS, "| function | result |\n|---|---|"]
    for name, function in FUNCTIONS.items():
        parts.append(f"| `{name}({', '.join(function.arguments)})` | {function.meaning} |")
    return "\n".join(parts) + "\n"


def _described(struct: type[msgspec.Struct]) -> str:
    text = re.sub(r":\w+:`~?\.?([^`]*)`", r"`\1`", inspect.getdoc(struct) or "")
    return text.replace("``", "`") + "\n"


def _fields(struct: type[msgspec.Struct]) -> str:
    rows = ["| field | type | default |", "|---|---|---|"]
    for field in msgspec.structs.fields(struct):
        rows.append(f"| `{field.encode_name}` | {_type(field.type)} | {_default(field)} |")
    return "\n".join(rows) + "\n"


def _default(field: Any) -> str:
    if field.required:
        return "required"
    default = field.default
    if default is msgspec.NODEFAULT:
        default = field.default_factory()
    if default is None or default == "":
        return ""
    if isinstance(default, msgspec.Struct):
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple | list | dict):
        return f"`{list(default)}`" if default else ""
    return f"`{default}`"


def _type(hint: Any) -> str:
    """The type of a field, for people who write TOML."""
    info = msgspec.inspect.type_info(hint)
    return _named(info)


def _named(info: Any) -> str:
    match info:
        case msgspec.inspect.StrType():
            return "a duration" if info.pattern else "text"
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.IntType():
            return "integer" + _range(info)
        case msgspec.inspect.FloatType():
            return "number" + _range(info)
        case msgspec.inspect.DateTimeType():
            return "time"
        case msgspec.inspect.LiteralType():
            return ", ".join(f"`{each}`" for each in info.values)
        case msgspec.inspect.EnumType():
            return ", ".join(f"`{each.value}`" for each in info.cls)
        case msgspec.inspect.ListType() | msgspec.inspect.VarTupleType():
            return f"list of {_named(info.item_type)}"
        case msgspec.inspect.DictType():
            return f"table of {_named(info.value_type)}"
        case msgspec.inspect.StructType():
            return f"table ({info.cls.__name__})"
        case msgspec.inspect.UnionType():
            kinds_ = [each for each in info.types if not isinstance(each, msgspec.inspect.NoneType)]
            found = ["law" if _is_law(each) else _named(each) for each in kinds_]
            return " or ".join(dict.fromkeys(found))
    raise TypeError(f"no words for {info!r}")


def _is_law(info: Any) -> bool:
    return isinstance(info, msgspec.inspect.StructType) and info.cls in LAWS


def _range(info: Any) -> str:
    low = info.ge if info.ge is not None else info.gt
    if low is None or info.le is None or info.le >= UNLIMITED:
        return f" above {info.gt:g}" if info.gt is not None else ""
    begin = "above " if info.gt is not None else "from "
    return f", {begin}{low:,g} to {info.le:,g}"


if __name__ == "__main__":
    build()
