"""Any tableau as the engine sees it: the unknowns of a contact and their residuals.

The unknowns are the logarithms of what the aqueous holds of every soluble component, in all its
species together, and of the free extractant and the free proton. At these the aqueous speciates
by itself, which is solved inside and differentiated implicitly, and the organic follows by mass
action. However many complexes there are, the engine therefore sees no more unknowns than with
none.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.equilibrium import balanced
from raffinate.chemistry.equilibrium_contact import (
    amounts_of,
    first_guess,
    solve_at,
    standard_constants,
)
from raffinate.chemistry.equilibrium_gradient import Data
from raffinate.chemistry.equilibrium_plan import Plan, plan_of
from raffinate.chemistry.nonideality import IDEAL, IdealPhases, NonIdeality
from raffinate.chemistry.tableau import Tableau
from raffinate.errors import SpecificationError
from raffinate.numerics.jax_setup import Array, jnp, lax

SMALLEST_TOTAL = 1e-100
"""Total below which a component is treated as that much, [mol/m³]: its logarithm is needed."""


class TableauParameters(NamedTuple):
    """Numbers of a tableau.

    Attributes:
        log10_constants: Of formation, (species,), [-].
        nonideal: Numbers of the activity model.
    """

    log10_constants: Array
    nonideal: Any = ()


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the engine's components are in the tableau.

    Attributes:
        components: Places of the engine's components in the tableau, extractant last.
        proton: Place of the proton.
        matrix: Moles of the engine's components in each species, (species, component).
        charge: Of the species, (species,).
        component_charge: Of the engine's components, (component,).
        free_proton, free_extractant: Species.
        aqueous_count: Number of aqueous species.
        whole: Plan of a contact whose totals are known.
        stage: Plan of an aqueous whose totals, free proton and free extractant are known.
    """

    components: tuple[int, ...]
    proton: int
    matrix: NDArray[np.float64]
    charge: NDArray[np.float64]
    component_charge: NDArray[np.float64]
    free_proton: int
    free_extractant: int
    aqueous_count: int
    whole: Plan
    stage: Plan


@lru_cache(maxsize=256)
def _layout(tableau: Tableau, elements: tuple[str, ...]) -> _Layout:
    names = tableau.components
    others = [n for n in names if n not in (*elements, "proton", "extractant")]
    order = tuple(names.index(name) for name in (*elements, *others, "extractant"))
    proton = names.index("proton")
    matrix = tableau.stoichiometry[:, list(order)]
    return _Layout(
        components=order,
        proton=proton,
        matrix=matrix,
        charge=tableau.charge,
        component_charge=tableau.component_charge[list(order)],
        free_proton=tableau.free[proton],
        free_extractant=tableau.free[order[-1]],
        aqueous_count=tableau.aqueous_count,
        whole=plan_of(tableau),
        stage=plan_of(tableau, (("proton", "concentration"), ("extractant", "concentration"))),
    )


