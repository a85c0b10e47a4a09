"""Labels of incidents: as a table for people, and in files."""

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa

from fleetstream.report.labels.points import labels_written

SUFFIXES = (".csv", ".json", ".parquet")


def write_labels(labels: pa.Table, path: Path) -> None:
    """Write labels in the form that the suffix of the path names.

    Raises ValueError where it names none, or the file cannot be written.
    """
    check_suffix(path)
    with labels_written(path):
        _write(labels, path)


def check_suffix(path: Path) -> None:
    """Raises ValueError where the suffix of a path names no form of labels."""
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path} does not end with one of {', '.join(SUFFIXES)}.")


def _write(labels: pa.Table, path: Path) -> None:
    if path.suffix == ".parquet":
        from pyarrow import parquet

        parquet.write_table(labels, path)
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        if path.suffix == ".csv":
            _write_csv(labels, file)
        else:
            _write_json(labels, file)


def show_labels(labels: pa.Table) -> None:
    """Print labels as a table."""
    if not labels.num_rows:
        print("No incident happens in this time.")
        return
    rows = [["start", "end", "severity", "incident", "where"]]
    details: list[list[str]] = [[]]
    for row in labels.to_pylist():
        start, end = (f"{row[name]:%Y-%m-%d %H:%M:%S}" for name in ("start", "end"))
        where = " / ".join(text for _, text in row["place"])
        if row["parent"] is not None:
            where += f", from {' / '.join(text for _, text in row['cause'])}"
        rows.append([start, end, f"{row['severity']:.2f}", row["incident"], where])
        details.append([magnitude_text(each) for each in row.get("magnitudes", ())])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells, lines in zip(rows, details, strict=True):
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        print("  ".join(padded).rstrip())
        for line in lines:
            print(f"    {line}")
    count = f"{labels.num_rows:,} incident" + ("" if labels.num_rows == 1 else "s")
    print(f"\n{count}; times are UTC.")


def magnitude_text(magnitude: dict[str, Any]) -> str:
    """How an incident changes a measure, in a line."""
    parts = [f"{magnitude['measure']}:"]
    if magnitude["points"]:
        mean, low, high = (magnitude[name] for name in ("mean", "lowest", "highest"))
        parts.append(f"{mean:.6g} on average, {low:+.6g} to {high:+.6g}")
        parts.append(f"in {_points(magnitude['points'])}" + ("," if magnitude["missing"] else ""))
    if magnitude["missing"]:
        parts.append(f"{_points(magnitude['missing'])} missing")
    return " ".join(parts)


def _points(count: int) -> str:
    return f"{count:,} point" + ("" if count == 1 else "s")


def _write_csv(labels: pa.Table, file: TextIO) -> None:
    writer = csv.writer(file)
    writer.writerow(labels.column_names)
    writer.writerows(_cells(labels))


def _cells(labels: pa.Table) -> Iterator[list[Any]]:
    for row in labels.to_pylist():
        plain = _row(row)
        for name in ("place", "cause"):
            plain[name] = " ".join(f"{level}={text}" for level, text in plain[name].items())
        if "magnitudes" in plain:
            plain["magnitudes"] = map(magnitude_text, plain["magnitudes"])
        for name in {"effects", "directions", "measures", "magnitudes"} & plain.keys():
            plain[name] = "; ".join(plain[name])
        yield list(plain.values())


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """A label as JSON can have it."""
    times = {name: f"{row[name].isoformat()}Z" for name in ("start", "end")}
    return {**row, "place": dict(row["place"]), "cause": dict(row["cause"]), **times}


def print_json(labels: pa.Table) -> None:
    """Print labels as a JSON array."""
    _write_json(labels, sys.stdout)


def _write_json(labels: pa.Table, file: TextIO) -> None:
    json.dump([_row(row) for row in labels.to_pylist()], file, indent=1)
    file.write("\n")
