"""Factors by which a calibrated analyzer departs from the tables, and how they enter the physics.

Every factor multiplies; its natural logarithm is what is fitted, so no line can vanish or turn
negative. A group factor is on all lines of one shell of one element, a line factor on some of its
lines over the shell's strongest, a common factor on tube, geometry or scatter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from raffinate.instruments.quantify_derivatives import derivatives
from raffinate.instruments.xrf_atomic import group_of
from raffinate.instruments.xrf_drift import Drift
from raffinate.instruments.xrf_fluorescence import Lines
from raffinate.instruments.xrf_instrument import XrfInstrument
from raffinate.instruments.xrf_spectrum import ForwardModel

Array = NDArray[np.float64]

COMMON = ("tube voltage", "anode lines", "Compton scatter", "path to detector")
"""Names of the common factors: on the voltage, on the anode's lines over its continuum, on Compton
over coherent scatter, on the way through the sample toward the detector (angles)."""

FAINT = 1e-3
"""Share of an element's photons below which lines get no factor of their own, [-]."""

_STEP = 2e-3
"""Of a difference quotient in the logarithm of a common factor."""
_SHELL = re.compile(r"K|L[123]|M[1-5]")
_ENDS = {
    **{"M4": "M45", "M5": "M45", "N2": "N23", "N3": "N23", "N4": "N45", "N5": "N45"},
    **{"N6": "N67", "N7": "N67"},
}


def line_family(name: str) -> tuple[str, str]:
    """Return shell and family of a line, ("L3", "N45") of "L3N5": lines whose ratio is sure."""
    match = _SHELL.match(name)
    shell = match[0] if match else name
    end = name[len(shell) :]
    if shell == "K":
        return shell, end[:1]
    return shell, _ENDS.get(end[:2], end[:2] if end[:1] in "MN" else end[:1])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FactorMap:
    """Which factors act on which lines of a forward model.

    Attributes:
        names: "Nd L3", "Nd L3-N45", then `COMMON`; they fix the factor axis.
        lines: 1 where a factor acts on a line, (line, factor).
        exciters: Likewise of the lines that excite, (exciter, factor).
    """

    names: tuple[str, ...]
    lines: Array
    exciters: Array

    @property
    def own(self) -> int:
        """How many factors, the first, are on lines and not common."""
        return len(self.names) - len(COMMON)


def line_names(forward: ForwardModel) -> tuple[str, ...]:
    """Return the names of all group and line factors of a forward model, groups first."""
    lines = forward.emission.lines
    production = forward.emission.production @ forward.beam.flux
    made = production[lines.row] * lines.share
    weight: dict[tuple[str, str, str], float] = {}
    total: dict[str, float] = {}
    for place, (symbol, shell, family) in enumerate(_keys(forward, lines)):
        key = (symbol, shell, family)
        weight[key] = weight.get(key, 0.0) + float(made[place])
        total[symbol] = total.get(symbol, 0.0) + float(made[place])
    groups = dict.fromkeys(f"{symbol} {group_of(shell)}" for symbol, shell, _ in weight)
    families = []
    for key, own in weight.items():
        symbol, shell, family = key
        strongest = max(w for (s, h, _), w in weight.items() if (s, h) == (symbol, shell))
        if not shell.startswith("M") and FAINT * total[symbol] < own < strongest:
            families.append(f"{symbol} {shell}-{family}")
    return (*groups, *families)


def factor_map(forward: ForwardModel, names: Sequence[str]) -> FactorMap:
    """Return how named factors act on a model; those of other elements act on nothing.

    Args:
        forward: The model.
        names: Of group and line factors.
    """
    place = {name: column for column, name in enumerate(names)}

    def table(lines: Lines) -> Array:
        acting = np.zeros((len(lines), len(names) + len(COMMON)))
        for row, (symbol, shell, family) in enumerate(_keys(forward, lines)):
            for name in (f"{symbol} {group_of(shell)}", f"{symbol} {shell}-{family}"):
                if name in place:
                    acting[row, place[name]] = 1.0
        return acting

    emission = forward.emission
    return FactorMap(
        names=(*names, *COMMON), lines=table(emission.lines), exciters=table(emission.exciters)
    )


