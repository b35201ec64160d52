"""Coherent and Compton scattering of the tube's spectrum into the detector.

Single scattering; the Compton line carries the momenta of the electrons (impulse approximation,
P. Eisenberger, P. M. Platzman, Phys. Rev. A 2 (1970) 415; R. Ribberfors, Phys. Rev. B 12 (1975)
2067), shell by shell, its area that of the incoherent scattering function.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raffinate.instruments.xrf_atomic import compton_profile

Array = NDArray[np.float64]

ELECTRON_REST_ENERGY = 510998.95
"""[eV]"""
_INVERSE_FINE_STRUCTURE = 137.035999


def compton_energy(energies: ArrayLike, angle: float) -> Array:
    """Return the energy after scattering by a free electron at rest, (energy,), [eV]."""
    values = np.asarray(energies, dtype=np.float64)
    return np.asarray(
        values / (1.0 + values / ELECTRON_REST_ENERGY * (1.0 - math.cos(angle))), dtype=np.float64
    )


def electron_momentum(energy: ArrayLike, scattered: ArrayLike, angle: float) -> Array:
    """Return the electron momentum that scatters `energy` to `scattered`, [atomic units]."""
    before = np.asarray(energy, dtype=np.float64)
    after = np.asarray(scattered, dtype=np.float64)
    cosine = math.cos(angle)
    transfer = np.sqrt(before**2 + after**2 - 2.0 * before * after * cosine)
    missing = before - after - before * after * (1.0 - cosine) / ELECTRON_REST_ENERGY
    return np.asarray(-_INVERSE_FINE_STRUCTURE * missing / transfer, dtype=np.float64)


def compton_shape(symbol: str, energy: float, angle: float, scattered: Array) -> Array:
    """Return the share of each scattered energy, (scattered,), [-], summing to 1.

    Args:
        symbol: Element that scatters.
        energy: Before, [eV].
        angle: Of scattering, [rad].
        scattered: Evenly spaced energies after, (scattered,), [eV].
    """
    cosine = math.cos(angle)
    transfer = np.sqrt(energy**2 + scattered**2 - 2.0 * energy * scattered * cosine)
    momentum = electron_momentum(energy, scattered, angle)
    profile = compton_profile(symbol, momentum, energy - scattered)
    shape = np.where(scattered < energy, scattered / transfer * profile, 0.0)
    total = float(np.sum(shape))
    if total <= 0.0:
        shape = np.where(
            np.arange(len(scattered))
            == np.argmin(np.abs(scattered - compton_energy(energy, angle))),
            1.0,
            0.0,
        )
        total = 1.0
    return np.asarray(shape / total, dtype=np.float64)


def compton_spread(symbol: str, energies: Array, angle: float) -> Array:
    """Return the standard deviation of a Gaussian as wide at half height, (energy,), [eV]."""
    spreads = []
    for energy in energies.tolist():
        centre = float(compton_energy(energy, angle))
        grid = centre + np.linspace(-0.12, 0.12, 121) * centre
        shape = compton_shape(symbol, energy, angle, grid)
        above = grid[shape >= 0.5 * np.max(shape)]
        spreads.append((above[-1] - above[0]) / 2.3548)
    return np.array(spreads)
