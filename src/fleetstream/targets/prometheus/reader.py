"""Reads samples back: by VictoriaMetrics' export API where there is one, else by Prometheus's."""

from collections.abc import Iterator, Sequence
from http import HTTPStatus
from itertools import chain

import duckdb
import msgspec
import numpy as np
import pyarrow as pa

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.schema import TIME
from fleetstream.model import DataType
from fleetstream.targets.columns import MEASURE_NAME, TableColumns, quoted
from fleetstream.targets.http import HttpAnswer, described
from fleetstream.targets.prometheus.naming import JOB, NAME, Metric, Naming
from fleetstream.targets.prometheus.server import PrometheusServer, reason
from fleetstream.targets.sink import TargetUnusable, Unavailable

_LATEST_MS = 4_102_444_800_000
"""The year 2100, in milliseconds: after all samples."""

_MILLISECOND = 1_000
"""Microseconds."""

_OWNER, _KIND, _MEASURE = "__owner", "__kind", "__measure"
"""Columns of :func:`_tables`, with names that no dimension or measure has."""

_SOURCES = {
    DataType.DOUBLE: "number",
    DataType.BIGINT: "whole",
    DataType.VARCHAR: "word",
    DataType.BOOLEAN: "truth",
    DataType.TIMESTAMP: f"make_timestamp(whole * {_MILLISECOND})",
}
"""What values of each type are, over the columns of :func:`_tables`."""


class _Exported(msgspec.Struct):
    """A line of VictoriaMetrics' ``/api/v1/export``; timestamps are milliseconds."""

    metric: dict[str, str]
    values: list[float | None]
    timestamps: list[int]


class _Queried(msgspec.Struct):
    """A series of Prometheus's ``/api/v1/query``: samples are seconds and texts of numbers."""

    metric: dict[str, str]
    values: list[tuple[float, float]]


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
        owners, samples = _tables(self._naming, self._series(begin, end))
        self.connection.register("owners", owners)
        self.connection.register("samples", samples)
        values = ", ".join(
            f"{self._value(name)} AS {quoted(name)}" for name in self._columns.values
        )
        if self._model is RecordModel.SINGLE:
            name = _MEASURE
            records = f"SELECT {_OWNER}, {_MEASURE}, {TIME}, {values} FROM samples"
        else:
            name = _KIND
            # A sample that is there twice makes a second record.
            number = f"row_number() OVER (PARTITION BY {_OWNER}, {TIME}, {_MEASURE}) AS __nth"
            records = (
                f"SELECT {_OWNER}, {TIME}, {values} FROM (SELECT *, {number} FROM samples) "
                f"GROUP BY {_OWNER}, {TIME}, __nth"
            )
        columns = ", ".join(
            f"{name} AS {quoted(each)}" if each == MEASURE_NAME else quoted(each)
            for each in self._columns.all
        )
        return f"SELECT {columns} FROM ({records}) JOIN owners USING ({_OWNER})"

    def close(self) -> None:
        self._server.http.close()
        self.connection.close()

    def _value(self, column: str) -> str:
        """The expression for a column of values, over the columns of :func:`_tables`."""
        source = _SOURCES[DataType(self._columns.values[column])]
        if self._model is RecordModel.SINGLE:
            return source
        measure = column.replace("'", "''")
        return f"any_value({source}) FILTER ({_MEASURE} = '{measure}')"

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
        # msgspec reads all texts of numbers that Prometheus writes but this one.
        body = answer.body.replace(b',"+Inf"]', b',"Inf"]')
        # Not strict, so that texts are numbers.
        found = msgspec.json.decode(body, type=_QueryAnswer, strict=False)
        for series in found.data.result:
            numbers = np.fromiter(chain.from_iterable(series.values), np.float64)
            yield series.metric, np.rint(numbers[::2] * 1e3).astype(np.int64), numbers[1::2]

    def _get(self, path: str, query: dict[str, str]) -> HttpAnswer:
        try:
            return self._server.get(path, query)
        except Unavailable as error:
            raise TargetUnusable(
                f"The server at {self._server.base} cannot be queried: {described(error)}."
            ) from error

    def _checked(self, answer: HttpAnswer) -> HttpAnswer:
        if answer.status != HTTPStatus.OK:
            raise TargetUnusable(
                f"The server at {self._server.base} cannot be queried: HTTP {answer.status}, "
                f"{reason(answer)}"
            )
        return answer


def _tables(
    naming: Naming, series: Iterator[tuple[dict[str, str], np.ndarray, np.ndarray]]
) -> tuple[pa.Table, pa.Table]:
    """Owners of series (a number, the dimensions and the kind), and samples.

    Samples have their owner's number, their time and measure, and the value by its type. A series
    that is none of the fleet's has its metric's name as kind and as measure.
    """
    owners: dict[tuple[str | None, ...], int] = {}
    numbers: list[int] = []
    measures: list[str | None] = []
    words: list[str | None] = []
    types: list[DataType] = []
    times: list[np.ndarray] = []
    values: list[np.ndarray] = []
    for labels, stamps, samples in series:
        metric = naming.metric_of(labels)
        name = labels.get(NAME)
        owner = (metric.kind if metric else name, *map(labels.get, naming.dimensions))
        numbers.append(owners.setdefault(owner, len(owners)))
        measures.append(metric.measure if metric else name)
        words.append(_word(metric, labels))
        types.append(metric.data_type if metric else DataType.DOUBLE)
        times.append(stamps)
        values.append(metric.original(samples) if metric else samples)
    each = np.repeat(np.arange(len(times)), [len(stamps) for stamps in times])
    columns = {
        _OWNER: pa.array(np.array(numbers, np.int32)[each]),
        TIME: pa.array(_joined(times, np.int64)).cast(pa.timestamp("us")),
        _MEASURE: _words(measures).take(pa.array(each)),
        "word": _words(words).take(pa.array(each)),
        **_numbers(_joined(values, np.float64), np.array(types, object)[each]),
    }
    listed = {_OWNER: pa.array(range(len(owners)), pa.int32())}
    for place, column in enumerate((_KIND, *naming.dimensions.values())):
        listed[column] = _words([owner[place] for owner in owners])
    return pa.table(listed), pa.table(columns)


def _numbers(values: np.ndarray, types: np.ndarray) -> dict[str, pa.Array]:
    """Values by their type; one that no value of its type is written as is null, so it differs."""
    whole = np.isin(types, (DataType.BIGINT, DataType.TIMESTAMP)) & (values == np.rint(values))
    truth = (types == DataType.BOOLEAN) & np.isin(values, (0, 1))
    return {
        "number": pa.array(values, mask=types != DataType.DOUBLE),
        "whole": pa.array(np.where(whole, values, 0).astype(np.int64), mask=~whole),
        "truth": pa.array(values == 1, mask=~truth),
    }


def _words(words: Sequence[str | None]) -> pa.DictionaryArray:
    return pa.array(words, pa.string()).dictionary_encode()


def _word(metric: Metric | None, labels: dict[str, str]) -> str | None:
    """The value of an info series, None for a series of numbers."""
    return labels.get(metric.word_label, "") if metric and metric.word_label else None


def _joined(arrays: list[np.ndarray], kind: type) -> np.ndarray:
    return np.concatenate(arrays) if arrays else np.empty(0, kind)