def _keys(forward: ForwardModel, lines: Lines) -> list[tuple[str, str, str]]:
    return [
        (forward.components[component], *line_family(name))
        for component, name in zip(lines.component.tolist(), lines.name, strict=True)
    ]


def corrected(forward: ForwardModel, acting: FactorMap, logs: Array) -> ForwardModel:
    """Return a model with factors in force.

    Args:
        forward: The model without them.
        acting: From `factor_map` of the same model.
        logs: Natural logarithms of the factors, (factor,).
    """
    emission, beam, tables = forward.emission, forward.beam, forward.tables
    voltage, anode, compton, path = logs[acting.own :].tolist()
    flux = beam.flux * _flux_ratio(forward, voltage, anode)
    return replace(
        forward,
        emission=replace(
            emission,
            lines=replace(emission.lines, share=emission.lines.share * np.exp(acting.lines @ logs)),
            exciters=replace(
                emission.exciters, share=emission.exciters.share * np.exp(acting.exciters @ logs)
            ),
        ),
        beam=replace(beam, flux=flux, sine_out=beam.sine_out * float(np.exp(-path))),
        tables=replace(tables, compton=tables.compton * float(np.exp(compton))),
    )


def _flux_ratio(forward: ForwardModel, voltage: float, anode: float) -> Array:
    """Photons at each node over those of the uncorrected tube, (node,), [-]."""
    ratio = _voltage_ratio(forward, voltage).copy()
    ratio[len(ratio) - anode_lines(forward) :] *= np.exp(anode)
    return ratio


@lru_cache(maxsize=8)
def _voltage_ratio(forward: ForwardModel, voltage: float) -> Array:
    """`_flux_ratio` of the voltage alone; most models differ in other factors."""
    energies = forward.tables.node_energy
    if voltage == 0.0:
        return np.ones(len(energies))
    tube = forward.instrument.tube
    before, now = (
        _tube_at_nodes(forward, each) for each in (tube.voltage, tube.voltage * np.exp(voltage))
    )
    return np.where(before > 0.0, now / np.maximum(before, 1e-300), 0.0)


@lru_cache(maxsize=8)
def _tube_at_nodes(forward: ForwardModel, voltage: float) -> Array:
    """Spectral density at continuum nodes, strengths of the anode's lines at theirs, (node,)."""
    tube = replace(forward.instrument.tube, voltage=float(voltage))
    energies, count = forward.tables.node_energy, anode_lines(forward)
    smooth, sharp = energies[: len(energies) - count], energies[len(energies) - count :]
    line_energy, strength = tube.lines()
    lines = [float(np.sum(strength[line_energy == each])) for each in sharp]
    return np.concatenate([tube.continuum(smooth), lines])


