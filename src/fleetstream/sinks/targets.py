"""Targets: the table that opens a sink from what the user named.

Each opener imports its own module, so that a run loads the libraries of its target alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from fleetstream.records import RecordModel
from fleetstream.sinks import Sink

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
    def only_timestream(self) -> dict[str, str]:
        """What is given that Amazon Timestream alone understands, by option."""
        given = {
            "--region": self.region,
            "--endpoint-url": self.endpoint_url,
            "--profile": self.profile,
        }
        return {option: value for option, value in given.items() if value is not None}

    @property
    def readable_on_the_way(self) -> bool:
        """Whether records would leave this machine unencrypted."""
        parts = urlsplit(self.endpoint_url or "")
        return parts.scheme == "http" and not _is_loopback(parts.hostname or "")

    @property
    def url(self) -> str:
        """The target: as given, or Timestream where something of its own is given, or DuckDB."""
        if self.to is not None:
            return self.to
        return "timestream" if self.only_timestream or self.database_name else DEFAULT_TARGET


def open_sink(options: TargetOptions, model: RecordModel) -> Sink:
    """The sink for a target, not opened yet.

    Raises :class:`ValueError` with a sentence where the target is not understood or not complete,
    and :class:`~fleetstream.sinks.TargetUnusable` where it can't be used.
    """
    scheme, _, rest = options.url.partition(":")
    opener = TARGETS.get(scheme)
    if opener is None:
        raise ValueError(
            f"There is no target {options.url!r}; name one of timestream, duckdb:PATH or null:."
        )
    if options.only_timestream and opener is not _timestream:
        option = next(iter(options.only_timestream))
        raise ValueError(
            f"{option} is for Amazon Timestream, but --to names {options.url!r}; leave one of the "
            "two out."
        )
    return opener(rest, options, model)


def _timestream(rest: str, options: TargetOptions, model: RecordModel) -> Sink:
    from fleetstream.sinks.timestream import Target, TimestreamSink

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
    from fleetstream.sinks.duckdb import DEFAULT_SCHEMA, DEFAULT_TABLE, DuckDBSink

    if not rest:
        raise ValueError("The target 'duckdb:' needs a path, for example duckdb:fleet.duckdb.")
    return DuckDBSink(
        Path(rest),
        model,
        options.database_name or DEFAULT_SCHEMA,
        options.table_name or DEFAULT_TABLE,
    )


def _null(rest: str, _options: TargetOptions, model: RecordModel) -> Sink:
    from fleetstream.sinks.null import NullSink

    if rest:
        raise ValueError("The target is just 'null:', with nothing behind the colon.")
    return NullSink(model)


TARGETS: dict[str, Callable[[str, TargetOptions, RecordModel], Sink]] = {
    "timestream": _timestream,
    "duckdb": _duckdb,
    "null": _null,
}
"""What opens each kind of target, by the part of its URL before the colon."""


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
