"""Running the server: health, metrics, access log, TLS, and what happens when it is full."""

import json
import shutil
import ssl
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest
import trustme
from prometheus_client.parser import text_string_to_metric_families

from fleetstream.cli import main
from fleetstream.emulator import LocalTimestream
from tests.emulator.conftest import DATABASE, Table, dimensions, error_message, make_table, record
from tests.emulator.endpoint import Endpoint
from tests.emulator.wire import post, send
from tests.servers.emulator_process import EmulatorProcess


def new_table(server: Any) -> Table:
    server.write.create_database(DatabaseName=DATABASE)
    return make_table(server)


def test_it_says_that_it_is_healthy(endpoint: Endpoint) -> None:
    answer = send(endpoint.port, "GET", "/healthz")
    assert (answer.status, answer.json) == (200, {"status": "ok"})


def sample(port: int, name: str, **labels: str) -> float:
    """One sample of the metrics; 0 if there is none."""
    text = send(port, "GET", "/metrics").body.decode()
    return sum(
        found.value
        for family in text_string_to_metric_families(text)
        for found in family.samples
        if found.name == name and found.labels == labels
    )


def test_metrics_count_requests_and_records() -> None:
    with LocalTimestream() as timestream:
        table = new_table(Endpoint(timestream.url))
        table.write(*(record(Dimensions=dimensions(host=str(host))) for host in range(3)))
        table.rejections(record(Time="1"), record())
        table.rows()
        post(timestream.port, "Nonsense", b"{}")
        for operation, outcome, count in [
            ("WriteRecords", "OK", 1),
            ("WriteRecords", "RejectedRecordsException", 1),
            ("Query", "OK", 1),
            ("unknown", "UnknownOperationException", 1),
        ]:
            labels = {"operation": operation, "outcome": outcome}
            name = "fleetstream_local_requests_total"
            assert sample(timestream.port, name, **labels) == count
        for outcome, count in [("stored", 4), ("rejected", 1)]:
            name = "fleetstream_local_records_total"
            assert sample(timestream.port, name, outcome=outcome) == count
        name = "fleetstream_local_request_duration_seconds_count"
        assert sample(timestream.port, name, operation="WriteRecords") == 2
        assert sample(timestream.port, "fleetstream_local_queries") == 0


def test_the_access_log_has_a_line_per_request(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    with EmulatorProcess(options=["--access-log", str(log)]) as server:
        table = new_table(server)
        table.rejections(record(Time="1"))
        lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["operation"], line["outcome"], line["status"]) for line in lines] == [
        ("CreateDatabase", "OK", 200),
        ("CreateTable", "OK", 200),
        ("WriteRecords", "RejectedRecordsException", 419),
    ]
    assert lines[2]["request_bytes"] > 50
    assert lines[2]["response_bytes"] > 50
    assert 0 < lines[2]["seconds"] < 60
    assert lines[2]["client"].startswith("127.0.0.1:")
    assert lines[2]["time"].endswith("+00:00")
    assert len({line["request_id"] for line in lines}) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--access-log", "/no/such/folder/log"], "The access log /no/such/folder/log cannot be"),
        (["--memory-limit", "much"], "'much' is not a size; write it with a unit"),
        (["--max-store-size", "1GB"], "A maximum size of the store needs a store"),
        (["--tls-key", "key.pem"], "TLS needs both a certificate and its key"),
        (
            ["--tls-key", "key.pem", "--tls-certificate", "none.pem"],
            "none.pem and key.pem cannot be used for TLS: No such file or directory.",
        ),
        (["--query-timeout", "fast"], "argument --query-timeout: 'fast' is not a duration"),
        (["--max-queries", "0"], "argument --max-queries: 0 is too low; the least is 1."),
    ],
)
def test_invalid_options_are_refused(
    capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["serve", "--port", "0", *options])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"Error: {message}")


class Certificates(NamedTuple):
    authority: Path
    certificate: Path
    key: Path


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    paths = Certificates(*(tmp_path / f"{name}.pem" for name in Certificates._fields))
    authority.cert_pem.write_to_path(str(paths.authority))
    issued.private_key_pem.write_to_path(str(paths.key))
    for blob in issued.cert_chain_pems:
        blob.write_to_path(str(paths.certificate), append=True)
    return paths


