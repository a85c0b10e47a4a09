"""The null sink: counts and discards, to find out what the generator alone can do."""

from collections.abc import Iterable

import pyarrow as pa

from fleetstream.generate.records import RecordModel, Records
from fleetstream.targets.sink import Delivery, Part, Request


class NullSink:
    """Takes every batch as one request and delivers it nowhere."""

    name = "nothing (null:)"
    concurrency = 1
    exclusive = False
    window = None

    def __init__(self, model: RecordModel) -> None:
        self._model = model

    def open(self) -> None:
        """Nothing can be wrong with nothing."""

    def prepare(self, batch: pa.RecordBatch) -> Iterable[Request]:
        """The batch as one request."""
        records = Records(batch, self._model)
        yield Request((Part(records, 0, len(records)),), None)

    def pause(self) -> Iterable[Request]:
        """Nothing, since nothing is kept."""
        return ()

    flush = pause

    def send(self, request: Request) -> Delivery:  # noqa: ARG002 - the interface
        """Everything is always well."""
        return Delivery()

    def close(self) -> None:
        """Nothing is held."""

    def query_hint(self) -> str | None:
        """Nothing can be queried."""
        return None
