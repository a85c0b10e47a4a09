"""Figures as text for people."""

from collections.abc import Mapping
from datetime import UTC, datetime

from fleetstream.generate.moments import MICROSECONDS
from fleetstream.run.latency import Latencies

_LONG_UNITS = (
    (86_400, "d", 3_600, "h"),
    (3_600, "h", 60, "min"),
    (60, "min", 1, "s"),
)

SIGNIFICANT_DIGITS = 3
"""Digits of a duration below a minute."""


def duration(seconds: float) -> str:
    """A duration, such as ``250 µs``, ``12.3 ms``, ``5.84 s``, ``2 min 05 s`` or ``3 d 04 h``."""
    rounded = float(f"{seconds:.{SIGNIFICANT_DIGITS}g}")
    if rounded < 60:
        scale, unit = next(
            ((scale, unit) for scale, unit in ((1.0, "s"), (1e-3, "ms")) if rounded >= scale),
            (1e-6, "µs"),
        )
        return f"{rounded / scale:.{SIGNIFICANT_DIGITS}g} {unit}" if rounded else "0 s"
    whole = max(round(seconds), 60)
    size, unit, smaller, name = next(each for each in _LONG_UNITS if whole >= each[0])
    return f"{whole // size} {unit} {whole % size // smaller:02d} {name}"


def percentiles(latencies: Latencies, separator: str) -> str:
    """The percentiles of latencies, such as ``p50 1.2 ms, p90 3 ms, p99 9.1 ms, max 12 ms``."""
    return separator.join(
        f"{name} {duration(latency)}"
        for name, latency in (
            ("p50", latencies.p50),
            ("p90", latencies.p90),
            ("p99", latencies.p99),
            ("max", latencies.longest),
        )
    )


def rate(per_second: float) -> str:
    """A rate without its unit, with one decimal below 10."""
    return f"{per_second:,.1f}" if per_second < 10 else f"{per_second:,.0f}"


def dollars(amount: float) -> str:
    """US dollars, in whole cents from one dollar on, below that to a hundredth of a cent."""
    if 0 < amount < 0.0001:
        return "under $0.0001"
    if amount >= 1:
        return f"${amount:,.2f}"
    return f"${amount:.4f}".removesuffix("00")


def moment(timestamp: int) -> str:
    """A timestamp in microseconds as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(timestamp // MICROSECONDS, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def counts(by_noun: Mapping[str, int]) -> str:
    """Counts with their nouns, such as ``1,010 hosts, 1,212 processes``."""
    return ", ".join(f"{count:,} {noun}" for noun, count in by_noun.items())
