"""What folders of Parquet files cannot hold of a fleet."""

from collections.abc import Iterator

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.generator import Generator
from fleetstream.targets.limits import table_problems
from fleetstream.targets.parquet.file_format import DAY_COLUMN


def problems(generator: Generator, record_model: RecordModel) -> Iterator[str]:
    """What they cannot hold, as sentences."""
    model = generator.model
    measures = [each.name for kind in model.kinds.values() for each in kind.measures]
    names = model.dimensions if record_model is RecordModel.SINGLE else model.dimensions + measures
    for name in names:
        if name.lower() == DAY_COLUMN:
            yield f"Folders of Parquet files have the name {name!r} for the date; rename it."
    if model.partition is not None and not model.partition.isidentifier():
        yield (
            f"The partition {model.partition!r} names folders, so its name must be letters, digits "
            "and underscores; rename the dimension, or choose another partition."
        )
    yield from table_problems(generator, record_model)
