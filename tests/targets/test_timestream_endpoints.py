"""Endpoints of Amazon Timestream: discovered, kept for their period, and discovered again."""

import json
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import trustme

from fleetstream.generate.choices import RecordModel
from fleetstream.targets.registry import TargetOptions, open_sink
from fleetstream.targets.sink import Delivery, Request, Sink, Unavailable
from tests.targets.cases import SCHEMAS
from tests.targets.http_servers import Origin, Received, ok, running
from tests.telemetry import TIMESTAMP, generator

MOVED = json.dumps(
    {"__type": "com.amazonaws.timestream.v20181101#InvalidEndpointException", "message": "moved"}
).encode()


class Service:
    """Two cells that take writes, over TLS, and a server that names the one to use.

    Attributes:
        cells: The cells; each write is answered with success unless ``moved`` has its number.
        current: The number of the cell that is named.
        minutes: For how long it may be kept.
        asked: How often DescribeEndpoints was called.

    """

    def __init__(self, authority: trustme.CA) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        self.moved: set[int] = set()
        self.cells = [
            Origin(lambda request, cell=cell: self._write(request, cell), tls=context)
            for cell in range(2)
        ]
        self.discovery = Origin(self._describe)
        self.current = 0
        self.minutes = 60
        self.asked = 0

    def writes(self) -> list[int]:
        """How many writes each cell has received."""
        return [len(cell.received) for cell in self.cells]

    def _write(self, request: Received, cell: int) -> bytes:
        assert request.headers["x-amz-target"] == "Timestream_20181101.WriteRecords"
        assert request.headers["host"] == f"localhost:{self.cells[cell].port}"
        if cell in self.moved:
            return ok(body=MOVED).replace(b"200 OK", b"421 No")
        return ok()

    def _describe(self, request: Received) -> bytes | None:
        assert request.headers["x-amz-target"] == "Timestream_20181101.DescribeEndpoints"
        self.asked += 1
        if self.current < 0:
            return None
        address = f"localhost:{self.cells[self.current].port}"
        endpoints = [{"Address": address, "CachePeriodInMinutes": self.minutes}]
        return ok(body=json.dumps({"Endpoints": endpoints}).encode())


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Service]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    made = Service(authority)
    with ExitStack() as stack:
        for server in (*made.cells, made.discovery):
            stack.enter_context(running(server))
        monkeypatch.setenv("AWS_ENDPOINT_URL_TIMESTREAM_WRITE", made.discovery.url)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "authority.pem"))
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        yield made


@pytest.fixture
def sink(service: Service) -> Iterator[Sink]:
    options = TargetOptions(
        to="timestream", database_name="fleet", table_name="telemetry", region="us-east-1"
    )
    with closing(open_sink(options, RecordModel.MULTI, SCHEMAS)) as opened:
        yield opened


@pytest.fixture
def request_(sink: Sink) -> Request:
    batch = next(generator(1, 1, ["eu-central-1"]).batches([TIMESTAMP]))
    (made,) = [*sink.prepare(batch), *sink.flush()]
    return made


def test_an_endpoint_is_kept_for_its_period(
    service: Service, sink: Sink, request_: Request
) -> None:
    for _ in range(3):
        assert sink.send(request_) == Delivery()
    assert (service.writes(), service.asked) == ([3, 0], 1)


def test_an_endpoint_is_discovered_again_after_its_period(
    service: Service, sink: Sink, request_: Request
) -> None:
    service.minutes = 0
    sink.send(request_)
    service.current = 1
    sink.send(request_)
    assert (service.writes(), service.asked) == ([1, 1], 2)


def test_an_endpoint_that_has_moved_is_discovered_again(
    service: Service, sink: Sink, request_: Request
) -> None:
    sink.send(request_)
    service.moved, service.current = {0}, 1
    with pytest.raises(Unavailable) as raised:
        sink.send(request_)
    assert raised.value.kind == "endpoint moved"
    for _ in range(2):
        assert sink.send(request_) == Delivery()
    assert (service.writes(), service.asked) == ([2, 2], 2)
    assert {request.body for cell in service.cells for request in cell.received} == {
        request_.payload
    }


def test_an_endpoint_that_cannot_be_discovered_may_be_later(
    service: Service, sink: Sink, request_: Request
) -> None:
    service.current = -1
    with pytest.raises(Unavailable) as raised:
        sink.send(request_)
    assert raised.value.kind == "endpoint not found"
    service.current = 1
    assert sink.send(request_) == Delivery()
    assert service.writes() == [0, 1]


def test_an_endpoint_with_a_certificate_of_another_authority_is_refused(
    service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """AWS_CA_BUNDLE counts, also where other variables name the right authority."""
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(other))
    options = TargetOptions(database_name="fleet", table_name="telemetry", region="us-east-1")
    batch = next(generator(1, 1, ["eu-central-1"]).batches([TIMESTAMP]))
    with closing(open_sink(options, RecordModel.MULTI, SCHEMAS)) as sink:
        (made,) = [*sink.prepare(batch), *sink.flush()]
        with pytest.raises(Unavailable) as raised:
            sink.send(made)
    assert raised.value.kind == "TLS failed"
    assert service.writes() == [0, 0]
