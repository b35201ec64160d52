"""The forward model against real spectra of a Rh tube, and its speed.

Run: python benchmarks/xrf_forward.py fit|judge|speed
"""

from __future__ import annotations

import math
import re
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares, nnls

from raffinate.instruments.xrf_instrument import Optic, XrfInstrument
from raffinate.instruments.xrf_instrument_file import load_instrument
from raffinate.instruments.xrf_matrix import liquor, solid
from raffinate.instruments.xrf_spectrum import ForwardModel
from raffinate.instruments.xrf_spectrum_build import build_forward_model

Array = NDArray[np.float64]

DATA = Path(__file__).parents[1] / "tests" / "literature" / "data" / "xrf"
INSTRUMENT = DATA / "instrument_nist_rh_50kv.yaml"
ACRYLIC = "Acrylic_50kv_50_ma_Rh_vac_D1_600s"
DENSITY = {"Cr": 7150.0, "Fe": 7874.0, "Ni": 8908.0, "Sn": 7287.0}
KNOTS = (2.8, 4.0, 5.5, 7.0, 9.0, 11.5, 14.0, 17.0, 21.5, 26.0, 33.0, 40.0, 47.0)
"""Energies at which the lens is fitted, [keV]."""


def read_counts(name: str) -> tuple[Array, float]:
    """Return counts of two channels at a time and live time [s] of a spectrum."""
    head, _, body = (DATA / f"{name}.msa").read_text("latin-1").partition("#SPECTRUM")
    numbers = re.findall(r"[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?", body.partition("#ENDOFDATA")[0])
    counts = np.array([float(number) for number in numbers])
    live = re.search(r"#LIVETIME *-s: *([\d.]+)", head)
    assert live is not None
    return counts.reshape(-1, 2).sum(axis=1), float(live[1])


def metal_spectrum(symbol: str) -> tuple[Array, float]:
    """Return counts and live time of a pure metal."""
    return read_counts(f"{symbol}_50kv_50_ma_Rh_vac_D1")


def _acrylic_mask(kev: Array) -> NDArray[np.bool_]:
    """Leave out what is not acrylic: argon, iron, nickel, and electronics below the Rh L lines."""
    mask = (kev > 2.5) & (kev < 38.9)
    for low, high in ((3.1, 4.2), (6.2, 6.6), (7.2, 7.7)):
        mask &= (kev < low) | (kev > high)
    return mask


def fit_lens(instrument: XrfInstrument, depth: float) -> tuple[XrfInstrument, float]:
    """Fit lens transmission and the strength of the anode's lines to the acrylic spectrum.

    Args:
        instrument: With its angles.
        depth: Thickness of the acrylic, [m].

    Returns:
        The fitted instrument (for thick samples) and chi² per degree of freedom, where a count
        has its Poisson variance and 1 % of itself.
    """
    counts, live = read_counts(ACRYLIC)
    bare = replace(instrument.geometry, optic=None, depth=depth)
    plain = replace(instrument, geometry=bare, tube=replace(instrument.tube, line_factor=1.0))
    model = build_forward_model(plain, ("C", "H", "O"))
    sample = model.masses(solid({"C5H8O2": 1.0}, 1190.0))
    mask = _acrylic_mask(instrument.energies * 1e-3)
    sigma = np.sqrt(np.maximum(counts, 1.0) + (0.01 * counts) ** 2)
    anode = np.isin(model.tables.node_energy, plain.tube.lines(1e-3)[0])
    knots = tuple(1e3 * knot for knot in KNOTS)

    def spectrum(unknown: Array) -> Array:
        optic = Optic(energy=knots, transmission=tuple(np.exp(unknown[:-1]).tolist()))
        flux = model.beam.flux * optic(model.tables.node_energy)
        flux = np.where(anode, flux * math.exp(unknown[-1]), flux)
        return replace(model, beam=replace(model.beam, flux=flux)).spectrum(sample) * live

    def residual(unknown: Array) -> Array:
        misfit = ((spectrum(unknown) - counts) / sigma)[mask]
        return np.concatenate([misfit, 0.3 * np.diff(unknown[:-1], 2)])

    found = least_squares(residual, np.append(np.full(len(KNOTS), -5.0), 0.0), x_scale=0.1)
    transmission = np.exp(found.x[:-1])
    optic = Optic(energy=knots, transmission=tuple(transmission.tolist()))
    fitted = replace(
        instrument,
        tube=replace(instrument.tube, line_factor=math.exp(found.x[-1])),
        geometry=replace(instrument.geometry, optic=optic),
    )
    return fitted, float(2.0 * found.cost / (int(np.sum(mask)) - len(found.x)))


def line_templates(model: ForwardModel, masses: Array, families: dict[str, str]) -> Array:
    """Return counts per second of lines whose name matches each pattern, (channel, family)."""
    primary, secondary = model.line_intensities(masses)
    names = model.emission.lines.name
    columns = []
    for pattern in families.values():
        chosen = np.array([bool(re.fullmatch(pattern, name)) for name in names])
        columns.append(model.tables.line_response @ np.where(chosen, primary + secondary, 0.0))
    return np.column_stack(columns)


