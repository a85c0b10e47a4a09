"""UNLOAD and batch load with moto as S3, driven by awswrangler."""

import time
from collections.abc import Iterator
from typing import Any

import awswrangler as wr
import boto3
import pandas as pd
import pytest
from moto.server import ThreadedMotoServer

from fleetstream.emulator import LocalTimestream
from tests.emulator.endpoint import Endpoint

BUCKET = "unloads"

pytestmark = pytest.mark.xdist_group("moto")


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Endpoint, Any, str]]:
    """A local Timestream that unloads to moto, with a client of its S3 and its URL."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client = boto3.client(
        "s3", "us-east-1", endpoint_url=url, aws_access_key_id="a", aws_secret_access_key="b"
    )
    client.create_bucket(Bucket=BUCKET)
    with LocalTimestream(s3=url) as timestream:
        yield Endpoint(timestream.url), client, url
    for found in client.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
        client.delete_object(Bucket=BUCKET, Key=found["Key"])
    client.delete_bucket(Bucket=BUCKET)
    server.stop()


def test_a_missing_bucket_is_named(moto: tuple[Endpoint, Any, str]) -> None:
    endpoint, _, _ = moto
    with pytest.raises(endpoint.query.exceptions.ValidationException) as caught:
        endpoint.query.query(QueryString="UNLOAD (SELECT 1) TO 's3://missing/x'")
    assert "s3://missing/x/results/" in str(caught.value)
    assert "NoSuchBucket" in str(caught.value)


@pytest.fixture
def session(moto: tuple[Endpoint, Any, str]) -> Iterator[boto3.Session]:
    """A session whose calls go to both servers."""
    endpoint, _, url = moto
    wr.engine.set("PYTHON")
    wr.config.timestream_write_endpoint_url = endpoint.url
    wr.config.timestream_query_endpoint_url = endpoint.url
    wr.config.s3_endpoint_url = url
    yield boto3.Session("local", "local", region_name="us-east-1")
    for name in ("timestream_write_endpoint_url", "timestream_query_endpoint_url"):
        wr.config.reset(name)
    wr.config.reset("s3_endpoint_url")


@pytest.fixture
def database(session: boto3.Session) -> str:
    """A new database with the table `servers`."""
    name = f"frames{time.monotonic_ns()}"
    wr.timestream.create_database(name, boto3_session=session)
    wr.timestream.create_table(name, "servers", 1, 1, boto3_session=session)
    return name


def frame() -> pd.DataFrame:
    """Three records of now."""
    moment = pd.Timestamp.now("UTC").tz_localize(None).floor("ms")
    return pd.DataFrame({"time": [moment] * 3, "host": ["a", "b", "c"], "load": [1.5, 2.5, 3.5]})


@pytest.mark.parametrize("unload_format", ["CSV", "PARQUET"])
@pytest.mark.parametrize("partitions", [None, ["host"]])
def test_awswrangler_reads_what_it_unloads(
    moto: tuple[Endpoint, Any, str],
    session: boto3.Session,
    database: str,
    unload_format: Any,
    partitions: list[str] | None,
) -> None:
    _, client, _ = moto
    written = frame()
    wr.timestream.write(
        written, database, "servers", time_col="time", measure_col="load",
        dimensions_cols=["host"], boto3_session=session,
    )  # fmt: skip
    read = wr.timestream.unload(
        f'SELECT time, "measure_value::double" AS load, host FROM "{database}"."servers"',
        path=f"s3://{BUCKET}/{database}", unload_format=unload_format,
        partition_cols=partitions, boto3_session=session,
    )  # fmt: skip
    assert isinstance(read, pd.DataFrame)
    read = read.astype({"time": "datetime64[ns]", "host": "str"}).sort_values("host")
    columns = ["host", "load"]
    assert read["time"].to_list() == written["time"].to_list()
    assert read[columns].to_numpy().tolist() == written[columns].to_numpy().tolist()
    assert client.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0


def test_awswrangler_loads_a_batch(
    session: boto3.Session, database: str, moto: tuple[Endpoint, Any, str]
) -> None:
    written = frame()
    rows = written.assign(
        time=written["time"].astype("datetime64[ms]").astype("int64"), measure="metrics"
    )
    task = wr.timestream.batch_load(
        rows, path=f"s3://{BUCKET}/{database}", database=database, table="servers",
        time_col="time", dimensions_cols=["host"], measure_cols=["load"],
        measure_name_col="measure", report_s3_configuration={"BucketName": BUCKET},
        timestream_batch_load_wait_polling_delay=0.1, boto3_session=session,
    )  # fmt: skip
    assert task["BatchLoadTaskDescription"]["ProgressReport"]["RecordsIngested"] == 3
    read = wr.timestream.query(
        f'SELECT time, host, load FROM "{database}"."servers" ORDER BY host', boto3_session=session
    )
    pd.testing.assert_frame_equal(read, written, check_dtype=False)
