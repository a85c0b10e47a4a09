"""Writes the README's table of values from the catalogue of measures."""

from pathlib import Path

from fleetstream.measures import CATALOGUE

PAGE = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- values -->\n", "<!-- /values -->\n"


def build() -> None:
    """Write the table between its markers."""
    PAGE.write_text(page())


def page() -> str:
    """The README with the table as it should be."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{table()}{END}{after}"


def table() -> str:
    """One row a measure."""
    rows = ["| domain | measure | type | unit | decimals | values | what |", "|---" * 7 + "|"]
    for measure in CATALOGUE:
        cells = (
            measure.domain,
            f"`{measure.name}`",
            measure.type,
            measure.unit,
            str(measure.decimals) if measure.unit else "",
            str(measure.distribution),
            measure.description,
        )
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"
