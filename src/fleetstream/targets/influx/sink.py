"""Writes to InfluxDB, and finds out which lines it refuses."""

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus
from urllib.parse import urlencode

import numpy as np
import pyarrow as pa

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.records import RecordRange, Records
from fleetstream.generate.schema import kind_of, measure_fields
from fleetstream.model import DataType
from fleetstream.targets.compression import gzipped
from fleetstream.targets.http import HttpAnswer
from fleetstream.targets.influx.line_protocol import VALUE_FIELD, LineRenderer
from fleetstream.targets.influx.server import InfluxDatabase, InfluxServer, json_object
from fleetstream.targets.sink import (
    Delivery,
    Rejection,
    Request,
    TargetLost,
    Throttled,
    TimeWindow,
    Unavailable,
)

_DROPPED = re.compile(r"dropped=(\d+)")

_STORED = (HTTPStatus.OK, HTTPStatus.NO_CONTENT)

_BUSY = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)

_REFUSED = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)


class InfluxSink:
    """Writes to a database of InfluxDB, which version 2 calls a bucket.

    Writing the same point again changes nothing. A point of the same series and time with other
    values replaces the earlier one; that is InfluxDB's rule.
    """

    concurrency = None
    exclusive = False

    def __init__(
        self,
        database: InfluxDatabase,
        model: RecordModel,
        schemas: Sequence[pa.Schema],
        read_url: str | None = None,
    ) -> None:
        self.server = InfluxServer(database)
        self._read_url = (read_url or database.url).partition("?")[0].rstrip("/")
        self._model = model
        self._schemas = schemas
        self._renderer = LineRenderer()

    @property
    def name(self) -> str:
        return self.server.name

    @property
    def window(self) -> TimeWindow | None:
        return self.server.window

    @property
    def readable(self) -> bool:
        return not self.server.is_victoria_metrics

    def open(self) -> None:
        self.server.open()

    def prepare(self, batch: pa.RecordBatch) -> Iterator[Request]:
        """Requests of some thousand lines each; nothing is kept for the next batch."""
        records = Records(batch, self._model)
        for start, stop, lines in self._renderer.bodies(records):
            body = gzipped(lines)
            yield Request((RecordRange(records, start, stop),), body, len(body))

    def pause(self) -> Iterable[Request]:
        return ()

    flush = pause

    def send(self, request: Request) -> Delivery:
        """Write a request; where lines are refused, find out which by writing halves of it."""
        (records,) = request.ranges
        return Delivery(tuple(self._send(records, 0, request.payload)))

    def close(self) -> None:
        self.server.http.close()

    def query_hint(self) -> str | None:
        """A query with curl, which takes the token from the environment."""
        measure = _first_number(self._schemas)
        if measure is None:
            return None
        measurement, name = measure
        if self._model is RecordModel.SINGLE:
            measurement, name = name, VALUE_FIELD
        database = self.server.database
        if self.server.is_victoria_metrics:
            query = f'avg({{__name__="{measurement}_{name}",db="{database.name}"}})'
            address = shlex.quote(f"{self._read_url}/api/v1/query")
            return f"curl -s {address} --data-urlencode {shlex.quote(f'query={query}')}"
        query = urlencode({"db": database.name, "q": f'SELECT mean("{name}") FROM "{measurement}"'})
        header = {2: "Authorization: Token ", 3: "Authorization: Bearer "}.get(self.server.version)
        token = f' -H "{header}$INFLUX_TOKEN"' if header else ""
        return f"curl -s{token} {shlex.quote(f'{self._read_url}/query?{query}')}"

    def _send(self, records: RecordRange, offset: int, body: bytes) -> Iterator[Rejection]:
        """Write records, the first of which is the ``offset``-th of its request."""
        answer = self.server.write(body)
        if answer.status in _STORED:
            return
        refusal = self.server.refusal(answer)
        if refusal:
            raise TargetLost(refusal)
        if answer.status in _BUSY:
            raise Throttled(_reason(answer), answer.wait)
        if answer.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            yield from self._send_halves(records, offset, "the line is too long")
            return
        if answer.status not in _REFUSED:
            raise Unavailable(f"HTTP {answer.status}", _reason(answer))
        reason = _reason(answer)
        named = _named_lines(answer, len(records))
        if named is not None:
            yield from (Rejection(offset + line, why) for line, why in named.items())
        elif dropped := _outside(reason, records):
            yield from (Rejection(offset + line, _cause(reason)) for line in dropped)
        else:
            yield from self._send_halves(records, offset, _cause(reason))

    def _send_halves(self, records: RecordRange, offset: int, reason: str) -> Iterator[Rejection]:
        """Write both halves; a single record is rejected for ``reason``."""
        if len(records) == 1:
            yield Rejection(offset, reason)
            return
        middle = (records.start + records.stop) // 2
        for start, stop in ((records.start, middle), (middle, records.stop)):
            half = Records(records.records.extract(start, stop), self._model)
            lines = b"".join(lines for _, _, lines in self._renderer.bodies(half))
            part = RecordRange(half, 0, len(half))
            yield from self._send(part, offset + start - records.start, gzipped(lines))


def _first_number(schemas: Sequence[pa.Schema]) -> tuple[str, str] | None:
    """The kind and the name of the first DOUBLE measure."""
    for schema in schemas:
        for field in measure_fields(schema):
            if DataType.of(field.type) is DataType.DOUBLE:
                return kind_of(schema), field.name
    return None


def _outside(reason: str, records: RecordRange) -> list[int]:
    """The lines that a reason says were dropped, where it is known which: all, or the oldest.

    InfluxDB 1 drops points of times for which it has no shard any more. Sent again alone, it would
    also drop some that it has stored since newer points of the same shard were with them.
    """
    found = _DROPPED.search(reason)
    count = int(found[1]) if found else 0
    if count >= len(records):
        return list(range(len(records)))
    if "retention policy" not in reason:
        return []
    oldest = np.argsort(records.timestamps, kind="stable")[:count]
    return sorted(oldest.tolist())


def _reason(answer: HttpAnswer) -> str:
    """The error message of an answer, or its status."""
    content = json_object(answer)
    text = content.get("error") or content.get("message")
    return text if isinstance(text, str) else f"HTTP {answer.status}"


def _cause(reason: str) -> str:
    """A reason without what differs from line to line, so that rejections can be counted by it."""
    return _DROPPED.sub("", reason).removeprefix("partial write: ").strip()


def _named_lines(answer: HttpAnswer, lines: int) -> dict[int, str] | None:
    """The lines that version 3 lists as refused, from 0, with reasons; None where it lists none."""
    try:
        listed = json_object(answer)["data"]
        named = {int(each["line_number"]) - 1: str(each["error_message"]) for each in listed}
    except (ValueError, KeyError, TypeError):
        return None
    return named if named and all(0 <= line < lines for line in named) else None
