"""The schema of batches: dimensions, time, measures, and metadata that describes them.

A schema says everything that a target needs to know about the records it will get, so targets need
no model. Its metadata has the ``kind`` of the series, the ``generator`` version, and the dimension
to ``partition`` files by, if there is one; each measure's field has its ``decimals`` and ``unit``.
"""

import pyarrow as pa

from fleetstream.generate.keys import GENERATOR_VERSION
from fleetstream.model import Model
from fleetstream.model.datatypes import TIMESTAMPS, WORDS

TIME = "time"
"""The column that separates dimensions from measures."""


def batch_schema(model: Model, key: str) -> pa.Schema:
    """The schema of all batches of a kind."""
    kind = model.kinds[key]
    metadata = {"kind": key, "generator": str(GENERATOR_VERSION)}
    if model.partition in kind.dimensions:
        metadata["partition"] = str(model.partition)
    return pa.schema(
        [
            *(pa.field(name, WORDS) for name in kind.dimensions),
            pa.field(TIME, TIMESTAMPS),
            *(
                pa.field(
                    measure.name,
                    measure.type.arrow,
                    metadata={"decimals": str(measure.decimals), "unit": measure.unit},
                )
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


def decimals_of(field: pa.Field) -> int | None:
    """How many decimals the values of a measure have, None where its field does not say."""
    decimals = (field.metadata or {}).get(b"decimals")
    return None if decimals is None else int(decimals)
