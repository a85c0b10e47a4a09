"""InfluxDB, versions 1, 2 and 3: gzipped line protocol over HTTP, read back with InfluxQL."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fleetstream.generate.choices import RecordModel
from fleetstream.targets.endpoint import check_read_url
from fleetstream.targets.registry import Layout, Schemas, Target, TargetOptions

if TYPE_CHECKING:
    from fleetstream.generate.generator import Generator
    from fleetstream.targets.reader import Reader
    from fleetstream.targets.sink import Sink


def _open_sink(options: TargetOptions, model: RecordModel, schemas: Schemas) -> "Sink":
    from fleetstream.targets.influx.server import influx_database
    from fleetstream.targets.influx.sink import InfluxSink

    check_read_url(options.read_url)
    database = influx_database(options.path, options.database_name)
    return InfluxSink(database, model, schemas, options.read_url)


def _open_reader(options: TargetOptions, model: RecordModel, schemas: Schemas) -> "Reader":
    from fleetstream.targets.influx.reader import InfluxReader
    from fleetstream.targets.influx.server import influx_database

    check_read_url(options.read_url)
    database = influx_database(options.read_url or options.path, options.database_name)
    return InfluxReader(database, model, schemas)


def _open_migrated(options: TargetOptions, model: RecordModel, schemas: Schemas) -> "Reader":
    from fleetstream.targets.influx.migrated_reader import MigratedMeasurementReader
    from fleetstream.targets.influx.server import influx_database

    check_read_url(options.read_url)
    if not options.table_name:
        raise ValueError(
            "The layout 'aws' of InfluxDB needs --table-name: the measurement, which has the name "
            "of the table that was migrated."
        )
    database = influx_database(options.read_url or options.path, options.database_name)
    return MigratedMeasurementReader(database, model, schemas, options.table_name)


def _problems(generator: "Generator", model: RecordModel) -> Iterable[str]:
    from fleetstream.targets.influx.limits import problems

    return problems(generator, model)


TARGETS = [
    Target(
        scheme="influx",
        url="influx:URL",
        open_sink=_open_sink,
        open_reader=_open_reader,
        problems=_problems,
        options=frozenset({"database_name", "read_url"}),
        extra="influx",
        layouts={"aws": Layout(_open_migrated, frozenset({"table_name"}))},
    )
]
