"""One case of a study: solved, or told why not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from raffinate.errors import RaffinateError
from raffinate.plant.model import Operation, Plant
from raffinate.plant.network import Network
from raffinate.plant.simulate import simulate
from raffinate.plant.steady import SteadyState, solve_steady
from raffinate.studies.case_network import NominalNetwork, network_outcomes, prepare_network
from raffinate.studies.case_plant import (
    built_plant,
    case_events,
    case_operation,
    case_purities,
)
from raffinate.studies.model import STAGES, Case, Study
from raffinate.studies.outcomes import moving_outcomes, steady_outcomes

Row: TypeAlias = dict[str, float | int | str]
"""A row of the results, by column."""

ERROR = "error"
"""Column: what went wrong; empty if nothing did."""

ERROR_KIND = "error_kind"
"""Column: the class of the error; empty if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prepared:
    """A study with what all its cases begin from.

    Attributes:
        study: Which.
        nominal: The undisturbed plant at the purities of the study; None if cases are simulated,
            which solves for the nominal flows itself.
    """

    study: Study
    nominal: SteadyState | NominalNetwork | None


def prepare(study: Study) -> Prepared:
    """Solve what all cases share.

    Raises:
        ConvergenceError: The undisturbed plant cannot make its purities.
    """
    if study.motion is not None:
        return Prepared(study=study, nominal=None)
    if isinstance(study.plant, Network):
        return Prepared(study=study, nominal=prepare_network(study, study.plant))
    return Prepared(study=study, nominal=solve_steady(study.plant, purities=study.purities))


def solve_case(prepared: Prepared, case: Case) -> Row:
    """Return the row of a case: what was given, what came out, or the error that came instead.

    A case begins from the nominal state, never from another case, so that order does not matter.
    """
    row = given_columns(prepared.study, case)
    try:
        outcomes = _outcomes(prepared, case)
    except RaffinateError as error:
        return {**row, ERROR: str(error), ERROR_KIND: type(error).__name__}
    except (ArithmeticError, ValueError) as error:
        # Numbers nobody foresaw must not take the other cases with them; the row tells.
        return {**row, ERROR: f"{error}", ERROR_KIND: type(error).__name__}
    return {**row, **outcomes, ERROR: "", ERROR_KIND: ""}


def given_columns(study: Study, case: Case) -> Row:
    """Return the columns of a case that are known before it is solved."""
    columns = {each.name: each.column for each in study.inputs}
    row: Row = {"case": case.index, "seed": case.seed}
    for name, number in case.numbers.items():
        row[columns.get(name, f"input.{name}")] = number
    return row


def failed_row(study: Study, case: Case, kind: str, what: str) -> Row:
    """Return the row of a case that could not be run at all."""
    return {**given_columns(study, case), ERROR: what, ERROR_KIND: kind}


def _outcomes(prepared: Prepared, case: Case) -> dict[str, float]:
    study, nominal = prepared.study, prepared.nominal
    if isinstance(nominal, NominalNetwork):
        return network_outcomes(study, nominal, case.numbers)
    assert isinstance(study.plant, Plant)
    plant = built_plant(study, study.plant, case.numbers)
    if study.motion is not None:
        trajectory = simulate(
            plant,
            study.motion.duration,
            (*case_events(study, case.numbers), *study.motion.events),
            start=study.motion.start,
            interval=study.motion.interval,
        )
        return moving_outcomes(trajectory)
    assert nominal is not None
    # Of the operation, only the acid of the feed is built into the plant of a case.
    base = _operation(nominal, plant)
    elements = plant.circuit.elements
    operated = plant.operated(case_operation(study, base, elements, case.numbers))
    if study.flows == "cheapest":
        return _cheapest(study, operated, case)
    resized = any(name.startswith(STAGES) for name in case.numbers)
    purities = case_purities(study, case.numbers) if study.flows == "purities" else None
    state = solve_steady(operated, purities=purities, start=None if resized else nominal)
    return steady_outcomes(study, operated, state)


def _operation(nominal: SteadyState, plant: Plant) -> Operation:
    assert nominal.operation is not None
    return replace(nominal.operation, feed_acid=plant.operation().feed_acid)


def _cheapest(study: Study, plant: Plant, case: Case) -> dict[str, float]:
    from raffinate.plant.optimise import optimise_plant

    assert study.prices is not None
    purities = case_purities(study, case.numbers)
    found = optimise_plant(plant, study.prices, purities=purities)
    saved = {"cost_saved_per_kg_reo": found.cost_before - found.cost}
    return steady_outcomes(study, found.plant, found.state) | saved
