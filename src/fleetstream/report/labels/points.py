"""Labels of points: which ones are asked for, and in files."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet

from fleetstream.generate.moments import iso
from fleetstream.model import DataType, Model
from fleetstream.report.series import find_measure

SUFFIXES = (".csv", ".parquet")


def chosen_measures(model: Model, text: str) -> tuple[str, list[str]]:
    """The kind and the measures that ``KIND``, or a list of ``[KIND.]MEASURE``, stands for.

    A kind stands for all of its measures but words. Raises ValueError for what is unknown,
    or not of one kind.
    """
    kind = model.kinds.get(text)
    if kind is not None:
        others = [each.name for each in kind.measures if each.type is not DataType.VARCHAR]
        return text, others
    found = [find_measure(model, name.strip()) for name in text.split(",")]
    if len({key for key, _ in found}) > 1:
        raise ValueError(f"The measures {text!r} are not of one kind of series; name them by kind.")
    return found[0][0], [measure.name for _, measure in found]


def write_points(points: pa.RecordBatchReader, path: Path) -> None:
    """Write labels of points while they are generated, in the form that the suffix names.

    Raises ValueError where it names none, or the file cannot be written.
    """
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path} does not end with one of {', '.join(SUFFIXES)}.")
    with labels_written(path), path.open("wb") as file:
        if path.suffix == ".parquet":
            with parquet.ParquetWriter(file, points.schema) as writer:
                for batch in points:
                    writer.write_batch(batch)
        else:
            _write_csv(points, file)


def print_points(points: pa.RecordBatchReader) -> None:
    """Print labels of points as CSV."""
    _write_csv(points, sys.stdout.buffer)


@contextmanager
def labels_written(path: Path) -> Iterator[None]:
    """Raises ValueError where labels cannot be written to a path."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise ValueError(f"The labels cannot be written to {path}: {reason}.") from error


def _write_csv(points: pa.RecordBatchReader, file: BinaryIO) -> None:
    """CSV with a head, times in ISO 8601, and the incidents of a point separated by spaces."""
    schema = pa.schema([_as_text(field) for field in points.schema])
    with csv.CSVWriter(file, schema, write_options=csv.WriteOptions(quoting_style="needed")) as out:
        for batch in points:
            columns = [_text(column) for column in batch.columns]
            out.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))


def _as_text(field: pa.Field) -> pa.Field:
    plain = pa.types.is_floating(field.type) or pa.types.is_boolean(field.type)
    return field if plain else pa.field(field.name, pa.string())


def _text(column: pa.Array) -> pa.Array:
    if pa.types.is_list(column.type):
        return pc.binary_join(column, " ")
    if pa.types.is_dictionary(column.type):
        return column.cast(pa.string())
    if not pa.types.is_timestamp(column.type):
        return column
    encoded = column.cast(pa.int64()).dictionary_encode()
    texts = pa.array([iso(each) for each in encoded.dictionary.to_pylist()], pa.string())
    return texts.take(encoded.indices)
