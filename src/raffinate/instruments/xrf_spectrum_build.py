"""Everything of a forward model that does not depend on concentrations, computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import SpecificationError
from raffinate.instruments.xrf_atomic import (
    AS_TABULATED,
    Atom,
    AtomicAdjustment,
    atom,
    attenuation,
    coherent_differential,
    compton_differential,
    scattering,
)
from raffinate.instruments.xrf_fluorescence import (
    Beam,
    Emission,
    ShellRows,
    all_lines,
    merge,
    prune,
)
from raffinate.instruments.xrf_instrument import Geometry, XrfInstrument
from raffinate.instruments.xrf_nodes import Nodes, excitation_nodes
from raffinate.instruments.xrf_responses import (
    Sparse,
    leaving,
    line_response,
    scatter_responses,
)
from raffinate.instruments.xrf_scatter import compton_energy
from raffinate.instruments.xrf_spectrum import ForwardModel, Tables
from raffinate.instruments.xrf_tube import Layer

Array = NDArray[np.float64]

SIMULATED = 1.0e-4
"""Share of an element's detected intensity that lines left out of a simulated spectrum may carry,
[-]: a third of what a fit leaves out (`quantify_model.TOLERANCE`). A line that a fit expects and
a spectrum lacks is read as too little of the trace it stands beside: Nd L3M3, 1e-4 of Nd, on Ce Lα,
as 2e-4 of the Nd."""
_LINE_SPAN = 30.0
"""Lines of a shell within this span leave the sample as one, [eV]."""
_EXCITER_TOLERANCE = 10.0
"""Of left-out exciters over that of left-out lines: they matter by a few percent, [-]."""
_EXCITER_SPAN = 120.0
"""Lines of a shell within this span excite others as one, [eV]."""


def build_forward_model(
    instrument: XrfInstrument,
    components: Sequence[str],
    *,
    voltage: float | None = None,
    adjustment: AtomicAdjustment = AS_TABULATED,
    tolerance: float = SIMULATED,
    enhancement: bool = True,
    scatter_enhancement: bool = True,
    fouling: str = "Fe",
) -> ForwardModel:
    """Return the forward model of samples made of these elements.

    Args:
        instrument: The analyzer.
        components: All elements of the samples, matrix included, each once.
        voltage: Of the tube, [V]; None takes the instrument's.
        adjustment: Atoms other than tabulated.
        tolerance: Share of an element's detected intensity that left-out lines may carry, [-].
        enhancement: Whether fluorescence excites fluorescence.
        scatter_enhancement: Whether the scattered beam does.
        fouling: Element that a fouled window is taken to carry.

    Raises:
        SpecificationError: An element is unknown or named twice.
    """
    symbols = tuple(components)
    if not symbols or len(set(symbols)) < len(symbols):
        raise SpecificationError(
            f"the components are {symbols}.", where="XRF model", allowed="each once, at least 1"
        )
    tube = instrument.tube if voltage is None else replace(instrument.tube, voltage=voltage)
    instrument = replace(instrument, tube=tube)
    atoms = [atom(symbol, adjustment.of(symbol)) for symbol in symbols]
    nodes = excitation_nodes(tube, _borders(instrument, atoms), instrument.lowest_energy)
    geometry = instrument.geometry
    beam = Beam(
        flux=nodes.emitted * geometry.source_solid_angle * _passed(geometry, nodes.energy),
        sine_in=float(np.sin(geometry.incidence)),
        sine_out=float(np.sin(geometry.take_off)),
        depth=geometry.depth,
    )
    emission, rows, response = _emission(instrument, atoms, nodes, beam, tolerance)
    all_groups = rows.groups()
    groups = tuple(dict.fromkeys(all_groups[row] for row in emission.lines.row.tolist()))
    place = {group: index for index, group in enumerate(groups)}
    grouped = [place[all_groups[row]] for row in emission.lines.row.tolist()]
    group = np.array(grouped, dtype=np.int_)
    return ForwardModel(
        instrument=instrument,
        components=symbols,
        groups=tuple((symbols[component], group) for component, group in groups),
        emission=emission,
        beam=beam,
        tables=_tables(instrument, symbols, nodes, emission, response, group, fouling),
        enhancement=enhancement,
        scatter_enhancement=scatter_enhancement,
    )


def _layers(instrument: XrfInstrument) -> list[Layer]:
    geometry = instrument.geometry
    return [*instrument.tube.layers, *geometry.entrance, *geometry.exit]


def _borders(instrument: XrfInstrument, atoms: Sequence[Atom]) -> Array:
    """Every edge, and every energy that Compton scattering brings to an edge, [eV]."""
    around = {symbol for layer in _layers(instrument) for symbol, _ in layer.composition}
    around.add(instrument.tube.anode)
    edges = np.concatenate(
        [one.edge[np.isfinite(one.edge)] for one in [*atoms, *(atom(s) for s in sorted(around))]]
    )
    angle = instrument.geometry.scattering_angle
    return np.concatenate([edges, edges**2 / compton_energy(edges, angle)])


def _passed(geometry: Geometry, energies: Array) -> Array:
    """Share of the tube's photons that reach the sample, (energy,), [-]."""
    passed = np.ones_like(energies)
    for layer in geometry.entrance:
        passed = passed * layer.transmission(energies) ** (1.0 / np.sin(geometry.incidence))
    return passed if geometry.optic is None else passed * geometry.optic(energies)


