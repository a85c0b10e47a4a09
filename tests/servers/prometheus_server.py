"""A real Prometheus in a process of its own."""

from pathlib import Path
from typing import Any

import requests

from tests.servers.go_programs import GoProgram
from tests.servers.programs import ServerProcess, answer_of, free_port, program

SECOND = GoProgram(
    "prometheus",
    "Prometheus 3",
    Path(__file__).parent / "prometheus_program",
    "github.com/prometheus/prometheus/cmd/prometheus",
    ["remove_all_sd"],
)
"""Prometheus without service discovery, which takes remote write 2.0; Debian's is too old."""


class Prometheus(ServerProcess):
    """A server on a free port of loopback with its data in ``folder``, from `with` to its end.

    It scrapes nothing, and takes remote write of this ``version`` alone, if ``receiver`` says so.
    """

    def __init__(self, folder: Path, *, version: int = 1, receiver: bool = True) -> None:
        self._folder = folder
        self._version = version
        self._options = ["--web.enable-remote-write-receiver"] if receiver else []
        if version == 2:
            message = "io.prometheus.write.v2.Request"
            self._options.append(
                f"--web.remote-write-receiver.accepted-protobuf-messages={message}"
            )
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        (self._folder / "prometheus.yml").write_text("global: {}\n")
        self.launch(
            str(SECOND.path()) if self._version == 2 else program("prometheus"),
            f"--config.file={self._folder}/prometheus.yml",
            f"--storage.tsdb.path={self._folder}/prometheus",
            f"--web.listen-address=127.0.0.1:{self.port}",
            *self._options,
            answers=lambda: answer_of(f"{self.url}/-/ready"),
        )

    def query(self, query: str) -> list[dict[str, Any]]:
        """The result of an instant query, now."""
        answer = requests.get(f"{self.url}/api/v1/query", {"query": query}, timeout=30).json()
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result


if __name__ == "__main__":
    print(SECOND.path())
