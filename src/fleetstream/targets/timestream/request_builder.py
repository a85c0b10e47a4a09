"""Builds WriteRecords requests from batches, with no account and no network."""

from collections.abc import Iterator

import pyarrow as pa

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.records import RecordRange, Records
from fleetstream.targets.sink import Request
from fleetstream.targets.timestream.dimensions import DimensionRenderer
from fleetstream.targets.timestream.metering import metered_writes
from fleetstream.targets.timestream.packing import MAX_RECORDS, Packing
from fleetstream.targets.timestream.rendering import Renderer

ROWS = 4_000
"""Rows of a batch that are rendered at once, which bounds memory: a multiple of 100, so that their
records fill their requests where none is missing."""


class RequestBuilder:
    """Builds requests of 100 records for one table.

    Every batch is packed from its first record, so batches of the same series are packed alike and
    their dimensions are found in the cache. The records that do not fill a request are kept, and
    joined with those of later batches with the same schema, also of other series and timestamps.
    """

    def __init__(self, database: str, table: str, model: RecordModel) -> None:
        self._renderer = Renderer(database, table)
        self._dimensions = DimensionRenderer()
        self._model = model
        self._kept: dict[pa.Schema, pa.RecordBatch] = {}

    def prepare(self, batch: pa.RecordBatch) -> Iterator[Request]:
        """Requests of 100 records; the rest is kept."""
        for start in range(0, batch.num_rows, ROWS):
            records = Records(batch.slice(start, ROWS), self._model)
            full = len(records) - len(records) % MAX_RECORDS
            yield from self._requests(records, full)
            if full < len(records):
                yield from self._keep(records.extract(full, len(records)))

    def flush(self) -> Iterator[Request]:
        """One request per schema with everything that is kept."""
        while self._kept:
            _, kept = self._kept.popitem()
            records = Records(kept, self._model)
            yield from self._requests(records, len(records))

    def _keep(self, rest: pa.RecordBatch) -> Iterator[Request]:
        """Keep records; once they fill a request, build it."""
        kept = self._kept.pop(rest.schema, None)
        if kept is not None:
            rest = pa.concat_batches([kept, rest])
        records = Records(rest, self._model)
        if len(records) < MAX_RECORDS:
            self._kept[rest.schema] = rest
            return
        if len(records) > MAX_RECORDS:
            self._kept[rest.schema] = records.extract(MAX_RECORDS, len(records))
        yield from self._requests(records, MAX_RECORDS)

    def _requests(self, records: Records, stop: int) -> Iterator[Request]:
        """The records before ``stop`` as requests."""
        if not stop:
            return
        packing = Packing(records, stop)
        dimensions = self._dimensions.cached(packing)
        writes = metered_writes(packing, dimensions).tolist()
        ranges = zip(packing.starts.tolist(), packing.stops.tolist(), strict=True)
        bodies = self._renderer.bodies(packing, dimensions)
        for (start, stop), body, metered in zip(ranges, bodies, writes, strict=True):
            yield Request((RecordRange(records, start, stop),), body, len(body), metered)
