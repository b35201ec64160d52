"""Energy-dispersive detector: efficiency, line shape, escape, pile-up and dead time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_ndtr, ndtr, voigt_profile

from raffinate.errors import SpecificationError
from raffinate.instruments.xrf_atomic import atom, photoelectric
from raffinate.instruments.xrf_tube import Layer

Array = NDArray[np.float64]

MANGANESE_K_ALPHA = 5895.0
"""Energy at which resolutions are stated, [eV]."""
FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))
_WEAKEST_ESCAPE = 1.0e-5
_LEAST_ESCAPE_ENERGY = 500.0
"""Softer lines do not leave a crystal, [eV]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crystal:
    """What detector crystals are made of.

    Attributes:
        composition: (symbol, mass fraction), [-].
        density: [kg/m³].
        pair_energy: Energy per electron-hole pair, [eV].
    """

    composition: tuple[tuple[str, float], ...]
    density: float
    pair_energy: float


CRYSTALS = {
    "Si": Crystal(composition=(("Si", 1.0),), density=2329.0, pair_energy=3.65),
    "CdTe": Crystal(composition=(("Cd", 0.4684), ("Te", 0.5316)), density=5850.0, pair_energy=4.43),
}
"""G. F. Knoll, Radiation Detection and Measurement, 4th ed. (2010), tables 11.1 and 13.1."""

