"""Builds WriteRecords requests from batches, with no account and no network."""

from collections.abc import Iterator

import pyarrow as pa

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.records import RecordRange, Records
from fleetstream.targets.sink import Request
from fleetstream.targets.timestream.dimensions import (
    DimensionCache,
    DimensionSets,
    dimension_sets,
)
from fleetstream.targets.timestream.metering import metered_writes
from fleetstream.targets.timestream.packing import MAX_RECORDS, Packing
from fleetstream.targets.timestream.rendering import Renderer


class RequestBuilder:
    """Builds requests of 100 records for one table.

    Every batch is packed from its first record, so batches of the same series are packed alike and
    their dimensions are found in the cache. The records that do not fill a request are kept, and
    joined with those of later batches with the same schema, also of other series and timestamps.
    """

    def __init__(self, database: str, table: str, model: RecordModel) -> None:
        self._renderer = Renderer(database, table)
        self._dimensions = DimensionCache()
        self._model = model
        self._kept: dict[pa.Schema, pa.RecordBatch] = {}

    def prepare(self, batch: pa.RecordBatch) -> Iterator[Request]:
        """Requests of 100 records; the rest is kept."""
        records = Records(batch, self._model)
        full = len(records) - len(records) % MAX_RECORDS
        if full:
            packing = Packing(records, full)
            yield from self._requests(packing, self._dimensions.of(packing))
        if full < len(records):
            yield from self._keep(records.extract(full, len(records)))

    def flush(self) -> Iterator[Request]:
        """One request per schema with everything that is kept."""
        while self._kept:
            _, kept = self._kept.popitem()
            records = Records(kept, self._model)
            yield from self._uncached(records, len(records))

    def _keep(self, rest: pa.RecordBatch) -> Iterator[Request]:
        """Keep records; once they fill a request, build it."""
        kept = self._kept.pop(rest.schema, None)
        if kept is not None:
            rest = pa.concat_batches([kept, rest])
        records = Records(rest, self._model)
        if len(records) >= MAX_RECORDS:
            rest = records.extract(MAX_RECORDS, len(records))
        if rest.num_rows:
            self._kept[rest.schema] = rest
        if len(records) >= MAX_RECORDS:
            yield from self._uncached(records, MAX_RECORDS)

    def _uncached(self, records: Records, stop: int) -> Iterator[Request]:
        packing = Packing(records, stop)
        yield from self._requests(packing, dimension_sets(packing))

    def _requests(self, packing: Packing, dimensions: DimensionSets) -> Iterator[Request]:
        writes = metered_writes(packing, dimensions).tolist()
        ranges = zip(packing.starts.tolist(), packing.stops.tolist(), strict=True)
        bodies = self._renderer.bodies(packing, dimensions)
        for (start, stop), body, metered in zip(ranges, bodies, writes, strict=True):
            records = RecordRange(packing.records, start, stop)
            yield Request((records,), body, len(body), metered)
