"""Prometheus remote write: negotiation, retries, and what real servers refuse or lose."""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from math import inf
from pathlib import Path

import cramjam
import pytest
import requests

from fleetstream.cli import main
from fleetstream.generate.choices import RecordModel
from fleetstream.targets.prometheus.naming import Naming
from fleetstream.targets.prometheus.reader import PrometheusReader
from fleetstream.targets.prometheus.server import PrometheusServer
from fleetstream.targets.prometheus.sink import PrometheusSink
from fleetstream.targets.registry import TargetOptions
from fleetstream.targets.sink import (
    Delivery,
    Request,
    TargetLost,
    TargetUnusable,
    Throttled,
    Unavailable,
)
from fleetstream.targets.victoria_metrics import window_of
from tests.remote_write import Sample, decoded
from tests.servers.prometheus_server import Prometheus
from tests.servers.victoria_metrics import VictoriaMetrics
from tests.targets.cases import SCHEMAS
from tests.targets.commands import SMALL, STRETCH, exit_code, run_through_crash
from tests.targets.http_servers import Origin, Received, running
from tests.targets.test_contract import history, opened, sweeps, wild, write
from tests.telemetry import EVENTS
from tests.wire import expected


@contextmanager
def answering(answer: Callable[[Received], bytes]) -> Iterator[tuple[Origin, PrometheusSink]]:
    """A sink that is not opened yet, and a server that answers writes as told, and else 404."""
    origin = Origin(lambda each: answer(each) if "POST" in each.line else _answer(404))
    with running(origin):
        server = PrometheusServer(origin.url)
        with closing(PrometheusSink(server, Naming(SCHEMAS, "fleet"), RecordModel.SINGLE)) as sink:
            yield origin, sink


