"""Databases, tables, tags and endpoints, through boto3."""

import time
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.emulator.conftest import DATABASE, error_message, make_table, record
from tests.emulator.endpoint import Endpoint

RETENTION = {"MemoryStoreRetentionPeriodInHours": 24, "MagneticStoreRetentionPeriodInDays": 7}


@pytest.fixture
def write(endpoint: Endpoint) -> Any:
    return endpoint.write


def test_a_database_is_described_as_it_was_created(write: Any) -> None:
    before = time.time()
    created = write.create_database(DatabaseName="created-1", KmsKeyId="alias/mine")["Database"]
    assert created["DatabaseName"] == "created-1"
    assert created["Arn"] == "arn:aws:timestream:us-east-1:000000000000:database/created-1"
    assert (created["TableCount"], created["KmsKeyId"]) == (0, "alias/mine")
    assert before - 1 <= created["CreationTime"].timestamp() <= time.time() + 1
    write.create_table(DatabaseName="created-1", TableName="one")
    described = write.describe_database(DatabaseName="created-1")["Database"]
    assert described == created | {"TableCount": 1}


def test_a_database_can_be_given_another_key(write: Any) -> None:
    write.create_database(DatabaseName="updated")
    updated = write.update_database(DatabaseName="updated", KmsKeyId="alias/other")["Database"]
    assert updated["KmsKeyId"] == "alias/other"
    assert updated["LastUpdatedTime"] > updated["CreationTime"]
    assert write.describe_database(DatabaseName="updated")["Database"] == updated


def test_a_name_can_be_used_once(write: Any) -> None:
    message = error_message("ConflictException", 409, write.create_database, DatabaseName=DATABASE)
    assert message == f"The database {DATABASE} already exists."
    write.create_table(DatabaseName=DATABASE, TableName="once")
    names = {"DatabaseName": DATABASE, "TableName": "once"}
    message = error_message("ConflictException", 409, write.create_table, **names)
    assert message == "The table once already exists."


def test_names_that_differ_in_case_are_different(write: Any) -> None:
    write.create_database(DatabaseName=DATABASE.upper())
    for name in ("cased", "CASED"):
        write.create_table(DatabaseName=DATABASE, TableName=name)
    names = {table["TableName"] for table in write.list_tables(DatabaseName=DATABASE)["Tables"]}
    assert {"cased", "CASED"} <= names
    assert write.list_tables(DatabaseName=DATABASE.upper())["Tables"] == []


@pytest.mark.parametrize("name", ["a b", "ab", "", "ü" * 5, "x" * 257, 'a"b;', "a/b"])
def test_names_outside_the_naming_constraints_are_refused(write: Any, name: str) -> None:
    assert "databaseName" in error_message(
        "ValidationException", 400, write.create_database, DatabaseName=name
    )
    assert "tableName" in error_message(
        "ValidationException", 400, write.create_table, DatabaseName=DATABASE, TableName=name
    )


@pytest.mark.parametrize(
    ("operation", "names"),
    [
        ("describe_database", {"DatabaseName": "missing"}),
        ("delete_database", {"DatabaseName": "missing"}),
        ("update_database", {"DatabaseName": "missing", "KmsKeyId": "key"}),
        ("list_tables", {"DatabaseName": "missing"}),
        ("create_table", {"DatabaseName": "missing", "TableName": "table"}),
        ("describe_table", {"DatabaseName": "missing", "TableName": "table"}),
        ("describe_table", {"DatabaseName": DATABASE, "TableName": "missing"}),
        ("update_table", {"DatabaseName": DATABASE, "TableName": "missing"}),
        ("delete_table", {"DatabaseName": DATABASE, "TableName": "missing"}),
        (
            "write_records",
            {"DatabaseName": DATABASE, "TableName": "missing", "Records": [record()]},
        ),
        ("tag_resource", {"ResourceARN": "arn:aws:timestream:missing", "Tags": []}),
        ("untag_resource", {"ResourceARN": "arn:aws:timestream:missing", "TagKeys": []}),
        ("list_tags_for_resource", {"ResourceARN": "arn:aws:timestream:missing"}),
    ],
)
def test_what_is_not_there_is_not_found(write: Any, operation: str, names: dict[str, Any]) -> None:
    message = error_message("ResourceNotFoundException", 404, getattr(write, operation), **names)
    assert message.endswith("does not exist.")
    assert "missing" in message


