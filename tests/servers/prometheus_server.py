"""A real Prometheus in a process of its own."""

from pathlib import Path
from typing import Any

import requests

from tests.servers.programs import ServerProcess, answer_of, free_port, program


class Prometheus(ServerProcess):
    """`prometheus` on a free port of loopback with its data in ``folder``, from `with` to its end.

    It scrapes nothing, and takes remote write if ``receiver`` says so.
    """

    def __init__(self, folder: Path, *, receiver: bool = True) -> None:
        self._folder = folder
        self._receiver = ["--web.enable-remote-write-receiver"] if receiver else []
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        (self._folder / "prometheus.yml").write_text("global: {}\n")
        self.launch(
            program("prometheus"),
            f"--config.file={self._folder}/prometheus.yml",
            f"--storage.tsdb.path={self._folder}/prometheus",
            f"--web.listen-address=127.0.0.1:{self.port}",
            *self._receiver,
            answers=lambda: answer_of(f"{self.url}/-/ready"),
        )

    def query(self, query: str) -> list[dict[str, Any]]:
        """The result of an instant query, now."""
        answer = requests.get(f"{self.url}/api/v1/query", {"query": query}, timeout=30).json()
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result
