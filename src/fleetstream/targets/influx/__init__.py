"""InfluxDB, versions 1, 2 and 3: gzipped line protocol over HTTP, read back with InfluxQL."""

from collections.abc import Sequence

import pyarrow as pa

from fleetstream.generate.choices import RecordModel
from fleetstream.targets.reader import Reader
from fleetstream.targets.registry import Target, TargetOptions
from fleetstream.targets.sink import Sink

__all__ = ["TARGETS"]


def _open_sink(options: TargetOptions, model: RecordModel, schemas: Sequence[pa.Schema]) -> Sink:
    from fleetstream.targets.influx.server import influx_database
    from fleetstream.targets.influx.sink import InfluxSink

    database = influx_database(options.path, options.database_name)
    return InfluxSink(database, model, schemas)


def _open_reader(
    options: TargetOptions, model: RecordModel, schemas: Sequence[pa.Schema]
) -> Reader:
    from fleetstream.targets.influx.reader import InfluxReader
    from fleetstream.targets.influx.server import influx_database

    database = influx_database(options.path, options.database_name)
    return InfluxReader(database, model, schemas)


TARGETS = [
    Target(
        scheme="influx",
        url="influx:URL",
        open_sink=_open_sink,
        open_reader=_open_reader,
        options=frozenset({"database_name"}),
        extra="influx",
    )
]
