"""InfluxDB, versions 1, 2 and 3: gzipped line protocol over HTTP."""

import json
import re
import shlex
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from urllib.parse import urlencode

import pyarrow as pa
from isal import isal_zlib

from fleetstream.generate.records import RecordModel, Records
from fleetstream.targets.sink import (
    Delivery,
    Part,
    Rejection,
    Request,
    TargetLost,
    Throttled,
    Unavailable,
)
from fleetstream.targets.connection import Answer
from fleetstream.targets.influx.lines import Lines
from fleetstream.targets.influx.server import Place, Server

LEVEL = 1
"""Of compression: higher ones take longer than sending what they would save."""

_GZIP = 31
"""The window bits that ask zlib for gzip."""

_DROPPED = re.compile(r"dropped=(\d+)")

_STORED = (HTTPStatus.OK, HTTPStatus.NO_CONTENT)

_PATIENCE = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)

_REFUSED = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)


class InfluxSink:
    """Writes to a database of InfluxDB, or in version 2 to a bucket.

    A point that is written again replaces itself, so writing twice is safe; a point of the same
    series and time with another value replaces the one before, which is InfluxDB's own rule.
    """

    concurrency = None
    exclusive = False
    window = None

    def __init__(self, place: Place, model: RecordModel) -> None:
        self.server = Server(place)
        self._model = model
        self._lines = Lines()

    @property
    def name(self) -> str:
        """The database and where it is."""
        return f"InfluxDB, {self.server.place.database} at {self.server.place.url}"

    def open(self) -> None:
        """See whether the database is there."""
        self.server.open()

    def prepare(self, batch: pa.RecordBatch) -> Iterator[Request]:
        """Requests of some thousand lines."""
        records = Records(batch, self._model)
        for start, stop, lines in self._lines.bodies(records):
            body = isal_zlib.compress(lines, LEVEL, _GZIP)
            yield Request((Part(records, start, stop),), body, len(body))

    def pause(self) -> Iterable[Request]:
        """Nothing, since nothing is kept."""
        return ()

    flush = pause

    def send(self, request: Request) -> Delivery:
        """Write a request; where lines of it are refused, find out which."""
        (part,) = request.parts
        return Delivery(tuple(self._send(part, 0, request.payload)))

    def close(self) -> None:
        """Close this thread's connection."""
        self.server.connections.drop()

    def query_hint(self) -> str | None:
        """A query with curl; what it needs of a token is left to be said."""
        field, name = (
            ("value", "cpu_user")
            if self._model is RecordModel.SINGLE
            else (
                "cpu_user",
                "metrics",
            )
        )
        place = self.server.place
        query = urlencode({"db": place.database, "q": f"SELECT mean({field}) FROM {name}"})
        header = {2: "Authorization: Token ", 3: "Authorization: Bearer "}.get(self.server.version)
        token = f' -H "{header}$INFLUX_TOKEN"' if header else ""
        return f"curl -s{token} {shlex.quote(f'{place.url}/query?{query}')}"

    def _send(self, part: Part, first: int, body: bytes) -> Iterator[Rejection]:
        """What is refused of a part, whose first record is the ``first``-th of its request."""
        answer = self.server.write(body)
        if answer.status in _STORED:
            return
        refusal = self.server.refusal(answer)
        if refusal:
            raise TargetLost(refusal)
        if answer.status in _PATIENCE:
            raise Throttled(_reason(answer), _wait(answer))
        if answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            yield from self._halves(part, first, "the line is too long")
            return
        if answer.status not in _REFUSED:
            raise Unavailable(f"HTTP {answer.status}", _reason(answer))
        reason = _reason(answer)
        named = _named_lines(answer, len(part))
        if named is not None:
            yield from (Rejection(first + line, why) for line, why in named.items())
        elif (dropped := _DROPPED.search(reason)) and int(dropped[1]) >= len(part):
            yield from (Rejection(first + line, _kind(reason)) for line in range(len(part)))
        else:
            yield from self._halves(part, first, _kind(reason))

    def _halves(self, part: Part, first: int, reason: str) -> Iterator[Rejection]:
        """Send the halves of a part one by one; a single record is refused for ``reason``."""
        if len(part) == 1:
            yield Rejection(first, reason)
            return
        middle = (part.start + part.stop) // 2
        for start, stop in ((part.start, middle), (middle, part.stop)):
            half = Records(part.records.extract(start, stop), self._model)
            lines = b"".join(lines for _, _, lines in self._lines.bodies(half))
            body = isal_zlib.compress(lines, LEVEL, _GZIP)
            yield from self._send(Part(half, 0, len(half)), first + start - part.start, body)


def _reason(answer: Answer) -> str:
    """What an answer says of why, in its own words."""
    try:
        content = json.loads(answer.body)
    except (ValueError, RecursionError):
        content = None
    if isinstance(content, dict):
        text = content.get("error") or content.get("message")
        if isinstance(text, str):
            return text
    return f"HTTP {answer.status}"


def _kind(reason: str) -> str:
    """A reason without what differs from line to line, to be counted by."""
    return _DROPPED.sub("", reason).removeprefix("partial write: ").strip()


def _wait(answer: Answer) -> float:
    """Seconds that an answer asks to wait."""
    text = answer.headers.get("Retry-After", "")
    return min(float(text), 300.0) if text.isdecimal() else 0.0


def _named_lines(answer: Answer, lines: int) -> dict[int, str] | None:
    """The lines that version 3 says it refused, from 0, and why; None where it does not say."""
    try:
        listed = json.loads(answer.body)["data"]
        named = {int(each["line_number"]) - 1: str(each["error_message"]) for each in listed}
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return named if named and all(0 <= line < lines for line in named) else None
