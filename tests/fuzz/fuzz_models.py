"""Fuzzes what model files may hold: a model that generates, or an error with a position."""

import re
import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["fleetstream.model", "fleetstream.generate", "tomllib"]):
    from fleetstream.generate import topology
    from fleetstream.generate.generator import Generator
    from fleetstream.model import diagnosis, positions, problems  # noqa: F401 - loaded when needed
    from fleetstream.model.loader import ModelFault, load_model, positioned

FILE = Path(tempfile.mkdtemp()) / "model.toml"
SENSORS = (Path(__file__).parents[1] / "model" / "sensors.toml").read_text()

topology.MAX_SERIES = 10_000  # what is looked for is not how long large models take
warnings.simplefilter("ignore", RuntimeWarning)


def generate() -> None:
    """Load the model in the file, and generate from it. Raises ValueError."""
    model = load_model(FILE)
    try:
        generator = Generator(model, 1)
    except ModelFault as fault:
        raise positioned(str(FILE), fault) from fault
    for batch in generator.batches([0]):
        batch.validate(full=True)


TOKENS = re.split(r"(\w+|[^\w\s])", SENSORS)
"""The words and signs of a model, at odd places, with what separates them between."""


def text_of(provider: atheris.FuzzedDataProvider) -> str:
    """A model with some words and signs replaced by others of it, or by any text."""
    tokens = list(TOKENS)
    for _ in range(provider.ConsumeIntInRange(1, 4)):
        place = 2 * provider.ConsumeIntInRange(0, len(tokens) // 2 - 1) + 1
        choice = provider.ConsumeIntInRange(0, 3)
        if choice == 0:
            tokens[place] = provider.ConsumeUnicodeNoSurrogates(8)
        elif choice == 1:
            tokens[place] = str(provider.ConsumeInt(8))
        else:
            other = 2 * provider.ConsumeIntInRange(0, len(tokens) // 2 - 1) + 1
            tokens[place] = TOKENS[other] if choice == 2 else tokens[place] + TOKENS[other]
    return "".join(tokens)


def one(content: bytes) -> None:
    provider = atheris.FuzzedDataProvider(content)
    structured = provider.ConsumeBool()
    FILE.write_bytes(text_of(provider).encode() if structured else content)
    try:
        generate()
    except ValueError as error:
        if not re.match(rf"{re.escape(str(FILE))}:\d+:\d+: \S", str(error)):
            raise


atheris.Setup([*sys.argv, "-len_control=0", "-max_len=300"], one)
atheris.Fuzz()
