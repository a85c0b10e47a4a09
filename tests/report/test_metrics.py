"""Metrics of a running generator, read by Prometheus's client and by Prometheus itself."""

import json
import re
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from fleetstream.report.metrics import LedgerCollector
from fleetstream.run.ledger import Ledger, Tally
from fleetstream.targets.sink import Delivery
from tests.report.runs import BATCH, deliver, facts, request_of
from tests.servers.programs import free_port, program
from tests.telemetry import TIMESTAMP
from tests.terminal import FLEETSTREAM

DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana-dashboard.json"

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def exposed(ledger: Ledger, **changes: Any) -> str:
    registry = CollectorRegistry()
    registry.register(LedgerCollector(facts(**changes), ledger))
    return generate_latest(registry).decode()


def families(text: str) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def samples(text: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families(text).values()
        for sample in family.samples
    }


def test_everything_in_the_ledger_is_there() -> None:
    ledger = Ledger()
    ledger.generated(Tally(100, 400))
    ledger.stored(Tally(60, 240), unchanged=9)
    ledger.rejected("bad", Tally(3, 12))
    ledger.undelivered("gone", Tally(7, 28))
    request = request_of(BATCH, size=1_000, writes=5)
    for seconds, delivery in ((0.001, Delivery()), (0.0011, Delivery()), (0.3, Delivery())):
        ledger.attempted(request, seconds, delivery, retry=False)
    ledger.attempted(request, 90.0, None, retry=False)
    ledger.throttled()
    ledger.failed("connection cut")
    ledger.swept(1, TIMESTAMP)
    found = samples(exposed(ledger))

    def value(name: str, **labels: str) -> float:
        return found[f"fleetstream_{name}", tuple(sorted(labels.items()))]

    assert value("generated_records_total") == 100
    assert value("generated_values_total") == 400
    assert value("records_total", outcome="stored") == 60
    assert value("records_total", outcome="rejected") == 3
    assert value("unchanged_records_total") == 9
    assert value("values_total", outcome="undelivered") == 28
    assert value("in_flight_records") == 30
    assert value("requests_total", result="success") == 3
    assert value("requests_total", result="failure") == 1
    assert value("retries_total", reason="throttled") == 1
    assert value("retries_total", reason="connection cut") == 1
    assert value("request_bytes_total") == 4_000
    assert value("metered_writes_total") == 15
    assert value("sweeps_total") == 1
    assert value("last_sweep_timestamp_seconds") == TIMESTAMP / 1e6
    assert value("run_info", target="nothing", seed="7", record_model="single") == 1
    buckets = [
        (float(labels[0][1]), count)
        for (name, labels), count in found.items()
        if name == "fleetstream_request_duration_seconds_bucket"
    ]
    assert dict(buckets)[0.001] == 1
    assert dict(buckets)[0.0025] == dict(buckets)[0.25] == 2
    assert dict(buckets)[0.5] == dict(buckets)[60.0] == 3
    assert dict(buckets)[float("inf")] == value("request_duration_seconds_count") == 4
    assert value("request_duration_seconds_sum") == pytest.approx(90.3021)


def test_figures_that_a_target_does_not_have_are_left_out() -> None:
    ledger = Ledger()
    deliver(ledger)
    found = families(exposed(ledger))
    assert "fleetstream_request_duration_seconds" in found
    assert not {"fleetstream_request_bytes", "fleetstream_metered_writes"} & found.keys()
    found = families(exposed(ledger, has_latency=False))
    assert "fleetstream_request_duration_seconds" not in found
    assert "fleetstream_requests" in found


def test_names_follow_the_conventions() -> None:
    ledger = Ledger()
    deliver(ledger, size=1, writes=1)
    for name, family in families(exposed(ledger)).items():
        assert re.fullmatch(r"fleetstream(_[a-z]+)+", name)
        assert family.documentation
        assert family.documentation.endswith(".")
        for sample in family.samples:
            assert (family.type == "counter") == sample.name.endswith("_total")


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """The URL of the metrics of a running generator."""
    command = [FLEETSTREAM, "ingest", "--to", "null:", "--include-region", "eu-central-1"]
    with subprocess.Popen(
        [*command, "--metrics-port", "0", "--log-format", "json"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    ) as generator:
        assert generator.stderr is not None
        started = json.loads(generator.stderr.readline())
        yield started["metrics_url"]
        generator.terminate()
        finished = json.loads(generator.stderr.readlines()[-1])
        assert finished["event"] == "finished"
        assert generator.wait(20) == 0
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(started["metrics_url"], timeout=5)


def eventually(what: Any) -> Any:
    """The first true result of ``what`` within some seconds."""
    until = time.monotonic() + 20
    while not (answer := what()):
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.2)
    return answer


