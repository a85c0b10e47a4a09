"""Runs by OTLP over HTTP and gRPC into a real collector, and what keeps runs from it."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from fleetstream.cli import main
from fleetstream.generate.choices import RecordModel
from fleetstream.generate.generator import Generator
from fleetstream.generate.schema import batch_schema
from fleetstream.model import load_model
from fleetstream.targets.otlp.naming import OtlpNaming
from fleetstream.targets.registry import TargetOptions
from fleetstream.targets.sink import TargetUnusable, Unavailable
from tests.otlp_messages import held, single_records
from tests.servers.otlp_collector import Collector
from tests.servers.otlp_receiver import RECEIVERS, Answer
from tests.targets.cases import SCHEMAS
from tests.targets.commands import SMALL, STRETCH, exit_code, run_through_crash
from tests.targets.otlp_sinks import TRANSPORTS, first
from tests.targets.test_contract import opened, records
from tests.wire import expected

BEGIN = 1_793_491_200_000_000
"""2026-11-01 in microseconds."""


@pytest.mark.parametrize(
    ("to", "code", "sentence"),
    [
        ("otlp:", 2, "needs the URL of a server"),
        ("otlp:localhost:4317", 2, "needs the URL of a server"),
        ("otlp:grpc://localhost:4317/v1/metrics", 2, "needs the URL of a server"),
        ("otlp:http://me:pw@127.0.0.1:1", 2, "leave it out, and set OTEL_EXPORTER_OTLP_HEADERS"),
        (
            "otlp:http://127.0.0.1:1",
            3,
            "does not answer as OTLP over HTTP does (connection refused",
        ),
        (
            "otlp:grpc://127.0.0.1:1",
            3,
            "does not answer as OTLP over gRPC does (ipv4:127.0.0.1:1: ",
        ),
        ("grpc://127.0.0.1:1", 2, "did you mean otlp:grpc://127.0.0.1:1?"),
    ],
)
def test_what_is_no_target_gets_a_sentence(
    to: str, code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code("ingest", "--autostop", "1", "--to", to) == code
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("HEADERS", "authorization", "The 1. header in OTEL_EXPORTER_OTLP_HEADERS is not"),
        ("HEADERS", "a=b,s3cret word=x", "The 2. header in OTEL_EXPORTER_OTLP_HEADERS is not"),
        ("HEADERS", "a=s3cret%0d%0aX: y", "The 1. header in OTEL_EXPORTER_OTLP_HEADERS is not"),
        ("METRICS_COMPRESSION", "zstd", "METRICS_COMPRESSION is 'zstd'; set it to gzip or none."),
        ("CERTIFICATE", "/nowhere", "CERTIFICATE names '/nowhere', which does not exist."),
        ("METRICS_TEMPORALITY_PREFERENCE", "Delta", "is 'Delta', but only cumulative sums"),
        ("CLIENT_KEY", __file__, "A client certificate needs its key"),
    ],
)
def test_settings_that_are_not_understood(
    name: str,
    text: str,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(f"OTEL_EXPORTER_OTLP_{name}", text)
    for url in ("http://127.0.0.1:1", "grpc://127.0.0.1:1"):
        assert exit_code("ingest", "--autostop", "1", "--to", f"otlp:{url}") == 3
        message = capsys.readouterr().err
        assert sentence in message
        assert "s3cret" not in message


def test_times_that_otlp_does_not_have(capsys: pytest.CaptureFixture[str]) -> None:
    with RECEIVERS["http"](lambda _: Answer()) as receiver:
        far = ("--start", "2300-01-01", "--end", "2300-01-02", "--interval", "1h")
        assert exit_code("ingest", *SMALL, *far, "--to", f"otlp:{receiver.url}") == 3
    assert "OTLP counts nanoseconds since 1970" in capsys.readouterr().err


def test_what_was_written_cannot_be_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with RECEIVERS["http"](lambda _: Answer()) as receiver:
        assert main(["ingest", *SMALL, *STRETCH, "--to", f"otlp:{receiver.url}"]) == 0
        assert exit_code("verify", "fleetstream-7.json") == 2
    assert "cannot be read back" in capsys.readouterr().err


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    with Collector(tmp_path_factory.mktemp("collector")) as server:
        yield server


def url_of(collector: Collector, transport: str) -> str:
    return collector.grpc_url if transport == "grpc" else collector.url


@pytest.mark.parametrize(
    ("name", "regions"),
    [("aws-devops", ["us-west-1"]), ("kubernetes", []), ("web-shop", ["eu-central-1"])],
)
@TRANSPORTS
def test_a_collector_has_the_values_of_a_run_exactly(
    collector: Collector,
    transport: str,
    name: str,
    regions: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each once: gauges, sums, histograms and words of history, by the exporter's file."""
    monkeypatch.chdir(tmp_path)
    table = f"{name}-{transport}"
    target = ("--to", f"otlp:{url_of(collector, transport)}", "--table-name", table)
    minutes = ("--start", "2026-11-01", "--end", "2026-11-01T00:04:00Z", "--interval", "1m")
    only = [f"--include-region={region}" for region in regions]
    assert main(["ingest", "--model", name, "--seed", "7", *only, *minutes, *target]) == 0
    model = load_model(name)
    naming = OtlpNaming([batch_schema(model, kind) for kind in model.kinds], table)
    include = {"region": regions} if regions else {}
    made = Generator(model, 7, include=include).batches([BEGIN + n * 60_000_000 for n in range(4)])
    wanted = sorted(record for batch in made for record in expected(batch, RecordModel.SINGLE))
    received = (
        record for each in collector.requests() for _, record in single_records(each, naming)
    )
    assert sorted(received) == wanted
    assert len(wanted) > 700