@dataclass(frozen=True, slots=True)
class TableauChemistry:
    """A tableau behind `StageChemistry`.

    Components: the rare earths and other metals the loop returns, then cations and anions, then
    the extractant. The proton is not balanced: electroneutrality of the aqueous fixes it.

    Attributes:
        tableau: Components and species; "proton" and "extractant" must be among the components.
        elements: Symbols of the metals, first among the engine's components.
        model: Activity model.
    """

    tableau: Tableau
    elements: tuple[str, ...]
    model: NonIdeality = IDEAL

    def __post_init__(self) -> None:
        """Refuse a tableau that the engine cannot carry through a bank.

        Raises:
            SpecificationError: Names the component.
        """
        for name in ("proton", "extractant", *self.elements):
            if name not in self.tableau.components:
                raise SpecificationError(f"{name!r} is no component.", where="tableau of a bank")
        layout = _layout(self.tableau, self.elements)
        aqueous = layout.matrix[: layout.aqueous_count] != 0.0
        for index, name in enumerate(self.components):
            if bool(aqueous[:, index].any()) == (name == "extractant"):
                place = "in the liquor" if name == "extractant" else "in the organic alone"
                raise SpecificationError(
                    f"{name!r} is {place}.",
                    where="tableau of a bank",
                    allowed="extractant in the organic alone, all else in the liquor",
                    mend="Leave out its species there, or put a modifier into the constants.",
                )

    @property
    def components(self) -> tuple[str, ...]:
        """Names of the balanced components."""
        layout = _layout(self.tableau, self.elements)
        return tuple(self.tableau.components[k] for k in layout.components)

    @property
    def organic_components(self) -> tuple[int, ...]:
        """Indices of the components that some organic species holds."""
        layout = _layout(self.tableau, self.elements)
        held = (layout.matrix[layout.aqueous_count :] != 0.0).any(axis=0)
        return tuple(int(k) for k in np.flatnonzero(held))

    @property
    def element_count(self) -> int:
        """Number of metals that the organic loop returns."""
        return len(self.elements)

    @property
    def unknown_count(self) -> int:
        """Logarithms of the soluble components in the aqueous, of free extractant and proton."""
        return len(self.tableau.components)

    @property
    def acidity(self) -> tuple[int, int]:
        """Places of ln h and ln f among the unknowns."""
        return (self.unknown_count - 1, self.unknown_count - 2)

    def residual(
        self,
        unknowns: Array,
        totals: Array,
        organic_fraction: Array,
        parameters: TableauParameters,
    ) -> Array:
        """Return balances, then electroneutrality, each relative to what is present, [-]."""
        concentration = self.concentrations(unknowns, parameters)
        aqueous, organic = self._phases(unknowns, concentration)
        held = (1.0 - organic_fraction) * aqueous + organic_fraction * organic
        scale = lax.stop_gradient(held)
        layout = _layout(self.tableau, self.elements)
        ions = (layout.charge * concentration)[: layout.aqueous_count]
        charge = jnp.sum(ions) / lax.stop_gradient(jnp.sum(jnp.abs(ions)))
        return jnp.append((held - totals) / scale, charge)

    def moved(self, unknowns: Array, step: Array, bound: float) -> Array:
        """Return unknowns (..., unknown) after a Newton step that cannot leave the positive.

        Balances are nearly linear in what the aqueous holds, so that takes the step as a relative
        change; free extractant and proton, which enter as powers, take it in the logarithm.
        """
        count = self.unknown_count - 2
        factor = 1.0 + step[..., :count]
        linear = jnp.log(jnp.clip(factor, jnp.exp(-4.0 * bound), jnp.exp(4.0 * bound)))
        logarithmic = jnp.clip(step[..., count:], -bound, bound)
        return unknowns + jnp.concatenate([linear, logarithmic], axis=-1)

    def concentrations(self, unknowns: Array, parameters: TableauParameters) -> Array:
        """Return every species of a contact (unknown,), (species,), [mol/m³ of its phase]."""
        layout = _layout(self.tableau, self.elements)
        plan = layout.stage
        totals = jnp.zeros((self.unknown_count, 1))
        known = jnp.exp(unknowns)[:, None]
        places = np.array([*layout.components, layout.proton], dtype=np.intp)
        totals = totals.at[places].set(known)
        data = Data(
            totals=totals,
            # Only the aqueous is balanced here: the organic is what mass action makes of it.
            volume=jnp.array([[1.0], [0.0]]),
            log_constants=standard_constants(plan, parameters.log10_constants[:, None]),
            parameters=parameters.nonideal,
        )
        organic = jnp.ones((1,), dtype=bool)
        if plan.masters or not isinstance(self.model, IdealPhases):
            found = balanced(plan, self.model, data, organic).log_concentration
        else:
            amounts = amounts_of(plan, totals, data.volume, organic)
            none = jnp.zeros_like(data.log_constants)
            start = first_guess(plan, amounts, data.log_constants)
            solved = solve_at(plan, amounts, data.log_constants, none, none[0], start)
            found = solved.log_concentration
        return jnp.exp(found[:, 0])

    def _phases(self, unknowns: Array, concentration: Array) -> tuple[Array, Array]:
        layout = _layout(self.tableau, self.elements)
        aqueous = jnp.append(jnp.exp(unknowns[:-2]), 0.0)
        held = concentration[layout.aqueous_count :]
        return aqueous, held @ jnp.asarray(layout.matrix[layout.aqueous_count :])

    def phases(self, unknowns: Array, parameters: TableauParameters) -> tuple[Array, Array]:
        """Return aqueous and organic concentrations of the components, [mol/m³]."""
        return self._phases(unknowns, self.concentrations(unknowns, parameters))

    def distribution(self, unknowns: Array, parameters: TableauParameters) -> Array:
        """Return organic over aqueous of every component, (component,); 0 where one-sided."""
        aqueous, organic = self.phases(unknowns, parameters)
        return jnp.append(organic[:-1] / aqueous[:-1], 0.0)

    def proton(self, unknowns: Array) -> Array:
        """Return the free proton of contacts (..., unknown), [mol/m³]."""
        return jnp.exp(unknowns[..., self.acidity[0]])

    def free_extractant(self, unknowns: Array) -> Array:
        """Return the free extractant of contacts (..., unknown), [mol/m³]."""
        return jnp.exp(unknowns[..., self.acidity[1]])

    def contact(
        self, totals: Array, organic_fraction: Array, parameters: TableauParameters
    ) -> Array:
        """Return the unknowns at equilibrium for `totals`, (component,), [mol/m³ of both phases].

        The proton's total is what makes them neutral. Totals that have no equilibrium (an organic
        saponified beyond what the liquor can take up) give NaN.
        """
        layout = _layout(self.tableau, self.elements)
        held = jnp.maximum(totals, SMALLEST_TOTAL)
        proton = -jnp.sum(layout.component_charge * held)
        places = np.array([*layout.components, layout.proton], dtype=np.intp)
        everything = jnp.zeros((self.unknown_count, 1))
        everything = everything.at[places].set(jnp.append(held, proton)[:, None])
        fraction = jnp.asarray(organic_fraction)[None]
        data = Data(
            totals=everything,
            volume=jnp.stack([1.0 - fraction, fraction]),
            log_constants=standard_constants(layout.whole, parameters.log10_constants[:, None]),
            parameters=parameters.nonideal,
        )
        logs = balanced(layout.whole, self.model, data, fraction > 0.0).log_concentration[:, 0]
        aqueous = jnp.exp(logs[: layout.aqueous_count])
        soluble = aqueous @ jnp.asarray(layout.matrix[: layout.aqueous_count, :-1])
        free = jnp.stack([logs[layout.free_extractant], logs[layout.free_proton]])
        return jnp.concatenate([jnp.log(soluble), free])
