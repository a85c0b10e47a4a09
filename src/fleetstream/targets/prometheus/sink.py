"""Writes by Prometheus's remote write, and finds out which samples a server refuses."""

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus

import cramjam
import numpy as np
import pyarrow as pa

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.keys import Booleans
from fleetstream.generate.records import RecordRange, Records
from fleetstream.targets.prometheus.encoding import FirstEncoder, SecondEncoder
from fleetstream.targets.prometheus.naming import LARGEST_INTEGER, Naming
from fleetstream.targets.prometheus.rendering import RequestRenderer
from fleetstream.targets.prometheus.server import PrometheusServer, reason
from fleetstream.targets.row_parts import row_parts
from fleetstream.targets.sink import (
    Delivery,
    Rejection,
    Request,
    TargetLost,
    Throttled,
    TimeWindow,
    Unavailable,
)

VALUES_PER_REQUEST = 10_000

MAX_PARTS = 200
"""Requests in which refused samples of one request are looked for, before the rest is given up."""

UNLIMITED = 2**62
"""A stretch of time that no history is longer than, in microseconds."""

_INEXACT = "a larger integer than a sample can have exactly"


@dataclass(frozen=True, slots=True)
class _Body:
    """What a request sends: a compressed message without the ``inexact`` records, by index."""

    message: bytes
    inexact: tuple[int, ...]


class PrometheusSink:
    """Writes to a server that takes remote write.

    The protocol requires the samples of a series in the order of time, so one request is sent after
    the other.
    """

    concurrency = 1
    exclusive = False
    marks_ends = True

    def __init__(self, server: PrometheusServer, naming: Naming, model: RecordModel) -> None:
        self.server = server
        self._naming = naming
        self._model = model

    @property
    def name(self) -> str:
        return f"Prometheus remote write, job {self._naming.job} at {self.server.url}"

    @property
    def window(self) -> TimeWindow | None:
        return self.server.window

    @property
    def longest_stretch(self) -> int:
        """VictoriaMetrics takes samples in any order; for others, each timestamp comes alone.

        Prometheus refuses samples that are older than the latest of their series, also those that
        it has, so a request that is sent again must have but one sample of each. It also refuses
        what is an hour older than the newest sample of any series.
        """
        return UNLIMITED if self.server.window is not None else 0

    def open(self) -> None:
        self.server.open()
        encoder = SecondEncoder if self.server.version == 2 else FirstEncoder
        self._renderer = RequestRenderer(self._naming, encoder)

    def prepare(self, batch: pa.RecordBatch) -> Iterator[Request]:
        """Requests of some thousand samples each; nothing is kept for the next batch.

        Where series end, their staleness markers are sent too; they are no records of the request.
        """
        records = Records(batch, self._model)
        for rows in row_parts(records, VALUES_PER_REQUEST):
            start, stop = np.searchsorted(records.rows, (rows.start, rows.stop)).tolist()
            if start < stop or not records.complete:
                body = self._body(records, rows, start, stop)
                yield Request((RecordRange(records, start, stop),), body, len(body.message))

    def pause(self) -> Iterable[Request]:
        return ()

    flush = pause

    def send(self, request: Request) -> Delivery:
        """Write a request; where samples are refused, find out which by writing parts of it."""
        (records,) = request.ranges
        body: _Body = request.payload
        rejections = [Rejection(index, _INEXACT) for index in body.inexact]
        found = _Search(self, records).refused(body.message)
        known = set(body.inexact)
        rejections += [each for each in found if each.index not in known]
        return Delivery(tuple(sorted(rejections, key=lambda each: each.index)))

    def close(self) -> None:
        self.server.http.close()

    def query_hint(self) -> str | None:
        """A query with curl; VictoriaMetrics and Prometheus have its API."""
        job = self._naming.job.replace("\\", "\\\\").replace('"', '\\"')
        query = shlex.quote(f'query=count by (__name__) ({{job="{job}"}})')
        return f"curl -s {shlex.quote(f'{self.server.base}/api/v1/query')} --data-urlencode {query}"

    def part(self, records: Records) -> bytes:
        """The message of all records of a batch, for a part of a request."""
        rows = slice(0, records.batch.num_rows)
        return self._body(records, rows, 0, len(records)).message

    def _body(self, records: Records, rows: slice, start: int, stop: int) -> _Body:
        """The message of the records ``[start, stop)``, which are those of some rows."""
        present = _partly_present(records)
        inexact: tuple[int, ...] = ()
        exact = _exact(records)
        if exact is not None:
            present, refused = self._without_inexact(records, exact)
            inexact = tuple((np.flatnonzero(refused[start:stop])).tolist())
        message = self._renderer.body(records, rows, present)
        return _Body(bytes(cramjam.snappy.compress_raw(message)), inexact)

    def _without_inexact(self, records: Records, exact: Booleans) -> tuple[Booleans, Booleans]:
        """The values to send, and which records have one that cannot be sent."""
        if self._model is RecordModel.MULTI:
            exact = np.broadcast_to(exact.all(axis=1, keepdims=True), exact.shape)
            return records.present & exact, ~exact[records.rows, 0]
        return records.present & exact, ~exact[records.rows, records.measures]


class _Search:
    """Writes a request, and in parts where samples of it are refused.

    A server that refuses a sample may or may not have stored others of the request; one that has
    stored a sample takes it again.
    """

    def __init__(self, sink: PrometheusSink, records: RecordRange) -> None:
        self._sink = sink
        self._records = records
        self._parts = MAX_PARTS

    def refused(self, message: bytes) -> list[Rejection]:
        """The records that are refused, by their index in the request."""
        return list(self._send(message, 0, len(self._records)))

    def _send(self, message: bytes, start: int, stop: int) -> Iterator[Rejection]:
        """Write the records ``[start, stop)`` of the request."""
        server = self._sink.server
        answer = server.write(message)
        if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return
        refusal = server.refusal(answer)
        if refusal:
            raise TargetLost(refusal)
        waits = answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR and answer.wait
        if waits or answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise Throttled(reason(answer), answer.wait)
        if not HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Unavailable(f"HTTP {answer.status}", reason(answer))
        if stop - start <= 1 or self._parts <= 0:
            yield from (Rejection(index, reason(answer)) for index in range(start, stop))
            return
        middle = (start + stop) // 2
        for first, last in ((start, middle), (middle, stop)):
            self._parts -= 1
            whole, offset = self._records.records, self._records.start
            part = Records(whole.extract(offset + first, offset + last), whole.model)
            yield from self._send(self._sink.part(part), first, last)


def _partly_present(records: Records) -> Booleans | None:
    """Which values there are; None if each row has all of them or none, as where a series ends."""
    if records.complete:
        return None
    present = records.present
    return None if (present.all(axis=1) | ~present.any(axis=1)).all() else present


def _exact(records: Records) -> Booleans | None:
    """Which values a double has exactly (rows, measures); None where it has all of them."""
    exact: Booleans | None = None
    for place, column in enumerate(records.measure_columns):
        if pa.types.is_integer(column.type):
            filled = (column.fill_null(0) if column.null_count else column).to_numpy()
            within = (filled <= LARGEST_INTEGER) & (filled >= -LARGEST_INTEGER)
            if not within.all():
                if exact is None:
                    exact = np.ones((records.batch.num_rows, len(records.measure_names)), np.bool_)
                exact[:, place] = within
    return exact