def anode_lines(forward: ForwardModel) -> int:
    """Return how many of the exciting energies, the last, are lines of the anode."""
    energies = forward.tables.node_energy
    # The continuum's nodes rise; the first line begins anew below the end of the continuum.
    falls = np.flatnonzero(np.diff(energies) <= 0.0)
    return 0 if not len(falls) else len(energies) - int(falls[0]) - 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Changes:
    """What one more of each factor's logarithm does to an undrifted second.

    Attributes:
        lines: Photons with the factors of lines, (line, factor), [1/(s sr)].
        common: Counts with the common factors, (channel, common factor), [1/s].
    """

    lines: Array
    common: Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Correction:
    """A calibration's factors in force in a model, with what is not known of them.

    Attributes:
        instrument: As described, before any factor.
        nominal: The model without factors, at the calibrated voltage.
        acting: Which factor acts where.
        logs: Of the factors relative to `nominal`, (factor,).
        covariance: Of them, (factor, factor).
    """

    instrument: XrfInstrument
    nominal: ForwardModel
    acting: FactorMap
    logs: Array
    covariance: Array

    def forward(self) -> ForwardModel:
        """Return the model with the factors in force."""
        return corrected(self.nominal, self.acting, self.logs)

    def slopes(
        self, forward: ForwardModel, changes: Changes, scale: float, drift: Drift, channels: slice
    ) -> Array:
        """Return the change of counts with each factor's logarithm, (channel, factor).

        Args:
            forward: From `forward`.
            changes: From `changes`.
            scale: Flux times live time, [s].
            drift: Of the spectrum; zero and gain count, to second order.
            channels: Which.
        """
        own = self.acting.own
        columns = np.empty((forward.instrument.channels, len(self.acting.names)))
        columns[:, :own] = forward.tables.line_response @ changes.lines
        columns[:, own:] = changes.common
        away = _away(forward, drift)[:, None]
        first, second = derivatives(columns, forward.instrument.gain)
        columns += 0.5 * away**2 * second - away * first
        return np.asarray(scale * columns[channels], dtype=np.float64)

    def pulled(
        self,
        forward: ForwardModel,
        changes: Changes,
        scale: float,
        drift: Drift,
        channels: slice,
        rows: Array,
    ) -> Array:
        """Return `rows` times `slopes`, (row, factor), at a fraction of its cost.

        Args:
            forward: As of `slopes`, and the next four.
            changes: Of the sample.
            scale: Flux times live time.
            drift: Of the spectrum.
            channels: Which.
            rows: (row, channel).
        """
        # The drift is moved from the many columns to the few rows: the transpose of the series.
        whole = np.zeros((forward.instrument.channels, len(rows)))
        whole[channels] = rows.T
        away = _away(forward, drift)[:, None]
        first, _ = derivatives(away * whole, forward.instrument.gain)
        _, second = derivatives(away**2 * whole, forward.instrument.gain)
        whole += first + 0.5 * second
        own = self.acting.own
        found = np.empty((len(rows), len(self.acting.names)))
        found[:, :own] = (forward.tables.line_response.T @ whole).T @ changes.lines
        found[:, own:] = whole.T @ changes.common
        return scale * found

    def changes(self, forward: ForwardModel, masses: Array, by_path: Array) -> Changes:
        """Return how a sample's spectrum changes with the factors' logarithms.

        Args:
            forward: From `forward`.
            masses: Of the sample, (component,), [kg/m³].
            by_path: Change of each line's logarithm with that of its way out, (line,), [-].
        """
        response, (voltage, anode, path) = forward.tables.line_response, _moved(self)
        fluxes = np.array([forward.beam.flux, voltage.beam.flux, anode.beam.flux])
        # Counts are linear in the beam, which tube voltage and anode lines change.
        lines = forward.line_sums(masses, fluxes)
        counts, once = forward.scattered_by(masses, fluxes)
        coherent, compton = path.scattered(masses)
        out = (coherent + compton - counts[:, 0]) / _STEP + response @ (lines[:, 0] * by_path)
        counts += response @ lines
        instrument = forward.instrument
        common = np.column_stack([counts[:, 1:], once, out])
        return Changes(
            lines=self.acting.lines[:, : self.acting.own] * lines[:, :1],
            common=instrument.detector.shelved(common, instrument.edges),
        )


@lru_cache(maxsize=4)
def _moved(one: Correction) -> tuple[ForwardModel, ForwardModel, ForwardModel]:
    """Return models whose counts tell the change with voltage, anode lines and path.

    The first two have the change of the beam for a beam. Every reading asks for the same ones.
    """
    here = one.forward()

    def there(place: int) -> ForwardModel:
        logs = one.logs.copy()
        # Upward only: the nodes end where the tube's spectrum does.
        logs[one.acting.own + place] += _STEP
        return corrected(one.nominal, one.acting, logs)

    def by_beam(place: int) -> ForwardModel:
        change = (there(place).beam.flux - here.beam.flux) / _STEP
        return replace(here, beam=replace(here.beam, flux=change))

    return by_beam(0), by_beam(1), there(3)


def _away(forward: ForwardModel, drift: Drift) -> Array:
    """How far a drift moves each channel's counts, (channel,), [eV]."""
    return np.asarray(drift.zero + drift.gain * forward.instrument.energies, dtype=np.float64)
