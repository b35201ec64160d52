"""Very many contacts: in chunks that stay in the cache, the stubborn ones again by themselves.

A chunk takes as many steps as its slowest contact. The first pass therefore gives up early, and
what is left, a few in a hundred, is gathered into chunks of its own.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from raffinate.chemistry.equilibrium import Equilibrium, solved_contacts
from raffinate.chemistry.equilibrium_coefficients import PATIENT, Effort
from raffinate.chemistry.equilibrium_compile import MANY_CONTACTS
from raffinate.chemistry.equilibrium_contact import standard_constants
from raffinate.chemistry.equilibrium_gradient import Data
from raffinate.chemistry.equilibrium_plan import Plan, plan_of
from raffinate.chemistry.nonideality import IDEAL, IdealPhases, NonIdeality
from raffinate.chemistry.tableau import Tableau
from raffinate.errors import SpecificationError
from raffinate.numerics.jax_setup import Array, given, jax, jnp

CHUNK = 256
"""Contacts solved together: their arrays fit the second-level cache of one core."""

QUICK_IDEAL = Effort(newton=8, rounds=1, finish=1e-7)
"""Effort of the first pass with ideal activities, which most contacts need less than."""

QUICK = Effort(newton=6, rounds=10, finish=0.03)
"""The same with an activity model: while the coefficients still change, close is near enough."""


@partial(jax.jit, static_argnums=(0, 1), compiler_options=MANY_CONTACTS)
def _chunk(
    plan: Plan,
    model: NonIdeality,
    effort: Effort,
    totals: Array,
    fraction: Array,
    log10_constants: Array,
    parameters: Any,
) -> Equilibrium:
    """Solve totals (component, contact) at fractions (contact,)."""
    constants = standard_constants(plan, log10_constants[:, None])
    data = Data(
        totals=totals,
        volume=jnp.stack([1.0 - fraction, fraction]),
        log_constants=jnp.broadcast_to(constants, (len(constants), fraction.shape[0])),
        parameters=parameters,
    )
    return solved_contacts(plan, model, data, fraction > 0.0, effort)


def equilibrium_batch(
    tableau: Tableau,
    totals: ArrayLike,
    organic_fraction: ArrayLike,
    log10_constants: ArrayLike,
    nonideality: NonIdeality = IDEAL,
    nonideal_parameters: Any = (),
) -> Equilibrium:
    """Return the equilibria of very many contacts, as `equilibrium` does but faster.

    Not traceable. Contacts that have no equilibrium are NaN and not `converged`.

    Args:
        tableau: Components and species.
        totals: (component, contact), [mol per m³ of both phases].
        organic_fraction: (contact,) or one for all, [-].
        log10_constants: (species,), [-].
        nonideality: Activity model.
        nonideal_parameters: Its numbers.

    Raises:
        SpecificationError: The totals have another shape.
    """
    amounts = np.asarray(totals, dtype=float)
    if amounts.ndim != 2 or len(amounts) != len(tableau.components):
        raise SpecificationError(
            f"their shape is {amounts.shape}.",
            where="totals",
            allowed=f"({len(tableau.components)}, contacts), one row per component",
        )
    constants = jnp.asarray(log10_constants, dtype=float)
    fraction = np.broadcast_to(np.asarray(organic_fraction, dtype=float), amounts.shape[1:])

    found = _empty(plan_of(tableau), amounts.shape[1])
    quick = QUICK_IDEAL if isinstance(nonideality, IdealPhases) else QUICK
    left = np.arange(amounts.shape[1])
    for effort in (quick, PATIENT):
        for begin in range(0, len(left), CHUNK):
            places = left[begin : begin + CHUNK]
            # A part of a chunk is filled up with repeats, so that one kernel does for all.
            filled = np.resize(places, CHUNK)
            part = _chunk(
                plan_of(tableau),
                nonideality,
                effort,
                amounts[:, filled],
                fraction[filled],
                constants,
                nonideal_parameters,
            )
            for whole, values in zip(found, part, strict=True):
                whole[..., places] = np.asarray(values)[..., : len(places)]
        left = np.flatnonzero(found.converged < 0.5)
    solved = Equilibrium(*(given(part) for part in found))
    return solved._replace(
        converged=given(found.converged > 0.5), iterations=given(found.iterations.astype(int))
    )


def _empty(plan: Plan, contacts: int) -> Equilibrium:
    species, components = plan.stoichiometry.shape
    shapes = [(species,), (species,), (components,), (), (), (), ()]
    return Equilibrium(*(np.empty((*shape, contacts)) for shape in shapes))  # type: ignore[arg-type]