def test_a_running_generator_is_scraped(url: str) -> None:
    assert url.startswith("http://127.0.0.1:")
    assert url.endswith("/metrics")

    def stored() -> float:
        with urllib.request.urlopen(url, timeout=5) as answer:
            found = samples(answer.read().decode())
        assert (
            found[
                "fleetstream_run_info",
                (
                    ("record_model", "single"),
                    ("seed", found_seed(found)),
                    ("target", "nothing (null:)"),
                ),
            ]
            == 1
        )
        assert ("process_cpu_seconds_total", ()) in found
        generated = found["fleetstream_generated_values_total", ()]
        values = found["fleetstream_values_total", (("outcome", "stored"),)]
        sweeps = found["fleetstream_sweeps_total", ()]
        assert sweeps * 260 <= generated <= (sweeps + 1) * 260
        assert values <= generated
        return values

    first = eventually(stored)
    assert eventually(lambda: stored() > first)


def found_seed(found: Samples) -> str:
    return next(dict(labels)["seed"] for name, labels in found if name == "fleetstream_run_info")


def test_prometheus_itself_scrapes_it(url: str, tmp_path: Path) -> None:
    prometheus = program("prometheus")
    target = url.removeprefix("http://").removesuffix("/metrics")
    job = {"job_name": "fleetstream", "static_configs": [{"targets": [target]}]}
    config = {"scrape_configs": [job | {"scrape_interval": "1s"}]}
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))
    address = f"127.0.0.1:{free_port()}"
    options = [f"--web.listen-address={address}", f"--storage.tsdb.path={tmp_path / 'data'}"]
    with subprocess.Popen(
        [prometheus, f"--config.file={tmp_path / 'prometheus.yml'}", *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        try:
            queries = [panel["expr"] for panel in dashboard_targets()]
            assert eventually(lambda: ask(address, "fleetstream_sweeps_total > 1"))
            answers = {query: ask(address, concrete(query)) for query in queries}
        finally:
            server.terminate()
    assert all(answer is not None for answer in answers.values())
    assert answers["fleetstream_run_info"]


def concrete(query: str) -> str:
    """A dashboard's query with Grafana's variable filled in."""
    return query.replace("$__rate_interval", "10s")


def ask(address: str, query: str) -> Any:
    """Prometheus's result of a query, None while it is not up."""
    encoded = urllib.parse.urlencode({"query": query})
    try:
        with urllib.request.urlopen(
            f"http://{address}/api/v1/query?{encoded}", timeout=5
        ) as answer:
            return json.load(answer)["data"]["result"]
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{query}: {error.read().decode()}") from error
    except OSError:
        return None


def dashboard_targets() -> list[dict[str, Any]]:
    panels = json.loads(DASHBOARD.read_bytes())["panels"]
    return [target for panel in panels for target in panel.get("targets", [])]


def test_the_dashboard_names_only_metrics_that_exist() -> None:
    ledger = Ledger()
    deliver(ledger, size=1, writes=1)
    known = {name for name, _ in samples(exposed(ledger))} | {"process_cpu_seconds_total"}
    targets = dashboard_targets()
    assert len(targets) >= 8
    for target in targets:
        named = set(re.findall(r"\b(?:fleetstream|process)_\w+", target["expr"]))
        assert named, target
        assert named <= known


def test_a_port_in_use_gets_an_error_message(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        result = subprocess.run(
            [FLEETSTREAM, "ingest", "--to", "null:", "--metrics-port", str(number)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
    assert result.returncode == 2
    assert (
        f"Metrics cannot be served at 127.0.0.1:{number}: Address already in use" in result.stderr
    )
    assert "Traceback" not in result.stderr
