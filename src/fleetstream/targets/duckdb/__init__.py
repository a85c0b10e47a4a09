"""DuckDB, the embedded database and default target."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from fleetstream.generate.choices import RecordModel
from fleetstream.targets.registry import Schemas, Target, TargetOptions

if TYPE_CHECKING:
    from fleetstream.generate.generator import Generator
    from fleetstream.targets.duckdb.sink import DuckDBSink
    from fleetstream.targets.reader import Reader


def _open_sink(options: TargetOptions, model: RecordModel, schemas: Schemas) -> "DuckDBSink":
    from fleetstream.targets.duckdb.sink import DEFAULT_SCHEMA, DEFAULT_TABLE, DuckDBSink

    if not options.path:
        raise ValueError("The target 'duckdb:' needs a path, for example duckdb:fleet.duckdb.")
    return DuckDBSink(
        Path(options.path),
        model,
        schemas,
        options.database_name or DEFAULT_SCHEMA,
        options.table_name or DEFAULT_TABLE,
    )


def _open_reader(options: TargetOptions, model: RecordModel, schemas: Schemas) -> "Reader":
    from fleetstream.targets.duckdb.reader import DuckDBReader

    return DuckDBReader(_open_sink(options, model, schemas))


def _problems(generator: "Generator", model: RecordModel) -> Iterable[str]:
    from fleetstream.targets.limits import table_problems

    return table_problems(generator, model)


TARGETS = [
    Target(
        "duckdb",
        "duckdb:PATH",
        _open_sink,
        _open_reader,
        options=frozenset({"database_name", "table_name"}),
        problems=_problems,
    ),
]
