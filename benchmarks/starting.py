"""How long commands take to start, beside Python alone or the libraries that they need."""

import tempfile
from collections.abc import Callable, Iterator

from benchmarks.measure import alternating, ratios, run
from benchmarks.results import Result, against, at_most

ONE_SWEEP = ("ingest", "--quiet", "--include-region", "eu-central-1", "--autostop", "1")
TIMES = 9


def results(url: str) -> Iterator[Result]:
    """The first stored record, help, and the preview, in CPU time."""
    libraries, duckdb, timestream = alternating(
        lambda: run("-c", "import duckdb, pyarrow, numpy").cpu,
        _first_record(),
        _first_record("-r", "us-east-1", "-url", url, "-d", "db", "-t", "tb"),
        times=TIMES,
    )
    for name, figures, target in (("DuckDB", duckdb, 2), ("Timestream", timestream, 3)):
        yield at_most(
            f"CPU time until the first record is stored in {name}, as a multiple of `import "
            "duckdb, pyarrow, numpy`",
            target,
            ratios(figures, libraries),
            against(figures, libraries, "ms", 1e-3),
        )
    nothing, *commands = alternating(
        lambda: run("-c", "pass").cpu,
        lambda: run("-m", "fleetstream", "--help").cpu,
        lambda: run("-m", "fleetstream", "ingest", "--help").cpu,
        lambda: run("-m", "fleetstream", "ingest", "--dry-run").cpu,
        times=TIMES,
    )
    named = zip(
        ("--help", "ingest --help", "ingest --dry-run"), (10, 12, 40), commands, strict=True
    )
    for name, target, figures in named:
        yield at_most(
            f"CPU time of `fleetstream {name}`, as a multiple of `python -c pass`",
            target,
            ratios(figures, nothing),
            against(figures, nothing, "ms", 1e-3),
        )


def _first_record(*options: str) -> Callable[[], float]:
    def measure() -> float:
        with tempfile.TemporaryDirectory() as folder:
            return run("-m", "benchmarks.first_record", *ONE_SWEEP, *options, folder=folder).cpu

    return measure
