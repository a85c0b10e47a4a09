"""The server: which version of InfluxDB it is, how it is asked, and who asks.

Versions differ in paths, in how a token is sent, and in what they say of lines that they refuse
(InfluxDB's API references of versions 1, 2 and 3).
"""

import base64
import json
import os
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from fleetstream.targets.sink import TargetUnusable, Unavailable
from fleetstream.targets.connection import Answer, Connections

VERSIONS = (1, 2, 3)

MAX_ANSWER = 2**30
"""Bytes of an answer to a query, at most; a slice of a table is far smaller."""

_SCHEMES = {2: "Token", 3: "Bearer"}


@dataclass(frozen=True, slots=True)
class Place:
    """A database (in version 2 a bucket) of a server; ``version`` None where it is to be found."""

    url: str
    database: str
    organisation: str | None = None
    version: int | None = None


def place(url: str, database: str | None) -> Place:
    """The place that a URL and an option name; raises :class:`ValueError` with a sentence."""
    example = "for example influx:http://127.0.0.1:8086"
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise ValueError(f"The target 'influx:{url}' needs the URL of a server, {example}.")
    if parts.username or parts.password or {"u", "p", "token"} & parse_qs(parts.query).keys():
        raise ValueError(
            "The URL carries a user name, password or token; leave it out, and set INFLUX_TOKEN or "
            "INFLUX_USERNAME and INFLUX_PASSWORD."
        )
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if query.keys() - {"org", "version"}:
        unknown = min(query.keys() - {"org", "version"})
        raise ValueError(f"The URL may say org and version behind its '?', but says {unknown!r}.")
    if query.get("version", "1") not in map(str, VERSIONS):
        raise ValueError(f"There is no version {query['version']!r} of InfluxDB; name 1, 2 or 3.")
    if not database:
        raise ValueError(
            "InfluxDB needs --database-name: the database, or in version 2 the bucket."
        )
    version = int(query["version"]) if "version" in query else None
    base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
    return Place(base, database, query.get("org"), version)


class Server:
    """Talks to a server; used from several threads.

    Credentials come from INFLUX_TOKEN, from the file that INFLUX_TOKEN_FILE names, or from
    INFLUX_USERNAME and INFLUX_PASSWORD.
    """

    def __init__(self, where: Place) -> None:
        self.place = where
        self.connections = Connections(most=MAX_ANSWER)
        self._authorization: dict[str, str] = {}

    @property
    def version(self) -> int:
        """The version, once it is known."""
        return self.place.version or VERSIONS[0]

    def open(self) -> None:
        """Find out the version, and see whether the database is there; raises TargetUnusable."""
        try:
            if self.place.version is None:
                self.place = replace(self.place, version=self._found_version())
            self._authorization = _authorization(self.version)
            self._check_database()
        except Unavailable as error:
            raise TargetUnusable(
                f"InfluxDB at {self.place.url} does not answer ({error.kind}); check the URL and "
                "the network."
            ) from error

    def write(self, body: bytes) -> Answer:
        """Write gzipped lines whose timestamps are microseconds; raises Unavailable."""
        where = self.place
        path, query = {
            1: ("/write", {"db": where.database, "precision": "u"}),
            2: ("/api/v2/write", {"bucket": where.database, "precision": "us"}),
            3: ("/api/v3/write_lp", {"db": where.database, "precision": "microsecond"}),
        }[self.version]
        if self.version == 2 and where.organisation:
            query["org"] = where.organisation
        headers = {"Content-Encoding": "gzip", "Content-Type": "text/plain; charset=utf-8"}
        url = f"{where.url}{path}?{urlencode(query)}"
        return self.connections.exchange("POST", url, headers | self._authorization, body)

    def query(self, statement: str, accept: str = "application/json") -> Answer:
        """Ask in InfluxQL, which all versions understand at this path; raises Unavailable."""
        query = {"db": self.place.database, "q": statement, "epoch": "u"}
        url = f"{self.place.url}/query?{urlencode(query)}"
        return self.connections.exchange("GET", url, {"Accept": accept} | self._authorization)

    def refusal(self, answer: Answer) -> str | None:
        """Why an answer refuses the whole database, in a sentence; None if it does not."""
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return (
                f"InfluxDB at {self.place.url} refuses the credentials for "
                f"{self.place.database!r}; set INFLUX_TOKEN or INFLUX_TOKEN_FILE, or for version "
                "1 INFLUX_USERNAME and INFLUX_PASSWORD."
            )
        if answer.status == HTTPStatus.NOT_FOUND:
            return f"InfluxDB at {self.place.url} has no {self._what} {self.place.database!r}."
        return None

    @property
    def _what(self) -> str:
        return "bucket" if self.version == 2 else "database"

    def _found_version(self) -> int:
        answer = self.connections.exchange("GET", f"{self.place.url}/ping", {})
        text = answer.headers.get("X-Influxdb-Version", "").removeprefix("v")
        number = text.partition(".")[0]
        if number not in map(str, VERSIONS):
            raise TargetUnusable(
                f"What answers at {self.place.url} does not say that it is InfluxDB; check the "
                "URL, or name the version: influx:URL?version=2."
            )
        return int(number)

    def _check_database(self) -> None:
        """Raises :class:`TargetUnusable` where the database is not there, or not ours to use.

        Version 3 makes databases when they are written to.
        """
        if self.version == 1:
            answer = self.query("SHOW DATABASES")
            names = [row[0] for row in _rows(answer)] if answer.status == HTTPStatus.OK else []
            create = f'CREATE DATABASE "{self.place.database}"'
            remedy = f"create it with: influx -execute '{create}'"
        elif self.version == 2:
            query = {"name": self.place.database}
            if self.place.organisation:
                query["org"] = self.place.organisation
            url = f"{self.place.url}/api/v2/buckets?{urlencode(query)}"
            answer = self.connections.exchange("GET", url, self._authorization)
            listed = _content(answer).get("buckets") or []
            names = [each.get("name") for each in listed if isinstance(each, dict)]
            remedy = f"create it with: influx bucket create --name {self.place.database}"
        else:
            return
        refusal = self.refusal(answer) if answer.status != HTTPStatus.NOT_FOUND else None
        if refusal:
            raise TargetUnusable(refusal)
        if self.place.database not in names:
            raise TargetUnusable(
                f"InfluxDB at {self.place.url} has no {self._what} {self.place.database!r}; "
                f"{remedy}"
            )


def _authorization(version: int) -> dict[str, str]:
    """The header that says who asks; raises :class:`TargetUnusable`."""
    token = os.environ.get("INFLUX_TOKEN")
    path = os.environ.get("INFLUX_TOKEN_FILE")
    if token is None and path:
        try:
            token = Path(path).read_text().strip()
        except OSError as error:
            raise TargetUnusable(
                f"INFLUX_TOKEN_FILE names {path!r}, which can't be read: {error.strerror}."
            ) from error
    user = os.environ.get("INFLUX_USERNAME")
    if token is None and user is not None:
        pair = f"{user}:{os.environ.get('INFLUX_PASSWORD', '')}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return {} if token is None else {"Authorization": f"{_SCHEMES.get(version, 'Token')} {token}"}


def _content(answer: Answer) -> dict[str, Any]:
    """The object that an answer holds; empty where it holds none."""
    try:
        content = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _rows(answer: Answer) -> list[list[Any]]:
    """The rows of the first series of an InfluxQL answer."""
    try:
        rows: list[list[Any]] = _content(answer)["results"][0]["series"][0]["values"]
    except (KeyError, IndexError, TypeError):
        return []
    return rows
