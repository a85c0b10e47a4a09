"""Assembles the moving parts of a run from its description: the only place that does.

A run in one process, each worker of a shared run, and a replay all pass through here.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from fleetstream.generate.choices import Disorder
from fleetstream.generate.disorder import DisorderedBatches
from fleetstream.generate.ends import BatchesWithEnds
from fleetstream.generate.generator import Generator
from fleetstream.generate.records import Records
from fleetstream.run.control import Control
from fleetstream.run.journal import Recorder
from fleetstream.run.ledger import Ledger
from fleetstream.run.pipeline import Pipeline
from fleetstream.run.spec import RunSpec
from fleetstream.run.sweeps import BatchSource, Sweeps, paced
from fleetstream.targets.registry import open_sink
from fleetstream.targets.sink import EndMarkingSink, Sink


@dataclass(frozen=True, slots=True)
class Parts:
    """What generates and delivers in one process."""

    spec: RunSpec
    sink: Sink
    ledger: Ledger
    control: Control
    recorder: Recorder

    def deliver(
        self,
        source: Iterable[pa.RecordBatch | None],
        *,
        live_from: int | None = None,
        rest: Callable[[], Iterable[pa.RecordBatch]] = tuple,
    ) -> None:
        """Deliver the batches of ``source``; the arguments are those of :class:`Pipeline`."""
        Pipeline(
            source,
            self.sink,
            self.ledger,
            self.control,
            self.recorder,
            concurrency=self.spec.concurrency,
            give_up_after=self.spec.give_up_after,
            live_from=live_from,
            rest=rest,
        ).run()

    def generate_and_deliver(
        self,
        generator: Generator,
        groups: Iterable[Sequence[int] | None],
        *,
        share: tuple[int, int] = (0, 1),
        live_from: int | None = None,
        begin: Callable[[Sequence[int]], None] = lambda _timestamps: None,
        end: Callable[[Sequence[int]], None] = lambda _timestamps: None,
    ) -> None:
        """Generate the ``share[0]``-th of ``share[1]`` shares of the series, and deliver it.

        ``groups`` are the timestamps to generate together, as :class:`Sweeps` takes them; ``begin``
        and ``end`` are called before and after each group.
        """
        chunks = generator.share(*share)

        def swept(timestamps: Sequence[int]) -> None:
            self.recorder.swept(timestamps[-1])
            end(timestamps)

        sweeps = Sweeps(
            self._source(generator),
            groups,
            chunks,
            begin=begin,
            end=swept,
        )
        rate = self.spec.rate * sum(map(len, chunks)) / max(generator.series, 1)
        source = paced(sweeps, rate, self.control)
        self.deliver(source, live_from=live_from, rest=sweeps.rest)

    def _source(self, generator: Generator) -> BatchSource:
        """What makes the batches; ends of series are left out where options disorder them."""
        disorder = self.spec.disorder
        marked = disorder is None and isinstance(self.sink, EndMarkingSink) and self.sink.marks_ends
        if disorder is None and not generator.loses_connections:
            return BatchesWithEnds(generator) if marked else generator

        def counted(what: str, batch: pa.RecordBatch) -> None:
            self.ledger.disordered(what, len(Records(batch, self.spec.record_model)))

        return DisorderedBatches(
            generator,
            disorder or Disorder(),
            marks_ends=marked,
            held=self.recorder.entered,
            released=self.recorder.released,
            counted=counted,
        )


def sink_of(spec: RunSpec, schemas: Iterable[pa.Schema]) -> Sink:
    """The sink of a run, not opened yet. Raises as :func:`open_sink` does."""
    return open_sink(spec.target, spec.record_model, tuple(schemas))
