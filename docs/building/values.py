"""Writes `docs/measures.md`, the page about the sample fleet, from its model."""


import pyarrow as pa
import pyarrow.compute as pc

from fleetstream.generate.generator import Generator
from fleetstream.model import SeriesKind, load_model
from fleetstream.model.kinds import NUMBERS

from docs.building import DOCS
from docs.building.pictures import PLOTS

PAGE = DOCS / "measures.md"

INTRODUCTION = """\
# The sample fleet

Generated from [aws-devops.toml](../src/fleetstream/model/builtin/aws-devops.toml) by `make docs`.

{description}. At host scale 1 there are {series}: {values} values per sweep.

**All values are independent draws**, as in the AWS sample tool: nothing correlates over time,
between measures, or between hosts, except the sums that are stated below. That is right for load
tests and useless for dashboards, alerts or anomaly detection.

![CPU load over time, and its distribution beside its stated law](images/cpu_user.png)

    {plot}

What belongs to a host for good depends on its identity (its dimensions) alone, not on `--seed`:
which law its CPU load follows (`cpu_user`), and the size of its data (`disk_used`), 30 GB times an
integer from 1 to 100.

A value is rounded to the decimals of its measure before others are derived from it, so sums are
exact: the eight CPU values add up to 100 wherever they can, `memory_used` and `memory_free` to
8,000. A VARCHAR measure has no decimals.
"""


def build() -> None:
    """Write the page."""
    PAGE.write_text(page())


def page() -> str:
    """The page as it should be."""
    model = load_model()
    generator = Generator(model, 0)
    series = " and ".join(
        f"{len(generator.tables[key]):,} {kind.noun}" for key, kind in model.kinds.items()
    )
    parts = [
        INTRODUCTION.format(
            description=model.description[0].upper() + model.description[1:],
            series=series,
            values=f"{generator.values_per_sweep:,}",
            plot=PLOTS[0],
        )
    ]
    parts.append(f"## Topology\n\n{topology(generator)}")
    for key, kind in model.kinds.items():
        parts += kind_parts(key, kind)
    return "\n".join(parts)


def kind_parts(key: str, kind: SeriesKind) -> list[str]:
    """The dimensions, measures and variables of a kind."""
    parts = [f"## `{key}`: one series per row of the level `{kind.level}`\n"]
    parts.append("Dimensions: " + ", ".join(f"`{name}`" for name in kind.dimensions) + ".\n")
    if kind.interval is not None:
        parts.append(f"Measured every {kind.interval}.\n")
    rows = ["| group | measure | type | unit | decimals | values | meaning |", "|---" * 7 + "|"]
    for measure, law in zip(kind.measures, kind.origins, strict=True):
        cells = (
            measure.group,
            f"`{measure.name}`",
            measure.type,
            measure.unit,
            str(measure.decimals) if measure.type in NUMBERS else "",
            f"`{law}`" if measure.expression and law == measure.value else law,
            measure.description,
        )
        rows.append("| " + " | ".join(cells) + " |")
    parts.append("\n".join(rows) + "\n")
    if kind.listed_variables:
        parts.append("Variables that these expressions use, which are not written:\n")
        for variable in kind.listed_variables:
            fixed = ", fixed per series" if variable.fixed else ""
            law = f"`{variable.value}`" if variable.expression else str(variable.value)
            meaning = f"; {variable.description}" if variable.description else ""
            parts.append(f"- `{variable.name}`: {law}{fixed}{meaning}")
        parts.append("")
    return parts


def topology(generator: Generator) -> str:
    """Cells, silos and series per region, and hosts per silo of each microservice, as tables."""
    hosts, processes = (
        pa.Table.from_batches([each.dimensions]) for each in generator.tables.values()
    )
    rows = ["| region | cells | silos | hosts | processes |", "|---|---|---|---|---|"]
    for region in hosts["region"].unique().to_pylist():
        of = [table.filter(pc.equal(table["region"], region)) for table in (hosts, processes)]
        counts = (len(of[0][level].unique()) for level in ("cell", "silo"))
        cells = (region, *map(str, counts), *(f"{table.num_rows:,}" for table in of))
        rows.append("| " + " | ".join(cells) + " |")
    rows += ["", "| microservice | hosts per silo | processes per host |", "|---|---|---|"]
    silos = len(hosts["silo"].unique())
    for service in hosts["microservice_name"].unique().to_pylist():
        count = [
            pc.sum(pc.equal(table["microservice_name"], service)).as_py()
            for table in (hosts, processes)
        ]
        rows.append(f"| {service} | {count[0] // silos} | {count[1] // count[0]} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    build()
