"""Connections to a PostgreSQL server, one per thread, and what its errors mean.

libpq takes what the URL does not say from its own environment variables and files: passwords from
PGPASSWORD, PGPASSFILE or ``~/.pgpass``.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
from adbc_driver_postgresql import dbapi

from fleetstream.targets.sink import TargetLost, TargetUnusable, Unavailable

EXAMPLE = "for example postgresql://fleet@127.0.0.1:5432/fleet"

SETTINGS = {
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "4",
    "tcp_user_timeout": "30000",
    "application_name": "fleetstream",
}
"""Settings of libpq where the URL has no others.

A port that does not answer is noticed in 10 s, and a server that vanishes in 30 s.
"""

UNIQUE_VIOLATION = "23505"

_PASSING = {
    "08": "connection cut",
    "40": "transaction rolled back by the server",
    "53": "server out of resources",
    "55": "object in use",
    "57": "server shutting down",
    "58": "server I/O error",
}
"""What errors that may pass are called, by the class of their SQLSTATE (PostgreSQL, appendix A)."""

_READ_ONLY = "25006"


class Connections:
    """Connections to the database at ``url``. Raises ValueError if the URL is not understood."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._full_url = _checked(url)
        self._local = threading.local()
        self._lock = threading.Lock()
        self._open: list[dbapi.Connection] = []

    def get(self) -> dbapi.Connection:
        """This thread's connection. Raises dbapi.Error where there is none to be had."""
        connection: dbapi.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = dbapi.connect(self._full_url)
            with self._lock:
                self._open.append(connection)
        return connection

    @contextmanager
    def transaction(self) -> Iterator[dbapi.Cursor]:
        """A cursor of this thread's connection in a transaction, committed at the end."""
        connection = self.get()
        with connection.cursor() as cursor:
            try:
                yield cursor
                connection.commit()
            except BaseException:
                with suppress(dbapi.Error):  # the server rolls back what it cannot be asked to
                    connection.rollback()
                raise

    @contextmanager
    def usable(self) -> Iterator[dbapi.Cursor]:
        """Like :meth:`transaction`, but raises TargetUnusable."""
        try:
            with self.transaction() as cursor:
                yield cursor
        except dbapi.Error as error:
            self.discard()
            raise TargetUnusable(self._unusable(error)) from error

    def explained(self, error: dbapi.Error) -> Exception:
        """The exception to raise for an error of a request; closes this thread's connection."""
        self.discard()
        state = error.sqlstate or ""
        kind = "read-only" if state == _READ_ONLY else _PASSING.get(state[:2])
        if not state and not isinstance(error, dbapi.ProgrammingError):
            kind = "no connection"
        if kind is not None:
            return Unavailable(kind, message(error))
        return TargetLost(f"{self.url} takes no more rows: {message(error)}.")

    def _unusable(self, error: dbapi.Error) -> str:
        """Why the database cannot be used, and what to do."""
        text = message(error)
        if "password" in text:
            return f"{self.url} cannot be used: {text}. Set PGPASSWORD or use ~/.pgpass."
        if _is_without_answer(error):
            remedy = "check the host and the port."
            if not urlsplit(self.url).netloc:
                remedy = f"name a host and a database, {EXAMPLE}."
            return f"{self.url} does not answer as PostgreSQL does ({text}); {remedy}"
        return f"{self.url} cannot be used: {text}."

    def discard(self) -> None:
        """Close this thread's connection; the next use opens another."""
        connection: dbapi.Connection | None = getattr(self._local, "connection", None)
        self._local.connection = None
        if connection is not None:
            with self._lock:
                self._open.remove(connection)
            _close(connection)

    def close(self) -> None:
        """Close the connections of all threads, none of which uses one any more."""
        with self._lock:
            connections, self._open = self._open, []
        for connection in connections:
            _close(connection)
        self._local = threading.local()


def fetched(cursor: dbapi.Cursor, query: str) -> pa.Table:
    """The result of a query."""
    cursor.execute(query)
    table: pa.Table = cursor.fetch_arrow_table()
    return table


def message(error: dbapi.Error) -> str:
    """What the server says is wrong, in one line without a full stop."""
    lines = [line.strip() for line in str(error).splitlines()]
    text = next((line for line in lines if "ERROR:" in line or "FATAL:" in line), lines[0])
    # The path of a socket says more than that it does not exist.
    of_connecting = () if "on socket" in text else ("failed:",)
    for marker in ("ERROR:", "FATAL:", *of_connecting, "Failed to connect:", "[libpq]"):
        if marker in text:
            text = text.partition(marker)[2]
            break
    return text.strip().rstrip(".")


def _is_without_answer(error: dbapi.Error) -> bool:
    """Whether no server of PostgreSQL has said anything."""
    text = str(error)
    unknown_host = "could not translate host name" in text
    return unknown_host or ("connection to server" in text and "FATAL:" not in text)


def _close(connection: dbapi.Connection) -> None:
    with suppress(dbapi.Error):  # the server may be gone, and the connection with it
        connection.close()


def _checked(url: str) -> str:
    """The URL with settings added. Raises ValueError if it is not understood."""
    if not url.startswith("postgresql://"):
        raise ValueError(f"The target {url!r} is not the URL of a database, {EXAMPLE}.")
    try:
        parts = urlsplit(url)
        given = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        if "," not in parts.netloc:  # libpq takes several hosts
            parts.port  # noqa: B018 - raises where it is no number
    except ValueError as error:
        raise ValueError(f"The target {url!r} is not understood ({error}), {EXAMPLE}.") from error
    if parts.password is not None or given.keys() & {"password", "sslpassword"}:
        raise ValueError(
            "The URL contains a password; leave it out, and set PGPASSWORD or use ~/.pgpass."
        )
    added = [f"{name}={value}" for name, value in SETTINGS.items() if name not in given]
    query = "&".join([*filter(None, [parts.query]), *added])
    # urlunsplit leaves out the slashes where no host is named.
    return f"postgresql://{parts.netloc}{parts.path}?{query}"
