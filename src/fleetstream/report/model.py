"""What a model simulates, for people."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
from rich.markup import escape
from rich.table import Table

from fleetstream.generate.generator import Generator
from fleetstream.generate.topology import SeriesTable
from fleetstream.model import (
    Level,
    Measure,
    Model,
    SeriesKind,
    Variable,
    builtin_models,
    load_model,
)
from fleetstream.model.levels import SHARE
from fleetstream.report.console import OutputConsole
from fleetstream.report.facts import connectivity_by_level, series_by_noun
from fleetstream.report.formats import counts

EXAMPLES = 3
"""Values shown of each dimension."""


def show_models() -> None:
    """Print the models that are shipped, with what they have at their default parameters."""
    table = Table.grid(padding=(0, 2))
    for name in builtin_models():
        model = load_model(name)
        table.add_row(f"[bold]{name}[/bold]", escape(model.description))
        table.add_row("", escape(sizes(Generator(model, 0))))
    OutputConsole().print(table)


def show_model(generator: Generator) -> None:
    """Print levels, kinds, dimensions and measures of a model, with the sizes of a fleet of it."""
    console, model = OutputConsole(), generator.model
    described = f" {escape(model.description)}" if model.description else ""
    console.print(f"[bold]{escape(model.name)}[/bold]:{described}")
    console.print(escape(sizes(generator)))
    if model.parameters:
        _section(console, "Parameters, set by --set NAME=VALUE", _parameters(model))
    _section(console, "Levels, from the outermost", _levels(generator))
    if model.drivers:
        _section(console, "Drivers, which values follow", _drivers(model))
    if connectivity := connectivity_by_level(generator):
        _section(
            console,
            "Connections; what is measured without one arrives later",
            iter(connectivity.items()),
        )
    if model.incidents:
        _section(console, "Incidents", _incidents(model))
    for key, kind in model.kinds.items():
        table = generator.tables[key]
        console.print(
            f"\n[bold]{escape(key)}[/bold]: {len(table):,} {escape(kind.noun)}, one per row of the "
            f"level {escape(kind.level)}; {len(kind.measures):,} values each, "
            + (f"every {kind.interval}" if kind.interval else "in every sweep")
        )
        _section(console, "Dimensions", _dimensions(model, kind, table))
        _section(console, "Measures", map(_measure, kind.measures, kind.origins))
        if variables := kind.listed_variables:
            _section(console, "Variables, which are not written", map(_variable, variables))


def show_check(path: str, generator: Generator) -> None:
    """Print that a file is a valid model, and its sizes."""
    print(f"{path} is a valid model: {sizes(generator)}.")


def sizes(generator: Generator) -> str:
    """Numbers of series by noun, and of values."""
    return f"{counts(series_by_noun(generator))}; {generator.values_per_sweep:,} values per sweep"


def _section(console: OutputConsole, heading: str, rows: Iterator[Sequence[str]]) -> None:
    cells = [list(map(escape, row)) for row in rows]
    table = Table.grid(padding=(0, 2))
    for _ in cells[0] if cells else ():
        table.add_column(overflow="fold")
    for row in cells:
        table.add_row(*row)
    console.print(f"\n[bold]{heading}[/bold]")
    console.print(table)


def _parameters(model: Model) -> Iterator[Sequence[str]]:
    for name, each in model.parameters.items():
        yield name, f"{each.default:,}", f"{each.minimum:,} to {each.maximum:,}", each.description


def _drivers(model: Model) -> Iterator[Sequence[str]]:
    for name, each in model.drivers.items():
        yield name, f"one per {each.level}" if each.level else "one for all", each.description


def _incidents(model: Model) -> Iterator[Sequence[str]]:
    for name, each in model.incidents.items():
        often = f"every {each.every} on average" if each.every else "when it is scheduled"
        yield name, f"each {each.level} {often}", each.description


def _levels(generator: Generator) -> Iterator[Sequence[str]]:
    for level in generator.model.levels:
        yield level.name, f"{generator.level_sizes[level.name]:,}", _members(level)


def _members(level: Level) -> str:
    """Where the rows of a level come from, what they choose, and what they are also under."""
    others = "".join(f"; {each}" for each in described_choices(level))
    others += "".join(
        f"; each also under a {other}, at the position {text}"
        for other, text in level.also_under.items()
    )
    if isinstance(level.members, list):
        return ", ".join(str(member["name"]) for member in level.members) + others
    if level.members:
        return f"as {level.members} lists{others}"
    return f"{level.count}, named {level.label}{others}"


def described_choices(level: Level) -> list[str]:
    """What the rows of a level choose, with the shares."""
    return [
        f"{name} "
        + " or ".join(f"{option['name']} ({float(option[SHARE]):.0%})" for option in options)
        for name, options in level.choices.items()
    ]


def _dimensions(model: Model, kind: SeriesKind, table: SeriesTable) -> Iterator[Sequence[str]]:
    changing = model.changing_dimensions(kind)
    for name, template in kind.dimensions.items():
        if name in changing:
            yield name, "", f"{template}, changes over time"
            continue
        words = _distinct(table.dimensions[name])
        shown = ", ".join(words[:EXAMPLES]) + (", …" if len(words) > EXAMPLES else "")
        yield name, f"{len(words):,}", shown


def _distinct(column: pa.DictionaryArray) -> list[str]:
    words: list[str] = column.unique().to_pylist()
    return words


def _measure(measure: Measure, origin: str) -> Sequence[str]:
    listed = f", position in {', '.join(measure.words)}" if measure.words else ""
    value = f"{origin}{listed}"
    return measure.name, str(measure.type), measure.unit, value, measure.description


def _variable(variable: Variable) -> Sequence[str]:
    fixed = "fixed per series" if variable.fixed else ""
    return variable.name, fixed, str(variable.value), variable.description
