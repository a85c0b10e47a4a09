"""Files: where they are, what their data models say, and places that cannot be used."""

import json
import re
import shlex
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace

import boto3
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.validate import ParamValidator
from moto.server import ThreadedMotoServer

from fleetstream.cli import main
from fleetstream.generate.choices import RecordModel
from fleetstream.generate.records import Records
from fleetstream.targets.file_sink import LONGEST_WAIT, VALUES_PER_REQUEST
from fleetstream.targets.parquet.file_format import NO_VALUE
from fleetstream.targets.registry import TargetOptions, open_reader, open_sink
from fleetstream.targets.sink import Delivery, Request, Sink, Unavailable
from tests.targets.cases import SCHEMAS
from tests.targets.commands import exit_code
from tests.telemetry import SECOND, generator

MIDNIGHT = 1_793_491_200_000_000
"""Of 1 November 2026 in UTC, in microseconds."""

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


@pytest.mark.parametrize("scheme", ["parquet", "csv"])
def test_rows_that_are_stored_are_not_written_again(scheme: str, tmp_path: Path) -> None:
    place = tmp_path / scheme
    files: list[set[Path]] = []
    for number, processes in enumerate(("1", "2")):
        manifest = str(tmp_path / f"{number}.json")
        to = ("--to", f"{scheme}:{place}", "--manifest", manifest, "--processes", processes)
        assert main([*RUN, *to]) == 0
        files.append({path for path in place.rglob("*") if path.is_file()})
    assert files[0] == files[1]


@pytest.mark.parametrize("model", RecordModel)
def test_files_are_named_by_the_times_that_they_hold(tmp_path: Path, model: RecordModel) -> None:
    """A request of several days makes files of one day each."""
    made = generator(1, 7, ["eu-central-1", "us-west-1"])
    times = [MIDNIGHT + n * 3600 * SECOND for n in range(-3, 5)]
    with opened_lake(tmp_path / "lake", model) as sink:
        (delivery,) = write(sink, list(made.batches(times)))
    assert delivery == Delivery((), 0)
    files = sorted((tmp_path / "lake").rglob("*.parquet"))
    assert len(files) == 4
    for path in files:
        held = pq.read_table(path, partitioning=None)["time"].cast(pa.int64()).to_numpy()
        first, last, _ = path.name.split("-")
        assert (int(first), int(last)) == (held.min(), held.max())
        assert (held[1:] >= held[:-1]).all()
        before = "day=2026-10-31" in str(path)
        assert set(held.tolist()) == set(times[:3] if before else times[3:])


def test_a_model_without_a_partition_is_partitioned_by_day(tmp_path: Path) -> None:
    """And a kind without the dimension goes to Hive's partition for rows without a value."""
    whole = generator(1, 7, ["eu-central-1"])
    metrics, events = whole.batches([MIDNIGHT])
    for name, batches in {
        "none": [_without_partition(metrics), _without_partition(events)],
        "some": [metrics, _without_region(events)],
    }.items():
        schemas = [batch.schema for batch in batches]
        lake = tmp_path / name
        for _ in range(2):
            with opened_lake(lake, RecordModel.MULTI, schemas) as sink:
                write(sink, batches)
                hint = sink.query_hint()
        folders = {str(path.parent.relative_to(lake)) for path in lake.rglob("*.parquet")}
        inner = {"/region=eu-central-1", f"/region={NO_VALUE}"} if name == "some" else {""}
        assert folders == {f"day=2026-11-01{each}" for each in inner}
        reader = open_reader(TargetOptions(to=f"parquet:{lake}"), RecordModel.MULTI, schemas)
        reader.open()
        with closing(reader):
            held = reader.held(None, None)
            assert isinstance(held, pa.Table)
            assert reader.times_after(0) == [MIDNIGHT]
        regions = Counter(held["region"].to_pylist())
        without = len(events) if name == "some" else 0
        total = len(metrics) + len(events)
        assert regions == +Counter({"eu-central-1": total - without, None: without})
        assert hint is not None
        shown = subprocess.run(shlex.split(hint), capture_output=True, text=True, check=True)
        assert "2026-11-01" in shown.stdout


