"""Writes metrics by OTLP, and accounts for what a server does not take."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.keys import Booleans
from fleetstream.generate.records import Indices, RecordRange, Records
from fleetstream.model import DataType
from fleetstream.targets.otlp.exporter import Exporter, RequestRefused
from fleetstream.targets.otlp.naming import Kind, OtlpNaming
from fleetstream.targets.otlp.rendering import OtlpRenderer
from fleetstream.targets.row_parts import row_parts
from fleetstream.targets.sink import Delivery, Rejection, Request, TimeWindow

VALUES_PER_REQUEST = 10_000

WINDOW = TimeWindow(
    1,
    (2**63 - 1) // 1_000,
    "OTLP counts nanoseconds since 1970, of which 0 is no time, until 2262.",
)

_INCOMPLETE = "a histogram without all of its measures"


@dataclass(frozen=True, slots=True)
class _Points:
    """The data points of a batch: which there are (rows, metrics), None if all are there.

    ``metric_of`` has the metric of each measure. ``incomplete`` says of which data points some
    measures are missing, but not all; None if of none. ``ended`` says which rows have no value at
    all and end their series, whose data points of numbers are shown; None if none does.
    """

    kind: Kind
    metric_of: Indices
    shown: Booleans | None
    incomplete: Booleans | None
    ended: Booleans | None


@dataclass(frozen=True, slots=True)
class _Body:
    """What a request sends: a packed message, without the ``incomplete`` records, by index."""

    message: bytes
    points: _Points
    incomplete: Indices


class OtlpSink:
    """Writes to a server that takes OTLP.

    Whether a data point that is sent again is stored once is up to where the server keeps it.
    """

    concurrency = None
    exclusive = False
    window = WINDOW
    marks_ends = True

    def __init__(self, exporter: Exporter, naming: OtlpNaming, model: RecordModel) -> None:
        self.exporter = exporter
        self._naming = naming
        self._model = model
        self._renderer = OtlpRenderer(naming)

    @property
    def name(self) -> str:
        return f"OTLP, {self._naming.namespace} at {self.exporter.url}"

    def open(self) -> None:
        self.exporter.open()

    def prepare(self, batch: pa.RecordBatch) -> Iterator[Request]:
        """Requests of some thousand values each; nothing is kept for the next batch.

        Where series end, data points without a value say so; they are no records of the request.
        """
        records = Records(batch, self._model)
        points = self._points(records)
        for rows in row_parts(records, VALUES_PER_REQUEST):
            start, stop = np.searchsorted(records.rows, (rows.start, rows.stop)).tolist()
            if start < stop or (points.ended is not None and points.ended[rows].any()):
                part = RecordRange(records, start, stop)
                body = self._body(part, rows, points)
                yield Request((part,), body, len(body.message))

    def pause(self) -> Iterable[Request]:
        return ()

    flush = pause

    def send(self, request: Request) -> Delivery:
        """Send a request, in parts where the server finds it too large."""
        (records,) = request.ranges
        refused = self._refused(records, request.payload)
        return Delivery(tuple(Rejection(index, refused[index]) for index in sorted(refused)))

    def close(self) -> None:
        self.exporter.close()

    def query_hint(self) -> str | None:
        return None

    def _refused(self, records: RecordRange, body: _Body) -> dict[int, str]:
        """Send a body; returns the reasons by record for those that are not stored."""
        refused = dict.fromkeys(body.incomplete.tolist(), _INCOMPLETE)
        try:
            answer = self.exporter.export(body.message)
        except RequestRefused as refusal:
            middle = _middle(records) if refusal.too_large else None
            if middle is None:
                return dict.fromkeys(range(len(records)), str(refusal)) | refused
            for start, stop in ((0, middle), (middle, len(records))):
                part = self._part(records, start, stop)
                found = self._refused(part, self._whole(part))
                refused |= {start + index: reason for index, reason in found.items()}
            return refused
        if answer.rejected:
            why = f"{answer.message or 'refused'} (the server does not say which data points)"
            for index in _candidates(records, body.points, answer.rejected).tolist():
                refused.setdefault(index, why)
        return refused

    def _part(self, records: RecordRange, start: int, stop: int) -> RecordRange:
        """Some of the records alone."""
        batch = records.records.extract(records.start + start, records.start + stop)
        return RecordRange(Records(batch, self._model), 0, stop - start)

    def _whole(self, records: RecordRange) -> _Body:
        """The body of all records of a batch."""
        rows = slice(0, records.records.batch.num_rows)
        return self._body(records, rows, self._points(records.records))

    def _body(self, records: RecordRange, rows: slice, points: _Points) -> _Body:
        """The body of records, which are those of some rows."""
        message = self.exporter.packed(
            self._renderer.body(records.records, rows, points.shown, points.ended)
        )
        return _Body(message, points, _incomplete(records, points))

    def _points(self, records: Records) -> _Points:
        kind = self._naming.kinds[records.kind]
        measures = [list(metric.measures) for metric in kind.metrics]
        of = {name: place for place, names in enumerate(measures) for name in names}
        metric_of = np.array([of[name] for name in records.measure_names])
        if records.complete:
            return _Points(kind, metric_of, None, None, None)
        present = [records.present[:, metric_of == place] for place in range(len(measures))]
        shown = np.stack([each.all(axis=1) for each in present], axis=1)
        incomplete = np.stack([each.any(axis=1) for each in present], axis=1) & ~shown
        of_numbers = np.array([each.data_type is not DataType.VARCHAR for each in kind.metrics])
        ends = ~np.any(records.present, axis=1) if of_numbers.any() else None
        if ends is not None:
            shown[np.ix_(ends, of_numbers)] = True
        if not incomplete.any():
            return _Points(kind, metric_of, shown, None, ends)
        if self._model is RecordModel.MULTI:
            shown &= ~incomplete.any(axis=1, keepdims=True)
        return _Points(kind, metric_of, shown, incomplete, ends)


def _incomplete(records: RecordRange, points: _Points) -> Indices:
    """Which of the records are or have a part of an incomplete data point."""
    if points.incomplete is None:
        return np.empty(0, np.int64)
    return np.flatnonzero(_of_records(records, points, points.incomplete))


def _candidates(records: RecordRange, points: _Points, count: int) -> Indices:
    """Records, so many as so many data points can at most be in, by index.

    A server does not say which data points it refused. So no more records are counted as stored
    than are.
    """
    own = records.records.rows[records.start : records.stop]
    chosen: Booleans = np.zeros(
        (records.records.batch.num_rows, len(points.kind.metrics)), np.bool_
    )
    chosen[own] = True
    if points.shown is not None:
        chosen &= points.shown
    if records.records.model is RecordModel.MULTI:
        return np.flatnonzero(_of_records(records, points, chosen))[:count]
    sizes = np.array([len(metric.measures) for metric in points.kind.metrics])
    rows, metrics = np.nonzero(chosen)
    others = np.argsort(-sizes[metrics], kind="stable")[count:]
    chosen[rows[others], metrics[others]] = False
    return np.flatnonzero(_of_records(records, points, chosen))


def _of_records(records: RecordRange, points: _Points, flags: Booleans) -> Booleans:
    """The flags of data points (rows, metrics), by record: of its own, or any of its row."""
    part = slice(records.start, records.stop)
    rows = records.records.rows[part]
    if records.records.model is RecordModel.MULTI:
        of_rows: Booleans = np.logical_or.reduce(flags[rows], axis=1)
        return of_rows
    own: Booleans = flags[rows, points.metric_of[records.records.measures[part]]]
    return own


def _middle(records: RecordRange) -> int | None:
    """Where the records can be parted so that each row is on one side, None if it is only one."""
    rows = records.records.rows[records.start : records.stop]
    middle = rows[len(rows) // 2]
    before, after = np.searchsorted(rows, middle), np.searchsorted(rows, middle, "right")
    if before > 0:
        return int(before)
    return int(after) if after < len(rows) else None
