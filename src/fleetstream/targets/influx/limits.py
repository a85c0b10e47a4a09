"""What InfluxDB does not accept of a fleet (its "Line protocol reference", "Naming restrictions").

Names may have any other character; those with a meaning in line protocol are escaped.
"""

from collections.abc import Iterator

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.generator import Generator
from fleetstream.targets.influx.line_protocol import VALUE_FIELD
from fleetstream.targets.limits import table_problems, type_problems


def problems(generator: Generator, record_model: RecordModel) -> Iterator[str]:
    """What is not accepted, as sentences."""
    model = generator.model
    names = [(name, "dimension") for name in model.dimensions]
    names += [
        (name, "measure")
        for name in dict.fromkeys(
            each.name for kind in model.kinds.values() for each in kind.measures
        )
    ]
    if record_model is RecordModel.MULTI:
        names += [(key, "kind") for key in model.kinds]
    elif VALUE_FIELD in model.dimensions:
        yield (
            f"The dimension {VALUE_FIELD!r} has the name of the field that single-measure records "
            "have in InfluxDB; rename it, or use --record-model multi."
        )
    for name, what in names:
        if not name or name.startswith("_") or name.endswith("\\") or not name.isprintable():
            yield (
                f"The {what} {name!r} has a name that InfluxDB does not take: none may be empty, "
                "begin with an underscore, end with a backslash, or have a line break."
            )
    if record_model is RecordModel.SINGLE:
        yield from type_problems(generator, "share a field in InfluxDB")
    yield from table_problems(generator, record_model)
