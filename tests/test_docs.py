"""The pages that show what the program does show what it does now."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from docs.building import (
    behaviour,
    behaviour_pictures,
    model_reference,
    operations,
    outputs,
    pictures,
    record,
    reference,
    schema,
    shipped,
    sql_functions,
    tutorial,
    values,
)
from PIL import Image

from fleetstream.emulator.sql import functions
from fleetstream.model import load_model
from tests.terminal import FLEETSTREAM

ROOT = Path(__file__).parent.parent


def test_command_line_reference() -> None:
    assert reference.PAGE.read_text() == reference.reference(), "stale; run `make docs`"


def test_operations_of_the_local_timestream() -> None:
    assert operations.PAGE.read_text() == operations.page(), "stale; run `make docs`"


def test_values() -> None:
    assert values.PAGE.read_text() == values.page(), "stale; run `make docs`"


def test_model_reference() -> None:
    assert model_reference.PAGE.read_text() == model_reference.page(), "stale; run `make docs`"


@pytest.mark.parametrize("name", shipped.described())
def test_pages_of_models(name: str) -> None:
    assert shipped.path(name).read_text() == shipped.page(name), "stale; run `make docs`"
    assert (ROOT / "docs" / "images" / f"{name}.png").exists()
    assert f"(models/{name}.md)" in (ROOT / "docs" / "models.md").read_text()


def test_behaviour() -> None:
    assert behaviour.PAGE.read_text() == behaviour.page(), "stale; run `make docs`"
    for picture in behaviour_pictures.pictures():
        assert picture.stat().st_size < 120_000
        assert f"(images/{picture.name})" in behaviour.PAGE.read_text()
    for model in behaviour_pictures.models_with_incidents():
        shown = Image.open(behaviour_pictures.gallery_path(model)).info["Description"]
        assert shown.split(", ") == list(load_model(model).incidents), "stale; run `make docs`"


def test_the_text_about_compression_has_the_figures_of_its_table() -> None:
    page = behaviour.PAGE.read_text()
    row = re.search(r"^\| `aws-devops-realistic` \| metrics \| .*$", page, re.MULTILINE)
    assert row
    parquet, duckdb, gorilla = row[0].split("|")[4:9:2]
    said = f"takes {parquet.strip()} bytes per value in Parquet and {duckdb.strip()} in DuckDB"
    assert said in page
    assert f"takes {gorilla.strip()} bytes, " in page


def test_summary_schema() -> None:
    assert schema.PAGE.read_text() == schema.written(), "stale; run `make docs`"


def test_functions_of_the_local_timestream() -> None:
    page = sql_functions.page()
    assert page == sql_functions.PAGE.read_text(), "stale; run `make docs`"
    known = {*functions.SCALARS, *functions.AGGREGATES, *functions.WINDOW_FUNCTIONS}
    assert known <= set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))


def test_live_view() -> None:
    assert pictures.LIVE.read_text() == pictures.live_view(), "stale; run `make docs`"
    text = record.FRAME.read_text()
    for name in ("Target", "Sweep", "Values/s", "Last ", "p99", "throttled", "Metered"):
        assert name in text


@pytest.mark.parametrize("command", pictures.PLOTS)
def test_plots_are_those_of_their_commands(tmp_path: Path, command: str) -> None:
    """Not byte by byte, since other versions of matplotlib draw other edges."""
    assert f"$ {command}\n" in outputs.PAGE.read_text()
    *arguments, shown = shlex.split(command)[1:]
    assert f"({shown.removeprefix('docs/')})" in outputs.PAGE.read_text()
    drawn = tmp_path / "drawn.png"
    subprocess.run([FLEETSTREAM, *arguments, str(drawn)], check=True)
    assert_alike(drawn, ROOT / shown)


@pytest.mark.parametrize("plot", tutorial.plots(), ids=lambda plot: plot.picture)
def test_pictures_of_models_are_those_of_their_commands(
    tmp_path: Path, plot: tutorial.Plot
) -> None:
    assert f"(images/{plot.picture})" in tutorial.PAGE.read_text()
    drawn = tmp_path / "drawn.png"
    tutorial.draw(plot, drawn)
    assert_alike(drawn, ROOT / "docs" / "images" / plot.picture)


def assert_alike(drawn: Path, shown: Path) -> None:
    """Two pictures look the same from afar."""
    here, there = Image.open(drawn).convert("RGB"), Image.open(shown).convert("RGB")
    assert here.size == there.size
    pairs = zip(here.resize((60, 30)).tobytes(), there.resize((60, 30)).tobytes(), strict=True)
    assert max(abs(one - other) for one, other in pairs) < 30, "stale; run `make docs`"


def test_outputs() -> None:
    page = outputs.page()
    assert page == outputs.PAGE.read_text(), "stale; run `make docs`"
    assert "Metered writes" in page
