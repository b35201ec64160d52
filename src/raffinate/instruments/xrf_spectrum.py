"""The whole expected spectrum of a sample, exact for given concentrations and quick to repeat."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raffinate.errors import SpecificationError
from raffinate.instruments.xrf_drift import NO_DRIFT, Drift, drifted
from raffinate.instruments.xrf_fluorescence import Beam, Emission, kernels
from raffinate.instruments.xrf_instrument import XrfInstrument
from raffinate.instruments.xrf_responses import Sparse

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tables:
    """Arrays that depend on the instrument and the list of components only.

    Attributes:
        node_energy: Exciting energies, continuum first, (node,), [eV].
        smooth: How many of them, the first, have no Compton shape of their own: continuum and
            soft lines of the anode.
        attenuation: Of each component at nodes, scattered nodes, lines and exciters, four times
            (component, energy), [m²/kg].
        scattering: Of each component at the nodes, (component, node), [m²/kg].
        coherent: Into the scattering angle, (component, node), [m²/(kg sr)].
        compton: Likewise.
        line_response: Counts per photon and steradian of each line, (channel, line), [sr].
        coherent_response: Of each node, (channel, node), [sr].
        compton_response: Of each smooth node, (channel, node), [sr].
        compton_lines: Of each hard line of the anode scattered by each component,
            (channel, component × line), [sr].
        double_lines: Of each hard line scattered twice, (channel, line), [sr].
        fouling: Attenuation of the fouling layer at nodes, scattered nodes and lines, [m²/kg].
        group: Place of each line's group in `ForwardModel.groups`, (line,).
    """

    node_energy: Array
    smooth: int
    attenuation: tuple[Array, Array, Array, Array]
    scattering: Array
    coherent: Array
    compton: Array
    line_response: Sparse
    coherent_response: Sparse
    compton_response: Sparse
    compton_lines: Sparse
    double_lines: Sparse
    fouling: tuple[Array, Array, Array]
    group: NDArray[np.int_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contributions:
    """A spectrum in parts; all counts per second of live time.

    Attributes:
        energies: Middles of the channels, (channel,), [eV].
        groups: (symbol, line group) of each column of `fluorescence`.
        fluorescence: Counts of each line group, (channel, group), [1/s].
        coherent: Scattered without loss, (channel,), [1/s].
        compton: Scattered by Compton, (channel,), [1/s].
    """

    energies: Array
    groups: tuple[tuple[str, str], ...]
    fluorescence: Array
    coherent: Array
    compton: Array

    @property
    def total(self) -> Array:
        """Their sum, (channel,), [1/s]."""
        return np.asarray(
            np.sum(self.fluorescence, axis=1) + self.coherent + self.compton, dtype=np.float64
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ForwardModel:
    """Expected spectra of samples made of given elements; see `build_forward_model`.

    Attributes:
        instrument: The analyzer.
        components: Symbols of all elements of the sample; they fix the component axis.
        groups: (symbol, line group) that can be seen; they fix the group axis.
        emission: Lines and their production.
        beam: What reaches the sample.
        tables: Everything else that can be computed beforehand.
        enhancement: Whether secondary fluorescence is counted.
        scatter_enhancement: Whether the scattered beam excites, too.
    """

    instrument: XrfInstrument
    components: tuple[str, ...]
    groups: tuple[tuple[str, str], ...]
    emission: Emission
    beam: Beam
    tables: Tables
    enhancement: bool
    scatter_enhancement: bool

    def masses(self, sample: Mapping[str, float]) -> Array:
        """Return a sample's elements on the component axis, (component,), [kg/m³].

        Raises:
            SpecificationError: An element is none of the model's components.
        """
        strange = sorted(set(sample) - set(self.components))
        if strange:
            raise SpecificationError(
                f"the sample holds {', '.join(strange)}.",
                where="XRF model",
                allowed=", ".join(self.components),
                mend="Build the model with every element of the sample.",
            )
        return np.array([sample.get(symbol, 0.0) for symbol in self.components])

    def line_intensities(self, masses: ArrayLike, drift: Drift = NO_DRIFT) -> tuple[Array, Array]:
        """Return primary and secondary photons of each line, (line,), [1/(s sr)].

        Args:
            masses: Of each component, (component,), [kg/m³].
            drift: Of the instrument.
        """
        primary, secondary = self.kernels(masses)
        flux = self._beam(drift).flux
        leaving = self._leaving(drift, self.tables.fouling[2])
        return (primary @ flux) * leaving, (secondary @ flux) * leaving

    def kernels(self, masses: ArrayLike) -> tuple[Array, Array]:
        """Return primary and secondary photons of each line for one of the beam.

        Args:
            masses: Of each component, (component,), [kg/m³].

        Returns:
            Twice (line, node), [1/sr].
        """
        concentration = self._checked(masses)
        at_nodes, _, at_lines, at_exciters = (
            concentration @ table for table in self.tables.attenuation
        )
        return kernels(
            self._emission(),
            concentration,
            self.beam,
            (at_nodes, at_lines, at_exciters),
            concentration @ self.tables.scattering if self.scatter_enhancement else None,
        )

    def line_sums(self, masses: ArrayLike, fluxes: Array) -> Array:
        """Return photons of each line for other spectra of the beam, (line, flux), [1/(s sr)].

        Args:
            masses: Of each component, (component,), [kg/m³].
            fluxes: Photons at each node, (flux, node), [1/s].
        """
        return np.asarray(_photons(self, self._key(masses)) @ fluxes.T, dtype=np.float64)

    def _key(self, masses: ArrayLike) -> tuple[float, ...]:
        return tuple(self._checked(masses).tolist())

    def scattered(self, masses: ArrayLike, drift: Drift = NO_DRIFT) -> tuple[Array, Array]:
        """Return coherent and Compton counts of the tube's spectrum, (channel,), [1/s]."""
        coherent, single, double = self._scattered_photons(masses, drift)
        tables = self.tables
        compton = tables.compton_lines @ single[:, tables.smooth :].ravel()
        compton += tables.double_lines @ double[tables.smooth :]
        continuum = np.sum(single[:, : tables.smooth], axis=0) + double[: tables.smooth]
        compton += tables.compton_response @ continuum
        return tables.coherent_response @ coherent, compton

    def scattered_by(self, masses: ArrayLike, fluxes: Array) -> tuple[Array, Array]:
        """Return scattered counts of other spectra of the beam, and those of one Compton turn.

        Args:
            masses: Of each component, (component,), [kg/m³].
            fluxes: Photons at each node, (flux, node), [1/s].

        Returns:
            (channel, flux) of all that is scattered; (channel,) of the first flux, by Compton once.
        """
        unit = replace(self, beam=replace(self.beam, flux=np.ones_like(self.beam.flux)))
        coherent, single, double = unit._scattered_photons(masses, NO_DRIFT)
        tables, smooth = self.tables, self.tables.smooth
        hard = (single[:, None, smooth:] * fluxes[:, smooth:]).transpose(0, 2, 1)
        by_lines = tables.compton_lines @ hard.reshape(-1, len(fluxes))
        turned = np.sum(single[:, :smooth], axis=0)
        continuum = np.vstack([(turned + double[:smooth]) * fluxes[:, :smooth],
                               turned * fluxes[:1, :smooth]])  # fmt: skip
        by_continuum = tables.compton_response @ continuum.T
        counts = tables.coherent_response @ (coherent * fluxes).T
        counts += by_continuum[:, :-1] + by_lines
        counts += tables.double_lines @ (double[smooth:] * fluxes[:, smooth:]).T
        return counts, by_continuum[:, -1] + by_lines[:, 0]

    def _scattered_photons(self, masses: ArrayLike, drift: Drift) -> tuple[Array, Array, Array]:
        """Coherent (node,), by Compton once (component, node) and twice (node,), [1/(s sr)]."""
        concentration = self._checked(masses)
        tables, beam = self.tables, self._beam(drift)
        at_nodes = concentration @ tables.attenuation[0]
        at_shifted = concentration @ tables.attenuation[1]
        entering = beam.flux / beam.sine_in
        path = at_nodes / beam.sine_in
        depth = beam.depth
        coherent = entering * (concentration @ tables.coherent)
        coherent *= _integral(path + at_nodes / beam.sine_out, depth)
        coherent *= self._leaving(drift, tables.fouling[0])
        each = entering * concentration[:, None] * tables.compton
        each *= _integral(path + at_shifted / beam.sine_out, depth)
        each *= self._leaving(drift, tables.fouling[1])
        twice = self._twice(concentration, at_nodes, at_shifted) * beam.flux
        twice *= self._leaving(drift, tables.fouling[1])
        return coherent, each, twice

    def _twice(self, concentration: Array, at_nodes: Array, at_shifted: Array) -> Array:
        """Photons scattered twice, per photon of the beam, (node,), [1/sr].

        As Sherman's enhancement with scattering for fluorescence: isotropic, the sample thick.
        """
        strength = concentration @ self.tables.scattering
        entering, leaving = at_nodes / self.beam.sine_in, at_shifted / self.beam.sine_out
        paths = np.log1p(entering / at_nodes) / entering + np.log1p(leaving / at_nodes) / leaving
        again = strength**2 * paths * _integral(entering + leaving, self.beam.depth)
        return np.asarray(again / (8.0 * math.pi * self.beam.sine_in), dtype=np.float64)

    def contributions(self, masses: ArrayLike, drift: Drift = NO_DRIFT) -> Contributions:
        """Return the spectrum in parts, one column for each line group.

        Columns scale with a group's amplitude at fixed matrix: a fitter's templates.
        """
        primary, secondary = self.line_intensities(masses, drift)
        placed = np.zeros((len(primary), len(self.groups)))
        placed[np.arange(len(primary)), self.tables.group] = primary + secondary
        coherent, compton = self.scattered(masses, drift)
        parts = np.column_stack([self.tables.line_response @ placed, coherent, compton])
        parts = self._detected(parts, drift)
        return Contributions(
            energies=self.instrument.energies,
            groups=self.groups,
            fluorescence=parts[:, :-2],
            coherent=parts[:, -2],
            compton=parts[:, -1],
        )

    def spectrum(self, masses: ArrayLike, drift: Drift = NO_DRIFT) -> Array:
        """Return expected counts per second of live time before pile-up, (channel,), [1/s].

        Args:
            masses: Of each component, (component,), [kg/m³].
            drift: Of the instrument.

        Raises:
            SpecificationError: A mass is negative or not finite, or all are 0.
        """
        return self._detected(self.undetected(masses, drift), drift)

    def undetected(self, masses: ArrayLike, drift: Drift = NO_DRIFT) -> Array:
        """Return `spectrum` without the shelf, and without drift but of the beam."""
        photons = _photons(self, self._key(masses)) @ self._beam(drift).flux
        photons = photons * self._leaving(drift, self.tables.fouling[2])
        coherent, compton = self.scattered(masses, drift)
        return np.asarray(
            self.tables.line_response @ photons + coherent + compton, dtype=np.float64
        )

    def recorded(self, masses: ArrayLike, drift: Drift = NO_DRIFT) -> Array:
        """Return expected counts per second of live time with pile-up, (channel,), [1/s]."""
        return self.instrument.detector.piled_up(
            self.spectrum(masses, drift), self.instrument.edges
        )

    def count(
        self,
        masses: ArrayLike,
        real_time: float,
        generator: np.random.Generator,
        drift: Drift = NO_DRIFT,
    ) -> tuple[NDArray[np.int64], float]:
        """Count one spectrum.

        Args:
            masses: Of each component, (component,), [kg/m³].
            real_time: How long, [s].
            generator: Source of the counting noise.
            drift: Of the instrument.

        Returns:
            Counts (channel,), and the live time [s].

        Raises:
            SpecificationError: The time is not above 0.
        """
        if not real_time > 0.0:
            raise SpecificationError(
                f"real time is {real_time:g} s.", where="XRF count", allowed="above 0"
            )
        true = self.spectrum(masses, drift)
        detector = self.instrument.detector
        live = real_time * detector.live_fraction(float(np.sum(true)))
        expected = detector.piled_up(true, self.instrument.edges) * live
        # Interpolation of a drifted spectrum can end a rounding error below nothing.
        return generator.poisson(np.maximum(expected, 0.0)).astype(np.int64), live

    def _checked(self, masses: ArrayLike) -> Array:
        values = np.asarray(masses, dtype=np.float64)
        if values.shape != (len(self.components),):
            raise SpecificationError(
                f"{values.shape} masses.", where="XRF model", allowed=f"{len(self.components)}"
            )
        if not (np.all(values >= 0.0) and np.all(np.isfinite(values)) and np.any(values > 0.0)):
            worst = self.components[int(np.argmin(np.where(np.isfinite(values), values, -np.inf)))]
            raise SpecificationError(
                f"the mass of {worst} is {float(np.min(values)):g} kg/m³.",
                where="XRF model",
                allowed="finite, 0 or above, not all 0",
            )
        return values

    def _detected(self, counts: Array, drift: Drift) -> Array:
        shelved = self.instrument.detector.shelved(counts, self.instrument.edges)
        return drifted(shelved, self.instrument, drift)

    def _emission(self) -> Emission:
        if self.enhancement:
            return self.emission
        nobody = np.zeros(0, dtype=np.int_)
        return replace(
            self.emission,
            exciters=self.emission.exciters.take(nobody),
            production_by=self.emission.production_by[:, :0],
        )

    def _beam(self, drift: Drift) -> Beam:
        if drift.flux == 1.0 and drift.fouling == 0.0:
            return self.beam
        passed = np.exp(-drift.fouling * self.tables.fouling[0] / self.beam.sine_in)
        return replace(self.beam, flux=self.beam.flux * drift.flux * passed)

    def _leaving(self, drift: Drift, fouling: Array) -> Array | float:
        if drift.fouling == 0.0:
            return 1.0
        return np.asarray(np.exp(-drift.fouling * fouling / self.beam.sine_out), dtype=np.float64)


def _integral(total: Array, depth: float) -> Array:
    """Integral over depth of an exponential decay, [m]."""
    if np.isinf(depth):
        return np.asarray(1.0 / total, dtype=np.float64)
    return np.asarray(-np.expm1(-total * depth) / total, dtype=np.float64)


@lru_cache(maxsize=2)
def _photons(model: ForwardModel, masses: tuple[float, ...]) -> Array:
    """Photons of each line for one of the beam, (line, node), [1/sr].

    Kept, as a fit asks for the spectrum and what calibration factors change at one composition.
    """
    primary, secondary = model.kernels(masses)
    primary += secondary
    return primary
