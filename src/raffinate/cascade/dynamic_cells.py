"""What the equations of a bank see of its vessels in one implicit stage of an integration.

In an implicit stage a cell of volume v that liquor passes ends at

    c = (r v b + q c') / (r v + q),        r = 1/(γ Δt),

with b and v its base, c' the cell before it and q what enters. That holds for volumes that move as
well, if v is the base volume: what leaves and what the volume gained add up to what enters. A row
of cells is thus linear in what the mixer sends, c_last = a + s c_mixer, s = Π q/(r v + q), and one
vessel with base a/(1 - s) and r V = T (1 - s)/s, T the flow of the stage, does exactly the same.
So the equations and their Jacobian need not know of cells or of moving volumes; what each vessel
gains is written out afterwards as what flows in less what flows out.

Derived here. A row of N equal cells has the residence times of the Erlang distribution: O.
Levenspiel, Chemical Reaction Engineering, 3rd ed. (1999), chapter 14 (tanks in series).
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from raffinate.cascade.bank import Inventory, Unknowns, Vessels, aqueous_flows
from raffinate.cascade.boundary import total_held
from raffinate.cascade.dynamic_volumes import (
    Passing,
    cell_count,
    moving_streams,
    passing,
    resting,
)
from raffinate.cascade.equations import TINY, Problem
from raffinate.cascade.jacobian import factorise_newton
from raffinate.cascade.volumes import Volumes
from raffinate.chemistry.stage_chemistry import StageChemistry
from raffinate.numerics.block_tridiagonal import BorderedFactors, Factors
from raffinate.numerics.jax_setup import Array, given, jax, jnp, lax

MOST_DECAYS = 230.0
"""Decades e of the mixer's liquor a row of cells may hold back in one step: 10⁻¹⁰⁰ is nothing."""


class Layer(NamedTuple):
    """One layer of the settlers of a bank, cell by cell from the mixer on, the last included.

    Attributes:
        flow: Into every cell, (stage, cell), [m³/s].
        volume: Its base volume, (stage, cell), [m³]; 0 where a stage has no such cell.
        base: What it starts from, (stage, cell, component), [mol/m³].
    """

    flow: Array
    volume: Array
    base: Array


class Seen(NamedTuple):
    """One implicit stage as the equations see it.

    Attributes:
        problem: With one vessel for every row of cells, and the flows of the moment.
        base: With what these vessels start from.
        layers: Aqueous and organic; None where every settler is one cell of constant volume.
        passing: What flows; None where volumes stay.
    """

    problem: Problem
    base: Inventory
    layers: tuple[Layer, Layer] | None
    passing: Passing | None


def with_cells(vessels: Vessels, cells: NDArray[np.int64]) -> Vessels:
    """Return vessels whose settlers are divided into `cells`, (stage,), equal cells each."""
    most = int(cells.max())
    if most == 1:
        return vessels
    exists = np.arange(most - 1)[None, :] < (cells - 1)[:, None]
    aqueous = np.asarray(vessels.settler_aqueous) / cells
    organic = np.asarray(vessels.settler_organic) / cells
    return vessels._replace(
        settler_aqueous=given(aqueous),
        settler_organic=given(organic),
        cells_aqueous=given(np.where(exists, aqueous[:, None], 0.0)),
        cells_organic=given(np.where(exists, organic[:, None], 0.0)),
    )


def filled(problem: Problem, held: Inventory) -> Inventory:
    """Return the inventory of mixers and single cells spread over cells and volumes.

    Args:
        problem: Numbers of the bank.
        held: As `equations.inventory` makes it, every settler holding what its mixer sends.
    """
    vessels = problem.vessels
    if vessels.cells_aqueous is not None and vessels.cells_organic is not None:
        aqueous = jnp.repeat(held.settler_aqueous[:, None], vessels.cells_aqueous.shape[1], axis=1)
        organic = jnp.repeat(held.settler_organic[:, None], vessels.cells_organic.shape[1], axis=1)
        held = held._replace(cells_aqueous=aqueous, cells_organic=organic)
    if vessels.hydraulics is None:
        return held
    return amounts(vessels, held, resting(problem))


def at_rest(problem: Problem) -> Problem:
    """Return the bank with the phases sharing its mixers as the flows do, where volumes move."""
    vessels = problem.vessels
    if vessels.hydraulics is None:
        return problem
    aqueous = resting(problem).mixer_aqueous
    organic = vessels.hydraulics.mixer - aqueous
    return problem._replace(vessels=vessels._replace(mixer_aqueous=aqueous, mixer_organic=organic))


