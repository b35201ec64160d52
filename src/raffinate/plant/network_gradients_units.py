"""Tanks, splitters, conditioning, precipitation and redissolution as linear maps at a point.

Streams are written as amounts and flow, (component + 1,). Everything but precipitation is linear
in what enters, as `network_units` writes it; precipitation is differentiated by hand.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.elements import RARE_EARTHS
from raffinate.plant.network import (
    CircuitUnit,
    Conditioner,
    Precipitation,
    Redissolution,
    Splitter,
    Tank,
    Unit,
)
from raffinate.plant.network_gradients_layout import USES
from raffinate.plant.network_stream import AMMONIUM, ANION, CARBON, OXALATE, Stream, StreamAxis

Array = NDArray[np.float64]


def unit_slopes(axis: StreamAxis, unit: Unit, taken: Sequence[Stream]) -> tuple[Array, Array]:
    """Return how a unit's outlets and what it uses move with what enters it.

    Args:
        axis: Components of the streams.
        unit: Any but a circuit.
        taken: What enters it, in the order of its inlets.

    Returns:
        Of the outlets one after another, (outlet · width, inlet · width), and of `USES`,
        (use, inlet · width), with width = components + 1.
    """
    width = axis.size + 1
    nothing = np.zeros((len(USES), width * len(taken)))
    match unit:
        case CircuitUnit():
            raise TypeError("a circuit has derivatives of its own")
        case Tank():
            return np.tile(np.eye(width), (1, len(taken))), nothing
        case Splitter():
            shares = np.array(list(unit.fractions.values()))
            return np.kron(shares[:, None], np.eye(width)), nothing
        case Conditioner():
            return _conditioner(axis, unit, taken[0])
        case Precipitation():
            return _precipitation(axis, unit, taken[0])
        case Redissolution():
            return _redissolution(axis, unit)


def use(name: str, row: Array) -> Array:
    """Return `USES` of which one has a derivative, (use, width)."""
    found = np.zeros((len(USES), len(row)))
    found[USES.index(name)] = row
    return found


def acid_row(axis: StreamAxis) -> Array:
    """Return d acid / d stream, (width,), [-]."""
    row = np.zeros(axis.size + 1)
    row[: len(axis.elements)] = -axis.charge
    row[axis.place(AMMONIUM)] = -1.0
    row[axis.place(ANION)] = axis.anion_charge
    return row


def metal_row(axis: StreamAxis) -> Array:
    """Return d (all metals) / d stream, (width,), [-]."""
    row = np.zeros(axis.size + 1)
    row[: len(axis.elements)] = 1.0
    return row


def _conditioner(axis: StreamAxis, unit: Conditioner, taken: Stream) -> tuple[Array, Array]:
    flow = metal_row(axis) / unit.strength
    volume = float(taken.metals(axis).sum()) / unit.strength
    excess = acid_row(axis) - unit.proton * flow
    made = np.eye(axis.size + 1)
    made[-1] = flow
    if axis.acid(taken.amount) > unit.proton * volume:
        made[axis.place(AMMONIUM)] += excess
        uses = use("NH3", excess)
    else:
        made[axis.place(ANION)] -= excess / axis.anion_charge
        uses = use("acid", -excess)
    if volume > taken.flow:
        bought = flow.copy()
        bought[-1] -= 1.0
        uses = uses + use("water", bought)
    return made, uses


def _precipitation(axis: StreamAxis, unit: Precipitation, taken: Stream) -> tuple[Array, Array]:
    count = len(axis.elements)
    rare = np.array([float(symbol in RARE_EARTHS) for symbol in axis.elements])
    metals = rare * taken.metals(axis)
    total, stays = float(metals.sum()), unit.solubility * taken.flow
    solid = np.zeros((axis.size + 1, axis.size + 1))
    solid[:count, :count] = np.diag(rare) * (1.0 - stays / total)
    solid[:count, :count] += np.outer(metals, rare) * stays / total**2
    solid[:count, -1] = -metals * unit.solubility / total
    charge = axis.charge @ solid[:count]
    brought = np.zeros_like(solid)
    if unit.precipitant == "oxalate":
        solid[axis.place(OXALATE)] = 0.5 * charge
        taken_up = 0.5 * charge * (1.0 + unit.excess)
        brought[axis.place(OXALATE)] = taken_up
        uses = use("oxalic acid", taken_up)
    else:
        neutral = acid_row(axis) if axis.acid(taken.amount) > 0.0 else 0.0
        bicarbonate = charge + neutral
        solid[axis.place(CARBON)] = 0.5 * charge
        # Of the carbon brought, what does not precipitate leaves as gas.
        brought[axis.place(CARBON)] = 0.5 * charge
        brought[axis.place(AMMONIUM)] = bicarbonate
        uses = use("NH4HCO3", bicarbonate)
    liquor = np.eye(axis.size + 1) + brought - solid
    return np.concatenate([solid, liquor]), uses


def _redissolution(axis: StreamAxis, unit: Redissolution) -> tuple[Array, Array]:
    count = len(axis.elements)
    flow = metal_row(axis) / unit.strength
    acid = unit.proton * flow
    acid[:count] += axis.charge
    made = np.zeros((axis.size + 1, axis.size + 1))
    made[:count, :count] = np.eye(count)
    made[axis.place(ANION)] = acid / axis.anion_charge
    made[-1] = flow
    return made, use("acid", acid) + use("water", flow)
