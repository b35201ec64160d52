"""How the atoms and the tube of a simulated analyzer differ from the tables, drawn from a seed.

What is drawn here is never read by the quantifier: it has to find its way by its standards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raffinate.instruments.xrf_atomic import AS_TABULATED, AtomicAdjustment, atom
from raffinate.sources import Source

YIELD_SD = {"L1": 0.08, "L2": 0.06, "L3": 0.05}
"""Relative sd of the fluorescence yield of each L shell, [-]."""

TRANSFER_SD = {"L1-L2": 0.42, "L1-L3": 0.17, "L2-L3": 0.18}
"""Relative sd of the Coster-Kronig transfer between two L shells, [-]."""

RATE_SD = 0.03
"""Relative sd of each line's share within its shell, [-]."""

VOLTAGE_SD = 300.0
"""Sd of the tube's voltage about what its display says, [V]."""

LONGEST_DRAW = 2.0
"""Standard deviations at which a draw is cut, so that transfers from a shell stay below 1."""

MISMATCH_SOURCE = Source(
    title="Spread of atomic data and tube voltage about what a quantifier assumes",
    reference=(
        "N. Wauschkuhn et al., J. Anal. At. Spectrom. (2023), doi 10.1039/d2ja00325b (Ta: yields "
        "of L1, L2, L3 to 7.6, 5.4, 4.9 %); N. Wauschkuhn et al., arXiv 2303.07965 (Ru: yields to "
        "8.2, 6.3, 4.4 %, f12, f13, f23 to 42, 17, 18 %)"
    ),
    evidence="assumed",
    note=(
        "Measured with these uncertainties for Z = 44 and 73; taken over for the lanthanides "
        "between them, independent from element to element. Line shares within a shell 3 % and "
        "voltage 0.3 kV are assumed; all draws are cut at 2 sd."
    ),
)
"""Where the spreads come from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhysicsMismatch:
    """One draw.

    Attributes:
        adjustment: Of the atoms.
        voltage: Of the tube, less what it should be, [V].
    """

    adjustment: AtomicAdjustment
    voltage: float


AS_ASSUMED = PhysicsMismatch(adjustment=AS_TABULATED, voltage=0.0)
"""A simulator whose physics is the quantifier's."""


def draw_physics(metals: Sequence[str], generator: np.random.Generator) -> PhysicsMismatch:
    """Return the physics of one analyzer: L shells of the metals, and the voltage.

    Args:
        metals: Symbols of the elements whose atoms are not quite as tabulated.
        generator: Source of the draw.
    """

    def spread(sd: float) -> float:
        return sd * float(np.clip(generator.standard_normal(), -LONGEST_DRAW, LONGEST_DRAW))

    yields = [
        (symbol, shell, float(np.exp(spread(sd))))
        for symbol in metals
        for shell, sd in YIELD_SD.items()
    ]
    transfers = [
        (symbol, pair, float(np.exp(spread(sd))))
        for symbol in metals
        for pair, sd in TRANSFER_SD.items()
    ]
    rates = [
        (symbol, name, float(np.exp(spread(RATE_SD))))
        for symbol in metals
        for name in atom(symbol).line_name
        if name.startswith("L")
    ]
    return PhysicsMismatch(
        adjustment=AtomicAdjustment(
            fluorescence_yield=tuple(yields),
            coster_kronig=tuple(transfers),
            radiative_rate=tuple(rates),
        ),
        voltage=spread(VOLTAGE_SD),
    )
