"""Equilibrium of one contact of organic and aqueous, or of many at once.

Mass action, ln(γ_s c_s) = ln K_s + Σ_j A_sj λ_j + w_s ln a_w, and balances, Σ_s V_s A_sj c_s = T_j,
with A the tableau, λ the logarithms of the component activities, V the volume of the phase a
species lives in and w the water it takes up. Both phases are neutral whenever the totals are,
because every species carries the charge of what it is made of.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from raffinate.chemistry.equilibrium_coefficients import (
    AGREEMENT,
    PATIENT,
    Effort,
    agreed_coefficients,
)
from raffinate.chemistry.equilibrium_contact import (
    CLOSED,
    STANDARD,
    amounts_of,
    first_guess,
    imbalance,
    solve_at,
    standard_constants,
)
from raffinate.chemistry.equilibrium_gradient import Data, change_of
from raffinate.chemistry.equilibrium_plan import Known, Plan, plan_of
from raffinate.chemistry.nonideality import IDEAL, IdealPhases, NonIdeality
from raffinate.chemistry.tableau import Tableau
from raffinate.numerics.jax_setup import Array, jax, jnp


class Equilibrium(NamedTuple):
    """What a contact is at equilibrium; the axes of the totals follow the first.

    Attributes:
        log_concentration: (species, ...), [ln mol/m³ of its phase]; -inf where absent.
        log_coefficient: ln of the activity coefficients, (species, ...), [-].
        log_activity: ln of the component activities, (component, ...), [-].
        ln_water_activity: (...), [-].
        converged: Whether the balances and the coefficients agree; False where the totals have
            no equilibrium, (...).
        iterations: Newton steps, (...).
        residual: Largest imbalance of a component relative to what there is of it, (...), [-].
    """

    log_concentration: Array
    log_coefficient: Array
    log_activity: Array
    ln_water_activity: Array
    converged: Array
    iterations: Array
    residual: Array


def solved_contacts(
    plan: Plan, model: NonIdeality, data: Data, has_organic: Array, effort: Effort = PATIENT
) -> Equilibrium:
    """Solve contacts as `balanced` does, without derivatives and with the effort that is given."""
    amounts = amounts_of(plan, data.totals, data.volume, has_organic)
    constants = data.log_constants
    if isinstance(model, IdealPhases):
        values = jnp.zeros((len(constants) + 1, constants.shape[1]))
        start = first_guess(plan, amounts, constants)
        solved = solve_at(
            plan, amounts, constants, values[:-1], values[-1], start, effort.newton, effort.finish
        )
        converged = solved.converged
    else:
        found = agreed_coefficients(plan, amounts, constants, model, data.parameters, effort)
        values, solved = found.values, found.solved
        converged = solved.converged & (found.agreement <= AGREEMENT)
    residual = imbalance(plan, amounts, solved.log_concentration)
    converged = converged & (residual <= CLOSED)
    whole = jnp.where(converged, 0.0, jnp.nan)
    return Equilibrium(
        log_concentration=solved.log_concentration + whole,
        log_coefficient=values[:-1] + whole,
        log_activity=solved.log_activity - STANDARD + whole,
        ln_water_activity=values[-1] + whole,
        converged=converged.astype(float),
        iterations=solved.iterations.astype(float),
        residual=residual,
    )


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def balanced(plan: Plan, model: NonIdeality, data: Data, has_organic: Array) -> Equilibrium:
    """Solve contacts laid out with the contact last.

    Args:
        plan: Layout of the tableau.
        model: Activity model.
        data: Totals, volumes that the balances count, constants, numbers of the model.
        has_organic: Whether there is an organic phase, (contact,); its volume may be 0 all the
            same, where the balances are those of the aqueous alone.

    Returns:
        The equilibrium, its flags as floats, so that all of it has derivatives; and where the
        contact did not converge, NaN.
    """
    return solved_contacts(plan, model, data, has_organic)


@balanced.defjvp
def _balanced_jvp(
    plan: Plan,
    model: NonIdeality,
    primals: tuple[Data, Array],
    tangents: tuple[Data, Array],
) -> tuple[Equilibrium, Equilibrium]:
    found = balanced(plan, model, *primals)
    change = change_of(plan, model, primals[0], tangents[0], found.log_concentration)
    none = jnp.zeros_like(found.residual)
    tangent = Equilibrium(
        log_concentration=change.log_concentration,
        log_coefficient=change.coefficients[:-1],
        log_activity=change.log_activity,
        ln_water_activity=change.coefficients[-1],
        converged=none,
        iterations=none,
        residual=none,
    )
    return found, tangent


def equilibrium(
    tableau: Tableau,
    totals: Array,
    organic_fraction: Array,
    log10_constants: Array,
    nonideality: NonIdeality = IDEAL,
    nonideal_parameters: Any = (),
    *,
    known: tuple[tuple[str, Known], ...] = (),
) -> Equilibrium:
    """Return the equilibrium of contacts whose totals are known.

    Traceable, and may be mapped; derivatives, forward and reverse, follow from the implicit
    function theorem, not from the iterations. Where a component is absent, exactly zero, what
    holds it has no logarithm and its derivatives are zero.

    Args:
        tableau: Components and species.
        totals: (component, ...), [mol per m³ of both phases]; the proton's may be negative.
        organic_fraction: Volume of organic per volume of both phases, 0 to below 1, (...), [-].
        log10_constants: (species,) or (species, ...), [-]; `tableau.log10_constants` are those
            the species were given with.
        nonideality: Activity model.
        nonideal_parameters: Its numbers.
        known: Components of which not the total is given but the free concentration or 1000
            times the activity, [mol/m³]: `(("proton", "activity"),)` fixes the pH.
    """
    plan = plan_of(tableau, known)
    totals = jnp.asarray(totals, dtype=float)
    fraction = jnp.broadcast_to(jnp.asarray(organic_fraction, dtype=float), totals.shape[1:])
    constants = jnp.asarray(log10_constants, dtype=float)
    if constants.ndim == 1:
        constants = constants.reshape(-1, *([1] * (totals.ndim - 1)))
    constants = jnp.broadcast_to(constants, (constants.shape[0], *totals.shape[1:]))
    fraction = fraction.reshape(-1)
    data = Data(
        totals=totals.reshape(totals.shape[0], -1),
        volume=jnp.stack([1.0 - fraction, fraction]),
        log_constants=standard_constants(plan, constants.reshape(constants.shape[0], -1)),
        parameters=nonideal_parameters,
    )
    found = balanced(plan, nonideality, data, fraction > 0.0)
    shaped = (part.reshape(*part.shape[:-1], *totals.shape[1:]) for part in found)
    result = Equilibrium(*shaped)
    return result._replace(
        converged=result.converged > 0.5, iterations=result.iterations.astype(int)
    )
