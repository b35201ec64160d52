"""Shake-out tables made from known constants, for the tests of reader, checks and fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from raffinate.lab.shake_out import REQUIRED_COLUMNS

TRUE_LOG10_K = {"Ce": -2.6, "Pr": -2.3, "Nd": -2.1}


def shake(
    feed: Mapping[str, float], acidity: float, extractant: float, log10_k: Mapping[str, float]
) -> tuple[dict[str, float], float]:
    """Return organic concentrations and acidity after shaking, [mol/L], found by bisection on h."""
    low, high = acidity, acidity + 3.0 * sum(feed.values())
    for _ in range(200):
        proton = 0.5 * (low + high)
        free = 0.5 * extractant - (proton - acidity)
        ratios = {s: 10.0 ** log10_k[s] * (max(free, 0.0) / proton) ** 3 for s in feed}
        organic = {s: feed[s] * ratios[s] / (1.0 + ratios[s]) for s in feed}
        if acidity + 3.0 * sum(organic.values()) > proton:
            low = proton
        else:
            high = proton
    return organic, proton


def table_text(
    flasks: Sequence[tuple[Mapping[str, float], float, float]],
    *,
    write_equilibrium: bool = False,
    laboratory: str = "Here (2024)",
    log10_k: Mapping[str, float] = TRUE_LOG10_K,
) -> str:
    """Return the CSV of flasks (feed, feed acidity, extractant), [mol/L]."""
    lines = [",".join(REQUIRED_COLUMNS)]
    for number, (feed, acidity, extractant) in enumerate(flasks, start=1):
        organic, proton = shake(feed, acidity, extractant, log10_k)
        written = proton if write_equilibrium else acidity
        for symbol, fed in feed.items():
            left = fed - organic[symbol]
            cells = [str(number), laboratory, symbol, repr(written), "PC-88A", repr(extractant)]
            cells += ["HCl/chloride", repr(fed), repr(left), repr(organic[symbol])]
            cells.append(repr(organic[symbol] / left))
            lines.append(",".join(cells))
    return "\n".join(lines) + "\n"


FLASKS = tuple(
    ({"Ce": 0.05 * size, "Pr": 0.02 * size, "Nd": 0.04 * size}, acidity, extractant)
    for size in (0.5, 1.0, 2.0)
    for acidity in (0.01, 0.05, 0.2)
    for extractant in (1.0, 1.5)
)
