"""Batches of any values, for properties that must hold beyond what the fleet emits."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import strategies as st

from fleetstream.generate.records import TimestampValues
from fleetstream.generate.schema import batch_schema
from fleetstream.model import DataType, Measure
from tests.telemetry import KINDS, MODEL, SECOND, STATES, TIMESTAMP, TYPED, generator

WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
TIMES = st.integers(0, 2**32).map(lambda second: second * SECOND) | st.integers(0, 2**52)


def _numbers(measure: Measure) -> st.SearchStrategy[float] | st.SearchStrategy[int]:
    """Numbers of the measure's decimals, near and far, and the very largest; truth; times."""
    if measure.type is DataType.BOOLEAN:
        return st.booleans()
    if measure.type is DataType.TIMESTAMP:
        return TIMES.map(lambda time: time // 1_000 * 1_000)
    if measure.type is DataType.BIGINT:
        return st.integers(-(2**63), 2**63 - 1) | st.integers(-10_001, 100_001)
    scale = 10**measure.decimals
    exact = st.integers(-10_001, 100_001) | st.integers(-(2**50), 2**50)
    return exact.map(lambda number: number / scale) | st.sampled_from([1e300, -1e22, 1e16])


@st.composite
def batches(
    draw: st.DrawFn, kinds: tuple[str, ...] = (*KINDS, STATES), rows: int = 30, times: int = 3
) -> pa.RecordBatch:
    """A batch of up to ``rows`` rows at up to ``times`` timestamps, with any words and gaps."""
    kind = draw(st.sampled_from(kinds))
    model = TYPED if kind == STATES else MODEL
    schema = batch_schema(model, kind)
    count = draw(st.integers(1, rows))
    columns: list[pa.Array] = []
    for _ in model.kinds[kind].dimensions:
        words = draw(st.lists(WORDS, min_size=1, max_size=3, unique=True))
        columns.append(_words(draw, words, count))
    stamps = draw(st.lists(TIMES, min_size=1, max_size=times))
    picked = draw(st.lists(st.sampled_from(stamps), min_size=count, max_size=count))
    columns.append(pa.array(np.sort(np.array(picked)).view("datetime64[us]")))
    for measure in model.kinds[kind].measures:
        gaps = draw(st.sampled_from(["none", "some", "all"]))
        if measure.type is DataType.VARCHAR:
            column = _words(draw, draw(st.lists(WORDS, min_size=1, max_size=3, unique=True)), count)
        else:
            pool = draw(st.lists(_numbers(measure), min_size=1, max_size=4))
            values = draw(st.lists(st.sampled_from(pool), min_size=count, max_size=count))
            column = pa.array(values, measure.type.arrow)
        columns.append(_with_gaps(draw, column, gaps))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _words(draw: st.DrawFn, words: list[str], count: int) -> pa.DictionaryArray:
    indices = draw(st.lists(st.integers(0, len(words) - 1), min_size=count, max_size=count))
    return pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), pa.array(words))


def _with_gaps(draw: st.DrawFn, column: pa.Array, gaps: str) -> pa.Array:
    if gaps == "none":
        return column
    count = len(column)
    gap = st.just(True) if gaps == "all" else st.booleans()
    mask = draw(st.lists(gap, min_size=count, max_size=count))
    if isinstance(column, pa.DictionaryArray):
        holed = _holed(column.indices, mask)
        return pa.DictionaryArray.from_arrays(holed, column.dictionary)
    return _holed(column, mask)


def _holed(column: pa.Array, mask: list[bool]) -> pa.Array:
    return pc.if_else(pa.array(mask), pa.scalar(None, column.type), column)


def fleet_batches(
    kind: str, missing_percent: float = 0.0, host_scale: int = 1, times: int = 1
) -> list[pa.RecordBatch]:
    """The batches of a kind that one region emits at ``times`` timestamps, one second apart."""
    made = generator(host_scale, 17, ["us-west-1"], missing_percent=missing_percent)
    stamps = range(TIMESTAMP, TIMESTAMP + times * SECOND, SECOND)
    return [made.batch(chunk, stamps) for chunk in made.chunks if chunk.kind == kind]


def counted(counts: TimestampValues) -> Counter[int]:
    """Values by timestamp, each of which is there once."""
    total = Counter[int]()
    for timestamp, values in zip(counts.timestamps.tolist(), counts.values.tolist(), strict=True):
        total[timestamp] += values
    return total
