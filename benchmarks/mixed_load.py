"""How long writes take while a query runs, beside the same writes without it.

One connection writes requests of 100 records, one after the other, while a query that computes for
ten seconds runs or does not, in turn. Run it with `python -m benchmarks.mixed_load`.
"""

import argparse
import http.client
import json
import statistics
import threading
import time

from benchmarks.local_endpoint import (
    SERVE,
    SINGLE,
    body,
    free_port,
    receive,
    running,
    send,
    spread,
)

NUMBERS = "UNNEST(sequence(1, 10000))"
QUERY = (
    f"SELECT count(*) FROM {NUMBERS} AS a(x) CROSS JOIN {NUMBERS} AS b(y)"
    f" CROSS JOIN {NUMBERS} AS c(z) WHERE x * y * z = -1"
)
"""Computes for hours; the server's query timeout ends it."""


def latencies(port: int, seconds: float) -> list[float]:
    """Seconds per request of one connection."""
    line = http.client.HTTPConnection("127.0.0.1", port)
    before, after = body(SINGLE, 0)
    begin, found = time.monotonic(), []
    while time.monotonic() < begin + seconds:
        moment = int(time.time() * 1_000_000) // 100
        sent = time.perf_counter()
        send(line, "WriteRecords", b"%s%d%s" % (before, moment // 10, after))
        receive(line)
        found.append(time.perf_counter() - sent)
    line.close()
    return found


def run_query(port: int) -> None:
    line = http.client.HTTPConnection("127.0.0.1", port)
    send(line, "Query", json.dumps({"QueryString": QUERY}).encode())
    assert line.getresponse().status == 400
    line.close()


def p99(numbers: list[float]) -> float:
    return statistics.quantiles(numbers, n=100)[-1]


def main() -> None:
    """Print the 99th percentiles and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="the query takes")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    port, alone, beside = free_port(), [], []
    command = [part.format(port=port) for part in SERVE]
    with running([*command, "--query-timeout", f"{options.seconds + 1:g}s"], port):
        latencies(port, 1)
        for _ in range(options.rounds):
            alone.append(p99(latencies(port, options.seconds)))
            query = threading.Thread(target=run_query, args=(port,))
            query.start()
            beside.append(p99(latencies(port, options.seconds)))
            query.join()
    ratios = [one / other for one, other in zip(beside, alone, strict=True)]
    print("99th percentile of writes: minimum, median, maximum")
    print(f"alone    {spread([1000 * value for value in alone], '.2f')} ms")
    print(f"beside   {spread([1000 * value for value in beside], '.2f')} ms")
    print(f"ratio    {spread(ratios, '.2f')} (target: at most 3)")


if __name__ == "__main__":
    main()
