"""Why no steady state was found, with the mend that the numbers of the bank point to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raffinate.cascade.steady import SteadyResult
from raffinate.chemistry.stage_chemistry import StageChemistry
from raffinate.errors import ConvergenceError
from raffinate.plant.model import Circuit
from raffinate.plant.strip_acid import acid_need
from raffinate.units import HOUR

Array = NDArray[np.float64]


def not_converged(
    chemistry: StageChemistry, circuit: Circuit, result: SteadyResult, tolerance: float
) -> ConvergenceError:
    """Return the error of a bank without a steady state.

    Args:
        chemistry: Equations of one contact.
        circuit: The bank in words.
        result: Where the search ended.
        tolerance: Largest relative residual of a solution, [-].
    """
    stage, name = _worst_place(chemistry, result)
    lacking = acid_mend(circuit)
    return ConvergenceError(
        f"no steady state after {int(result.iterations)} iterations; the largest relative "
        f"residual is {float(result.norm):.2e}.",
        where="steady solve",
        allowed=f"at most {tolerance:.0e}",
        mend=lacking
        or "Check that the organic is not saponified beyond what the liquor can take up.",
        history=_finite_history(result),
        worst_stage=stage,
        worst_element=name,
    )


def out_of_reach(
    chemistry: StageChemistry, circuit: Circuit, found: SteadyResult, target: Array
) -> ConvergenceError:
    """Return the error of purities that no flows give.

    Args:
        chemistry: Equations of one contact.
        circuit: The bank in words, at its first flows.
        found: Where the search ended.
        target: log₁₀ of the impurities it was at, (spec,).
    """
    stage, name = _worst_place(chemistry, found)
    reached = ", ".join(f"{1.0 - 10.0**value:.5f}" for value in target)
    return ConvergenceError(
        f"no flows give these purities; the search stopped near {reached}.",
        where="purity specification",
        mend=purity_mend(circuit),
        history=_finite_history(found),
        worst_stage=stage,
        worst_element=name,
    )


def purity_mend(circuit: Circuit) -> str:
    """Return what brings purities within reach: acid that is scarce or too much, or more stages."""
    return (
        acid_mend(circuit)
        or scrub_mend(circuit)
        or "Ask for less purity, or give the plant more stages."
    )


def scrub_mend(circuit: Circuit) -> str:
    """Return what is to be done if the scrub undoes all extraction; empty if it does not.

    A volume of strip liquor that goes on as scrub takes back as much as its acid did in the strip,
    whatever metal it took up there.
    """
    need, last = acid_need(circuit), circuit.sections[-1]
    if need is None or not last.draw or last.aqueous is not need.acid:
        return ""
    scrub = (need.acid.flow - last.draw_flow) * need.acid.proton
    if scrub < need.needed:
        return ""
    return (
        f"The scrub takes back {scrub * HOUR:.4g} mol/h of charge and the organic carries "
        f"{need.needed * HOUR:.4g} mol/h: nothing reaches the strip. Give less acid, 1 volume for "
        f"{need.most_organic:.4g} of organic, now for "
        f"{circuit.organic_flow / need.acid.flow:.4g}."
    )


def acid_mend(circuit: Circuit) -> str:
    """Return what is to be done if the acids hardly strip the organic; empty if they do."""
    need = acid_need(circuit)
    if need is None or not need.scarce:
        return ""
    said = need.what()
    return f"{said[0].upper()}{said[1:]}. {need.mend()}"


def _worst_place(chemistry: StageChemistry, result: SteadyResult) -> tuple[int, str]:
    stage = np.abs(np.nan_to_num(np.asarray(result.residuals.stage), nan=np.inf))
    place = np.unravel_index(int(stage.argmax()), stage.shape)
    names = [f"balance of {name}" for name in chemistry.components] + ["charge"]
    names += [f"organic {chemistry.components[k]}" for k in chemistry.organic_components]
    return int(place[0]) + 1, names[int(place[1])]


def _finite_history(result: SteadyResult) -> list[float]:
    history = np.asarray(result.history)
    return [float(value) for value in history[np.isfinite(history)]]
