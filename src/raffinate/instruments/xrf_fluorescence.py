"""Primary and secondary fluorescence of a flat sample: Sherman's equations as array algebra.

J. Sherman, Spectrochim. Acta 7 (1955) 283; T. Shiraiwa, N. Fujino, Jpn. J. Appl. Phys. 5 (1966)
886. Both sums over the exciting spectrum are matrix products, so a spectrum costs a millisecond.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raffinate.instruments.xrf_atomic import SHELLS, Atom, group_of

Array = NDArray[np.float64]
Places = NDArray[np.int_]


OPAQUE = 40.0
"""Attenuation lengths beyond which a sample is infinitely thick to the last digit, [-]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lines:
    """Emission lines of a sample.

    Attributes:
        component: Place of the line's element among the components, (line,).
        row: Place of the line's shell in a table of shell production, (line,).
        energy: (line,), [eV].
        share: Of its shell's photons, (line,), [-].
        name: As "L3M5", the strongest of merged lines, (line,).
    """

    component: Places
    row: Places
    energy: Array
    share: Array
    name: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.energy)

    @property
    def rows(self) -> Places:
        """Return the rows of runs of lines of one shell, (run,)."""
        return np.asarray(self.row[self._first()], dtype=np.int_)

    def by_row(self, values: Array) -> Array:
        """Return sums over runs of lines of one shell, which share their production, (..., run).

        Args:
            values: (..., line).
        """
        return np.asarray(np.add.reduceat(values, self._first(), axis=-1), dtype=np.float64)

    def _first(self) -> Places:
        return np.flatnonzero(np.diff(self.row, prepend=-1))

    def take(self, places: Places) -> Lines:
        """Return some of the lines, in the order of `places`."""
        return Lines(
            component=self.component[places],
            row=self.row[places],
            energy=self.energy[places],
            share=self.share[places],
            name=tuple(self.name[place] for place in places),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShellRows:
    """The shells that emit, one row each.

    Attributes:
        component: Place of the element, (row,).
        shell: Place in `SHELLS`, (row,).
    """

    component: Places
    shell: Places

    def production(self, atoms: Sequence[Atom], energies: Array) -> Array:
        """Return photons per incident photon and mass of element, (row, energy), [m²/kg]."""
        tables = {
            place: atoms[place].shell_production(energies) for place in set(self.component.tolist())
        }
        rows = [
            tables[component][shell]
            for component, shell in zip(self.component.tolist(), self.shell.tolist(), strict=True)
        ]
        return np.array(rows).reshape(len(self.component), len(energies))

    def groups(self) -> list[tuple[int, str]]:
        """Return (component, line group) of each row."""
        return [
            (component, group_of(SHELLS[shell]))
            for component, shell in zip(self.component.tolist(), self.shell.tolist(), strict=True)
        ]


def all_lines(atoms: Sequence[Atom], highest: float) -> tuple[Lines, ShellRows]:
    """Return every line that photons of up to `highest` [eV] excite."""
    components, rows, energies, shares, names = [], [], [], [], []
    row_components: list[int] = []
    row_shells: list[int] = []
    for place, one in enumerate(atoms):
        for shell in np.unique(one.line_shell).tolist():
            if one.edge[shell] >= highest:
                continue
            own = np.flatnonzero(one.line_shell == shell)
            components += [place] * len(own)
            rows += [len(row_shells)] * len(own)
            energies += one.line_energy[own].tolist()
            shares += one.line_rate[own].tolist()
            names += [one.line_name[each] for each in own]
            row_components.append(place)
            row_shells.append(shell)
    lines = Lines(
        component=np.array(components, dtype=np.int_),
        row=np.array(rows, dtype=np.int_),
        energy=np.array(energies, dtype=np.float64),
        share=np.array(shares, dtype=np.float64),
        name=tuple(names),
    )
    table = ShellRows(
        component=np.array(row_components, dtype=np.int_),
        shell=np.array(row_shells, dtype=np.int_),
    )
    return lines, table


def prune(lines: Lines, weight: Array, tolerance: float) -> Places:
    """Return the places of the lines that carry all but `tolerance` of each element's weight.

    Args:
        lines: What there is.
        weight: Expected intensity, (line,), any unit.
        tolerance: Share of an element's intensity that may be lost, [-].
    """
    kept: list[int] = []
    for component in np.unique(lines.component):
        own = np.flatnonzero((lines.component == component) & (weight > 0.0))
        strongest_first = own[np.argsort(-weight[own], kind="stable")]
        reached = np.cumsum(weight[strongest_first])
        if len(own):
            needed = int(np.searchsorted(reached, (1.0 - tolerance) * reached[-1])) + 1
            kept += strongest_first[:needed].tolist()
    return np.array(sorted(kept), dtype=np.int_)


def merge(lines: Lines, weight: Array, width: float, borders: Array) -> tuple[Lines, Places]:
    """Join lines of one shell that lie close: one path through the sample serves them all.

    Args:
        lines: To be joined.
        weight: Their intensities, (line,).
        width: Largest span of a joined line, [eV].
        borders: Absorption edges; lines on two sides of one are never joined, [eV].

    Returns:
        The joined lines at their mean energy, and the joined line of each line, (line,).
    """
    order = np.lexsort((lines.energy, lines.row))
    sides = np.searchsorted(np.sort(borders), lines.energy)
    clusters: list[list[int]] = []
    for place in order.tolist():
        last = clusters[-1] if clusters else None
        if (
            last is not None
            and lines.row[last[0]] == lines.row[place]
            and sides[last[0]] == sides[place]
            and lines.energy[place] - lines.energy[last[0]] <= width
        ):
            last.append(place)
        else:
            clusters.append([place])
    leaders = [max(cluster, key=lambda each: weight[each]) for cluster in clusters]
    owner = np.zeros(len(lines), dtype=np.int_)
    for place, cluster in enumerate(clusters):
        owner[cluster] = place
    joined = Lines(
        component=lines.component[leaders],
        row=lines.row[leaders],
        energy=np.array(
            [float(np.average(lines.energy[c], weights=lines.share[c])) for c in clusters]
        ),
        share=np.array([float(np.sum(lines.share[c])) for c in clusters]),
        name=tuple(lines.name[place] for place in leaders),
    )
    return joined, owner


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Beam:
    """What excites, and how it enters and leaves.

    Attributes:
        flux: Photons at each exciting energy, (node,), [1/s].
        sine_in: Sine of the angle between beam and surface, [-].
        sine_out: Sine of the angle between detector and surface, [-].
        depth: Of the sample, [m]; infinite if thick.
    """

    flux: Array
    sine_in: float
    sine_out: float
    depth: float = math.inf

    def escape(self, entering: Array, leaving: Array) -> Array:
        """Return the integral over depth of what enters and leaves again, (line, node), [m].

        Args:
            entering: Linear attenuation over the sine, (node,), [1/m].
            leaving: Same of the lines, (line,), [1/m].
        """
        total = entering[None, :] + leaving[:, None]
        if math.isinf(self.depth) or np.all(leaving * self.depth > OPAQUE):
            return np.reciprocal(total, out=total)
        return np.asarray(-np.expm1(-total * self.depth) / total, dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Emission:
    """Arrays of a sample that do not depend on its concentrations.

    Attributes:
        lines: What is seen, close ones joined.
        exciters: Lines that excite other lines.
        production: Of each shell at each exciting energy, (row, node), [m²/kg].
        production_by: Of each shell at each exciter, (row, exciter), [m²/kg].
    """

    lines: Lines
    exciters: Lines
    production: Array
    production_by: Array


def fluorescence(
    emission: Emission,
    concentration: Array,
    beam: Beam,
    attenuation: tuple[Array, Array, Array],
    scattered: Array | None = None,
) -> tuple[Array, Array]:
    """Return photons of each line that leave the sample toward the detector.

    Args:
        emission: What emits.
        concentration: Of each component, (component,), [kg/m³].
        beam: What excites.
        attenuation: Linear attenuation of the sample at the nodes, the lines and the exciters,
            each (energy,), [1/m].
        scattered: Linear scattering at the nodes, (node,), [1/m], to count what the scattered
            beam excites; None leaves that out.

    Returns:
        Primary and secondary intensity, (line,), [1/(s sr)]. The secondary one is that of an
        infinitely thick sample, and takes scattered photons as isotropic and of unchanged energy.
    """
    primary, secondary = kernels(emission, concentration, beam, attenuation, scattered)
    return primary @ beam.flux, secondary @ beam.flux


def kernels(
    emission: Emission,
    concentration: Array,
    beam: Beam,
    attenuation: tuple[Array, Array, Array],
    scattered: Array | None = None,
) -> tuple[Array, Array]:
    """Return `fluorescence` of one photon of the beam at each node, whatever its spectrum.

    Args:
        emission: As of `fluorescence`, and the next four.
        concentration: Of each component.
        beam: What excites; its flux is not read.
        attenuation: At the nodes, the lines and the exciters.
        scattered: Linear scattering at the nodes, or None.

    Returns:
        Primary and secondary, (line, node), [1/sr].
    """
    at_nodes, at_lines, at_exciters = attenuation
    lines, exciters = emission.lines, emission.exciters
    entering, leaving = at_nodes / beam.sine_in, at_lines / beam.sine_out
    both = beam.escape(entering, leaving)
    own = concentration[lines.component] * lines.share / (4.0 * math.pi * beam.sine_in)
    both *= own[:, None]
    primary = emission.production[lines.row]
    # What does not depend on the way out is summed for shells, of which there are fewer.
    by_shell = np.zeros_like(emission.production)
    if len(exciters):
        yields = emission.production_by * (0.5 * concentration[exciters.component] * exciters.share)
        above = np.log1p(np.multiply.outer(1.0 / at_exciters, entering))
        above *= emission.production[exciters.row]
        by_shell += (yields @ above) / entering
        below = np.log1p(leaving[:, None] / at_exciters) / leaving[:, None]
        below *= yields[lines.row]
        secondary = exciters.by_row(below) @ emission.production[exciters.rows]
    else:
        secondary = np.zeros_like(both)
    if scattered is not None:
        # Of the beam itself, the ratio of both attenuations is that of the slopes.
        by_shell += emission.production * (
            0.5 * math.log1p(1.0 / beam.sine_in) * scattered / entering
        )
        below = np.log1p(np.multiply.outer(leaving, 1.0 / at_nodes))
        below *= primary
        below *= np.multiply.outer(0.5 / leaving, scattered)
        secondary += below
    secondary += by_shell[lines.row]
    secondary *= both
    primary *= both
    return primary, secondary
