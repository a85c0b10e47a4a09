"""Amazon Timestream for LiveAnalytics, or anything that speaks its WriteRecords."""

from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

import pyarrow as pa

from fleetstream.generate.records import RecordModel
from fleetstream.targets.sink import Delivery, Request, Window
from fleetstream.targets.timestream.account import Account, Target
from fleetstream.targets.timestream.assembly import Assembly
from fleetstream.targets.timestream.transport import Transport

__all__ = ["Target", "TimestreamSink"]


class TimestreamSink:
    """Writes to a table of Amazon Timestream, which ``account`` gives access to.

    Raises :class:`ValueError` when no region is given anywhere, and
    :class:`fleetstream.targets.TargetUnusable` when there is no such profile; the table itself is
    asked for in :meth:`open`.
    """

    concurrency = None
    exclusive = False

    def __init__(self, target: Target, model: RecordModel) -> None:
        self.account = Account(target)
        self._transport = Transport(self.account)
        self._assembly = Assembly(target.database, target.table, model)

    @property
    def name(self) -> str:
        """The table and where it is."""
        target = self.account.target
        at = f" at {urlsplit(target.endpoint_url).netloc}" if target.endpoint_url else ""
        region = self.account.region
        return f"Amazon Timestream, {target.database}.{target.table} in {region}{at}"

    @property
    def window(self) -> Window | None:
        """What the table's retention leaves."""
        return self.account.window

    def open(self) -> None:
        """Ask for the table with DescribeTable."""
        self.account.check()

    def prepare(self, batch: pa.RecordBatch) -> Iterator[Request]:
        """Full requests of 100 records; the rest waits for the next batch of the same sweep."""
        return self._assembly.prepare(batch)

    def pause(self) -> Iterable[Request]:
        """Everything that waits."""
        return self.flush()

    def flush(self) -> Iterator[Request]:
        """What was kept, as one request that is not full."""
        return self._assembly.flush()

    def send(self, request: Request) -> Delivery:
        """Post one request."""
        return self._transport.post(request.payload, request.records)

    def close(self) -> None:
        """Close this thread's connection; those of other threads end with them."""
        self._transport.close()

    def query_hint(self) -> str | None:
        """A query with the AWS command line."""
        target = self.account.target
        endpoint = f" --endpoint-url {target.endpoint_url}" if target.endpoint_url else ""
        return (
            f"aws timestream-query query --region {self.account.region}{endpoint} --query-string "
            f'\'SELECT count(*) FROM "{target.database}"."{target.table}"\''
        )
