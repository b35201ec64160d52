"""Derivatives of line intensities with the sample's composition, in one pass.

The chain rule on Sherman's equations as `xrf_fluorescence` sums them: it costs about two spectra
where difference quotients cost one for each element.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raffinate.instruments.xrf_fluorescence import OPAQUE, Beam
from raffinate.instruments.xrf_spectrum import ForwardModel

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Paths:
    """What both functions below need.

    Attributes:
        entering: Linear attenuation over the sine at nodes, (node,), [1/m].
        leaving: Likewise of lines, (line, 1), [1/m].
        both: Integral over depth, (line, node), [m].
        steepness: Its derivative with `entering` or `leaving`, (line, node), [m²].
    """

    entering: Array
    leaving: Array
    both: Array
    steepness: Array


def line_slopes(model: ForwardModel, masses: Array) -> Array:
    """Return the change of each line with each component's mass, (line, component).

    Args:
        model: The forward model; without drift.
        masses: (component,), [kg/m³].

    Returns:
        Photons that leave toward the detector, [1/(s sr)] per [kg/m³].
    """
    emission, beam, tables = model.emission, model.beam, model.tables
    lines = emission.lines
    nodes, _, at_lines, _ = tables.attenuation
    paths = _paths(beam, masses @ nodes, masses @ at_lines)
    excited = emission.production[lines.row] * beam.flux
    value, by_node, by_leaving, by_mass = _secondary(model, masses, paths)
    value += excited
    if model.scatter_enhancement:
        strength = masses @ tables.scattering
        more, more_node, more_leaving = _scatter_factor(paths, masses @ nodes, excited)
        value += strength * more
        by_node += strength * paths.both * more_node
        by_leaving += np.sum(strength * paths.both * more_leaving, axis=1)
        by_mass += (paths.both * more) @ tables.scattering.T
    bent = paths.steepness * value
    by_node += bent / beam.sine_in
    by_leaving += np.sum(bent, axis=1)
    inner = np.sum(paths.both * value, axis=1)
    change = by_mass + by_node @ nodes.T + (by_leaving / beam.sine_out)[:, None] * at_lines.T
    change *= masses[lines.component][:, None]
    change[np.arange(len(lines)), lines.component] += inner
    return np.asarray(
        change * (lines.share / (4.0 * math.pi * beam.sine_in))[:, None], dtype=np.float64
    )


def _paths(beam: Beam, at_nodes: Array, at_lines: Array) -> _Paths:
    entering, leaving = at_nodes / beam.sine_in, (at_lines / beam.sine_out)[:, None]
    total = entering + leaving
    if math.isinf(beam.depth) or float(np.min(leaving)) * beam.depth > OPAQUE:
        both = 1.0 / total
        steepness = -(both**2)
    else:
        decay = np.exp(-total * beam.depth)
        both = (1.0 - decay) / total
        steepness = (beam.depth * decay - both) / total
    return _Paths(entering=entering, leaving=leaving, both=both, steepness=steepness)


def _scatter_factor(paths: _Paths, at_nodes: Array, excited: Array) -> tuple[Array, Array, Array]:
    """Enhancement per scattering strength, and its derivatives with node and leaving."""
    leaving = paths.leaving
    above = math.log1p(float(paths.entering[0] / at_nodes[0])) / paths.entering
    below = np.log1p(leaving / at_nodes) / leaving
    half, joined = 0.5 * excited, at_nodes + leaving
    by_node = -half * (above / at_nodes + 1.0 / (at_nodes * joined))
    return half * (above + below), by_node, half * (1.0 / joined - below) / leaving


def _secondary(
    model: ForwardModel, masses: Array, paths: _Paths
) -> tuple[Array, Array, Array, Array]:
    """What lines excite: (line, node), and the sums' derivatives with nodes, leaving and masses."""
    emission, tables = model.emission, model.tables
    lines, exciters = emission.lines, emission.exciters
    by_mass = np.zeros((len(lines), len(masses)))
    if not len(exciters) or not model.enhancement:
        nothing = np.zeros_like(paths.both)
        return nothing, nothing.copy(), np.zeros(len(lines)), by_mass
    own = (masses @ tables.attenuation[3])[:, None]
    entering, leaving = paths.entering, paths.leaving
    unit = exciters.share[:, None] * emission.production[exciters.row] * model.beam.flux
    made = masses[exciters.component][:, None] * unit
    yields = 0.5 * emission.production_by[lines.row]
    above, below = np.log1p(entering / own) / entering, np.log1p(leaving / own.T) / leaving
    value = yields @ (made * above) + (yields * below) @ made
    steeper = (1.0 / (own + entering) - above) / entering
    by_node = paths.both * (yields @ (made * steeper)) / model.beam.sine_in
    reached = paths.both @ unit.T
    amount = masses[exciters.component]
    by_leaving = np.sum(
        yields * (1.0 / (own.T + leaving) - below) / leaving * reached * amount, axis=1
    )
    by_own = paths.both @ (unit / (own + entering)).T + reached / (own.T + leaving)
    by_mass -= (yields * by_own * amount / own.T) @ tables.attenuation[3].T
    explicit = yields * (paths.both @ (unit * above).T + below * reached)
    for component in np.unique(exciters.component):
        chosen = exciters.component == component
        by_mass[:, component] += np.sum(explicit[:, chosen], axis=1)
    return value, by_node, by_leaving, by_mass


