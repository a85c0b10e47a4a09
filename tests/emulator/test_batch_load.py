"""Batch load tasks: CSV files from a folder and from S3, progress, reports, and resuming."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

import fleetstream
from fleetstream.emulator import LocalTimestream
from tests.emulator.conftest import DATABASE, Table, error_message, make_table, now
from tests.emulator.endpoint import Endpoint

BUCKET = "source"
MODEL: dict[str, Any] = {
    "TimeColumn": "at",
    "TimeUnit": "MILLISECONDS",
    "DimensionMappings": [{"SourceColumn": "host", "DestinationColumn": "server"}],
    "MultiMeasureMappings": {
        "TargetMultiMeasureName": "metrics",
        "MultiMeasureAttributeMappings": [
            {"SourceColumn": "load", "MeasureValueType": "DOUBLE"},
            {
                "SourceColumn": "note",
                "MeasureValueType": "VARCHAR",
                "TargetMultiMeasureAttributeName": "remark",
            },
        ],
    },
}
FINISHED = ("SUCCEEDED", "FAILED", "PROGRESS_STOPPED")


class Loading:
    """A local Timestream with a folder as S3, and a table to load into."""

    def __init__(self, url: str, folder: Path) -> None:
        self.folder = folder
        self.endpoint = Endpoint(url)
        self.client = self.endpoint.write
        late = {"EnableMagneticStoreWrites": True}
        self.table = make_table(self.endpoint, MagneticStoreWriteProperties=late)
        self.prefix = f"{self.table.name}/"

    def file(self, name: str, *lines: str, bucket: str = BUCKET) -> None:
        path = self.folder / bucket / self.prefix / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")

    def request(self, **members: Any) -> dict[str, Any]:
        request = {
            "DataModelConfiguration": {"DataModel": MODEL},
            "DataSourceConfiguration": {
                "DataSourceS3Configuration": {
                    "BucketName": BUCKET,
                    "ObjectKeyPrefix": self.prefix,
                },
                "DataFormat": "CSV",
            },
            "ReportConfiguration": {
                "ReportS3Configuration": {"BucketName": "reports", "ObjectKeyPrefix": "x/y"}
            },
            "TargetDatabaseName": DATABASE,
            "TargetTableName": self.table.name,
        } | members
        return {name: value for name, value in request.items() if value is not None}

    def create(self, **members: Any) -> str:
        task_id: str = self.client.create_batch_load_task(**self.request(**members))["TaskId"]
        return task_id

    def describe(self, task_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.describe_batch_load_task(TaskId=task_id)
        return found["BatchLoadTaskDescription"]

    def load(self, **members: Any) -> dict[str, Any]:
        """Load, and wait for the end; returns the task's description."""
        return self.finish(self.create(**members))

    def finish(self, task_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + 60
        while (task := self.describe(task_id))["TaskStatus"] not in FINISHED:
            assert time.monotonic() < deadline
        return task

    def report(self, task: dict[str, Any]) -> dict[str, Any]:
        path = self.folder / "reports" / "x/y" / f"{task['TaskId']}.json"
        assert str(path).endswith(task["ErrorMessage"].rpartition("s3://reports/")[2])
        report: dict[str, Any] = json.loads(path.read_text())
        assert report["taskId"] == task["TaskId"]
        return report


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("s3")
    with LocalTimestream(s3=folder) as timestream:
        Endpoint(timestream.url).write.create_database(DatabaseName=DATABASE)
        yield timestream.url, folder


@pytest.fixture
def loading(server: tuple[str, Path]) -> Loading:
    return Loading(*server)


def test_files_are_loaded(loading: Loading) -> None:
    moment = now()
    loading.file("one.csv", "host,at,load,note", f'a,{moment},1.5,"x, ""y"""', f"b,{moment},,only")
    loading.file("two.csv", "note,load,at,host,ignored", f",2.5,{moment},c,z")
    task = loading.load()
    assert task["TaskStatus"] == "SUCCEEDED"
    assert task["ProgressReport"] == {
        "RecordsProcessed": 3, "RecordsIngested": 3, "ParseFailures": 0,
        "RecordIngestionFailures": 0, "FileFailures": 0, "BytesMetered": 0,
    }  # fmt: skip
    assert "ErrorMessage" not in task
    assert loading.table.rows("server, measure_name, load, remark", "ORDER BY server") == [
        ["a", "metrics", "1.5", 'x, "y"'],
        ["b", "metrics", None, "only"],
        ["c", "metrics", "2.5", None],
    ]


def test_the_form_of_the_files(loading: Loading) -> None:
    moment = now()
    loading.file(
        "a.csv", "host; at; load; note", f"a ; {moment} ; 1.5 ; 'x \\'y\\''", f"b;{moment};none;''"
    )
    csv = {
        "ColumnSeparator": ";", "QuoteChar": "'", "EscapeChar": "\\", "NullValue": "none",
        "TrimWhiteSpace": True,
    }  # fmt: skip
    source = loading.request()["DataSourceConfiguration"] | {"CsvConfiguration": csv}
    task = loading.load(DataSourceConfiguration=source)
    assert task["DataSourceConfiguration"] == source
    assert task["ProgressReport"]["RecordsIngested"] == 1
    # A quote after a space does not begin a quoted value.
    assert loading.table.rows("server, load, remark") == [["a", "1.5", "'x 'y''"]]


def test_mixed_measures_by_name(loading: Loading) -> None:
    moment = now()
    loading.file(
        "a.csv", "host,at,name,value", f"a,{moment},load,1.5", f"a,{moment},up,true",
        f"a,{moment},other,1",
    )  # fmt: skip
    model = {name: value for name, value in MODEL.items() if name != "MultiMeasureMappings"} | {
        "MeasureNameColumn": "name",
        "MixedMeasureMappings": [
            {"MeasureName": "load", "SourceColumn": "value", "MeasureValueType": "DOUBLE"},
            {
                "MeasureName": "up", "SourceColumn": "value", "MeasureValueType": "BOOLEAN",
                "TargetMeasureName": "running",
            },
        ],
    }  # fmt: skip
    task = loading.load(DataModelConfiguration={"DataModel": model})
    assert task["TaskStatus"] == "FAILED"
    assert task["ProgressReport"]["ParseFailures"] == 1
    columns = 'measure_name, "measure_value::double", "measure_value::boolean"'
    assert loading.table.rows(columns, "ORDER BY measure_name") == [
        ["load", "1.5", None],
        ["running", None, "true"],
    ]


def test_errors_are_reported_by_file_and_line(loading: Loading) -> None:
    moment = now()
    loading.file(
        "bad.csv", "host,at,load,note", f"a,{moment},1.5,", f"b,{moment},many,",
        f"c,{moment},many,", f'd,{moment},2.5,"two', 'lines"', f"e,{moment},few,x",
        "f,yesterday,1,", f"g,{moment},1",
        f"h,{moment + 10_000_000},1,", f"i,{moment},{'9' * 2049},", f"j,{moment},3.5,",
    )  # fmt: skip
    loading.file("header.csv", "host,at,note", f"a,{moment},x")
    loading.file("latin.csv", "host,at,load,note")
    path = loading.folder / BUCKET / loading.prefix / "latin.csv"
    path.write_bytes(path.read_bytes() + "ü".encode("latin-1"))
    task = loading.load()
    assert task["TaskStatus"] == "FAILED"
    assert task["ProgressReport"] == {
        "RecordsProcessed": 10, "RecordsIngested": 3, "ParseFailures": 2,
        "RecordIngestionFailures": 5, "FileFailures": 2, "BytesMetered": 0,
    }  # fmt: skip
    assert loading.table.rows("server", "ORDER BY server") == [["a"], ["d"], ["j"]]
    report = loading.report(task)
    assert report["taskErrors"] == []
    errors = {
        file["fileName"].removeprefix(loading.prefix): {
            error["reason"]: error["lineRanges"] for error in file["errors"]
        }
        for file in report["fileErrors"]
    }
    assert errors["header.csv"] == {"The header has no column load, which the data model maps.": []}
    assert "The file is not UTF-8" in next(iter(errors["latin.csv"]))
    found = {reason[:30]: lines for reason, lines in errors["bad.csv"].items()}
    assert found == {
        "The time 'yesterday' is not a ": [[8, 8]],
        "The row has 3 columns, but the": [[9, 9]],
        "The value 'many' of load is no": [[3, 4]],
        "The value 'few' of load is not": [[7, 7]],
        "The record timestamp is outsid": [[10, 10]],
        "1 validation error detected: V": [[11, 11]],
    }


def test_versions(loading: Loading) -> None:
    moment = now()
    loading.file("a.csv", "host,at,load,note", f"a,{moment},1.5,")
    assert loading.load(RecordVersion=5)["RecordVersion"] == 5
    loading.file("a.csv", "host,at,load,note", f"a,{moment},2.5,")
    assert loading.load(RecordVersion=4)["ProgressReport"]["RecordIngestionFailures"] == 1
    assert loading.load(RecordVersion=6)["TaskStatus"] == "SUCCEEDED"
    assert loading.table.rows("load") == [["2.5"]]


@pytest.mark.parametrize("whole", [False, True])
def test_the_data_model_can_be_in_s3(loading: Loading, whole: bool) -> None:
    loading.file("a.csv", "host,at,load,note", f"a,{now()},1.5,")
    loading.file(
        "model.json", json.dumps({"DataModel": MODEL} if whole else MODEL), bucket="models"
    )
    place = {"BucketName": "models", "ObjectKey": f"{loading.prefix}model.json"}
    task = loading.load(DataModelConfiguration={"DataModelS3Configuration": place})
    assert task["TaskStatus"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"BucketName": "missing"}, "There is no bucket missing"),
        ({"BucketName": BUCKET, "ObjectKeyPrefix": "nothing"}, "There is no object"),
    ],
)
def test_a_source_without_files_fails(
    loading: Loading, source: dict[str, str], message: str
) -> None:
    loading.file("a.csv", "x")
    configuration = {"DataSourceS3Configuration": source, "DataFormat": "CSV"}
    task = loading.load(DataSourceConfiguration=configuration)
    assert task["TaskStatus"] == "FAILED"
    assert message in task["ErrorMessage"]
    assert message in loading.report(task)["taskErrors"][0]["reason"]


