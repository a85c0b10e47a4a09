"""The encoding of messages, as Protocol Buffers' "Encoding" guide describes it.

Requests of millions of values are rendered from columns, so the parts of messages that come again
are encoded once; a library would make an object per value.
"""

VARINT, FIXED64, BYTES = 0, 1, 2
"""Wire types."""


def varint(number: int) -> bytes:
    """A number from 0 on, seven bits per byte, the lowest first."""
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def key(field: int, wire_type: int) -> bytes:
    """What a field begins with."""
    return varint(field << 3 | wire_type)


def content_field(field: int, content: bytes) -> bytes:
    """A field with bytes, which may be an encoded message."""
    return key(field, BYTES) + varint(len(content)) + content


def text_field(field: int, text: str) -> bytes:
    return content_field(field, text.encode())


def number_field(field: int, number: int) -> bytes:
    """A field with a number from 0 on."""
    return key(field, VARINT) + varint(number)