def scatter_slopes(model: ForwardModel, masses: Array, changes: Array, steps: Array) -> Array:
    """Return the change of scattered counts along directions in composition, (channel, direction).

    Difference quotients at the exciting energies, where they are cheap; the detector comes after.

    Args:
        model: The forward model; without drift.
        masses: (component,), [kg/m³].
        changes: Of masses per unit of each direction's parameter, (component, direction).
        steps: Of the difference quotients, in units of the parameters, (direction,).
    """
    tables = model.tables
    here = _scatter_at_nodes(model, masses)
    columns = [np.empty((len(part), len(steps))) for part in here]
    for place, step in enumerate(steps.tolist()):
        there = _scatter_at_nodes(model, masses + step * changes[:, place])
        for column, after, before in zip(columns, there, here, strict=True):
            column[:, place] = (after - before) / step
    coherent, continuum, lines, twice = columns
    return np.asarray(
        tables.coherent_response @ coherent
        + tables.compton_response @ continuum
        + tables.compton_lines @ lines
        + tables.double_lines @ twice,
        dtype=np.float64,
    )


def _scatter_at_nodes(model: ForwardModel, masses: Array) -> tuple[Array, Array, Array, Array]:
    """Photons toward the detector as `ForwardModel.scattered` hands them to its responses."""
    tables, beam = model.tables, model.beam
    at_nodes, at_shifted = masses @ tables.attenuation[0], masses @ tables.attenuation[1]
    entering, leaving = at_nodes / beam.sine_in, at_shifted / beam.sine_out
    reaching = beam.flux / beam.sine_in
    coherent = reaching * (masses @ tables.coherent)
    coherent *= _escape(entering + at_nodes / beam.sine_out, beam.depth)
    shifted = _escape(entering + leaving, beam.depth)
    each = masses[:, None] * tables.compton * (reaching * shifted)
    paths = np.log1p(entering / at_nodes) / entering + np.log1p(leaving / at_nodes) / leaving
    twice = (masses @ tables.scattering) ** 2 * paths * shifted * reaching / (8.0 * math.pi)
    smooth = tables.smooth
    continuum = np.sum(each[:, :smooth], axis=0) + twice[:smooth]
    return coherent, continuum, each[:, smooth:].ravel(), twice[smooth:]


def _escape(total: Array, depth: float) -> Array:
    """Integral over depth of what enters and leaves, same shape, [m]."""
    if math.isinf(depth):
        return np.asarray(1.0 / total, dtype=np.float64)
    return np.asarray(-np.expm1(-total * depth) / total, dtype=np.float64)
