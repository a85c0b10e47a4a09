"""Rate: slows a run down to so many values a second."""

import time
from collections.abc import Iterable, Iterator

import pyarrow as pa

from fleetstream.run.pipeline import Stop
from fleetstream.generate.records import TIME


def limited(
    source: Iterable[pa.RecordBatch | None], rate: float, stop: Stop
) -> Iterator[pa.RecordBatch | None]:
    """The batches of ``source``, at most ``rate`` values a second; 0 for no limit.

    A batch of more than a second's worth comes in pieces. Time that was not used is not made up
    for later. Ends early when the run is stopped.
    """
    free = time.monotonic()
    for batch in source:
        if batch is None or not rate:
            yield batch
            continue
        values = batch.num_columns - batch.schema.get_field_index(TIME) - 1
        rows = max(int(rate / values), 1)
        for start in range(0, batch.num_rows, rows):
            piece = batch.slice(start, rows)
            now = time.monotonic()
            if free > now and stop.gently.wait(free - now):
                return
            free = max(free, now) + piece.num_rows * values / rate
            yield piece
