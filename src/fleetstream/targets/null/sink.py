"""Takes every batch as one request and discards it."""

from collections.abc import Iterable

import pyarrow as pa

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.records import RecordRange, Records
from fleetstream.targets.sink import Delivery, Request


class NullSink:
    """Discards everything."""

    name = "nothing (null:)"
    concurrency = 1
    exclusive = False
    window = None

    def __init__(self, model: RecordModel) -> None:
        self._model = model

    def open(self) -> None:
        """Nothing can be wrong."""

    def prepare(self, batch: pa.RecordBatch) -> Iterable[Request]:
        """The batch as one request."""
        records = Records(batch, self._model)
        yield Request((RecordRange(records, 0, len(records)),), None)

    def pause(self) -> Iterable[Request]:
        """Nothing, since nothing is kept."""
        return ()

    flush = pause

    def send(self, request: Request) -> Delivery:  # noqa: ARG002 - the interface
        return Delivery()

    def close(self) -> None:
        """Nothing is held."""

    def query_hint(self) -> str | None:
        return None
