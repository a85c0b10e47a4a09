"""Tests the generator's random bits with dieharder, read in three orders.

``python -m benchmarks.randomness`` runs the standard battery once per order, one order after the
other, and prints a table; arguments choose orders. It needs Debian's package ``dieharder`` and 20
to 40 minutes per order. The report of each order is written to ``dieharder-ORDER.txt`` in the
current folder.
"""

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import numpy as np

from fleetstream.generate.generator import Generator
from fleetstream.generate.keys import Bits, cell_bits, cell_offsets, name_key
from fleetstream.generate.moments import MICROSECONDS
from fleetstream.model import load_model

SEED = 1
START = 1_790_000_000 * MICROSECONDS
BLOCK = 2**14
"""Cells whose bits are made at once."""

RUN = 2**20
"""Consecutive timestamps of a series and measure, before the next series follows."""

COMMAND = ("dieharder", "-a", "-g", "200")
"""The standard battery, of numbers that are read from standard input as binary."""

VERDICTS = ("PASSED", "WEAK", "FAILED")
OUTCOME = re.compile(rf"\|\s*({'|'.join(VERDICTS)})\s*$", re.MULTILINE)


def along_time() -> Iterator[Bits]:
    """One measure of one series at timestamps one second apart, then the next series."""
    keys, names = _keys(1), _names()
    for begin in count(step=RUN):
        for row in range(len(keys)):
            for first in range(begin, begin + RUN, BLOCK):
                seconds = np.arange(first, first + BLOCK, dtype=np.int64)
                offsets = cell_offsets(names[0], START + seconds * MICROSECONDS)
                yield cell_bits(keys[row : row + 1], offsets)


def along_series() -> Iterator[Bits]:
    """All series at one timestamp, in the order of the output, then the next timestamp."""
    keys, names = _keys(1_000), _names()
    for second in count():
        (offset,) = _offsets(names[:1], second)
        for first in range(0, len(keys), BLOCK):
            yield cell_bits(keys[first : first + BLOCK], offset)


def along_measures() -> Iterator[Bits]:
    """All measures of one series at one timestamp, then the next series, as a row follows a row."""
    keys, names = _keys(1_000), _names()
    for second in count():
        offsets = np.concatenate(_offsets(names, second))
        for first in range(0, len(keys), BLOCK // len(names)):
            yield cell_bits(keys[first : first + BLOCK // len(names)], offsets).T


ORDERS: dict[str, Callable[[], Iterator[Bits]]] = {
    "time": along_time,
    "series": along_series,
    "measures": along_measures,
}


def _generator(host_scale: int) -> Generator:
    return Generator(load_model(), SEED, parameters={"host_scale": host_scale})


def _keys(host_scale: int) -> Bits:
    """The keys of all series of the first kind."""
    generator = _generator(host_scale)
    kind = generator.chunks[0].kind
    chunks = [chunk for chunk in generator.chunks if chunk.kind == kind]
    return np.concatenate([generator.grid(chunk, []).keys for chunk in chunks])


def _names() -> list[np.uint64]:
    """The keys of the measures of the first kind."""
    kind = next(iter(load_model().kinds.values()))
    return [name_key("value", measure.name) for measure in kind.measures]


def _offsets(names: list[np.uint64], second: int) -> list[Bits]:
    timestamps = np.array([START + second * MICROSECONDS])
    return [cell_offsets(name, timestamps) for name in names]


def verdicts(order: str) -> Counter[str]:
    """How many tests of the battery ended with each verdict."""
    report = Path(f"dieharder-{order}.txt")
    with (
        report.open("wb") as output,
        subprocess.Popen(COMMAND, bufsize=0, stdin=subprocess.PIPE, stdout=output) as battery,
        suppress(BrokenPipeError),  # raised when the battery has read enough
    ):
        assert battery.stdin is not None
        for bits in ORDERS[order]():
            battery.stdin.write(np.ascontiguousarray(bits).data)
    return Counter(OUTCOME.findall(report.read_text()))


def main(orders: list[str]) -> None:
    if shutil.which(COMMAND[0]) is None:
        raise SystemExit("dieharder is not installed; Debian's package of that name has it.")
    if unknown := set(orders) - ORDERS.keys():
        raise SystemExit(f"There is no order {min(unknown)!r}; choose from {', '.join(ORDERS)}.")
    print(f"| order | {' | '.join(VERDICTS)} |\n|---|---|---|---|", flush=True)
    for order in orders or ORDERS:
        found = verdicts(order)
        cells = " | ".join(str(found[verdict]) for verdict in VERDICTS)
        print(f"| along {order} | {cells} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
