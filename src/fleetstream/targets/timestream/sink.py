"""Writes to Amazon Timestream for LiveAnalytics."""

from collections.abc import Iterable, Iterator

import pyarrow as pa

from fleetstream.generate.choices import RecordModel
from fleetstream.targets.sink import Delivery, Request, TimeWindow
from fleetstream.targets.timestream.account import Account
from fleetstream.targets.timestream.request_builder import RequestBuilder
from fleetstream.targets.timestream.transport import Transport


class TimestreamSink:
    """Writes to the table that ``account`` gives access to."""

    concurrency = None
    exclusive = False

    def __init__(self, account: Account, model: RecordModel) -> None:
        self._account = account
        self._transport = Transport(account)
        self._builder = RequestBuilder(account.table.database, account.table.name, model)

    @property
    def name(self) -> str:
        return self._account.name

    @property
    def window(self) -> TimeWindow | None:
        return self._account.window

    def open(self) -> None:
        self._account.check()

    def prepare(self, batch: pa.RecordBatch) -> Iterator[Request]:
        return self._builder.prepare(batch)

    def pause(self) -> Iterable[Request]:
        return self.flush()

    def flush(self) -> Iterator[Request]:
        return self._builder.flush()

    def send(self, request: Request) -> Delivery:
        return self._transport.post(request.payload, request.records)

    def close(self) -> None:
        """Close this thread's connection; those of other threads are closed when they end."""
        self._transport.close()

    def query_hint(self) -> str | None:
        """A query with the AWS command line."""
        table = self._account.table
        endpoint = f" --endpoint-url {table.endpoint_url}" if table.endpoint_url else ""
        return (
            f"aws timestream-query query --region {self._account.region}{endpoint} --query-string "
            f'\'SELECT count(*) FROM "{table.database}"."{table.name}"\''
        )
