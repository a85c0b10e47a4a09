"""Dimensions: what requests share of them, what records say themselves, and how much that is.

All this depends on the series alone and is the same in every sweep, so it is worked out once for
each run of series and kept, as long as there is room.
"""

import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fleetstream.generate.records import Indices, Records
from fleetstream.targets.memo import Memo, address
from fleetstream.targets.texts import Texts, padded
from fleetstream.targets.timestream.packing import Packing

KEPT_BYTES = 128 * 2**20
"""Bytes of dimension sets kept: enough for some hundred thousand series."""

CACHED_WORDS = 64
"""Rendered dictionaries kept: a run needs one for each dimension of each kind."""


@dataclass(frozen=True, slots=True)
class DimensionSets:
    """The dimensions of packed records.

    ``own`` has the JSON of what each segment says itself, with a comma behind it, and ``own_bytes``
    its metered size; ``common`` has the JSON of what each request shares, without a comma, and
    ``common_bytes`` its metered size.
    """

    own: Texts
    own_bytes: Indices
    common: list[str]
    common_bytes: Indices

    @property
    def nbytes(self) -> int:
        """About how much memory it takes."""
        return self.own.nbytes + self.own_bytes.nbytes + sum(map(len, self.common))


class Dimensions:
    """Works out dimension sets, once for each run of series."""

    def __init__(self) -> None:
        self._words = Memo[tuple[pa.StringArray, Indices, pa.Array]](CACHED_WORDS)
        self._sets = Memo[DimensionSets](KEPT_BYTES, lambda sets: sets.nbytes)

    def of(self, packing: Packing) -> DimensionSets:
        """The dimension sets of packed records."""
        records = packing.records
        key = (
            packing.count,
            b"" if packing.regular else packing.rows.tobytes(),
            *(
                (address(records.dimension(name).dictionary), _indices(records, name).tobytes())
                for name in records.dimension_names
            ),
        )
        return self._sets.get(key, lambda: self._work_out(packing))

    def _work_out(self, packing: Packing) -> DimensionSets:
        records = packing.records
        names = records.dimension_names
        shared = _shared(packing)
        first_rows = packing.rows[packing.starts]
        own_pieces, own_bytes = [], np.zeros(len(packing.segment_rows), np.int64)
        common: list[list[str]] = [[] for _ in packing.starts]
        common_bytes = np.zeros(len(packing.starts), np.int64)
        for place, name in enumerate(names):
            words, sizes = self._rendered(records, name)
            indices = _indices(records, name)
            own = indices[packing.segment_rows]
            is_common = shared[place][packing.segment_requests]
            own_pieces.append(words.take(pa.array(own, mask=is_common)))
            own_bytes += np.where(is_common, 0, sizes[own])
            common_bytes += np.where(shared[place], sizes[indices[first_rows]], 0)
            for request in np.flatnonzero(shared[place]):
                common[request].append(words[int(indices[first_rows[request]])].as_py())
        all_common = np.all(shared, axis=0)[packing.segment_requests]
        return DimensionSets(
            own=padded(_joined(own_pieces, all_common), " "),
            own_bytes=own_bytes,
            common=[f'"Dimensions":[{",".join(each)}]' if each else "" for each in common],
            common_bytes=common_bytes,
        )

    def _rendered(self, records: Records, name: str) -> tuple[pa.StringArray, Indices]:
        """A dimension's dictionary: each word as JSON with the name, and its metered size."""
        dictionary = records.dimension(name).dictionary

        def make() -> tuple[pa.StringArray, Indices, pa.Array]:
            before = f'{{"Name":{json.dumps(name)},"Value":'
            words = [f"{before}{json.dumps(word)}}}" for word in dictionary.to_pylist()]
            sizes = len(name.encode()) + pc.binary_length(dictionary).to_numpy().astype(np.int64)
            # The dictionary is kept beside its words, so that its address stays its own.
            return pa.array(words, pa.string()), sizes, dictionary

        words, sizes, _ = self._words.get((name, address(dictionary)), make)
        return words, sizes


def _joined(pieces: list[pa.StringArray], nothing: npt.NDArray[np.bool_]) -> pa.StringArray:
    """The JSON of each segment's own dimensions from its pieces, empty where it has none.

    Segments with ``nothing`` are left out of the join, since Arrow drops rows whose pieces are all
    null rather than making them empty.
    """
    something = pa.array(~nothing)
    some = [piece.filter(something) for piece in pieces]
    text = pc.binary_join_element_wise(*some, ",", null_handling="skip")
    text = pc.binary_join_element_wise('"Dimensions":[', text, "],", "")
    return pc.replace_with_mask(pa.array([""] * len(nothing)), something, text)


def _shared(packing: Packing) -> npt.NDArray[np.bool_]:
    """Whether all records of a request have the same value of a dimension.

    One row a dimension, one column a request.
    """
    first = packing.rows[packing.starts]
    last = packing.rows[packing.stops - 1]
    records = packing.records
    shape = len(records.dimension_names), len(packing.starts)
    shared: npt.NDArray[np.bool_] = np.empty(shape, np.bool_)
    for place, name in enumerate(records.dimension_names):
        changes = np.cumsum(np.diff(_indices(records, name), prepend=-1) != 0)
        shared[place] = changes[first] == changes[last]
    return shared


def _indices(records: Records, dimension: str) -> npt.NDArray[np.int32]:
    """Each row's place in the dictionary of a dimension."""
    indices: npt.NDArray[np.int32] = records.dimension(dimension).indices.to_numpy()
    return indices
