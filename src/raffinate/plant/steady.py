"""Steady states of plants: cold start, nominal flows by purity, products, reagents, balances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from raffinate.cascade.bank import Specification, Streams, Unknowns, adjusted, aqueous_flows
from raffinate.cascade.equations import Problem
from raffinate.cascade.steady import SteadyResult, solve_pseudo_transient
from raffinate.chemistry.elements import (
    AMMONIA_MOLAR_MASS,
    HYDROGEN_CHLORIDE_MOLAR_MASS,
    oxide_molar_masses,
)
from raffinate.chemistry.exchange import AcidicExchange
from raffinate.errors import ConvergenceError
from raffinate.numerics.jax_setup import jax, jnp
from raffinate.plant.arrays import (
    check_mixer_ratios,
    chemistry_of,
    problem_of,
    specification_of,
)
from raffinate.plant.balance import STEADY_TOLERANCE, check_balance
from raffinate.plant.model import RAFFINATE, Circuit, Operation, Plant
from raffinate.sources import Source

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

TOLERANCE = 1e-11
"""Largest relative residual of a steady solve, [-]."""

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
class SteadyState:
    """A plant or circuit at rest.

    Attributes:
        plant_name: Which plant; "circuit" for a circuit alone.
        elements: Symbols on the element axis.
        sections: Section of every stage, (stage,).
        aqueous: Rare earths, (stage, element), [mol/m³].
        organic: Rare earths, (stage, element), [mol/m³].
        proton: (stage,), [mol/m³].
        ammonium: In the aqueous, (stage,), [mol/m³].
        free_extractant: Free dimer, (stage,), [mol/m³].
        raffinate: Rare earths leaving stage 1, (element,), [mol/s].
        drawn: Rare earths in the draw, (element,), [mol/s].
        loaded_organic: Rare earths in the organic entering the last section, (element,), [mol/s].
        barren_organic: Rare earths in the organic leaving the last stage, (element,), [mol/m³].
        products: By name; empty for a circuit alone.
        reagents: [kg per kg REO of product], by "NH3" and "HCl".
        operation: Flows of a plant; None for a circuit alone.
        organic_flow: [m³/s].
        balance_error: Worst relative imbalance, [-].
        residual: Largest relative residual, [-].
        iterations: Newton iterations.
        warnings: Sentences.
        sources: Who says so.
        unknowns: What the engine found, for a warm start.
    """

    plant_name: str
    elements: tuple[str, ...]
    sections: tuple[str, ...]
    aqueous: Array
    organic: Array
    proton: Array
    ammonium: Array
    free_extractant: Array
    raffinate: Array
    drawn: Array
    loaded_organic: Array
    barren_organic: Array
    products: Mapping[str, ProductState]
    reagents: Mapping[str, float]
    operation: Operation | None
    organic_flow: float
    balance_error: float
    residual: float
    iterations: int
    warnings: tuple[str, ...]
    sources: tuple[Source, ...]
    unknowns: Unknowns

    @property
    def pH(self) -> Array:
        """-log₁₀ of the free proton in mol/L, ideal, (stage,)."""
        return -np.log10(self.proton / 1e3)

    def to_dataframe(self) -> "pd.DataFrame":
        """Return one row per stage, concentrations in [mol/m³]."""
        import pandas as pd

        table = {"stage": np.arange(1, len(self.sections) + 1), "section": self.sections}
        for index, symbol in enumerate(self.elements):
            table[f"aqueous_{symbol}_mol_per_m3"] = self.aqueous[:, index]
        for index, symbol in enumerate(self.elements):
            table[f"organic_{symbol}_mol_per_m3"] = self.organic[:, index]
        table["pH"] = self.pH
        table["free_extractant_mol_per_m3"] = self.free_extractant
        return pd.DataFrame(table)

    def to_dict(self) -> dict[str, Any]:
        """Return what `raffinate solve --json` prints."""
        stages = [
            {
                "section": section,
                "aqueous": dict(zip(self.elements, self.aqueous[n].tolist(), strict=True)),
                "organic": dict(zip(self.elements, self.organic[n].tolist(), strict=True)),
                "pH": float(self.pH[n]),
                "free_extractant": float(self.free_extractant[n]),
            }
            for n, section in enumerate(self.sections)
        ]
        return {
            "plant": self.plant_name,
            "products": {
                name: {
                    "purity": product.purity,
                    "recovery": product.recovery,
                    "reo_kg_per_h": product.reo_flow * 3600.0,
                    "reo_fraction": dict(product.reo_fraction),
                }
                for name, product in self.products.items()
            },
            "reagents_per_t_reo": dict(self.reagents),
            "flows_m3_per_h": _flows_per_hour(self.operation),
            "stages": stages,
            "balance_error": self.balance_error,
            "residual": self.residual,
            "iterations": self.iterations,
            "warnings": list(self.warnings),
        }


def _flows_per_hour(operation: Operation | None) -> dict[str, float]:
    if operation is None:
        return {}
    names = ("feed_flow", "organic_flow", "scrub_flow", "acid_flow")
    return {name: getattr(operation, name) * 3600.0 for name in names}


def solve_steady(
    plant_or_circuit: Plant | Circuit,
    *,
    purities: Mapping[str, float] | None = None,
    start: SteadyState | None = None,
    check_mixers: bool = True,
) -> SteadyState:
    """Solve a plant or circuit at rest, without a guess unless one is given.

    Args:
        plant_or_circuit: What to solve, at the flows written in it.
        purities: Of two products, [-]: organic flow (the acid following it) and the draw are then
            solved for. Only for a plant.
        start: A state of the same plant to start from.
        check_mixers: Refuse phase ratios that no mixer runs.

    Raises:
        SpecificationError: A mixer outside its phase ratio, or an impossible purity.
        ConvergenceError: Carries residual history, worst stage and component.
        BalanceError: What enters is not what leaves.
    """
    plant = plant_or_circuit if isinstance(plant_or_circuit, Plant) else None
    circuit = plant.circuit if plant is not None else plant_or_circuit
    assert isinstance(circuit, Circuit)
    chemistry = chemistry_of(circuit.system)
    problem = problem_of(circuit)
    if check_mixers:
        check_mixer_ratios(circuit)
    unknowns = None if start is None else start.unknowns
    result = _solve_fixed(chemistry, problem, circuit, unknowns)
    iterations = int(result.iterations)
    if purities:
        if plant is None:
            raise TypeError("purities need a plant: a circuit has no products")
        specification = specification_of(plant, dict(purities))
        result, problem, extra = _solve_for_purities(
            chemistry, problem, specification, result, circuit
        )
        iterations += extra
        plant = plant.operated(_solved_operation(plant, problem.streams))
        circuit = plant.circuit
        if check_mixers:
            check_mixer_ratios(circuit)
    return _described(plant, circuit, chemistry, problem, result, iterations)


def solve_nominal(plant: Plant) -> SteadyState:
    """Solve for the flows at which the plant makes its nominal purities."""
    return solve_steady(plant, purities=plant.nominal_purity)


def _solved_operation(plant: Plant, streams: Streams) -> Operation:
    acid = float(streams.feed_flow[1])
    return replace(
        plant.operation(),
        organic_flow=float(streams.organic_flow),
        acid_flow=acid,
        scrub_flow=acid - float(streams.draw_flow[0]),
    )


def _solve_fixed(
    chemistry: AcidicExchange, problem: Problem, circuit: Circuit, unknowns: Unknowns | None
) -> SteadyResult:
    if unknowns is not None:
        warm = solve_pseudo_transient(chemistry, problem, unknowns, 1e15, TOLERANCE, 8)
        if float(warm.norm) <= TOLERANCE:
            return warm
    guess = first_guess(chemistry, problem, circuit)
    result = solve_pseudo_transient(chemistry, problem, guess, 300.0, TOLERANCE, 600)
    if not float(result.norm) <= TOLERANCE:
        raise _not_converged(chemistry, problem, result, circuit)
    return result


def _not_converged(
    chemistry: AcidicExchange, problem: Problem, result: SteadyResult, circuit: Circuit
) -> ConvergenceError:
    stage = np.abs(np.nan_to_num(np.asarray(result.residuals.stage), nan=np.inf))
    place = np.unravel_index(int(stage.argmax()), stage.shape)
    names = [f"balance of {name}" for name in chemistry.components] + ["charge"]
    names += [f"organic {chemistry.components[k]}" for k in chemistry.organic_components]
    history = np.asarray(result.history)
    return ConvergenceError(
        f"no steady state after {int(result.iterations)} iterations; the largest relative "
        f"residual is {float(result.norm):.2e}.",
        where="steady solve",
        allowed=f"at most {TOLERANCE:.0e}",
        mend="Check that the organic is not saponified beyond what the liquor can take up.",
        history=history[np.isfinite(history)],
        worst_stage=int(place[0]) + 1,
        worst_element=names[int(place[1])],
    )


def _solve_for_purities(
    chemistry: AcidicExchange,
    problem: Problem,
    specification: Specification,
    result: SteadyResult,
    circuit: Circuit,
) -> tuple[SteadyResult, Problem, int]:
    """Walk the purities from what the first flows give to what is wanted."""
    elements = len(circuit.elements)
    wanted = np.asarray(specification.log_impurity)
    aqueous = np.exp(np.asarray(result.unknowns.stage)[specification.outlet_stage, :elements])
    mass = aqueous * np.asarray(specification.weight)[:, :elements]
    share = (mass * np.asarray(specification.impurity)[:, :elements]).sum(1) / mass.sum(1)
    begin = np.log10(share)
    free = jnp.zeros(len(wanted))
    unknowns = Unknowns(
        result.unknowns.stage, jnp.concatenate([result.unknowns.border[:elements], free])
    )
    done, stride, iterations = 0.0, 0.1, 0
    while done < 1.0:
        here = min(1.0, done + stride)
        target = begin + (wanted - begin) * here
        tried = problem._replace(specification=specification._replace(log_impurity=target))
        found = solve_pseudo_transient(chemistry, tried, unknowns, 1e15, TOLERANCE, 8)
        iterations += int(found.iterations)
        if float(found.norm) <= TOLERANCE:
            unknowns, result, done = found.unknowns, found, here
            stride *= 1.7 if int(found.iterations) < 6 else 1.0
            continue
        stride *= 0.4
        if stride < 1e-4:
            reached = ", ".join(f"{1.0 - 10.0**value:.5f}" for value in target)
            raise ConvergenceError(
                f"no flows give these purities; the search stopped near {reached}.",
                where="purity specification",
                mend="Ask for less purity, or give the plant more stages.",
                history=np.asarray(found.history)[: int(found.iterations)],
            )
    streams = adjusted(problem.streams, specification, unknowns.border[elements:])
    streams = jax.tree.map(np.asarray, streams)
    settled = Unknowns(unknowns.stage, unknowns.border[:elements])
    problem = problem._replace(streams=streams)
    result = solve_pseudo_transient(chemistry, problem, settled, 1e15, TOLERANCE, 8)
    if not float(result.norm) <= TOLERANCE:
        raise _not_converged(chemistry, problem, result, circuit)
    return result, problem, iterations


@lru_cache(maxsize=16)
def _contact_function(chemistry: AcidicExchange) -> Any:
    return jax.jit(
        lambda totals, phi, parameters: (
            lambda u: (u, *chemistry.phases(u, parameters))
        )(chemistry.contact(totals, phi, parameters))
    )


def first_guess(chemistry: AcidicExchange, problem: Problem, circuit: Circuit) -> Unknowns:
    """Return a bank filled with feed and loaded organic, and with acid where acid enters."""
    elements = len(circuit.elements)
    streams = problem.streams
    carried = list(chemistry.organic_components)
    contact = _contact_function(chemistry)
    dimer = float(streams.organic_inlet[-1])
    inlet = np.asarray(streams.organic_inlet)[carried]
    rich = int(np.argmax(np.asarray(streams.feed_concentration)[:, :elements].sum(axis=1)))

    def row(aqueous: Array, organic: Array, phi: float) -> tuple[Array, Array]:
        totals = (1.0 - phi) * aqueous
        totals[carried] += phi * organic
        unknowns, _, leaving = contact(jnp.asarray(totals), phi, problem.parameters)
        leaving = np.asarray(leaving)[carried]
        return np.concatenate([np.asarray(unknowns), leaving / dimer]), leaving

    feed = np.asarray(streams.feed_concentration)[rich]
    loaded_row, loaded = row(feed, inlet, 0.05)
    rows = np.tile(loaded_row, (len(problem.vessels.active), 1))
    begin = 0
    for section in circuit.sections:
        end = begin + section.stages
        acid = section.aqueous is not None and sum(section.aqueous.concentration.values()) == 0.0
        if acid and section.aqueous is not None:
            index = int(np.flatnonzero(np.asarray(streams.feed_stage) == end - 1)[0])
            flow = section.aqueous.flow
            phi = circuit.organic_flow / (circuit.organic_flow + flow)
            arriving = loaded.copy()
            arriving[elements] = 1.0
            rows[begin:end] = row(
                np.asarray(streams.feed_concentration)[index], arriving, phi
            )[0]
        begin = end
    return Unknowns(jnp.asarray(rows), jnp.full((elements,), 1e-6))


def _described(
    plant: Plant | None,
    circuit: Circuit,
    chemistry: AcidicExchange,
    problem: Problem,
    result: SteadyResult,
    iterations: int,
) -> SteadyState:
    count, elements = circuit.stages, len(circuit.elements)
    stage = np.asarray(result.unknowns.stage)[:count]
    unknowns = stage[:, : chemistry.unknown_count]
    dimer = float(problem.streams.organic_inlet[-1])
    aqueous = np.exp(unknowns[:, : elements + 2])
    organic = stage[:, chemistry.unknown_count :] * dimer
    streams = problem.streams
    flows = aqueous_flows(streams, len(problem.vessels.active))
    leaving = np.asarray(flows.passed)[0] * aqueous[0]
    drawn = np.asarray(streams.draw_flow) @ aqueous[np.asarray(streams.draw_stage)]
    flow = float(streams.organic_flow)
    error = _check_steady(chemistry, problem, aqueous, organic, flow * organic[-1], leaving, drawn)
    last_start = count - circuit.sections[-1].stages
    loaded = organic[last_start - 1] if last_start > 0 else organic[-1]
    described: dict[str, ProductState] = {}
    reagents: dict[str, float] = {}
    warnings: list[str] = []
    if plant is not None:
        described = _products(plant, problem, leaving[:elements], drawn[:elements])
        reagents = _reagents(plant, problem, organic[-1], described)
        warnings = _warnings(plant, organic[-1], described)
    return SteadyState(
        plant_name=plant.name if plant is not None else "circuit",
        elements=circuit.elements,
        sections=circuit.section_names,
        aqueous=aqueous[:, :elements],
        organic=organic[:, :elements],
        proton=np.asarray(chemistry.proton(unknowns)),
        ammonium=aqueous[:, elements],
        free_extractant=np.asarray(chemistry.free_extractant(unknowns)),
        raffinate=leaving[:elements],
        drawn=drawn[:elements],
        loaded_organic=flow * loaded[:elements],
        barren_organic=organic[-1, :elements],
        products=described,
        reagents=reagents,
        operation=plant.operation() if plant is not None else None,
        organic_flow=flow,
        balance_error=error,
        residual=float(result.norm),
        iterations=iterations,
        warnings=tuple(warnings),
        sources=(*circuit.system.sources, *(plant.sources if plant is not None else ())),
        unknowns=result.unknowns,
    )


def _check_steady(
    chemistry: AcidicExchange,
    problem: Problem,
    aqueous: Array,
    organic: Array,
    barren: Array,
    raffinate: Array,
    drawn: Array,
) -> float:
    """Check every component on the streams that cross the boundary of the bank."""
    streams = problem.streams
    entered = np.asarray(streams.feed_flow) @ np.asarray(streams.feed_concentration)
    left = np.zeros_like(entered)
    left[: len(raffinate)] = raffinate + drawn
    carried = list(chemistry.organic_components)
    elements = len(chemistry.elements)
    inlet = np.asarray(streams.organic_inlet)[carried] * float(streams.organic_flow)
    # The loop returns its rare earths: they neither enter nor leave.
    inlet[:elements] = 0.0
    returned = barren.copy()
    returned[:elements] = 0.0
    entered[carried] += inlet
    left[carried] += returned
    if aqueous.min() <= 0.0 or organic.min() < -1e-12 * organic.max():
        entered = entered * np.nan
    return check_balance(
        entered, left, np.zeros_like(entered), chemistry.components,
        tolerance=STEADY_TOLERANCE, where="steady state",
    )


def _products(
    plant: Plant, problem: Problem, raffinate: Array, drawn: Array
) -> dict[str, ProductState]:
    elements = plant.circuit.elements
    fed = np.asarray(problem.streams.feed_flow) @ np.asarray(problem.streams.feed_concentration)
    return {
        name: product_state(
            raffinate if product.outlet == RAFFINATE else drawn,
            fed[: len(elements)],
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


def _reagents(
    plant: Plant, problem: Problem, barren: Array, products: Mapping[str, ProductState]
) -> dict[str, float]:
    operation = plant.operation()
    elements = len(plant.circuit.elements)
    cation = float(problem.streams.organic_inlet[elements]) - barren[elements]
    ammonia = operation.organic_flow * cation * AMMONIA_MOLAR_MASS
    acid = operation.acid_flow * operation.acid_concentration * HYDROGEN_CHLORIDE_MOLAR_MASS
    total = sum(product.reo_flow for product in products.values())
    return {"NH3": float(ammonia / total), "HCl": float(acid / total)}


def _warnings(plant: Plant, barren: Array, products: Mapping[str, ProductState]) -> list[str]:
    from raffinate.chemistry.elements import molar_masses

    elements = plant.circuit.elements
    found = []
    metal = barren[: len(elements)] * np.array(molar_masses(elements))
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
    return found
