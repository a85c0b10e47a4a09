"""Requests of remote write, rendered from a batch's columns.

Everything but the samples is the same whenever the same series are written. So the rows of a batch
have a :class:`_Form`: a body whose samples are blank, and where they are. Rendering copies it and
puts values and timestamps into it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetstream.generate.keys import Booleans
from fleetstream.generate.records import Indices, Records, whole_times
from fleetstream.targets.arrow_cache import ArrayCache, address
from fleetstream.targets.prometheus.encoding import SeriesEncoder
from fleetstream.targets.prometheus.naming import JOB, NAME, Metric, Naming
from fleetstream.targets.protobuf import varint
from fleetstream.targets.row_parts import series_groups

STALE = 0x7FF0000000000002
"""The bits of a staleness marker (Prometheus's "Remote-Write Specification"): a NaN of its own."""

CACHED_BYTES = 256 * 2**20
"""Bytes of forms that are kept."""

_TIME_BYTES = 6
"""Bytes of a timestamp: milliseconds until the year 2109, filled up with zeros."""

_SAMPLE = b"\x12" + bytes([10 + _TIME_BYTES]) + b"\x09" + bytes(8) + b"\x10" + bytes(_TIME_BYTES)
"""A sample with a blank value and a blank timestamp, as a field of its series."""

_VALUE_AT, _TIME_AT = 3, 12


@dataclass(slots=True)
class _Form:
    """A body without its samples: ``rows``, ``measures`` and ``slots`` are those of each sample.

    ``sizes`` has the bytes of each sample's series where each sample has a series entry of its own,
    else None. ``words`` has the beginnings of info series by row, measure and word.
    ``dictionaries`` are what it was made from: kept, so that their addresses stay theirs.
    """

    encoder: SeriesEncoder
    body: npt.NDArray[np.uint8]
    rows: Indices
    measures: Indices
    slots: Indices
    sizes: Indices | None
    dictionaries: list[pa.StringArray]
    words: dict[tuple[int, int, str], bytes] = field(default_factory=dict)


class RequestRenderer:
    """Renders rows of batches into uncompressed bodies. ``encoder`` makes one for each form."""

    def __init__(self, naming: Naming, encoder: Callable[[], SeriesEncoder]) -> None:
        self._naming = naming
        self._encoder = encoder
        self._forms = ArrayCache[_Form](CACHED_BYTES, lambda form: form.body.nbytes)

    def body(self, records: Records, rows: slice, present: Booleans | None) -> bytes:
        """The body of some rows; ``present`` (rows of the batch, measures) None if all values are.

        The samples of each series are in the order of time. A row without any value ends its
        series: it gets a staleness marker in place of each number.
        """
        metrics = [self._naming.metrics[records.kind, name] for name in records.measure_names]
        form = self._form(records, rows, metrics, grouped=present is None)
        numbers = self._numbers(form, records, rows, metrics, present)
        words = b"".join(self._words(form, records, rows, metrics, present))
        # Last, since the series of words may add symbols.
        return b"".join([form.encoder.rest(metrics), numbers, words])

    def _numbers(
        self,
        form: _Form,
        records: Records,
        rows: slice,
        metrics: list[Metric],
        present: Booleans | None,
    ) -> bytes:
        """The series of numbers, with their samples."""
        values = np.zeros((rows.stop - rows.start, len(metrics)))
        for place, metric in enumerate(metrics):
            if metric.word_label is None:
                values[:, place] = metric.scaled(_doubles(records.measure_columns[place][rows]))
        body = form.body.copy()
        samples = values[form.rows, form.measures].astype("<f8", copy=False)
        ended = np.zeros(len(samples), np.bool_)
        if not records.complete:
            ended = ~np.any(records.present[rows], axis=1, keepdims=True)[form.rows, 0]
            samples.view("<u8")[ended] = STALE
        places = form.slots[:, np.newaxis]
        body[places + np.arange(_VALUE_AT, _VALUE_AT + 8)] = samples.view(np.uint8).reshape(-1, 8)
        times = _varints(records.timestamps[rows])[form.rows]
        body[places + np.arange(_TIME_AT, _TIME_AT + _TIME_BYTES)] = times
        if present is not None and form.sizes is not None:
            kept = present[rows][form.rows, form.measures] | ended
            body = body[np.repeat(kept, form.sizes)]
        return body.tobytes()

    def _words(
        self,
        form: _Form,
        records: Records,
        rows: slice,
        metrics: list[Metric],
        present: Booleans | None,
    ) -> Iterator[bytes]:
        """The series of words, each with a sample of 1."""
        times = _varints(records.timestamps[rows]).tobytes()
        beginning = (
            _SAMPLE[:_VALUE_AT] + np.float64(1).tobytes() + _SAMPLE[_VALUE_AT + 8 : _TIME_AT]
        )
        for place, metric in enumerate(metrics):
            if metric.word_label is None:
                continue
            column = records.measure_columns[place][rows]
            dictionary = column.dictionary.to_pylist()
            trailer = form.encoder.metadata(metric)
            for row, index in enumerate(column.indices.to_pylist()):
                if index is None or (present is not None and not present[rows.start + row, place]):
                    continue
                key = row, place, dictionary[index]
                head = form.words.get(key)
                if head is None:
                    head = form.words[key] = self._word_head(form, records, rows, metric, key)
                time = times[row * _TIME_BYTES : (row + 1) * _TIME_BYTES]
                yield head + beginning + time + trailer

    def _word_head(
        self, form: _Form, records: Records, rows: slice, metric: Metric, key: tuple[int, int, str]
    ) -> bytes:
        row, _, word = key
        assert metric.word_label is not None
        labels = self._labels(records, rows.start + row) | {metric.word_label: word}
        encoded = form.encoder.labels(_sorted(labels, metric))
        size = len(encoded) + len(_SAMPLE) + len(form.encoder.metadata(metric))
        return form.encoder.entry + varint(size) + encoded

    def _form(
        self, records: Records, rows: slice, metrics: list[Metric], *, grouped: bool
    ) -> _Form:
        columns = [records.dimension(name)[rows] for name in records.dimension_names]
        key = (
            records.kind,
            grouped,
            *((address(each.dictionary), each.indices.to_numpy().tobytes()) for each in columns),
        )
        return self._forms.get(key, lambda: self._new_form(records, rows, metrics, grouped=grouped))

    def _new_form(
        self, records: Records, rows: slice, metrics: list[Metric], *, grouped: bool
    ) -> _Form:
        encoder = self._encoder()
        columns = [records.dimension(name)[rows] for name in records.dimension_names]
        if grouped:
            order, starts = series_groups(records.dimension_names, columns)
        else:
            order = np.arange(rows.stop - rows.start)
            starts = np.arange(len(order) + 1)
        parts, sizes, sample_rows, measures, slots, size = [], [], [], [], [], 0
        trailers = [encoder.metadata(metric) for metric in metrics]
        for start, stop in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
            labels = self._labels(records, rows.start + int(order[start]))
            samples = _SAMPLE * (stop - start)
            for place, metric in enumerate(metrics):
                if metric.word_label is not None:
                    continue
                encoded = encoder.labels(_sorted(labels, metric))
                length = varint(len(encoded) + len(samples) + len(trailers[place]))
                head = encoder.entry + length + encoded
                parts += [head, samples, trailers[place]]
                sample_rows.append(order[start:stop])
                measures.append(np.full(stop - start, place))
                slots.append(size + len(head) + np.arange(stop - start) * len(_SAMPLE))
                sizes.append(len(head) + len(samples) + len(trailers[place]))
                size += sizes[-1]
        return _Form(
            encoder,
            np.frombuffer(b"".join(parts), np.uint8),
            _joined(sample_rows),
            _joined(measures),
            _joined(slots),
            None if grouped else np.array(sizes, np.int64),
            [column.dictionary for column in columns],
        )

    def _labels(self, records: Records, row: int) -> dict[str, str]:
        """The labels of a row's series, without those that are empty, which Prometheus forbids."""
        words = (
            (self._naming.labels[name], records.dimension(name)[row].as_py())
            for name in records.dimension_names
        )
        return {JOB: self._naming.job} | {label: word for label, word in words if word}


def _doubles(column: pa.Array) -> npt.NDArray[np.float64]:
    """A column of numbers, truth values or times (in milliseconds); any number for a null."""
    if pa.types.is_timestamp(column.type):
        column = whole_times(column)
    elif pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    filled = column.fill_null(0) if column.null_count else column
    doubles: npt.NDArray[np.float64] = filled.to_numpy().astype(np.float64, copy=False)
    return doubles


def _sorted(labels: dict[str, str], metric: Metric) -> list[tuple[str, str]]:
    return sorted([(NAME, metric.name), *labels.items()])


def _joined(parts: list[Indices]) -> Indices:
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def _varints(timestamps: Indices) -> npt.NDArray[np.uint8]:
    """Timestamps (microseconds) as milliseconds, in varints of equal length, one per row."""
    milliseconds = timestamps // 1_000
    parts = [(milliseconds >> 7 * place) & 0x7F for place in range(_TIME_BYTES)]
    more = [part | 0x80 for part in parts[:-1]]
    return np.stack([*more, parts[-1]], axis=1).astype(np.uint8)