FAMILIES = {
    "Cr": {"Ka": "KL.", "Kb": "K[MN]."},
    "Fe": {"Ka": "KL.", "Kb": "K[MN]."},
    "Ni": {"Ka": "KL.", "Kb": "K[MN]."},
    "Sn": {"L3": "L3.*", "L2": "L2.*", "L1": "L1.*", "Ka": "KL.", "Kb": "K[MNO].*"},
}
"""Line families of each metal; the first is the reference of its line ratios."""

WINDOWS = {
    "Cr": ((5.1, 6.3),),
    "Fe": ((6.0, 7.5),),
    "Ni": ((7.1, 8.7),),
    "Sn": ((3.2, 4.7), (24.3, 30.0)),
}
"""Where a metal's lines are judged, [keV]."""


def judge_lines(instrument: XrfInstrument, symbol: str) -> dict[str, float]:
    """Return measured over expected amplitude of each line family, and chi² per degree."""
    counts, live = metal_spectrum(symbol)
    model = build_forward_model(instrument, (symbol,), tolerance=1e-4)
    masses = model.masses({symbol: DENSITY[symbol]})
    templates = line_templates(model, masses, FAMILIES[symbol]) * live
    coherent, compton = model.scattered(masses)
    parts = np.column_stack([templates, (coherent + compton) * live])
    kev = instrument.energies * 1e-3
    mask = np.any([(kev > low) & (kev < high) for low, high in WINDOWS[symbol]], axis=0)
    sigma = np.sqrt(np.maximum(counts, 1.0))
    found, norm = nnls(parts[mask] / sigma[mask, None], counts[mask] / sigma[mask])
    result = dict(zip([*FAMILIES[symbol], "scatter"], found.tolist(), strict=True))
    result["chi2_per_dof"] = norm**2 / (int(np.sum(mask)) - parts.shape[1])
    return result


def judge_scatter(instrument: XrfInstrument, symbol: str) -> dict[str, float]:
    """Return measured over expected coherent and Compton parts about Rh Kα.

    Each of the two anode peaks is split off by a straight line under it.
    """
    depth = 5e-3 if symbol == "acrylic" else math.inf
    one = replace(instrument, geometry=replace(instrument.geometry, depth=depth))
    if symbol == "acrylic":
        counts, live = read_counts(ACRYLIC)
        sample = solid({"C5H8O2": 1.0}, 1190.0)
    else:
        counts, live = metal_spectrum(symbol)
        sample = {symbol: DENSITY[symbol]}
    model = build_forward_model(one, tuple(sample))
    coherent, compton = model.scattered(model.masses(sample))
    kev = instrument.energies * 1e-3
    mask = (kev > 17.8) & (kev < 20.8)
    parts = np.column_stack([coherent, compton])[mask] * live
    sigma = np.sqrt(np.maximum(counts[mask], 1.0))
    found, norm = nnls(parts / sigma[:, None], counts[mask] / sigma)
    return {
        "coherent": float(found[0]),
        "compton": float(found[1]),
        "chi2_per_dof": norm**2 / (int(np.sum(mask)) - 2),
    }


def median_time(call: object, repeats: int = 100) -> float:
    """Return the median time of a call after a warm one, [s]."""
    assert callable(call)
    call()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return float(np.median(times))


LIGHT = ("La", "Ce", "Pr", "Nd", "Sm")
ALL = (*LIGHT, "Eu", "Gd", "Tb", "Dy", "Ho", "Er", "Tm", "Yb", "Lu", "Sc", "Y")


def speed(metals: tuple[str, ...]) -> dict[str, float]:
    """Return build, spectrum and template times of a liquor of these metals, [s]."""
    stream = liquor(metals)
    begin = time.perf_counter()
    model = build_forward_model(load_instrument("online_rh_40kv"), stream.components)
    built = time.perf_counter() - begin
    masses = stream.masses(np.full(len(metals), 900.0 / len(metals)), 100.0)
    return {
        "build": built,
        "spectrum": median_time(lambda: model.spectrum(masses)),
        "templates": median_time(lambda: model.contributions(masses)),
    }


def main(what: str) -> None:
    """Print one of the tables."""
    if what == "fit":
        start = load_instrument(INSTRUMENT)
        fitted, chi2 = fit_lens(start, 5e-3)
        optic = fitted.geometry.optic
        assert optic is not None
        print(f"chi2/ndf (1 % floor) {chi2:.2f}, line factor {fitted.tube.line_factor:.3f}")
        print("transmission:", ", ".join(f"{value:.4e}" for value in optic.transmission))
    elif what == "judge":
        instrument = load_instrument(INSTRUMENT)
        for symbol in FAMILIES:
            row = judge_lines(instrument, symbol)
            print(symbol, ", ".join(f"{key} {value:.3f}" for key, value in row.items()))
        for symbol in ("acrylic", *FAMILIES):
            row = judge_scatter(instrument, symbol)
            ratio = row["compton"] / row["coherent"]
            print(symbol, f"Compton/coherent {ratio:.3f}", row)
    else:
        for metals in (LIGHT, ALL):
            times = speed(metals)
            print(len(metals), ", ".join(f"{key} {1e3 * t:.2f} ms" for key, t in times.items()))


if __name__ == "__main__":
    main(sys.argv[1])
