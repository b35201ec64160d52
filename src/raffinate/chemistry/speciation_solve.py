"""Solving a liquor alone: its tableau, its totals, and the acid or base that gives a wanted pH."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.complexes import Database, load_complexes, load_free_ions
from raffinate.chemistry.equilibrium import Equilibrium, equilibrium
from raffinate.chemistry.equilibrium_compile import FEW_CONTACTS
from raffinate.chemistry.equilibrium_plan import Known
from raffinate.chemistry.nonideality import ActivityKind, BuiltNonIdeality, build_nonideality
from raffinate.chemistry.species import Species
from raffinate.chemistry.system_tableau import is_pitzer_pair
from raffinate.chemistry.tableau import Tableau, build_tableau
from raffinate.errors import ConvergenceError, SpecificationError
from raffinate.numerics.jax_setup import jax

FloatArray = NDArray[np.float64]

BY_PH: tuple[tuple[str, Known], ...] = (("proton", "activity"),)
"""The proton is known by its activity in place of its total."""

LARGEST_TITRANT = 1e5
"""Beyond this no liquor is looked for, [mol/m³]."""

ROUNDING = 1e-15
"""Charge of a liquor relative to its ions that is rounding, [-]."""

_equilibrium = partial(
    jax.jit, static_argnums=(0, 4), static_argnames=("known",), compiler_options=FEW_CONTACTS
)(equilibrium)


@dataclass(frozen=True, slots=True, eq=False)
class LiquorModel:
    """What a liquor of some components can hold.

    Attributes:
        tableau: Components (proton among them) and aqueous species.
        nonideality: Activity model with its numbers.
    """

    tableau: Tableau
    nonideality: BuiltNonIdeality

    def solve(self, totals: FloatArray, *, pH: float | None = None) -> Equilibrium:
        """Return the equilibrium of some totals.

        Args:
            totals: (component,), [mol/m³]; at a pH, that of the proton is not read.
            pH: Where it is known, [-].

        Raises:
            ConvergenceError: None was found.
        """
        amounts = totals.copy()
        if pH is not None:
            amounts[self.proton] = 1000.0 * 10.0**-pH
        found: Equilibrium = _equilibrium(
            self.tableau,
            amounts,
            0.0,
            self.tableau.log10_constants,
            self.nonideality.model,
            self.nonideality.parameters,
            known=() if pH is None else BY_PH,
        )
        if not bool(found.converged):
            raise ConvergenceError(
                "the liquor has no equilibrium that could be found.",
                where="speciation",
                mend="Check the totals, or take another activity model.",
                history=(float(found.residual),),
            )
        return found

    def amounts(self, totals: Mapping[str, float]) -> FloatArray:
        """Return totals by component, (component,), 0 where none is named, [mol/m³]."""
        return np.array([totals.get(name, 0.0) for name in self.tableau.components])

    @property
    def proton(self) -> int:
        """Place of the proton among the components."""
        return self.tableau.components.index("proton")

    def neutral_proton(self, totals: FloatArray) -> float:
        """Return the proton total at which other totals are neutral, [mol/m³]."""
        charges = np.delete(self.tableau.component_charge * totals, self.proton)
        excess = float(charges.sum())
        # What rounding leaves of a neutral salt is no acid or base.
        return -excess if abs(excess) > ROUNDING * float(np.abs(charges).sum()) else 0.0

    def held_proton(self, found: Equilibrium) -> float:
        """Return the proton total that a state holds, [mol/m³]."""
        held = np.exp(np.asarray(found.log_concentration))
        return float(held @ self.tableau.stoichiometry[:, self.proton])


@lru_cache(maxsize=64)
def liquor_model(
    components: tuple[str, ...],
    activity: ActivityKind,
    database: Database,
    complexes: tuple[Species, ...] | None,
    polynuclear: bool,
    molal: bool,
) -> LiquorModel:
    """Return the model of liquors of some components.

    Args:
        components: Names, the proton among them.
        activity: Activity model.
        database: Whose ion sizes, and whose complexes where none are given.
        complexes: What the components form; None takes those of the database.
        polynuclear: Whether species with several metal ions are among those of the database.
        molal: Amounts are per 1000 kg of water in place of per m³ of liquor.
    """
    if complexes is None:
        complexes = load_complexes(components, database=database, polynuclear=polynuclear)
    kept = [one for one in complexes if activity != "pitzer" or not is_pitzer_pair(one)]
    species = [*load_free_ions(components, database=database), *kept]
    tableau = build_tableau(components, species)
    return LiquorModel(tableau, build_nonideality(activity, tableau.species, molal=molal))


@dataclass(frozen=True, slots=True, eq=False)
class Titration:
    """How a liquor comes to a pH.

    Attributes:
        model: Of the liquor with the titrant among its components.
        totals: (component,), [mol/m³], neutral.
        titrant: Component added.
        added: How much of it, [mol/m³].
        found: The liquor then.
    """

    model: LiquorModel
    totals: FloatArray
    titrant: str
    added: float
    found: Equilibrium


def titrate(
    build: Callable[[tuple[str, ...]], LiquorModel],
    totals: Mapping[str, float],
    pH: float,
    titrant: str | None,
) -> Titration:
    """Return the neutral liquor of a pH, found by adding an acid or a base.

    Args:
        build: Gives the model of components.
        totals: By component without the proton, [mol/m³].
        pH: Wanted, [-].
        titrant: Anion of the acid or cation of the base; None takes the anion the liquor holds
            most of, and ammonia or caustic soda.

    Raises:
        SpecificationError: The titrant has the wrong sign, or no amount of it gives the pH.
    """
    if titrant is None:
        plain = build((*totals, "proton"))
        excess = _excess_charge(plain, plain.amounts(totals), pH)
        titrant = default_titrant(totals, acid=excess > 0.0)
    model = build((*dict.fromkeys((*totals, titrant)), "proton"))
    place = model.tableau.components.index(titrant)
    start = model.amounts(totals)
    excess = _excess_charge(model, start, pH)
    if excess * model.tableau.component_charge[place] > 0.0:
        needed = "an acid, so an anion" if excess > 0.0 else "a base, so a cation"
        raise SpecificationError(
            f"pH {pH:g} needs {needed}, but {titrant} is none.", where="titrant"
        )

    def excess_with(added: float) -> float:
        amounts = start.copy()
        amounts[place] += added
        return _excess_charge(model, amounts, pH)

    added = _root(excess_with, excess, pH, titrant)
    start[place] += added
    start[model.proton] = model.neutral_proton(start)
    return Titration(model, start, titrant, added, model.solve(start, pH=pH))


def default_titrant(totals: Mapping[str, float], *, acid: bool) -> str:
    """Return what a plant would add: the acid of its main anion, or the base it already holds."""
    candidates: Sequence[str] = (
        ("chloride", "sulfate", "nitrate", "acetate")
        if acid
        else ("sodium", "ammonium", "potassium")
    )
    return max(candidates, key=lambda name: totals.get(name, 0.0))


def _excess_charge(model: LiquorModel, totals: FloatArray, pH: float) -> float:
    """Return the charge of a liquor at a pH, [mol/m³]."""
    held = model.held_proton(model.solve(totals, pH=pH))
    return held - model.neutral_proton(totals)


def _root(excess_with: Callable[[float], float], excess: float, pH: float, name: str) -> float:
    from scipy.optimize import brentq

    if excess == 0.0:
        return 0.0
    high = abs(excess)
    while excess_with(high) * excess > 0.0:
        high *= 2.0
        if high > LARGEST_TITRANT:
            raise SpecificationError(
                f"no amount of {name} up to {LARGEST_TITRANT:g} mol/m³ gives pH {pH:g}.",
                where="pH",
                mend="Name another titrant.",
            )
    return float(brentq(excess_with, 0.0, high, xtol=1e-12 * high, rtol=1e-14))
