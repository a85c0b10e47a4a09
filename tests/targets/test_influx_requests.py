"""Requests to InfluxDB: their form in all versions, and what answers to them mean."""

import json
import shlex
from collections.abc import Callable
from contextlib import closing
from urllib.parse import parse_qs, urlsplit

import pytest

from fleetstream.generate.choices import RecordModel
from fleetstream.targets.influx.server import influx_database
from fleetstream.targets.influx.sink import InfluxSink
from fleetstream.targets.sink import TargetLost, TargetUnusable, Throttled, Unavailable
from tests.targets.cases import SCHEMAS
from tests.targets.influx_recorder import Reply, recording, sink_at, sink_of, stored
from tests.targets.test_contract import NOW, sweeps
from tests.wire import expected


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


@pytest.mark.parametrize(("named", "reported"), [(2, "1.6.7"), (3, "1.6.7"), (3, "v2.7.1")])
def test_a_later_version_than_the_servers_is_refused(named: int, reported: str) -> None:
    text = f"is InfluxDB {reported.removeprefix('v')}, which has no API of InfluxDB {named}"
    with recording(version=reported) as server, pytest.raises(TargetUnusable, match=text):
        sink_of(server, named).open()


def test_an_earlier_version_than_the_servers_is_taken() -> None:
    with recording(version="3.0.1") as server:
        sink = sink_of(server, 2)
        sink.open()
        (request, *_) = sink.prepare(sweeps(1)[0])
        sink.send(request)
    assert server.writes[0][0] == "/api/v2/write"


def test_an_organisation_is_named_in_version_2() -> None:
    with recording(version="2.7.1") as server:
        sink = sink_at(f"{server.url}?org=ours&version=2", RecordModel.MULTI)
        sink.open()
        (request, *_) = sink.prepare(sweeps(1)[0])
        sink.send(request)
    assert server.writes[0][1]["org"] == ["ours"]


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
