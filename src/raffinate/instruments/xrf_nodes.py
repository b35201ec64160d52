"""Energies at which the exciting spectrum is summed: between absorption edges, never across."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from raffinate.instruments.xrf_tube import Tube

Array = NDArray[np.float64]

_FINE_STEP = 60.0
"""Spacing at which a continuum is handed to the detector, below its resolution, [eV]."""
_LEAST_SEGMENT = 1.0
"""Edges closer than this count as one, [eV]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Nodes:
    """Where the exciting spectrum is sampled: continuum nodes first, then lines of the anode.

    Attributes:
        energy: (node,), [eV].
        emitted: Photons that the tube sends per node, (node,), [1/(s sr)].
        continuum: How many nodes are continuum.
        fine: Energies between the nodes, (fine,), [eV].
        spreading: Photons at each fine energy per photon of each continuum node, (fine, node), [-].
    """

    energy: Array
    emitted: Array
    continuum: int
    fine: Array
    spreading: Array


def excitation_nodes(
    tube: Tube, borders: Array, lowest: float, line_tolerance: float = 1.0e-3
) -> Nodes:
    """Return the nodes of a tube's spectrum.

    Args:
        tube: Source.
        borders: Energies at which anything jumps, [eV].
        lowest: Where the sum begins, [eV].
        line_tolerance: Lines of the anode below this share of its strongest are left out, [-].
    """
    highest = tube.voltage * (1.0 - 1.0e-6)
    inner = np.unique(borders[(borders > lowest) & (borders < highest)])
    limits = [lowest]
    for border in [*inner.tolist(), highest]:
        if border - limits[-1] > _LEAST_SEGMENT:
            limits += _divided(limits[-1], border)
    energies, weights, fine, blocks = [], [], [], []
    for low, high in pairwise(limits):
        order = 2 if high - low < 120.0 else 3 if high - low < 500.0 else 4
        points, share = _gauss(low, high, order)
        panels = max(1, math.ceil((high - low) / (2.0 * _FINE_STEP)))
        marks = np.linspace(low, high, panels + 1)
        pairs = [_gauss(a, b, 2) for a, b in pairwise(marks.tolist())]
        within = np.concatenate([pair[0] for pair in pairs])
        within_weights = np.concatenate([pair[1] for pair in pairs])
        blocks.append(_lagrange(points, within) * within_weights[:, None] / share)
        energies.append(points)
        weights.append(share)
        fine.append(within)
    nodes = np.concatenate(energies)
    line_energy, line_strength = tube.lines(line_tolerance)
    seen = line_energy > lowest
    return Nodes(
        energy=np.concatenate([nodes, line_energy[seen]]),
        emitted=np.concatenate(
            [tube.continuum(nodes) * np.concatenate(weights), line_strength[seen]]
        ),
        continuum=len(nodes),
        fine=np.concatenate(fine),
        spreading=_block_diagonal(blocks),
    )


def _divided(low: float, high: float) -> list[float]:
    """Upper limits of parts that widen with energy, as cross-sections vary by its powers."""
    parts = max(1, math.ceil(math.log(high / low) / math.log(1.2)))
    parts = max(parts, math.ceil((high - low) / 3000.0))
    return [float(value) for value in np.geomspace(low, high, parts + 1)[1:]]


def _gauss(low: float, high: float, order: int) -> tuple[Array, Array]:
    points, weights = np.polynomial.legendre.leggauss(order)
    half = 0.5 * (high - low)
    return low + half * (points + 1.0), half * weights


def _lagrange(points: Array, targets: Array) -> Array:
    """Return interpolation from `points` to `targets`, (target, point)."""
    matrix = np.ones((len(targets), len(points)))
    for column, own in enumerate(points):
        for other in np.delete(points, column):
            matrix[:, column] *= (targets - other) / (own - other)
    return matrix


def _block_diagonal(blocks: list[Array]) -> Array:
    whole = np.zeros((sum(b.shape[0] for b in blocks), sum(b.shape[1] for b in blocks)))
    row = column = 0
    for block in blocks:
        height, width = block.shape
        whole[row : row + height, column : column + width] = block
        row, column = row + height, column + width
    return whole
