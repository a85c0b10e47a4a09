"""Histograms as the counters and sums that they stand for."""

import math
from itertools import pairwise
from typing import Any

from fleetstream.model.datatypes import DataType
from fleetstream.model.dynamics import Counter, Histogram, SizedEvents


def expanded(histogram: Histogram) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The fields of the variables and of the measures that a histogram stands for.

    Two counters of all events differ in their noise alone: one has none. A bucket has its share of
    the events, counted by the one with the weight 1 − F and by the other with the weight F, where F
    is the share of events below the middle of the bucket: so the rate of large events varies most.
    The cumulated counts, their total and the sum of sizes agree at every time. Sizes beyond the
    last bucket count as one and a half times its bound in the sum.
    """
    name, bounds = histogram.name, histogram.buckets
    even, uneven = f"{name}_even", f"{name}_uneven"
    variables: list[dict[str, Any]] = [
        {"name": even, "value": event_counter(histogram, 0.0)},
        {"name": uneven, "value": event_counter(histogram, histogram.noise)},
    ]
    measures: list[dict[str, Any]] = []
    shares = [0.0, *(histogram.law.cdf(bound) for bound in bounds), 1.0]
    total = size = "0"
    for number, (low, high) in enumerate(pairwise([0.0, *bounds, math.inf])):
        below, until = shares[number : number + 2]
        varying = (until**2 - below**2) / 2
        counted, sized = f"{name}_in_bucket_{number}", f"{name}_size_upto_{number}"
        count = f"{until - below - varying!r} * {even} + {varying!r} * {uneven}"
        variables.append({"name": counted, "value": count, "decimals": 0})
        middle = 1.5 * low if high == math.inf else (low + high) / 2
        # Each sum refers to the one before, since an expression has a limited length.
        variables.append({"name": sized, "value": f"{size} + {counted} * {middle!r}"})
        measure = f"{name}_count" if high == math.inf else f"{name}_bucket_le_{number_text(high)}"
        what = "all events" if high == math.inf else f"events up to {high:g} {histogram.unit}"
        measures.append(
            {
                "name": measure,
                "histogram": name,
                "bound": high,
                "source": f"histogram, {histogram}",
                "value": f"{total} + {counted}",
                "type": DataType.BIGINT,
                "group": histogram.group or name,
                "description": f"{histogram.description or name}: {what.rstrip()}",
            }
        )
        total, size = measure, sized
    measures.append(
        {
            "name": f"{name}_sum",
            "histogram": name,
            "bound": None,
            "source": f"histogram, {histogram}",
            "value": size,
            "unit": histogram.unit,
            "decimals": histogram.decimals,
            "group": histogram.group or name,
            "description": f"{histogram.description or name}: sum of sizes",
        }
    )
    return variables, measures


def event_counter(source: SizedEvents, noise: float) -> Counter:
    """The law that counts the events, with so much noise in their rate."""
    return Counter(
        rate=source.rate,
        driver=source.driver,
        spread=source.spread,
        spread_name=source.name,
        noise=noise,
        period=source.period,
    )


def number_text(number: float) -> str:
    """A number as a part of a name: 0.25 is ``0_25``."""
    return f"{number:g}".replace(".", "_").replace("-", "_").replace("+", "")
