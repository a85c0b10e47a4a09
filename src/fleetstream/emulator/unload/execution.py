"""Running an UNLOAD statement."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any
from urllib.parse import quote

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from fleetstream.emulator.errors import ValidationException
from fleetstream.emulator.object_storage import ObjectStorage, StorageError
from fleetstream.emulator.sql import (
    BIGINT,
    VARCHAR,
    CatalogReader,
    QueryColumn,
    TimeRange,
    column_info,
    translate_query,
)
from fleetstream.emulator.unload.result_columns import (
    partition_columns,
    result_columns,
    text_query,
    typed_query,
)
from fleetstream.emulator.unload.result_files import ResultFile, new_file, suffix
from fleetstream.emulator.unload.statement import UnloadStatement

MAX_PARTITIONS = 100
"""Partitions per statement (developer guide, "Limits for UNLOAD")."""

UNLOAD_COLUMNS = (
    QueryColumn("rows", "", BIGINT),
    QueryColumn("metadataFile", "", VARCHAR),
    QueryColumn("manifestFile", "", VARCHAR),
)
"""The columns of the statement's own result, which is one row."""

_BATCH_ROWS = 20_000
_AUTHOR = "Amazon Timestream"
_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_TEXT = pa.large_string()


class Unload:
    """One execution of an UNLOAD statement."""

    def __init__(
        self,
        statement: UnloadStatement,
        catalog: CatalogReader,
        storage: ObjectStorage,
        time_ranges: list[TimeRange] | None = None,
    ) -> None:
        """``time_ranges`` gets the time range of each table that the query reads.

        Raises ValidationException if the query or an option is invalid.
        """
        self._statement = statement
        self._storage = storage
        query = translate_query(statement.query, catalog, time_ranges=time_ranges)
        self._columns = result_columns(query)
        self._data, self._partitions = partition_columns(self._columns, statement.partitioned_by)
        select = typed_query if statement.format == "PARQUET" else text_query
        self._sql = select(query, [*self._data, *self._partitions])
        self._files: dict[str, ResultFile] = {}
        self._folders: set[str] = set()
        self._result_files: list[dict[str, Any]] = []
        self._query_id = ""

    def run(
        self, query_id: str, cursor: duckdb.DuckDBPyConnection, check: Callable[[], None]
    ) -> list[list[str]]:
        """Write all files; returns the rows of the statement's result.

        ``check`` is called before each part of the result is written, and raises an error to end
        the statement. Raises duckdb.Error if the query fails, and ValidationException if a file
        can't be written or there are too many partitions. Files that were written before an error
        remain.
        """
        self._query_id = query_id
        try:
            self._write_result(cursor, check)
        finally:
            for file in self._files.values():
                file.content.close()
        metadata = self._put_json("metadata", self._metadata())
        manifest = self._put_json("manifest", self._manifest())
        return [[str(self._total("row_count")), metadata, manifest]]

    def insights(self) -> dict[str, int]:
        """What was written, as members of the query API's QueryInsightsResponse."""
        return {
            "UnloadPartitionCount": len(self._folders) if self._partitions else 0,
            "UnloadWrittenRows": self._total("row_count"),
            "UnloadWrittenBytes": self._total("content_length_in_bytes"),
        }

    def _write_result(self, cursor: duckdb.DuckDBPyConnection, check: Callable[[], None]) -> None:
        """Write the result's rows to files, and store all of them."""
        with cursor.sql(self._sql).to_arrow_reader(_BATCH_ROWS) as batches:
            for batch in batches:
                check()
                for folder, rows in self._split(batch):
                    self._write(folder, rows)
        for folder in list(self._files):
            check()
            self._finish(folder)

    def _split(self, batch: pa.RecordBatch) -> Iterator[tuple[str, pa.RecordBatch]]:
        """The rows of each partition, with its folder."""
        if not self._partitions:
            yield "", batch
            return
        values = batch.columns[len(self._data) :]
        data = batch.select(range(len(self._data)))
        paths = self._paths(values)
        for path in pc.unique(paths).to_pylist():
            yield path, data.filter(pc.equal(paths, path))

    def _paths(self, values: Sequence[pa.Array]) -> pa.Array:
        """The folder of each row's partition, ``name=value/`` for each column."""
        parts: list[pa.Array | pa.Scalar] = []
        for column, texts in zip(self._partitions, values, strict=True):
            encoded = texts.dictionary_encode()
            names = [
                f"{column.name}={quote(text, safe=' ')}/" for text in encoded.dictionary.to_pylist()
            ]
            folders = pa.array(names, _TEXT).take(encoded.indices)
            parts.append(folders.fill_null(f"{column.name}={_NULL_PARTITION}/"))
        return pc.binary_join_element_wise(*parts, pa.scalar("", _TEXT))

    def _write(self, folder: str, rows: pa.RecordBatch) -> None:
        file = self._files.get(folder)
        if file is None:
            self._folders.add(folder)
            if len(self._folders) > MAX_PARTITIONS:
                raise ValidationException(
                    f"The result has more than {MAX_PARTITIONS} partitions, which is the most that"
                    " UNLOAD can write; partition by columns with fewer values"
                )
            file = self._files[folder] = new_file(self._statement, self._data)
        file.write(rows)
        if file.content.tell() >= self._statement.max_file_bytes:
            self._finish(folder)

    def _finish(self, folder: str) -> None:
        """Store a folder's current file."""
        file = self._files.pop(folder)
        size = file.finish()
        name = f"{self._query_id}_{uuid.uuid4().hex}{suffix(self._statement)}"
        with file.content:
            url = self._put(f"results/{folder}{name}", file.content)
        metadata = {"content_length_in_bytes": size, "row_count": file.rows}
        self._result_files.append({"url": url, "file_metadata": metadata})

    def _metadata(self) -> dict[str, Any]:
        return {
            "ColumnInfo": [column_info(column.name, column.type) for column in self._columns],
            "Author": {"Name": _AUTHOR, "MetadataFileVersion": "1.0"},
        }

    def _manifest(self) -> dict[str, Any]:
        return {
            "result_files": self._result_files,
            "query_metadata": {
                "total_content_length_in_bytes": self._total("content_length_in_bytes"),
                "total_row_count": self._total("row_count"),
                "result_format": self._statement.format,
                "result_version": "Amazon Timestream version 1.0.0",
            },
            "author": {"name": _AUTHOR, "manifest_file_version": "1.0"},
        }

    def _total(self, member: str) -> int:
        return sum(file["file_metadata"][member] for file in self._result_files)

    def _put_json(self, kind: str, content: dict[str, Any]) -> str:
        text = json.dumps(content, indent=4).encode()
        return self._put(f"{self._query_id}_{kind}.json", io.BytesIO(text))

    def _put(self, name: str, content: IO[bytes]) -> str:
        """Store an object below the destination; returns its URL."""
        key = self._statement.prefix + name
        try:
            self._storage.put(self._statement.bucket, key, content)
        except StorageError as error:
            raise ValidationException(str(error)) from error
        return f"s3://{self._statement.bucket}/{key}"
