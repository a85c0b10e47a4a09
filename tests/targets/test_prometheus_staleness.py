"""Staleness markers: series that end are gone at once from what servers answer."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import cramjam
import pytest
import requests

from fleetstream.api import verify_runs
from fleetstream.generate.choices import RecordModel
from fleetstream.generate.schema import dimension_names
from fleetstream.run.manifest import read_manifest
from fleetstream.run.options import make_spec
from fleetstream.run.runner import new_run
from fleetstream.run.spec import RunSpec
from fleetstream.run.undelivered import UndeliveredStore
from fleetstream.targets.prometheus.encoding import FirstEncoder
from fleetstream.targets.prometheus.naming import Naming
from fleetstream.targets.prometheus.rendering import RequestRenderer
from fleetstream.targets.prometheus.server import PrometheusServer
from fleetstream.targets.prometheus.sink import PrometheusSink
from fleetstream.targets.sink import Unavailable
from tests.ends import ends_of
from tests.remote_write import decoded
from tests.servers.prometheus_server import Prometheus
from tests.servers.victoria_metrics import VictoriaMetrics
from tests.targets.http_servers import Origin, running
from tests.telemetry import SECOND, TIMESTAMP

MINUTE = 60 * SECOND
KIND, METRIC = "pod", "container_memory_working_set_bytes"


@contextmanager
def prometheus(folder: Path) -> Iterator[str]:
    with Prometheus(folder) as server:
        yield server.url


@contextmanager
def prometheus_2(folder: Path) -> Iterator[str]:
    """One that takes version 2.0 of remote write."""
    with Prometheus(folder, version=2) as server:
        yield server.url


@contextmanager
def victoria_metrics(folder: Path) -> Iterator[str]:
    with VictoriaMetrics(folder) as server:
        yield server.url


def written(manifest: Path, url: str, **options: Any) -> RunSpec:
    """Write 40 minutes of a few deployments; returns the description of the run."""
    fleet = {"model": "kubernetes", "seed": 7, "interval": "60s", "to": f"prometheus:{url}"}
    stretch = {"start": TIMESTAMP, "end": TIMESTAMP + 40 * MINUTE}
    with new_run(make_spec(**{**fleet, **stretch, **options}), manifest) as run:
        result = run.execute()
    assert result.delivered
    assert result.totals.generated == result.totals.stored
    return read_manifest(manifest).spec


def ends_of_pods(spec: RunSpec) -> list[tuple[int, dict[str, str]]]:
    """The time of each, and its labels."""
    naming = Naming(tuple(spec.generator().schemas.values()), "fleetstream")
    return [
        (end.time, {naming.labels[name]: word for name, word in end.dimensions if word})
        for end in ends_of(spec, MINUTE)
        if end.kind == KIND
    ]


def at(url: str, labels: dict[str, str], timestamp: int) -> list[Any]:
    """What an instant query returns for the metric of a series at a time in microseconds."""
    selector = ",".join(f'{label}="{word}"' for label, word in labels.items())
    query = {"query": f"{METRIC}{{{selector}}}", "time": str(timestamp / SECOND)}
    answer = requests.get(f"{url}/api/v1/query", query, timeout=30).json()
    result: list[Any] = answer["data"]["result"]
    return result


@pytest.mark.parametrize("server", [prometheus, prometheus_2, victoria_metrics])
def test_a_series_is_gone_right_after_its_end(server: Any, tmp_path: Path) -> None:
    """Without a marker, both would return its last value for five minutes."""
    with server(tmp_path) as url:
        spec = written(tmp_path / "run.json", url)
        ends = ends_of_pods(spec)
        assert ends
        findings = verify_runs(tmp_path / "run.json")  # has VictoriaMetrics show the latest samples
        assert findings.matches
        assert findings.held == findings.expected
        for stamp, labels in ends[:20]:
            assert at(url, labels, stamp - 1_000), "it is there until it ends"
            assert not at(url, labels, stamp)


def test_a_series_that_comes_back_is_there_again(tmp_path: Path) -> None:
    """A truck out of reach, in one run of history."""
    with prometheus(tmp_path) as url:
        written(tmp_path / "run.json", url, model="iot-trucks")
        assert verify_runs(tmp_path / "run.json").matches


@pytest.mark.parametrize("status", [204, 400, 503])
def test_a_request_of_ends_alone_has_no_records(status: int, tmp_path: Path) -> None:
    """So none is rejected or kept, whatever the server says of it."""
    generator = make_spec(model="kubernetes", seed=7, interval="60s").resolved().generator()
    (chunk,) = [each for each in generator.chunks if each.kind == KIND]
    ends = generator.ends(chunk, [TIMESTAMP + place * MINUTE for place in range(40)])
    assert ends is not None
    assert ends.num_rows > 0
    reply = f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode()
    unknown = b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n"
    origin = Origin(lambda each: reply if "POST" in each.line and each.body != b"\0" else unknown)
    store = UndeliveredStore(tmp_path / "undelivered")
    with running(origin):
        naming = Naming(tuple(generator.schemas.values()), "fleet")
        server = PrometheusServer(origin.url)
        with closing(PrometheusSink(server, naming, RecordModel.SINGLE)) as sink:
            sink._renderer = RequestRenderer(naming, FirstEncoder)
            (request,) = sink.prepare(ends)
            assert (request.records, request.values) == (0, 0)
            if status == 503:
                with pytest.raises(Unavailable):
                    sink.send(request)
                store.undelivered(request, "given up")
            else:
                assert sink.send(request).rejections == ()
    store.flush()
    assert not store.folder.exists()
    (received,) = origin.received
    markers = decoded(bytes(cramjam.snappy.decompress_raw(received.body)), 1)
    assert len(markers) == ends.num_rows * (
        len(ends.schema) - len(dimension_names(ends.schema)) - 1
    )
