"""The write path inside this process: a fleet, a pipeline, and Timestream's sink."""

import tempfile
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.generator import Generator
from fleetstream.run.assembly import Parts, sink_of
from fleetstream.run.control import Control
from fleetstream.run.journal import Recorder
from fleetstream.run.ledger import Ledger, Totals
from fleetstream.run.options import make_spec
from fleetstream.run.undelivered import UndeliveredStore


class Wire:
    """Writes sweeps of a fleet to an endpoint of Amazon Timestream."""

    def __init__(self, url: str, model: RecordModel, scale: int = 1, concurrency: int = 10) -> None:
        self._spec = make_spec(
            host_scale=scale,
            seed=7,
            record_model=model,
            to="timestream",
            database_name="fleet",
            table_name="table",
            region="us-east-1",
            endpoint_url=url,
            concurrency=concurrency,
        )
        self._sink = sink_of(self._spec, self._generator.schemas.values())

    @cached_property
    def _generator(self) -> Generator:
        return self._spec.generator()

    @property
    def values_per_sweep(self) -> int:
        return self._generator.values_per_sweep

    def batches(self, seconds: Sequence[int]) -> Iterable[pa.RecordBatch]:
        """Sweeps at some seconds, one after the other."""
        for second in seconds:
            yield from self._generator.batches([second * 1_000_000])

    def bodies(self, seconds: Sequence[int]) -> list[bytes]:
        """The bodies of the requests that :meth:`write` sends."""
        prepared = [each for batch in self.batches(seconds) for each in self._sink.prepare(batch)]
        return [request.payload for request in [*prepared, *self._sink.flush()]]

    def write(self, seconds: Sequence[int]) -> Totals:
        """Generate and deliver sweeps."""
        ledger = Ledger()
        with tempfile.TemporaryDirectory() as folder:
            recorder = Recorder(UndeliveredStore(Path(folder) / "undelivered"))
            Parts(self._spec, self._sink, ledger, Control(), recorder).deliver(
                self.batches(seconds)
            )
        totals = ledger.totals()
        assert totals.delivered
        return totals
