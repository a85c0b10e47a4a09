"""Targets: the table that opens a sink from what the user named.

Each opener imports its own module, so that a run loads the libraries of its target alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fleetstream.generate.records import RecordModel
from fleetstream.targets.sink import Sink

if TYPE_CHECKING:
    from fleetstream.targets.files.storage import Storage

DEFAULT_TARGET = "duckdb:fleetstream.duckdb"


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """What the user said about the target, under the names of the command line; None if nothing."""

    to: str | None = None
    database_name: str | None = None
    table_name: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    profile: str | None = None

    @property
    def given(self) -> dict[str, str]:
        """What is given beside the target itself, by option."""
        options = {
            "--database-name": self.database_name,
            "--table-name": self.table_name,
            "--region": self.region,
            "--endpoint-url": self.endpoint_url,
            "--profile": self.profile,
        }
        return {option: value for option, value in options.items() if value is not None}

    @property
    def url(self) -> str:
        """The target: as given, or Timestream where something of its own is given, or DuckDB."""
        if self.to is not None:
            return self.to
        return "timestream" if self.given.keys() - {"--table-name"} else DEFAULT_TARGET

    @property
    def endpoint(self) -> str | None:
        """The address that records go to, where one is given."""
        address = self.url.partition(":")[2]
        return self.endpoint_url or (address if "://" in address else None)

    @property
    def readable_on_the_way(self) -> bool:
        """Whether records would leave this machine unencrypted."""
        parts = urlsplit(self.endpoint or "")
        return parts.scheme == "http" and not _is_loopback(parts.hostname or "")


@dataclass(frozen=True, slots=True)
class TargetKind:
    """A kind of target: how its URL looks, what opens it, and which options it understands."""

    form: str
    open: Callable[[str, TargetOptions, RecordModel], Sink]
    options: frozenset[str] = frozenset()


def open_sink(options: TargetOptions, model: RecordModel) -> Sink:
    """The sink for a target, not opened yet.

    Raises :class:`ValueError` with a sentence where the target is not understood or not complete,
    and :class:`~fleetstream.targets.TargetUnusable` where it can't be used.
    """
    scheme, _, rest = options.url.partition(":")
    kind = TARGETS.get(scheme)
    if kind is None:
        raise ValueError(f"There is no target {options.url!r}; name one of {FORMS}.")
    for option in options.given:
        if option not in kind.options:
            raise ValueError(
                f"{option} means nothing to the target {options.url!r}; leave one of the two out."
            )
    return kind.open(rest, options, model)


def _timestream(rest: str, options: TargetOptions, model: RecordModel) -> Sink:
    from fleetstream.targets.timestream import Target, TimestreamSink

    if rest:
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
        _check_endpoint(options.endpoint_url)
    target = Target(
        str(options.database_name),
        str(options.table_name),
        options.region,
        options.endpoint_url,
        options.profile,
    )
    return TimestreamSink(target, model)


def _duckdb(rest: str, options: TargetOptions, model: RecordModel) -> Sink:
    from fleetstream.targets.duckdb import DEFAULT_SCHEMA, DEFAULT_TABLE, DuckDBSink

    if not rest:
        raise ValueError("The target 'duckdb:' needs a path, for example duckdb:fleet.duckdb.")
    return DuckDBSink(
        Path(rest),
        model,
        options.database_name or DEFAULT_SCHEMA,
        options.table_name or DEFAULT_TABLE,
    )


def _null(rest: str, _options: TargetOptions, model: RecordModel) -> Sink:
    from fleetstream.targets.null import NullSink

    if rest:
        raise ValueError("The target is just 'null:', with nothing behind the colon.")
    return NullSink(model)


def _parquet(rest: str, _options: TargetOptions, model: RecordModel) -> Sink:
    from fleetstream.targets.files.storage import folder

    if not rest:
        raise ValueError("The target 'parquet:' needs a folder, for example parquet:lake.")
    storage = folder(Path(rest))
    return _parquet_files(storage, model, f"{storage.root}/*/*/*.parquet")


def _s3(rest: str, options: TargetOptions, model: RecordModel) -> Sink:
    from fleetstream.targets.files.storage import bucket

    place = rest.removeprefix("//")
    if place == rest or not place.partition("/")[0]:
        raise ValueError("The target 's3:' needs a bucket, for example s3://my-bucket/fleet.")
    if options.endpoint_url is not None:
        _check_endpoint(options.endpoint_url)
    return _parquet_files(bucket(place, options.region, options.endpoint_url), model, None)


def _parquet_files(storage: "Storage", model: RecordModel, found: str | None) -> Sink:
    """Parquet in a storage; ``found`` is what DuckDB finds its files by."""
    from fleetstream.targets.files import FilesSink
    from fleetstream.targets.files.parquet import Parquet

    query = found and (
        "SELECT day, region, count(*) AS records FROM "
        f"read_parquet('{found.replace(chr(39), 2 * chr(39))}', hive_partitioning=true) "
        "GROUP BY ALL ORDER BY ALL"
    )
    return FilesSink(storage, Parquet(model), model, query)


def _csv(rest: str, _options: TargetOptions, model: RecordModel) -> Sink:
    from fleetstream.targets.files import FilesSink
    from fleetstream.targets.files.batch_load import BatchLoad
    from fleetstream.targets.files.storage import folder

    if not rest:
        raise ValueError("The target 'csv:' needs a folder, for example csv:batch-load.")
    storage = folder(Path(rest))
    found = f"{storage.root}/metrics/*.csv".replace("'", "''")
    query = (
        f"SELECT measure_name, count(*) AS records FROM read_csv('{found}', all_varchar=true) "
        "GROUP BY ALL ORDER BY ALL"
    )
    return FilesSink(storage, BatchLoad(model), model, query)


def _influx(rest: str, options: TargetOptions, model: RecordModel) -> Sink:
    try:
        from fleetstream.targets.influx import InfluxSink
    except ModuleNotFoundError as error:
        raise ValueError(
            "InfluxDB needs a library more; install it with: pip install 'fleetstream[influx]'"
        ) from error
    from fleetstream.targets.influx.server import place

    return InfluxSink(place(rest, options.database_name), model)


_TABLE = frozenset({"--database-name", "--table-name"})
_AWS = frozenset({"--region", "--endpoint-url"})

TARGETS = {
    "timestream": TargetKind("timestream", _timestream, _TABLE | _AWS | {"--profile"}),
    "duckdb": TargetKind("duckdb:PATH", _duckdb, _TABLE),
    "parquet": TargetKind("parquet:DIR", _parquet),
    "s3": TargetKind("s3://BUCKET/PREFIX", _s3, _AWS),
    "csv": TargetKind("csv:DIR", _csv),
    "influx": TargetKind("influx:URL", _influx, frozenset({"--database-name"})),
    "null": TargetKind("null:", _null, _TABLE),
}
"""The kinds of targets, by the part of their URL before the colon."""

FORMS = ", ".join(kind.form for kind in TARGETS.values())
"""How targets are written."""


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_endpoint(url: str) -> None:
    """Raises :class:`ValueError` where ``url`` can't be an endpoint."""
    try:
        parts = urlsplit(url)
        named = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        named = False
    if not named:
        raise ValueError(
            f"{url!r} is not an endpoint URL; one looks like "
            "https://ingest-cell1.timestream.us-east-1.amazonaws.com."
        )
    if parts.username or parts.password:
        raise ValueError(
            "The endpoint URL carries a user name or password; leave them out, since requests are "
            "signed with AWS credentials."
        )