_FAR = 9.0
"""Standard deviations beyond which a Gaussian is nothing, [-]."""
_WING_SPAN = 1500.0
"""How far from a line its Lorentzian wings are followed, [eV]."""
_VANISHED = -40.0
"""Logarithm below which a tail is nothing, [-]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """A detector and its electronics.

    Attributes:
        crystal: A key of `CRYSTALS`.
        thickness: Of the crystal, [m].
        dead_layer: Of the crystal's material in front, which counts nothing, [m].
        tail_layer: Behind it, where charge is collected in part: its events form the tail, [m].
        tail_decay: Mean loss of energy in the tail, [eV].
        shelf: Share of a line's counts spread evenly down to 0, [-].
        resolution: Full width at half maximum at Mn Kα, [eV].
        fano_factor: [-].
        escape: Whether escape peaks are in the spectra; some electronics take them out.
        window: Layers in front of the crystal.
        pulse_pair_resolution: Pulses closer than this are counted as one of their sum, [s].
        dead_time: After a pulse, non-paralysable, [s].
    """

    crystal: str = "Si"
    thickness: float
    dead_layer: float = 0.0
    tail_layer: float = 0.0
    tail_decay: float = 100.0
    shelf: float = 0.0
    resolution: float
    fano_factor: float = 0.115
    escape: bool = True
    window: tuple[Layer, ...] = ()
    pulse_pair_resolution: float = 0.0
    dead_time: float = 0.0

    def __post_init__(self) -> None:
        if self.crystal not in CRYSTALS:
            raise SpecificationError(
                f"the crystal is {self.crystal!r}.", where="detector", allowed=", ".join(CRYSTALS)
            )
        if not (self.thickness > 0.0 and self.resolution > 0.0 and self.tail_decay > 0.0):
            raise SpecificationError(
                f"thickness is {self.thickness:g} m, resolution {self.resolution:g} eV, tail "
                f"decay {self.tail_decay:g} eV.",
                where="detector",
                allowed="all above 0",
            )
        if self.noise_variance < 0.0:
            best = math.sqrt(self.resolution**2 - FWHM_PER_SIGMA**2 * self.noise_variance)
            raise SpecificationError(
                f"resolution is {self.resolution:g} eV at Mn Kα.",
                where="detector",
                allowed=f"{best:.1f} eV or more, which the statistics of charge carriers leave",
            )

    @property
    def noise_variance(self) -> float:
        """Variance that electronics add, [eV²]; negative if the resolution cannot be."""
        return (self.resolution / FWHM_PER_SIGMA) ** 2 - self._carriers * MANGANESE_K_ALPHA

    @property
    def _carriers(self) -> float:
        return self.fano_factor * CRYSTALS[self.crystal].pair_energy

    def sigma(self, energies: ArrayLike) -> Array:
        """Return the standard deviation of lines, (energy,), [eV]."""
        positive = np.maximum(np.asarray(energies, dtype=np.float64), 0.0)
        return np.asarray(
            np.sqrt(self.noise_variance + self._carriers * positive), dtype=np.float64
        )

    def _depth(self, energies: ArrayLike) -> Array:
        """Attenuation of the crystal's material, (energy,), [1/m]."""
        crystal = CRYSTALS[self.crystal]
        shares = np.array([share for _, share in crystal.composition])
        table = photoelectric([symbol for symbol, _ in crystal.composition], energies)
        return np.asarray(shares @ table * crystal.density, dtype=np.float64)

    def efficiency(self, energies: ArrayLike) -> Array:
        """Return counts per photon that arrives, (energy,), [-]."""
        depth = self._depth(energies)
        passed = np.exp(-depth * self.dead_layer)
        for layer in self.window:
            passed = passed * layer.transmission(energies)
        return np.asarray(-passed * np.expm1(-depth * self.thickness), dtype=np.float64)

    def escapes(self, energies: ArrayLike) -> list[tuple[float, Array]]:
        """Return the crystal's own lines that leave it.

        Returns:
            (Energy of the lost line [eV], its share of the counts (energy,) [-]). S. J. B. Reed,
            N. G. Ware, J. Phys. E 5 (1972) 582, for every line of every element of the crystal.
        """
        values = np.atleast_1d(np.asarray(energies, dtype=np.float64))
        crystal = CRYSTALS[self.crystal]
        linear = self._depth(values)
        lost = []
        for symbol, mass_fraction in crystal.composition:
            one = atom(symbol)
            made = one.shell_production(values) * mass_fraction * crystal.density / linear
            for energy, shell, rate in zip(
                one.line_energy.tolist(),
                one.line_shell.tolist(),
                one.line_rate.tolist(),
                strict=True,
            ):
                if energy < _LEAST_ESCAPE_ENERGY:
                    continue
                ratio = self._depth([energy])[0] / linear
                share = 0.5 * made[shell] * rate * (1.0 - ratio * np.log1p(1.0 / ratio))
                if np.any(share > _WEAKEST_ESCAPE):
                    lost.append((energy, np.where(values > energy, share, 0.0)))
        return lost

    def response(self, energies: ArrayLike, edges: Array, spread: ArrayLike = 0.0) -> Array:
        """Return counts per arriving photon but for the shelf, (channel, energy), [-].

        Args:
            energies: Of the photons, (energy,), [eV].
            edges: Of the channels, (channel + 1,), [eV].
            spread: Further standard deviation of the photons' energy, (energy,) or one, [eV].
        """
        values = np.atleast_1d(np.asarray(energies, dtype=np.float64))
        extra = np.broadcast_to(np.asarray(spread, dtype=np.float64), values.shape)
        tail = -np.expm1(-self._depth(values) * self.tail_layer)
        shape = self._tails(values, edges, extra, tail)
        lost = np.zeros_like(values)
        for energy, share in self.escapes(values) if self.escape else ():
            places = np.flatnonzero(share > _WEAKEST_ESCAPE)
            if len(places):
                lower = values[places] - energy
                shape[:, places] += share[places] * self._gaussian(lower, edges, extra[places])
                lost[places] += share[places]
        shape += np.maximum(1.0 - tail - lost, 0.0) * self._gaussian(values, edges, extra)
        return shape * self.efficiency(values)

    def shelved(self, spectrum: Array, edges: Array) -> Array:
        """Return spectra with the shelf: a share of every count, evenly down to energy 0.

        Args:
            spectrum: Without it, (channel, ...), any unit.
            edges: Of the channels, (channel + 1,), [eV].
        """
        if self.shelf == 0.0:
            return spectrum
        centres = 0.5 * (edges[1:] + edges[:-1])
        column = (-1, *([1] * (spectrum.ndim - 1)))
        spread = np.where(centres > 0.0, (edges[1] - edges[0]) / np.maximum(centres, 1.0), 0.0)
        per_channel = spectrum * spread.reshape(column)
        from_above = np.cumsum(per_channel[::-1], axis=0)[::-1] - 0.5 * per_channel
        shelf = np.where((centres > 0.0).reshape(column), from_above, 0.0)
        return np.asarray((1.0 - self.shelf) * spectrum + self.shelf * shelf, dtype=np.float64)

    def _gaussian(self, energies: Array, edges: Array, extra: Array) -> Array:
        sigma = np.sqrt(self.sigma(energies) ** 2 + extra**2)
        below = _below((edges[:, None] - energies) / sigma)
        return np.asarray(np.diff(below, axis=0), dtype=np.float64)

    def wings(self, energies: Array, widths: Array, edges: Array) -> Array:
        """Return what a natural width adds to `response`, (channel, energy), [-].

        Args:
            energies: Of the lines, (energy,), [eV].
            widths: Natural full width at half maximum, (energy,), [eV].
            edges: Of the channels, (channel + 1,), [eV].
        """
        sigma = self.sigma(energies)
        centres = 0.5 * (edges[1:] + edges[:-1])
        away = centres[:, None] - energies
        near = np.abs(away) < _WING_SPAN
        spread = np.broadcast_to(sigma, away.shape)[near]
        half = np.broadcast_to(0.5 * widths, away.shape)[near]
        # Only the difference is taken at the middle of a channel; lines themselves are integrated.
        added = np.zeros_like(away)
        added[near] = voigt_profile(away[near], spread, half) - voigt_profile(
            away[near], spread, 0.0
        )
        return np.asarray(
            added * np.diff(edges)[:, None] * self.efficiency(energies), dtype=np.float64
        )

    def _tails(self, energies: Array, edges: Array, extra: Array, tail: Array) -> Array:
        """Counts that lost part of their charge, (channel, energy)."""
        if self.tail_layer == 0.0:
            return np.zeros((len(edges) - 1, len(energies)))
        sigma = np.sqrt(self.sigma(energies) ** 2 + extra**2)
        away = (edges[:, None] - energies) / sigma
        slope = sigma / self.tail_decay
        # A Gaussian less an exponential; in logarithms, as each factor alone overflows.
        near = (away < _FAR) & (0.5 * slope**2 + away * slope > _VANISHED)
        steep = np.broadcast_to(slope, away.shape)[near]
        there = away[near]
        grown = np.zeros_like(away)
        grown[near] = np.exp(0.5 * steep**2 + there * steep + log_ndtr(-there - steep))
        return np.asarray(tail * np.diff(_below(away) + grown, axis=0), dtype=np.float64)

    def piled_up(self, rate: Array, edges: Array) -> Array:
        """Return the spectrum with pairs of pulses counted as one, (channel,), [1/s].

        To first order in rate times resolving time: a pair takes two counts and gives their sum.
        """
        total = float(np.sum(rate))
        unresolved = total * self.pulse_pair_resolution
        if unresolved <= 0.0:
            return rate
        width = float(edges[1] - edges[0])
        length = 1 << (2 * len(rate) - 1).bit_length()
        pairs = np.fft.irfft(np.fft.rfft(rate, length) ** 2, length)[: 2 * len(rate)]
        # Channel i + j holds energy 2·zero + (i + j)·gain.
        first = 0.5 * float(edges[0] + edges[1])
        places = np.arange(len(rate)) - first / width
        summed = np.interp(places, np.arange(len(pairs)), pairs, left=0.0, right=0.0)
        kept: Array = math.exp(-2.0 * unresolved) * (
            rate + self.pulse_pair_resolution * np.maximum(summed, 0.0)
        )
        return kept

    def live_fraction(self, total_rate: float) -> float:
        """Return live time over real time at `total_rate` true counts per second, [-]."""
        return 1.0 / (1.0 + total_rate * self.dead_time)


def _below(away: Array) -> Array:
    """Share of a Gaussian below `away` standard deviations, same shape, [-]."""
    below = (away > 0.0).astype(np.float64)
    near = np.abs(away) < _FAR
    below[near] = ndtr(away[near])
    return below
