"""Prometheus's Alertmanager on a free port of loopback, alone and without receivers."""

from pathlib import Path
from typing import Any

import requests

from tests.servers.programs import ServerProcess, answer_of, free_port, program


class Alertmanager(ServerProcess):
    """An Alertmanager that keeps its files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.program = program("prometheus-alertmanager")
        self.folder = folder
        self.url = f"http://127.0.0.1:{free_port()}"

    def start(self) -> None:
        config = self.folder / "alertmanager.yml"
        config.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
        self.launch(
            self.program,
            f"--config.file={config}",
            f"--storage.path={self.folder}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
            "--cluster.listen-address=",
            answers=lambda: answer_of(f"{self.url}/-/ready"),
        )

    def post(self, alerts: bytes) -> None:
        """Send alerts. Raises HTTPError where they are refused."""
        headers = {"Content-Type": "application/json"}
        answer = requests.post(f"{self.url}/api/v2/alerts", alerts, headers=headers, timeout=30)
        answer.raise_for_status()

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that are firing."""
        answer = requests.get(f"{self.url}/api/v2/alerts", timeout=30)
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()
        return found
