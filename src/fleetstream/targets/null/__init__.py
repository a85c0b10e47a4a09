"""The null target: counts and discards, to measure what the generator alone can do."""

from typing import TYPE_CHECKING

from fleetstream.generate.choices import RecordModel
from fleetstream.targets.registry import Schemas, Target, TargetOptions

if TYPE_CHECKING:
    from fleetstream.targets.sink import Sink


def _open_sink(options: TargetOptions, model: RecordModel, _schemas: Schemas) -> "Sink":
    from fleetstream.targets.null.sink import NullSink

    if options.path:
        raise ValueError("The target is just 'null:', with nothing after the colon.")
    return NullSink(model)


TARGETS = [
    Target(
        "null",
        "null:",
        _open_sink,
        options=frozenset({"database_name", "table_name"}),
        discards=True,
    ),
]
