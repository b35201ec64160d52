"""What a steady state means for the plant: balances, products, reagents, warnings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

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
from raffinate.plant.arrays import settled_flows
from raffinate.plant.balance import STEADY_TOLERANCE, check_balance
from raffinate.plant.model import RAFFINATE, Plant

Array = NDArray[np.float64]

BARREN_LIMIT = 5.0e-3
"""Most strip product allowed in barren organic, [kg/m³]: 5 mg/L. At 7 mg/L CePr falls from 0.9999
to 0.9990."""

LIMIT_MISS = 1e-6
"""Decades of impurity by which a limit of purity counts as kept, [-]: what solves for a purity, and
the search for least cost, may leave."""


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
        raffinate: Leaving stage 1, with the organic it entrains, (soluble,), [mol/s].
        drawn: In the draws, likewise, (soluble,), [mol/s].
        organic_flow: Fed to stage 1, [m³/s].
        organic_passed: Organic that goes on from each stage, the last one's being the barren
            organic that returns, (stage,), [m³/s].
        lost_with_raffinate: Organic that leaves with the raffinate, [m³/s].
        lost_with_draws: Organic that leaves with each draw, (draw,), [m³/s].
    """

    unknowns: Array
    aqueous: Array
    organic: Array
    raffinate: Array
    drawn: Array
    organic_flow: float
    organic_passed: Array
    lost_with_raffinate: float = 0.0
    lost_with_draws: Array = field(default_factory=lambda: np.zeros(0))

    @property
    def organic_surplus(self) -> float:
        """Organic that was fed on the way and leaves the loop, [m³/s]."""
        return max(0.0, float(self.organic_passed[-1]) - self.organic_flow)

    @property
    def organic_lost(self) -> float:
        """Organic that leaves with liquors: the make-up of the loop, [m³/s]."""
        return self.lost_with_raffinate + float(self.lost_with_draws.sum())


def bank_streams(
    chemistry: StageChemistry, problem: Problem, result: SteadyResult, stages: int
) -> BankStreams:
    """Return the streams of the stages that exist."""
    streams = problem.streams
    stage = np.asarray(result.unknowns.stage)[:stages]
    dimer = float(streams.organic_inlet[-1])
    # The extractant, last of the components, is in the organic alone.
    aqueous = np.exp(stage[:, : len(chemistry.components) - 1])
    organic = stage[:, chemistry.unknown_count :] * dimer
    flows = settled_flows(streams)
    drawn, places = np.asarray(streams.draw_flow), np.asarray(streams.draw_stage)
    liquor, passed, carries = aqueous, flows.organic, np.zeros(stages)
    if flows.entrained is not None:
        passed = flows.entrained.organic_passed
        carries = np.asarray(flows.entrained.organic_per_aqueous[:stages])
        liquor = aqueous.copy()
        soluble = [k for k in chemistry.organic_components if k < aqueous.shape[1]]
        liquor[:, soluble] += carries[:, None] * organic[:, : len(soluble)]
    return BankStreams(
        unknowns=stage[:, : chemistry.unknown_count],
        aqueous=aqueous,
        organic=organic,
        raffinate=flows.passed[0] * liquor[0],
        drawn=drawn @ liquor[places],
        organic_flow=float(streams.organic_flow),
        organic_passed=np.asarray(passed[:stages]),
        lost_with_raffinate=float(flows.passed[0] * carries[0]),
        lost_with_draws=drawn * carries[places],
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
    dimer = np.asarray(streams.organic_inlet)[-1]
    left = np.append(bank.raffinate + bank.drawn, bank.organic_lost * dimer)
    carried, elements = list(chemistry.organic_components), chemistry.element_count
    inlet = np.asarray(streams.organic_inlet)[carried] * bank.organic_flow
    returned = bank.organic[-1] * bank.organic_passed[-1]
    # The loop returns its rare earths, and make-up brings none: they neither enter nor leave.
    inlet[:elements] = 0.0
    returned[:elements] = bank.organic_surplus * bank.organic[-1, :elements]
    if streams.organic_feeds is not None:
        feeds = streams.organic_feeds
        inlet = inlet + np.asarray(feeds.flow) @ np.asarray(feeds.concentration)
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
    streams = problem.streams
    fed = (np.asarray(streams.feed_flow) @ np.asarray(streams.feed_concentration))[:count]
    if streams.organic_feeds is not None:
        feeds = streams.organic_feeds
        fed = fed + (np.asarray(feeds.flow) @ np.asarray(feeds.concentration))[:count]
    return {
        name: product_state(
            (bank.raffinate if product.outlet == RAFFINATE else bank.drawn)[:count],
            fed,
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


def is_below_limit(purity: float, limit: float) -> bool:
    """Return whether a purity misses its limit by more than solving for that limit leaves.

    Args:
        purity: Mass fraction of REO, [-]; not a number where nothing leaves, which misses it.
        limit: Least mass fraction of REO, below 1, [-].
    """
    return not 1.0 - purity <= (1.0 - limit) * 10.0**LIMIT_MISS


def reagents_used(
    plant: Plant, problem: Problem, bank: BankStreams, products: Mapping[str, ProductState]
) -> dict[str, float]:
    """Return ammonia and hydrogen chloride, 100 %, per product, [kg per kg of REO]."""
    operation = plant.operation()
    elements = len(plant.circuit.elements)
    cation = bank.organic_flow * float(problem.streams.organic_inlet[elements])
    returned = float(bank.organic_passed[-1]) - bank.organic_surplus
    cation -= returned * float(bank.organic[-1, elements])
    ammonia = cation * AMMONIA_MOLAR_MASS
    acid = operation.acid_flow * operation.acid_concentration * HYDROGEN_CHLORIDE_MOLAR_MASS
    total = sum(product.reo_flow for product in products.values())
    return {"NH3": float(ammonia / total), "HCl": float(acid / total)}


def warnings_of(
    plant: Plant, bank: BankStreams, products: Mapping[str, ProductState]
) -> tuple[str, ...]:
    """Return sentences on what the operator should mind: barren organic, its loss, purities."""
    elements = plant.circuit.elements
    found = []
    metal = bank.organic[-1, : len(elements)] * np.array(molar_masses(elements))
    for symbol, value in zip(elements, metal, strict=True):
        if value > BARREN_LIMIT:
            found.append(
                f"Barren organic carries {value * 1e3:.3g} mg/L {symbol}, above "
                f"{BARREN_LIMIT * 1e3:g} mg/L: strip with more or stronger acid."
            )
    if bank.organic_lost > 0.0:
        extractant = bank.organic_lost * plant.circuit.extractant_concentration
        found.append(
            f"{bank.organic_lost * 3.6e6:.3g} L/h of organic leave with the liquors, "
            f"{bank.lost_with_raffinate * 3.6e6:.3g} L/h of it with the raffinate: "
            f"{extractant * 3600.0:.3g} mol/h of extractant to be made up."
        )
    for name, product in products.items():
        limit = plant.products[name].purity_limit
        if is_below_limit(product.purity, limit):
            found.append(f"{name} is {product.purity:.5%} of REO, below its limit {limit:.3%}.")
    return tuple(found)
