"""Very many contacts: in chunks that stay in the cache, the stubborn ones again by themselves.

A chunk takes as many steps as its slowest contact. The first pass therefore gives up early, and
what is left, a few in a hundred, is gathered into chunks of its own.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raffinate.chemistry.equilibrium import Equilibrium, solved_contacts
from raffinate.chemistry.equilibrium_coefficients import PATIENT, Effort
from raffinate.chemistry.equilibrium_contact import standard_constants
from raffinate.chemistry.equilibrium_gradient import Data
from raffinate.chemistry.equilibrium_plan import Plan, plan_of
from raffinate.chemistry.nonideality import IDEAL, NonIdeality
from raffinate.chemistry.tableau import Tableau
from raffinate.errors import SpecificationError
from raffinate.numerics.jax_setup import Array, given, jax, jnp, lax

CHUNK = 256
"""Contacts solved together: their arrays fit the second-level cache of one core."""

QUICK = Effort(newton=14, rounds=16)
"""Effort of the first pass, which most contacts need less than."""


@partial(jax.jit, static_argnums=(0, 1, 2))
def _chunks(
    plan: Plan,
    model: NonIdeality,
    effort: Effort,
    totals: Array,
    fraction: Array,
    log10_constants: Array,
    parameters: Any,
) -> Equilibrium:
    """Solve totals (chunk, component, contact) at fractions (chunk, contact)."""

    def one(contacts: tuple[Array, Array]) -> Equilibrium:
        amount, organic = contacts
        constants = standard_constants(plan, log10_constants[:, None])
        data = Data(
            totals=amount,
            volume=jnp.stack([1.0 - organic, organic]),
            log_constants=jnp.broadcast_to(constants, (len(constants), organic.shape[0])),
            parameters=parameters,
        )
        return solved_contacts(plan, model, data, organic > 0.0, effort)

    found: Equilibrium = lax.map(one, (totals, fraction))
    return found


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
    fraction = np.broadcast_to(np.asarray(organic_fraction, dtype=float), amounts.shape[1:])

    def solve(effort: Effort, places: NDArray[np.intp]) -> Equilibrium:
        return _padded(
            partial(_chunks, plan_of(tableau), nonideality, effort),
            amounts[:, places],
            fraction[places],
            (jnp.asarray(log10_constants, dtype=float), nonideal_parameters),
        )

    found = solve(QUICK, np.arange(amounts.shape[1]))
    left = np.flatnonzero(found.converged < 0.5)
    for begin in range(0, len(left), CHUNK):
        places = left[begin : begin + CHUNK]
        again = solve(PATIENT, places)
        for whole, part in zip(found, again, strict=True):
            np.asarray(whole)[..., places] = part
    return found._replace(converged=found.converged > 0.5, iterations=found.iterations.astype(int))


def _padded(
    solve: Any, totals: NDArray[np.float64], fraction: NDArray[np.float64], numbers: tuple[Any, Any]
) -> Equilibrium:
    """Solve contacts in whole chunks, the last filled up with repeats; return NumPy arrays."""
    count = totals.shape[1]
    chunks = max(1, -(-count // CHUNK))
    filled = np.minimum(np.arange(chunks * CHUNK), count - 1)
    amounts = totals[:, filled].reshape(len(totals), chunks, CHUNK).transpose(1, 0, 2)
    found = solve(amounts, fraction[filled].reshape(chunks, CHUNK), *numbers)

    def joined(part: Array) -> Array:
        array = np.moveaxis(np.asarray(part), 0, -2)
        return given(np.array(array.reshape(*array.shape[:-2], -1)[..., :count]))

    return Equilibrium(*(joined(part) for part in found))
