"""Diagrams of a liquor: shares of the species of one component, and what is near saturation."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from raffinate.chemistry.speciation_sweep import PH, SpeciationSweep
from raffinate.plots.canvas import LIMIT, clean, drawing, new_figure, save_picture
from raffinate.plots.labels import line_styles
from raffinate.units import PER_LITRE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SMALLEST_SHARE = 0.005
"""Species that never hold more are left out, [-]."""

LOWEST_INDEX = -3.0
"""Solids whose index stays below are left out, [-]."""

MOST_LINES = 10
"""Lines in one panel beyond which the smallest are left out."""

_BELOW, _ABOVE = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"), str.maketrans("123456+-", "¹²³⁴⁵⁶⁺⁻")


def written(name: str) -> str:
    """Return a species as chemists write it: `Nd(SO4)2-` as Nd(SO₄)₂⁻, `Nd+3` as Nd³⁺."""
    found = re.fullmatch(r"(.*?)(?:([+-])(\d?))?", name)
    formula, sign, count = found.groups() if found else (name, "", "")
    lowered = re.sub(r"(?<=[A-Za-z)])\d+", lambda digits: digits[0].translate(_BELOW), formula)
    return lowered + f"{count or ''}{sign or ''}".translate(_ABOVE)


def save_speciation(sweep: SpeciationSweep, path: Path) -> None:
    """Draw a sweep and write it, as PNG, SVG or PDF by the ending of `path`."""
    save_picture(speciation_figure(sweep), path)


def speciation_figure(sweep: SpeciationSweep) -> Figure:
    """Return the diagram: shares, and beside them saturation where a solid comes near it."""
    near = {
        name: index
        for name, index in sweep.saturation.items()
        if float(np.nanmax(index, initial=-np.inf)) > LOWEST_INDEX
    }
    with drawing():
        figure = new_figure(11.0 if near else 7.2, 4.6)
        panels = figure.subplots(1, 2 if near else 1, squeeze=False)[0]
        shares = {
            name: 100.0 * share
            for name, share in list(sweep.share.items())[:MOST_LINES]
            if float(share.max()) > SMALLEST_SHARE
        }
        _draw(panels[0], sweep, shares)
        panels[0].set_ylim(0.0, 100.0)
        panels[0].set_ylabel(f"{sweep.of} in each species, %")
        if near:
            order = sorted(near, key=lambda name: -float(np.nanmax(near[name])))[:MOST_LINES]
            _draw(panels[1], sweep, {name: near[name] for name in order})
            panels[1].axhline(0.0, color=LIMIT, linewidth=1.0, zorder=1)
            panels[1].set_ylim(bottom=LOWEST_INDEX - 1.0)
            panels[1].set_ylabel("saturation index; above 0 a solid can form")
        figure.suptitle(
            f"Species of {sweep.of}", fontsize=11, x=0.012, ha="left", fontweight="bold"
        )
    return figure


def _draw(axes: Axes, sweep: SpeciationSweep, lines: Mapping[str, np.ndarray]) -> None:
    x = sweep.value / (1.0 if sweep.against == PH or sweep.molal else PER_LITRE)
    for name, style in line_styles(list(lines)).items():
        axes.plot(
            x, lines[name], color=style.colour, linestyle=style.dashes, linewidth=1.9,
            label=written(name),
        )  # fmt: skip
    axes.set_xlim(float(x.min()), float(x.max()))
    axes.locator_params(axis="x", nbins=8 if sweep.against == PH else 6)
    unit = "mol/kg" if sweep.molal else "mol/L"
    axes.set_xlabel(PH if sweep.against == PH else f"{sweep.against}, {unit}")
    clean(axes)
    axes.legend(
        loc="upper left", bbox_to_anchor=(1.01, 1.02), frameon=False, borderaxespad=0.0,
        handlelength=2.4,
    )  # fmt: skip
