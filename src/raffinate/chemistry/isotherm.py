"""Isotherms of a system: what a row of contacts gives while one thing is varied."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.contact_state import Contact
from raffinate.chemistry.isotherm_points import (
    MEASURES,
    Shaker,
    Sweep,
    lay_out_sweep,
    reach_targets,
)
from raffinate.chemistry.nonideality import ActivityKind
from raffinate.chemistry.system import ExtractionSystem
from raffinate.errors import RaffinateError, SpecificationError, nearest_name
from raffinate.sources import Source

if TYPE_CHECKING:
    import pandas as pd

Array: TypeAlias = NDArray[np.float64]

Variable = Literal["oa", "metal", "acid", "saponification", "extractant", "pH", "loading"]
"""What can be varied; pH and loading are those at equilibrium and are sought."""

VARIABLES: tuple[Variable, ...] = get_args(Variable)

COLUMNS: Mapping[Variable, str] = {
    "oa": "oa_ratio",
    "metal": "feed_metal_mol_per_m3",
    "acid": "feed_acid_mol_per_m3",
    "saponification": "saponification_degree",
    "extractant": "extractant_mol_per_m3",
    "pH": "pH",
    "loading": "loading",
}
"""Name of the column that holds what is varied; the unit is in the name."""

TOTAL = "total"
"""Stands for all rare earths and impurities together where an element may be named."""

_WHERE = "isotherm"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Isotherm:
    """Equilibria of one system along one variable, in rising order of it.

    Attributes:
        system: Name of the system.
        elements: Symbols; they fix the last axis of the concentrations.
        variable: What was varied.
        value: Its values, (point,): O/A, degree, pH and loading are numbers, the others [mol/m³].
        oa_ratio: Volume of organic over volume of aqueous, (point,), [-].
        aqueous: At equilibrium, (point, element), [mol/m³].
        organic: At equilibrium, (point, element), [mol/m³].
        pH: At equilibrium, (point,).
        loading: Share of the extractant bound to metal, (point,), [-].
        free_extractant: Extractant bound to nothing, (point,), [mol/m³].
        doubtful: Where a warning holds that does not hold at every point, (point,).
        warnings: Sentences on where the result should be doubted, each said once.
        sources: Who says so.
    """

    system: str
    elements: tuple[str, ...]
    variable: Variable
    value: Array
    oa_ratio: Array
    aqueous: Array
    organic: Array
    pH: Array
    loading: Array
    free_extractant: Array
    doubtful: NDArray[np.bool_]
    warnings: tuple[str, ...]
    sources: tuple[Source, ...]

    @property
    def distribution_ratio(self) -> Array:
        """D = y/x, (point, element), [-]; NaN where there is none of the element."""
        present = self.aqueous > 0.0
        return np.where(present, self.organic / np.where(present, self.aqueous, 1.0), np.nan)

    def index(self, element: str) -> int:
        """Return the place of `element` on the element axis.

        Raises:
            SpecificationError: It is not in the liquor.
        """
        if element not in self.elements:
            raise SpecificationError(
                f"{element!r} is not in the liquor.",
                where=_WHERE,
                allowed=", ".join((*self.elements, TOTAL)),
                mend=nearest_name(element, (*self.elements, TOTAL)),
            )
        return self.elements.index(element)

    def phases(self, element: str = TOTAL) -> tuple[Array, Array]:
        """Return aqueous and organic concentrations of an element or of all, (point,), [mol/m³]."""
        if element == TOTAL:
            return self.aqueous.sum(axis=1), self.organic.sum(axis=1)
        place = self.index(element)
        return self.aqueous[:, place], self.organic[:, place]

    def separation_factor(self, first: str, second: str) -> Array:
        """Return β = D(first)/D(second), (point,), [-]."""
        ratio = self.distribution_ratio
        return np.asarray(ratio[:, self.index(first)] / ratio[:, self.index(second)])

    def only(self, element: str) -> Isotherm:
        """Return the isotherm of one element beside the others, which are not shown."""
        place = [self.index(element)]
        return replace(
            self,
            elements=(element,),
            aqueous=self.aqueous[:, place],
            organic=self.organic[:, place],
        )

    def neighbours(self) -> tuple[tuple[str, str], ...]:
        """Return pairs that are neighbours in extraction, the better extracted first."""
        middle = self.distribution_ratio[len(self.value) // 2]
        order = [self.elements[place] for place in np.argsort(middle)[::-1]]
        return tuple(pairwise(order))

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per point; the unit is in the name of each column."""
        import pandas as pd

        columns: dict[str, Array] = {COLUMNS[self.variable]: self.value}
        columns.setdefault("oa_ratio", self.oa_ratio)
        columns.setdefault("pH", self.pH)
        columns.setdefault("loading", self.loading)
        columns["free_extractant_mol_per_m3"] = self.free_extractant
        for phase, held in (("aqueous", self.aqueous), ("organic", self.organic)):
            for place, symbol in enumerate(self.elements):
                columns[f"{phase}_{symbol}_mol_per_m3"] = held[:, place]
        for place, symbol in enumerate(self.elements):
            columns[f"D_{symbol}"] = self.distribution_ratio[:, place]
        for first, second in self.neighbours():
            columns[f"beta_{first}_{second}"] = self.separation_factor(first, second)
        return pd.DataFrame(columns)

    def to_dict(self) -> dict[str, Any]:
        """Return what `raffinate isotherm --json` prints, concentrations in [mol/m³]."""
        table = self.to_dataframe()
        return {
            "system": self.system,
            "variable": self.variable,
            "elements": list(self.elements),
            "points": {name: table[name].tolist() for name in table.columns},
            "warnings": list(self.warnings),
        }


