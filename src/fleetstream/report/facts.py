"""The facts of a run that are known before it begins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.generator import Generator
from fleetstream.targets.sink import Sink


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What is known of a run before it begins.

    ``parameters``, ``include`` and ``exclude`` are those that the generator was made with.
    ``sweeps`` is how many the run makes, None where it has no end. ``command`` repeats the run,
    ``replay`` delivers what it could not, ``resume`` continues it and ``verification`` verifies it,
    both None where nothing can; all are for a shell. ``write_price`` is the price of a million
    metered writes in US dollars. ``has_latency`` says that the times of requests are figures of the
    target, not those of a function call.
    """

    generator: Generator
    parameters: Mapping[str, int]
    include: Mapping[str, Sequence[str]]
    exclude: Mapping[str, Sequence[str]]
    sink: Sink
    record_model: RecordModel
    sweeps: int | None
    command: str
    resume: str | None
    replay: str
    verification: str | None
    write_price: float
    has_latency: bool

    @property
    def series(self) -> dict[str, int]:
        return series_by_noun(self.generator)


def series_by_noun(generator: Generator) -> dict[str, int]:
    """The number of series per kind, under the noun of the kind, such as ``{"hosts": 1010}``."""
    counts: dict[str, int] = {}
    for key, kind in generator.model.kinds.items():
        counts[kind.noun] = counts.get(kind.noun, 0) + len(generator.tables[key])
    return counts


def connectivity_by_level(generator: Generator) -> dict[str, str]:
    """How the rows of levels lose their connection, such as ``{"truck": "lost every 4h, …"}``."""
    if not generator.loses_connections:
        return {}
    levels = generator.model.levels
    return {each.name: str(each.connectivity) for each in levels if each.connectivity}
