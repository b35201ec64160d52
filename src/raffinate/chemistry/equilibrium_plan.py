"""How a tableau is laid out for its kernel: linear components in slots, the other species apart.

Slot k holds the k-th species of every linear component, so that all of them go through the same
arithmetic at once; a component with fewer species fills up with ones that do not exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.tableau import Tableau

Known = Literal["total", "concentration", "activity"]
"""What is known of a component: its total; the concentration or the activity of its free form."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Arrays of a tableau, in the order its kernel meets them.

    Attributes:
        stoichiometry: (species, component).
        water: Moles of H2O consumed, (species,).
        aqueous_count: Number of aqueous species.
        charge: Of the free species, (component,).
        free: Species that is each component alone, (component,).
        linear: Components eliminated in closed form.
        masters: Components solved for.
        given: Components whose free form is known.
        given_activity: Whether that is as an activity, (given,).
        slots: Species of each linear component, (slot, linear); the number of species where
            there is none.
        pure: Species without any linear component.
        signed: Whether a master's total can be negative, (master,).
        exchange: Places among the masters of the proton and of the extractant that takes its
            place one for one in every organic species; None where there is no such pair.
    """

    stoichiometry: NDArray[np.float64]
    water: NDArray[np.float64]
    aqueous_count: int
    charge: NDArray[np.float64]
    free: tuple[int, ...]
    linear: tuple[int, ...]
    masters: tuple[int, ...]
    given: tuple[int, ...]
    given_activity: tuple[bool, ...]
    slots: NDArray[np.intp]
    pure: NDArray[np.intp]
    signed: tuple[bool, ...]
    exchange: tuple[int, int] | None


@lru_cache(maxsize=256)
def plan_of(tableau: Tableau, known: tuple[tuple[str, Known], ...] = ()) -> Plan:
    """Return the layout of a tableau.

    Args:
        tableau: The tableau.
        known: Components of which something else than the total is known, and what.
    """
    matrix = tableau.stoichiometry
    modes = dict(known)
    given = tuple(k for k, name in enumerate(tableau.components) if name in modes)
    linear = tuple(k for k in tableau.linear if k not in given)
    masters = tuple(k for k in range(len(tableau.components)) if k not in (*linear, *given))
    members = [np.flatnonzero(matrix[:, k] > 0.0) for k in linear]
    depth = max((len(places) for places in members), default=0)
    slots = np.full((depth, len(linear)), len(matrix), dtype=np.intp)
    for column, places in enumerate(members):
        slots[: len(places), column] = places
    signed = tuple(bool((matrix[:, k] < 0.0).any()) for k in masters)
    pure = np.flatnonzero(~(matrix[:, list(linear)] > 0.0).any(axis=1))
    return Plan(
        stoichiometry=matrix,
        water=tableau.water,
        aqueous_count=tableau.aqueous_count,
        charge=tableau.component_charge,
        free=tableau.free,
        linear=linear,
        masters=masters,
        given=given,
        given_activity=tuple(modes[tableau.components[k]] == "activity" for k in given),
        slots=slots,
        pure=pure,
        signed=signed,
        exchange=_exchange(matrix[:, list(masters)], signed) if linear else None,
    )


def _exchange(matrix: NDArray[np.float64], signed: tuple[bool, ...]) -> tuple[int, int] | None:
    """Return the places of proton and extractant where the one is exchanged for the other."""
    if sum(signed) != 1:
        return None
    proton = signed.index(True)
    for k in range(len(signed)):
        bound = (matrix[:, k] > 0.0) & (matrix[:, proton] < 0.0)
        free = (matrix[:, k] > 0.0) & (matrix[:, proton] == 0.0)
        traded = (matrix[bound, k] == -matrix[bound, proton]).all()
        if k != proton and bound.any() and free.sum() == 1 and traded:
            return proton, k
    return None