def _without_partition(batch: pa.RecordBatch) -> pa.RecordBatch:
    metadata = {key: text for key, text in batch.schema.metadata.items() if key != b"partition"}
    return batch.replace_schema_metadata(metadata)


def _without_region(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch of a kind that does not have the dimension to partition by."""
    fields = [field for field in batch.schema if field.name != "region"]
    schema = pa.schema(fields, metadata=_without_partition(batch).schema.metadata)
    return pa.RecordBatch.from_arrays([batch[field.name] for field in fields], schema=schema)


@contextmanager
def opened_lake(
    lake: Path, model: RecordModel, schemas: Sequence[pa.Schema] = SCHEMAS
) -> Iterator[Sink]:
    sink = open_sink(TargetOptions(to=f"parquet:{lake}"), model, schemas)
    with closing(sink):
        sink.open()
        yield sink


def write(sink: Sink, batches: Sequence[pa.RecordBatch]) -> list[Delivery]:
    requests = [request for batch in batches for request in sink.prepare(batch)]
    return [sink.send(request) for request in [*requests, *sink.flush()]]


def test_values_wait_for_large_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until there are enough, or until a pause after the longest wait."""
    clock = [100.0]
    monkeypatch.setattr(
        "fleetstream.targets.waiting.time", SimpleNamespace(monotonic=lambda: clock[0])
    )
    made = generator(1, 7)
    size = made.timestamps_per_batch()
    with opened_lake(tmp_path / "lake", RecordModel.SINGLE) as sink:
        assert not list(sink.pause())
        waiting = 0
        requests: list[Request] = []
        begin = MIDNIGHT
        while not requests:
            for batch in made.batches(range(begin, begin + size * SECOND, SECOND)):
                requests += sink.prepare(batch)
                waiting += len(Records(batch, RecordModel.SINGLE))
                assert bool(requests) == (waiting >= VALUES_PER_REQUEST)
                if requests:
                    break
            begin += size * SECOND
        assert requests[0].values == waiting
        assert not list(sink.prepare(next(made.batches([begin]))))
        clock[0] += LONGEST_WAIT / 2
        assert not list(sink.pause())
        clock[0] += LONGEST_WAIT / 2
        (request,) = sink.pause()
        assert len(request.ranges) == 1


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
    options = TargetOptions(to="s3://fickle/lake", region="us-east-1", endpoint_url=url)
    sink = open_sink(options, RecordModel.MULTI, SCHEMAS)
    sink.open()
    for batch in generator(1, 7, ["eu-central-1"]).batches([MIDNIGHT]):
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
    ("arguments", "code", "message"),
    [
        (("parquet:",), 2, "needs a folder, for example parquet:lake"),
        (("csv:",), 2, "needs a folder, for example csv:"),
        (("s3:bucket",), 2, "needs a bucket, for example s3://"),
        (("s3:///x",), 2, "needs a bucket, for example s3://"),
        (("parquet:no/such",), 2, "There is no folder 'no'"),
        (("csv:{file}",), 2, "is a file, but must be a folder"),
        (
            ("parquet:lake", "-t", "x"),
            2,
            "--table-name has no meaning for the target",
        ),
        (("csv:load", "-r", "x"), 2, "--region has no meaning"),
        (("s3://b/x", "-url", "nonsense"), 2, "is not an endpoint URL"),
        (("s3://b/x", "-url", "http://127.0.0.1:1", "-r", "r"), 3, "'b' cannot be reached"),
    ],
)
def test_a_place_that_cannot_hold_files(
    arguments: tuple[str, ...],
    code: int,
    message: str,
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
    assert exit_code(*RUN, "--to", to, *rest) == code
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [file]