def test_tasks_are_listed(loading: Loading) -> None:
    loading.file("a.csv", "host,at,load,note", f"a,{now()},1.5,")
    ids = {loading.load()["TaskId"] for _ in range(3)}
    listed, token = [], {}
    while True:
        page = loading.client.list_batch_load_tasks(MaxResults=2, TaskStatus="SUCCEEDED", **token)
        listed += page["BatchLoadTasks"]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    ours = [task for task in listed if task["TableName"] == loading.table.name]
    assert {task["TaskId"] for task in ours} == ids
    failed = loading.client.list_batch_load_tasks(TaskStatus="PENDING_RESUME")
    assert failed["BatchLoadTasks"] == []


def test_creating_twice(loading: Loading) -> None:
    loading.file("a.csv", "host,at,load,note", f"a,{now()},1.5,")
    token = loading.table.name
    task_id = loading.create(ClientToken=token)
    assert loading.create(ClientToken=token) == task_id
    error_message("ConflictException", 409, loading.create, ClientToken=token, RecordVersion=2)
    loading.finish(task_id)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"TimeColumn": None}, "needs a TimeColumn"),
        ({"DimensionMappings": [{"DestinationColumn": "x"}]}, "needs a SourceColumn"),
        ({"DimensionMappings": []}, "dimensionMappings"),
        ({"MultiMeasureMappings": None}, "Either MultiMeasureMappings or MixedMeasureMappings"),
    ],
)
def test_invalid_data_models(loading: Loading, model: dict[str, Any], message: str) -> None:
    changed = {name: value for name, value in (MODEL | model).items() if value is not None}
    configuration = {"DataModel": changed}
    text = error_message(
        "ValidationException", 400, loading.create, DataModelConfiguration=configuration
    )
    assert message in text


