"""Reads samples back: by VictoriaMetrics' export API where there is one, else by Prometheus's."""

from collections.abc import Iterator, Sequence
from http import HTTPStatus

import duckdb
import msgspec
import numpy as np
import pyarrow as pa

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.schema import TIME
from fleetstream.model import DataType
from fleetstream.targets.columns import MEASURE_NAME, TableColumns, quoted
from fleetstream.targets.http import HttpAnswer
from fleetstream.targets.prometheus.naming import JOB, NAME, Metric, Naming
from fleetstream.targets.prometheus.server import PrometheusServer, reason
from fleetstream.targets.sink import TargetUnusable, Unavailable

_LATEST_MS = 4_102_444_800_000
"""The year 2100, in milliseconds: after all samples."""

_MILLISECOND = 1_000
"""Microseconds."""

_SOURCES = {
    DataType.DOUBLE: "number",
    DataType.BIGINT: "whole",
    DataType.VARCHAR: "word",
    DataType.BOOLEAN: "truth",
    DataType.TIMESTAMP: f"make_timestamp(whole * {_MILLISECOND})",
}
"""What values of each type are, over the columns of :func:`_table`."""


class _Exported(msgspec.Struct):
    """A line of VictoriaMetrics' ``/api/v1/export``; timestamps are milliseconds."""

    metric: dict[str, str]
    values: list[float | None]
    timestamps: list[int]


class _Queried(msgspec.Struct):
    """A series of Prometheus's ``/api/v1/query``: samples are seconds and texts."""

    metric: dict[str, str]
    values: list[tuple[float, str]]


class _QueryData(msgspec.Struct):
    result: list[_Queried]


class _QueryAnswer(msgspec.Struct):
    data: _QueryData


