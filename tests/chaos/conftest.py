"""A table in a real local Timestream, and generators that write to it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.chaos.generator import DATABASE, TABLE, Generator
from tests.servers.emulator_process import EmulatorProcess

FLEET = ("--include-region", "us-west-2")
"""Four silos: 1,040 values a sweep."""


class Scene:
    """A server with the table, and generators that write to it."""

    def __init__(self, server: EmulatorProcess, folder: Path) -> None:
        self.server = server
        self.folder = folder

    def target(self) -> list[str]:
        return ["-r", "us-east-1", "-url", self.server.url, "-d", DATABASE, "-t", TABLE]

    def generate(self, *arguments: str) -> Generator:
        options = (*FLEET, "--seed", "11", "--interval", "200ms")
        return Generator(self.folder, *self.target(), *options, *arguments)

    def resume(self, *arguments: str) -> Generator:
        return Generator(self.folder, "--resume", str(self.folder / "run.json"), *arguments)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Callable[..., Scene]]:
    """Makes a scene; ``faults`` go to the server, ``store`` keeps what it holds on disk."""
    with ExitStack() as stack:

        def make(*faults: str, store: bool = False) -> Scene:
            path = tmp_path / "store" if store else None
            server = stack.enter_context(EmulatorProcess(store=path, faults=faults, seed=5))
            server.write.create_database(DatabaseName=DATABASE)
            server.write.create_table(DatabaseName=DATABASE, TableName=TABLE)
            return Scene(server, tmp_path)

        yield make
