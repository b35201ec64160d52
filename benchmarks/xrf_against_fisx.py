"""Our Sherman equations against fisx on the same atomic data; writes the comparison table.

fisx (MIT) needs a compiler: pip install fisx; python benchmarks/xrf_against_fisx.py

Our solver gets fisx's own attenuation, line energies and production of each line, so that what is
compared is the equations. Cases: an alloy, an oxide mixture, a liquor; one exciting energy each.
"""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from fisx import XRF, Elements, Material  # type: ignore[import-untyped]
from numpy.typing import NDArray

from raffinate.instruments.xrf_fluorescence import Beam, Emission, Lines, fluorescence
from raffinate.instruments.xrf_matrix import liquor

Array = NDArray[np.float64]

TABLE = Path(__file__).parents[1] / "tests" / "literature" / "data" / "xrf_fisx_lines.csv"
INPUTS = TABLE.with_name("xrf_fisx_steel_inputs.json")
ANGLES = (45.0, 60.0)
"""Of incidence and take-off, [degrees]."""


def liquor_fractions() -> dict[str, float]:
    """Return mass fractions of a light liquor of 150 g/L oxides."""
    stream = liquor(("La", "Ce", "Pr", "Nd", "Sm"))
    masses = stream.masses([243.0, 442.0, 44.0, 149.0, 10.3], 100.0)
    return dict(zip(stream.components, (masses / np.sum(masses)).tolist(), strict=True))


def cases() -> dict[str, tuple[dict[str, float], float, tuple[str, ...]]]:
    """Return composition, exciting energy [keV] and judged line families of each case."""
    steel = {"Cr": 0.18, "Mn": 0.02, "Fe": 0.70, "Ni": 0.10}
    rare = {"La": 0.25, "Ce": 0.30, "Nd": 0.20, "Y": 0.10, "O": 0.15}
    light = ("La L1", "La L2", "La L3", "Ce L1", "Ce L2", "Ce L3", "Nd L1", "Nd L2", "Nd L3")
    return {
        "steel": (steel, 20.2, ("Cr K", "Mn K", "Fe K", "Ni K")),
        "oxides": (rare, 20.2, (*light, "Y K")),
        "liquor": (liquor_fractions(), 12.0, (*light, "Pr L3", "Sm L3", "Cl K")),
    }


def _elements() -> Elements:
    elements = Elements()
    elements.initializeAsPyMca()
    return elements


def fisx_rates(
    composition: dict[str, float], energy: float, families: tuple[str, ...]
) -> dict[tuple[str, str], tuple[float, float, float]]:
    """Return (energy [keV], primary, secondary) of each line by (family, line)."""
    elements = _elements()
    material = Material("sample", 5.0, 10.0)
    material.setComposition(composition)
    elements.addMaterial(material)
    xrf = XRF()
    xrf.setBeam(energy)
    xrf.setSample([["sample", 5.0, 10.0]])
    xrf.setGeometry(*ANGLES)
    wanted = sorted(set(families))
    found = xrf.getMultilayerFluorescence(wanted, elements, 1, 0, 1)
    lines = {}
    for family in wanted:
        for name, one in found[family][0].items():
            lines[family, name] = (one["energy"], one["primary"], one["secondary"])
    return lines


class Inputs(NamedTuple):
    """Arguments of our solver."""

    emission: Emission
    shares: Array
    beam: Beam
    attenuation: tuple[Array, Array, Array]
    scattered: Array


