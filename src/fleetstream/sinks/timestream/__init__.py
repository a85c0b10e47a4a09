"""Amazon Timestream for LiveAnalytics, or anything that speaks its WriteRecords."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pyarrow as pa

from fleetstream.records import RecordModel, Records
from fleetstream.sinks import Delivery, Part, Request
from fleetstream.sinks.timestream.account import Account, Target
from fleetstream.sinks.timestream.dimensions import Dimensions
from fleetstream.sinks.timestream.metering import metered_writes
from fleetstream.sinks.timestream.packing import MAX_RECORDS, Packing
from fleetstream.sinks.timestream.rendering import Renderer
from fleetstream.sinks.timestream.transport import Transport

__all__ = ["Target", "TimestreamSink"]


class TimestreamSink:
    """Writes to a table of Amazon Timestream.

    Raises :class:`fleetstream.sinks.TargetUnusable` when profile or region do not resolve; the
    table itself is asked for in :meth:`open`.
    """

    concurrency = None
    exclusive = False

    def __init__(self, target: Target, model: RecordModel) -> None:
        self._account = Account(target)
        self._transport = Transport(self._account)
        self._renderer = Renderer(target.database, target.table)
        self._dimensions = Dimensions()
        self._model = model
        self._kept: pa.RecordBatch | None = None

    @property
    def name(self) -> str:
        """The table and where it is."""
        target = self._account.target
        at = f" at {urlsplit(target.endpoint_url).netloc}" if target.endpoint_url else ""
        region = self._account.region
        return f"Amazon Timestream, {target.database}.{target.table} in {region}{at}"

    def open(self) -> None:
        """Ask for the table with DescribeTable."""
        self._account.check()

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

    def send(self, request: Request) -> Delivery:
        """Post one request."""
        return self._transport.post(request.payload, request.records)

    def close(self) -> None:
        """Close this thread's connection; those of other threads end with them."""
        self._transport.close()

    def query_hint(self) -> str | None:
        """A query with the AWS command line."""
        target = self._account.target
        endpoint = f" --endpoint-url {target.endpoint_url}" if target.endpoint_url else ""
        return (
            f"aws timestream-query query --region {self._account.region}{endpoint} --query-string "
            f'\'SELECT count(*) FROM "{target.database}"."{target.table}"\''
        )

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
    return bool(kept.schema == batch.schema and kept.column("time")[0] == batch.column("time")[0])
