"""The implicit method of the integration: ESDIRK4(3)6L[2]SA, one matrix for all its stages.

An explicit first stage, five implicit ones with the same diagonal γ = 1/4, the last of which is
the end of the step (stiffly accurate). Fourth order, L-stable, stage order 2; the companion for
the error is of third order.

Source: C. A. Kennedy, M. H. Carpenter, Appl. Numer. Math. 146 (2019) 221; the companion's weights
as tabulated for ARKODE_ESDIRK436L2SA_6_3_4 in SUNDIALS.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ROOT = math.sqrt(2.0)

DIAGONAL = 0.25
"""γ of the implicit stages: each solves (Y - base)/(γ Δt) = F(Y)."""

NODES: Array = np.array([0.0, 0.5, (2.0 - ROOT) / 4.0, 5.0 / 8.0, 26.0 / 25.0, 1.0])
"""Where in a step each stage stands, (method stage,), [-]."""

STAGES = len(NODES)
"""Stages of a step, the explicit first one included."""

MIDDLE = 1
"""The stage at half of the step."""

ORDER = 4
"""Power of the step length with which the error estimate of one step falls."""

WEIGHTS: Array = np.array(
    [
        (1181.0 - 987.0 * ROOT) / 13782.0,
        (1181.0 - 987.0 * ROOT) / 13782.0,
        47.0 * (-267.0 + 1783.0 * ROOT) / 273343.0,
        -16.0 * (-22922.0 + 3525.0 * ROOT) / 571953.0,
        -15625.0 * (97.0 + 376.0 * ROOT) / 90749876.0,
        DIAGONAL,
    ]
)
"""Weights of the rates in the step, (method stage,), [-]; also the last row of `MATRIX`."""

EMBEDDED: Array = np.array(
    [
        -480923228411.0 / 4982971448372.0,
        -480923228411.0 / 4982971448372.0,
        6709447293961.0 / 12833189095359.0,
        3513175791894.0 / 6748737351361.0,
        -498863281070.0 / 6042575550617.0,
        2077005547802.0 / 8945017530137.0,
    ]
)
"""Weights of the third-order companion, (method stage,), [-]."""


def _matrix() -> Array:
    """Return the coefficients; the first column follows from the nodes."""
    matrix = np.zeros((STAGES, STAGES))
    matrix[1, 1] = DIAGONAL
    matrix[2, 1:3] = (1.0 - ROOT) / 8.0, DIAGONAL
    matrix[3, 1:4] = (5.0 - 7.0 * ROOT) / 64.0, 7.0 * (1.0 + ROOT) / 32.0, DIAGONAL
    matrix[4, 1:5] = (
        -(13796.0 + 54539.0 * ROOT) / 125000.0,
        (506605.0 + 132109.0 * ROOT) / 437500.0,
        166.0 * (-97.0 + 376.0 * ROOT) / 109375.0,
        DIAGONAL,
    )
    matrix[1:-1, 0] = NODES[1:-1] - matrix[1:-1].sum(axis=1)
    matrix[-1] = WEIGHTS
    return matrix


MATRIX: Array = _matrix()
"""Coefficients, (method stage, method stage), [-]; lower triangular."""


def _guesses() -> Array:
    """Return the weights of a parabola through the three solved stages nearest to each stage."""
    weights = np.zeros((STAGES, STAGES))
    for stage in range(2, STAGES):
        known = sorted(range(stage), key=lambda other: abs(NODES[other] - NODES[stage]))[:3]
        for one in known:
            others = [other for other in known if other != one]
            weights[stage, one] = np.prod(
                [(NODES[stage] - NODES[o]) / (NODES[one] - NODES[o]) for o in others]
            )
    return weights


GUESSES: Array = _guesses()
"""First guess of a stage from those before it, (method stage, method stage), [-]."""
