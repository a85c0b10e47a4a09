"""PostgreSQL and TimescaleDB: rows in binary COPY through ADBC, read back as Arrow tables."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fleetstream.generate.choices import RecordModel
from fleetstream.targets.registry import Layout, Schemas, Target, TargetOptions

if TYPE_CHECKING:
    from fleetstream.generate.generator import Generator
    from fleetstream.targets.postgresql.sink import PostgreSQLSink
    from fleetstream.targets.reader import Reader


DEFAULT_TABLE = "telemetry"


def _open_sink(options: TargetOptions, model: RecordModel, schemas: Schemas) -> "PostgreSQLSink":
    from fleetstream.targets.postgresql.connections import Connections
    from fleetstream.targets.postgresql.sink import PostgreSQLSink
    from fleetstream.targets.postgresql.tables import Tables

    tables = Tables(options.table_name or DEFAULT_TABLE, model, schemas)
    return PostgreSQLSink(Connections(options.url), tables)


def _open_reader(options: TargetOptions, model: RecordModel, schemas: Schemas) -> "Reader":
    from fleetstream.targets.postgresql.connections import Connections
    from fleetstream.targets.postgresql.reader import PostgreSQLReader
    from fleetstream.targets.postgresql.tables import Tables

    tables = Tables(options.table_name or DEFAULT_TABLE, model, schemas)
    return PostgreSQLReader(Connections(options.url), tables)


def _open_migrated(options: TargetOptions, model: RecordModel, schemas: Schemas) -> "Reader":
    from fleetstream.targets.columns import TableColumns
    from fleetstream.targets.postgresql.connections import Connections
    from fleetstream.targets.postgresql.migrated_reader import MigratedTableReader

    columns = TableColumns(model, tuple(schemas))
    return MigratedTableReader(
        Connections(options.url), options.table_name or DEFAULT_TABLE, columns
    )


def _problems(generator: "Generator", model: RecordModel) -> Iterable[str]:
    from fleetstream.targets.postgresql.limits import problems

    return problems(generator, model)


TARGETS = [
    Target(
        scheme="postgresql",
        url="postgresql://HOST/DATABASE",
        open_sink=_open_sink,
        open_reader=_open_reader,
        problems=_problems,
        options=frozenset({"table_name"}),
        extra="postgresql",
        layouts={"aws": Layout(_open_migrated)},
    )
]
