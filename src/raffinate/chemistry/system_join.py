"""Systems put together: the rare earths of one source, the impurities of another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from raffinate.chemistry.system import ExtractionSystem
from raffinate.errors import SpecificationError

SHARED = ("extractant", "mechanism", "medium", "extractant_form", "temperature")
"""What two systems must agree on before their constants can stand in one."""


def join_systems(base: ExtractionSystem, *others: ExtractionSystem) -> ExtractionSystem:
    """Return `base` with the elements of other systems after its own.

    Saponification, loading, limits, activities and name stay those of `base`; the constants of
    different systems are taken as uncorrelated. Where the others stand on another scale of
    activities, a sentence of the joined `validity` says so.

    Raises:
        SpecificationError: Two systems differ in extractant, medium or form, or share an element.
    """
    for other in others:
        base = _join(base, other)
    return base


def _join(base: ExtractionSystem, other: ExtractionSystem) -> ExtractionSystem:
    unlike = [name for name in SHARED if getattr(base, name) != getattr(other, name)]
    if unlike:
        raise SpecificationError(
            f"{base.name} and {other.name} differ in {', '.join(unlike)}: "
            + "; ".join(f"{getattr(base, name)} against {getattr(other, name)}" for name in unlike)
            + ".",
            where="join_systems",
            allowed=f"the same {', '.join(SHARED)}",
        )
    twice = [symbol for symbol in other.elements if symbol in base.elements]
    if twice:
        raise SpecificationError(
            f"both {base.name} and {other.name} have {', '.join(twice)}.",
            where="join_systems",
            mend="Take a subset() of one of them.",
        )
    scale = (
        (f"{', '.join(other.elements)}: constants found with {other.activity} activities.",)
        if other.activity != base.activity
        else ()
    )
    blank = np.zeros((len(base.elements), len(other.elements)))
    own = {species.name for species in (*base.complexes, *base.organic_species)}
    return replace(
        base,
        elements=(*base.elements, *other.elements),
        log10_extraction_constant=np.concatenate(
            [base.log10_extraction_constant, other.log10_extraction_constant]
        ),
        log10_covariance=np.block(
            [[base.log10_covariance, blank], [blank.T, other.log10_covariance]]
        ),
        constant_sources=(*base.constant_sources, *other.constant_sources),
        charge=np.concatenate([base.charge, other.charge]),
        extractant_number=np.concatenate([base.extractant_number, other.extractant_number]),
        complexes=(*base.complexes, *(one for one in other.complexes if one.name not in own)),
        organic_species=(
            *base.organic_species,
            *(one for one in other.organic_species if one.name not in own),
        ),
        apparent=(*base.apparent, *other.apparent),
        temperature_slopes=(*base.temperature_slopes, *other.temperature_slopes),
        basis=tuple(dict.fromkeys((*base.basis, *other.basis))),
        validity=tuple(dict.fromkeys((*base.validity, *other.validity, *scale))),
        missing=tuple(each for each in base.missing if each[0] not in other.elements),
    )
