"""Pitzer's ion-interaction model of a concentrated liquor at 25 °C.

Source: K. S. Pitzer, Activity Coefficients in Electrolyte Solutions, 2nd ed., CRC Press 1991,
ch. 3; equations as written by Harvie, Møller, Weare, Geochim. Cosmochim. Acta 48 (1984) 723:

    ln γ_i = z_i² F + Σ_j m_j (2B_ij + Z C_ij) + Σ_k m_k 2Φ_ik + Σ_jk ψ_ijk m_j m_k + |z_i| ΣΣ m m C
    F = -A_φ [√I/(1 + 1.2√I) + (2/1.2) ln(1 + 1.2√I)] + ΣΣ m_c m_a B'_ca + ΣΣ m m Φ'

j runs over ions of the other sign, k over those of the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from raffinate.chemistry.pitzer_electrostatic import LARGEST_U
from raffinate.numerics.jax_setup import Array, jnp

A_PHI = 0.3915
"""Debye-Hückel slope at 25 °C, [kg^½/mol^½]; Pitzer (1991), ch. 3, table 1, as transcribed in
pytzer 0.6.0."""

B = 1.2
"""[kg^½/mol^½]; Pitzer (1991)."""

WATER_MOLAR_MASS = 18.0153e-3
"""[kg/mol]; IUPAC standard atomic weights 2021 (abridged)."""

DECAYS = (2.0, 1.4, 12.0)
"""α of the exponential terms, [kg^½/mol^½]: β⁽¹⁾ of all but 2-2 salts, β⁽¹⁾ of 2-2 salts, β⁽²⁾."""

TINY = 1e-20
"""[mol/kg], added to the ionic strength so that no derivative is infinite in pure water."""


class PitzerParameters(NamedTuple):
    """Numbers of the model; every matrix is symmetric.

    Attributes:
        a_phi: A_φ, (), [kg^½/mol^½].
        virial: 2β⁽⁰⁾ or 2θ, C_ca, and 2β of each decay in use, stacked, (block · ion, ion).
        triple: ψ of each ion with each pair of other ions, (ion, pair), [kg²/mol²].
        electrostatic: Coefficients of Eθ of each pair of charges, (charge pair, power).
    """

    a_phi: Array
    virial: Array
    triple: Array
    electrostatic: Array


@dataclass(frozen=True, slots=True)
class PitzerModel:
    """Which terms are present; frozen and hashable.

    Attributes:
        charges: Of every aqueous species, (ion,).
        decays: Places in `DECAYS` of the exponential terms in use.
        pairs: Ions of each column of `triple`, (pair, 2).
        charge_pairs: Unlike charges of like sign, (charge pair, 2).
    """

    charges: tuple[int, ...]
    decays: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...]
    charge_pairs: tuple[tuple[int, int], ...]

    def log_molal(self, molality: Array, parameters: PitzerParameters) -> tuple[Array, Array]:
        """Return ln γ, (ion, ...), on the molal scale, and ln of the activity of water, (...), [-].

        Args:
            molality: Of every aqueous species, (ion, ...), [mol/kg].
            parameters: See `PitzerParameters`.
        """
        batch = (slice(None),) + (None,) * (molality.ndim - 1)
        charge = np.asarray(self.charges, np.float64)
        size, square = np.abs(charge)[batch], (charge * charge)[batch]
        strength = 0.5 * jnp.sum(square * molality, axis=0) + TINY
        root = jnp.sqrt(strength)
        count = len(self.charges)
        moments = jnp.tensordot(parameters.virial, molality, axes=1)
        blocks = [moments[k * count : (k + 1) * count] for k in range(2 + len(self.decays))]
        quadratic = [jnp.sum(block * molality, axis=0) for block in blocks]
        total_charge = jnp.sum(size * molality, axis=0)

        shield = 1.0 + B * root
        big_f = -parameters.a_phi * (root / shield + (2.0 / B) * jnp.log(shield))
        osmotic = -parameters.a_phi * strength * root / shield
        log_gamma = blocks[0] + total_charge * blocks[1] + size * (0.5 * quadratic[1])
        osmotic = osmotic + 0.25 * quadratic[0] + 0.5 * total_charge * quadratic[1]
        for place, block, square_sum in zip(self.decays, blocks[2:], quadratic[2:], strict=True):
            decayed, exponential = decay(DECAYS[place] * root)
            log_gamma = log_gamma + decayed * block
            big_f = big_f + 0.25 * square_sum * (exponential - decayed) / strength
            osmotic = osmotic + 0.25 * exponential * square_sum
        if self.charge_pairs:
            added, share, slope = self._unlike(molality, strength, parameters.electrostatic)
            log_gamma, osmotic = log_gamma + added, osmotic + share
            big_f = big_f + slope
        if self.pairs:
            left, right = np.asarray(self.pairs).T
            bound = jnp.tensordot(parameters.triple, molality[left] * molality[right], axes=1)
            log_gamma = log_gamma + bound
            osmotic = osmotic + jnp.sum(bound * molality, axis=0) / 3.0
        log_gamma = log_gamma + square * big_f
        solutes = jnp.sum(molality, axis=0)
        return log_gamma, -WATER_MOLAR_MASS * (solutes + 2.0 * osmotic)

    def _unlike(
        self, molality: Array, strength: Array, coefficients: Array
    ) -> tuple[Array, Array, Array]:
        """Return what Eθ of unlike charges adds to ln γ, to the osmotic sum and to F."""
        charge = np.asarray(self.charges)
        first, second = (
            np.array([charge == pair[side] for pair in self.charge_pairs], np.float64)
            for side in (0, 1)
        )
        one = jnp.tensordot(first, molality, axes=1)
        other = jnp.tensordot(second, molality, axes=1)
        theta, slope = _electrostatic(coefficients, jnp.sqrt(strength))
        product = one * other / strength
        scaled = 2.0 * theta / strength
        added = jnp.tensordot(first.T, scaled * other, axes=1)
        added = added + jnp.tensordot(second.T, scaled * one, axes=1)
        return (
            added,
            jnp.sum(product * (theta + slope), axis=0),
            jnp.sum(product * slope, axis=0) / strength,
        )


_DECAY_SERIES = tuple(2.0 * (-1.0) ** k * (k - 1.0) / math.factorial(k) for k in range(2, 10))
"""Coefficients of g(x) in powers of x."""


def decay(x: Array) -> tuple[Array, Array]:
    """Return g(x) = 2[1 - (1 + x) e^-x]/x² and e^-x; near 0, g by its series."""
    exponential = jnp.exp(-x)
    near = x < 0.1
    safe = jnp.where(near, 1.0, x)
    closed = 2.0 * (1.0 - (1.0 + safe) * exponential) / (safe * safe)
    series = jnp.zeros_like(x)
    for coefficient in _DECAY_SERIES[::-1]:
        series = series * x + coefficient
    return jnp.where(near, series, closed), exponential


def _electrostatic(coefficients: Array, root: Array) -> tuple[Array, Array]:
    """Return I·Eθ and I²·dEθ/dI, (charge pair, ...), from the fits of `pitzer_electrostatic`.

    Args:
        coefficients: Highest power of u first, (charge pair, power).
        root: √I, (...), [mol^½/kg^½].
    """
    fourth = jnp.sqrt(root)
    inverse = 1.0 / (1.0 + fourth)
    u = jnp.minimum(2.0 * fourth * inverse - 1.0, LARGEST_U)
    powers = coefficients.T[(..., *(None,) * root.ndim)]
    value, slope = powers[0] + jnp.zeros_like(u), jnp.zeros_like(u)
    for power in powers[1:]:
        slope = slope * u + value
        value = value * u + power
    theta = value * (1.0 + root)
    derivative = 0.5 * (slope * inverse * inverse * (1.0 + root) * fourth + value * root)
    return theta, derivative - theta
