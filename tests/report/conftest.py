"""A model that has nothing in common with the sample fleet, for the tests of this part."""

from pathlib import Path

import pytest

from fleetstream.model import Model, load_model

WELLS = """
name = "wells"
shard_level = "well"

[[levels]]
name = "well"
members = [{ name = "a" }, { name = "b" }, { name = "c" }]

[kinds.readings]
noun = "wells"
level = "well"

[kinds.readings.dimensions]
well = "{well}"

[[kinds.readings.measures]]
name = "depth"
unit = "m"
decimals = 1
value = { law = "normal", mean = -20, sd = 1 }
"""


@pytest.fixture
def other_model(tmp_path: Path) -> Model:
    path = tmp_path / "wells.toml"
    path.write_text(WELLS)
    return load_model(str(path))
