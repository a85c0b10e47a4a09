"""Fuzzes what answers of the service may do: an outcome, or one of three exceptions."""

import contextlib
import sys

import atheris

with atheris.instrument_imports(include=["fleetstream.targets.timestream.transport", "json"]):
    from fleetstream.targets.sink import TargetLost, Throttled, Unavailable
    from fleetstream.targets.timestream.account import Account, TimestreamTable
    from fleetstream.targets.timestream.transport import Transport

TRANSPORT = Transport(Account(TimestreamTable("db", "tb", "us-east-1", "http://127.0.0.1:9")))
STATUSES = (200, 400, 404, 419, 429, 500, 503)


def one(content: bytes) -> None:
    provider = atheris.FuzzedDataProvider(content)
    status = STATUSES[provider.ConsumeIntInRange(0, len(STATUSES) - 1)]
    with contextlib.suppress(Throttled, Unavailable, TargetLost):
        TRANSPORT.read(status, provider.ConsumeBytes(4096), 3)


atheris.Setup(sys.argv, one)
atheris.Fuzz()
