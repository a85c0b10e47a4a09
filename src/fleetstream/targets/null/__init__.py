"""The null target: counts and discards, to measure what the generator alone can do."""

from collections.abc import Sequence

import pyarrow as pa

from fleetstream.generate.choices import RecordModel
from fleetstream.targets.registry import Target, TargetOptions
from fleetstream.targets.sink import Sink


def _open_sink(options: TargetOptions, model: RecordModel, _schemas: Sequence[pa.Schema]) -> Sink:
    from fleetstream.targets.null.sink import NullSink

    if options.path:
        raise ValueError("The target is just 'null:', with nothing after the colon.")
    return NullSink(model)


TARGETS = [
    Target("null", "null:", _open_sink, options=frozenset({"database_name", "table_name"})),
]
