"""Histograms as the counters and sums that they stand for."""

from typing import Any

from fleetstream.model.datatypes import DataType
from fleetstream.model.dynamics import Counter, Histogram


def expanded(histogram: Histogram) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The fields of the variables and of the measures that a histogram stands for.

    One counter per bucket counts the events in it, so the cumulated counts, their total and the sum
    of sizes agree at every time. Sizes beyond the last bucket count as one and a half times its
    bound in the sum.
    """
    name, bounds = histogram.name, histogram.buckets
    variables: list[dict[str, Any]] = []
    measures: list[dict[str, Any]] = []
    total = size = "0"
    edges = [*zip([0.0, *bounds[:-1]], bounds, strict=True), (bounds[-1], float("inf"))]
    for number, (low, high) in enumerate(edges):
        share = (1.0 if high == float("inf") else histogram.law.cdf(high)) - histogram.law.cdf(low)
        if number == 0:
            share += histogram.law.cdf(low)
        if histogram.rate * share > 1e-12:
            counted, sized = f"{name}_in_bucket_{number}", f"{name}_size_upto_{number}"
            variables.append(_counter(histogram, counted, histogram.rate * share))
            middle = 1.5 * low if high == float("inf") else (low + high) / 2
            # Each sum refers to the one before, since an expression has a limited length.
            variables.append({"name": sized, "value": f"{size} + {counted} * {middle!r}"})
            total, size = f"{total} + {counted}", sized
        last = high == float("inf")
        measure = f"{name}_count" if last else f"{name}_bucket_le_{_text(high)}"
        measures.append(
            {
                "name": measure,
                "histogram": name,
                "bound": high,
                "value": total,
                "type": DataType.BIGINT,
                "group": histogram.group or name,
                "description": f"{histogram.description or name}: "
                + ("all events" if last else f"events up to {high:g} {histogram.unit}".rstrip()),
            }
        )
        total = measure
    measures.append(
        {
            "name": f"{name}_sum",
            "histogram": name,
            "bound": None,
            "value": size,
            "unit": histogram.unit,
            "decimals": histogram.decimals,
            "group": histogram.group or name,
            "description": f"{histogram.description or name}: sum of sizes",
        }
    )
    return variables, measures


def _counter(histogram: Histogram, name: str, rate: float) -> dict[str, Any]:
    law = Counter(
        rate=rate,
        driver=histogram.driver,
        spread=histogram.spread,
        spread_name=histogram.name,
        noise=histogram.noise,
        period=histogram.period,
    )
    return {"name": name, "value": law, "decimals": 0}


def _text(bound: float) -> str:
    """A bound as a part of a name: 0.25 is ``0_25``."""
    return f"{bound:g}".replace(".", "_").replace("-", "_").replace("+", "")
