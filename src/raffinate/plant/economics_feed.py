"""What an account and a search for least cost leave out when the feed has no price."""

from __future__ import annotations

from collections.abc import Sequence

from raffinate.plant.economics_lines import CostLine
from raffinate.plant.economics_prices import Prices

FEED_KEY = "feed_per_kg_reo"
"""Price of the oxide fed."""


def unpriced_feed(lines: Sequence[CostLine], prices: Prices, reo_flow: float) -> tuple[str, ...]:
    """Return a sentence on what a missing price of the feed leaves out; none if it is given.

    Without it the oxide that leaves with waste costs nothing, and flows of least cost may send more
    of it there.

    Args:
        lines: Of the account.
        prices: Of the account.
        reo_flow: Of all products, [kg/s].
    """
    fed = sum(line.rate for line in lines if line.price_key == FEED_KEY and line.rate)
    if prices.find(FEED_KEY) is not None or not fed > 0.0:
        return ()
    return (
        f"{FEED_KEY} [{prices.unit(FEED_KEY)}] is not given: the oxide fed is not in the cost, and "
        f"oxide that leaves with waste costs nothing; {100.0 * reo_flow / fed:.5g} % of the oxide "
        "fed leaves in products. Give the price, or 0 if the feed is free.",
    )