def test_a_database_with_tables_is_not_deleted(write: Any) -> None:
    write.create_database(DatabaseName="deleted")
    write.create_table(DatabaseName="deleted", TableName="table")
    message = error_message(
        "ValidationException", 400, write.delete_database, DatabaseName="deleted"
    )
    assert message == "The database deleted still has tables; delete them first."
    write.delete_table(DatabaseName="deleted", TableName="table")
    write.delete_database(DatabaseName="deleted")
    error_message("ResourceNotFoundException", 404, write.describe_database, DatabaseName="deleted")


def test_a_table_made_anew_is_empty(endpoint: Endpoint) -> None:
    table = make_table(endpoint)
    table.write(record())
    endpoint.write.delete_table(**table.names)
    endpoint.write.create_table(**table.names)
    assert table.rows() == []
    table.write(record("other", MeasureValueType="VARCHAR"))
    assert table.rows('"measure_value::varchar"') == [["other"]]


def test_a_table_has_the_documented_defaults(write: Any) -> None:
    table = write.create_table(DatabaseName=DATABASE, TableName="defaults")["Table"]
    assert table["TableStatus"] == "ACTIVE"
    assert table["Arn"].endswith(f":database/{DATABASE}/table/defaults")
    assert table["RetentionProperties"] == {
        "MemoryStoreRetentionPeriodInHours": 6,
        "MagneticStoreRetentionPeriodInDays": 73_000,
    }
    assert table["MagneticStoreWriteProperties"] == {"EnableMagneticStoreWrites": False}
    assert table["Schema"] == {"CompositePartitionKey": [{"Type": "MEASURE"}]}


def test_a_table_is_updated_member_by_member(write: Any) -> None:
    names = {"DatabaseName": DATABASE, "TableName": "updated"}
    created = write.create_table(**names)["Table"]
    updated = write.update_table(**names, RetentionProperties=RETENTION)["Table"]
    assert updated["RetentionProperties"] == RETENTION
    magnetic = {
        "EnableMagneticStoreWrites": True,
        "MagneticStoreRejectedDataLocation": {"S3Configuration": {"BucketName": "reports"}},
    }
    again = write.update_table(**names, MagneticStoreWriteProperties=magnetic)["Table"]
    assert again["RetentionProperties"] == RETENTION
    assert again["MagneticStoreWriteProperties"] == magnetic
    assert again["CreationTime"] == created["CreationTime"]
    assert write.describe_table(**names)["Table"] == again


@pytest.mark.parametrize("hours", [0, 8_767])
def test_retention_has_bounds(write: Any, hours: int) -> None:
    retention = RETENTION | {"MemoryStoreRetentionPeriodInHours": hours}
    message = error_message(
        "ValidationException",
        400,
        write.create_table,
        DatabaseName=DATABASE,
        TableName="bounds",
        RetentionProperties=retention,
    )
    assert "retentionProperties.memoryStoreRetentionPeriodInHours" in message


def test_the_kind_of_partition_key_stays(write: Any) -> None:
    names = {"DatabaseName": DATABASE, "TableName": "partitioned"}
    optional = {"Type": "DIMENSION", "Name": "host", "EnforcementInRecord": "OPTIONAL"}
    created = write.create_table(
        **names, Schema={"CompositePartitionKey": [{"Type": "DIMENSION", "Name": "host"}]}
    )
    assert created["Table"]["Schema"] == {"CompositePartitionKey": [optional]}
    required = optional | {"EnforcementInRecord": "REQUIRED"}
    write.update_table(**names, Schema={"CompositePartitionKey": [required]})
    for key in ({"Type": "MEASURE"}, {"Type": "DIMENSION", "Name": "region"}):
        message = error_message(
            "ValidationException",
            400,
            write.update_table,
            **names,
            Schema={"CompositePartitionKey": [key]},
        )
        assert "cannot be changed" in message
    described = write.describe_table(**names)["Table"]["Schema"]
    assert described == {"CompositePartitionKey": [required]}


@pytest.mark.parametrize(
    "key",
    [
        [{"Type": "DIMENSION"}],
        [{"Type": "MEASURE", "Name": "cpu"}],
        [{"Type": "DIMENSION", "Name": "a"}, {"Type": "DIMENSION", "Name": "b"}],
    ],
)
def test_a_partition_key_must_make_sense(write: Any, key: list[dict[str, str]]) -> None:
    names = {"DatabaseName": DATABASE, "TableName": "senseless"}
    schema = {"CompositePartitionKey": key}
    assert "partition key" in error_message(
        "ValidationException", 400, write.create_table, **names, Schema=schema
    )


