"""Operations, members and errors are those of the service's models in botocore."""

import json
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest

from fleetstream.emulator import LocalTimestream, errors
from fleetstream.emulator.api.app import OPERATIONS
from tests.emulator.conftest import DATABASE, make_table, record
from tests.emulator.endpoint import Endpoint
from tests.emulator.wire import Answer, post

SESSION = botocore.session.get_session()
MODELS = [SESSION.get_service_model(name) for name in ("timestream-write", "timestream-query")]
MODELED = [
    pytest.param(model.operation_model(name), id=f"{model.service_name}-{name}")
    for model in MODELS
    for name in model.operation_names
    if name in OPERATIONS
]
# Errors of the protocol, which the models of services do not list; the model of
# DescribeBatchLoadTask has constraints, but no error for what does not meet them.
PROTOCOL_ERRORS = {
    "SerializationException",
    "UnknownOperationException",
    "ValidationException",
}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    """A server of its own, since some of the requests create databases."""
    with LocalTimestream() as timestream:
        endpoint = Endpoint(timestream.url)
        endpoint.write.create_database(DatabaseName=DATABASE)
        yield endpoint


def send(endpoint: Endpoint, operation: str, body: Any) -> Answer:
    return post(endpoint.port, operation, json.dumps(body).encode())


def names_of_errors(operation: Any) -> set[str]:
    return {shape.name for shape in operation.error_shapes} | PROTOCOL_ERRORS


def test_the_operations_are_those_of_the_service() -> None:
    assert {n for model in MODELS for n in model.operation_names} == OPERATIONS


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_every_operation_is_known(endpoint: Endpoint, operation: str) -> None:
    """Also those that other packages add to the application."""
    answer = send(endpoint, operation, {})
    assert answer.status == 200 or answer.error == (400, "ValidationException")


def test_other_operations_are_unknown(endpoint: Endpoint) -> None:
    assert send(endpoint, "DropTable", {}).error == (400, "UnknownOperationException")


def test_errors_have_the_model_s_names_and_members() -> None:
    shapes = {shape.name: shape for model in MODELS for shape in model.error_shapes}
    modeled = [
        error
        for error in vars(errors).values()
        if isinstance(error, type)
        and issubclass(error, errors.ServiceError)
        and error is not errors.ServiceError
        and error.namespace == errors.ValidationException.namespace
    ]
    assert len(modeled) >= 7
    for error in modeled:
        body = error([] if error is errors.RejectedRecordsException else "text").body()  # type: ignore[arg-type]
        assert set(body) - {"__type", "message"} == set(shapes[error.__name__].members) & set(body)
        assert body["__type"] == f"com.amazonaws.timestream.v20181101#{error.__name__}"


@pytest.mark.parametrize("operation", MODELED)
def test_required_members_are_required(endpoint: Endpoint, operation: Any) -> None:
    required = operation.input_shape.required_members if operation.input_shape else []
    for missing in required:
        body = {name: example(operation.input_shape.members[name]) for name in required}
        del body[missing]
        answer = send(endpoint, operation.name, body)
        assert answer.error == (400, "ValidationException")
        member = missing[0].lower() + missing[1:]
        assert answer.json["message"] == (
            f"1 validation error detected: Value null at '{member}' failed to satisfy constraint:"
            " Member must not be null"
        )


def example(shape: Any) -> Any:
    """A value of a shape, as short as the model allows."""
    if shape.type_name == "structure":
        return {name: example(shape.members[name]) for name in shape.required_members}
    if shape.type_name == "list":
        return [example(shape.member)]
    if shape.type_name == "boolean":
        return True
    if shape.type_name == "timestamp":
        return 1_800_000_000
    if shape.type_name in ("integer", "long"):
        return shape.metadata.get("min", 1)
    return shape.enum[0] if shape.enum else "x" * max(shape.metadata.get("min", 1), 3)


@pytest.mark.parametrize("operation", MODELED)
@pytest.mark.parametrize("value", [None, 5, "x", "", [], {}, [{}], "x" * 5000])
def test_invalid_members_get_errors_of_the_model(
    endpoint: Endpoint, operation: Any, value: Any
) -> None:
    members = operation.input_shape.members if operation.input_shape else {}
    for name in members:
        body = {other: example(shape) for other, shape in members.items()} | {name: value}
        answer = send(endpoint, operation.name, body)
        if answer.status != 200:
            assert answer.error[1] in names_of_errors(operation), (name, answer.json)


@pytest.mark.parametrize(
    "sql",
    [
        'SELECT * FROM "no such"."table"',
        f'SELECT * FROM "{DATABASE}"."no such table"',
        "SELECT nonsense FROM",
        "SELECT 1 / 0",
        'SHOW TABLES FROM "no such"',
        f'DESCRIBE "{DATABASE}"."no such table"',
        f'SHOW MEASURES FROM "{DATABASE}"."no such table"',
    ],
)
@pytest.mark.parametrize("name", ["Query", "PrepareQuery"])
def test_invalid_queries_get_errors_of_the_model(endpoint: Endpoint, name: str, sql: str) -> None:
    answer = send(endpoint, name, {"QueryString": sql, "ValidateOnly": True})
    if answer.status != 200:
        assert answer.error[1] in names_of_errors(MODELS[1].operation_model(name)), answer.json


def test_answers_have_only_members_of_the_model(endpoint: Endpoint) -> None:
    table = make_table(endpoint)
    database = {"DatabaseName": "modeled"}
    key = f"arn:aws:timestream:us-east-1:000000000000:database/{DATABASE}"
    requests: dict[str, Any] = {
        "CreateDatabase": database,
        "DescribeDatabase": database,
        "ListDatabases": {"MaxResults": 1},
        "UpdateDatabase": database | {"KmsKeyId": "key"},
        "DeleteDatabase": database,
        "CreateTable": {"DatabaseName": DATABASE, "TableName": "modeled"},
        "DescribeTable": table.names,
        "ListTables": {"MaxResults": 1},
        "UpdateTable": table.names,
        "DeleteTable": {"DatabaseName": DATABASE, "TableName": "modeled"},
        "TagResource": {"ResourceARN": key, "Tags": [{"Key": "a", "Value": "b"}]},
        "ListTagsForResource": {"ResourceARN": key},
        "UntagResource": {"ResourceARN": key, "TagKeys": ["a"]},
        "WriteRecords": table.names | {"Records": [record()]},
        "Query": {"QueryString": f'SELECT * FROM "{DATABASE}"."{table.name}"'},
        "PrepareQuery": {"QueryString": "SELECT 1 AS one", "ValidateOnly": True},
        "ListBatchLoadTasks": {"MaxResults": 1},
        "ListScheduledQueries": {"MaxResults": 1},
        "UpdateAccountSettings": {"MaxQueryTCU": 8},
        "DescribeAccountSettings": {},
        "DescribeEndpoints": {},
    }
    models = {name: model for model in MODELS for name in model.operation_names}
    for name, body in requests.items():
        answer = send(endpoint, name, body)
        assert answer.status == 200, answer.json
        check_members(models[name].operation_model(name).output_shape, answer.json, name)


def check_members(shape: Any, value: Any, path: str) -> None:
    """Every member of a structure is one of the model's, and no required one is missing."""
    if shape is None:
        assert value == {}, path
    elif shape.type_name == "structure":
        assert set(shape.required_members) <= set(value) <= set(shape.members), path
        for name, member in value.items():
            check_members(shape.members[name], member, f"{path}.{name}")
    elif shape.type_name == "list":
        for element in value:
            check_members(shape.member, element, path)
