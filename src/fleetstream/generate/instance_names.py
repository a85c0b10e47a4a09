"""Texts that change with the instances of a slot: identifiers, and templates that use them."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from fleetstream.generate.keys import Bits
from fleetstream.model.templates import Template

_ALPHABET = np.frombuffer(b"0123456789abcdefghjkmnpqrstvwxyz", np.uint8)
"""Crockford's base 32, in which 0 and o, 1 and l are not confused."""

ID_LENGTH = 8
"""Characters of an instance's identifier: 40 bits."""


def identifiers(keys: Bits) -> pa.Array:
    """A text of :data:`ID_LENGTH` characters per key."""
    shifts = np.arange(ID_LENGTH, dtype=np.uint64) * np.uint64(5)
    letters = _ALPHABET[(keys[:, np.newaxis] >> shifts) & np.uint64(31)]
    offsets = np.arange(len(keys) + 1, dtype=np.int32) * np.int32(ID_LENGTH)
    return pa.StringArray.from_buffers(
        len(keys), pa.py_buffer(offsets.tobytes()), pa.py_buffer(letters.tobytes())
    )


def joined(template: Template, values: Mapping[str, pa.Array]) -> pa.Array:
    """A template for every element of its fields' arrays, dictionary-encoded."""
    import pyarrow.compute as pc  # slow to import, and only kinds with a life cycle need it

    pieces: list[pa.Array | pa.Scalar] = []
    for literal, name, width in template.parts:
        if literal:
            pieces.append(pa.scalar(literal))
        if name is not None:
            pieces.append(_padded(values[name], width))
    joined = pc.binary_join_element_wise(*pieces, pa.scalar("")).dictionary_encode()
    return joined.cast(pa.dictionary(pa.int32(), pa.string()))


def _padded(values: pa.Array, width: str) -> pa.Array:
    """Values as text of a least width: numbers to the right, as Python's format strings do."""
    text = values.cast(pa.string())
    if not width:
        return text
    import pyarrow.compute as pc

    pad = pc.utf8_lpad if pa.types.is_integer(values.type) else pc.utf8_rpad
    return pad(text, int(width), "0" if width.startswith("0") else " ")
