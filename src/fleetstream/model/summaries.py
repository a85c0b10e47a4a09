"""Summaries as the quantiles, counters and sums that they stand for."""

from typing import Any

from fleetstream.model.datatypes import DataType
from fleetstream.model.dynamics import QuantileSummary, RecentQuantile
from fleetstream.model.histograms import event_counter, number_text

STEADY = 0.9
"""The share of the sum that follows the count; the rest is of events of other sizes."""


def expanded_summary(
    summary: QuantileSummary,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The fields of the variables and of the measures that a summary stands for.

    The mean size of the events of any stretch of time is about that of the law: the sum is a
    constant times the count, but for a part that a counter of its own makes.
    """
    name, law = summary.name, summary.law
    others = f"{name}_other_events"
    words = summary.description or name
    shown = {"group": summary.group or name, "source": f"summary, {summary}"}
    sized = shown | {"unit": summary.unit, "decimals": summary.decimals}
    measures: list[dict[str, Any]] = [
        {
            "name": f"{name}_quantile_{number_text(quantile)}",
            "value": RecentQuantile(
                of=law,
                quantile=quantile,
                events=max(summary.rate * summary.window_us / 1e6, 1.0),
                period=summary.window,
                noise_name=name,
            ),
            "description": f"{words}: the quantile {quantile:g} of recent events",
            **sized,
        }
        for quantile in summary.quantiles
    ]
    counter = event_counter(summary, summary.noise)
    value = f"{law.mean!r} * ({STEADY} * {name}_count + {1 - STEADY:g} * {others})"
    measures += [
        {
            "name": f"{name}_count",
            "value": counter,
            "type": DataType.BIGINT,
            "description": f"{words}: all events",
            **shown,
        },
        {
            "name": f"{name}_sum",
            "value": value,
            "description": f"{words}: sum of sizes",
            **sized,
        },
    ]
    return [{"name": others, "value": counter, "decimals": 0}], measures