def test_it_speaks_tls(certificates: Certificates) -> None:
    keys = {"tls_certificate": certificates.certificate, "tls_key": certificates.key}
    with LocalTimestream(faults={"reset": 0}, **keys) as timestream:  # type: ignore[arg-type]
        assert timestream.url == f"https://127.0.0.1:{timestream.port}"
        client = boto3.client(
            "timestream-write",
            endpoint_url=timestream.url,
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
            verify=str(certificates.authority),
        )
        client.create_database(DatabaseName=DATABASE)
        assert client.describe_endpoints()["Endpoints"][0]["Address"] == timestream.url
        context = ssl.create_default_context(cafile=certificates.authority)
        with urllib.request.urlopen(f"{timestream.url}/healthz", context=context) as answer:
            assert answer.status == 200


def fill(table: Table, limit: int) -> str:
    """Write distinct texts until the server refuses them; returns its message."""
    for number in range(limit):
        records = [
            record(
                "".join(f"{number}-{host}-{part}-" for part in range(150))[:1900],
                MeasureValueType="VARCHAR",
                Dimensions=dimensions(host=str(host)),
                Time=str(1_700_000_000_000 + number),
            )
            for host in range(100)
        ]
        try:
            table.write(*records)
        except table.server.write.exceptions.InternalServerException as error:
            return str(error.response["Error"]["Message"])
    raise AssertionError("It was never full.")


MAGNETIC = {"MagneticStoreWriteProperties": {"EnableMagneticStoreWrites": True}}


def test_a_store_of_the_maximum_size_takes_queries_and_no_records(tmp_path: Path) -> None:
    options = ["--max-store-size", "4MB"]
    with EmulatorProcess(store=tmp_path / "store", options=options) as server:
        server.write.create_database(DatabaseName=DATABASE)
        table = make_table(server, **MAGNETIC)
        assert fill(table, 200) == (
            f"The records were not stored, because the data in {tmp_path}/store have reached the"
            " maximum size of 3.8 MiB. Delete tables, or start the server with a larger"
            " --max-store-size."
        )
        stored = int(table.rows("count(*)")[0][0] or 0)
        assert stored >= 100
        server.write.delete_table(**table.names)
        assert make_table(server).write(record())["Total"] == 1


def test_a_full_disk_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalTimestream(tmp_path / "store") as timestream:
        table = new_table(Endpoint(timestream.url))
        usage = shutil.disk_usage(tmp_path)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10 * 2**20))
        message = error_message("InternalServerException", 500, table.write, record())
        assert message == (
            f"The records were not stored, because the disk of {tmp_path}/store is full: it has"
            " 10.0 MiB left. Delete other files."
        )
        monkeypatch.undo()
        assert table.write(record())["Total"] == 1


@pytest.mark.slow
def test_records_beyond_the_memory_limit_are_refused() -> None:
    with EmulatorProcess(options=["--memory-limit", "64MiB"]) as server:
        server.write.create_database(DatabaseName=DATABASE)
        table = make_table(server, **MAGNETIC)
        message = fill(table, 2000)
        assert message.startswith(
            "The records were not stored, because the data have reached the server's memory limit:"
        )
        assert int(table.rows("count(*)")[0][0] or 0) >= 100
        server.write.delete_table(**table.names)
        assert make_table(server).write(record())["Total"] == 1


def test_everything_acknowledged_before_a_stop_is_stored(tmp_path: Path) -> None:
    with EmulatorProcess(store=tmp_path / "store") as server:
        table = new_table(server)
        acknowledged: list[int] = []
        stopping = threading.Event()
        writers = [
            threading.Thread(
                target=write_until_it_stops, args=(table, number, acknowledged, stopping)
            )
            for number in range(3)
        ]
        for writer in writers:
            writer.start()
        stopping.wait()
        assert server.stop() == 0
        for writer in writers:
            writer.join()
        server.restart()
        assert {int(host or 0) for (host,) in table.rows("host")} >= set(acknowledged)


def write_until_it_stops(
    table: Table, number: int, acknowledged: list[int], stopping: threading.Event
) -> None:
    """Write records, one after the other, and note those that were acknowledged."""
    write: Callable[..., Any] = Table(Endpoint(table.server.url), table.name).write
    for host in range(number, 100_000, 3):
        try:
            write(record(Dimensions=dimensions(host=str(host))))
        except Exception:
            return
        acknowledged.append(host)
        if len(acknowledged) > 50:
            stopping.set()
