"""Picture of a spectrum as read: counts on a logarithmic axis against energy or channel."""

from __future__ import annotations

import math
import re
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from raffinate.instruments.spectrum import (
    KILO,
    ZERO_PEAK_RANGE,
    Spectrum,
    anode_name,
)
from raffinate.plots.canvas import (
    BAND,
    LIMIT,
    MUTED,
    TEXT,
    clean,
    drawing,
    new_figure,
    save_picture,
)
from raffinate.plots.labels import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array: TypeAlias = NDArray[np.float64]

MOST_PEAKS = 14
"""Peaks that carry their energy."""

SIGNIFICANCE = 8.0
"""Height above its foot, in its own standard deviations, from which a peak is labelled."""

WINDOW = 0.05
"""Part of the channels within which a peak has its foot; wider ones are continuum."""

LOWEST = 0.5
"""Foot of the axis, [counts]: half a count, so that single ones show."""

NARROWEST = 1.6
"""Peaks closer than this share one label, [% of the width of the picture]."""

MARGIN = 0.02
"""Empty part of the axis beyond the last channel that counted, of its width."""


def save_spectrum(spectrum: Spectrum, path: Path) -> None:
    """Draw a spectrum and write it, as PNG, SVG or PDF by the ending of `path`."""
    save_picture(spectrum_figure(spectrum), path)


def spectrum_figure(spectrum: Spectrum) -> Figure:
    """Return the picture, with the strongest peaks, the tube's voltage and every flag."""
    with drawing():
        figure = new_figure(10.2, 4.8)
        axes = figure.subplots()
        x = _abscissa(spectrum)
        axes.step(
            x, np.maximum(spectrum.counts, LOWEST), where="mid", color=COLOURS[0], linewidth=0.9
        )
        axes.set_yscale("log")
        axes.set_ylim(LOWEST, 15.0 * max(float(spectrum.counts.max()), 1.0))
        axes.set_xlim(*_limits(spectrum, x))
        axes.set_ylabel("counts in a channel")
        axes.set_xlabel("energy, keV" if spectrum.calibrated else "channel")
        clean(axes)
        _mark_limits(axes, spectrum)
        _label_peaks(axes, spectrum, x)
        title = _title(spectrum)
        figure.suptitle(
            shorten(title, 100, placeholder=" …"), fontsize=11, x=0.012, ha="left",
            fontweight="bold",
        )  # fmt: skip
        axes.set_title(_facts(spectrum), fontsize=9, loc="left", color=MUTED)
        if spectrum.flags:
            flags = ", ".join(flag.name.replace("_", " ") for flag in spectrum.flags)
            figure.supxlabel(f"flags: {flags}", fontsize=8.5, color=LIMIT, x=0.99, ha="right")
    return figure


def _abscissa(spectrum: Spectrum) -> Array:
    if spectrum.calibrated:
        return spectrum.energy / KILO
    return np.arange(spectrum.counts.size, dtype=np.float64)


def _limits(spectrum: Spectrum, x: Array) -> tuple[float, float]:
    """Return the ends of the axis: all that counted, and nothing of the empty rest."""
    counted = np.flatnonzero(spectrum.counts > 0.0)
    low, high = float(x[counted[0]]), float(x[counted[-1]])
    room = MARGIN * max(high - low, float(x[1] - x[0]))
    return low - room, high + room


def _title(spectrum: Spectrum) -> str:
    """Return file and title, once where they say the same."""
    file, title = (re.sub(r"[\W_]", "", text).lower() for text in (spectrum.where, spectrum.title))
    return spectrum.where if title in file else f"{spectrum.where}: {spectrum.title}"


def _facts(spectrum: Spectrum) -> str:
    parts = [f"{spectrum.total:,.0f} counts"]
    if not math.isnan(spectrum.live_time):
        parts.append(f"live {spectrum.live_time:g} s")
    if not math.isnan(spectrum.dead_time_fraction):
        parts.append(f"dead time {spectrum.dead_time_fraction:.1%}")
    if not math.isnan(spectrum.tube_voltage):
        tube = f"{anode_name(spectrum.anode)} {spectrum.tube_voltage / KILO:g} kV".strip()
        parts.append(tube)
    if not math.isnan(spectrum.tube_current):
        parts.append(f"{spectrum.tube_current * KILO:.3g} mA")
    return "   ".join(parts)


def _mark_limits(axes: Axes, spectrum: Spectrum) -> None:
    """Shade what lies about zero energy and draw where the tube ends."""
    if not spectrum.calibrated:
        return
    low, high = axes.get_xlim()
    band = ZERO_PEAK_RANGE / KILO
    if low < 0.0:
        axes.axvspan(-band, band, color=BAND, zorder=0)
    end = spectrum.tube_voltage / KILO
    if low < end < high:
        axes.axvline(end, color=LIMIT, linewidth=1.0, linestyle=(0, (4, 3)))
        axes.annotate(
            f"{end:g} kV", (end, 1.0), xycoords=("data", "axes fraction"), xytext=(3, -10),
            textcoords="offset points", fontsize=8, color=LIMIT,
        )  # fmt: skip


def _label_peaks(axes: Axes, spectrum: Spectrum, x: Array) -> None:
    low, high = axes.get_xlim()
    spacing = NARROWEST / 100.0 * (high - low)
    shown: list[float] = []
    for place in _peaks(spectrum):
        if len(shown) == MOST_PEAKS:
            break
        here = float(x[place])
        about_zero = spectrum.calibrated and abs(here) * KILO <= ZERO_PEAK_RANGE
        if any(abs(here - other) < spacing for other in shown):
            continue
        shown.append(here)
        text = "zero peak" if about_zero else f"{here:.2f}" if spectrum.calibrated else f"{here:g}"
        axes.annotate(
            text, (here, float(spectrum.counts[place])), xytext=(0, 4),
            textcoords="offset points", ha="center", va="bottom", fontsize=8, color=TEXT,
            rotation=90,
        )  # fmt: skip


def _peaks(spectrum: Spectrum) -> list[int]:
    """Return the channels of peaks that stand out of their foot, the most significant first."""
    from scipy.ndimage import gaussian_filter1d
    from scipy.signal import find_peaks

    # The square root of Poisson counts has a standard deviation of one half at any height.
    root = np.sqrt(np.maximum(spectrum.counts, 0.0))
    width = max(1.0, spectrum.counts.size / 2000.0)
    smooth = gaussian_filter1d(root, width)
    window = max(3, int(WINDOW * spectrum.counts.size))
    found, facts = find_peaks(smooth, prominence=SIGNIFICANCE / 2.0, wlen=window)
    reach = int(2.0 * width)
    places = []
    for place in found[np.argsort(-facts["prominences"])]:
        first = max(int(place) - reach, 0)
        places.append(first + int(np.argmax(spectrum.counts[first : place + reach + 1])))
    return places
