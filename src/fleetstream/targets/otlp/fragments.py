"""Encoded messages with marks at the places where something will be put in or taken out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fleetstream.generate.records import Indices
from fleetstream.targets.protobuf import BYTES, key, varint

Bytes = npt.NDArray[np.uint8]

LENGTHS = "lengths"
"""Marks of (where a length is, where its content begins and ends)."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """Encoded fields. ``marks`` has positions in them by name, of shape (marks, positions each)."""

    content: bytes
    marks: Mapping[str, Indices] = field(default_factory=dict)

    def marked(self, name: str, *positions: int) -> "Fragment":
        """The same with another mark."""
        return joined([Fragment(b"", {name: np.array([positions])}), self])

    def wrapped(self, number: int) -> "Fragment":
        """A field with this as its content, whose length may change."""
        whole = self.fixed(number)
        size = len(whole.content)
        begins = size - len(self.content)
        return whole.marked(LENGTHS, len(key(number, BYTES)), begins, size)

    def fixed(self, number: int) -> "Fragment":
        """A field with this as its content, whose length does not change."""
        return joined([Fragment(key(number, BYTES) + varint(len(self.content))), self])

    def repeated(self, times: int) -> "Fragment":
        """This so many times; the marks of each repetition are together."""
        shifts = np.arange(times)[:, np.newaxis, np.newaxis] * len(self.content)
        marks = {
            name: (positions + shifts).reshape(-1, positions.shape[1])
            for name, positions in self.marks.items()
        }
        return Fragment(self.content * times, marks)


def joined(fragments: Iterable[Fragment]) -> Fragment:
    """Fragments one after the other."""
    contents: list[bytes] = []
    marks: dict[str, list[Indices]] = {}
    size = 0
    for each in fragments:
        contents.append(each.content)
        for name, positions in each.marks.items():
            marks.setdefault(name, []).append(positions + size)
        size += len(each.content)
    return Fragment(b"".join(contents), {name: np.concatenate(of) for name, of in marks.items()})


def without(content: Bytes, removed: Sequence[tuple[Indices, Indices]], lengths: Indices) -> Bytes:
    """Encoded fields without some of their bytes.

    ``removed`` has pairs of the beginnings and ends of what goes; those of one pair do not overlap,
    those of different pairs may. The ``lengths`` around them, as in :data:`LENGTHS`, become
    smaller; they keep their width, as Protocol Buffers allow.
    """
    depth = np.zeros(len(content) + 1, np.int8)
    for beginnings, ends in removed:
        depth[beginnings] += 1
        depth[ends] -= 1
    kept = np.cumsum(depth[:-1], dtype=np.int8) == 0
    before = np.zeros(len(content) + 1, np.int64)
    np.cumsum(kept, out=before[1:])
    places, begins, ends = lengths.T
    sizes, widths = before[ends] - before[begins], begins - places
    changed = np.flatnonzero(sizes != ends - begins)
    content = content.copy()
    for byte in range(int(widths.max(initial=0))):
        at = changed[widths[changed] > byte]
        more = np.where(widths[at] > byte + 1, 0x80, 0)
        content[places[at] + byte] = (sizes[at] >> 7 * byte & 0x7F) | more
    remaining: Bytes = content[kept]
    return remaining
