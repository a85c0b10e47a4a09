"""UNLOAD: files in a folder, in S3, and as awswrangler reads them."""

import csv
import gzip
import io
import json
import string
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleetstream.emulator import LocalTimestream
from tests.emulator.conftest import DATABASE, Table, dimensions, make_table, record
from tests.emulator.endpoint import Endpoint

BUCKET = "unloads"
PARTITIONED = "UNLOAD ({}) TO 's3://abc' WITH (partitioned_by = ARRAY['{}'])"
CSV = "format = 'CSV', compression = 'NONE'"


class Unloads:
    """A local Timestream that unloads to a folder."""

    def __init__(self, url: str, folder: Path) -> None:
        self.endpoint = Endpoint(url)
        self.folder = folder

    def unload(self, query: str, options: str, prefix: str = "") -> list[str]:
        """Unload a query; returns the values of the statement's result."""
        text = f"UNLOAD ({query}) TO 's3://{BUCKET}/{prefix}' WITH ({options})"
        response = self.endpoint.query.query(QueryString=text)
        assert [info["Name"] for info in response["ColumnInfo"]] == [
            "rows", "metadataFile", "manifestFile",
        ]  # fmt: skip
        (row,) = response["Rows"]
        return [datum["ScalarValue"] for datum in row["Data"]]

    def file(self, url: str) -> Path:
        assert url.startswith("s3://")
        return self.folder / url.removeprefix("s3://")

    def files(self, query: str, options: str) -> dict[str, list[Path]]:
        """Unload a query; returns the result's files by their folder."""
        _, _, manifest = self.unload(query, options)
        found: dict[str, list[Path]] = {}
        for file in json.loads(self.file(manifest).read_text())["result_files"]:
            path = self.file(file["url"])
            assert path.stat().st_size == file["file_metadata"]["content_length_in_bytes"]
            folder = path.parent.relative_to(self.folder / BUCKET / "results")
            found.setdefault(str(folder), []).append(path)
        return found

    def error(self, text: str) -> str:
        with pytest.raises(self.endpoint.query.exceptions.ValidationException) as caught:
            self.endpoint.query.query(QueryString=text)
        message: str = caught.value.response["Error"]["Message"]
        return message


@pytest.fixture(scope="module")
def unloads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Unloads]:
    folder = tmp_path_factory.mktemp("s3")
    with LocalTimestream(s3=folder) as timestream:
        server = Unloads(timestream.url, folder)
        server.endpoint.write.create_database(DatabaseName=DATABASE)
        yield server


@pytest.fixture
def hosts(unloads: Unloads) -> Table:
    """A table with a record of each of three hosts."""
    table = make_table(unloads.endpoint)
    table.write(*(record("1.5", Dimensions=dimensions(host=host)) for host in ("a", "b", "ü/1")))
    return table


def values(*columns: str) -> str:
    return f"SELECT {', '.join(columns)}"


def test_a_query_in_csv(unloads: Unloads, hosts: Table) -> None:
    query = f'SELECT host, "measure_value::double" AS load FROM {DATABASE}.{hosts.name}'
    rows, metadata, manifest = unloads.unload(query, "include_header = 'true'", "some/where")
    assert rows == "3"
    assert metadata.startswith(f"s3://{BUCKET}/some/where/")
    content = json.loads(unloads.file(manifest).read_text())
    (file,) = content["result_files"]
    assert file["url"].startswith(f"s3://{BUCKET}/some/where/results/")
    lines = gzip.decompress(unloads.file(file["url"]).read_bytes()).decode().splitlines()
    assert lines[0] == "host,load"
    assert sorted(lines[1:]) == ["a,1.5", "b,1.5", "ü/1,1.5"]
    assert content["query_metadata"]["total_row_count"] == 3
    assert json.loads(unloads.file(metadata).read_text())["ColumnInfo"] == [
        {"Name": "host", "Type": {"ScalarType": "VARCHAR"}},
        {"Name": "load", "Type": {"ScalarType": "DOUBLE"}},
    ]


