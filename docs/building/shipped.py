"""Writes a page about each shipped model but the sample fleet: `docs/models/NAME.md`."""

import shlex
from pathlib import Path

from docs.building.values import kind_parts
from fleetstream.cli import main
from fleetstream.generate.generator import Generator
from fleetstream.model import DEFAULT_MODEL, Model, builtin_models, load_model
from fleetstream.report.model import described_choices

from docs.building import DOCS

FOLDER = DOCS / "models"

PICTURED = {
    "anomalies": "signal.value",
    "aws-devops-realistic": "cpu_user",
    "kubernetes": "container_memory_working_set_bytes",
    "web-shop": "requests_per_second",
    "iot-trucks": "speed",
    "smart-meters": "power",
}
"""The measure that the picture of each model shows."""


def build() -> None:
    """Write all pages, and draw their pictures."""
    FOLDER.mkdir(exist_ok=True)
    for name in described():
        path(name).write_text(page(name))
        code = main(shlex.split(command(name))[1:])
        assert code == 0, name


def described() -> list[str]:
    """The models that have such a page."""
    return [name for name in builtin_models() if name != DEFAULT_MODEL]


def path(name: str) -> Path:
    return FOLDER / f"{name}.md"


def command(name: str) -> str:
    """The command that draws a model's picture."""
    return (
        f"fleetstream plot --model {name} --measure {PICTURED[name]} --seed 7 "
        f"--start 2026-11-02 --end 2026-11-05 --out docs/images/{name}.png"
    )


def page(name: str) -> str:
    """The page as it should be."""
    model = load_model(name)
    generator = Generator(model, 0)
    counts = ", ".join(
        f"{len(generator.tables[key]):,} {kind.noun}" for key, kind in model.kinds.items()
    )
    parts = [
        f"# {name}\n",
        f"Generated from [{name}.toml](../../src/fleetstream/model/builtin/{name}.toml) by "
        "`make docs`.\n",
        f"{model.description[0].upper()}{model.description[1:]}. With the default parameters, and "
        f"all slots in use, there are {counts}: {generator.values_per_sweep:,} values per sweep.\n",
        f"![three days of {PICTURED[name]}](../images/{name}.png)\n",
        f"    {command(name)}\n",
        *_parameters(model),
        *_levels(model),
        *_drivers(model),
        *_incidents(model),
    ]
    for key, kind in model.kinds.items():
        parts += kind_parts(key, kind)
    return "\n".join(parts)


def _parameters(model: Model) -> list[str]:
    rows = ["## Parameters\n", "| parameter | default | meaning |", "|---|---|---|"]
    for name, parameter in model.parameters.items():
        rows.append(f"| `{name}` | {parameter.default:,} | {parameter.description} |")
    return [*rows, ""]


def _levels(model: Model) -> list[str]:
    rows = ["## Levels\n", "| level | under | rows | life cycle, connection |", "|---|---|---|---|"]
    for level in model.levels:
        *_, above = ["", *(f"`{each.name}`" for each in model.line(level.name)[:-1])]
        above += "".join(f", also `{other}`" for other in level.also_under)
        if isinstance(level.members, list):
            count = ", ".join(str(member["name"]) for member in level.members)
        else:
            count = f"`{level.members or level.count}`"
        count = "; ".join([count, *described_choices(level)])
        life = []
        if level.life is not None:
            if level.life.lifetime:
                life.append(f"replaced after {level.life.lifetime} on average")
            if level.life.releases:
                releases = level.life.releases
                life.append(f"released every {releases.every} per {releases.level}")
            if level.life.scale:
                life.append(f"scaled by `{level.life.scale}`")
            if level.life.presence < 1:
                life.append(f"{level.life.presence:.0%} present")
        if level.connectivity is not None:
            life.append(f"connection {level.connectivity}")
        rows.append(f"| `{level.name}` | {above} | {count} | {', '.join(life)} |")
    return [*rows, ""]


def _drivers(model: Model) -> list[str]:
    rows = ["## Drivers\n", "| driver | one per | meaning |", "|---|---|---|"]
    for name, driver in model.drivers.items():
        level = f"`{driver.level}`" if driver.level else "the whole system"
        special = [f"; {each.factor:g} times as much on {each.description}" for each in driver.holidays]
        rows.append(f"| `{name}` | {level} | {driver.description}{''.join(special)} |")
    return [*rows, ""]


def _incidents(model: Model) -> list[str]:
    if not model.incidents:
        return []
    rows = ["## Incidents\n", "| incident | at | every | lasts | meaning |", "|---|---|---|---|---|"]
    for name, incident in model.incidents.items():
        lasts = f"{incident.shortest} to {incident.longest}" if incident.every else ""
        spreads = "".join(f"; felt by {each.to}" for each in incident.spreads)
        meaning = incident.description + spreads
        cells = (f"`{name}`", f"`{incident.level}`", incident.every or "", lasts, meaning)
        rows.append(f"| {' | '.join(cells)} |")
    return [*rows, ""]


if __name__ == "__main__":
    build()
