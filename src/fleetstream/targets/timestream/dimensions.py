"""Dimensions: what requests share of them, what records state themselves, and their sizes.

All this depends on the series alone and is the same in every batch of the same series, so it is
computed once per batch of series and cached.
"""

import json
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fleetstream.generate.records import Indices, Records
from fleetstream.targets.arrow_cache import ArrayCache, address
from fleetstream.targets.texts import Texts, padded
from fleetstream.targets.timestream.packing import Flags, Packing

CACHED_BYTES = 128 * 2**20
"""Bytes of cached dimension sets: enough for some hundred thousand series."""


@dataclass(frozen=True, slots=True)
class DimensionSets:
    """The dimensions of packed records.

    ``own`` has the JSON of what each segment states itself, with a comma behind it, and
    ``own_bytes`` its metered size; ``common`` has the JSON of what each request shares, without a
    comma, and ``common_bytes`` its metered size. ``columns`` are the arrays they were made from:
    kept, so that their addresses stay theirs.
    """

    own: Texts
    own_bytes: Indices
    common: list[str]
    common_bytes: Indices
    columns: list[pa.DictionaryArray]

    @property
    def nbytes(self) -> int:
        """About how much memory they take."""
        indices: int = sum(column.indices.nbytes for column in self.columns)
        return self.own.nbytes + self.own_bytes.nbytes + sum(map(len, self.common)) + indices


class DimensionCache:
    """Dimension sets of batches, by the arrays of their dimensions."""

    def __init__(self) -> None:
        self._sets = ArrayCache[DimensionSets](CACHED_BYTES, lambda sets: sets.nbytes)

    def of(self, packing: Packing) -> DimensionSets:
        """The dimension sets of packed records, cached where no record is missing."""
        if not packing.regular:
            return dimension_sets(packing)
        columns = _columns(packing.records)
        key = (
            packing.count,
            *((address(column.dictionary), address(column.indices)) for column in columns),
        )
        return self._sets.get(key, lambda: dimension_sets(packing))


def dimension_sets(packing: Packing) -> DimensionSets:
    """The dimension sets of packed records."""
    records = packing.records
    columns = _columns(records)
    requests, segments = len(packing.starts), len(packing.segment_rows)
    first_rows = packing.rows[packing.starts]
    pieces, own_bytes = [], np.zeros(segments, np.int64)
    common: list[list[str]] = [[] for _ in range(requests)]
    common_bytes = np.zeros(requests, np.int64)
    all_common = np.ones(segments, np.bool_)
    for name, column in zip(records.dimension_names, columns, strict=True):
        words, sizes = _rendered(name, column.dictionary)
        indices = column.indices.to_numpy()
        own, first = indices[packing.segment_rows], indices[first_rows]
        shared = packing.unchanged(indices)
        in_common = shared[packing.segment_requests]
        all_common &= in_common
        pieces.append(words.take(pa.array(own, mask=in_common)))
        own_bytes += np.where(in_common, 0, sizes[own])
        common_bytes += np.where(shared, sizes[first], 0)
        shared_words = words.take(pa.array(first[shared])).to_pylist()
        for request, word in zip(np.flatnonzero(shared).tolist(), shared_words, strict=True):
            common[request].append(word)
    return DimensionSets(
        own=padded(_joined(pieces, all_common), " "),
        own_bytes=own_bytes,
        common=[f'"Dimensions":[{",".join(each)}]' if each else "" for each in common],
        common_bytes=common_bytes,
        columns=columns,
    )


def _columns(records: Records) -> list[pa.DictionaryArray]:
    return [records.dimension(name) for name in records.dimension_names]


def _rendered(name: str, dictionary: pa.StringArray) -> tuple[pa.StringArray, Indices]:
    """The words of a dimension as JSON with its name, and their metered sizes."""
    start = f'{{"Name":{json.dumps(name)},"Value":'
    words = [f"{start}{json.dumps(word)}}}" for word in dictionary.to_pylist()]
    sizes = len(name.encode()) + pc.binary_length(dictionary).to_numpy().astype(np.int64)
    return pa.array(words, pa.string()), sizes


def _joined(pieces: list[pa.StringArray], empty: Flags) -> pa.StringArray:
    """The JSON of each segment's own dimensions from its pieces.

    ``empty`` segments have none, and are left out of the join: Arrow returns null where all pieces
    are null.
    """
    filled = pa.array(~empty)
    text = pc.binary_join_element_wise(
        *(piece.filter(filled) for piece in pieces), ",", null_handling="skip"
    )
    text = pc.binary_join_element_wise('"Dimensions":[', text, "],", "")
    return pc.replace_with_mask(pa.array([""] * len(empty)), filled, text)
