"""Runs all benchmarks and writes what they found into README.md beside this file."""

import compileall
import os
import platform
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

import fleetstream
from benchmarks import (
    compressing,
    generating,
    history,
    holding,
    protocols,
    shipped,
    starting,
    storing,
    writing,
)
from benchmarks.endpoint import null_endpoint
from benchmarks.measure import ENVIRONMENT
from benchmarks.results import Result

PAGE = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- results -->\n", "<!-- /results -->\n"
HEAD = "| question | target | reached | range | met | figures |\n|---|---|---|---|---|---|\n"


def main() -> None:
    """Print each result as it comes, then write the table."""
    os.environ.update(ENVIRONMENT)
    # As installing the package does.
    compileall.compile_dir(fleetstream.__path__[0], quiet=1)
    rows = []
    for result in _results():
        rows.append(result.row)
        print(result.row, flush=True)
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    machine = (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {platform.machine()}, "
        f"{platform.python_implementation()} {platform.python_version()}, NumPy {np.__version__}"
    )
    table = HEAD + "".join(f"{row}\n" for row in rows)
    PAGE.write_text(f"{before}{BEGIN}{machine}\n\n{table}{END}{after}")


def _results() -> Iterator[Result]:
    yield from generating.results()
    yield from shipped.results()
    yield from compressing.results()
    yield from storing.results()
    yield from history.results()
    with null_endpoint() as url:
        yield from starting.results(url)
        yield from writing.results(url)
        yield from protocols.results(url)
        requests = int(sys.argv[1]) if len(sys.argv) > 1 else holding.REQUESTS
        yield from holding.results(url, requests)


if __name__ == "__main__":
    main()
