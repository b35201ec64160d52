"""Electrostatic part of the mixing of ions of like sign and unlike charge, Eθ(I).

Source: K. S. Pitzer, J. Solution Chem. 4 (1975) 249: Eθ_ij = (z_i z_j/4I) [J(x_ij) - J(x_ii)/2 -
J(x_jj)/2], x_ij = 6 z_i z_j A_φ √I, J(x) = x/4 - 1 + (1/x) ∫₀^∞ [1 - exp(-(x/y) e^-y)] y² dy.

At one temperature Eθ is a function of ionic strength alone, so it is fitted once, when a model is
built, and costs one polynomial at every evaluation.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import ArrayLike, NDArray

HIGHEST_IONIC_STRENGTH = 60.0
"""[mol/kg], to which the polynomial is fitted."""

_HIGHEST_FOURTH_ROOT = HIGHEST_IONIC_STRENGTH**0.25

LARGEST_U = 2.0 * _HIGHEST_FOURTH_ROOT / (1.0 + _HIGHEST_FOURTH_ROOT) - 1.0
"""u at that ionic strength; beyond it I·Eθ/(1 + √I) is held."""

DEGREE = 12

_LOG_Y = np.linspace(-14.0, np.log(80.0), 4001)


def pitzer_j(x: ArrayLike) -> NDArray[np.float64]:
    """Return Pitzer's J, (...), [-], at x > 0 by the trapezoidal rule in ln y.

    Agrees with the Chebyshev fit of Harvie (K. S. Pitzer, Activity Coefficients in Electrolyte
    Solutions, 2nd ed., CRC Press 1991, p. 124) to 1e-9.
    """
    argument = np.asarray(x, np.float64)
    y = np.exp(_LOG_Y)
    weight = y**3 * (_LOG_Y[1] - _LOG_Y[0])
    cloud = argument[..., None] / y * np.exp(-y)
    integral = -np.expm1(-cloud) @ weight
    return np.asarray(argument / 4.0 - 1.0 + integral / argument)


def electrostatic_theta(
    ionic_strength: ArrayLike, first: int, second: int, a_phi: float
) -> NDArray[np.float64]:
    """Return Eθ, (...), [kg/mol], of two ions of these charges.

    Args:
        ionic_strength: (...), above 0, [mol/kg].
        first: Charge number of one ion.
        second: Of the other.
        a_phi: Debye-Hückel slope of the osmotic coefficient, [kg^½/mol^½].
    """
    strength = np.asarray(ionic_strength, np.float64)
    one = 6.0 * a_phi * np.sqrt(strength)
    mixed = pitzer_j(one * abs(first * second))
    alike = pitzer_j(one * first * first) + pitzer_j(one * second * second)
    return np.asarray(abs(first * second) / (4.0 * strength) * (mixed - 0.5 * alike))


@functools.lru_cache(maxsize=64)
def electrostatic_polynomial(first: int, second: int, a_phi: float) -> tuple[float, ...]:
    """Return the coefficients, highest power first, of I·Eθ/(1 + √I) in u = 2w - 1.

    w = r/(1 + r), r = I^¼. The left side is bounded and runs smoothly through I = 0, where Eθ
    itself grows as ln I.
    """
    node = 0.5 * (1.0 + np.cos(np.pi * (np.arange(300) + 0.5) / 300))
    share = node * 0.5 * (LARGEST_U + 1.0)
    strength = np.maximum((share / (1.0 - share)) ** 4, 1e-12)
    value = electrostatic_theta(strength, first, second, a_phi) * strength
    fitted = chebyshev.chebfit(2.0 * share - 1.0, value / (1.0 + np.sqrt(strength)), DEGREE)
    return tuple(float(c) for c in chebyshev.cheb2poly(fitted)[::-1])
