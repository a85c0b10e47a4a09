"""The schema of batches: dimensions, time, measures, and metadata that describes them.

A schema says everything that a target needs to know about the records it will get, so targets need
no model. Its metadata has the ``kind`` of the series, the ``generator`` version, the dimension to
``partition`` files by, if there is one, and when the series have ``begun`` (microseconds), unless
life cycles decide it. Each measure's field has its ``decimals`` and ``unit``, ``counter`` where it
is one, and as a part of a histogram that one's name (``histogram``) and its own ``bound``.
"""

from dataclasses import dataclass

import pyarrow as pa

from fleetstream.generate.keys import GENERATOR_VERSION
from fleetstream.generate.lives import BEGINNING
from fleetstream.model import Measure, Model
from fleetstream.model.datatypes import TIMESTAMPS, WORDS
from fleetstream.model.dynamics import Counter
from fleetstream.model.kinds import HistogramPart

TIME = "time"
"""The column that separates dimensions from measures."""


def batch_schema(model: Model, key: str) -> pa.Schema:
    """The schema of all batches of a kind."""
    kind = model.kinds[key]
    metadata = {"kind": key, "generator": str(GENERATOR_VERSION)}
    if model.partition in kind.dimensions:
        metadata["partition"] = str(model.partition)
    if model.life_level(kind.level) is None:
        metadata["begun"] = str(BEGINNING)
    return pa.schema(
        [
            *(pa.field(name, WORDS) for name in kind.dimensions),
            pa.field(TIME, TIMESTAMPS),
            *(
                pa.field(measure.name, measure.type.arrow, metadata=_measure_metadata(measure))
                for measure in kind.measures
            ),
        ],
        metadata=metadata,
    )


def kind_of(schema: pa.Schema) -> str:
    """The kind of series. Raises KeyError where the schema is not that of a batch."""
    return str(schema.metadata[b"kind"].decode())


def generator_version_of(schema: pa.Schema) -> int:
    """The version of the generator that made the values."""
    return int(schema.metadata[b"generator"])


def partition_of(schema: pa.Schema) -> str | None:
    """The dimension to partition files by, None where there is none."""
    partition = (schema.metadata or {}).get(b"partition")
    return None if partition is None else str(partition.decode())


def dimension_names(schema: pa.Schema) -> list[str]:
    """The columns before the time."""
    return list(schema.names[: schema.get_field_index(TIME)])


def measure_fields(schema: pa.Schema) -> list[pa.Field]:
    """The fields behind the time."""
    return [schema.field(place) for place in range(schema.get_field_index(TIME) + 1, len(schema))]


@dataclass(frozen=True, slots=True)
class Bucket:
    """What a measure is in a histogram: as in :class:`HistogramPart`."""

    histogram: str
    bound: float | None


def bucket_of(field: pa.Field) -> Bucket | None:
    """What a measure is in a histogram, None where it is in none."""
    metadata = field.metadata or {}
    if b"histogram" not in metadata:
        return None
    bound = metadata.get(b"bound")
    return Bucket(metadata[b"histogram"].decode(), None if bound is None else float(bound))


def is_counter(field: pa.Field) -> bool:
    """Whether a measure is a counter by its law."""
    return b"counter" in (field.metadata or {})


def begun_of(schema: pa.Schema) -> int | None:
    """When all series have begun, in microseconds; None where life cycles decide it."""
    begun = (schema.metadata or {}).get(b"begun")
    return None if begun is None else int(begun)


def decimals_of(field: pa.Field) -> int | None:
    """How many decimals the values of a measure have, None where its field does not say."""
    decimals = (field.metadata or {}).get(b"decimals")
    return None if decimals is None else int(decimals)


def _measure_metadata(measure: Measure) -> dict[str, str]:
    metadata = {"decimals": str(measure.decimals), "unit": measure.unit}
    if isinstance(measure.value, Counter):
        metadata["counter"] = "true"
    if isinstance(measure, HistogramPart):
        metadata["histogram"] = measure.histogram
        if measure.bound is not None:
            metadata["bound"] = repr(measure.bound)
    return metadata
