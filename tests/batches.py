"""Batches of any values, for properties that must hold beyond what the fleet emits."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import strategies as st

from fleetstream.fleet import DIMENSIONS, Fleet, Kind
from fleetstream.measures import DataType, Measure, measures_of
from fleetstream.generate.records import batch_schema
from fleetstream.workload import Workload
from tests.telemetry import TIMESTAMP

WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
TIMES = st.integers(0, 2**32).map(lambda second: second * 1_000_000) | st.integers(0, 2**52)


def _numbers(measure: Measure) -> st.SearchStrategy[float] | st.SearchStrategy[int]:
    """Numbers of the measure's decimals, near and far, and the very largest."""
    if measure.type is DataType.BIGINT:
        return st.integers(-(2**63), 2**63 - 1) | st.integers(-10_001, 100_001)
    scale = 10**measure.decimals
    exact = st.integers(-10_001, 100_001) | st.integers(-(2**50), 2**50)
    return exact.map(lambda number: number / scale) | st.sampled_from([1e300, -1e22, 1e16])


@st.composite
def batches(
    draw: st.DrawFn, kinds: tuple[Kind, ...] = tuple(Kind), rows: int = 30
) -> pa.RecordBatch:
    """A batch of up to ``rows`` series with any words, numbers and gaps, at one timestamp."""
    kind = draw(st.sampled_from(kinds))
    count = draw(st.integers(1, rows))
    columns: list[pa.Array] = []
    for _ in DIMENSIONS[kind]:
        words = draw(st.lists(WORDS, min_size=1, max_size=3, unique=True))
        columns.append(_words(draw, words, count))
    columns.append(pa.array(np.full(count, draw(TIMES)).view("datetime64[us]")))
    for measure in measures_of(kind):
        gaps = draw(st.sampled_from(["none", "some", "all"]))
        if measure.type is DataType.VARCHAR:
            column = _words(draw, draw(st.lists(WORDS, min_size=1, max_size=3, unique=True)), count)
        else:
            pool = draw(st.lists(_numbers(measure), min_size=1, max_size=4))
            picked = draw(st.lists(st.sampled_from(pool), min_size=count, max_size=count))
            column = pa.array(picked, batch_schema(kind).field(measure.name).type)
        columns.append(_with_gaps(draw, column, gaps))
    return pa.RecordBatch.from_arrays(columns, schema=batch_schema(kind))


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
    kind: Kind, missing_cpu: float = 0.0, host_scale: int = 1
) -> list[pa.RecordBatch]:
    """The batches of a kind that one region emits in a sweep."""
    workload = Workload(Fleet(host_scale, ["us-west-1"]), 17, missing_cpu=missing_cpu)
    return [workload.batch(block, TIMESTAMP) for block in workload.blocks if block.kind is kind]
