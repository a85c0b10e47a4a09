"""A local Timestream in a process of its own, for the tests of all parts."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

STOP_SECONDS = 30


class EmulatorProcess:
    """`fleetstream serve` on a free port of loopback, from `with` to its end.

    Attributes:
        process: The server; killed or stopped at the latest when the block ends.
        url: Where it listens.
        port: The port in `url`; a restart listens on it again.
        write: boto3's client of the write API, without retries and checks.
        query: boto3's client of the query API, without retries and checks.

    """

    def __init__(
        self, store: Path | None = None, faults: Sequence[str] = (), seed: int = 0
    ) -> None:
        self._options = ["--seed", str(seed)]
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

    def stop(self) -> int:
        """Ask it to end, as by Ctrl-C; gives its exit code."""
        self.process.terminate()
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """End it without warning; one that has ended stays as it is."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def restart(self) -> None:
        """Start it again after its end, with the same options and port."""
        assert self.process.poll() is not None, "It is still running; stop or kill it first."
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


def client(service: str, url: str) -> Any:
    """A boto3 client for the endpoint, without retries, that leaves all checks to the endpoint."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(retries={"max_attempts": 0}, read_timeout=60, parameter_validation=False),
    )
