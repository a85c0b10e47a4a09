"""Where things are: only the model file names what is in the sample fleet."""

import re
from pathlib import Path

import pytest

import fleetstream
from tests.telemetry import MODEL

SOURCE = Path(fleetstream.__file__).parent

MEMBERS = [
    str(member["name"])
    for level in MODEL.levels
    for member in (level.members if isinstance(level.members, list) else [])
]
MEASURES = [each.name for kind in MODEL.kinds.values() for each in kind.measures]
VARIABLES = [each.name for kind in MODEL.kinds.values() for each in kind.variables]

OTHERS = {"us-east-1"}
"""An AWS region, not a member of the fleet, as the usual example of an option for a region."""

NAMES = re.compile(
    rf"(?<![\w-])({'|'.join(sorted({*MEMBERS, *MEASURES, *VARIABLES} - OTHERS))})(?![\w-])"
)

MODULES = sorted(SOURCE.rglob("*.py"))


def test_the_names_are_found() -> None:
    assert len(MEMBERS) == 12
    assert len({*MEASURES}) == 24
    assert len(MODULES) > 50
    for name in ("cpu_user", "eu-central-1", "athena", "memory_free", "disk_base"):
        assert NAMES.search(f"a {name!r}.")
        assert not NAMES.search(f"{name}s")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_module_names_what_is_in_the_sample_fleet(path: Path) -> None:
    lines = path.read_text().splitlines()
    found = [f"line {n}: {line}" for n, line in enumerate(lines, 1) if NAMES.search(line)]
    assert not found
