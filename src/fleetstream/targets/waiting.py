"""Records that wait in a sink until they are enough for one large request."""

import time

import pyarrow as pa

from fleetstream.generate.choices import RecordModel
from fleetstream.generate.records import RecordRange, Records
from fleetstream.targets.sink import Request


class WaitingRecords:
    """The records of batches, in order, and how many ``values`` they have."""

    def __init__(self, model: RecordModel) -> None:
        self.values = 0
        self._model = model
        self._ranges: list[RecordRange] = []
        self._since = 0.0

    @property
    def seconds(self) -> float:
        """For how long the oldest of them have waited, 0 where there are none."""
        return time.monotonic() - self._since if self._ranges else 0.0

    def add(self, batch: pa.RecordBatch) -> None:
        """Have the records of a batch wait."""
        records = Records(batch, self._model)
        if not len(records):
            return
        if not self._ranges:
            self._since = time.monotonic()
        self._ranges.append(RecordRange(records, 0, len(records)))
        self.values += self._ranges[-1].values

    def take(self) -> list[Request]:
        """One request with all of them, which wait no longer; none where there are none."""
        ranges, self._ranges, self.values = tuple(self._ranges), [], 0
        return [Request(ranges, None)] if ranges else []