def amounts(vessels: Vessels, held: Inventory, volumes: Volumes) -> Inventory:
    """Return an inventory of concentrations as one of amounts, [mol], at these volumes."""
    aqueous, organic = volumes.settler_aqueous[:, None], volumes.settler_organic[:, None]
    held = held._replace(
        settler_aqueous=aqueous * held.settler_aqueous,
        settler_organic=organic * held.settler_organic,
        tank=volumes.tank * held.tank,
        volumes=volumes,
    )
    if held.cells_aqueous is None or held.cells_organic is None:
        return held
    assert vessels.cells_aqueous is not None
    exists = (vessels.cells_aqueous > 0.0)[:, :, None]
    return held._replace(
        cells_aqueous=jnp.where(exists, aqueous[:, None] * held.cells_aqueous, 0.0),
        cells_organic=jnp.where(exists, organic[:, None] * held.cells_organic, 0.0),
    )


def settled(held: Inventory) -> tuple[Array, Array]:
    """Return settled aqueous, (stage, component), and organic, (stage, carried), [mol/m³]."""
    if held.volumes is None:
        return held.settler_aqueous, held.settler_organic
    return (
        held.settler_aqueous / held.volumes.settler_aqueous[:, None],
        held.settler_organic / held.volumes.settler_organic[:, None],
    )


def settled_rates(held: Inventory, rates: Inventory) -> tuple[Array, Array]:
    """Return d(settled)/dt, likewise, [mol/m³/s]."""
    if held.volumes is None or rates.volumes is None:
        return rates.settler_aqueous, rates.settler_organic
    aqueous, organic = settled(held)
    volumes, grow = held.volumes, rates.volumes
    aqueous_gain = rates.settler_aqueous - aqueous * grow.settler_aqueous[:, None]
    organic_gain = rates.settler_organic - organic * grow.settler_organic[:, None]
    return (
        aqueous_gain / volumes.settler_aqueous[:, None],
        organic_gain / volumes.settler_organic[:, None],
    )


