"""The protocol: targets, errors, bounds, and bodies that make no sense."""

import json
import socket
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.emulator.conftest import DATABASE, record
from tests.emulator.endpoint import Endpoint
from tests.emulator.wire import JSON, post, send

OPERATIONS = [
    "CreateDatabase", "DescribeDatabase", "ListDatabases", "UpdateDatabase", "DeleteDatabase",
    "CreateTable", "DescribeTable", "ListTables", "UpdateTable", "DeleteTable", "WriteRecords",
    "TagResource", "UntagResource", "ListTagsForResource", "DescribeEndpoints",
    "Query", "CancelQuery", "PrepareQuery",
]  # fmt: skip


def test_answers_have_the_protocol_s_type_and_an_id_of_their_own(
    endpoint: Endpoint,
) -> None:
    answers = [post(endpoint.port, "ListDatabases", b"{}") for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200]
    assert {answer.headers["Content-Type"] for answer in answers} == {JSON}
    assert len({answer.headers["x-amzn-RequestId"] for answer in answers}) == 2


@pytest.mark.parametrize("operation", [None, "", "Nonsense", "CreateBatchLoad", "query"])
def test_an_unknown_operation_is_refused(endpoint: Endpoint, operation: str | None) -> None:
    answer = post(endpoint.port, operation, b"{}")
    assert answer.error == (400, "UnknownOperationException")
    assert answer.json["message"] == answer.json["Message"] != ""


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"nonsense", b'"text"', b"[]", b"null", b"{}{}", b"\xff\xfe", b"[" * 100_000],
)
@pytest.mark.parametrize("operation", ["WriteRecords", "CreateTable", "Query"])
def test_a_body_that_is_no_json_object_is_refused(
    endpoint: Endpoint, operation: str, body: bytes
) -> None:
    answer = post(endpoint.port, operation, body)
    assert answer.error in [(400, "SerializationException"), (400, "ValidationException")]


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("DatabaseName", 1),
        ("Records", {}),
        ("Records", [1]),
        ("Records", [{"Time": 1}]),
        ("Records", [{"Dimensions": "host"}]),
        ("Records", [{"Dimensions": [{"Name": 1, "Value": "x"}]}]),
        ("Records", [{"Version": "1"}]),
        ("CommonAttributes", []),
    ],
)
def test_a_value_of_the_wrong_json_type_is_refused(
    endpoint: Endpoint, member: str, value: Any
) -> None:
    table = {"DatabaseName": DATABASE, "TableName": "types"}
    post(endpoint.port, "CreateTable", json.dumps(table).encode())
    if member == "Records" and isinstance(value, list) and isinstance(value[0], dict):
        value = [record() | value[0]]
    body = table | {"Records": [record()]} | {member: value}
    answer = post(endpoint.port, "WriteRecords", json.dumps(body).encode())
    assert answer.error == (400, "SerializationException")
    assert "Expected" in answer.json["message"]


def test_members_that_are_null_are_as_if_absent(endpoint: Endpoint) -> None:
    table = {"DatabaseName": DATABASE, "TableName": "nulls"}
    post(endpoint.port, "CreateTable", json.dumps(table | {"Schema": None}).encode())
    members = {"MeasureValues": None, "Version": None, "TimeUnit": None, "Unknown": 1}
    body = table | {"Records": [record(**members) | members], "CommonAttributes": None}
    answer = post(endpoint.port, "WriteRecords", json.dumps(body).encode())
    assert (answer.status, answer.json["RecordsIngested"]["Total"]) == (200, 1)
    common = {"Dimensions": None, "MeasureName": None}
    body = table | {"Records": [record()], "CommonAttributes": common}
    answer = post(endpoint.port, "WriteRecords", json.dumps(body).encode())
    assert answer.status == 200
    answer = post(endpoint.port, "CreateDatabase", b'{"DatabaseName": null}')
    assert answer.error == (400, "ValidationException")
    assert "must not be null" in answer.json["message"]


@pytest.mark.parametrize("end", [b"", b", ", b', "CommonAttributes": {"Version": Infinity}}'])
def test_a_body_that_breaks_off_behind_an_invalid_value_is_refused(
    endpoint: Endpoint, end: bytes
) -> None:
    answer = post(endpoint.port, "WriteRecords", b'{"DatabaseName": ""' + end)
    assert answer.error == (400, "SerializationException")
    assert "not valid JSON" in answer.json["message"]


