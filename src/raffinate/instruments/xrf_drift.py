"""How an analyzer drifts between calibrations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from raffinate.errors import SpecificationError
from raffinate.instruments.xrf_instrument import XrfInstrument

Array = NDArray[np.float64]

_POINTS = 6
"""Of the interpolation between channel edges."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Small departures from the instrument as described.

    A drift of the tube's voltage changes every excitation: build the model anew with
    `build_forward_model(voltage=...)`.

    Attributes:
        zero: Shift of the recorded energy, [eV].
        gain: Recorded over true gain, less 1, [-].
        variance: Added to the variance of every line, [eV²]; may be negative.
        flux: Of the tube over nominal, [-].
        fouling: Deposit on the cell window, [kg/m²]; of which element, the model says.
    """

    zero: float = 0.0
    gain: float = 0.0
    variance: float = 0.0
    flux: float = 1.0
    fouling: float = 0.0

    def __post_init__(self) -> None:
        if not (abs(self.gain) < 0.1 and self.flux > 0.0 and self.fouling >= 0.0):
            raise SpecificationError(
                f"gain changes by {self.gain:g}, flux by {self.flux:g}, fouling is "
                f"{self.fouling:g} kg/m².",
                where="XRF drift",
                allowed="gain within ±0.1, flux above 0, fouling 0 or above",
            )


NO_DRIFT = Drift()
"""The instrument as described."""


def drifted(spectrum: Array, instrument: XrfInstrument, drift: Drift) -> Array:
    """Return spectra with drifted zero, gain and width.

    Args:
        spectrum: Counts per channel of the nominal instrument, (channel, ...).
        instrument: The nominal instrument.
        drift: What has changed.

    Returns:
        Counts per channel, (channel, ...): the cumulative spectrum interpolated by polynomials of
        degree 5 (error below 1e-4 of a peak where channels are at most 0.4 of a line's sigma), and
        a change of width as two terms of its heat-kernel series.
    """
    widened = spectrum
    if drift.variance:
        strength = 0.5 * drift.variance / instrument.gain**2
        bent = _second_difference(spectrum)
        widened = spectrum + strength * bent + 0.5 * strength**2 * _second_difference(bent)
    if drift.zero == 0.0 and drift.gain == 0.0:
        return widened
    edges = instrument.edges
    moved = _stretching(len(edges), float(edges[0]), instrument.gain, drift.zero, drift.gain)
    cumulative = np.zeros((len(widened) + 1, *widened.shape[1:]))
    np.cumsum(widened, axis=0, out=cumulative[1:])
    placed = moved @ cumulative
    return np.asarray(placed[1:] - placed[:-1], dtype=np.float64)


def _second_difference(values: Array) -> Array:
    bent = np.zeros_like(values)
    bent[2:-2] = (
        -(values[4:] + values[:-4]) + 16.0 * (values[3:-1] + values[1:-3]) - 30.0 * values[2:-2]
    ) / 12.0
    return bent


@lru_cache(maxsize=16)
def _stretching(count: int, first: float, step: float, zero: float, gain: float) -> csr_array:
    """Return what interpolates a cumulative spectrum at drifted edges, (edge, edge).

    Constant beyond the ends. A fit asks for spectrum and slopes at one drift, so the last are kept.

    Args:
        count: Of the edges.
        first: Energy of the first, [eV].
        step: Between them, [eV].
        zero: Of the drift, [eV].
        gain: Likewise, [-].
    """
    edges = first + step * np.arange(count)
    places = ((edges - zero) / (1.0 + gain) - first) / step
    inside = np.clip(places, 0.0, count - 1.0)
    start = np.clip(np.floor(inside).astype(np.int32) - _POINTS // 2 + 1, 0, count - _POINTS)
    away = inside - start - np.arange(_POINTS)[:, None]
    weight = np.ones((_POINTS, count))
    below, above = np.ones(count), np.ones(count)
    for own in range(_POINTS):
        other = _POINTS - 1 - own
        weight[own] *= below / math.prod(own - point for point in range(_POINTS) if point != own)
        weight[other] *= above
        below, above = below * away[own], above * away[other]
    columns = start[:, None] + np.arange(_POINTS, dtype=np.int32)
    rows = np.arange(0, count * _POINTS + 1, _POINTS, dtype=np.int32)
    return csr_array((weight.T.ravel(), columns.ravel(), rows), shape=(count, count))