@pytest.mark.slow
@TRANSPORTS
def test_a_run_outlives_a_crash_of_the_collector(
    transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed and started again in mid-run: nothing is lost, and only retries are there twice."""
    live = ("--interval", "50ms", "--autostop", "30", "--manifest", "run.json")
    with Collector(tmp_path) as server:
        printed = run_through_crash(
            tmp_path,
            *live,
            *("--to", f"otlp:{url_of(server, transport)}", "--processes", "2", "-c", "2"),
            server=server,
            port=server.ports[transport == "grpc"],
            begun=lambda: sum(1 for each in server.requests() if each.resource_metrics) > 10,
        )
        assert "Retried" in printed, printed
        stored = held(server.requests(), OtlpNaming(SCHEMAS, "fleetstream"), RecordModel.SINGLE)
        sent = sum(
            len(metric.gauge.data_points)
            for request in server.requests()
            for resource in request.resource_metrics
            for metric in resource.scope_metrics[0].metrics
        )
    assert len(stored) == 30 * 260
    # Each of four senders may have waited for the answer to a request, of 260 values at most.
    assert len(stored) <= sent <= len(stored) + 4 * 260


@TRANSPORTS
def test_a_full_disk_is_waited_for(transport: str, small_disk: Callable[[str], Path]) -> None:
    """Nothing of the request is stored, and all of it once there is room."""
    disk = small_disk("1m")
    ballast = disk / "ballast"
    with Collector(disk) as server:
        options = TargetOptions(to=f"otlp:{url_of(server, transport)}", table_name="fleet")
        with opened(options, RecordModel.SINGLE) as sink:
            with pytest.raises(OSError, match="No space left"):
                ballast.write_bytes(bytes(2**20))
            with pytest.raises(Unavailable, match="no space left on device"):
                sink.send(first(sink))
            ballast.unlink()
            request = first(sink)
            assert not sink.send(request).rejections
        stored = held(server.requests(), OtlpNaming(SCHEMAS, "fleet"), RecordModel.SINGLE)
    assert sorted(stored) == records([request.ranges[0].batch()], RecordModel.SINGLE)


def test_the_other_protocol_gets_a_sentence(collector: Collector) -> None:
    http = collector.grpc_url.replace("grpc://", "http://")
    with (
        pytest.raises(TargetUnusable, match=r"OTLP over gRPC is otlp:grpc://HOST:4317"),
        opened(TargetOptions(to=f"otlp:{http}"), RecordModel.SINGLE),
    ):
        pass
    other = collector.url.replace("http://", "grpc://")
    with (
        pytest.raises(TargetUnusable, match=r"OTLP over HTTP is\s+otlp:http://HOST:4318"),
        opened(TargetOptions(to=f"otlp:{other}"), RecordModel.SINGLE),
    ):
        pass


def test_a_path_that_the_collector_does_not_have(collector: Collector) -> None:
    options = TargetOptions(to=f"otlp:{collector.url}/elsewhere")
    with (
        pytest.raises(TargetUnusable, match="does not take OTLP metrics at /elsewhere/v1/metrics"),
        opened(options, RecordModel.SINGLE),
    ):
        pass


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector that asks for a token."""
    with Collector(tmp_path_factory.mktemp("locked"), token="s3cret-word") as server:
        yield server


@pytest.mark.parametrize(
    ("token", "code"), [(None, 3), ("wrong-word", 3), ("s3cret-word", 0)], ids=str
)
@TRANSPORTS
def test_credentials(
    locked: Collector,
    transport: str,
    token: str | None,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """They come from the and appear in nothing that is written."""
    monkeypatch.chdir(tmp_path)
    if token:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"authorization=Bearer%20{token}")
    files = ("report.html", "summary.json", "fleetstream-7.json")
    outputs = ("--report", files[0], "--summary", files[1])
    target = ("--to", f"otlp:{url_of(locked, transport)}")
    assert main(["ingest", *SMALL, *STRETCH, *target, *outputs]) == code
    printed = "".join(capsys.readouterr())
    if code:
        assert re.search("refuses the credentials .*set OTEL_EXPORTER_OTLP_HEADERS", printed)
    written = [printed, *((tmp_path / name).read_text() for name in files if not code)]
    assert not any(f"{token}" in each for each in written)


@TRANSPORTS
def test_certificates(transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's is checked, and the client's own is presented."""
    authority, other = trustme.CA(), trustme.CA()
    other.cert_pem.write_to_path(tmp_path / "other.pem")
    client = authority.issue_cert("client.example")
    client.private_key_pem.write_to_path(tmp_path / "client.key")
    for part in client.cert_chain_pems:
        part.write_to_path(tmp_path / "client.pem", append=True)
    with Collector(tmp_path, authority=authority) as server:
        options = TargetOptions(to=f"otlp:{url_of(server, transport)}")

        def attempt() -> None:
            with opened(options, RecordModel.SINGLE) as sink:
                assert not sink.send(first(sink)).rejections

        def refused() -> None:
            with pytest.raises(TargetUnusable, match="does not answer"):
                attempt()

        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", str(tmp_path / "client.pem"))
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CLIENT_KEY", str(tmp_path / "client.key"))
        refused()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(tmp_path / "other.pem"))
        refused()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(tmp_path / "authority.pem"))
        attempt()
        monkeypatch.delenv("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE")
        monkeypatch.delenv("OTEL_EXPORTER_OTLP_CLIENT_KEY")
        refused()
