"""A real Prometheus in a process of its own."""

import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from tests.programs import free_port, program


class Prometheus:
    """`prometheus` on a free port of loopback with its data in ``folder``, from `with` to its end.

    It scrapes nothing, and takes remote write if ``receiver`` says so.
    """

    def __init__(self, folder: Path, *, receiver: bool = True) -> None:
        self._folder = folder
        self._receiver = ["--web.enable-remote-write-receiver"] if receiver else []
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        (self._folder / "prometheus.yml").write_text("global: {}\n")
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start the server, also again, and wait until it is ready."""
        self._process = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={self._folder}/prometheus.yml",
                f"--storage.tsdb.path={self._folder}/prometheus",
                f"--web.listen-address=127.0.0.1:{self.port}",
                *self._receiver,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while not self._ready():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(30)

    def query(self, query: str) -> list[dict[str, Any]]:
        """The result of an instant query, now."""
        answer = requests.get(f"{self.url}/api/v1/query", {"query": query}, timeout=30).json()
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def _ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/-/ready", timeout=1).ok
        except requests.ConnectionError:
            return False
