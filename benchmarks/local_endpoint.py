"""How fast the local Timestream takes records, beside moto's server in the same run.

Both get the same prepared bodies from the same bare loop: a few kept-alive connections of
`http.client`, no AWS client. moto checks nothing and keeps the requests as they are; the local
Timestream checks everything, and with a store it answers only after the data are on the disk.

Run it with `python -m benchmarks.local_endpoint`.
"""

import argparse
import http.client
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

RECORDS = 100
VALUES = 20
DATABASE, TABLE = "benchmark", "records"
HEADERS = {"Content-Type": "application/x-amz-json-1.0"}
WARM_UP_SECONDS = 2.0
START_SECONDS = 60
_TIME = "1000000000000"


@dataclass(frozen=True)
class Model:
    """A record model: its name, and how many values a record has."""

    name: str
    values: int


SINGLE, MULTI = Model("single-measure", 1), Model(f"multi-measure, {VALUES} values", VALUES)


def body(model: Model, connection: int) -> tuple[bytes, bytes]:
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
    records = [
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
        for record in range(RECORDS)
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
        "Records": records,
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


def requests_per_second(port: int, model: Model, connections: int, seconds: float) -> float:
    """How many requests of 100 records are answered a second.

    One thread keeps a request under way on every connection, so the loop itself needs little of
    the processors that it shares with the server.
    """
    lines = [http.client.HTTPConnection("127.0.0.1", port) for _ in range(connections)]
    bodies = [body(model, number) for number in range(connections)]
    moment = int(time.time() * 1000) - 3_600_000
    begin = time.monotonic() + WARM_UP_SECONDS
    answered, now, started = 0, time.monotonic(), begin
    for line, (before, after) in zip(lines, bodies, strict=True):
        send(line, "WriteRecords", b"%s%d%s" % (before, moment, after))
    while now < begin + seconds:
        moment += 1
        for line, (before, after) in zip(lines, bodies, strict=True):
            receive(line)
            send(line, "WriteRecords", b"%s%d%s" % (before, moment, after))
        now = time.monotonic()
        if now < begin:
            started = now
        else:
            answered += connections
    for line in lines:
        receive(line)
        line.close()
    return answered / (now - started)


@contextmanager
def running(command: list[str], port: int) -> Iterator[int]:
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
        yield port
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return urlsplit(f"//127.0.0.1:{listener.getsockname()[1]}").port or 0


def rates(command: list[str], connections: int, seconds: float) -> dict[Model, float]:
    """Requests a second in both record models, each in a new server."""
    found: dict[Model, float] = {}
    for model in (SINGLE, MULTI):
        folder = Path(tempfile.mkdtemp())
        port = free_port()
        filled = [part.format(port=port, store=folder / "store") for part in command]
        with running(filled, port) as ready:
            found[model] = requests_per_second(ready, model, connections, seconds)
        shutil.rmtree(folder)
    return found


def main() -> None:
    """Print a table of rates and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=4.0, help="for each figure")
    parser.add_argument("--connections", type=int, default=16)
    options = parser.parse_args()
    serve = [sys.executable, "-m", "fleetstream", "serve", "--port", "{port}"]
    moto = [sys.executable, "-m", "moto.server", "-p", "{port}"]
    servers = {
        "moto": moto,
        "in memory": serve,
        "with --store": [*serve, "--store", "{store}"],
    }
    measured = {
        name: rates(command, options.connections, options.seconds)
        for name, command in servers.items()
    }
    print(f"{RECORDS} records a request, {options.connections} connections")
    print(f"{'':26}{'':14}{'requests/s':>11}{'records/s':>11}{'values/s':>12}{'× moto':>8}", end="")
    print("  × moto single, values/s")
    moto_values = measured["moto"][SINGLE] * RECORDS
    for model in (SINGLE, MULTI):
        for name, found in measured.items():
            rate = found[model]
            values = rate * RECORDS * model.values
            print(
                f"{model.name:26}{name:14}{rate:11,.0f}{rate * RECORDS:11,.0f}{values:12,.0f}"
                f"{rate / measured['moto'][model]:8.1f}{values / moto_values:10.1f}"
            )


if __name__ == "__main__":
    main()
