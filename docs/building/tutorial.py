"""Draws the pictures of `docs/models.md` by the commands that it shows, of the models above them."""

import re
import shlex
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from docs.building import DOCS
from docs.building.behaviour_pictures import COLOURS
from docs.building.record import IMAGES

PAGE = DOCS / "models.md"

_BLOCK = re.compile(r"```(toml|console)\n(.*?)```", re.DOTALL)

_PLOT = re.compile(r"\$ fleetstream (plot .*) --out (\S+\.png)\n")


class Plot(NamedTuple):
    """A picture of the page: its name, the command without the picture, and the model's file."""

    picture: str
    command: str
    model: str


def build() -> None:
    """Make all pictures of the page."""
    for plot in plots():
        draw(plot, IMAGES / plot.picture)


def plots() -> list[Plot]:
    """The plots that the page shows; a model replaces the one before of the same name."""
    models: dict[str, str] = {}
    found = []
    for language, text in _BLOCK.findall(PAGE.read_text()):
        if language == "toml":
            models[f"{tomllib.loads(text)['name']}.toml"] = text
        for command, picture in _PLOT.findall(text):
            words = shlex.split(command)
            found.append(Plot(picture, command, models[words[words.index("--model") + 1]]))
    return found


def draw(plot: Plot, path: Path) -> None:
    """Draw a picture to a file with few colours, which makes it a third as large."""
    words = shlex.split(plot.command)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, words[words.index("--model") + 1]).write_text(plot.model)
        command = [sys.executable, "-m", "fleetstream", *words, "--out", "drawn.png"]
        subprocess.run(command, cwd=folder, check=True)
        with Image.open(Path(folder, "drawn.png")) as drawn:
            drawn.convert("RGB").quantize(COLOURS).save(path, optimize=True)


if __name__ == "__main__":
    build()
