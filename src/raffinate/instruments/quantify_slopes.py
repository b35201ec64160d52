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
    """Ways into and out of the sample.

    Attributes:
        entering: Linear attenuation over the sine at nodes, (node,), [1/m].
        leaving: Likewise of lines, (line, 1), [1/m].
        both: Integral over depth, (line, node), [m].
        steepness: Derivative of its logarithm with `entering` or `leaving`, (line, node), [m].
    """

    entering: Array
    leaving: Array
    both: Array
    steepness: Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Excited:
    """What excites the lines, and how its sum over depth and nodes changes.

    Attributes:
        value: Photons made where the beam's come to, (line, node).
        by_node: Change with each component's mass through what enters, (line, component).
        by_leaving: Change with `leaving`, (line,).
        by_mass: Change with each component's mass through what excites, (line, component).
    """

    value: Array
    by_node: Array
    by_leaving: Array
    by_mass: Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LineSlopes:
    """Changes of photons that leave toward the detector.

    Attributes:
        by_mass: With each component's mass, (line, component), [1/(s sr)] per [kg/m³].
        by_path: Of their logarithm with that of the way out of the sample, (line,), [-].
    """

    by_mass: Array
    by_path: Array


def line_slopes(model: ForwardModel, masses: Array) -> LineSlopes:
    """Return how each line changes.

    Args:
        model: The forward model; without drift.
        masses: (component,), [kg/m³].
    """
    emission, beam, tables = model.emission, model.beam, model.tables
    lines = emission.lines
    nodes, _, at_lines, _ = tables.attenuation
    paths = _paths(beam, masses @ nodes, masses @ at_lines)
    direct = emission.production[lines.row]
    direct *= beam.flux
    value, change = direct, np.zeros((len(lines), len(masses)))
    by_leaving = np.zeros(len(lines))
    if model.enhancement and len(emission.exciters):
        by_lines = _by_lines(model, masses, paths)
        value = direct + by_lines.value
        change += by_lines.by_node + by_lines.by_mass
        by_leaving += by_lines.by_leaving
    if model.scatter_enhancement:
        by_scatter = _by_scatter(model, masses, paths, direct)
        value = value + by_scatter.value
        change += by_scatter.by_node + by_scatter.by_mass
        by_leaving += by_scatter.by_leaving
    value = value * paths.both
    inner = np.sum(value, axis=1)
    value *= paths.steepness
    by_leaving += np.sum(value, axis=1)
    change += value @ (nodes / beam.sine_in).T
    change += (by_leaving / beam.sine_out)[:, None] * at_lines.T
    change *= masses[lines.component][:, None]
    change[np.arange(len(lines)), lines.component] += inner
    change *= (lines.share / (4.0 * math.pi * beam.sine_in))[:, None]
    # Nothing excites a line above the tube's voltage.
    by_path = paths.leaving[:, 0] * by_leaving / np.where(inner > 0.0, inner, np.inf)
    return LineSlopes(by_mass=change, by_path=by_path)


def _paths(beam: Beam, at_nodes: Array, at_lines: Array) -> _Paths:
    entering, leaving = at_nodes / beam.sine_in, (at_lines / beam.sine_out)[:, None]
    both = entering + leaving
    if math.isinf(beam.depth) or float(np.min(leaving)) * beam.depth > OPAQUE:
        np.reciprocal(both, out=both)
        return _Paths(entering=entering, leaving=leaving, both=both, steepness=-both)
    decay = np.exp(-both * beam.depth)
    steepness = beam.depth * decay / (1.0 - decay) - 1.0 / both
    return _Paths(
        entering=entering, leaving=leaving, both=(1.0 - decay) / both, steepness=steepness
    )


def _by_scatter(model: ForwardModel, masses: Array, paths: _Paths, direct: Array) -> _Excited:
    """What the scattered beam excites: `direct` again, by scattering and two paths."""
    nodes, scattering = model.tables.attenuation[0], model.tables.scattering
    entering, leaving, at_nodes = paths.entering, paths.leaving, masses @ nodes
    above = math.log1p(1.0 / model.beam.sine_in) / entering
    below = np.log1p(np.multiply.outer(leaving[:, 0], 1.0 / at_nodes))
    below /= leaving
    half = 0.5 * direct
    more = below + above
    more *= half
    by_mass = (more * paths.both) @ scattering.T
    strength = masses @ scattering
    more *= strength
    half *= paths.both
    half *= strength
    joined = np.reciprocal(at_nodes + leaving)
    below -= joined
    below *= half
    joined += above
    joined *= half
    return _Excited(
        value=more,
        by_node=-(joined @ (nodes / at_nodes).T),
        by_leaving=-np.sum(below, axis=1) / leaving[:, 0],
        by_mass=by_mass,
    )


