"""Salts, acids and bases by their formulae, as the components a liquor is made of."""

from __future__ import annotations

import re
from collections.abc import Mapping

from raffinate.chemistry.species import FREE_SPECIES
from raffinate.errors import SpecificationError, nearest_name

_GROUPS: Mapping[str, str] = {
    "NH4": "ammonium",
    "Na": "sodium",
    "K": "potassium",
    "H": "proton",
    "Cl": "chloride",
    "SO4": "sulfate",
    "NO3": "nitrate",
    "CH3COO": "acetate",
    "C2O4": "oxalate",
    "OH": "hydroxide",
    "UO2": "U",
}
"""Ions by the group that stands for them in a formula; elements stand for themselves."""

_PART = re.compile(
    r"\((?P<held>[A-Za-z0-9]+)\)(?P<many>\d*)|(?P<bare>NH4|CH3COO|C2O4|SO4|NO3|UO2|OH|[A-Z][a-z]?)"
    r"(?P<count>\d*)"
)
_WHERE = "liquor"


def components_of(name: str) -> dict[str, float]:
    """Return moles of each component in one mole of `name`.

    Args:
        name: A component such as "Nd" or "chloride", or a neutral formula such as "NdCl3",
            "Nd2(SO4)3", "HCl", "(NH4)2SO4" or "NaOH". A base counts as negative proton.

    Raises:
        SpecificationError: It is neither, or its charges do not add up to zero.
    """
    if name in FREE_SPECIES:
        return {name: 1.0}
    found: dict[str, float] = {}
    end = 0
    for part in _PART.finditer(name):
        if part.start() != end:
            break
        end = part.end()
        group = part["held"] or part["bare"]
        component = _GROUPS.get(group, group)
        count = float(part["many"] or part["count"] or 1)
        if component == "hydroxide":
            component, count = "proton", -count
        if component not in FREE_SPECIES:
            raise _unknown(name)
        found[component] = found.get(component, 0.0) + count
    if end != len(name) or not found:
        raise _unknown(name)
    charge = sum(FREE_SPECIES[component].charge * count for component, count in found.items())
    if abs(charge) > 1e-12:
        raise SpecificationError(
            f"{name} carries a charge of {charge:+g}.",
            where=_WHERE,
            allowed="neutral formulae, or components by name",
            mend=f"Here {', '.join(_told(component) for component in found)}.",
        )
    return found


def _told(component: str) -> str:
    return f"{component} is {FREE_SPECIES[component].name}"


def _unknown(name: str) -> SpecificationError:
    aqueous = tuple(each for each, free in FREE_SPECIES.items() if free.phase == "aqueous")
    return SpecificationError(
        f"{name!r} is neither a component nor a formula of known ions.",
        where=_WHERE,
        allowed=f"{', '.join(aqueous)}; and salts, acids and bases of them",
        mend=nearest_name(name, (*aqueous, *_GROUPS)),
    )
