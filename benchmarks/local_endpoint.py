"""How fast the local Timestream takes records, beside moto's server in the same run.

Both get the same prepared bodies from the same bare loop: a few kept-alive connections of
`http.client`, no AWS client. moto checks nothing and keeps the requests as they are; the local
Timestream checks everything, and with a store it answers only after the data are on the disk.

Run it with `python -m benchmarks.local_endpoint`.
"""

import argparse
import http.client
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

RECORDS = 100
VALUES = 20
DATABASE, TABLE = "benchmark", "records"
HEADERS = {"Content-Type": "application/x-amz-json-1.0"}
WARM_UP_SECONDS = 2.0
START_SECONDS = 60
SERVE = [sys.executable, "-m", "fleetstream", "serve", "--port", "{port}"]
SERVERS = {
    "moto": [sys.executable, "-m", "moto.server", "-p", "{port}"],
    "in memory": SERVE,
    "with --store": [*SERVE, "--store", "{store}"],
}
_TIME = "1000000000000"


@dataclass(frozen=True)
class Model:
    """A record model: its name, and how many values a record has."""

    name: str
    values: int


SINGLE, MULTI = Model("single-measure", 1), Model(f"multi-measure, {VALUES} values", VALUES)


def body(model: Model, connection: int, records: int = RECORDS) -> tuple[bytes, bytes]:
    """A request of one connection's own series, before and after its time."""
    if model is SINGLE:
        value = {"MeasureValue": "12.34"}
    else:
        value = {
            "MeasureValues": [
                {"Name": f"measure_{number}", "Value": f"{number}.25", "Type": "DOUBLE"}
                for number in range(VALUES)
            ]
        }
    given = [
        {
            "Dimensions": [
                {"Name": "instance_name", "Value": f"i-AUa00Zt2-apollo-{record:04}.amazonaws.com"},
                {"Name": "instance_type", "Value": "r5.4xlarge"},
                {"Name": "microservice_name", "Value": "apollo"},
                {"Name": "os_version", "Value": "AL2"},
                {"Name": "silo", "Value": f"us-east-1-cell-1-silo-{connection}"},
            ],
            **value,
        }
        for record in range(records)
    ]
    common = {
        "Dimensions": [{"Name": "region", "Value": "us-east-1"}],
        "MeasureName": "cpu_user" if model is SINGLE else "metrics",
        "MeasureValueType": "DOUBLE" if model is SINGLE else "MULTI",
        "Time": _TIME,
        "TimeUnit": "MILLISECONDS",
    }
    request = {
        "DatabaseName": DATABASE,
        "TableName": TABLE,
        "CommonAttributes": common,
        "Records": given,
    }
    before, _, after = json.dumps(request, separators=(",", ":")).encode().partition(_TIME.encode())
    return before, after


def send(connection: http.client.HTTPConnection, operation: str, request: bytes) -> None:
    """Send one request, without waiting for its answer."""
    headers = HEADERS | {"X-Amz-Target": f"Timestream_20181101.{operation}"}
    # moto finds the service by the region and name in the signature, which it does not check.
    headers["Authorization"] = (
        "AWS4-HMAC-SHA256 Credential=x/20200101/us-east-1/timestream/aws4_request"
    )
    connection.request("POST", "/", request, headers)


def receive(connection: http.client.HTTPConnection) -> None:
    """Wait for an answer; anything but success ends the benchmark."""
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        raise SystemExit(f"A request was answered with {answer.status}: {text[:500]!r}")


@dataclass(frozen=True)
class Load:
    """What is sent: requests with so many records of a model, on so many connections."""

    model: Model
    records: int
    connections: int

    @property
    def values(self) -> int:
        """The values of one request."""
        return self.records * self.model.values


@dataclass(frozen=True)
class Rate:
    """Requests per second of wall-clock time, and per second of the server's CPU time."""

    wall: float
    cpu: float


