"""A real InfluxDB 1 in a process of its own."""

from pathlib import Path
from typing import Any

import requests

from tests.servers.programs import ServerProcess, answer_of, free_port, program


class InfluxDB(ServerProcess):
    """`influxd` on free ports of loopback with its data in ``folder``, from `with` to its end.

    With ``users`` it asks for credentials: `admin` with the password `secret` has them.
    """

    def __init__(self, folder: Path, *, users: bool = False) -> None:
        self._folder = folder
        self._users = users

    def start(self) -> None:
        influxd = program("influxd")
        http, rpc = free_port(), free_port()
        self.url = f"http://127.0.0.1:{http}"
        config = self._folder / "influxd.conf"
        config.write_text(
            f'reporting-disabled = true\nbind-address = "127.0.0.1:{rpc}"\n'
            f'[meta]\ndir = "{self._folder}/meta"\n'
            f'[data]\ndir = "{self._folder}/data"\nwal-dir = "{self._folder}/wal"\n'
            f'[http]\nbind-address = "127.0.0.1:{http}"\nlog-enabled = false\n'
            f"auth-enabled = {str(self._users).lower()}\n"
            "[monitor]\nstore-enabled = false\n"
        )
        self.launch(influxd, "-config", str(config), answers=lambda: answer_of(f"{self.url}/ping"))
        if self._users:
            self.query("CREATE USER admin WITH PASSWORD 'secret' WITH ALL PRIVILEGES")
        self.query("CREATE DATABASE fleet")

    def query(self, statement: str) -> list[dict[str, Any]]:
        """The series of an InfluxQL answer."""
        answer = requests.post(
            f"{self.url}/query",
            {"db": "fleet", "q": statement, "epoch": "u"},
            auth=("admin", "secret") if self._users else None,
            timeout=60,
        ).json()
        (result,) = answer["results"]
        assert "error" not in result, result
        series: list[dict[str, Any]] = result.get("series", [])
        return series
