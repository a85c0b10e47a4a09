"""What Amazon Timestream does not accept of a fleet (its developer guide, "Quotas")."""

from collections.abc import Iterator

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.generator import Generator
from fleetstream.targets.limits import kind_size, table_problems
from fleetstream.targets.timestream.metering import TIMESTAMP_BYTES

DIMENSIONS = 128
"""Dimensions of a table."""

DIMENSION_NAME_BYTES = 60

MEASURE_NAME_BYTES = 256

MEASURE_NAMES = 8_192
"""Measure names of a table."""

TABLE_MEASURES = 1_024
"""Measures of a table's multi-measure records."""

RECORD_MEASURES = 256
"""Measures of a multi-measure record."""

SERIES_BYTES = RECORD_BYTES = 2_048

RESERVED = ("ts_", "measure_name", "measure_value")
"""What no name begins with ("Naming constraints")."""


def problems(generator: Generator, record_model: RecordModel) -> Iterator[str]:
    """What is not accepted, as sentences."""
    model = generator.model
    measures = list(
        dict.fromkeys(each.name for kind in model.kinds.values() for each in kind.measures)
    )
    multi = record_model is RecordModel.MULTI
    if len(model.dimensions) > DIMENSIONS:
        yield (
            f"The model has {len(model.dimensions):,} dimensions, but a table of Amazon Timestream "
            f"has at most {DIMENSIONS}."
        )
    most = TABLE_MEASURES if multi else MEASURE_NAMES
    if len(measures) > most:
        yield (
            f"The model has {len(measures):,} measures, but a table of Amazon Timestream has at "
            f"most {most:,} {'in multi-measure records' if multi else 'measure names'}."
        )
    names = [(name, "dimension", DIMENSION_NAME_BYTES) for name in model.dimensions]
    names += [(name, "measure", MEASURE_NAME_BYTES) for name in measures]
    if multi:
        names += [(key, "kind", MEASURE_NAME_BYTES) for key in model.kinds]
    for name, what, size in names:
        yield from _name_problems(name, what, size)
    for key in model.kinds:
        yield from _size_problems(generator, key, multi=multi)
    yield from table_problems(generator, record_model)


def _name_problems(name: str, what: str, size: int) -> Iterator[str]:
    if not 1 <= len(name.encode()) <= size:
        yield (
            f"The {what} {name[:40]!r} has a name of {len(name.encode())} bytes, but Amazon "
            f"Timestream takes 1 to {size}."
        )
    elif name == "time" or name.startswith(RESERVED) or ":" in name:
        yield (
            f"The {what} {name!r} has a name that Amazon Timestream reserves: none may be time, "
            f"begin with {', '.join(RESERVED)}, or have a colon."
        )


def _size_problems(generator: Generator, key: str, *, multi: bool) -> Iterator[str]:
    count = len(generator.model.kinds[key].measures)
    if multi and count > RECORD_MEASURES:
        yield (
            f"The kind {key!r} has {count} measures, but a multi-measure record of Amazon "
            f"Timestream has at most {RECORD_MEASURES}; use --record-model single."
        )
    size = kind_size(generator, key)
    if size.series > SERIES_BYTES:
        yield (
            f"The dimensions of a series of the kind {key!r} have {size.series:,} bytes, but "
            f"Amazon Timestream takes at most {SERIES_BYTES:,} of names and values together."
        )
    record = len(key.encode()) + size.multi if multi else size.single
    record += TIMESTAMP_BYTES + size.series
    if record > RECORD_BYTES:
        hint = "use --record-model single" if multi else "shorten names or values"
        yield (
            f"A record of the kind {key!r} has up to {record:,} bytes, but Amazon Timestream takes "
            f"at most {RECORD_BYTES:,}; {hint}."
        )
