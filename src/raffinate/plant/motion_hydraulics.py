"""Volumes of a plant that follow its flows: vessels to begin with, and what must not happen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from raffinate.cascade.bank import Inventory, Vessels
from raffinate.cascade.dynamic import Motion
from raffinate.cascade.dynamic_cells import with_cells
from raffinate.cascade.dynamic_record import Record
from raffinate.cascade.dynamic_volumes import cell_count, overflows, weirs_that_hold
from raffinate.cascade.equations import Problem
from raffinate.cascade.volumes import Hydraulics, Weirs
from raffinate.errors import SpecificationError
from raffinate.numerics.jax_setup import given
from raffinate.plant.arrays import MIXER_RATIO, mixer_ratios, settled_flows, streams_of
from raffinate.plant.model import Circuit
from raffinate.plant.settler_hydraulics import SettlerHydraulics
from raffinate.units import HOUR

Array = NDArray[np.float64]

ORGANIC_TOLERANCE = 1e-9
"""Largest change of the volume of all organic in one call, as a share of it, [-]."""


class Layers(NamedTuple):
    """Phase volumes of a bank in time, [m³].

    Attributes:
        mixer_aqueous: (time, stage); the rest of a mixer is organic.
        settler_aqueous: (time, stage).
        settler_organic: (time, stage).
    """

    mixer_aqueous: Array
    settler_aqueous: Array
    settler_organic: Array


def cells_of(circuit: Circuit, size: int) -> NDArray[np.int64]:
    """Return the cells of every settler, padding included, (stage,)."""
    cells = np.ones(size, dtype=np.int64)
    cells[: circuit.stages] = [s.settler_cells for s in circuit.sections for _ in range(s.stages)]
    return cells


def moving_vessels(circuit: Circuit, problem: Problem) -> Vessels:
    """Return the vessels of a plant in time: settlers by cells, weirs that hold the volumes.

    Args:
        circuit: At its design flows.
        problem: Its numbers, every settler one cell of constant volume.

    Raises:
        SpecificationError: The volumes leave no interface.
    """
    size = len(problem.vessels.active)
    vessels = with_cells(problem.vessels, cells_of(circuit, size))
    if circuit.hydraulics is None:
        return vessels
    design = circuit.hydraulics

    def every(value: float) -> Array:
        return np.full(size, value)

    unset = Weirs(
        area=given(every(design.area)),
        organic_height=given(every(0.0)),
        aqueous_height=given(every(0.0)),
        overflow_time=given(every(design.overflow_time)),
        density_ratio=given(every(design.density_ratio)),
    )
    weirs = weirs_that_hold(unset, problem._replace(vessels=vessels))
    _check_weirs(circuit, design, weirs)
    mixer = np.asarray(problem.vessels.mixer_aqueous + problem.vessels.mixer_organic)
    capacity = None
    if design.at_limits == "go_on":
        capacity = given(every(design.area * design.flooding_flow))
    return vessels._replace(hydraulics=Hydraulics(given(mixer), weirs, capacity))


def organic_held(vessels: Vessels, held: Inventory) -> tuple[float, float]:
    """Return the organic of the whole loop and that of its tank, [m³]; of vessels that move."""
    volumes, hydraulics = held.volumes, vessels.hydraulics
    assert volumes is not None
    assert hydraulics is not None
    exists, cells = np.asarray(vessels.active), np.asarray(cell_count(vessels))
    mixers = np.asarray(hydraulics.mixer) - np.asarray(volumes.mixer_aqueous)
    settlers = cells * np.asarray(volumes.settler_organic)
    tank = float(volumes.tank)
    return float((mixers + settlers)[exists].sum()) + tank, tank


def check_organic(circuit: Circuit, vessels: Vessels, begun: Motion, ended: Motion) -> None:
    """Raise if the organic loop holds another volume than it did.

    What leaves it is made up and what is fed to it is bled, so that only a tank that gives more
    than it has can change it.

    Args:
        circuit: At the flows of the moment.
        vessels: Of the plant, with hydraulics.
        begun: The motion at the start of a call.
        ended: At its end.

    Raises:
        SpecificationError: The tank ran dry; says when, and what it held.
    """
    before, held = organic_held(vessels, begun.held)
    after, _ = organic_held(vessels, ended.held)
    if abs(after - before) <= ORGANIC_TOLERANCE * before:
        return
    raise SpecificationError(
        f"the organic tank, which held {held:.3g} m³ at {float(begun.time) / HOUR:.3g} h, ran dry "
        f"before {float(ended.time) / HOUR:.3g} h.",
        where="hydraulics: organic tank",
        allowed="more than nothing: the pump gives only what is there",
        mend=f"Give a tank larger than {circuit.organic_tank:.3g} m³, or raise the organic flow, "
        f"{circuit.organic_flow * HOUR:.3g} m³/h, by less or for a shorter time.",
    )


def _check_weirs(circuit: Circuit, design: SettlerHydraulics, weirs: Weirs) -> None:
    for part in ("organic_height", "aqueous_height"):
        heights = np.asarray(getattr(weirs, part))[: circuit.stages]
        worst = int(np.argmin(heights))
        if not heights[worst] > 0.0:
            raise SpecificationError(
                f"the {part.removesuffix('_height')} weir would stand at {heights[worst]:.3g} m.",
                where=f"hydraulics: stage {worst + 1}, {circuit.section_names[worst]}",
                allowed="above the floor",
                mend=f"Give less than {design.area:.3g} m² of area or "
                f"{design.overflow_time:.3g} s of overflow time, or larger settler volumes.",
            )


def layers_of(rows: Array, cells: NDArray[np.int64]) -> Layers:
    """Return volumes of whole layers from those of cells, (time, stage, 3)."""
    return Layers(rows[..., 0], cells * rows[..., 1], cells * rows[..., 2])


def watch(circuit: Circuit, vessels: Vessels, record: Record) -> None:
    """Raise if in the steps of a record a mixer inverts or a settler floods.

    Args:
        circuit: At the flows of the moment.
        vessels: Of the plant.
        record: Of NumPy arrays.

    Raises:
        SpecificationError: Names the first stage and time, the value, the range and the mend.
    """
    hydraulics = vessels.hydraulics
    if hydraulics is None or record.volumes is None or record.volume_rate is None:
        return
    assert hydraulics.weirs is not None
    assert circuit.hydraulics is not None
    cells = cells_of(circuit, len(vessels.active))
    now, change = (
        layers_of(np.asarray(table), cells) for table in (record.volumes, record.volume_rate)
    )
    over = overflows(hydraulics.weirs, given(now.settler_aqueous), given(now.settler_organic))
    # The rows that are not filled are dropped last, so that shapes stay the same.
    part = (slice(int(record.filled) + 1), slice(circuit.stages))
    mixed = now.mixer_aqueous[part]
    ratio = (np.asarray(hydraulics.mixer)[part[1]] - mixed) / mixed
    low, high = MIXER_RATIO
    for when, stage in np.argwhere((ratio < low) | (ratio > high))[:1]:
        _refuse_ratio(circuit, float(record.time[when]), int(stage), float(ratio[when, stage]))
    gained = change.settler_aqueous + change.settler_organic
    specific = ((np.asarray(over[0]) + np.asarray(over[1]) + gained) / circuit.hydraulics.area)[
        part
    ]
    limit = circuit.hydraulics.flooding_flow
    for when, stage in np.argwhere(specific > limit)[:1]:
        value = float(specific[when, stage])
        raise SpecificationError(
            f"{value * HOUR:.3g} m³/m²/h enter the settler after "
            f"{float(record.time[when]) / HOUR:.3g} h: it floods.",
            where=f"stage {stage + 1}, {circuit.section_names[stage]}",
            allowed=f"at most {limit * HOUR:.3g} m³/m²/h",
            mend=f"Give settlers of {circuit.hydraulics.area * value / limit:.3g} m² instead of "
            f"{circuit.hydraulics.area:.3g} m², or {limit / value:.3g} times the flows.",
        )


def _refuse_ratio(circuit: Circuit, time: float, stage: int, value: float) -> None:
    low, high = MIXER_RATIO
    at_rest = float(mixer_ratios(circuit)[stage])
    recycle = circuit.sections[_section(circuit, stage)].recycle
    organic = float(settled_flows(streams_of(circuit)).organic[stage])
    aqueous = organic / at_rest - recycle
    needed = organic / (high if value > high else low) - aqueous
    if low <= at_rest <= high:
        mend = f"Change the flows in smaller steps: at rest it would be {at_rest:.3g}."
    elif needed >= 0.0:
        mend = (
            f"Set the internal recycle there to {needed * HOUR:.3g} m³/h; "
            f"it is {recycle * HOUR:.3g} m³/h."
        )
    else:
        mend = (
            f"Set organic_flow to {low * aqueous * HOUR:.3g} m³/h; "
            f"it is {circuit.organic_flow * HOUR:.3g} m³/h."
        )
    raise SpecificationError(
        f"organic to aqueous in the mixer reaches {value:.3g} after {time / HOUR:.3g} h.",
        where=f"stage {stage + 1}, {circuit.section_names[stage]}",
        allowed=f"{low:.3g} to {high:.3g}, the range in which it disperses",
        mend=mend,
    )


def _section(circuit: Circuit, stage: int) -> int:
    ends = np.cumsum([section.stages for section in circuit.sections])
    return int(np.searchsorted(ends, stage, side="right"))
