"""Amazon Timestream for LiveAnalytics, or anything else that has its API."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fleetstream.generate.choices import RecordModel
from fleetstream.targets.registry import Schemas, Target, TargetOptions

if TYPE_CHECKING:
    from fleetstream.generate.generator import Generator
    from fleetstream.targets.reader import Reader
    from fleetstream.targets.sink import Sink
    from fleetstream.targets.timestream.account import TimestreamTable


def _open_sink(options: TargetOptions, model: RecordModel, _schemas: Schemas) -> "Sink":
    from fleetstream.targets.timestream.account import Account
    from fleetstream.targets.timestream.sink import TimestreamSink

    return TimestreamSink(Account(_table(options)), model)


def _open_reader(options: TargetOptions, model: RecordModel, schemas: Schemas) -> "Reader":
    from fleetstream.targets.timestream.account import Account
    from fleetstream.targets.timestream.reader import TimestreamReader

    return TimestreamReader(Account(_table(options)), model, schemas)


def _table(options: TargetOptions) -> "TimestreamTable":
    """The table that options name. Raises ValueError where they are not complete."""
    from fleetstream.targets.endpoint import check_endpoint
    from fleetstream.targets.timestream.account import TimestreamTable

    if ":" in options.url:
        raise ValueError(
            "The target is just 'timestream'; name the table with --database-name and --table-name."
        )
    for option, value in (
        ("--database-name", options.database_name),
        ("--table-name", options.table_name),
    ):
        if not value:
            raise ValueError(f"Amazon Timestream needs {option}; the two name an existing table.")
    if options.endpoint_url is not None:
        check_endpoint(options.endpoint_url)
    return TimestreamTable(
        str(options.database_name),
        str(options.table_name),
        options.region,
        options.endpoint_url,
        options.profile,
    )


def _problems(generator: "Generator", model: RecordModel) -> Iterable[str]:
    from fleetstream.targets.timestream.limits import problems

    return problems(generator, model)


TARGETS = [
    Target(
        scheme="timestream",
        url="timestream",
        open_sink=_open_sink,
        open_reader=_open_reader,
        problems=_problems,
        options=frozenset({"database_name", "table_name", "region", "endpoint_url", "profile"}),
    )
]
