"""Dimensions: what requests share of them, what records state themselves, and their sizes.

All this depends on the series alone and is the same in every batch of the same series, so it is
computed once per batch of series and cached.
"""

import json
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fleetstream.generate.keys import Booleans
from fleetstream.generate.records import Indices, Records
from fleetstream.targets.arrow_cache import ArrayCache, address
from fleetstream.targets.texts import Texts, padded
from fleetstream.targets.timestream.packing import MAX_RECORDS, Packing

CACHED_BYTES = 128 * 2**20
"""Bytes of cached dimension sets: enough for some hundred thousand series."""

CACHED_DICTIONARIES = 64
"""Cached dictionaries: a run needs one per dimension of each kind."""


@dataclass(frozen=True, slots=True)
class DimensionSets:
    """The dimensions of packed records.

    ``own`` has the JSON of what each segment states itself and ``common`` of what each request
    shares, both with a comma behind it; ``own_bytes`` and ``common_bytes`` have the metered sizes.
    ``dictionaries`` are what they were made from: kept, so that their addresses stay theirs.
    """

    own: Texts
    own_bytes: Indices
    common: list[str]
    common_bytes: Indices
    dictionaries: list[pa.StringArray]

    @property
    def nbytes(self) -> int:
        """About how much memory they take."""
        return self.own.nbytes + self.own_bytes.nbytes + sum(map(len, self.common))


class DimensionRenderer:
    """Computes the dimension sets of packed records, once per batch of series."""

    def __init__(self) -> None:
        self._sets = ArrayCache[DimensionSets](CACHED_BYTES, lambda sets: sets.nbytes)
        self._words = ArrayCache[_Words](CACHED_DICTIONARIES)

    def cached(self, packing: Packing) -> DimensionSets:
        """As :meth:`sets`, cached unless the packing depends on which values are missing."""
        if not packing.regular and packing.count > MAX_RECORDS:
            return self.sets(packing)
        key = (
            packing.count,
            None if packing.regular else packing.rows.tobytes(),
            *(
                (address(column.dictionary), column.indices.to_numpy().tobytes())
                for column in _columns(packing.records)
            ),
        )
        return self._sets.get(key, lambda: self.sets(packing))

    def sets(self, packing: Packing) -> DimensionSets:
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
            words = self._rendered(name, column.dictionary)
            indices = column.indices.to_numpy()
            own, first = indices[packing.segment_rows], indices[first_rows]
            shared = packing.unchanged(indices)
            in_common = shared[packing.segment_requests]
            all_common &= in_common
            pieces.append(words.json.take(pa.array(own, mask=in_common)))
            own_bytes += np.where(in_common, 0, words.sizes[own])
            common_bytes += np.where(shared, words.sizes[first], 0)
            shared_words = words.json.take(pa.array(first[shared])).to_pylist()
            for request, word in zip(np.flatnonzero(shared).tolist(), shared_words, strict=True):
                common[request].append(word)
        return DimensionSets(
            own=padded(_joined(pieces, all_common), " "),
            own_bytes=own_bytes,
            common=[f'"Dimensions":[{",".join(each)}],' if each else "" for each in common],
            common_bytes=common_bytes,
            dictionaries=[column.dictionary for column in columns],
        )

    def _rendered(self, name: str, dictionary: pa.StringArray) -> "_Words":
        def make() -> _Words:
            start = f'{{"Name":{json.dumps(name)},"Value":'
            words = [f"{start}{json.dumps(word)}}}" for word in dictionary.to_pylist()]
            sizes = pc.binary_length(dictionary).to_numpy().astype(np.int64)
            return _Words(pa.array(words, pa.string()), len(name.encode()) + sizes, dictionary)

        return self._words.get((name, address(dictionary)), make)


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of a dimension as JSON with its name, and their metered sizes.

    ``dictionary`` is what they were made from: kept, so that its address stays its own.
    """

    json: pa.StringArray
    sizes: Indices
    dictionary: pa.StringArray


def _columns(records: Records) -> list[pa.DictionaryArray]:
    return [records.dimension(name) for name in records.dimension_names]


def _joined(pieces: list[pa.StringArray], empty: Booleans) -> pa.StringArray:
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
