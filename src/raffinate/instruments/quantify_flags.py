"""What makes a result doubtful: drift, pile-up, another matrix, lines nobody asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from raffinate.instruments.quantify_fit import LEAST_EXPECTED, Fit
from raffinate.instruments.quantify_model import FitModel
from raffinate.instruments.spectrum import KILO, Flag, Spectrum
from raffinate.instruments.xrf_atomic import atom
from raffinate.instruments.xrf_instrument import XrfInstrument

Array = NDArray[np.float64]

ZERO_RANGE = 50.0
"""Drift of zero energy that electronics show between checks, [eV]. Assumed, as are those below."""
GAIN_RANGE = 0.005
FLUX_RANGE = (0.7, 1.4)
WIDTH_RANGE = 0.3
"""Change of the variance at Mn Kα over its nominal value, [-]."""
PILE_UP = 0.02
"""Pulses lost to pile-up, of all, beyond which its first-order description is doubted, [-]."""
POOR = 5.0
"""χ² above the number of degrees of freedom, in its own standard deviations, that is no chance."""
POOR_LEAST = 1.1
UNLIKE = 0.15
"""Mean relative departure beyond which a spectrum is not of this instrument and matrix, [-]."""
UNKNOWN_SIGNIFICANCE = 6.0
"""Of an unexplained line, in standard deviations: chance gives one in 1e6 spectra."""
TAIL = (0.95, 1.959964)
"""Share of normal deviates within so many standard deviations: that of stated intervals."""
HOPELESS = 100.0
"""χ² per degree of freedom beyond which nothing is claimed, [-]: uncertainties would be ten times
those of counting. Real soils and sediments stay below 3. Assumed."""
PARTS = 12
"""Of the fitted range, each with one width of lines."""
REACH = 3.0
"""How far a line is laid over the residual, [standard deviations]."""
MOST_LINES = 5
NEIGHBOUR = 50.0
"""Elements with a strongest line this close are named for an unexplained one, [eV]."""

CANDIDATES = (
    *("Na", "Mg", "Al", "Si", "P", "S", "Cl", "Ar", "K", "Ca", "Sc", "Ti", "V", "Cr", "Mn", "Fe"),
    *("Co", "Ni", "Cu", "Zn", "Ga", "Ge", "As", "Se", "Br", "Rb", "Sr", "Y", "Zr", "Nb", "Mo"),
    *("Ag", "Cd", "Sn", "Sb", "Te", "I", "Cs", "Ba", "La", "Ce", "Pr", "Nd", "Sm", "Eu", "Gd"),
    *("Tb", "Dy", "Ho", "Er", "Tm", "Yb", "Lu", "Hf", "Ta", "W", "Au", "Hg", "Tl", "Pb", "Bi"),
    *("Th", "U"),
)
"""Elements that an unexplained line may be of."""

WITHHELD = frozenset(
    {
        *("saturated", "drift_beyond_range", "unlike_model", "unexplained", "wrong_matrix"),
        "calibration_implausible",
    }
)
"""Flags with which no concentration is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Misfit:
    """How far counts and model are apart.

    Attributes:
        chi2_per_dof: Pearson's, over channels joined until each expects 5 counts, [-].
        degrees: Of freedom.
        relative: Mean departure beyond counting noise, of the model, [-].
        line_scatter: Departures that look like lines over what counting noise would make of them,
            [-]: 95 % are smaller than 1.96 times this; 1 for noise alone.
    """

    chi2_per_dof: float
    degrees: int
    relative: float
    line_scatter: float = 1.0

    @property
    def poor(self) -> bool:
        """Whether counting noise does not explain it."""
        noise = POOR * np.sqrt(2.0 / self.degrees)
        return bool(self.chi2_per_dof > max(1.0 + noise, POOR_LEAST))

    @property
    def widening(self) -> float:
        """Factor on counting uncertainties, [-]: 1 unless the fit is poor.

        A misfit that goes on over the width of a line moves a concentration by more than the root
        of χ² says.
        """
        return max(float(np.sqrt(self.chi2_per_dof)), self.line_scatter) if self.poor else 1.0