def test_what_does_not_exist(loading: Loading) -> None:
    missing = {"BucketName": "models", "ObjectKey": "missing.json"}
    text = error_message(
        "ValidationException", 400, loading.create,
        DataModelConfiguration={"DataModelS3Configuration": missing},
    )  # fmt: skip
    assert "s3://models/missing.json can't be read" in text
    assert "either a DataModel or" in error_message(
        "ValidationException", 400, loading.create, DataModelConfiguration=None
    )
    error_message("ResourceNotFoundException", 404, loading.create, TargetTableName="nothing")
    client = loading.client
    for call in (client.describe_batch_load_task, client.resume_batch_load_task):
        error_message("ResourceNotFoundException", 404, call, TaskId="ABC")


def test_without_s3_it_says_what_to_do(loading: Loading) -> None:
    with LocalTimestream() as timestream:
        call = Endpoint(timestream.url).write.create_batch_load_task
        text = error_message("ValidationException", 400, call, **loading.request())
    assert "--s3" in text


@pytest.mark.slow
def test_a_task_that_was_stopped_is_resumed(tmp_path: Path) -> None:
    """The server stops while it loads, and loads the rest after its restart."""
    timestream = LocalTimestream(tmp_path / "store", s3=tmp_path / "s3")
    moment, count = now(), 60_000
    with timestream:
        Endpoint(timestream.url).write.create_database(DatabaseName=DATABASE)
        loading = Loading(timestream.url, tmp_path / "s3")
        loading.file(
            "a.csv",
            "host,at,load,note",
            *(f"h{n % 100},{moment - n // 100},1,x" for n in range(count)),
        )
        task_id = loading.create()
        while not loading.describe(task_id)["ProgressReport"]["RecordsIngested"]:
            pass
    with timestream:
        endpoint = Endpoint(timestream.url)
        loading.client, loading.table = endpoint.write, Table(endpoint, loading.table.name)
        task = loading.describe(task_id)
        assert task["TaskStatus"] == "PROGRESS_STOPPED"
        assert task["ResumableUntil"] > task["CreationTime"]
        assert 0 < task["ProgressReport"]["RecordsIngested"] < count
        loading.client.resume_batch_load_task(TaskId=task_id)
        task = loading.finish(task_id)
        assert task["TaskStatus"] == "SUCCEEDED"
        assert task["ProgressReport"]["RecordsIngested"] == count
        assert loading.table.rows("count(*)") == [[str(count)]]
        text = error_message(
            "ValidationException", 400, loading.client.resume_batch_load_task, TaskId=task_id
        )
        assert "its status is SUCCEEDED" in text