def measured_rate(port: int, process: psutil.Process, load: Load, seconds: float) -> Rate:
    """How many requests a server answers.

    One thread keeps a request under way on every connection, so the loop itself needs little of
    the processors that it shares with the server.
    """
    lines = [http.client.HTTPConnection("127.0.0.1", port) for _ in range(load.connections)]
    bodies = [body(load.model, number, load.records) for number in range(load.connections)]
    moment = int(time.time() * 1000) - 3_600_000
    begin = time.monotonic() + WARM_UP_SECONDS
    answered, now, started, cpu = 0, time.monotonic(), begin, 0.0
    for line, (before, after) in zip(lines, bodies, strict=True):
        send(line, "WriteRecords", b"%s%d%s" % (before, moment, after))
    while now < begin + seconds:
        moment += 1
        for line, (before, after) in zip(lines, bodies, strict=True):
            receive(line)
            send(line, "WriteRecords", b"%s%d%s" % (before, moment, after))
        now = time.monotonic()
        if now < begin:
            started, cpu = now, cpu_time(process)
        else:
            answered += load.connections
    cpu = cpu_time(process) - cpu
    for line in lines:
        receive(line)
        line.close()
    return Rate(answered / (now - started), answered / cpu)


def cpu_time(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextmanager
def running(command: list[str], port: int) -> Iterator[psutil.Process]:
    """A server in a process of its own, with the table made."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise SystemExit(f"{command} did not start.") from None
                time.sleep(0.05)
        connection = http.client.HTTPConnection("127.0.0.1", port)
        names = {"DatabaseName": DATABASE}
        for operation in ("CreateDatabase", "CreateTable"):
            request = names if operation == "CreateDatabase" else names | {"TableName": TABLE}
            send(connection, operation, json.dumps(request).encode())
            receive(connection)
        connection.close()
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return urlsplit(f"//127.0.0.1:{listener.getsockname()[1]}").port or 0


def rate(command: list[str], load: Load, seconds: float) -> Rate:
    """The rate of a new server."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        filled = [part.format(port=port, store=Path(folder) / "store") for part in command]
        with running(filled, port) as process:
            return measured_rate(port, process, load, seconds)


def main() -> None:
    """Print a table of rates and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=4.0, help="for each figure")
    parser.add_argument("--rounds", type=int, default=5, help="of alternating runs")
    parser.add_argument("--connections", type=int, default=8)
    options = parser.parse_args()
    loads = [
        Load(SINGLE, 10, options.connections),
        Load(SINGLE, RECORDS, options.connections),
        Load(MULTI, RECORDS, options.connections),
    ]
    found: dict[tuple[str, Load], list[Rate]] = defaultdict(list)
    for _ in range(options.rounds):
        for load in loads:
            for name, command in SERVERS.items():
                found[name, load].append(rate(command, load, options.seconds))
    print(f"{options.connections} connections, {options.rounds} rounds: minimum, median, maximum")
    print(
        "x moto is the values per second against moto's with single-measure records, by wall-clock"
    )
    print("time and by the server's CPU time")
    for load in loads:
        base = Load(SINGLE, load.records, load.connections)
        for name in SERVERS:
            pairs = list(zip(found[name, load], found["moto", base], strict=True))
            factor = load.values / base.values
            print(
                f"{load.records:4} records, {load.model.name:26}{name:14}"
                f" requests/s {spread([one.wall for one, _ in pairs], ',.0f')}"
                f" x moto {spread([factor * one.wall / moto.wall for one, moto in pairs], '.1f')}"
                f" by CPU {spread([factor * one.cpu / moto.cpu for one, moto in pairs], '.1f')}"
            )


def spread(numbers: list[float], form: str) -> str:
    """Minimum, median and maximum."""
    found = (min(numbers), statistics.median(numbers), max(numbers))
    return " / ".join(format(number, form) for number in found).ljust(22)


if __name__ == "__main__":
    main()
