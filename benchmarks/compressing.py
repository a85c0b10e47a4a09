"""How well values compress: in Parquet with zstd, in DuckDB's own storage, and by Gorilla.

``python -m benchmarks.compressing`` writes the table of ``docs/behaviour.md``. Nothing is timed, so
the figures are the same on every machine with the same versions of the libraries.
"""

import io
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from pyarrow import parquet

import fleetstream
from benchmarks.results import Result, at_most
from fleetstream.model import DEFAULT_MODEL

PAGE = Path(__file__).parent.parent / "docs" / "behaviour.md"
BEGIN, END = "<!-- compression -->\n", "<!-- /compression -->\n"

PLAIN = 16
"""Bytes of a timestamp and a value, which published ratios refer to."""

TARGET = 2
"""Bytes per sample that Prometheus's documentation plans with at most."""


@dataclass(frozen=True)
class Sample:
    """A day of some series of a kind, as a run with these options generates it."""

    model: str
    kind: str
    include: dict[str, tuple[str, ...]]
    interval: str = "10s"
    days: int = 1

    def table(self) -> pa.Table:
        """All values, ordered by series and then by time, as stores keep them."""
        rows = fleetstream.telemetry(
            self.kind,
            model=self.model,
            seed=7,
            start="2026-11-02",
            end=f"2026-11-{2 + self.days:02}",
            interval=self.interval,
            include=self.include,
        ).read_all()
        order = ", ".join(f'"{each.name}"' for each in rows.schema if _is_dimension(each))
        return duckdb.sql(f"SELECT * FROM rows ORDER BY {order}, time").to_arrow_table()


NOISE = Sample(DEFAULT_MODEL, "metrics", {"region": ("eu-central-1",)})
FLEET = Sample("aws-devops-realistic", "metrics", {"region": ("eu-central-1",)})
SAMPLES = (
    NOISE,
    FLEET,
    Sample("web-shop", "service", {"region": ("eu-central-1",)}),
    Sample("web-shop", "instance", {"region": ("eu-central-1",)}),
    Sample("kubernetes", "node", {}),
    Sample("kubernetes", "pod", {}),
    Sample("iot-trucks", "truck", {"depot": ("Denver",)}),
    Sample("smart-meters", "meter", {"district": ("north",)}, "15m", days=14),
)


def results() -> Iterator[Result]:
    """Bytes per value of the believable fleet, beside those of white noise."""
    noise, fleet = (each.table() for each in (NOISE, FLEET))
    for name, size in (("Parquet with zstd", in_parquet), ("DuckDB", in_duckdb)):
        reached = size(fleet) / values_of(fleet)
        yield at_most(
            f"bytes per value of a day of ten hosts of `{FLEET.model}` at 10 s in {name}",
            TARGET,
            [reached],
            f"{reached:.2f} against {size(noise) / values_of(noise):.2f} bytes of white noise",
        )


def values_of(table: pa.Table) -> int:
    """How many values the measures have."""
    return sum(
        len(table) - column.null_count
        for field, column in zip(table.schema, table.columns, strict=True)
        if not _is_dimension(field) and field.name != "time"
    )


def in_parquet(table: pa.Table) -> int:
    """Bytes of a file with all columns, each in the better one of two encodings."""
    encodings = {}
    for field in table.schema:
        numeric = pa.types.is_integer(field.type) or pa.types.is_timestamp(field.type)
        if numeric or pa.types.is_floating(field.type):
            encoding = "DELTA_BINARY_PACKED" if numeric else "BYTE_STREAM_SPLIT"
            column = table.select([field.name])
            if _written(column, {field.name: encoding}) < _written(column, {}):
                encodings[field.name] = encoding
    return _written(table, encodings)


def _written(table: pa.Table, encodings: dict[str, str]) -> int:
    """Bytes of a Parquet file; columns without an encoding are written by dictionaries."""
    file = io.BytesIO()
    others = [name for name in table.column_names if name not in encodings]
    parquet.write_table(
        table, file, compression="zstd", use_dictionary=others, column_encoding=encodings or None
    )
    return file.tell()


def in_duckdb(table: pa.Table) -> int:
    """Bytes of a database with the table alone."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "values.duckdb"
        with duckdb.connect(path) as connection:
            connection.register("rows", table)
            connection.execute("CREATE TABLE telemetry AS SELECT * FROM rows")
        return path.stat().st_size


def in_gorilla(table: pa.Table) -> int:
    """Bytes that Gorilla's XOR of successive doubles and its timestamps take, series by series.

    Pelkonen et al. (VLDB 2015), section 4.1. At a fixed interval, a timestamp takes one bit.
    """
    times = table["time"].cast(pa.int64()).to_numpy()
    starts = np.flatnonzero(np.diff(times) <= 0) + 1
    bits = 0
    for field in table.schema:
        if _is_dimension(field) or field.name == "time":
            continue
        column = table[field.name].combine_chunks()
        if not pa.types.is_floating(field.type):
            column = column.cast(pa.int64()).cast(pa.float64(), safe=False)
        for series in np.split(column.to_numpy(zero_copy_only=False), starts):
            known = np.ascontiguousarray(series[~np.isnan(series)])
            bits += len(known) + _xor_bits(known)
    return bits // 8


def _xor_bits(values: np.ndarray) -> int:
    words = values.view(np.uint64)
    bits, low, high = 64 * bool(len(words)), 65, 65
    for word in (words[1:] ^ words[:-1]).tolist():
        if not word:
            bits += 1
            continue
        leading = min(64 - word.bit_length(), 31)
        trailing = (word & -word).bit_length() - 1
        if leading >= high and trailing >= low:
            bits += 2 + 64 - high - low
        else:
            bits += 2 + 5 + 6 + 64 - leading - trailing
            high, low = leading, trailing
    return bits


def _is_dimension(field: pa.Field) -> bool:
    return pa.types.is_dictionary(field.type) or pa.types.is_string(field.type)


def table_rows() -> Iterator[str]:
    """The table of the page."""
    yield "| model | kind | values | Parquet with zstd | ratio | DuckDB | ratio | Gorilla | ratio |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for sample in SAMPLES:
        table = sample.table()
        count = values_of(table)
        sizes = [size(table) / count for size in (in_parquet, in_duckdb, in_gorilla)]
        cells = [f"{size:.2f} | {PLAIN / size:.1f}" for size in sizes]
        name = f"`{sample.model}`" + (" (white noise)" if sample is NOISE else "")
        yield f"| {name} | {sample.kind} | {count:,} | {' | '.join(cells)} |"


def main() -> None:
    """Write the table into the page, and print it."""
    table = "".join(f"{row}\n" for row in table_rows())
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text("".join((before, BEGIN, table, END, after)))
    print(table)


if __name__ == "__main__":
    main()