def misfit(
    counts: Array, expected: Array, parameters: int, significance: Array | None = None
) -> Misfit:
    """Return how well the model explains the counts.

    Args:
        counts: (fitted channel,).
        expected: By the model, (fitted channel,).
        parameters: How many were fitted.
        significance: From `line_significance`, (fitted channel,).
    """
    bins = np.floor(np.cumsum(expected) / 5.0).astype(np.int_)
    _, places = np.unique(bins, return_inverse=True)
    found, model = (np.bincount(places, weights=values) for values in (counts, expected))
    model = np.maximum(model, LEAST_EXPECTED)
    degrees = max(len(model) - parameters, 1)
    excess = np.sum((found - model) ** 2 - model) / np.sum(model**2)
    return Misfit(
        chi2_per_dof=float(np.sum((found - model) ** 2 / model)) / degrees,
        degrees=degrees,
        relative=float(np.sqrt(max(excess, 0.0))),
        # Not the mean square, which one line of an element not asked for would rule.
        line_scatter=1.0
        if significance is None
        else float(np.quantile(np.abs(significance), TAIL[0]) / TAIL[1]),
    )


def result_flags(
    spectrum: Spectrum, model: FitModel, fit: Fit, found: Misfit, significance: Array
) -> tuple[Flag, ...]:
    """Return every flag of a fit, those of the spectrum first.

    Args:
        spectrum: As read.
        model: By which it was fitted.
        fit: Where the fit ended.
        found: How well it explains the counts.
        significance: From `line_significance`, (fitted channel,).
    """
    size = model.composition_size
    flags = [Flag(name=name, text=text) for name, text in _misfit_flags(found)]
    instrument = model.forward.instrument
    drift = _drift_text(instrument, fit.values[size:])
    if drift:
        flags.append(Flag(name="drift_beyond_range", text=drift))
    flags += [Flag(name="wrong_matrix", text=text) for text in _matrix_texts(model, fit)]
    lost = float(np.sum(fit.expected.recorded)) * instrument.detector.pulse_pair_resolution
    if lost > PILE_UP:
        text = f"{lost:.1%} of the pulses pile up, which is described to first order only"
        flags.append(Flag(name="pile_up", text=text))
    flags += [
        Flag(name="unknown_line", text=str(line)) for line in unknown_lines(model, significance)
    ]
    return (*spectrum.flags, *flags)


def _misfit_flags(found: Misfit) -> Iterator[tuple[str, str]]:
    if found.relative > UNLIKE:
        yield (
            "unlike_model",
            f"counts and model differ by {found.relative:.0%}: another instrument, matrix or "
            f"element list",
        )
    elif found.chi2_per_dof > HOPELESS:
        yield (
            "unexplained",
            f"χ² per degree of freedom is {found.chi2_per_dof:.0f}: elements are missing, or the "
            f"analyzer is not as described",
        )
    elif found.poor:
        yield (
            "poor_fit",
            f"χ² per degree of freedom is {found.chi2_per_dof:.2f}; uncertainties are widened by "
            f"{found.widening:.1f}",
        )


def _drift_text(instrument: XrfInstrument, nuisances: Array) -> str:
    flux, zero, gain, variance = nuisances.tolist()
    nominal = (instrument.detector.resolution / 2.3548) ** 2
    texts = []
    if not FLUX_RANGE[0] <= flux <= FLUX_RANGE[1]:
        texts.append(f"flux {flux:.3f} of nominal")
    if abs(zero) > ZERO_RANGE:
        texts.append(f"zero {zero:+.1f} eV")
    if abs(gain) > GAIN_RANGE:
        texts.append(f"gain {gain:+.2%}")
    if abs(variance) > WIDTH_RANGE * nominal:
        texts.append(f"variance of lines {variance / nominal:+.0%}")
    return ", ".join(texts)


def _matrix_texts(model: FitModel, fit: Fit) -> Iterator[str]:
    place = len(model.sample.metals)
    unknown = model.sample.unknown
    value, sigma = float(fit.values[place]), float(np.sqrt(fit.covariance[place, place]))
    if value < -4.0 * sigma - 0.05 * unknown.start or value > unknown.highest + 4.0 * sigma:
        yield (
            f"{unknown.name} comes out as {value / unknown.scale:.3g} ± "
            f"{sigma / unknown.scale:.2g}, outside 0 to {unknown.highest / unknown.scale:g}"
        )


