"""Where the series of a run end."""

from collections.abc import Iterator
from typing import NamedTuple

from fleetstream.generate.ends import BatchesWithEnds
from fleetstream.generate.records import timestamps_of
from fleetstream.generate.schema import dimension_names, kind_of, measure_fields
from fleetstream.run.spec import RunSpec


class End(NamedTuple):
    """A series of a kind, by its dimensions, and when it would next have been measured (µs)."""

    kind: str
    dimensions: tuple[tuple[str, str], ...]
    time: int


def ends_of(spec: RunSpec, step: int) -> Iterator[End]:
    """The ends of a run with sweeps every ``step`` microseconds."""
    generator = spec.generator()
    assert spec.start is not None
    assert spec.end is not None
    times = list(range(-(-spec.start // step) * step, spec.end, step))
    for batch in BatchesWithEnds(generator).batches(times, generator.chunks):
        names = sorted(dimension_names(batch.schema))
        values = [batch[field.name].to_pylist() for field in measure_fields(batch.schema)]
        for row, time in enumerate(timestamps_of(batch).tolist()):
            if all(of[row] is None for of in values):
                words = tuple((name, str(batch[name][row])) for name in names)
                yield End(kind_of(batch.schema), words, time)
