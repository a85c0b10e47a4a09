"""A long run: history into a faulty server, with kills of both sides, and what remains of it."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import requests

from fleetstream.generate.choices import RecordModel
from fleetstream.run.manifest import read_manifest
from tests.chaos.generator import CREDENTIALS, DATABASE, TABLE, Generator, undelivered
from tests.servers.emulator_process import EmulatorProcess

START = datetime(2026, 1, 1, tzinfo=UTC)
FLEET = Path(__file__).with_name("soak.toml")
RECORDS_PER_SWEEP = 2_500
"""One per sensor of the fleet."""
PROCESSES = "2"
FAULTS = {
    "throttle": "0.2",
    "error": "0.03",
    "reset-before": "0.02",
    "reset-after": "0.02",
    "truncate": "0.02",
    "garbage": "0.02",
    "oversize": "0.001",
    "reject": "0.001",
    "latency": "2ms",
}
CAPACITY = {"capacity": "100records/s"}
"""Of the table whenever the server has started, until it has refused some requests."""


class Soak:
    """A run of at least ``records`` records, into a server that was started with the faults.

    Attributes:
        figures: What has happened so far.
        total: How many records there must be in the end.

    """

    def __init__(self, server: EmulatorProcess, folder: Path, records: int) -> None:
        self.server = server
        self.folder = folder
        self.figures: Counter[str] = Counter()
        self.sweeps = -(-records // RECORDS_PER_SWEEP)
        self.total = self.sweeps * RECORDS_PER_SWEEP
        self._generators: list[Generator] = []
        self._undelivered = folder / "fleetstream-undelivered"
        server.write.create_database(DatabaseName=DATABASE)
        server.write.create_table(
            DatabaseName=DATABASE,
            TableName=TABLE,
            MagneticStoreWriteProperties={"EnableMagneticStoreWrites": True},
        )

    def run(self, kills: int, luck: random.Random) -> None:
        """Write everything, and kill both sides so many times, in a random order."""
        try:
            self._run(kills, luck)
        finally:
            # A generator that never gives up would outlive a failure.
            for generator in self._generators:
                generator.process.kill()

    def _run(self, kills: int, luck: random.Random) -> None:
        run = self._start(
            *self.target(), "--model", str(FLEET), "--seed", "7",
            "--interval", "1s", "--start", START.isoformat(),
            "--end", (START + timedelta(seconds=self.sweeps)).isoformat(),
        )  # fmt: skip
        self._scale(run)
        victims = luck.sample(["generator", "server"] * kills, 2 * kills)
        for victim in victims:
            self._wait(run, self.total // (len(victims) + 2))
            self.figures[f"{victim} killed"] += 1
            if victim == "server":
                self._count_faults()
                self.server.kill()
                self.server.restart()
                self._scale(run)
            else:
                run.send(signal.SIGKILL)
                run.process.communicate()
                run = self._start("--resume", str(self.folder / "run.json"))
        code, printed = run.end(timeout=24 * 3600)
        self._count_faults()
        # Records were rejected, and nothing else went wrong.
        assert code == 1, printed
        assert read_manifest(run.manifest).finished
        assert run.ledger["adds_up"]
        assert set(run.ledger["losses"]) == set()

    def stored(self) -> int:
        """How many records the table has, without faults from now on."""
        self._set_faults({})
        sql = f'SELECT count(*) FROM "{DATABASE}"."{TABLE}"'
        (row,) = self.server.query.query(QueryString=sql)["Rows"]
        return int(row["Data"][0]["ScalarValue"])

    def kept(self) -> int:
        """How many records the files of rejected records have, each counted once."""
        return len(undelivered(self._undelivered, RecordModel.MULTI))

    def replay(self) -> None:
        """Deliver the rejected records."""
        self._command("replay", str(self._undelivered), *self.target())
        assert not self._undelivered.exists()

    def verify(self) -> str:
        """Compare everything that is stored with what must be; returns what is printed."""
        return self._command("verify", str(self.folder / "run.json"))

    def target(self) -> list[str]:
        where = ["-r", "us-east-1", "-url", self.server.url, "-d", DATABASE, "-t", TABLE]
        return [*where, "--record-model", "multi"]

    def _start(self, *arguments: str) -> Generator:
        options = ("--processes", PROCESSES, "--give-up-after", "0", "--quiet")
        self._generators.append(Generator(self.folder, *arguments, *options))
        return self._generators[-1]

    def _wait(self, run: Generator, records: int) -> None:
        """Wait until so many more records are stored, whether or not they were there before."""
        wanted = self._counted() + records
        while self._counted() < wanted:
            assert run.process.poll() is None, run.process.communicate()
            time.sleep(0.05)

    def _counted(self) -> int:
        """How many records the server has stored since it was started."""
        metrics = requests.get(f"{self.server.url}/metrics", timeout=60).text
        name = 'fleetstream_local_records_total{outcome="stored"}'
        values = (line.split()[-1] for line in metrics.splitlines() if line.startswith(name))
        return int(float(next(values, "0")))

    def _scale(self, run: Generator) -> None:
        """Wait until requests were refused, and end the limit of the table's capacity then."""
        refused = 0
        while not refused:
            assert run.process.poll() is None, run.process.communicate()
            time.sleep(0.05)
            report = requests.get(f"{self.server.url}/faults", timeout=60).json()
            refused = report["injected"].get("capacity", 0)
        self._set_faults(FAULTS)

    def _set_faults(self, settings: dict[str, str]) -> None:
        answer = requests.put(f"{self.server.url}/faults", json={"settings": settings}, timeout=60)
        answer.raise_for_status()

    def _count_faults(self) -> None:
        report = requests.get(f"{self.server.url}/faults", timeout=60).json()
        self.figures.update({f"fault {kind}": n for kind, n in report["injected"].items()})

    def _command(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "fleetstream", *arguments],
            cwd=self.folder,
            env={**os.environ, **CREDENTIALS},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout
