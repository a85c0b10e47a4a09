"""A local Timestream in a separate process, for the tests of all parts."""

import itertools
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.emulator.endpoint import client

STOP_SECONDS = 30

_numbers = itertools.count()


class EmulatorProcess:
    """`fleetstream serve` on a free port of loopback, inside a `with` block.

    `options` are further options of the command.

    Attributes:
        process: The server, which is killed at the end of the block.
        url: The endpoint URL.
        port: The port of the URL; a restart uses it again.
        write: boto3's client of the write API, without retries and validation.
        query: boto3's client of the query API, without retries and validation.

    """

    def __init__(
        self,
        store: Path | None = None,
        faults: Sequence[str] = (),
        seed: int = 0,
        options: Sequence[str] = (),
    ) -> None:
        self._options = ["--seed", str(seed), *options]
        if store is not None:
            self._options += ["--store", str(store)]
        for fault in faults:
            self._options += ["--fault", fault]
        self.port = 0
        self.process: subprocess.Popen[str]

    def __enter__(self) -> Self:
        self._start()
        self.write = client("timestream-write", self.url)
        self.query = client("timestream-query", self.url)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def new_database(self) -> str:
        """Create a database of a new name; returns the name."""
        name = f"database{next(_numbers)}"
        self.write.create_database(DatabaseName=name)
        return name

    def stop(self) -> int:
        """Stop it by SIGTERM; returns its exit code."""
        self.process.terminate()
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """Stop it by SIGKILL, if it is running."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def restart(self) -> None:
        """Start it again, with the same options and port."""
        assert self.process.poll() is not None, "It is still running."
        self._start()

    def _start(self) -> None:
        command = [sys.executable, "-m", "fleetstream", "serve", "--port", str(self.port)]
        self.process = subprocess.Popen(
            [*command, *self._options], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        ready = self.process.stdout.readline()
        if not ready.startswith("Listening on "):
            self.kill()
            raise AssertionError(f"The server did not start: {ready!r}")
        self.port = urlsplit(ready.split()[-1]).port or 0
