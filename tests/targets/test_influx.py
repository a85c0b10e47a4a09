"""InfluxDB: its wire form in all versions, its refusals, and who may write."""

import gzip
import json
import os
import re
import shlex
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from fleetstream.cli import main
from fleetstream.generate.choices import RecordModel
from fleetstream.generate.records import Records
from fleetstream.generate.schema import kind_of
from fleetstream.targets.influx.line_protocol import LineRenderer
from fleetstream.targets.influx.server import influx_database
from fleetstream.targets.influx.sink import InfluxSink
from fleetstream.targets.registry import TargetOptions
from fleetstream.targets.sink import TargetLost, Throttled, Unavailable
from tests.batches import batches
from tests.recording import serving
from tests.servers.influx_server import InfluxDB
from tests.servers.victoria_metrics import VictoriaMetrics
from tests.targets.cases import SCHEMAS
from tests.targets.commands import SMALL, STRETCH, await_, exit_code
from tests.targets.test_contract import NOW, history, opened, sweeps, write
from tests.terminal import FLEETSTREAM
from tests.wire import Record, expected

Reply = tuple[int, dict[str, str], bytes]


class Recording(ThreadingHTTPServer):
    """Answers writes as ``reply`` says, given the lines, and keeps what was asked.

    Attributes:
        writes: Path, query, headers and lines of each write.

    """

    daemon_threads = True

    def __init__(self, reply: Callable[[list[str]], Reply], ping: dict[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reply = reply
        self.ping = ping
        self.lock = threading.Lock()
        self.writes: list[tuple[str, dict[str, list[str]], dict[str, str], list[str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: Recording

    def do_GET(self) -> None:
        if self.path == "/ping":
            self._answer(204, self.server.ping, b"")
        else:
            content = {"buckets": [{"name": "fleet"}]}
            self._answer(200, {}, json.dumps(content).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        lines = gzip.decompress(body).decode().splitlines()
        parts = urlsplit(self.path)
        with self.server.lock:
            headers = dict(self.headers.items())
            self.server.writes.append((parts.path, parse_qs(parts.query), headers, lines))
            reply = self.server.reply(lines)
        self._answer(*reply)

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


def stored(_lines: list[str]) -> Reply:
    return 204, {}, b""


@contextmanager
def recording(
    reply: Callable[[list[str]], Reply] = stored, version: str = "1.6.7"
) -> Iterator[Recording]:
    server = Recording(reply, {"X-Influxdb-Version": version})
    with serving(server):
        yield server


def parsed(line: str) -> Record:
    """A line of the protocol, read letter by letter as its reference says; times are µs."""
    head, fields, stamp = _split(line, " ")
    measurement, *tags = _split(head, ",")
    named = tuple(sorted((_plain(k), _plain(v)) for k, v in (_split(tag, "=") for tag in tags)))
    values = []
    for field in _split(fields, ","):
        name, value = _split(field, "=")
        if value.startswith('"'):
            word = re.sub(r'\\(["\\])', r"\1", value[1:-1])
            values.append((_plain(name), "VARCHAR", word))
        elif value.endswith("i"):
            values.append((_plain(name), "BIGINT", int(value[:-1])))
        elif value in ("true", "false"):
            values.append((_plain(name), "BOOLEAN", value == "true"))
        else:
            values.append((_plain(name), "DOUBLE", float(value)))
    return Record(named, _plain(measurement), tuple(values), int(stamp))


def _split(text: str, at: str) -> list[str]:
    """The parts of a text between separators that are neither escaped nor in a string."""
    parts, part, quoted, place = [], "", False, 0
    while place < len(text):
        letter = text[place]
        if letter == "\\" and place + 1 < len(text) and text[place + 1] in ',= "\\':
            part += text[place : place + 2]
            place += 2
            continue
        if letter == '"' and (quoted or part.endswith("=") or part == ""):
            quoted = not quoted
        if letter == at and not quoted:
            parts.append(part)
            part = ""
        else:
            part += letter
        place += 1
    return [*parts, part]


def _plain(text: str) -> str:
    return re.sub(r"\\([,= ])", r"\1", text)


@given(st.data(), st.sampled_from(RecordModel))
def test_lines_state_what_the_batch_holds(data: st.DataObject, model: RecordModel) -> None:
    batch = data.draw(batches().filter(_has_no_odd_words))
    found = [
        parsed(line)
        for _, _, lines in LineRenderer().bodies(Records(batch, model))
        for line in lines.decode().removesuffix("\n").split("\n")
    ]
    wanted = expected(batch, model)
    if model is RecordModel.SINGLE:
        wanted = [each._replace(values=(("value", *each.values[0][1:]),)) for each in wanted]
    assert found == [_without_times(each) for each in wanted]


def _without_times(record: Record) -> Record:
    """The record with times as line protocol has them: integers, in milliseconds."""
    return record._replace(
        values=tuple(
            (name, "BIGINT", value // 1_000) if kind == "TIMESTAMP" else (name, kind, value)
            for name, kind, value in record.values
        )
    )


def _has_no_odd_words(batch: pa.RecordBatch) -> bool:
    """Backslashes and quotes can be read in two ways; the contract tries them on a server."""
    columns = (column for column in batch.columns if isinstance(column, pa.DictionaryArray))
    words = (word for column in columns for word in column.dictionary.to_pylist())
    return not any(set(word) & set('\\"\x85\u2028\u2029') for word in words)


@pytest.mark.parametrize(
    ("version", "path", "query", "scheme"),
    [
        ("1.6.7", "/write", {"db": ["fleet"], "precision": ["u"]}, "Token"),
        ("v2.7.1", "/api/v2/write", {"bucket": ["fleet"], "precision": ["us"]}, "Token"),
        ("3.0.1", "/api/v3/write_lp", {"db": ["fleet"], "precision": ["microsecond"]}, "Bearer"),
    ],
)
@pytest.mark.parametrize("found", [True, False])
def test_each_version_in_its_own_form(
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    path: str,
    query: dict[str, list[str]],
    scheme: str,
    found: bool,
) -> None:
    """The version is found out, or taken from the URL; tokens come from the environment."""
    monkeypatch.setenv("INFLUX_TOKEN", "secret-token")
    with recording(version=version if found else "unknown") as server:
        number = version.removeprefix("v")[0]
        extra = "" if found else f"?version={number}"
        if number == "1":
            # Its databases are asked for in a form that this server does not have.
            sink = sink_at(f"{server.url}?version=1", RecordModel.MULTI)
            sink.server._authorization = {"Authorization": "Token secret-token"}
        else:
            sink = sink_at(f"{server.url}{extra}", RecordModel.MULTI)
            sink.open()
        with closing(sink):
            for request in (r for batch in sweeps(1) for r in sink.prepare(batch)):
                assert not sink.send(request).rejections
    assert {write[0] for write in server.writes} == {path}
    assert all(write[1] == query for write in server.writes)
    for _, _, headers, _ in server.writes:
        assert headers["Authorization"] == f"{scheme} secret-token"
        assert headers["Content-Encoding"] == "gzip"
    lines = [line for write in server.writes for line in write[3]]
    assert len(lines) == 22
    assert all(line.endswith(f" {NOW}") for line in lines)


def test_an_organisation_is_named_in_version_2() -> None:
    with recording() as server:
        sink = sink_at(f"{server.url}?org=ours&version=2", RecordModel.MULTI)
        sink.open()
        (request, *_) = sink.prepare(sweeps(1)[0])
        sink.send(request)
    assert server.writes[0][1]["org"] == ["ours"]


def sink_of(server: Recording, version: int = 1) -> InfluxSink:
    return sink_at(f"{server.url}?version={version}", RecordModel.SINGLE)


def sink_at(url: str, model: RecordModel) -> InfluxSink:
    return InfluxSink(influx_database(url, "fleet"), model, SCHEMAS)


def refusing(bad: Callable[[str], bool], most: int = 10_000) -> Callable[[list[str]], Reply]:
    """Version 1's answers to lines of which some are bad, and to bodies that are too long."""

    def reply(lines: list[str]) -> Reply:
        if len(lines) > most:
            return 413, {}, b'{"error":"Request Entity Too Large"}'
        dropped = sum(map(bad, lines))
        if dropped:
            text = f"partial write: field type conflict: input is float dropped={dropped}"
            return 400, {}, json.dumps({"error": text}).encode()
        return stored(lines)

    return reply


def test_the_refused_lines_are_found_among_many() -> None:
    def bad(line: str) -> bool:
        return "zeus-0001" in line and line.startswith(("disk_used", "cpu_user"))

    with recording(refusing(bad)) as server:
        sink = sink_of(server)
        (request,) = sink.prepare(sweeps(1, missing=0)[0])
        delivery = sink.send(request)
    refused = [request.record(each.index).batch() for each in delivery.rejections]
    assert len(refused) == 2
    for batch in refused:
        (record,) = expected(batch, RecordModel.SINGLE)
        assert record.name in ("disk_used", "cpu_user")
        assert ("instance_name", "i-AUa00Zt2-zeus-0001.amazonaws.com") in record.dimensions
    assert {each.reason for each in delivery.rejections} == {"field type conflict: input is float"}


def test_lines_that_are_all_refused_take_one_request() -> None:
    with recording(refusing(lambda line: True)) as server:
        sink = sink_of(server)
        (request,) = sink.prepare(sweeps(1, missing=0)[0])
        delivery = sink.send(request)
    assert len(delivery.rejections) == request.records == 200
    assert len(server.writes) == 1


def test_version_3_names_the_refused_lines() -> None:
    def reply(lines: list[str]) -> Reply:
        data = [{"line_number": 3, "error_message": "invalid column type", "original_line": "x"}]
        content = {"error": "partial write of line protocol occurred", "data": data}
        return 400, {}, json.dumps(content).encode()

    with recording(reply) as server:
        sink = sink_of(server, 3)
        (request,) = sink.prepare(sweeps(1, missing=0)[0])
        delivery = sink.send(request)
    assert [(each.index, each.reason) for each in delivery.rejections] == [
        (2, "invalid column type")
    ]
    assert len(server.writes) == 1


def test_bodies_that_are_too_long_are_halved() -> None:
    with recording(refusing(lambda line: False, most=30)) as server:
        sink = sink_of(server)
        (request,) = sink.prepare(sweeps(1, missing=0)[0])
        assert not sink.send(request).rejections
    taken = [line for _, _, _, lines in server.writes if len(lines) <= 30 for line in lines]
    assert len(taken) == len(set(taken)) == 200


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("header", "wait"), [("2", 2), ("soon", 0), ("100000", 300)])
def test_a_busy_server_says_how_long_to_wait(status: int, header: str, wait: int) -> None:
    with recording(lambda _: (status, {"Retry-After": header}, b"{}")) as server:
        sink = sink_of(server)
        (request,) = sink.prepare(sweeps(1)[0])
        with pytest.raises(Throttled) as raised:
            sink.send(request)
    assert raised.value.wait == wait


def test_a_batch_of_several_timestamps_has_one_per_line() -> None:
    """Also where a request ends between two rows of the same series."""
    batch = history(300, missing=0)[0]
    with recording() as server:
        sink = sink_at(f"{server.url}?version=1", RecordModel.MULTI)
        requests = list(sink.prepare(batch))
        for request in requests:
            sink.send(request)
    lines = [line for _, _, _, written in server.writes for line in written]
    assert len(requests) == 1
    assert [parsed(line) for line in lines] == expected(batch, RecordModel.MULTI)


@pytest.mark.parametrize("model", RecordModel)
def test_the_query_hint_names_the_first_number(model: RecordModel) -> None:
    place = influx_database("http://localhost:1?version=1", "fleet")
    hint = InfluxSink(place, model, SCHEMAS).query_hint() or ""
    field, measurement = {
        RecordModel.SINGLE: ("value", "cpu_user"),
        RecordModel.MULTI: ("cpu_user", "metrics"),
    }[model]
    query = parse_qs(urlsplit(shlex.split(hint)[-1]).query)["q"]
    assert query == [f'SELECT mean("{field}") FROM "{measurement}"']
    assert InfluxSink(place, model, ()).query_hint() is None


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((500, {}, b""), "HTTP 500"),
        ((200 + 99, {}, b"{" * 100_000), "HTTP 299"),
        ((302, {"Location": "elsewhere"}, b"not json"), "HTTP 302"),
    ],
)
def test_answers_that_may_pass_are_faults(answer: Reply, kind: str) -> None:
    with recording(lambda _: answer) as server:
        sink = sink_of(server)
        (request,) = sink.prepare(sweeps(1)[0])
        with pytest.raises(Unavailable) as raised:
            sink.send(request)
    assert raised.value.kind == kind


@pytest.mark.parametrize(("status", "words"), [(401, "credentials"), (404, "has no database")])
def test_what_no_retry_mends_ends_the_run(status: int, words: str) -> None:
    with recording(lambda _: (status, {}, b"{}")) as server:
        sink = sink_of(server)
        (request,) = sink.prepare(sweeps(1)[0])
        with pytest.raises(TargetLost, match=words):
            sink.send(request)


def test_a_real_server_tells_what_it_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A measure that the database has as text is refused; all other measures are stored."""
    monkeypatch.chdir(tmp_path)
    with InfluxDB(tmp_path) as server:
        requests.post(
            f"{server.url}/write?db=fleet&precision=u",
            f'cpu_user,host=x value="text" {1_793_491_200 * 1_000_000}',
            timeout=30,
        ).raise_for_status()
        target = ("--to", f"influx:{server.url}", "-d", "fleet", "--summary", "summary.json")
        assert main(["ingest", *SMALL, *STRETCH, *target]) == 1
        summary = json.loads((tmp_path / "summary.json").read_bytes())
        assert summary["rejected"]["records"] == 30
        assert summary["stored"]["records"] == 3 * 260 - 30
        (reason,) = summary["rejected"]["reasons"]
        assert "field type conflict" in reason
        assert server.query("SELECT count(value) FROM cpu_idle")[0]["values"][0][1] == 30


@pytest.mark.parametrize("model", RecordModel)
def test_victoria_metrics_takes_every_number(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    model: RecordModel,
) -> None:
    """It names series after measurement and field, and has the database as a label."""
    monkeypatch.chdir(tmp_path)
    batches = [*history(3), *sweeps(1)]
    with VictoriaMetrics(tmp_path) as server:
        options = TargetOptions(to=f"influx:{server.url}", database_name="fleet")
        with opened(options, model) as sink:
            assert not any(delivery.rejections for _, delivery in write(sink, batches * 2))
            hint = shlex.split(sink.query_hint() or "")
        requests.get(f"{server.url}/internal/force_flush", timeout=30).raise_for_status()
        lines = requests.get(
            f"{server.url}/api/v1/export", {"match[]": '{db="fleet"}'}, timeout=30
        ).text.splitlines()
        answer = json.loads(subprocess.check_output([*hint, "-d", f"time={NOW // 1_000_000}"]))
        assert main(["verify", "--to", str(options.to), "-d", "fleet", *SMALL, *STRETCH]) == 3
    assert "has no InfluxQL to read back with" in capsys.readouterr().err
    found = []
    for series in map(json.loads, lines):
        labels = series["metric"]
        name = labels.pop("__name__")
        assert labels.pop("db") == "fleet"
        for stamp, value in zip(series["timestamps"], series["values"], strict=True):
            found.append((tuple(sorted(labels.items())), name, stamp * 1_000, value))
    single = model is RecordModel.SINGLE
    wanted = [
        (
            each.dimensions,
            f"{name}_value" if single else f"{kind_of(batch.schema)}_{name}",
            each.time,
            0.0 if data_type == "VARCHAR" else float(value),
        )
        for batch in batches
        for each in expected(batch, RecordModel.SINGLE)
        for name, data_type, value in each.values
    ]
    assert sorted(found) == sorted(wanted)
    assert len(answer["data"]["result"]) == 1


def test_what_could_not_be_delivered_is_replayed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The server is killed in mid-run; what it missed is in it after a replay, and all else."""
    options = ("--give-up-after", "1s", "--interval", "250ms", "--manifest", "run.json")
    with InfluxDB(tmp_path) as server:
        target = ("--to", f"influx:{server.url}", "-d", "fleet")
        run = subprocess.Popen(
            [FLEETSTREAM, "ingest", *SMALL, *target, *options],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        await_(lambda: bool(server.query("SELECT value FROM cpu_user LIMIT 1")))
        server.kill()
        printed, _ = run.communicate(timeout=60)
    assert run.returncode == 1, printed
    assert "connection refused" in printed
    undelivered = tmp_path / "fleetstream-undelivered"
    with InfluxDB(tmp_path) as server:
        target = ("--to", f"influx:{server.url}", "-d", "fleet")
        assert main(["verify", str(tmp_path / "run.json"), *target]) in (0, 1)
        assert main(["replay", str(undelivered), *target]) == 0
        assert not undelivered.exists()
        assert main(["verify", str(tmp_path / "run.json"), *target]) == 0
    assert capsys.readouterr().out.endswith("It matches.\n")


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({}, 3),
        ({"INFLUX_USERNAME": "admin", "INFLUX_PASSWORD": "wrong"}, 3),
        ({"INFLUX_TOKEN_FILE": "/nowhere"}, 3),
        ({"INFLUX_USERNAME": "admin", "INFLUX_PASSWORD": "secret"}, 0),
    ],
)
def test_credentials(tmp_path: Path, environment: dict[str, str], code: int) -> None:
    with InfluxDB(tmp_path, users=True) as server:
        target = ("--to", f"influx:{server.url}", "-d", "fleet", "--report", "report.html")
        run = subprocess.run(
            [
                FLEETSTREAM,
                "ingest",
                *SMALL,
                *STRETCH,
                *target,
                "--summary",
                "summary.json",
                "--processes",
                "2",
            ],
            cwd=tmp_path,
            env=os.environ | environment,
            capture_output=True,
            text=True,
        )
    assert run.returncode == code, run.stderr
    if code:
        assert re.search("set INFLUX_TOKEN|INFLUX_TOKEN_FILE names '/nowhere'", run.stderr)
    else:
        written = run.stdout + run.stderr + (tmp_path / "report.html").read_text()
        written += (tmp_path / "summary.json").read_text()
        written += (tmp_path / "fleetstream-7.json").read_text()
        assert "secret" not in written
        assert "YWRtaW46c2VjcmV0" not in written


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("influx:", "-d", "x"), 2, "needs the URL of a server"),
        (("influx:8086", "-d", "x"), 2, "needs the URL of a server"),
        (("influx:ftp://x", "-d", "x"), 2, "needs the URL of a server"),
        (("influx:http://127.0.0.1:1",), 2, "needs --database-name"),
        (("influx:http://me:pw@127.0.0.1:1", "-d", "x"), 2, "leave it out, and set INFLUX_TOKEN"),
        (("influx:http://127.0.0.1:1?token=t", "-d", "x"), 2, "leave it out, and set"),
        (("influx:http://127.0.0.1:1?version=4", "-d", "x"), 2, "no version '4'"),
        (("influx:http://127.0.0.1:1?what=4", "-d", "x"), 2, "but not 'what'"),
        (("influx:http://127.0.0.1:1", "-d", "x", "-r", "r"), 2, "--region has no meaning"),
        (("influx:http://h", "-d", "x", "--read-url", "h:1"), 2, "--read-url 'h:1' is not the URL"),
        (("influx:http://h", "-d", "x", "--read-url", "http://u:p@h"), 2, "--read-url contains a"),
        (
            ("influx:http://127.0.0.1:1", "-d", "x"),
            3,
            "does not answer as InfluxDB does (connection refused)",
        ),
    ],
)
def test_what_is_no_target_gets_a_sentence(
    arguments: tuple[str, ...], code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    to, *rest = arguments
    assert exit_code("ingest", "--autostop", "1", "--to", to, *rest) == code
    assert sentence in capsys.readouterr().err


def test_what_may_keep_amazons_influxdb_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its endpoints are in a VPC. A proxy that is not there stands for the way to it."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    url = "http://c5vasdqn0b-3ksj4dla5nfjhi.timestream-influxdb.us-east-1.on.aws:8086"
    assert main(["ingest", "--to", f"influx:{url}", "-d", "fleet"]) == 3
    assert "in the VPC of the database unless" in capsys.readouterr().err


def test_a_run_is_verified_at_another_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As at the read-only endpoint of a cluster, which the manifest names."""
    monkeypatch.chdir(tmp_path)
    with InfluxDB(tmp_path) as server, recording() as writer:
        reading = server.url.replace("127.0.0.1", "localhost")
        target = ("--to", f"influx:{server.url}", "-d", "fleet", "--read-url", reading)
        assert main(["ingest", *SMALL, *STRETCH, *target]) == 0
        assert f"curl -s '{reading}/query?db=fleet" in capsys.readouterr().out
        assert main(["verify", "fleetstream-7.json"]) == 0
        assert f"InfluxDB, fleet at {reading}" in capsys.readouterr().out
        elsewhere = ("--to", f"influx:{writer.url}", "--read-url", writer.url)
        assert main(["verify", "fleetstream-7.json", *elsewhere, "-d", "fleet"]) == 3
        assert writer.url in capsys.readouterr().err


def test_a_database_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with InfluxDB(tmp_path) as server:
        assert main(["ingest", "--to", f"influx:{server.url}", "-d", "other"]) == 3
    assert "create it with: influx -execute 'CREATE DATABASE \"other\"'" in capsys.readouterr().err