def passed_on(layer: Layer, sent: Array, rate: Array) -> Array:
    """Return what the cells end at, (stage, cell, component), [mol/m³].

    Args:
        layer: Of the settlers.
        sent: What the mixers send, (stage, component), [mol/m³].
        rate: 1/(γ Δt), [1/s].
    """

    def cell(before: Array, row: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        flow, volume, base = row
        held, entering = rate * volume[:, None], flow[:, None]
        here = (held * base + entering * before) / (held + entering)
        return here, here

    rows = (layer.flow.T, layer.volume.T, jnp.swapaxes(layer.base, 0, 1))
    return jnp.swapaxes(lax.scan(cell, sent, rows)[1], 0, 1)


def _equivalent(layer: Layer, through: Array, rate: Array) -> tuple[Array, Array]:
    """Return volume, (stage,), and base, (stage, component), of the vessel that does the same."""
    own = passed_on(layer, jnp.zeros_like(layer.base[:, 0]), rate)[:, -1]
    decays = jnp.sum(jnp.log1p(rate * layer.volume / layer.flow), axis=1)
    decays = jnp.minimum(decays, MOST_DECAYS)
    held_back = -jnp.expm1(-decays)
    return through * jnp.expm1(decays) / rate, own / held_back[:, None]


def _both_layers(
    problem: Problem, base: Inventory, found: Passing | None
) -> tuple[Layer, Layer] | None:
    vessels, volumes = problem.vessels, base.volumes
    flows = aqueous_flows(problem.streams, vessels.active.shape[0])
    if found is None or volumes is None:
        if vessels.cells_aqueous is None or vessels.cells_organic is None:
            return None
        assert base.cells_aqueous is not None
        assert base.cells_organic is not None
        through = flows.leaving + problem.streams.recycle + TINY
        before = vessels.cells_aqueous.shape[1] + 1
        return (
            Layer(
                jnp.repeat(through[:, None], before, axis=1),
                _joined(vessels.cells_aqueous, vessels.settler_aqueous),
                _joined(base.cells_aqueous, base.settler_aqueous),
            ),
            Layer(
                jnp.repeat(flows.organic[:, None] + TINY, before, axis=1),
                _joined(vessels.cells_organic, vessels.settler_organic),
                _joined(base.cells_organic, base.settler_organic),
            ),
        )
    sides = (
        (found.sent_aqueous, found.over_aqueous, volumes.settler_aqueous),
        (found.sent_organic, found.over_organic, volumes.settler_organic),
    )
    held = ((base.cells_aqueous, base.settler_aqueous), (base.cells_organic, base.settler_organic))
    aqueous, organic = (
        _moving_layer(vessels, side, cells, last)
        for side, (cells, last) in zip(sides, held, strict=True)
    )
    return aqueous, organic


def _joined(before: Array | None, last: Array) -> Array:
    return last[:, None] if before is None else jnp.concatenate([before, last[:, None]], axis=1)


def _moving_layer(
    vessels: Vessels, side: tuple[Array, Array, Array], cells: Array | None, last: Array
) -> Layer:
    """Return a layer whose cells share evenly what its volume gains."""
    sent, over, volume = side
    count, active = cell_count(vessels), vessels.active
    before = 0 if cells is None else cells.shape[1]
    place = jnp.minimum(jnp.arange(before + 1)[None, :], (count - 1.0)[:, None])
    place = place.at[:, -1].set(count - 1.0)
    flow = sent[:, None] + place / count[:, None] * (over - sent)[:, None]
    exists = jnp.ones((active.shape[0], 1), dtype=bool)
    if vessels.cells_aqueous is not None:
        exists = jnp.concatenate([vessels.cells_aqueous > 0.0, exists], axis=1)
    base = _joined(cells, last) / volume[:, None, None]
    return Layer(
        jnp.where(active[:, None], flow, 1.0),
        jnp.where(exists, volume[:, None], 0.0),
        jnp.where(exists[:, :, None], base, 0.0),
    )


def seen(problem: Problem, base: Inventory, rate: Array) -> Seen:
    """Return the implicit stage that starts from `base` as the equations see it.

    Args:
        problem: Numbers of the bank.
        base: Start of the implicit stage.
        rate: 1/(γ Δt), above 0, [1/s].
    """
    vessels, streams, found = problem.vessels, problem.streams, None
    tank = base.tank
    if base.volumes is not None and vessels.hydraulics is not None:
        found = passing(problem, base.volumes, rate)
        streams = moving_streams(streams, found)
        tank = base.tank / base.volumes.tank
        returning = found.over_organic[vessels.last]
        if found.loop is not None:
            returning = found.loop.to_tank
        vessels = vessels._replace(
            mixer_aqueous=base.volumes.mixer_aqueous,
            mixer_organic=vessels.hydraulics.mixer - base.volumes.mixer_aqueous,
            tank=base.volumes.tank * streams.organic_flow / returning,
        )
    problem = problem._replace(streams=streams, vessels=vessels)
    layers = _both_layers(problem, base, found)
    if layers is None:
        return Seen(problem, base, None, None)
    flows = aqueous_flows(streams, vessels.active.shape[0])
    through = (flows.leaving + streams.recycle + TINY, flows.organic + TINY)
    (aqueous, aqueous_base), (organic, organic_base) = (
        _equivalent(layer, flow, rate) for layer, flow in zip(layers, through, strict=True)
    )
    vessels = vessels._replace(
        settler_aqueous=aqueous,
        settler_organic=organic,
        cells_aqueous=None,
        cells_organic=None,
        hydraulics=None,
    )
    base = base._replace(
        settler_aqueous=aqueous_base,
        settler_organic=organic_base,
        cells_aqueous=None,
        cells_organic=None,
        tank=tank,
        volumes=None,
    )
    return Seen(problem._replace(vessels=vessels), base, layers, found)


def factorise_stage(
    chemistry: StageChemistry, problem: Problem, unknowns: Unknowns, base: Inventory, rate: Array
) -> BorderedFactors:
    """Return the eliminated Jacobian of an implicit stage, cells and volumes included."""
    view = seen(problem, base, rate)
    return factorise_newton(chemistry, view.problem, unknowns, view.base, rate)


def blank_factors(problem: Problem, unknowns: Unknowns) -> BorderedFactors:
    """Return zeros in the shapes of `factorise_stage`, for a motion that has no Jacobian yet."""
    stages, size = unknowns.stage.shape
    border, seen_stages = unknowns.border.shape[0], 1 + problem.specification.outlet_stage.shape[0]
    block = jnp.zeros((stages, size, size))
    return BorderedFactors(
        bank=Factors(block, block, block),
        response=jnp.zeros((stages, size, border)),
        rows=jnp.zeros((border, seen_stages, size)),
        seen=jnp.zeros(seen_stages, dtype=jnp.int64),
        complement=jnp.zeros((border, border)),
    )


@partial(jax.jit, static_argnums=0)
def all_held(chemistry: StageChemistry, problem: Problem, held: Inventory) -> Array:
    """Return what mixers, all cells of the settlers and the tank hold, (component,), [mol]."""
    vessels = problem.vessels
    carried, elements = jnp.array(chemistry.organic_components), chemistry.element_count
    active = vessels.active[:, None]
    if held.volumes is None:
        total: Array = total_held(chemistry, problem, held)
    else:
        total = jnp.sum(jnp.where(active, held.mixer + held.settler_aqueous, 0.0), axis=0)
        organic = jnp.sum(jnp.where(active, held.settler_organic, 0.0), axis=0)
        total = total.at[carried].add(organic).at[:elements].add(held.tank)
    if held.cells_aqueous is None or held.cells_organic is None:
        return total
    assert vessels.cells_aqueous is not None
    assert vessels.cells_organic is not None
    moving = held.volumes is not None
    for cells, volume, place in (
        (held.cells_aqueous, vessels.cells_aqueous, jnp.arange(total.shape[0])),
        (held.cells_organic, vessels.cells_organic, carried),
    ):
        amount = cells if moving else volume[:, :, None] * cells
        total = total.at[place].add(jnp.sum(jnp.where(active[:, None], amount, 0.0), axis=(0, 1)))
    return total