def compute_isotherm(
    system: ExtractionSystem,
    aqueous: Mapping[str, float],
    organic: Mapping[str, float],
    *,
    vary: Variable = "oa",
    values: Sequence[float] | Array | None = None,
    points: int = 41,
    oa_ratio: float = 1.0,
    activity: ActivityKind | None = None,
    cation: str | None = None,
    advance: Callable[[], None] | None = None,
) -> Isotherm:
    """Shake a liquor with an organic again and again, varying one thing.

    Args:
        system: The constants.
        aqueous: As `equilibrate` takes it, [mol/m³].
        organic: As `equilibrate` takes it, [mol/m³].
        vary: `oa`, O/A at fixed feed and organic; `metal`, all metals of the feed together, their
            proportions and the free acid kept; `acid`, free acid of the feed; `saponification`
            and `extractant` of the organic; `pH`, that at equilibrium, reached by saponifying the
            organic or by acid in the feed; `loading`, that at equilibrium, reached by O/A.
        values: Of what is varied, finite and above 0 ([mol/m³] where it is a concentration); left
            out, a range that fits the liquor.
        points: How many, where `values` is left out.
        oa_ratio: Where O/A is not varied, [-].
        activity: Activity model; left out, that of the system.
        cation: What the organic is saponified with; left out, the first cation of the system.
        advance: Called after each contact.

    Raises:
        SpecificationError: A liquor or organic that cannot exist at any point, or a pH or loading
            that cannot be reached.
    """
    if vary not in VARIABLES:
        raise SpecificationError(
            f"{vary!r} cannot be varied.", where=_WHERE, allowed=", ".join(VARIABLES)
        )
    if values is None and points < 2:
        raise SpecificationError(f"{points} points.", where=_WHERE, allowed="2 or more")
    if values is not None:
        _check_values(np.asarray(values, np.float64), vary)
    shaker = Shaker(
        system=_only_given(system, aqueous, organic),
        activity=activity,
        cation=cation,
        advance=advance or _nothing,
    )
    sweep = lay_out_sweep(system, aqueous, organic, oa_ratio, vary)
    if vary in MEASURES:
        found = reach_targets(shaker, sweep, vary, values, points)
    else:
        chosen = sweep.default(points) if values is None else np.sort(np.asarray(values, float))
        found = _shake_all(shaker, sweep, chosen)
    return _gathered(system, vary, *found)