def test_types_in_parquet(unloads: Unloads) -> None:
    query = values(
        "true AS b", "1 AS i", "bigint '2' AS l", "1e9 AS d", "'ü' AS t", "null = true AS nothing",
        "timestamp '2026-11-01 00:00:00.123456789' AS at", "date '2026-11-01' AS day",
        "90s AS span", "array[1, null] AS list", "row(1, 'x') AS pair",
    )  # fmt: skip
    ((path,),) = unloads.files(query, "format = 'PARQUET'").values()
    table = pq.read_table(path)
    assert table.schema.field("at").type == pa.timestamp("ns")
    (row,) = table.to_pylist()
    assert row.pop("at").isoformat(" ", "nanoseconds") == "2026-11-01 00:00:00.123456789"
    assert row.pop("day").isoformat() == "2026-11-01"
    assert row == {
        "b": True, "i": 1, "l": 2, "d": 1e9, "t": "ü", "nothing": None,
        "span": "0 00:01:30.000000000", "list": [1, None], "pair": {"field0": 1, "field1": "x"},
    }  # fmt: skip
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).compression == "GZIP"


def test_types_in_csv(unloads: Unloads) -> None:
    query = values(
        "true AS b", "1e9 AS d", "null = true AS nothing", "'' AS empty",
        "timestamp '2026-11-01' AS at", "array[1.5, null, nan()] AS list",
        "array[row(true, 'x')] AS pairs",
    )  # fmt: skip
    ((path,),) = unloads.files(query, f"{CSV}, field_delimiter = '|'").values()
    assert path.read_text() == (
        'true|1.0E9||""|2026-11-01 00:00:00.000000000|"[1.5, null, \\"NaN\\"]"'
        '|"[{\\"field0\\": true, \\"field1\\": \\"x\\"}]"\n'
    )


def test_time_series_in_both_formats(unloads: Unloads, hosts: Table) -> None:
    query = (
        f'SELECT host, create_time_series(time, "measure_value::double") AS s'
        f" FROM {DATABASE}.{hosts.name} WHERE host = 'a' GROUP BY host"
    )
    ((parquet,),) = unloads.files(query, "format = 'PARQUET'").values()
    ((text,),) = unloads.files(query, CSV).values()
    (row,) = pq.read_table(parquet).to_pylist()
    assert [point["value"] for point in row["s"]] == [1.5]
    (fields,) = read_csv(text.read_text(), ",", "\\")
    (point,) = json.loads(fields[1])
    assert point["value"] == 1.5
    assert pd.Timestamp(point["time"]) == row["s"][0]["time"]


def read_csv(text: str, delimiter: str, escape: str) -> list[list[str]]:
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, escapechar=escape, doublequote=False
    )
    return list(reader)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(
        st.text(string.ascii_letters + ' ,;|\\"\r\nü', max_size=8), min_size=1, max_size=6
    ),
    delimiter=st.sampled_from(",;|"),
    escape=st.sampled_from("\\!"),
)
def test_any_text_is_read_back_from_csv(
    unloads: Unloads, texts: list[str], delimiter: str, escape: str
) -> None:
    listed = ", ".join("'" + text.replace("'", "''") + "'" for text in texts)
    query = f"SELECT t, 1 AS n FROM UNNEST(array[{listed}]) AS u (t)"
    options = f"{CSV}, field_delimiter = '{delimiter}', escaped_by = '{escape}'"
    ((path,),) = unloads.files(query, options).values()
    read = read_csv(path.read_bytes().decode(), delimiter, escape)
    assert read == [[text, "1"] for text in texts]


def test_partitions_are_folders(unloads: Unloads) -> None:
    query = (
        "SELECT * FROM (VALUES (1, 'a', 'x'), (2, 'b/ü', 'x'), (3, null, 'y'), (4, 'a', 'x'))"
        " AS v (n, host, zone)"
    )
    found = unloads.files(query, f"{CSV}, partitioned_by = ARRAY['zone', 'host']")
    contents = {folder: path.read_text() for folder, (path,) in found.items()}
    assert contents == {
        "zone=x/host=a": "1\n4\n",
        "zone=x/host=b%2F%C3%BC": "2\n",
        "zone=y/host=__HIVE_DEFAULT_PARTITION__": "3\n",
    }


def test_an_empty_result_has_no_files(unloads: Unloads, hosts: Table) -> None:
    query = f"SELECT * FROM {DATABASE}.{hosts.name} WHERE host = 'none'"
    assert unloads.files(query, CSV) == {}


