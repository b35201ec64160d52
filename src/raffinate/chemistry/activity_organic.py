"""Activity coefficients of the organic species: loading, and slopes that mass action misses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from raffinate.chemistry.loading import LoadingModel
from raffinate.chemistry.species import Species
from raffinate.chemistry.system_parts import ApparentSlope
from raffinate.errors import SpecificationError
from raffinate.numerics.jax_setup import Array, jnp

TRACE = 1e-30
"""[mol/m³], added under each logarithm so that an absent species gives no NaN."""

NOT_METALS = frozenset(
    (
        "proton",
        "ammonium",
        "sodium",
        "chloride",
        "sulfate",
        "nitrate",
        "acetate",
        "extractant",
        "modifier",
    )
)
"""Components that bind extractant, if at all, without counting as loaded metal."""


class OrganicParameters(NamedTuple):
    """Numbers of the organic model, arrays so that they can be fitted.

    Attributes:
        level: a0 of log₁₀ γ_i = Σ_j (a0 + a1 (κ_i + κ_j)) φ_j, (), [-].
        spread: a1, (), [-].
        kappa: κ = log₁₀ K less a reference, (organic species,), [-]; read only of metals.
        slopes: Measured slopes of the elements that depart from mass action, (element, 3): of
            log₁₀ D against pH, its growth with free extractant [L/mol], against log₁₀ of free
            extractant.
    """

    level: Array
    spread: Array
    kappa: Array
    slopes: Array


@dataclass(frozen=True, slots=True)
class ApparentCarrier:
    """Where an element with apparent slopes stands.

    Attributes:
        organic: Index of its organic species.
        aqueous: Index of its free ion.
        protons: Released per mole on extraction, [-].
        units: Of free extractant taken up, [-].
    """

    organic: int
    aqueous: int
    protons: float
    units: float


@dataclass(frozen=True, slots=True)
class OrganicActivity:
    """Regular-solution loading term and apparent slopes.

    Attributes:
        metals: Which organic species carry a metal, (organic species,).
        extractant: Extractant units in each organic species, (organic species,).
        loaded: Whether the loading term is present.
        carriers: One for each element with apparent slopes.
        proton: Index of the free proton among the aqueous species, or -1.
        free_extractant: Index of the free extractant among the organic species, or -1.
    """

    metals: tuple[bool, ...]
    extractant: tuple[float, ...]
    loaded: bool
    carriers: tuple[ApparentCarrier, ...]
    proton: int
    free_extractant: int

    def log_coefficients(
        self, aqueous: Array, log_aqueous: Array, organic: Array, parameters: OrganicParameters
    ) -> Array:
        """Return ln γ of the organic species, (organic species, ...), [-].

        Args:
            aqueous: (aqueous species, ...), [mol/m³].
            log_aqueous: ln γ of the aqueous species on the concentration scale.
            organic: (organic species, ...), [mol/m³].
            parameters: See `OrganicParameters`.
        """
        result = jnp.zeros_like(organic)
        lift = (slice(None), *(None,) * (organic.ndim - 1))
        share = np.asarray(self.extractant)[lift] * organic
        total = jnp.sum(share, axis=0)
        if self.loaded:
            metals = np.asarray(self.metals)[lift]
            bound = jnp.where(metals, share / (total + TRACE), 0.0)
            kappa = parameters.kappa[lift]
            weighted = jnp.sum(kappa * bound, axis=0)
            level, spread = parameters.level, parameters.spread
            decades = (level + spread * kappa) * jnp.sum(bound, axis=0) + spread * weighted
            result = result + jnp.where(metals, math.log(10.0) * decades, 0.0)
        if self.carriers:
            acid = jnp.log(aqueous[self.proton] / 1000.0 + TRACE)
            free = jnp.log(organic[self.free_extractant] / 1000.0 + TRACE)
            for carrier, slopes in zip(self.carriers, parameters.slopes, strict=True):
                slope = slopes[0] + slopes[1] * organic[self.free_extractant] / 1000.0
                departure = (
                    (slope - carrier.protons) * acid
                    + (carrier.units - slopes[2]) * free
                    + log_aqueous[carrier.aqueous]
                    - carrier.protons * log_aqueous[self.proton]
                )
                result = result.at[carrier.organic].add(departure)
        return result


def build_organic(
    species: Sequence[Species], loading: LoadingModel | None, apparent: Sequence[ApparentSlope]
) -> tuple[OrganicActivity, OrganicParameters]:
    """Return the organic model and its numbers for these species, aqueous ones included.

    An apparent slope is kept exactly, in concentrations: its ln γ makes up for what mass action
    and the aqueous activity coefficients would say of the free ion.

    Raises:
        SpecificationError: An apparent slope names an element that no species carries.
    """
    aqueous = [dict(one.composition) for one in species if one.phase == "aqueous"]
    organic = [one for one in species if one.phase == "organic"]
    compositions = [dict(one.composition) for one in organic]
    terms = [
        term for term in apparent if any(term.element in each for each in (*aqueous, *compositions))
    ]
    model = OrganicActivity(
        metals=tuple(
            any(name not in NOT_METALS and amount > 0.0 for name, amount in each.items())
            for each in compositions
        ),
        extractant=tuple(each.get("extractant", 0.0) for each in compositions),
        loaded=loading is not None,
        carriers=tuple(_carrier(term.element, aqueous, compositions) for term in terms),
        proton=_place({"proton": 1.0}, aqueous),
        free_extractant=_place({"extractant": 1.0}, compositions),
    )
    reference = loading.reference if loading else 0.0
    slopes = [(one.slope, one.slope_per_extractant, one.extractant_slope) for one in terms]
    parameters = OrganicParameters(
        level=jnp.asarray(loading.level if loading else 0.0),
        spread=jnp.asarray(loading.spread if loading else 0.0),
        kappa=jnp.asarray([one.log10_constant - reference for one in organic], float),
        slopes=jnp.asarray(np.reshape(slopes, (len(terms), 3)), float),
    )
    return model, parameters


def _place(wanted: dict[str, float], compositions: Sequence[dict[str, float]]) -> int:
    return next((k for k, each in enumerate(compositions) if each == wanted), -1)


def _carrier(
    element: str, aqueous: Sequence[dict[str, float]], organic: Sequence[dict[str, float]]
) -> ApparentCarrier:
    free = _place({element: 1.0}, aqueous)
    carried = [k for k, each in enumerate(organic) if each.get(element, 0.0) > 0.0]
    needed = (free, _place({"proton": 1.0}, aqueous), _place({"extractant": 1.0}, organic))
    if len(carried) != 1 or -1 in needed:
        raise SpecificationError(
            f"apparent slopes of {element} need one organic species of it, and its free ion, free"
            " proton and free extractant.",
            where="apparent",
            mend="Remove the slopes, or complete the species.",
        )
    place = carried[0]
    return ApparentCarrier(
        organic=place,
        aqueous=free,
        protons=-organic[place].get("proton", 0.0),
        units=organic[place].get("extractant", 0.0),
    )
