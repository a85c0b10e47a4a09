"""Compression of the bodies of requests."""

from isal import isal_zlib

LEVEL = 1
"""Higher levels take longer than sending what they would save."""

_GZIP = 31
"""The window bits by which zlib writes the gzip format."""


def gzipped(body: bytes) -> bytes:
    compressed: bytes = isal_zlib.compress(body, LEVEL, _GZIP)
    return compressed
