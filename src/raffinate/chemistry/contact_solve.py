"""The equilibrium of one contact as plain numbers, checked against what went in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.contact_phases import WHERE
from raffinate.chemistry.equilibrium import Equilibrium, equilibrium
from raffinate.chemistry.equilibrium_compile import FEW_CONTACTS
from raffinate.chemistry.nonideality import NonIdeality
from raffinate.chemistry.system_tableau import SystemTableau
from raffinate.chemistry.tableau import Tableau
from raffinate.errors import BalanceError, ConvergenceError, SpecificationError
from raffinate.numerics.jax_setup import Array as Traced
from raffinate.numerics.jax_setup import given, jax

Array = NDArray[np.float64]

TOLERANCE = 1e-9
"""Largest relative imbalance of mass or charge accepted, [-]."""

FEWEST = 1e-12
"""Least share of acid among the cations or of free extractant among all of it, [-]; with less of
both, their ratio is rounding error."""

POLISHING_STEPS = 4
"""Most Newton steps that close the charge."""

NOTHING = 1e-200
"""What counts as none, [mol/m³]: far below one ion, and where numbers run out of digits."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Solution:
    """A contact at equilibrium.

    Attributes:
        tableau: Its components and species.
        aqueous: Totals of the liquor, (component,), [mol/m³].
        organic: Totals of the organic, (component,), [mol/m³].
        concentration: (species,), [mol/m³ of its phase].
        log_activity: log₁₀ of the activities of the components, (component,), [-].
        log_water: log₁₀ of the activity of water, [-].
        balance_error: Worst relative imbalance of mass or charge, [-].
    """

    tableau: Tableau
    aqueous: Array
    organic: Array
    concentration: Array
    log_activity: Array
    log_water: float
    balance_error: float

    @property
    def species(self) -> dict[str, float]:
        """Concentrations by name, [mol/m³ of its phase]."""
        return dict(zip(self.tableau.names, self.concentration.tolist(), strict=True))

    @property
    def log_activities(self) -> dict[str, float]:
        """log₁₀ of the activities of the components, by name, [-]."""
        return dict(zip(self.tableau.components, self.log_activity.tolist(), strict=True))

    @property
    def pH(self) -> float:
        """-log₁₀ of the activity of H⁺."""
        return -self.log_activities["proton"]

    @property
    def free_extractant(self) -> float:
        """Extractant bound to nothing, in its free units, [mol/m³]."""
        place = self.tableau.free[self.tableau.components.index("extractant")]
        return float(self.concentration[place])

    @property
    def ionic_strength(self) -> float:
        """½ Σ z² c of the liquor, [mol/m³]."""
        return float(0.5 * self.tableau.charge**2 @ self.concentration)

    def bound_to(self, elements: Iterable[str]) -> float:
        """Return the units of extractant bound to `elements`, [mol/m³ of organic]."""
        wanted = set(elements)
        bound = 0.0
        for species, value in zip(self.tableau.species, self.concentration, strict=True):
            held = {name for name, moles in species.composition if moles > 0.0}
            if species.phase == "organic" and held & wanted:
                bound += dict(species.composition).get("extractant", 0.0) * float(value)
        return bound


@partial(jax.jit, static_argnums=(0, 1), compiler_options=FEW_CONTACTS)
def solved(
    tableau: Tableau,
    model: NonIdeality,
    totals: Traced,
    fraction: Traced,
    constants: Traced,
    parameters: Any,
) -> Equilibrium:
    """Return the compiled `equilibrium` of these."""
    return equilibrium(tableau, totals, fraction, constants, model, parameters)


def solve_contact(stated: SystemTableau, totals: Array, organic_fraction: float) -> Solution:
    """Return the equilibrium of given totals.

    Args:
        stated: Tableau of the system with its numbers.
        totals: (component,), [mol per m³ of both phases].
        organic_fraction: Volume of organic per volume of both phases, [-].

    Raises:
        SpecificationError: So little acid and extractant is left that digits do not hold them.
        ConvergenceError: No equilibrium was found.
        BalanceError: What went in is not what came out, which is a defect.
    """
    tableau, built = stated.tableau, stated.nonideality
    totals = np.where(np.abs(totals) > NOTHING, totals, 0.0)
    _check_some_is_left(tableau, totals)
    # One contact as a batch of one: kernels keep the batch last.
    found = solved(
        tableau,
        built.model,
        given(totals[:, None]),
        given(np.array([organic_fraction])),
        given(stated.log10_constants),
        built.parameters,
    )
    if not bool(found.converged[0]):
        raise ConvergenceError(
            f"no equilibrium was found in {int(found.iterations[0])} iterations; the balances are "
            f"off by {float(found.residual[0]):.1e}.",
            where=WHERE,
            allowed="amounts whose charges leave some acid and some free extractant",
            mend="Load or saponify the organic less, or choose a simpler activity model.",
        )
    volumes = (1.0 - organic_fraction, organic_fraction)
    concentration = np.exp(np.asarray(found.log_concentration)[:, 0])
    concentration, moved = closed(tableau, concentration, totals, volumes)
    present = concentration[list(tableau.free)] > 0.0
    log_activity = np.where(present, np.asarray(found.log_activity)[:, 0] + moved, -np.inf)
    aqueous, organic = _phases(tableau, concentration, totals, volumes)
    return Solution(
        tableau=tableau,
        aqueous=aqueous,
        organic=organic,
        concentration=concentration,
        log_activity=log_activity / np.log(10.0),
        log_water=float(found.ln_water_activity[0]) / np.log(10.0),
        balance_error=_check(tableau, concentration, totals, volumes),
    )


