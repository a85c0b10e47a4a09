"""Files: their places, their data models, and places that can't be used."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import boto3
import duckdb
import pyarrow.parquet as pq
import pytest
from botocore.validate import ParamValidator
from fleetstream.fleet import Fleet
from fleetstream.workload import Workload
from moto.server import ThreadedMotoServer

from fleetstream.cli import main
from fleetstream.generate.choices import RecordModel
from fleetstream.targets.registry import TargetOptions, open_sink
from fleetstream.targets.sink import Unavailable

DAYS = ("--start", "2026-10-31T23:58:00Z", "--end", "2026-11-01T00:02:00Z", "--interval", "60s")
RUN = ("ingest", "--seed", "7", *DAYS)


def test_a_lake_is_partitioned_by_day_and_region(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*RUN, "--to", "parquet:lake"]) == 0
    printed = capsys.readouterr().out
    folders = {str(path.parent.relative_to("lake")) for path in Path("lake").rglob("*.parquet")}
    assert len(folders) == 14
    assert "day=2026-10-31/region=eu-central-1" in folders
    assert "day=2026-11-01/region=us-east-1" in folders
    assert not list(Path("lake").rglob(".*"))
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT day::VARCHAR, count(*), count(DISTINCT region) FROM "
            "read_parquet('lake/*/*/*.parquet', hive_partitioning=true) GROUP BY 1 ORDER BY 1"
        ).fetchall()
    assert rows == [("2026-10-31", 2 * 26_260, 7), ("2026-11-01", 2 * 26_260, 7)]
    path = next(Path("lake").rglob("*.parquet"))
    group = pq.ParquetFile(path).metadata.row_group(0)
    places = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
    assert {column.compression for column in places.values()} == {"ZSTD"}
    assert "RLE_DICTIONARY" in places["silo"].encodings
    query = re.search(r"^Query it:\n  (.*)$", printed, re.MULTILINE)
    assert query
    shown = subprocess.run(shlex.split(query[1]), capture_output=True, text=True, check=True).stdout
    assert "us-west-2" in shown
    assert main(["verify", "fleetstream-7.json"]) == 0


@pytest.mark.parametrize("model", RecordModel)
def test_a_data_model_is_what_a_batch_load_takes(tmp_path: Path, model: str) -> None:
    place = f"csv:{tmp_path / 'load'}"
    manifest = ("--manifest", str(tmp_path / "run.json"))
    assert main([*RUN, "--to", place, "--record-model", model, *manifest]) == 0
    client = boto3.client(
        "timestream-write",
        region_name="us-east-1",
        endpoint_url="http://127.0.0.1:1",
        aws_access_key_id="k",
        aws_secret_access_key="s",
    )
    shape = client.meta.service_model.operation_model("CreateBatchLoadTask").input_shape
    for kind in ("metrics", "events"):
        task = {
            "DataModelConfiguration": json.loads(
                (tmp_path / "load" / f"{kind}.data-model.json").read_bytes()
            ),
            "DataSourceConfiguration": {
                "DataSourceS3Configuration": {"BucketName": "bucket", "ObjectKeyPrefix": kind},
                "DataFormat": "CSV",
            },
            "ReportConfiguration": {"ReportS3Configuration": {"BucketName": "bucket"}},
            "TargetDatabaseName": "fleet",
            "TargetTableName": "telemetry",
        }
        report = ParamValidator().validate(task, shape)
        assert not report.has_errors(), report.generate_report()
        (path,) = (tmp_path / "load" / kind).iterdir()
        header = path.read_text().partition("\n")[0].replace('"', "").split(",")
        assert len(set(header)) == len(header)
        rules = task["DataModelConfiguration"]["DataModel"]
        for each in rules["DimensionMappings"]:
            assert each["SourceColumn"] in header


def test_rows_that_are_there_are_not_written_again(tmp_path: Path) -> None:
    for form in ("parquet", "csv"):
        place = tmp_path / form
        for name, processes in (("one", "1"), ("two", "2")):
            run = ("--to", f"{form}:{place}", "--manifest", str(tmp_path / f"{form}{name}.json"))
            assert main([*RUN, *run, "--processes", processes]) == 0
            files = {path for path in place.rglob("*") if path.is_file()}
            if name == "one":
                first = files
        assert files == first


@pytest.mark.xdist_group("moto")
def test_an_s3_that_goes_away_may_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written before it went is not written again when it is back."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client = boto3.client("s3", region_name="us-east-1", endpoint_url=url)
    client.create_bucket(Bucket="fickle")
    options = TargetOptions("s3://fickle/lake", region="us-east-1", endpoint_url=url)
    sink = open_sink(options, RecordModel.MULTI)
    sink.open()
    batches = list(Workload(Fleet(1, ["eu-central-1"]), 7).sweep(1_793_491_200_000_000))
    for batch in batches:
        assert not list(sink.prepare(batch))
    (request,) = sink.flush()
    server.stop()
    with pytest.raises(Unavailable):
        sink.send(request)
    again = ThreadedMotoServer(host, port, verbose=False)
    again.start()
    for _ in range(2):
        assert not sink.send(request).rejections
    assert len(client.list_objects_v2(Bucket="fickle")["Contents"]) == 1
    client.delete_object(
        Bucket="fickle", Key=client.list_objects_v2(Bucket="fickle")["Contents"][0]["Key"]
    )
    client.delete_bucket(Bucket="fickle")
    again.stop()


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.mark.xdist_group("moto")
def test_a_lake_in_s3(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    target = ("-r", "us-east-1", "-url", s3)
    assert main([*RUN, "--to", "s3://nowhere/lake", *target]) == 3
    assert "There is no bucket 'nowhere'" in capsys.readouterr().err
    client = boto3.client("s3", region_name="us-east-1", endpoint_url=s3)
    client.create_bucket(Bucket="somewhere")
    assert main([*RUN, "--to", "s3://somewhere/lake", *target]) == 0
    listed = client.list_objects_v2(Bucket="somewhere")["Contents"]
    assert len(listed) == 14
    assert main(["verify", "fleetstream-7.json"]) == 0
    client.delete_object(Bucket="somewhere", Key=listed[0]["Key"])
    assert main(["verify", "fleetstream-7.json"]) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("parquet:",), 2, "needs a folder, for example parquet:lake"),
        (("csv:",), 2, "needs a folder, for example csv:"),
        (("s3:bucket",), 2, "needs a bucket, for example s3://"),
        (("s3:///x",), 2, "needs a bucket, for example s3://"),
        (("parquet:no/such",), 2, "There is no folder 'no'"),
        (("csv:{file}",), 2, "is a file, but must be a folder"),
        (("parquet:lake", "-t", "x"), 2, "--table-name means nothing to the target 'parquet:lake'"),
        (("csv:load", "-r", "x"), 2, "--region means nothing"),
        (("s3://b/x", "-url", "nonsense"), 2, "is not an endpoint URL"),
        (("s3://b/x", "-url", "http://127.0.0.1:1", "-r", "r"), 3, "'b' can't be reached"),
    ],
)
def test_what_is_no_place_for_files_gets_a_sentence(
    arguments: tuple[str, ...],
    code: int,
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    file = tmp_path / "file"
    file.touch()
    to, *rest = (argument.format(file=file) for argument in arguments)
    try:
        ended = main([*RUN, "--to", to, *rest])
    except SystemExit as leaving:
        ended = int(leaving.code or 0)
    assert ended == code
    assert sentence in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [file]
