"""What is known of calibration factors before any standard is measured."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raffinate.instruments.calibrate_factors import COMMON
from raffinate.sources import Source

Array = NDArray[np.float64]

PRIOR_SOURCE = Source(
    title="Uncertainty of atomic data and geometry before calibration",
    reference=(
        "Order of the L shells: N. Wauschkuhn et al., arXiv 2303.07965 (2023), Ru measured: "
        "yields of L1, L2, L3 to 8, 6 and 4 %, f23, f13, f12 to 18, 17 and 42 %"
    ),
    evidence="assumed",
    note=(
        "Tables older than that measurement are taken to be about twice as uncertain; line ratios, "
        "M shells, tube, scatter and angles are assumed. Standards overrule all of it"
    ),
)
"""Where the numbers below come from."""

ELEMENT = 0.30
"""Standard deviation of the logarithm of a factor that all shells of an element share, [-]."""
SHELL = {"K": 0.05, "L1": 0.20, "L2": 0.12, "L3": 0.08, "M": 0.30}
"""Of each shell's own factor beside it: what binds the subshell ratios, [-]."""
LINE = 0.10
"""Of a line over the strongest of its shell, [-]."""
COMMON_SIGMA = {
    "tube voltage": 0.01,
    "anode lines": 0.5,
    "Compton scatter": 0.10,
    "path to detector": 0.03,
}
"""Of the common factors, [-]."""


def prior_covariance(names: tuple[str, ...]) -> Array:
    """Return the covariance of the logarithms of factors, (factor, factor).

    Args:
        names: As of `calibrate_factors.FactorMap`, common ones last.
    """
    covariance = np.zeros((len(names), len(names)))
    symbols = [name.split()[0] for name in names]
    for place, name in enumerate(names):
        if name in COMMON:
            covariance[place, place] = COMMON_SIGMA[name] ** 2
            continue
        shell = name.split()[1]
        if "-" in shell:
            covariance[place, place] = LINE**2
            continue
        for other, theirs in enumerate(names):
            group = theirs not in COMMON and "-" not in theirs
            if group and symbols[other] == symbols[place]:
                covariance[place, other] = ELEMENT**2
        covariance[place, place] += SHELL[shell] ** 2
    return covariance