def test_lists_come_in_pages(write: Any) -> None:
    write.create_database(DatabaseName="paged")
    names = [f"table-{number:02}" for number in range(45)]
    for name in names:
        write.create_table(DatabaseName="paged", TableName=name)
    first = write.list_tables(DatabaseName="paged")
    assert [table["TableName"] for table in first["Tables"]] == names[:20]
    found, request = [], {"DatabaseName": "paged", "MaxResults": 7}
    while True:
        page = write.list_tables(**request)
        assert len(page["Tables"]) <= 7
        found += [table["TableName"] for table in page["Tables"]]
        if "NextToken" not in page:
            break
        request["NextToken"] = page["NextToken"]
    assert found == names


def test_databases_are_listed_in_pages(write: Any) -> None:
    found, request = [], {"MaxResults": 1}
    while "NextToken" in (page := write.list_databases(**request)):
        found += page["Databases"]
        request["NextToken"] = page["NextToken"]
    names = [database["DatabaseName"] for database in (*found, *page["Databases"])]
    assert names == sorted(names)
    assert DATABASE in names


def test_tables_of_all_databases_are_listed_together(write: Any) -> None:
    write.create_database(DatabaseName="together")
    for database in ("together", DATABASE):
        write.create_table(DatabaseName=database, TableName="listed-together")
    request: dict[str, Any] = {}
    found = set()
    while True:
        page = write.list_tables(**request)
        found |= {(table["DatabaseName"], table["TableName"]) for table in page["Tables"]}
        if "NextToken" not in page:
            break
        request = {"NextToken": page["NextToken"]}
    assert {("together", "listed-together"), (DATABASE, "listed-together")} <= found


@pytest.mark.parametrize("token", ["?", "é", "AAA", "//79"])
def test_a_made_up_token_is_refused(write: Any, token: str) -> None:
    message = error_message("ValidationException", 400, write.list_databases, NextToken=token)
    assert "Invalid pagination token" in message


@pytest.mark.parametrize("size", [0, 21])
def test_pages_have_a_bounded_size(write: Any, size: int) -> None:
    message = error_message("ValidationException", 400, write.list_tables, MaxResults=size)
    assert "maxResults" in message


def test_tags_are_kept_with_their_resource(write: Any) -> None:
    tags = [{"Key": "team", "Value": "blue"}, {"Key": "cost", "Value": ""}]
    database = write.create_database(DatabaseName="tagged", Tags=tags)["Database"]["Arn"]
    table = write.create_table(DatabaseName="tagged", TableName="table", Tags=tags[:1])
    arn = table["Table"]["Arn"]
    assert write.list_tags_for_resource(ResourceARN=database)["Tags"] == tags
    write.tag_resource(ResourceARN=arn, Tags=[{"Key": "team", "Value": "red"}, tags[1]])
    listed = write.list_tags_for_resource(ResourceARN=arn)["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in listed} == {"team": "red", "cost": ""}
    write.untag_resource(ResourceARN=arn, TagKeys=["team", "never"])
    assert write.list_tags_for_resource(ResourceARN=arn)["Tags"] == [tags[1]]
    write.delete_table(DatabaseName="tagged", TableName="table")
    write.create_table(DatabaseName="tagged", TableName="table")
    assert write.list_tags_for_resource(ResourceARN=arn)["Tags"] == []


def test_a_resource_has_two_hundred_tags_at_most(write: Any) -> None:
    arn = write.create_database(DatabaseName="tagged-200")["Database"]["Arn"]
    tags = [{"Key": str(number), "Value": ""} for number in range(200)]
    write.tag_resource(ResourceARN=arn, Tags=tags)
    message = error_message(
        "ServiceQuotaExceededException",
        402,
        write.tag_resource,
        ResourceARN=arn,
        Tags=[{"Key": "more", "Value": ""}],
    )
    assert "200 tags" in message


@pytest.mark.parametrize("service", ["timestream-write", "timestream-query"])
def test_a_client_can_discover_the_endpoint(endpoint: Endpoint, service: str) -> None:
    client = boto3.client(
        service,
        endpoint_url=endpoint.url,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(retries={"max_attempts": 0}),
    )
    endpoints = client.describe_endpoints()["Endpoints"]
    assert endpoints == [{"Address": endpoint.url, "CachePeriodInMinutes": 1440}]
