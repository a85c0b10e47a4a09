"""Help of the commands."""

import os
import re
import subprocess

from tests.terminal import FLEETSTREAM


def groups_of(*arguments: str) -> list[str]:
    printed = subprocess.run(
        [FLEETSTREAM, "ingest", *arguments], capture_output=True, text=True, check=True
    ).stdout
    assert "%%" not in printed
    return re.findall(r"^(\S.*):$", printed, re.MULTILINE)


def test_help_shows_what_matters_first() -> None:
    printed = subprocess.run(
        [FLEETSTREAM, "ingest", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"COLUMNS": "100"},
    ).stdout
    assert len(printed.splitlines()) < 70
    assert "--help-all" in printed
    assert "--ray" not in printed
    assert "--disorder" not in printed


def test_all_options_are_in_groups() -> None:
    assert groups_of("--help-all") == [
        *("Examples", "Options", "Target", "Fleet", "Values", "Schedule", "Disorder"),
        *("Delivery", "Workers", "Display", "Manifest", "Preview"),
    ]
