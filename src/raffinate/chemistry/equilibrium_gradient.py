"""Derivatives of an equilibrium by the implicit function theorem.

With ℓ = ln c and u = Γ(ℓ): dℓ = dk - du + w da_w + A dλ and d(A' V c) = dT. The derivatives of Γ
are taken by the model itself, so that they are exact whatever the model is; the systems are those
of all species and all components, solved with pivoting.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from raffinate.chemistry.equilibrium_coefficients import model_coefficients
from raffinate.chemistry.equilibrium_plan import Plan
from raffinate.chemistry.nonideality import IdealPhases, NonIdeality
from raffinate.numerics.jax_setup import Array, jax, jnp


class Change(NamedTuple):
    """Change of an equilibrium; contact last.

    Attributes:
        log_concentration: (species, contact).
        coefficients: ln γ of the species and ln a of water, (species + 1, contact).
        log_activity: (component, contact).
    """

    log_concentration: Array
    coefficients: Array
    log_activity: Array


class Data(NamedTuple):
    """What an equilibrium depends on, or a change of it.

    Attributes:
        totals: (component, contact), [mol per m³ of both phases].
        volume: (2, contact), [-].
        log_constants: (species, contact), [-].
        parameters: Numbers of the activity model.
    """

    totals: Array
    volume: Array
    log_constants: Array
    parameters: Any


def change_of(
    plan: Plan, model: NonIdeality, data: Data, step: Data, log_concentration: Array
) -> Change:
    """Return how an equilibrium changes with what it depends on.

    Args:
        plan: Layout of the tableau.
        model: Activity model.
        data: What the equilibrium depends on.
        step: Change of it.
        log_concentration: The equilibrium, (species, contact).
    """
    exists = jnp.isfinite(log_concentration)
    matrix = jnp.where(exists[:, None], plan.stoichiometry[:, :, None], 0.0)
    by_species, own = _coefficient_change(plan, model, data, step, log_concentration, exists)
    free = jnp.where(exists, step.log_constants - own[:-1] + plan.water[:, None] * own[-1], 0.0)
    # Apart, so that what is linear in the change stays visibly so and can be transposed.
    by_activity = _species_answer(plan, by_species, matrix)
    alone = _species_answer(plan, by_species, free[:, None])[:, 0]
    rows, wanted = _rows(plan, data, step, jnp.where(exists, jnp.exp(log_concentration), 0.0))
    coupled = jnp.einsum("jsn,skn->njk", rows, by_activity)
    wanted = wanted - jnp.einsum("jsn,sn->jn", rows, alone)
    activity = _component_answer(plan, data, step, coupled, wanted.T)
    species = jnp.einsum("skn,kn->sn", by_activity, activity) + alone
    coefficients = own
    if by_species is not None:
        coefficients = coefficients + jnp.einsum("tsn,sn->tn", by_species, species)
    return Change(species, coefficients, activity)


def _coefficient_change(
    plan: Plan,
    model: NonIdeality,
    data: Data,
    step: Data,
    log_concentration: Array,
    exists: Array,
) -> tuple[Array | None, Array]:
    """Return dΓ/dℓ, (species + 1, species, contact), and dΓ from the model's own numbers."""
    count, contacts = log_concentration.shape
    if isinstance(model, IdealPhases):
        return None, jnp.zeros((count + 1, contacts))

    def of(logs: Array, parameters: Any) -> Array:
        return model_coefficients(plan, model, parameters, jnp.where(exists, logs, -jnp.inf))

    finite = jnp.where(exists, log_concentration, 0.0)

    def column(unit: Array) -> Array:
        tangent = jnp.broadcast_to(unit[:, None], finite.shape)
        slope: Array = jax.jvp(lambda logs: of(logs, data.parameters), (finite,), (tangent,))[1]
        return slope

    by_species = jax.vmap(column, out_axes=1)(jnp.eye(count))
    _, own = jax.jvp(lambda numbers: of(finite, numbers), (data.parameters,), (step.parameters,))
    # The coefficient of what is not there has no meaning and must not spoil the others.
    counts = jnp.concatenate([exists, jnp.ones_like(exists[:1])])
    both = counts[:, None] & exists[None]
    return jnp.where(both, by_species, 0.0), jnp.where(counts, own, 0.0)


def _species_answer(plan: Plan, by_species: Array | None, right: Array) -> Array:
    """Return dℓ where the logarithms of the ideal amounts change by `right`, (species, q, n)."""
    if by_species is None:
        return right
    system = jnp.eye(len(right))[:, :, None] + by_species[:-1]
    system = system - plan.water[:, None, None] * by_species[-1]
    solved = jnp.linalg.solve(jnp.moveaxis(system, -1, 0), jnp.moveaxis(right, -1, 0))
    return jnp.moveaxis(solved, 0, -1)


def _component_answer(plan: Plan, data: Data, step: Data, coupled: Array, wanted: Array) -> Array:
    """Return dλ, (component, contact), from its equations, contact first."""
    for row, k in enumerate(plan.given):
        if plan.given_activity[row]:
            known = data.totals[k]
            change = step.totals[k] / jnp.where(known > 0.0, known, 1.0)
            coupled = coupled.at[:, k].set(jnp.zeros(len(plan.charge)).at[k].set(1.0))
            wanted = wanted.at[:, k].set(change)
    idle = jnp.all(coupled == 0.0, axis=2)
    coupled = coupled + idle[:, :, None] * jnp.eye(len(plan.charge))
    answer: Array = jnp.linalg.solve(coupled, jnp.where(idle, 0.0, wanted)[..., None])
    return answer[..., 0].T


def _rows(plan: Plan, data: Data, step: Data, concentration: Array) -> tuple[Array, Array]:
    """Return the equations of the components as rows over dℓ, and what they equal.

    Returns:
        (component, species, contact) and (component, contact); each relative to what there is.
    """
    organic = (np.arange(len(plan.stoichiometry)) >= plan.aqueous_count).astype(np.intp)
    matrix = jnp.asarray(plan.stoichiometry.T)[:, :, None]
    held = matrix * (data.volume[organic] * concentration)
    change = step.totals - jnp.sum(matrix * (step.volume[organic] * concentration), axis=1)
    present = jnp.sum(jnp.abs(held), axis=1)
    present = jnp.where(present > 0.0, present, 1.0)
    rows, right = held / present[:, None], change / present
    for row, k in enumerate(plan.given):
        if not plan.given_activity[row]:
            known = data.totals[k]
            unit = jnp.zeros_like(rows[k]).at[plan.free[k]].set(1.0)
            rows = rows.at[k].set(jnp.where(known > 0.0, unit, 0.0))
            right = right.at[k].set(step.totals[k] / jnp.where(known > 0.0, known, 1.0))
    return rows, right
