"""A quantified spectrum in the size of a screen: what the page draws of the last reading."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from raffinate.instruments.quantify_model import FitModel
from raffinate.instruments.quantify_result import Quantification
from raffinate.instruments.reading import Reading
from raffinate.instruments.spectrum import KILO
from raffinate.instruments.xrf_chain import Measured

Array = NDArray[np.float64]

MOST_POINTS = 1024
"""Of each curve."""

FAINT = 1e-4
"""Parts with a smaller share of the counts are not drawn, [-]."""


def spectrum_view(measured: Measured) -> dict[str, Any]:
    """Return spectrum, fit, parts and residual of a measurement, as plain values.

    Channels are added up by twos or more until no curve has more than `MOST_POINTS`; the residual
    is that of the sums: counts less fit over the root of the fit, [sigma].
    """
    reading, result = measured.reading, measured.result
    view: dict[str, Any] = {
        "place": reading.place,
        "sample_time": reading.sample_time,
        "result_time": reading.result_time,
        "quality": reading.quality,
        "flags": _flags(measured),
        "chi2_per_dof": None,
        "elements": _elements(reading),
        "live_time": measured.spectrum.live_time,
    }
    if result is None:
        spectrum = measured.spectrum
        joined, width = _joined(spectrum.counts)
        energies = spectrum.zero + spectrum.gain * np.arange(spectrum.counts.size)
        return view | {
            "energy": _energy(np.asarray(energies, dtype=np.float64), width, len(joined)),
            "counts": _whole(joined),
            "fit": [],
            "parts": {},
            "residual": [],
        }
    counts, width = _joined(result.spectrum.counts[result.model.channels])
    fit, _ = _joined(result.fit.expected.counts)
    residual = (counts - fit) / np.sqrt(np.maximum(fit, 1.0))
    return view | {
        "chi2_per_dof": round(result.misfit.chi2_per_dof, 4),
        "energy": _energy(result.energy, width, len(counts)),
        "counts": _whole(counts),
        "fit": _short(fit),
        "parts": {name: _short(_joined(part)[0]) for name, part in view_parts(result).items()},
        "residual": [round(value, 2) for value in residual.tolist()],
    }


def view_parts(result: Quantification) -> dict[str, Array]:
    """Return what makes the fit before pile-up, in counts, by name, each (fitted channel,)."""
    model: FitModel = result.model
    values = result.fit.values
    count = len(model.sample.metals)
    kept = np.maximum(values[: count + 1], 0.0)
    flux, drift = model.drift(values)
    masses = np.maximum(model.sample.masses(kept[:count], float(kept[count])), 0.0)
    found = model.forward.contributions(masses, drift)
    scale = flux * result.live_time
    parts: dict[str, Array] = {}
    for place, (symbol, _) in enumerate(found.groups):
        column = scale * found.fluorescence[model.channels, place]
        parts[symbol] = parts.get(symbol, np.zeros_like(column)) + column
    parts["coherent scatter"] = scale * found.coherent[model.channels]
    parts["Compton scatter"] = scale * found.compton[model.channels]
    least = FAINT * float(np.sum(list(parts.values())))
    return {name: part for name, part in parts.items() if float(np.sum(part)) > least}


def _flags(measured: Measured) -> list[dict[str, str]]:
    texts = {} if measured.result is None else {f.name: f.text for f in measured.result.flags}
    return [{"name": name, "text": texts.get(name, "")} for name in measured.reading.flags]


def _elements(reading: Reading) -> list[dict[str, Any]]:
    below = reading.below_limit
    return [
        {
            "symbol": symbol,
            "value": _number(float(value)),
            "sigma": _number(float(sigma)),
            "limit": _number(float(limit)),
            "below_limit": symbol in below,
        }
        for symbol, value, sigma, limit in zip(
            reading.elements, reading.values, reading.sigma, reading.detection_limit, strict=True
        )
    ]


def _joined(values: Array) -> tuple[Array, int]:
    """Return sums of equal runs of channels, (point,), and how many channels make one."""
    width = -(-len(values) // MOST_POINTS)
    padded = np.append(values, np.zeros(-len(values) % width))
    return np.asarray(padded.reshape(-1, width).sum(axis=1), dtype=np.float64), width


def _energy(energies: Array, width: int, count: int) -> dict[str, float]:
    """Return first point and step of the joined channels, [keV]; they are evenly spaced."""
    step = float(energies[1] - energies[0]) / KILO
    first = float(energies[0]) / KILO + 0.5 * (width - 1) * step
    return {"first": round(first, 6), "step": round(width * step, 6), "count": count}


def _whole(values: Array) -> list[int]:
    return [int(value) for value in values.tolist()]


def _short(values: Array) -> list[float]:
    return [float(f"{value:.4g}") for value in values.tolist()]


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") if np.isfinite(value) else None