class PrometheusReader:
    """Reads the series of one job."""

    slice_values = 500_000

    def __init__(
        self,
        server: PrometheusServer,
        naming: Naming,
        model: RecordModel,
        schemas: Sequence[pa.Schema],
    ) -> None:
        self._server = server
        self._naming = naming
        self._model = model
        self._columns = TableColumns(model, tuple(schemas))
        job = naming.job.replace("\\", "\\\\").replace('"', '\\"')
        self._selector = f'{{{JOB}="{job}"}}'
        self._exports = False

    @property
    def name(self) -> str:
        return f"Prometheus, job {self._naming.job} at {self._server.base}"

    def open(self) -> None:
        """Have VictoriaMetrics make all samples visible, and find out which API there is.

        VictoriaMetrics remembers what a selector finds, so it is asked for something else here.
        """
        self._get("/internal/force_flush", {})
        query = {"match[]": f'{{{NAME}="none"}}', "start": "0", "end": "1"}
        self._exports = self._get("/api/v1/export", query).status == HTTPStatus.OK
        self.connection = duckdb.connect()

    def times_after(self, timestamp: int) -> Sequence[int]:
        times = {
            each
            for _, stamps, _ in self._series(timestamp + 1, None)
            for each in np.unique(stamps).tolist()
        }
        return sorted(times)

    def held(self, begin: int | None, end: int | None) -> str:
        """A query; samples of the multi-measure model are put together to records."""
        self.connection.register("samples", _table(self._naming, self._series(begin, end)))
        single = self._model is RecordModel.SINGLE
        listed = []
        for name in self._columns.all:
            if name == MEASURE_NAME:
                listed.append(f"{'measure' if single else 'kind'} AS {quoted(name)}")
            elif name in self._columns.key:
                listed.append(quoted(name))
            else:
                listed.append(f"{self._value(name)} AS {quoted(name)}")
        selected = f"SELECT {', '.join(listed)} FROM"
        if single:
            return f"{selected} samples"
        key = [quoted(name) for name in self._columns.key if name != MEASURE_NAME]
        # A sample that is there twice makes a second record.
        number = f"row_number() OVER (PARTITION BY {', '.join(key)}, kind, measure) AS nth"
        return f"{selected} (SELECT *, {number} FROM samples) GROUP BY {', '.join(key)}, kind, nth"

    def close(self) -> None:
        self._server.http.close()
        self.connection.close()

    def _value(self, column: str) -> str:
        """The expression for a column of values, over the columns of :func:`_table`."""
        source = _SOURCES[DataType(self._columns.values[column])]
        if self._model is RecordModel.SINGLE:
            return source
        measure = column.replace("'", "''")
        return f"any_value({source}) FILTER (measure = '{measure}')"

    def _series(
        self, begin: int | None, end: int | None
    ) -> Iterator[tuple[dict[str, str], np.ndarray, np.ndarray]]:
        """Labels, timestamps (microseconds) and values of each series in a stretch of time."""
        first = 0 if begin is None else -(-begin // _MILLISECOND)
        last = _LATEST_MS if end is None else -(-end // _MILLISECOND) - 1
        for labels, milliseconds, values in (
            self._exported(first, last) if self._exports else self._queried(first, last)
        ):
            # A staleness marker is no value; VictoriaMetrics exports it as a sample without one.
            there = (milliseconds >= first) & (milliseconds <= last) & ~np.isnan(values)
            if there.any():
                yield labels, milliseconds[there] * _MILLISECOND, values[there]

    def _exported(
        self, first: int, last: int
    ) -> Iterator[tuple[dict[str, str], np.ndarray, np.ndarray]]:
        query = {"match[]": self._selector, "start": str(first / 1e3), "end": str(last / 1e3)}
        answer = self._checked(self._get("/api/v1/export", query))
        decoder = msgspec.json.Decoder(_Exported)
        for line in answer.body.splitlines():
            series = decoder.decode(line)
            yield (
                series.metric,
                np.array(series.timestamps, np.int64),
                np.array(series.values, np.float64),
            )

    def _queried(
        self, first: int, last: int
    ) -> Iterator[tuple[dict[str, str], np.ndarray, np.ndarray]]:
        # Some versions leave out a sample at the beginning of the range.
        query = {
            "query": f"{self._selector}[{last - first + 1}ms]",
            "time": f"{last // 1_000}.{last % 1_000:03}",
        }
        answer = self._checked(self._get("/api/v1/query", query))
        for series in msgspec.json.decode(answer.body, type=_QueryAnswer).data.result:
            times = np.array([round(stamp * 1e3) for stamp, _ in series.values], np.int64)
            yield series.metric, times, np.array([float(text) for _, text in series.values])

    def _get(self, path: str, query: dict[str, str]) -> HttpAnswer:
        try:
            return self._server.get(path, query)
        except Unavailable as error:
            raise TargetUnusable(
                f"The server at {self._server.base} cannot be queried: {error.kind}."
            ) from error

    def _checked(self, answer: HttpAnswer) -> HttpAnswer:
        if answer.status != HTTPStatus.OK:
            raise TargetUnusable(
                f"The server at {self._server.base} cannot be queried: HTTP {answer.status}, "
                f"{reason(answer)}"
            )
        return answer


def _table(
    naming: Naming, series: Iterator[tuple[dict[str, str], np.ndarray, np.ndarray]]
) -> pa.Table:
    """Samples as rows: dimensions, time, kind, measure, and the value by its type.

    A series that is none of the fleet's has its metric's name as kind and as measure.
    """
    found = list(series)
    lengths = [len(times) for _, times, _ in found]
    each = pa.array(np.repeat(np.arange(len(found), dtype=np.int32), lengths))

    def repeated(words: list[str | None]) -> pa.DictionaryArray:
        return pa.array(words, pa.string()).dictionary_encode().take(each)

    metrics = [naming.metric_of(labels) for labels, _, _ in found]
    columns = {
        dimension: repeated([labels.get(label) for labels, _, _ in found])
        for label, dimension in naming.dimensions.items()
    }
    names = [labels.get(NAME) for labels, _, _ in found]
    measures = [(each.kind, each.measure) if each else None for each in metrics]
    for place, column in enumerate(("kind", "measure")):
        columns[column] = repeated(
            [each[place] if each else name for each, name in zip(measures, names, strict=True)]
        )
    times = [stamps for _, stamps, _ in found]
    columns[TIME] = pa.array(_joined(times, np.int64)).cast(pa.timestamp("us"))
    numbers = [
        samples if metric is None else metric.original(samples)
        for metric, (_, _, samples) in zip(metrics, found, strict=True)
    ]
    types = np.repeat(
        [metric.data_type if metric else DataType.DOUBLE for metric in metrics], lengths
    )
    values = _joined(numbers, np.float64)
    columns["number"] = pa.array(values, mask=types != DataType.DOUBLE)
    # A sample that no value of the type is written as has no value, so that it differs.
    whole = np.isin(types, (DataType.BIGINT, DataType.TIMESTAMP)) & (values == np.rint(values))
    columns["whole"] = pa.array(np.where(whole, values, 0).astype(np.int64), mask=~whole)
    truth = (types == DataType.BOOLEAN) & np.isin(values, (0, 1))
    columns["truth"] = pa.array(values == 1, mask=~truth)
    columns["word"] = repeated(
        [_word(metric, labels) for metric, (labels, _, _) in zip(metrics, found, strict=True)]
    )
    return pa.table(columns)


def _word(metric: Metric | None, labels: dict[str, str]) -> str | None:
    """The value of an info series, None for a series of numbers."""
    return labels.get(metric.word_label, "") if metric and metric.word_label else None


def _joined(arrays: list[np.ndarray], kind: type) -> np.ndarray:
    return np.concatenate(arrays) if arrays else np.empty(0, kind)