def line_significance(model: FitModel, counts: Array, expected: Array) -> Array:
    """Return how much a line at each channel would improve the fit, (fitted channel,), [sigma].

    A Gaussian of the detector's width is laid over the residual at every channel.

    Args:
        model: By which the spectrum was fitted.
        counts: (fitted channel,).
        expected: By the model, (fitted channel,).
    """
    shape, squared = _line_shapes(model)
    variance = np.maximum(expected, LEAST_EXPECTED)
    pull = shape @ ((counts - expected) / variance)
    return np.asarray(pull / np.sqrt(squared @ (1.0 / variance)), dtype=np.float64)


@lru_cache(maxsize=4)
def _line_shapes(model: FitModel) -> tuple[csr_array, csr_array]:
    """Return a Gaussian about each channel and its square, (fitted channel, fitted channel).

    The same for every reading of an analyzer, so the last are kept.
    """
    instrument = model.forward.instrument
    energies = instrument.energies[model.channels]
    sigma = np.empty_like(energies)
    # Nearly the same width over the few channels of one line: one for each part of the range.
    for part in np.array_split(np.arange(len(energies)), PARTS):
        sigma[part] = instrument.detector.sigma([energies[part[len(part) // 2]]])[0]
    reach = int(np.ceil(REACH * np.max(sigma) / instrument.gain))
    away = np.abs(np.arange(-reach, reach + 1) * instrument.gain)
    values = np.exp(-0.5 * (away / sigma[:, None]) ** 2)
    near = away <= np.ceil(REACH * sigma / instrument.gain)[:, None] * instrument.gain
    columns = np.arange(len(energies))[:, None] + np.arange(-reach, reach + 1)
    rows = np.broadcast_to(np.arange(len(energies))[:, None], columns.shape)
    kept = near & (columns >= 0) & (columns < len(energies))
    shape = csr_array((values[kept], (rows[kept], columns[kept])), shape=(len(energies),) * 2)
    return shape, shape.power(2)


class UnknownLine(NamedTuple):
    """A line that a model leaves unexplained.

    Attributes:
        energy: [eV].
        significance: In standard deviations of counting, [-].
        candidates: Up to three elements not asked for that have their strongest line here.
    """

    energy: float
    significance: float
    candidates: tuple[str, ...]

    def __str__(self) -> str:
        """Return it in words."""
        named = f", perhaps {', '.join(self.candidates)}" if self.candidates else ""
        return f"a line at {self.energy / KILO:.2f} keV, {self.significance:.0f} sigma{named}"


def unknown_lines(model: FitModel, significance: Array) -> list[UnknownLine]:
    """Return the lines that the model leaves unexplained, the strongest first.

    Args:
        model: By which the spectrum was fitted.
        significance: From `line_significance`, (fitted channel,).
    """
    instrument, known = model.forward.instrument, set(model.sample.components)
    energies = instrument.energies[model.channels]
    lines: list[UnknownLine] = []
    left = significance.copy()
    while len(lines) < MOST_LINES and float(np.max(left)) > UNKNOWN_SIGNIFICANCE:
        energy = float(energies[int(np.argmax(left))])
        names = line_candidates(energy, instrument.tube.voltage, known)
        lines.append(UnknownLine(energy, float(np.max(left)), tuple(names)))
        left[np.abs(energies - energy) < 3.0 * float(instrument.detector.sigma([energy])[0])] = 0.0
    return lines


def line_candidates(energy: float, voltage: float, known: set[str]) -> Sequence[str]:
    """Return up to three elements, not in `known`, whose strongest K or L line lies here, [eV]."""
    near: list[tuple[float, str]] = []
    for symbol in CANDIDATES:
        if symbol in known:
            continue
        one = atom(symbol)
        for first in ("K", "L3"):
            shown = [place for place, name in enumerate(one.line_name) if name.startswith(first)]
            if not shown:
                continue
            best = max(shown, key=lambda place: float(one.line_rate[place]))
            away = abs(float(one.line_energy[best]) - energy)
            shell = int(one.line_shell[best])
            if away < NEIGHBOUR and float(one.edge[shell]) < voltage:
                near.append((away, symbol))
    return [symbol for _, symbol in sorted(near)[:3]]
