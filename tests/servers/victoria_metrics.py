"""A real VictoriaMetrics in a process of its own."""

from pathlib import Path

import requests

from tests.servers.programs import ServerProcess, free_port, program


class VictoriaMetrics(ServerProcess):
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

    def start(self) -> None:
        self.launch(
            program("victoria-metrics"),
            f"-httpListenAddr=127.0.0.1:{self._port}",
            f"-storageDataPath={self._folder}/victoria-metrics",
            f"-retentionPeriod={self._retention}",
            "-dedup.minScrapeInterval=1ms",
            *self._login,
            answers=lambda: requests.get(f"{self.url}/health", timeout=1),
        )