def our_inputs(
    composition: dict[str, float], energy: float, lines: dict[tuple[str, str], float]
) -> Inputs:
    """Return what our equations need of fisx's atomic data."""
    elements = _elements()
    symbols = tuple(composition)

    def total(kev: list[float], process: str = "total") -> Array:
        """Mass attenuation of the mixture, (energy,), [m²/kg]."""
        table = [elements.getElementMassAttenuationCoefficients(s, kev)[process] for s in symbols]
        return np.array(list(composition.values())) @ np.array(table) * 0.1

    def made(symbol: str, kev: float) -> dict[str, tuple[float, float]]:
        """Energy [keV] and production [m²/kg] of each line of an element."""
        factors = elements.getExcitationFactors(symbol, [kev])
        return {name: (one["energy"], one["rate"] * 0.1) for name, one in factors.items()}

    exciting = [
        (place, name, kev, rate)
        for place, symbol in enumerate(symbols)
        for name, (kev, rate) in made(symbol, energy).items()
        if rate > 0.0
    ]
    keys = list(lines)
    rows = {key: index for index, key in enumerate(keys)}
    exciter_rows = len(rows) + np.arange(len(exciting))
    production = np.array(
        [[made(f.split()[0], energy)[n][1]] for f, n in keys] + [[rate] for *_, rate in exciting]
    )
    by = np.zeros((len(production), len(exciting)))
    for column, (_, _, kev, _) in enumerate(exciting):
        tables = {symbol: made(symbol, kev) for symbol in symbols}
        for (family, name), row in rows.items():
            by[row, column] = tables[family.split()[0]].get(name, (0.0, 0.0))[1]
    seen = Lines(
        component=np.array([symbols.index(family.split()[0]) for family, _ in keys]),
        row=np.arange(len(keys)),
        energy=np.array([1e3 * lines[key] for key in keys]),
        share=np.ones(len(keys)),
        name=tuple(name for _, name in keys),
    )
    exciters = Lines(
        component=np.array([place for place, *_ in exciting]),
        row=exciter_rows,
        energy=np.array([1e3 * kev for _, _, kev, _ in exciting]),
        share=np.ones(len(exciting)),
        name=tuple(name for _, name, *_ in exciting),
    )
    beam = Beam(
        flux=np.ones(1),
        sine_in=math.sin(math.radians(ANGLES[0])),
        sine_out=math.sin(math.radians(ANGLES[1])),
    )
    attenuation = (
        total([energy]),
        total([lines[key] for key in keys]),
        total([kev for _, _, kev, _ in exciting]),
    )
    emission = Emission(lines=seen, exciters=exciters, production=production, production_by=by)
    shares = np.array(list(composition.values()))
    # fisx counts coherently scattered photons among the exciters.
    scattered = total([energy], "coherent")
    return Inputs(emission, shares, beam, attenuation, scattered)


def as_numbers(inputs: Inputs) -> dict[str, object]:
    """Return the inputs of a case as a test without fisx reads them."""
    emission = inputs.emission
    return {
        "source": "fisx 1.3.2 (MIT), https://github.com/vasole/fisx; EPDL97, as PyMca uses it",
        "angles_deg": ANGLES,
        "shares": inputs.shares.tolist(),
        "line_component": emission.lines.component.tolist(),
        "exciter_component": emission.exciters.component.tolist(),
        "production": emission.production[:, 0].tolist(),
        "production_by": emission.production_by.tolist(),
        "attenuation": [part.tolist() for part in inputs.attenuation],
        "scattered": inputs.scattered.tolist(),
    }


def main() -> None:
    """Write the table and print the largest deviations."""
    rows = []
    for case, (composition, energy, families) in cases().items():
        theirs = fisx_rates(composition, energy, families)
        inputs = our_inputs(composition, energy, {key: kev for key, (kev, _, _) in theirs.items()})
        primary, secondary = fluorescence(*inputs)
        if case == "steel":
            INPUTS.write_text(json.dumps(as_numbers(inputs), indent=0), encoding="utf-8")
        first = np.array([value[1] for value in theirs.values()])
        second = np.array([value[2] for value in theirs.values()])
        scale = float(np.sum(first) / np.sum(primary))
        enhancement = second > 1e-6 * first
        off = np.abs(primary * scale / first - 1.0)
        off_second = np.abs(secondary[enhancement] * scale / second[enhancement] - 1.0)
        worst = float(np.max(off_second)) if np.any(enhancement) else 0.0
        print(f"{case}: {len(first)} lines, primary {np.max(off):.2e}, secondary {worst:.2e}")
        for (family, name), kev, *values in zip(
            theirs,
            [v[0] for v in theirs.values()],
            first,
            primary * scale,
            second,
            secondary * scale,
            strict=True,
        ):
            rows.append([case, family, name, f"{kev:.5f}", *(f"{value:.6e}" for value in values)])
    with TABLE.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            [
                "case",
                "family",
                "line",
                "energy_keV",
                "fisx_primary",
                "primary",
                "fisx_secondary",
                "secondary",
            ]
        )
        writer.writerows(rows)


if __name__ == "__main__":
    main()