@pytest.mark.xdist_group("moto")
@pytest.mark.parametrize("record_model", ["single", "multi"])
def test_what_fleetstream_exports_is_loaded_and_verified(
    record_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CSV and data models of a run, put into moto's S3, give what the run would have written."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    spec = fleetstream.make_spec(
        to="csv:load", start="10m", interval="1m", seed=7, include_region="eu-central-1",
        record_model=record_model, missing_cpu=10,
    )  # fmt: skip
    with fleetstream.new_run(spec) as run:
        assert run.execute().delivered
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    s3 = boto3.client("s3", "us-east-1", endpoint_url=url)
    bucket = f"load-{record_model}"
    s3.create_bucket(Bucket=bucket)
    for path in (tmp_path / "load").rglob("*.csv"):
        s3.upload_file(str(path), bucket, path.relative_to(tmp_path).as_posix())
    with LocalTimestream(s3=url) as timestream:
        endpoint = Endpoint(timestream.url)
        endpoint.write.create_database(DatabaseName=DATABASE)
        loading = Loading(timestream.url, tmp_path)
        for kind in ("metrics", "events"):
            model = json.loads((tmp_path / f"load/{kind}.data-model.json").read_text())
            source = {"BucketName": bucket, "ObjectKeyPrefix": f"load/{kind}/"}
            task = loading.load(
                DataModelConfiguration=model,
                DataSourceConfiguration={
                    "DataSourceS3Configuration": source, "DataFormat": "CSV",
                },
            )  # fmt: skip
            assert task["TaskStatus"] == "SUCCEEDED", task
        target = fleetstream.TargetOptions(
            to="timestream", region="us-east-1", endpoint_url=timestream.url,
            database_name=DATABASE, table_name=loading.table.name,
        )  # fmt: skip
        assert run.manifest_path is not None
        findings = fleetstream.verify_runs(run.manifest_path, target=target)
    assert findings.matches
    for found in s3.list_objects_v2(Bucket=bucket)["Contents"]:
        s3.delete_object(Bucket=bucket, Key=found["Key"])
    s3.delete_bucket(Bucket=bucket)
    server.stop()
