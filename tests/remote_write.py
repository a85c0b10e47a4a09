"""Remote write on the wire: what a body says, read by protobuf's own library."""

import re
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Sample = tuple[tuple[tuple[str, str], ...], int, float]
"""Labels, timestamp in milliseconds, and value."""

_FIELDS = {
    "Label": "string name=1, string value=2",
    "Sample": "double value=1, int64 timestamp=2",
    "FirstMetadata": "uint32 type=1, string metric_family_name=2, string help=4, string unit=5",
    "FirstSeries": "*Label labels=1, *Sample samples=2",
    "FirstRequest": "*FirstSeries timeseries=1, *FirstMetadata metadata=3",
    "SecondMetadata": "uint32 type=1, uint32 help_ref=3, uint32 unit_ref=4",
    "SecondSeries": "*uint32 labels_refs=1, *Sample samples=2, SecondMetadata metadata=5",
    "SecondRequest": "*string symbols=4, *SecondSeries timeseries=5",
}
"""The messages of both versions, as prompb/types.proto, prompb/remote.proto and
prompb/io/prometheus/write/v2/types.proto define them."""


def _messages() -> dict[str, Any]:
    """Classes of the messages, by name."""
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="write.proto", package="w", syntax="proto3")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for text in fields.split(", "):
            kind, field, number = re.split("[ =]", text)
            added = message.field.add(name=field, number=int(number))
            added.label = kinds.LABEL_REPEATED if kind[0] == "*" else kinds.LABEL_OPTIONAL
            kind = kind.removeprefix("*")
            if kind[0].isupper():
                added.type, added.type_name = kinds.TYPE_MESSAGE, f".w.{kind}"
            else:
                added.type = getattr(kinds, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"w.{name}"))
        for name in _FIELDS
    }


MESSAGES = _messages()


def decoded(body: bytes, version: int) -> list[Sample]:
    """The samples of an uncompressed body, in order; labels must be sorted and none empty."""
    samples = []
    message = MESSAGES["FirstRequest" if version == 1 else "SecondRequest"].FromString(body)
    for series in message.timeseries:
        if version == 1:
            labels = tuple((label.name, label.value) for label in series.labels)
        else:
            words = [message.symbols[each] for each in series.labels_refs]
            labels = tuple(zip(words[::2], words[1::2], strict=True))
        assert list(labels) == sorted(labels)
        assert all(word for _, word in labels)
        times = [sample.timestamp for sample in series.samples]
        assert times == sorted(times)
        samples += [(labels, sample.timestamp, sample.value) for sample in series.samples]
    return samples
