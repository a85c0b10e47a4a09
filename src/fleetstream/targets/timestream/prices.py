"""Prices of Amazon Timestream for LiveAnalytics.

From AWS's pricing page (aws.amazon.com/timestream/pricing) as archived on 28 July 2020 for US East
(Ohio). Other regions cost more, and prices change, so commands that show a price take it as an
option.
"""

MILLION_WRITES = 0.50
"""US dollars for a million metered writes of 1 KiB."""

SOURCE = "AWS's pricing page, US East, 2020-07-28"
"""Where and when these prices were published."""


def write_cost(writes: float, price: float) -> float:
    """US dollars for metered writes, at ``price`` US dollars per million."""
    return writes / 1e6 * price