def _by_lines(model: ForwardModel, masses: Array, paths: _Paths) -> _Excited:
    """What other lines of the sample excite."""
    emission, tables, beam = model.emission, model.tables, model.beam
    exciters, table, row = emission.exciters, tables.attenuation[3], emission.lines.row
    own, entering, leaving = masses @ table, paths.entering, paths.leaving
    shared = 0.5 * emission.production_by * exciters.share
    yields = shared * masses[exciters.component]
    made, above, inside = np.empty((3, len(exciters), len(entering)))
    by_beam = emission.production * beam.flux
    np.take(by_beam, exciters.row, axis=0, out=made)
    np.log1p(np.multiply.outer(1.0 / own, entering, out=above), out=above)
    above *= made
    above /= entering
    np.divide(made, own[:, None] + entering, out=inside)
    below, beside = np.log1p(leaving / own) / leaving, 1.0 / (own + leaving)
    # Shells are fewer than lines: what does not depend on the way out is summed for them.
    steeper = (yields @ ((inside - above) / entering))[row]
    steeper *= paths.both
    reached, reached_inside = (paths.both @ by_beam.T)[:, exciters.row], paths.both @ inside.T
    by_own = (reached_inside + reached * beside) * (yields[row] / own)
    by_mass = -by_own @ table.T
    explicit = shared[row] * (below * reached + paths.both @ above.T)
    by_mass += explicit @ (exciters.component[:, None] == np.arange(len(masses)))
    value = exciters.by_row(yields[row] * below) @ by_beam[exciters.rows]
    value += (yields @ above)[row]
    by_leaving = np.sum(yields[row] * (beside - below) * reached, axis=1) / leaving[:, 0]
    return _Excited(
        value=value,
        by_node=steeper @ (tables.attenuation[0] / beam.sine_in).T,
        by_leaving=by_leaving,
        by_mass=by_mass,
    )


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
    cases = np.vstack([masses, masses + steps[:, None] * changes.T])
    coherent, continuum, lines, twice = (
        ((part[1:] - part[0]) / steps[:, None]).T for part in _scatter_at_nodes(model, cases)
    )
    return np.asarray(
        tables.coherent_response @ coherent
        + tables.compton_response @ continuum
        + tables.compton_lines @ lines
        + tables.double_lines @ twice,
        dtype=np.float64,
    )


def _scatter_at_nodes(model: ForwardModel, masses: Array) -> tuple[Array, Array, Array, Array]:
    """Photons toward the detector as `ForwardModel.scattered` hands them to its responses.

    Args:
        model: The forward model.
        masses: (case, component).

    Returns:
        Four times (case, column of the response).
    """
    tables, beam = model.tables, model.beam
    at_nodes, at_shifted = masses @ tables.attenuation[0], masses @ tables.attenuation[1]
    entering, leaving = at_nodes / beam.sine_in, at_shifted / beam.sine_out
    reaching = beam.flux / beam.sine_in
    coherent = reaching * (masses @ tables.coherent)
    coherent *= _escape(entering + at_nodes / beam.sine_out, beam.depth)
    shifted = reaching * _escape(entering + leaving, beam.depth)
    paths = np.log1p(entering / at_nodes) / entering + np.log1p(leaving / at_nodes) / leaving
    twice = (masses @ tables.scattering) ** 2 * paths * shifted / (8.0 * math.pi)
    smooth = tables.smooth
    continuum = (masses @ tables.compton[:, :smooth]) * shifted[:, :smooth] + twice[:, :smooth]
    each = masses[:, :, None] * tables.compton[:, smooth:] * shifted[:, None, smooth:]
    return coherent, continuum, each.reshape(len(masses), -1), twice[:, smooth:]


def _escape(total: Array, depth: float) -> Array:
    """Integral over depth of what enters and leaves, same shape, [m]."""
    if math.isinf(depth):
        return np.asarray(1.0 / total, dtype=np.float64)
    return np.asarray(-np.expm1(-total * depth) / total, dtype=np.float64)
