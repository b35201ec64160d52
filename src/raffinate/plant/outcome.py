"""What a steady state means for the plant: balances, products, reagents, warnings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raffinate.cascade.bank import aqueous_flows
from raffinate.cascade.equations import Problem
from raffinate.cascade.steady import SteadyResult
from raffinate.chemistry.elements import (
    AMMONIA_MOLAR_MASS,
    HYDROGEN_CHLORIDE_MOLAR_MASS,
    molar_masses,
    oxide_molar_masses,
)
from raffinate.chemistry.stage_chemistry import StageChemistry
from raffinate.errors import BalanceError
from raffinate.numerics.jax_setup import jax
from raffinate.plant.balance import STEADY_TOLERANCE, check_balance
from raffinate.plant.model import RAFFINATE, Plant

Array = NDArray[np.float64]

_flows_at_once = jax.jit(aqueous_flows, static_argnums=1)

BARREN_LIMIT = 5.0e-3
"""Most strip product allowed in barren organic, [kg/m³]: 5 mg/L. At 7 mg/L CePr falls from 0.9999
to 0.9990."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductState:
    """One product at one moment.

    Attributes:
        purity: Mass fraction of REO, [-].
        recovery: Share of the fed product elements that leaves here, [-].
        reo_flow: [kg/s].
        reo_fraction: Mass fraction of each oxide, by symbol, [-].
    """

    purity: float
    recovery: float
    reo_flow: float
    reo_fraction: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BankStreams:
    """Profile of a bank at rest and what leaves it, of every component.

    Attributes:
        unknowns: Of the contacts, (stage, unknown).
        aqueous: Rare earths, cation and anion, (stage, soluble), [mol/m³].
        organic: (stage, carried), [mol/m³].
        raffinate: Leaving stage 1, (soluble,), [mol/s].
        drawn: In the draws, (soluble,), [mol/s].
        organic_flow: [m³/s].
    """

    unknowns: Array
    aqueous: Array
    organic: Array
    raffinate: Array
    drawn: Array
    organic_flow: float


def bank_streams(
    chemistry: StageChemistry, problem: Problem, result: SteadyResult, stages: int
) -> BankStreams:
    """Return the streams of the stages that exist."""
    streams = problem.streams
    stage = np.asarray(result.unknowns.stage)[:stages]
    dimer = float(streams.organic_inlet[-1])
    # The extractant, last of the components, is in the organic alone.
    aqueous = np.exp(stage[:, : len(chemistry.components) - 1])
    passed = np.asarray(_flows_at_once(streams, len(problem.vessels.active)).passed)
    return BankStreams(
        unknowns=stage[:, : chemistry.unknown_count],
        aqueous=aqueous,
        organic=stage[:, chemistry.unknown_count :] * dimer,
        raffinate=passed[0] * aqueous[0],
        drawn=np.asarray(streams.draw_flow) @ aqueous[np.asarray(streams.draw_stage)],
        organic_flow=float(streams.organic_flow),
    )


def check_steady(chemistry: StageChemistry, problem: Problem, bank: BankStreams) -> float:
    """Check every component on the streams that cross the boundary of the bank.

    Returns:
        The worst relative imbalance, [-].

    Raises:
        BalanceError: What enters is not what leaves, or something is negative.
    """
    least = min(float(bank.aqueous.min()), float(bank.organic.min()))
    if not least >= -1e-12 * float(bank.organic.max()):
        raise BalanceError(
            f"a concentration is {least:.3g} mol/m³.",
            where="steady state",
            allowed="0 or more",
            mend="This is a defect of the solver; please report it.",
        )
    streams = problem.streams
    entered = np.asarray(streams.feed_flow) @ np.asarray(streams.feed_concentration)
    left = np.append(bank.raffinate + bank.drawn, 0.0)
    carried, elements = list(chemistry.organic_components), chemistry.element_count
    inlet = np.asarray(streams.organic_inlet)[carried] * bank.organic_flow
    returned = bank.organic[-1] * bank.organic_flow
    # The loop returns its rare earths: they neither enter nor leave.
    inlet[:elements] = returned[:elements] = 0.0
    entered[carried] += inlet
    left[carried] += returned
    return check_balance(
        entered,
        left,
        np.zeros_like(entered),
        chemistry.components,
        tolerance=STEADY_TOLERANCE,
        where="steady state",
    )


def product_states(plant: Plant, problem: Problem, bank: BankStreams) -> dict[str, ProductState]:
    """Return the products of a plant by name."""
    elements = plant.circuit.elements
    count = len(elements)
    fed = np.asarray(problem.streams.feed_flow) @ np.asarray(problem.streams.feed_concentration)
    return {
        name: product_state(
            (bank.raffinate if product.outlet == RAFFINATE else bank.drawn)[:count],
            fed[:count],
            elements,
            product.elements,
        )
        for name, product in plant.products.items()
    }


def product_state(
    flow: Array, fed: Array, elements: tuple[str, ...], wanted: tuple[str, ...]
) -> ProductState:
    """Return purity, recovery and oxide flow of a product stream.

    Args:
        flow: Rare earths in the stream, (element,), [mol/s].
        fed: Rare earths fed, (element,), [mol/s].
        elements: Symbols on the element axis.
        wanted: Symbols whose oxides count as product.
    """
    mass = flow * np.array(oxide_molar_masses(elements))
    chosen = np.array([symbol in wanted for symbol in elements])
    total = float(mass.sum())
    impurity = float(mass[~chosen].sum()) / total if total > 0.0 else np.nan
    return ProductState(
        purity=1.0 - impurity,
        recovery=float(flow[chosen].sum() / fed[chosen].sum()),
        reo_flow=total,
        reo_fraction=dict(zip(elements, (mass / total).tolist(), strict=True)) if total else {},
    )


def reagents_used(
    plant: Plant, problem: Problem, bank: BankStreams, products: Mapping[str, ProductState]
) -> dict[str, float]:
    """Return ammonia and hydrogen chloride, 100 %, per product, [kg per kg of REO]."""
    operation = plant.operation()
    elements = len(plant.circuit.elements)
    cation = float(problem.streams.organic_inlet[elements]) - float(bank.organic[-1, elements])
    ammonia = operation.organic_flow * cation * AMMONIA_MOLAR_MASS
    acid = operation.acid_flow * operation.acid_concentration * HYDROGEN_CHLORIDE_MOLAR_MASS
    total = sum(product.reo_flow for product in products.values())
    return {"NH3": float(ammonia / total), "HCl": float(acid / total)}


def warnings_of(
    plant: Plant, bank: BankStreams, products: Mapping[str, ProductState]
) -> tuple[str, ...]:
    """Return sentences on what the operator should mind: barren organic, purities."""
    elements = plant.circuit.elements
    found = []
    metal = bank.organic[-1, : len(elements)] * np.array(molar_masses(elements))
    for symbol, value in zip(elements, metal, strict=True):
        if value > BARREN_LIMIT:
            found.append(
                f"Barren organic carries {value * 1e3:.3g} mg/L {symbol}, above "
                f"{BARREN_LIMIT * 1e3:g} mg/L: strip with more or stronger acid."
            )
    for name, product in products.items():
        limit = plant.products[name].purity_limit
        if product.purity < limit:
            found.append(f"{name} is {product.purity:.5%} of REO, below its limit {limit:.3%}.")
    return tuple(found)
