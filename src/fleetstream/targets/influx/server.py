"""An InfluxDB server: its version, its HTTP API, and the credentials for it.

Versions differ in paths, in how a token is sent, and in how they describe refused lines (InfluxDB's
API references of versions 1, 2 and 3).
"""

import json
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlencode

from fleetstream.targets.authorization import authorization
from fleetstream.targets.endpoint import http_url
from fleetstream.targets.http import NOT_UNDERSTOOD, HttpAnswer, HttpClient, described, foreign
from fleetstream.targets.sink import TargetUnusable, TimeWindow, Unavailable
from fleetstream.targets.victoria_metrics import window_of

VERSIONS = (1, 2, 3)

MAX_ANSWER = 2**30
"""Bytes of an answer to a query that are accepted; a slice of a table is far smaller."""

_SCHEMES = {2: "Token", 3: "Bearer"}


@dataclass(frozen=True, slots=True)
class InfluxDatabase:
    """A database (in version 2 a bucket) of a server; ``version`` None where it is to be found."""

    url: str
    name: str
    organisation: str | None = None
    version: int | None = None


def influx_database(url: str, name: str | None) -> InfluxDatabase:
    """The database of that name at a URL. Raises ValueError if the URL is not understood."""
    example = "for example influx:http://127.0.0.1:8086"
    parts = http_url(url)
    if parts is None:
        raise ValueError(f"The target 'influx:{url}' needs the URL of a server, {example}.")
    if parts.username or parts.password or {"u", "p", "token"} & parse_qs(parts.query).keys():
        raise ValueError(
            "The URL contains a user name, password or token; leave it out, and set INFLUX_TOKEN "
            "or INFLUX_USERNAME and INFLUX_PASSWORD."
        )
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if query.keys() - {"org", "version"}:
        unknown = min(query.keys() - {"org", "version"})
        raise ValueError(f"The URL can have the parameters org and version, but not {unknown!r}.")
    if query.get("version", "1") not in map(str, VERSIONS):
        raise ValueError(f"There is no version {query['version']!r} of InfluxDB; name 1, 2 or 3.")
    if not name:
        raise ValueError(
            "InfluxDB needs --database-name: the database, or in version 2 the bucket."
        )
    version = int(query["version"]) if "version" in query else None
    base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
    return InfluxDatabase(base, name, query.get("org"), version)


