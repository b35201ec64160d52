"""What lines and scattered photons look like in the channels of an instrument."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from raffinate.instruments.xrf_atomic import Atom
from raffinate.instruments.xrf_detector import Detector
from raffinate.instruments.xrf_fluorescence import Lines
from raffinate.instruments.xrf_instrument import Geometry, XrfInstrument
from raffinate.instruments.xrf_nodes import Nodes
from raffinate.instruments.xrf_scatter import (
    ELECTRON_REST_ENERGY,
    compton_energy,
    compton_shape,
    compton_spread,
)

Array = NDArray[np.float64]
Sparse: TypeAlias = csr_array

_SOFT = 6.0e3
"""Below it the Compton line of an anode line is narrower than the detector's, [eV]."""
_SHAPE_STEP = 8.0
"""Spacing of the Compton shape handed to the detector, [eV]."""
_SHAPE_SPAN = 0.18
"""Half width of that shape, of the energy, [-]."""
_VANISHING = 1.0e-9
"""Of a response's largest channel: less than this is nothing, [-]."""


def leaving(geometry: Geometry, energies: Array) -> Array:
    """Return solid angle times share that reaches the detector, (energy,), [sr]."""
    passed = np.full_like(energies, geometry.detector_solid_angle)
    for layer in geometry.exit:
        passed = passed * layer.transmission(energies) ** (1.0 / np.sin(geometry.take_off))
    return passed


def _sparse(response: Array) -> Sparse:
    """Return a response without its vanishing parts; a line fills few channels."""
    least = _VANISHING * np.max(np.abs(response), axis=0, initial=0.0)
    return csr_array(np.where(np.abs(response) > least, response, 0.0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScatterResponses:
    """Counts per scattered photon and steradian.

    Attributes:
        smooth: How many nodes, the first, have no Compton shape of their own.
        coherent: (channel, node), [sr].
        compton: (channel, smooth node), [sr].
        compton_lines: (channel, component × other node), [sr].
        double_lines: (channel, other node), [sr].
    """

    smooth: int
    coherent: Sparse
    compton: Sparse
    compton_lines: Sparse
    double_lines: Sparse


def scatter_responses(
    instrument: XrfInstrument, symbols: tuple[str, ...], nodes: Nodes
) -> ScatterResponses:
    """Return the responses to photons that the sample scatters."""
    geometry = instrument.geometry
    angle = geometry.scattering_angle
    anode_lines = nodes.energy[nodes.continuum :]
    soft, hard = anode_lines[anode_lines < _SOFT], anode_lines[anode_lines >= _SOFT]
    typical = "O" if "O" in symbols else symbols[0]
    marks = np.geomspace(nodes.fine[0], nodes.fine[-1], 24)
    spreads = compton_spread(typical, marks, angle)

    def seen(energies: Array, spread: Array | float = 0.0) -> Array:
        response = instrument.detector.response(energies, instrument.edges, spread)
        return response * leaving(geometry, energies)

    def shifted(energies: Array) -> Array:
        return seen(compton_energy(energies, angle), np.interp(energies, marks, spreads))

    return ScatterResponses(
        smooth=nodes.continuum + len(soft),
        coherent=_sparse(np.hstack([seen(nodes.fine) @ nodes.spreading, seen(anode_lines)])),
        compton=_sparse(np.hstack([shifted(nodes.fine) @ nodes.spreading, shifted(soft)])),
        compton_lines=_compton_lines(
            instrument.detector, geometry, tuple(instrument.edges), symbols, tuple(hard)
        ),
        double_lines=_sparse(_double_lines(instrument, hard)),
    )


def line_response(
    instrument: XrfInstrument,
    atoms: Sequence[Atom],
    lines: Lines,
    owner: NDArray[np.int_],
    count: int,
) -> Sparse:
    """Return counts per photon and steradian of each joined line, (channel, joined line), [sr]."""
    widths = [
        atoms[place].line_width[atoms[place].line_name.index(name)]
        for place, name in zip(lines.component.tolist(), lines.name, strict=True)
    ]
    response = instrument.detector.response(lines.energy, instrument.edges)
    response += instrument.detector.wings(lines.energy, np.array(widths), instrument.edges)
    response *= leaving(instrument.geometry, lines.energy)
    shares = np.zeros((len(lines), count))
    shares[np.arange(len(lines)), owner] = lines.share
    return _sparse(response @ (shares / np.sum(shares, axis=0)))


@lru_cache(maxsize=4)
def _compton_lines(
    detector: Detector,
    geometry: Geometry,
    channel_edges: tuple[float, ...],
    symbols: tuple[str, ...],
    energies: tuple[float, ...],
) -> Sparse:
    """Counts per photon and steradian of each line, (channel, component × line), [sr].

    Kept: a tube's voltage and an atom's yields, which simulator, calibration and fit differ in,
    do not enter, and it is half of what a model costs to make.
    """
    angle, edges = geometry.scattering_angle, np.array(channel_edges)
    table = np.zeros((len(edges) - 1, len(symbols), len(energies)))
    for column, energy in enumerate(energies):
        centre = float(compton_energy(energy, angle))
        low = centre * (1.0 - _SHAPE_SPAN)
        scattered = np.arange(low, min(centre * (1.0 + _SHAPE_SPAN), energy), _SHAPE_STEP)
        response = detector.response(scattered, edges)
        response *= leaving(geometry, scattered)
        for row, symbol in enumerate(symbols):
            table[:, row, column] = response @ compton_shape(symbol, energy, angle, scattered)
    return _sparse(table.reshape(len(edges) - 1, -1))


def _double_lines(instrument: XrfInstrument, energies: Array) -> Array:
    """Counts per photon and steradian of each anode line scattered twice, (channel, line), [sr].

    Two isotropic scatterings lose two Compton wavelengths on average, with a standard deviation
    of the square root of 2/3 of one.
    """
    loss = energies / ELECTRON_REST_ENERGY
    mean = energies / (1.0 + 2.0 * loss)
    spread = math.sqrt(2.0 / 3.0) * loss * mean
    response = instrument.detector.response(mean, instrument.edges, spread)
    return response * leaving(instrument.geometry, mean)
