"""A real VictoriaMetrics in a process of its own."""

import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import requests

from tests.programs import free_port, program


class VictoriaMetrics:
    """`victoria-metrics` on a free port of loopback with its data in ``folder``, inside `with`.

    It keeps ``retention``, and one of several samples with the same timestamp. With ``password`` it
    asks for the user `admin` and that password.
    """

    def __init__(self, folder: Path, password: str | None = None, retention: str = "100y") -> None:
        self._retention = retention
        self._folder = folder
        self._login = ["-httpAuth.username=admin", f"-httpAuth.password={password}"]
        self._login = self._login if password else []
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait(30)

    def start(self) -> None:
        """Start the server, also again, and wait until it answers."""
        self.process = subprocess.Popen(
            [
                program("victoria-metrics"),
                f"-httpListenAddr=127.0.0.1:{self._port}",
                f"-storageDataPath={self._folder}/victoria-metrics",
                f"-retentionPeriod={self._retention}",
                "-dedup.minScrapeInterval=1ms",
                *self._login,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _await_answer(f"{self.url}/health")


def _await_answer(url: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            requests.get(url, timeout=1)
            break
        except requests.ConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