def _answer(status: int, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def _writes(origin: Origin) -> list[Received]:
    return [each for each in origin.received if "POST" in each.line]


def _first(sink: PrometheusSink) -> Request:
    return next(iter(sink.prepare(sweeps(1, missing=0)[0])))


@pytest.mark.parametrize("version", [1, 2])
def test_the_version_is_negotiated(version: int) -> None:
    """A server of version 1.0 may take any content type, and then says nothing of samples."""
    written = ["X-Prometheus-Remote-Write-Samples-Written: 0"] if version == 2 else []
    with answering(lambda _: _answer(204, *written)) as (origin, sink):
        sink.open()
        assert not sink.send(_first(sink)).rejections
    probe, request = _writes(origin)
    assert probe.line == request.line == "POST /api/v1/write HTTP/1.1"
    assert cramjam.snappy.decompress_raw(probe.body) == cramjam.Buffer(b"")
    content_type, number = {
        1: ("application/x-protobuf", "0.1.0"),
        2: ("application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0"),
    }[version]
    assert request.headers["content-type"] == content_type
    assert request.headers["x-prometheus-remote-write-version"] == number
    assert request.headers["content-encoding"] == "snappy"
    assert request.headers["user-agent"].startswith("fleetstream/")
    body = bytes(cramjam.snappy.decompress_raw(request.body))
    assert len(decoded(body, version)) == 200


@pytest.mark.parametrize(
    ("answer", "error", "wait"),
    [
        (_answer(429, "Retry-After: 7"), Throttled, 7),
        (_answer(429), Throttled, 0),
        (_answer(503, "Retry-After: 100000"), Throttled, 300),
        (_answer(500, body=b"out of disk"), Unavailable, None),
        (_answer(302, "Location: /elsewhere"), Unavailable, None),
        (_answer(401), TargetLost, None),
    ],
)
def test_retries_follow_the_specification(
    answer: bytes, error: type[Exception], wait: int | None
) -> None:
    with answering(lambda request: _answer(204) if request.body == b"\0" else answer) as (_, sink):
        sink.open()
        with pytest.raises(error) as raised:
            sink.send(_first(sink))
    if wait is not None:
        assert raised.value.wait == wait


def _refusing(refused: Callable[[Sample], bool]) -> Callable[[Received], bytes]:
    """Refuses a whole request with one of these samples, as Prometheus does."""

    def answer(request: Received) -> bytes:
        samples = decoded(bytes(cramjam.snappy.decompress_raw(request.body)), 1)
        if any(map(refused, samples)):
            return _answer(400, body=b"out of order sample\n")
        return _answer(204)

    return answer


def test_the_refused_samples_are_found_among_many() -> None:
    def refused(sample: Sample) -> bool:
        labels = dict(sample[0])
        return "zeus-0001" in labels["instance_name"] and labels["__name__"] == "disk_used_bytes"

    with answering(_refusing(refused)) as (origin, sink):
        sink.open()
        request = _first(sink)
        delivery = sink.send(request)
    (rejection,) = delivery.rejections
    assert rejection.reason == "out of order sample"
    (record,) = expected(request.record(rejection.index).batch(), RecordModel.SINGLE)
    assert record.name == "disk_used"
    assert ("instance_name", "i-AUa00Zt2-zeus-0001.amazonaws.com") in record.dimensions
    assert len(_writes(origin)) < 20


def test_the_search_for_refused_samples_ends() -> None:
    with answering(_refusing(lambda sample: True)) as (origin, sink):
        sink.open()
        request = next(iter(sink.prepare(history(40, missing=0)[0])))
        assert len(sink.send(request).rejections) == request.records > 5_000
    assert len(_writes(origin)) < 500


@pytest.mark.parametrize("model", RecordModel)
def test_integers_that_a_sample_cannot_have_are_rejected(model: RecordModel) -> None:
    batch = wild(EVENTS)
    with answering(lambda _: _answer(204)) as (origin, sink):
        sink._model = model
        sink.open()
        ((request, delivery),) = write(sink, [batch])
    assert len(delivery.rejections) == 2
    for rejection in delivery.rejections:
        (record,) = expected(request.record(rejection.index).batch(), model)
        assert any(kind == "BIGINT" and abs(value) > 2**53 for _, kind, value in record.values)
    (body,) = [request.body for request in _writes(origin) if request.body != b"\0"]
    sent = decoded(bytes(cramjam.snappy.decompress_raw(body)), 1)
    refused = sum(request.record(each.index).values for each in delivery.rejections)
    assert len(sent) == request.values - refused


@pytest.mark.slow
@pytest.mark.parametrize("version", [1, 2])
def test_a_run_outlives_a_crash_of_prometheus(
    version: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Killed and started again in mid-run: nothing is lost, and nothing is there twice."""
    monkeypatch.chdir(tmp_path)
    live = ("--interval", "50ms", "--autostop", "40", "--manifest", "run.json")
    with Prometheus(tmp_path, version=version) as server:
        printed = run_through_crash(
            tmp_path,
            *live,
            *("--to", f"prometheus:{server.url}", "--processes", "2"),
            server=server,
            port=server.port,
            begun=lambda: len(server.query("cpu_user_ratio")) == 10,
        )
        assert "Retried" in printed, printed
        assert main(["verify", "run.json"]) == 0
    assert "10,400 expected from 40 sweeps" in capsys.readouterr().out


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("model", RecordModel)
def test_prometheus_refuses_what_is_out_of_order(
    model: RecordModel, version: int, tmp_path: Path
) -> None:
    """Samples before the latest of their series are rejected, one by one; others are stored."""
    batch = history(3, missing=0)[1]
    with Prometheus(tmp_path, version=version) as server:
        options = TargetOptions(to=f"prometheus:{server.url}", table_name="fleet")
        with opened(options, model) as sink:
            assert not any(each.rejections for _, each in write(sink, [batch.slice(24, 2)]))
            sent = write(sink, [batch.slice(0, 24)])
        refused = [
            request.record(each.index).batch()
            for request, delivery in sent
            for each in delivery.rejections
        ]
        assert sum(part.num_rows for part in refused) > 0
        assert {str(part["process"][0]) for part in refused} <= {"server", "host_manager"}
        stored = server.query('count_over_time({job="fleet",__name__=~"gc_pause_ratio"}[1h])')
        counts = sorted(int(series["value"][1]) for series in stored)
    # The first two processes have the third timestamp only, and all others the first two.
    assert counts == [1, 1, *([2] * 10)]


def test_verify_finds_what_is_not_the_fleets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with VictoriaMetrics(tmp_path) as server:
        target = ("--to", f"prometheus:{server.url}", "--record-model", "multi")
        assert main(["ingest", *SMALL, *STRETCH, *target]) == 0
        assert main(["verify", "fleetstream-7.json"]) == 0
        series = {"match[]": '{__name__="memory_used_bytes",instance_name=~".*zeus-0002.*"}'}
        exported = requests.get(f"{server.url}/api/v1/export", series, timeout=30).json()
        delete = f"{server.url}/api/v1/admin/tsdb/delete_series"
        requests.get(delete, series, timeout=30).raise_for_status()
        exported["timestamps"] = [each + 60_000 for each in exported["timestamps"]]
        requests.post(f"{server.url}/api/v1/import", json=exported, timeout=30).raise_for_status()
        foreign = {"__name__": "other", "job": "fleetstream", "region": "nowhere"}
        line = {"metric": foreign, "values": [1], "timestamps": exported["timestamps"][:1]}
        requests.post(f"{server.url}/api/v1/import", json=line, timeout=30).raise_for_status()
        capsys.readouterr()
        assert main(["verify", "fleetstream-7.json"]) == 1
    printed = capsys.readouterr().out
    # One value is gone, two are others; one is behind the end of the run, and one is foreign.
    assert "Different: 3" in printed, printed
    assert "Extra: 2" in printed, printed
    assert "other is " in printed, printed


def test_what_prometheus_answers_is_read() -> None:
    """Numbers are texts there; stale and infinite ones too, and a label with such a text."""
    labels = {"__name__": "cpu_user_ratio", "job": "fleet", "silo": ',"+Inf"]'}
    values = [[1.5, "0.25"], [1.75, "NaN"], [2, "+Inf"], [2.5, "-Inf"], [3, "1e-2"]]
    found = {"data": {"result": [{"metric": labels, "values": values}]}}
    body = json.dumps(found, separators=(",", ":")).encode()
    origin = Origin(lambda each: _answer(200 if "/query?" in each.line else 404, body=body))
    with running(origin):
        server, naming = PrometheusServer(origin.url), Naming(SCHEMAS, "fleet")
        reader = PrometheusReader(server, naming, RecordModel.SINGLE, SCHEMAS)
        reader.open()
        with closing(reader):
            listed = 'epoch_ms("time"), silo, "measure_value::double"'
            rows = reader.connection.sql(f"SELECT {listed} FROM ({reader.held(None, None)})")
            numbers = {time: (silo, number) for time, silo, number in rows.fetchall()}
    assert {silo for silo, _ in numbers.values()} == {',"+Inf"]'}
    read = {time: number for time, (_, number) in numbers.items()}
    assert read == {1_500: 25, 2_000: inf, 2_500: -inf, 3_000: 1}


def test_history_that_would_be_discarded_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with VictoriaMetrics(tmp_path, retention="36h") as server:
        target = ("--to", f"prometheus:{server.url}", "--interval", "1h")
        assert main(["ingest", *SMALL, "--start", "37h", *target]) == 3
        assert 'with -retentionPeriod="36h", and discards what is older' in capsys.readouterr().err
        assert main(["ingest", *SMALL, "--start", "35h", *target]) == 0


@pytest.mark.parametrize(
    ("page", "hours"),
    [
        ('-other="x"\n-retentionPeriod="1"\n', 744),
        ('-retentionPeriod="1.5d"', 36),
        ('-retentionPeriod="2w"', 336),
        ("<html>", None),
    ],
)
def test_retention_is_read_from_the_flags(page: str, hours: int | None) -> None:
    window = window_of(page)
    if hours is None:
        assert window is None
    else:
        assert window is not None
        assert (time.time() * 1e6 - window.earliest) / 3_600e6 == pytest.approx(hours, abs=0.1)


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VictoriaMetrics]:
    """A server that asks for credentials."""
    with VictoriaMetrics(tmp_path_factory.mktemp("locked"), password="s3cret-word") as server:
        yield server


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({}, 3),
        ({"PROMETHEUS_USERNAME": "admin", "PROMETHEUS_PASSWORD": "wrong"}, 3),
        ({"PROMETHEUS_TOKEN_FILE": "/nowhere"}, 3),
        ({"PROMETHEUS_USERNAME": "admin", "PROMETHEUS_PASSWORD": "s3cret-word"}, 0),
    ],
    ids=str,
)
def test_credentials(
    locked: VictoriaMetrics,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    environment: dict[str, str],
    code: int,
) -> None:
    """They come from the environment, and appear in nothing that is written."""
    monkeypatch.chdir(tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    files = ("report.html", "summary.json", "fleetstream-7.json")
    outputs = ("--report", files[0], "--summary", files[1])
    target = ("--to", f"prometheus:{locked.url}")
    assert main(["ingest", *SMALL, *STRETCH, *target, *outputs]) == code
    printed = "".join(capsys.readouterr())
    if code:
        assert re.search("set PROMETHEUS_TOKEN|TOKEN_FILE names '/nowhere'", printed)
    else:
        assert main(["verify", files[2]]) == 0
        written = [printed, *((tmp_path / name).read_text() for name in files)]
        assert not any("s3cret-word" in each for each in written)


@pytest.mark.parametrize(
    ("to", "code", "sentence"),
    [
        ("prometheus:", 2, "needs the URL of a server"),
        ("prometheus:localhost:9090", 2, "needs the URL of a server"),
        ("prometheus:http://me:pw@127.0.0.1:1", 2, "leave it out, and set PROMETHEUS_USERNAME"),
        (
            "prometheus:http://127.0.0.1:1",
            3,
            "does not answer as remote write does (connection refused)",
        ),
    ],
)
def test_what_is_no_target_gets_a_sentence(
    to: str, code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code("ingest", "--autostop", "1", "--to", to) == code
    assert sentence in capsys.readouterr().err


def test_a_server_without_the_receiver(tmp_path: Path) -> None:
    with (
        Prometheus(tmp_path, receiver=False) as server,
        pytest.raises(TargetUnusable, match=r"with --web\.enable-remote-write-receiver"),
    ):
        PrometheusServer(server.url).open()


@pytest.mark.parametrize(
    ("url", "write", "base"),
    [
        ("http://h:9090", "http://h:9090/api/v1/write", "http://h:9090"),
        ("http://h:9090/", "http://h:9090/api/v1/write", "http://h:9090"),
        (
            "https://h/prometheus/api/v1/push",
            "https://h/prometheus/api/v1/push",
            "https://h/prometheus",
        ),
        (
            "http://h/api/v1/write?extra_label=a=b",
            "http://h/api/v1/write?extra_label=a=b",
            "http://h",
        ),
    ],
)
def test_where_to_write_and_to_query(url: str, write: str, base: str) -> None:
    server = PrometheusServer(url)
    assert (server.url, server.base) == (write, base)
    server = PrometheusServer(url, "http://other/prometheus/")
    assert (server.url, server.base) == (write, "http://other/prometheus")


def test_hours_of_history_of_a_few_series(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prometheus refuses what is an hour older than its newest sample, also of another series.

    All requests are sent twice, as if the first answer were lost, and none may be refused.
    """
    monkeypatch.chdir(tmp_path)
    send = PrometheusSink.send

    def send_twice(sink: PrometheusSink, request: Request) -> Delivery:
        send(sink, request)
        return send(sink, request)

    monkeypatch.setattr(PrometheusSink, "send", send_twice)
    with Prometheus(tmp_path) as server:
        stretch = ("--start", "2026-11-01", "--end", "2026-11-01T02:00", "--interval", "60s")
        target = ("--to", f"prometheus:{server.url}")
        assert main(["ingest", *SMALL, *stretch, *target, "--record-model", "multi"]) == 0
        assert main(["verify", "fleetstream-7.json"]) == 0