def test_a_body_that_is_too_large_is_refused_unread(endpoint: Endpoint) -> None:
    answer = post(endpoint.port, "WriteRecords", b"", **{"Content-Length": str(2**40)})
    assert answer.error == (413, "RequestEntityTooLargeException")
    assert "larger than 4194304 bytes" in answer.json["message"]


def test_a_body_in_chunks_is_bounded_too(endpoint: Endpoint) -> None:
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=60) as connection:
        connection.sendall(
            b"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: Timestream_20181101.Query\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        chunk = b"10000\r\n" + b"x" * 2**16 + b"\r\n"
        for _ in range(4 * 16 + 1):
            connection.sendall(chunk)
        assert connection.recv(12) == b"HTTP/1.1 413"


def test_only_one_path_and_method_are_served(endpoint: Endpoint) -> None:
    assert send(endpoint.port, "GET", "/").status == 405
    assert send(endpoint.port, "POST", "/other").status == 404
    assert send(endpoint.port, "GET", "/faults").status == 404
    assert send(endpoint.port, "PUT", "/faults", b'{"settings": {}}').status == 404


@pytest.mark.parametrize(
    "sent", [b"\x00\xff nonsense\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"]
)
def test_what_is_no_http_is_refused(endpoint: Endpoint, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", endpoint.port), timeout=60) as connection:
        connection.sendall(sent)
        assert connection.recv(12) == b"HTTP/1.1 400"


MEMBERS = [
    "DatabaseName", "TableName", "Records", "CommonAttributes", "Dimensions", "Name", "Value",
    "Type", "MeasureName", "MeasureValue", "MeasureValueType", "MeasureValues", "Time", "TimeUnit",
    "Version", "NextToken", "MaxResults", "Tags", "Key", "ResourceARN", "TagKeys", "KmsKeyId",
    "RetentionProperties", "MemoryStoreRetentionPeriodInHours", "MagneticStoreWriteProperties",
    "MagneticStoreRetentionPeriodInDays", "EnableMagneticStoreWrites", "Schema", "QueryString",
    "CompositePartitionKey", "EnforcementInRecord", "MaxRows", "QueryId", "ValidateOnly",
    "ClientToken",
]  # fmt: skip


def members(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects whose members have the names of the API, and nearly any values."""
    names = st.sampled_from(MEMBERS)
    return st.dictionaries(names, values, max_size=6)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        [DATABASE, "fuzzed", "MULTI", "DOUBLE", "SECONDS", "VARCHAR", "1.5", "1700000000000"]
    )
)
BODIES = members(
    st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | members(inner), max_leaves=25)
)


@given(st.sampled_from(OPERATIONS), BODIES.map(json.dumps).map(str.encode) | st.binary())
@settings(max_examples=300, deadline=None)
def test_no_body_makes_the_server_fail(endpoint: Endpoint, operation: str, body: bytes) -> None:
    answer = post(endpoint.port, operation, body)
    if answer.status != 200:
        status, code = answer.error
        assert 400 <= status < 500
        assert code.endswith("Exception")
        assert answer.json["message"]


@given(st.lists(BODIES, min_size=1, max_size=3), BODIES)
@settings(max_examples=200, deadline=None)
def test_no_records_make_the_server_fail(
    endpoint: Endpoint, records: list[Any], common: Any
) -> None:
    table = {"DatabaseName": DATABASE, "TableName": "fuzzed"}
    post(endpoint.port, "CreateTable", json.dumps(table).encode())
    valid = record()
    given = [valid | members for members in records]
    body = table | {"Records": given, "CommonAttributes": common}
    answer = post(endpoint.port, "WriteRecords", json.dumps(body).encode())
    assert answer.status in (200, 400, 419), answer.body


def test_it_says_when_others_can_reach_it() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "fleetstream", "serve", "--host", "0.0.0.0", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("Listening on http://0.0.0.0:")
        process.terminate()
        assert process.stderr.read() == (
            "Anyone who can reach 0.0.0.0 can read and change the data: no credentials are"
            " checked.\n"
        )
        assert process.wait(30) == 0