def _check_some_is_left(tableau: Tableau, totals: Array) -> None:
    """Raise where neither acid nor free extractant can be left.

    Where every proton released takes up one unit of extractant, acid and free extractant together
    are the sum of the totals of both, whatever the equilibrium.
    """
    places = [tableau.components.index(name) for name in ("proton", "extractant")]
    released = tableau.stoichiometry[:, places]
    if ((released[:, 0] < 0.0) & (released.sum(axis=1) != 0.0)).any():
        return
    left = float(totals[places].sum())
    if not left > FEWEST * float(totals[places[1]]):
        raise SpecificationError(
            "what is left of acid and free extractant is below the last digits of the amounts.",
            where=WHERE,
            allowed="an organic short of complete loading, or a liquor with some acid",
            mend="Load or saponify the organic less, or give the liquor more proton.",
        )


def closed(
    tableau: Tableau, concentration: Array, totals: Array, volumes: tuple[float, float]
) -> tuple[Array, Array]:
    """Return the contact with the charge of its liquor closed to the last digits.

    The balance of the proton is that of its acid less what the organic has released, which may be
    far more than all ions of a dilute liquor; neutrality of the liquor, the same statement, then
    holds its digits. Newton's steps at the activity coefficients found put it in place of that
    balance, unless the ions outweigh what the organic has released.

    Args:
        tableau: Components and species.
        concentration: As found, (species,), [mol/m³].
        totals: (component,), [mol per m³ of both phases].
        volumes: Of aqueous and organic per volume of both, [-].

    Returns:
        Concentrations, (species,), [mol/m³], and the change of ln of the component activities,
        (component,), [-].
    """
    matrix, charge = tableau.stoichiometry, tableau.charge
    weight = np.where(np.arange(len(matrix)) < tableau.aqueous_count, *volumes)
    proton = tableau.components.index("proton")
    present = np.flatnonzero(concentration[list(tableau.free)] > 0.0)
    moved = np.zeros(len(totals))
    left = weight[:, None] * matrix
    aim = totals.copy()
    released = np.abs(left[:, proton]) @ concentration
    if (matrix[:, proton] < 0.0).any() and np.abs(charge) @ concentration < released:
        left[:, proton], aim[proton] = charge, 0.0

    def imbalance(values: Array) -> Array:
        scale = np.abs(left).T @ values
        relative: Array = (left.T @ values - aim)[present] / scale[present]
        return relative

    if proton not in present:
        return concentration, moved
    best = imbalance(concentration)
    for _ in range(POLISHING_STEPS):
        slope = left.T @ (concentration[:, None] * matrix)
        scale = (np.abs(left).T @ concentration)[present]
        step = np.linalg.lstsq(slope[np.ix_(present, present)] / scale[:, None], -best, rcond=None)
        change = np.zeros(len(totals))
        change[present] = step[0]
        trial = concentration * np.exp(matrix @ change)
        off = imbalance(trial)
        if not np.abs(off).max() < np.abs(best).max():
            break
        concentration, moved, best = trial, moved + change, off
    return concentration, moved


def _phases(
    tableau: Tableau, concentration: Array, totals: Array, volumes: tuple[float, float]
) -> tuple[Array, Array]:
    """Return totals of both phases, each (component,), [mol/m³].

    Of what cannot be negative the total is shared in the ratio found, so that it closes to the
    last digit.
    """
    count, matrix = tableau.aqueous_count, tableau.stoichiometry
    aqueous = matrix[:count].T @ concentration[:count]
    organic = matrix[count:].T @ concentration[count:]
    held = volumes[0] * aqueous + volumes[1] * organic
    shared = (matrix >= 0.0).all(axis=0) & (held > 0.0)
    factor = np.where(shared, totals / np.where(shared, held, 1.0), 1.0)
    return factor * aqueous, factor * organic


def _check(
    tableau: Tableau, concentration: Array, totals: Array, volumes: tuple[float, float]
) -> float:
    """Return the worst relative imbalance of mass and charge, or raise."""
    weight = np.where(np.arange(len(concentration)) < tableau.aqueous_count, *volumes)
    amounts = tableau.stoichiometry * (weight * concentration)[:, None]
    moles = tableau.charge * concentration
    left = np.append(amounts.sum(axis=0), moles.sum())
    entered = np.append(totals, 0.0)
    scale = np.append(np.abs(amounts).sum(axis=0) + np.abs(totals), np.abs(moles).sum())
    error = np.abs(left - entered) / np.maximum(scale, 1e-300)
    names = (*tableau.components, "charge")
    worst = int(np.argmax(np.where(np.isfinite(error), error, np.inf)))
    if not (error[worst] <= TOLERANCE and (concentration >= 0.0).all()):
        raise BalanceError(
            f"{names[worst]}: {entered[worst]:.9g} mol/m³ before, {left[worst]:.9g} after.",
            where=WHERE,
            allowed=f"a relative difference of at most {TOLERANCE:.0e}, and nothing negative",
            mend="This is a defect of the equilibrium; please report it.",
        )
    return float(error[worst])