def test_large_results_are_split(unloads: Unloads) -> None:
    query = (
        "SELECT a.n * 10000 + b.n AS n, repeat_text AS t FROM UNNEST(sequence(0, 39)) AS a (n),"
        " UNNEST(sequence(1, 5000)) AS b (n), (VALUES (lpad('x', 100, 'x'))) AS r (repeat_text)"
    )
    (paths,) = unloads.files(query, f"{CSV}, max_file_size = '16MB'").values()
    assert len(paths) == 2
    assert 16 * 2**20 <= paths[0].stat().st_size < 20 * 2**20
    assert sum(path.read_bytes().count(b"\n") for path in paths) == 200_000


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UNLOAD", "The UNLOAD statement is incomplete"),
        ("UNLOAD (SELECT 1", "The UNLOAD statement is incomplete"),
        ("UNLOAD SELECT 1", "line 1:8: mismatched input 'SELECT': expected ("),
        ("UNLOAD (SELECT x) TO 's3://abc/d'", "line 1:16: Column 'x' does not exist"),
        ("UNLOAD\n(SELECT\nx) TO 's3://abc/d'", "line 3:1: Column 'x' does not exist"),
        ("UNLOAD (SHOW DATABASES) TO 's3://abc'", "Expected a query: SELECT or WITH"),
        ("UNLOAD (SELECT 1) TO 'abc'", "line 1:22: mismatched input 'abc': TO must be followed"),
        ("UNLOAD (SELECT 1) TO 's3://abc' WITH (format = 'JSON')", "expected 'CSV' or 'PARQUET'"),
        ("UNLOAD (SELECT 1) TO 's3://abc' WITH (fromat = 'CSV')", "UNLOAD has no option fromat"),
        ("UNLOAD (SELECT 1) TO 's3://abc' WITH (field_delimiter = '||')", "expected one character"),
        ("UNLOAD (SELECT 1) TO 's3://abc' WITH (max_file_size = '1MB')", "'16MB' to '78GB'"),
        ("UNLOAD (SELECT 1) TO 's3://abc' WITH (encryption = 'none')", "'SSE_S3' or 'SSE_KMS'"),
        ("UNLOAD (SELECT 1) TO 's3://abc' SELECT", "mismatched input 'SELECT': expected WITH"),
        ("UNLOAD (SELECT 1 a, 2 a) TO 's3://abc'", "two are named a"),
        ("UNLOAD (SELECT current_time) TO 's3://abc'", "does not support the type time"),
        ("UNLOAD (SELECT null) TO 's3://abc'", "does not support the type unknown"),
        (PARTITIONED.format("SELECT 1 a, 'x' b", "c"), "no column c to partition by"),
        (PARTITIONED.format("SELECT 1 a, 'x' b", "a"), "cast it to varchar"),
        (PARTITIONED.format("SELECT 'x' b", "b"), "needs a column"),
        (
            PARTITIONED.format(
                "SELECT 1 a, cast(n AS varchar) b FROM UNNEST(sequence(1, 101)) AS u (n)", "b"
            ),
            "more than 100 partitions",
        ),
        ("UNLOAD (SELECT 1 / 0) TO 's3://abc'", "Division by zero"),
        ("UNLOAD (SELECT 1) TO 's3://../abc'", "not a valid name of a bucket"),
        ("UNLOAD (SELECT 1) TO 's3://abc/../../d'", "can't be the path of a file"),
    ],
)  # fmt: skip
def test_errors(unloads: Unloads, statement: str, message: str) -> None:
    assert message in unloads.error(statement)


def test_no_file_is_written_outside_of_the_folder(unloads: Unloads) -> None:
    before = set(unloads.folder.parent.rglob("*"))
    for place in ("../abc", "abc/../../d", "abc/./d", ".."):
        unloads.error(f"UNLOAD (SELECT 1) TO 's3://{place}'")
    assert set(unloads.folder.parent.rglob("*")) == before


def test_without_s3_it_says_what_to_do(endpoint: Endpoint) -> None:
    with pytest.raises(endpoint.query.exceptions.ValidationException, match="with --s3"):
        endpoint.query.query(QueryString="UNLOAD (SELECT 1) TO 's3://abc'")


@pytest.mark.parametrize("s3", ["ftp://host", "http://", __file__])
def test_what_can_not_be_s3_is_refused(s3: str) -> None:
    with pytest.raises(ValueError, match="can't be used for S3"):
        LocalTimestream(s3=s3)
