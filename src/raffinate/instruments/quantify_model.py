"""Expected counts of a spectrum, and how they change with everything a fit may turn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from raffinate.instruments.calibrate_factors import Changes, Correction
from raffinate.instruments.quantify_derivatives import derivatives
from raffinate.instruments.quantify_sample import Sample
from raffinate.instruments.quantify_slopes import line_slopes, scatter_slopes
from raffinate.instruments.xrf_drift import Drift, drifted
from raffinate.instruments.xrf_instrument import XrfInstrument
from raffinate.instruments.xrf_spectrum import ForwardModel

Array = NDArray[np.float64]

METAL_STEP = 0.5
"""Of a difference quotient, [mol/m³]: absorption is linear over so little."""

NUISANCES = ("flux", "zero_eV", "gain", "width_eV2")
"""Fitted after metals and matrix: tube flux over nominal, and the three of `Drift`."""

TOLERANCE = 3e-4
"""Share of an element's detected intensity that lines left out may carry, [-]. Of 130 g/L they are
read as up to 0.03 g/L of a trace beside it; at 1e-3 that was above the trace's limit."""

LEAST_FLUX = 1e-3
"""[-]. Keeps the model defined while a fit looks around."""

MARGIN = 0.35
"""[keV] from the instrument's lowest and last energy the fit keeps away: there a drift moves in
what the model does not hold."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slopes:
    """Undrifted counts per second for one more unit of each composition parameter.

    Attributes:
        composition: About which they were taken, none below 0, (metal + 1,).
        columns: (channel, metal + 1), [1/s per parameter's unit].
        by_path: Change of each line's logarithm with that of its way out, (line,), [-].
    """

    composition: Array
    columns: Array
    by_path: Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Expected:
    """The model at given parameters.

    Attributes:
        undrifted: Of the nominal instrument at nominal flux, (channel,), [1/s].
        recorded: Drifted, of the fitted flux, before pile-up, (channel,), [1/s].
        counts: In the fitted channels, with pile-up, (fitted channel,), [-].
    """

    undrifted: Array
    recorded: Array
    counts: Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FitModel:
    """Parameters to counts. The parameter axis is metals [mol/m³], matrix unknown, `NUISANCES`.

    Attributes:
        forward: Physics and instrument, a calibration's factors in force.
        sample: Composition.
        correction: That calibration's factors and what is not known of them; None without one.
    """

    forward: ForwardModel
    sample: Sample
    correction: Correction | None = None

    @property
    def instrument(self) -> XrfInstrument:
        """The analyzer as described, before any calibration."""
        return self.forward.instrument if self.correction is None else self.correction.instrument

    @property
    def names(self) -> tuple[str, ...]:
        """Of the parameters; they fix the parameter axis."""
        return (*self.sample.metals, self.sample.unknown.name, *NUISANCES)

    @property
    def composition_size(self) -> int:
        """How many parameters make the composition."""
        return len(self.sample.metals) + 1

    @property
    def channels(self) -> slice:
        """Channels that are fitted: where the tube's spectrum can have put something."""
        instrument = self.forward.instrument
        low = instrument.lowest_energy + 1e3 * MARGIN
        high = min(instrument.tube.voltage, float(instrument.edges[-1]) - 1e3 * MARGIN)
        first, last = (
            int(np.ceil((energy - instrument.zero) / instrument.gain)) for energy in (low, high)
        )
        return slice(max(first, 0), min(last, instrument.channels - 4))

    def undrifted(self, values: Array) -> Array:
        """Return counts per second of the nominal instrument, (channel,); negative amounts as 0."""
        return self.forward.spectrum(self._masses(np.maximum(values[: self.composition_size], 0.0)))

    def _masses(self, composition: Array) -> Array:
        masses = self.sample.masses(composition[:-1], float(composition[-1]))
        return np.maximum(masses, 0.0)

    def factor_slopes(
        self, values: Array, slopes: Slopes, live_time: float, rows: Array | None = None
    ) -> Array:
        """Return the change of counts with each calibration factor, (fitted channel, factor).

        Of the factors' natural logarithms; without pile-up of what changes, as in `jacobian`.

        Args:
            values: (parameter,).
            slopes: Of a composition near, for which the change is returned.
            live_time: [s].
            rows: (row, fitted channel); given, their product with the change is returned instead,
                (row, factor), which costs less.
        """
        if self.correction is None:
            return np.zeros((self.channels.stop - self.channels.start, 0))
        flux, drift = self.drift(values)
        changes = _factor_changes(self, self.correction, slopes)
        at = (self.forward, changes, flux * live_time, drift, self.channels)
        return self.correction.slopes(*at) if rows is None else self.correction.pulled(*at, rows)

    def factor_changes(self, correction: Correction, slopes: Slopes) -> Changes:
        """Return what factors do where slopes were taken."""
        masses = self._masses(slopes.composition)
        return correction.changes(self.forward, masses, slopes.by_path)

    def slopes(self, values: Array) -> Slopes:
        """Return slopes about `values`: of lines by the chain rule, of the rest by quotients."""
        count = len(self.sample.metals)
        kept = np.maximum(values[: count + 1], 0.0)
        here = self._masses(kept)
        steps = np.array([METAL_STEP] * count + [self.sample.unknown.step])
        changes = np.empty((len(here), count + 1))
        for place, step in enumerate(steps):
            moved = kept.copy()
            moved[place] += step
            changes[:, place] = (self._masses(moved) - here) / step
        columns = scatter_slopes(self.forward, here, changes, steps)
        lines = line_slopes(self.forward, here)
        columns += self.forward.tables.line_response @ (lines.by_mass @ changes)
        instrument = self.forward.instrument
        return Slopes(
            composition=kept,
            columns=instrument.detector.shelved(columns, instrument.edges),
            by_path=lines.by_path,
        )

    def expected(
        self, values: Array, live_time: float, slopes: Slopes, undrifted: Array | None = None
    ) -> Expected:
        """Return the model at `values`.

        Args:
            values: (parameter,).
            live_time: [s].
            slopes: By which the model goes on in a straight line below zero concentration, so
                that an absent metal is found as often below zero as above.
            undrifted: Of `values`, where it is known already, (channel,), [1/s].
        """
        size = self.composition_size
        undrifted = self.undrifted(values) if undrifted is None else undrifted
        below = np.minimum(values[:size], 0.0)
        if np.any(below < 0.0):
            undrifted = np.maximum(undrifted + slopes.columns @ below, 0.0)
        flux, drift = self.drift(values)
        recorded = flux * drifted(undrifted, self.forward.instrument, drift)
        return Expected(
            undrifted=undrifted, recorded=recorded, counts=self._counted(recorded, live_time)
        )

    def jacobian(
        self,
        values: Array,
        here: Expected,
        slopes: Slopes,
        live_time: float,
        *,
        pile_up: bool = True,
    ) -> Array:
        """Return the change of fitted counts with each parameter, (fitted channel, parameter).

        Args:
            values: (parameter,).
            here: The model there.
            slopes: Of the composition.
            live_time: [s].
            pile_up: Whether pile-up of what changes is counted, or its loss alone: a fit arrives
                at the same values, and its uncertainty changes by less than a hundredth.
        """
        instrument = self.forward.instrument
        size = self.composition_size
        flux, drift = self.drift(values)
        moved = np.empty((instrument.channels, len(self.names)))
        moved[:, :size] = flux * drifted(slopes.columns, instrument, drift)
        moved[:, size] = here.recorded / flux
        first, second = derivatives(here.recorded, instrument.gain)
        moved[:, size + 1] = -first
        away = instrument.energies - drift.zero
        moved[:, size + 2] = -(away * first + here.recorded) / (1.0 + drift.gain)
        # Lines widen before the gain stretches them.
        moved[:, size + 3] = 0.5 * (1.0 + drift.gain) ** 2 * second
        if not pile_up:
            pulses = float(np.sum(here.recorded))
            lost = 2.0 * pulses * instrument.detector.pulse_pair_resolution
            return moved[self.channels] * (live_time * math.exp(-lost))
        result = np.empty((len(here.counts), moved.shape[1]))
        for place in range(moved.shape[1]):
            largest = float(np.max(np.abs(moved[:, place]))) or 1.0
            step = 1e-3 * float(np.max(here.recorded)) / largest
            shifted = self._counted(here.recorded + step * moved[:, place], live_time)
            result[:, place] = (shifted - here.counts) / step
        return result

    def drift(self, values: Array) -> tuple[float, Drift]:
        """Return flux [-] and drift of a parameter vector."""
        flux, zero, gain, variance = values[self.composition_size :].tolist()
        return max(flux, LEAST_FLUX), Drift(zero=zero, gain=gain, variance=variance)

    def _counted(self, recorded: Array, live_time: float) -> Array:
        detector, edges = self.forward.instrument.detector, self.forward.instrument.edges
        piled: Array = detector.piled_up(recorded, edges)[self.channels] * live_time
        return piled


@lru_cache(maxsize=16)
def _factor_changes(model: FitModel, correction: Correction, slopes: Slopes) -> Changes:
    """Kept, as the readings of a stream that hardly changes have the same slopes."""
    return model.factor_changes(correction, slopes)
