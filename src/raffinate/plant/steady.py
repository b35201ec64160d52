"""Steady states of plants and circuits: solved, checked, and told in the plant's own words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from raffinate.cascade.bank import Streams, Unknowns
from raffinate.cascade.equations import Problem
from raffinate.cascade.steady import SteadyResult
from raffinate.chemistry.stage_chemistry import StageChemistry
from raffinate.errors import SpecificationError
from raffinate.numerics.jax_setup import given
from raffinate.plant.arrays import (
    check_mixer_ratios,
    chemistry_of,
    problem_of,
    specification_of,
)
from raffinate.plant.model import Circuit, Operation, Plant
from raffinate.plant.outcome import (
    ProductState,
    bank_streams,
    check_steady,
    product_states,
    reagents_used,
    warnings_of,
)
from raffinate.plant.search import solve_fixed, solve_for_purities
from raffinate.sources import Source

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]


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
        organic_lost: Organic that leaves with the "raffinate" and with the "draws", to be made
            up, [m³/s].
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
    organic_lost: Mapping[str, float] = field(default_factory=dict)

    @property
    def pH(self) -> Array:
        """-log₁₀ of the free proton in mol/L, ideal, (stage,)."""
        return -np.log10(self.proton / 1e3)

    def to_dataframe(self) -> pd.DataFrame:
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
            "organic_lost_m3_per_h": {
                outlet: flow * 3600.0 for outlet, flow in self.organic_lost.items()
            },
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
    advance: Callable[[str], None] = lambda step: None,
) -> SteadyState:
    """Solve a plant or circuit at rest, without a guess unless one is given.

    Args:
        plant_or_circuit: What to solve, at the flows written in it.
        purities: Of two products, [-]: organic flow (the acid following it) and the draw are then
            solved for. Only for a plant.
        start: A state of the same plant to start from.
        check_mixers: Refuse phase ratios that no mixer runs.
        advance: Called with what is done next, in words.

    Raises:
        SpecificationError: A mixer outside its phase ratio, or an impossible purity.
        ConvergenceError: Carries residual history, worst stage and component.
        BalanceError: What enters is not what leaves.
    """
    plant, circuit = parts_of(plant_or_circuit)
    chemistry = chemistry_of(circuit.system)
    problem = problem_of(circuit)
    if check_mixers:
        check_mixer_ratios(circuit)
    begin = None if start is None else start.unknowns
    result = solve_fixed(chemistry, problem, circuit, begin, advance=advance)
    iterations = int(result.iterations)
    if purities:
        if plant is None:
            raise SpecificationError(
                "a circuit has no products.", where="purities", mend="Give a plant."
            )
        specification = specification_of(plant, purities)
        result, problem, more = solve_for_purities(
            chemistry, problem, circuit, specification, result, advance=advance
        )
        iterations += more
        plant = plant.operated(_solved_operation(plant, problem.streams))
        circuit = plant.circuit
        if check_mixers:
            check_mixer_ratios(circuit)
    return described_state(plant, circuit, chemistry, problem, result, iterations)


def parts_of(plant_or_circuit: Plant | Circuit) -> tuple[Plant | None, Circuit]:
    """Return the plant, None of a circuit alone, and its circuit."""
    if isinstance(plant_or_circuit, Plant):
        return plant_or_circuit, plant_or_circuit.circuit
    return None, plant_or_circuit


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


def described_state(
    plant: Plant | None,
    circuit: Circuit,
    chemistry: StageChemistry,
    problem: Problem,
    result: SteadyResult,
    iterations: int,
) -> SteadyState:
    """Return what a solve found in the plant's own words, its balances checked.

    Args:
        plant: The plant; None for a circuit alone.
        circuit: Its circuit.
        chemistry: Equations of one contact.
        problem: The bank.
        result: What was found.
        iterations: Taken in all.

    Raises:
        BalanceError: What enters is not what leaves.
    """
    count, elements = circuit.stages, len(circuit.elements)
    bank = bank_streams(chemistry, problem, result, count)
    error = check_steady(chemistry, problem, bank)
    last_start = count - circuit.sections[-1].stages
    # In a circuit of one section this is its last stage.
    loaded = bank.organic[last_start - 1]
    products: dict[str, ProductState] = {}
    reagents: dict[str, float] = {}
    warnings: tuple[str, ...] = ()
    if plant is not None:
        products = product_states(plant, problem, bank)
        reagents = reagents_used(plant, problem, bank, products)
        warnings = warnings_of(plant, bank, products)
    unknowns = given(bank.unknowns)
    return SteadyState(
        plant_name=plant.name if plant is not None else "circuit",
        elements=circuit.elements,
        sections=circuit.section_names,
        aqueous=bank.aqueous[:, :elements],
        organic=bank.organic[:, :elements],
        proton=np.asarray(chemistry.proton(unknowns)),
        ammonium=bank.aqueous[:, elements],
        free_extractant=np.asarray(chemistry.free_extractant(unknowns)),
        raffinate=bank.raffinate[:elements],
        drawn=bank.drawn[:elements],
        loaded_organic=bank.organic_passed[last_start - 1] * loaded[:elements],
        barren_organic=bank.organic[-1, :elements],
        products=products,
        reagents=reagents,
        operation=plant.operation() if plant is not None else None,
        organic_flow=bank.organic_flow,
        balance_error=error,
        residual=float(result.norm),
        iterations=iterations,
        warnings=warnings,
        sources=(*circuit.system.sources, *(plant.sources if plant is not None else ())),
        unknowns=result.unknowns,
        organic_lost={
            "raffinate": bank.lost_with_raffinate,
            "draws": float(bank.lost_with_draws.sum()),
        },
    )