def _check_values(values: Array, vary: Variable) -> None:
    usual = np.isfinite(values) if vary == "pH" else np.isfinite(values) & (values >= 0.0)
    positive = values.size and (vary in ("pH", "acid", "saponification") or values.min() > 0.0)
    if not (values.ndim == 1 and usual.all() and positive):
        raise SpecificationError(
            f"values of {vary} are {', '.join(f'{value:g}' for value in values.ravel()[:6])}.",
            where=_WHERE,
            allowed="at least one, all finite and above 0",
        )


def _only_given(
    system: ExtractionSystem, aqueous: Mapping[str, float], organic: Mapping[str, float]
) -> ExtractionSystem:
    """Return the system without elements that neither phase has: each costs time."""
    given = tuple(symbol for symbol in system.elements if symbol in aqueous or symbol in organic)
    return system.subset(given) if given else system


def _nothing() -> None:
    """Advance nothing."""


def _shake_all(
    shaker: Shaker, sweep: Sweep, values: Array
) -> tuple[Array, list[Contact], tuple[str, ...]]:
    """Shake at every value; points that have no equilibrium are left out and said."""
    kept, contacts = [], []
    refused: list[RaffinateError] = []
    for value in values:
        try:
            contacts.append(shaker(*sweep.contact(float(value))))
        except RaffinateError as error:
            refused.append(error)
        else:
            kept.append(float(value))
    if not contacts:
        raise refused[0]
    notes: tuple[str, ...] = ()
    if refused:
        notes = (
            f"{len(refused)} of {len(values)} points have no equilibrium and are left out; the "
            f"first: {refused[0]}",
        )
    return np.array(kept), contacts, notes


def _gathered(
    system: ExtractionSystem,
    vary: Variable,
    values: Array,
    contacts: Sequence[Contact],
    notes: tuple[str, ...],
) -> Isotherm:
    elements = contacts[0].elements

    def held(phase: str) -> Array:
        return np.array([[getattr(c, phase)[symbol] for symbol in elements] for c in contacts])

    warnings, doubtful = said_once([contact.warnings for contact in contacts])
    return Isotherm(
        system=system.name,
        elements=elements,
        variable=vary,
        value=np.asarray(values, np.float64),
        oa_ratio=np.array([contact.oa_ratio for contact in contacts]),
        aqueous=held("aqueous"),
        organic=held("organic"),
        pH=np.array([contact.pH for contact in contacts]),
        loading=np.array([contact.loading for contact in contacts]),
        free_extractant=np.array([contact.free_extractant for contact in contacts]),
        doubtful=doubtful,
        warnings=(*notes, *warnings),
        sources=tuple(dict.fromkeys(each for contact in contacts for each in contact.sources)),
    )


def said_once(warnings: Sequence[Sequence[str]]) -> tuple[list[str], NDArray[np.bool_]]:
    """Join warnings that differ in their numbers only; say where those hold that are not general.

    Returns:
        Sentences, and whether a point has a warning that not every point has, (point,).
    """
    first: dict[str, str] = {}
    places: dict[str, set[int]] = {}
    for point, at_point in enumerate(warnings):
        for warning in at_point:
            shape = re.sub(r"[-+]?\d[\d.]*(e[-+]?\d+)?", "#", warning)
            first.setdefault(shape, warning)
            places.setdefault(shape, set()).add(point)
    count, doubtful, sentences = len(warnings), np.zeros(len(warnings), bool), []
    for shape, warning in first.items():
        if len(places[shape]) == count:
            sentences.append(warning)
        else:
            doubtful[list(places[shape])] = True
            sentences.append(
                f"At {len(places[shape])} of {count} points, the first being: {warning}"
            )
    return sentences, doubtful