class InfluxServer:
    """The server of a database; used from several threads.

    Credentials come from INFLUX_TOKEN, from the file that INFLUX_TOKEN_FILE names, or from
    INFLUX_USERNAME and INFLUX_PASSWORD.
    """

    def __init__(self, database: InfluxDatabase) -> None:
        self.database = database
        self.http = HttpClient(max_answer=MAX_ANSWER)
        self.window: TimeWindow | None = None
        """The timestamps that the server keeps; only VictoriaMetrics says so."""
        self._authorization: dict[str, str] = {}

    @property
    def name(self) -> str:
        """The database and its address, for people."""
        return f"InfluxDB, {self.database.name} at {self.database.url}"

    @property
    def is_victoria_metrics(self) -> bool:
        """Whether it is VictoriaMetrics, known once the server is open."""
        return self.window is not None

    @property
    def version(self) -> int:
        """The version, known once the server is open."""
        return self.database.version or VERSIONS[0]

    def open(self) -> None:
        """Find out the version and check that the database can be used. Raises TargetUnusable.

        VictoriaMetrics takes what version 1 takes, and has no databases: their name is a label.
        """
        try:
            self.database = replace(self.database, version=self._found_version())
            self._authorization = authorization("INFLUX", _SCHEMES.get(self.version, "Token"))
            self._check_database()
        except Unavailable as error:
            raise TargetUnusable(
                f"The server at {self.database.url} does not answer as InfluxDB does "
                f"({described(error)}); {self._remedy()}"
            ) from error

    def write(self, body: bytes) -> HttpAnswer:
        """Write gzipped lines whose timestamps are microseconds. Raises Unavailable."""
        path, query = {
            1: ("/write", {"db": self.database.name, "precision": "u"}),
            2: ("/api/v2/write", {"bucket": self.database.name, "precision": "us"}),
            3: ("/api/v3/write_lp", {"db": self.database.name, "precision": "microsecond"}),
        }[self.version]
        if self.version == 2 and self.database.organisation:
            query["org"] = self.database.organisation
        headers = {"Content-Encoding": "gzip", "Content-Type": "text/plain; charset=utf-8"}
        url = f"{self.database.url}{path}?{urlencode(query)}"
        return self.http.exchange("POST", url, headers | self._authorization, body)

    def query(self, statement: str, accept: str = "application/json") -> HttpAnswer:
        """Query in InfluxQL, which all versions accept at this path. Raises Unavailable."""
        query = {"db": self.database.name, "q": statement, "epoch": "u"}
        url = f"{self.database.url}/query?{urlencode(query)}"
        return self.http.exchange("GET", url, {"Accept": accept} | self._authorization)

    def refusal(self, answer: HttpAnswer) -> str | None:
        """The error message of an answer that no retry mends; None for any other answer."""
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            return (
                f"InfluxDB at {self.database.url} refuses the credentials for "
                f"{self.database.name!r}; set INFLUX_TOKEN or INFLUX_TOKEN_FILE, or for version "
                "1 INFLUX_USERNAME and INFLUX_PASSWORD."
            )
        if answer.status == HTTPStatus.NOT_FOUND:
            return f"InfluxDB at {self.database.url} has no {self._noun} {self.database.name!r}."
        return None

    @property
    def _noun(self) -> str:
        return "bucket" if self.version == 2 else "database"

    def _remedy(self) -> str:
        """What may help where the server cannot be reached."""
        if "timestream-influxdb" in self.database.url:
            return (
                "check the URL, that this machine is in the VPC of the database unless that is "
                "publicly accessible, and that its security group allows the port."
            )
        return "check the URL and the network."

    def _found_victoria_metrics(self) -> bool:
        """Whether the server has a page with VictoriaMetrics' flags; takes its window from them."""
        headers = authorization("INFLUX", "Bearer")
        answer = self.http.exchange("GET", f"{self.database.url}/flags", headers)
        self.window = window_of(answer.body.decode(errors="replace"))
        return self.is_victoria_metrics

    def _found_version(self) -> int:
        """The version that is named, else that of the server. Raises Unavailable.

        A server also has the APIs of earlier versions, but not those of later ones.
        """
        named, reported = self.database.version, self._reported_version()
        if reported is not None:
            server, latest = f"InfluxDB {reported}", int(reported.partition(".")[0])
        elif self._found_victoria_metrics():
            server, latest = "VictoriaMetrics", 2
        elif named is None:
            raise TargetUnusable(
                f"The server at {self.database.url} does not report a version of InfluxDB; check "
                "the URL, or name the version: influx:URL?version=2."
            )
        else:
            return named
        if named is not None and named > latest:
            raise TargetUnusable(
                f"The server at {self.database.url} is {server}, which has no API of InfluxDB "
                f"{named}; leave out ?version={named}."
            )
        return named or (1 if self.is_victoria_metrics else latest)

    def _reported_version(self) -> str | None:
        """The version that the server reports, such as 2.7.1; None where it reports none."""
        answer = self.http.exchange("GET", f"{self.database.url}/ping", {}, with_headers=True)
        other = foreign(answer)
        if other:
            raise Unavailable(NOT_UNDERSTOOD, other)
        text = answer.headers.get("x-influxdb-version", "").removeprefix("v")
        return text if text.partition(".")[0] in map(str, VERSIONS) else None

    def _check_database(self) -> None:
        """Raises TargetUnusable where the database does not exist or cannot be used.

        Version 3 creates databases when they are written to, and VictoriaMetrics has none.
        """
        if self.version == 1:
            answer = self.query("SHOW DATABASES")
            names = [row[0] for row in _rows(answer)] if answer.status == HTTPStatus.OK else []
            create = f'CREATE DATABASE "{self.database.name}"'
            remedy = f"create it with: influx -execute '{create}'"
        elif self.version == 2:
            query = {"name": self.database.name}
            if self.database.organisation:
                query["org"] = self.database.organisation
            url = f"{self.database.url}/api/v2/buckets?{urlencode(query)}"
            answer = self.http.exchange("GET", url, self._authorization)
            listed = json_object(answer).get("buckets") or []
            names = [each.get("name") for each in listed if isinstance(each, dict)]
            remedy = f"create it with: influx bucket create --name {self.database.name}"
        else:
            return
        refusal = self.refusal(answer) if answer.status != HTTPStatus.NOT_FOUND else None
        if refusal:
            raise TargetUnusable(refusal)
        if self.database.name not in names and not self.is_victoria_metrics:
            raise TargetUnusable(
                f"InfluxDB at {self.database.url} has no {self._noun} {self.database.name!r}; "
                f"{remedy}"
            )


def json_object(answer: HttpAnswer) -> dict[str, Any]:
    """The JSON object of an answer, empty where it is none."""
    try:
        content = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _rows(answer: HttpAnswer) -> list[list[Any]]:
    """The rows of the first series of an InfluxQL answer."""
    try:
        rows: list[list[Any]] = json_object(answer)["results"][0]["series"][0]["values"]
    except (KeyError, IndexError, TypeError):
        return []
    return rows