def _emission(
    instrument: XrfInstrument,
    atoms: Sequence[Atom],
    nodes: Nodes,
    beam: Beam,
    tolerance: float,
) -> tuple[Emission, ShellRows, Sparse]:
    lines, rows = all_lines(atoms, instrument.tube.voltage)
    production = rows.production(atoms, nodes.energy)
    made = (production @ beam.flux)[lines.row] * lines.share
    detected = made * instrument.detector.efficiency(lines.energy)
    detected *= leaving(instrument.geometry, lines.energy)
    recorded = (lines.energy > instrument.lowest_energy) & (lines.energy < instrument.edges[-1])
    kept = prune(lines, np.where(recorded, detected, 0.0), tolerance)
    edges = np.concatenate([one.edge[np.isfinite(one.edge)] for one in atoms])
    seen, owner = merge(lines.take(kept), detected[kept], _LINE_SPAN, edges)
    excitable = edges[edges >= instrument.lowest_energy]
    exciting = np.where(lines.energy > np.min(excitable, initial=np.inf), made, 0.0)
    strong = prune(lines, exciting, _EXCITER_TOLERANCE * tolerance)
    exciters, _ = merge(lines.take(strong), exciting[strong], _EXCITER_SPAN, edges)
    return (
        Emission(
            lines=seen,
            exciters=exciters,
            production=production,
            production_by=rows.production(atoms, exciters.energy),
        ),
        rows,
        line_response(instrument, atoms, lines.take(kept), owner, len(seen)),
    )


def _tables(
    instrument: XrfInstrument,
    symbols: tuple[str, ...],
    nodes: Nodes,
    emission: Emission,
    response: Sparse,
    group: NDArray[np.int_],
    fouling: str,
) -> Tables:
    angle = instrument.geometry.scattering_angle
    shifted = compton_energy(nodes.energy, angle)
    lines, exciters = emission.lines, emission.exciters
    scatter = scatter_responses(instrument, symbols, nodes)
    return Tables(
        node_energy=nodes.energy,
        smooth=scatter.smooth,
        attenuation=(
            attenuation(symbols, nodes.energy),
            attenuation(symbols, shifted),
            attenuation(symbols, lines.energy),
            attenuation(symbols, exciters.energy),
        ),
        scattering=scattering(symbols, nodes.energy),
        coherent=coherent_differential(symbols, nodes.energy, angle),
        compton=compton_differential(symbols, nodes.energy, angle),
        line_response=response,
        coherent_response=scatter.coherent,
        compton_response=scatter.compton,
        compton_lines=scatter.compton_lines,
        double_lines=scatter.double_lines,
        fouling=(
            attenuation([fouling], nodes.energy)[0],
            attenuation([fouling], shifted)[0],
            attenuation([fouling], lines.energy)[0],
        ),
        group=group,
    )
