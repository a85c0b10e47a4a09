"""Files with the rows of a result, in CSV or Parquet."""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Sequence
from typing import IO, Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fleetstream.emulator.sql import (
    BOOLEAN,
    INTEGERS,
    ArrayType,
    RowType,
    ScalarType,
    SqlType,
    TimeSeriesType,
)
from fleetstream.emulator.unload.result_columns import ResultColumn
from fleetstream.emulator.unload.statement import UnloadStatement

_TEXT = pa.large_string()
_QUOTE = '"'


class ResultFile(Protocol):
    """A temporary file that rows are added to; ``content`` has all of them after ``finish``."""

    rows: int
    content: IO[bytes]

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows."""

    def finish(self) -> int:
        """Complete the file; returns its size in bytes."""


def new_file(statement: UnloadStatement, columns: Sequence[ResultColumn]) -> ResultFile:
    if statement.format == "PARQUET":
        return _ParquetFile(statement, columns)
    return _CsvFile(statement, columns)


def suffix(statement: UnloadStatement) -> str:
    """How the names of the statement's files end."""
    if statement.format == "PARQUET":
        return ".parquet"
    return ".csv.gz" if statement.gzip else ".csv"


class _ParquetFile:
    def __init__(self, statement: UnloadStatement, columns: Sequence[ResultColumn]) -> None:
        self.rows = 0
        self.content: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._names = [column.name for column in columns]
        self._compression = "gzip" if statement.gzip else "none"
        self._writer: pq.ParquetWriter | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        batch = batch.rename_columns(self._names)
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self.content, batch.schema, compression=self._compression
            )
        self._writer.write_batch(batch)
        self.rows += batch.num_rows

    def finish(self) -> int:
        if self._writer is not None:
            self._writer.close()
        return _rewind(self.content)


class _CsvFile:
    """Values are texts; a value with a delimiter, quote, escape or line break is quoted.

    A null is empty, and an empty text is a pair of quotes. Arrays and rows are JSON.
    """

    def __init__(self, statement: UnloadStatement, columns: Sequence[ResultColumn]) -> None:
        self.rows = 0
        self.content: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        self._stream: IO[bytes] = (
            gzip.GzipFile(fileobj=self.content, mode="wb", mtime=0)  # type: ignore[assignment]
            if statement.gzip
            else self.content
        )
        self._columns = columns
        self._delimiter, self._escape = statement.delimiter, statement.escape
        if statement.header:
            names = [pa.array([column.name], _TEXT) for column in columns]
            self._write_lines([self._field(name) for name in names])

    def write(self, batch: pa.RecordBatch) -> None:
        texts = (
            _texts(values, column.type)
            for values, column in zip(batch.columns, self._columns, strict=True)
        )
        self._write_lines([self._field(column) for column in texts])
        self.rows += batch.num_rows

    def finish(self) -> int:
        if self._stream is not self.content:
            self._stream.close()
        return _rewind(self.content)

    def _write_lines(self, fields: Sequence[pa.Array]) -> None:
        lines = pc.binary_join_element_wise(*fields, pa.scalar(self._delimiter, _TEXT))
        text = "\n".join(lines.to_pylist())
        self._stream.write(f"{text}\n".encode())

    def _field(self, texts: pa.Array) -> pa.Array:
        """Texts as they are written, escaped and quoted where necessary."""
        needed = pc.equal(texts, "")
        for character in (self._delimiter, _QUOTE, self._escape, "\n", "\r"):
            needed = pc.or_(needed, pc.match_substring(texts, character))
        if not pc.any(needed).as_py():
            return texts.fill_null("")
        quoted = texts
        for character in dict.fromkeys((self._escape, _QUOTE)):
            quoted = pc.replace_substring(quoted, character, self._escape + character)
        mark, nothing = pa.scalar(_QUOTE, _TEXT), pa.scalar("", _TEXT)
        quoted = pc.binary_join_element_wise(mark, quoted, mark, nothing)
        return pc.if_else(needed, quoted, texts).fill_null("")


def _rewind(content: IO[bytes]) -> int:
    size = content.seek(0, 2)
    content.seek(0)
    return size


def _texts(values: pa.Array, of: SqlType) -> pa.Array:
    if isinstance(of, ScalarType):
        return values.cast(_TEXT)
    texts = [
        None if value is None else json.dumps(_json(value, of), ensure_ascii=False)
        for value in values.to_pylist()
    ]
    return pa.array(texts, _TEXT)


def _json(value: Any, of: SqlType) -> Any:
    """A value, whose scalars are texts, in JSON's types; rows become objects."""
    if value is None:
        return None
    if isinstance(of, TimeSeriesType):
        return _json(value, of.rows)
    if isinstance(of, ArrayType):
        return [_json(element, of.element) for element in value]
    if isinstance(of, RowType):
        return {
            name or f"field{number}": _json(field, of_field)
            for number, (field, (name, of_field)) in enumerate(
                zip(value.values(), of.fields, strict=True)
            )
        }
    if of in INTEGERS:
        return int(value)
    if of == BOOLEAN:
        return value == "true"
    return _number(value) if of.duckdb == "DOUBLE" else value


def _number(text: str) -> float | str:
    """A double; NaN and the infinities, which JSON does not have, stay texts."""
    return text if text.lstrip("-") in ("NaN", "Infinity") else float(text)
