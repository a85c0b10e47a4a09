"""Wording: figures as people read them."""

from datetime import UTC, datetime

from fleetstream.run.ledger import Latencies
from fleetstream.generate.moments import MICROSECONDS


def milliseconds(seconds: float) -> str:
    """A latency, such as `0.25 ms` or `1,234.5 ms`."""
    decimals = 2 if seconds < 0.01 else 1
    return f"{seconds * 1e3:,.{decimals}f} ms"


def percentiles(latencies: Latencies, separator: str) -> str:
    """The percentiles of latencies."""
    return separator.join(
        f"{name} {milliseconds(latency)}"
        for name, latency in (
            ("p50", latencies.p50),
            ("p90", latencies.p90),
            ("p99", latencies.p99),
            ("max", latencies.longest),
        )
    )


def rate(per_second: float) -> str:
    """A rate without its unit; low ones have a decimal."""
    return f"{per_second:,.1f}" if per_second < 10 else f"{per_second:,.0f}"


def duration(seconds: float) -> str:
    """A time span in its two largest units, such as `45 s`, `2 min 05 s` or `3 d 04 h`."""
    whole = round(seconds)
    for size, unit, smaller, name in (
        (86_400, "d", 3_600, "h"),
        (3_600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // smaller:02d} {name}"
    return f"{whole} s"


def dollars(amount: float) -> str:
    """An amount of US dollars: in whole cents from one dollar on, else to a hundredth of a cent."""
    if 0 < amount < 0.0001:
        return "under $0.0001"
    if amount >= 1:
        return f"${amount:,.2f}"
    return f"${amount:.4f}".removesuffix("00")


def moment(timestamp: int) -> str:
    """A timestamp (microseconds of Unix time) in ISO 8601, UTC."""
    return datetime.fromtimestamp(timestamp / MICROSECONDS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
