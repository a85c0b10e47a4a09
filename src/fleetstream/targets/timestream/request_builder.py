"""Assembly: makes WriteRecords requests of batches, with no account and no network."""

from collections.abc import Iterator

import pyarrow as pa

from fleetstream.generate.records import TIME, RecordModel, Records
from fleetstream.targets.sink import Part, Request
from fleetstream.targets.timestream.dimensions import Dimensions
from fleetstream.targets.timestream.metering import metered_writes
from fleetstream.targets.timestream.packing import MAX_RECORDS, Packing
from fleetstream.targets.timestream.rendering import Renderer


class Assembly:
    """Makes requests of 100 records for one table; what does not fill one is kept for the next."""

    def __init__(self, database: str, table: str, model: RecordModel) -> None:
        self._renderer = Renderer(database, table)
        self._dimensions = Dimensions()
        self._model = model
        self._kept: pa.RecordBatch | None = None

    def prepare(self, batch: pa.RecordBatch) -> Iterator[Request]:
        """Full requests of 100 records; the rest waits for the next batch of the same sweep."""
        if self._kept is not None and not _continues(self._kept, batch):
            yield from self.flush()
        if self._kept is not None:
            batch = pa.concat_batches([self._kept, batch])
        records = Records(batch, self._model)
        full = len(records) - len(records) % MAX_RECORDS
        self._kept = records.extract(full, len(records)) if full < len(records) else None
        yield from self._requests(records, full)

    def flush(self) -> Iterator[Request]:
        """What was kept, as one request that is not full."""
        kept, self._kept = self._kept, None
        if kept is not None:
            records = Records(kept, self._model)
            yield from self._requests(records, len(records))

    def _requests(self, records: Records, stop: int) -> Iterator[Request]:
        """The records before ``stop`` as requests."""
        if not stop:
            return
        packing = Packing(records, stop)
        dimensions = self._dimensions.of(packing)
        bodies = self._renderer.bodies(packing, dimensions)
        writes = metered_writes(packing, dimensions)
        for place, body in enumerate(bodies):
            part = Part(records, int(packing.starts[place]), int(packing.stops[place]))
            yield Request((part,), body, len(body), int(writes[place]))


def _continues(kept: pa.RecordBatch, batch: pa.RecordBatch) -> bool:
    """Whether a batch may share a request with what was kept: the same kind and timestamp."""
    return bool(kept.schema == batch.schema and kept.column(TIME)[0] == batch.column(TIME)[0])
