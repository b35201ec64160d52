"""Activity models of both phases behind one protocol, on one stated concentration basis.

An activity is γ·c/(1000 mol/m³): a model returns ln γ for concentrations in mol per m³ of the
phase. Aqueous activities refer to 1 mol per kg of water at infinite dilution, so γ of a liquor is
its molal coefficient divided by the kilograms of water in a litre; organic ones to an ideal
1 mol/L at trace loading. With ideal activities γ is 1 in both, and so is the kilogram in the litre.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np

from raffinate.chemistry.activity_bdot import build_bdot
from raffinate.chemistry.activity_davies import DAVIES_SOURCE, DaviesModel
from raffinate.chemistry.activity_organic import (
    OrganicActivity,
    OrganicParameters,
    build_organic,
)
from raffinate.chemistry.liquor_density import liquor_volumes, water_content
from raffinate.chemistry.loading import LoadingModel
from raffinate.chemistry.pitzer_build import build_pitzer
from raffinate.chemistry.species import Species
from raffinate.chemistry.system_parts import ApparentSlope
from raffinate.errors import SpecificationError, nearest_name
from raffinate.numerics.jax_setup import Array, jnp
from raffinate.sources import Source

ActivityKind = Literal["ideal", "davies", "bdot", "pitzer"]
"""Aqueous activity models, cheapest first."""

ACTIVITY_KINDS: tuple[ActivityKind, ...] = ("ideal", "davies", "bdot", "pitzer")


class NonIdeality(Protocol):
    """Activity coefficients of every species; frozen and hashable, its numbers travel apart."""

    def log_coefficients(
        self, aqueous: Array, organic: Array, parameters: Any
    ) -> tuple[Array, Array, Array]:
        """Return ln γ of the aqueous and the organic species, and ln a of water, [-].

        Args:
            aqueous: Concentrations of the aqueous species, (aqueous species, ...), [mol/m³].
            organic: Concentrations of the organic species, (organic species, ...), [mol/m³].
            parameters: The array pytree that was built with the model.
        """


@dataclass(frozen=True, slots=True)
class IdealPhases:
    """Both phases ideal: every coefficient and the activity of water are 1."""

    def log_coefficients(
        self, aqueous: Array, organic: Array, parameters: Any
    ) -> tuple[Array, Array, Array]:
        """Return zeros, see `NonIdeality`."""
        return jnp.zeros_like(aqueous), jnp.zeros_like(organic), jnp.zeros_like(aqueous[0])


IDEAL = IdealPhases()


class AqueousModel(Protocol):
    """Activity coefficients of a liquor on the molal scale; frozen and hashable."""

    def log_molal(self, molality: Array, parameters: Any) -> tuple[Array, Array]:
        """Return ln γ, (ion, ...), and ln of the activity of water, (...), [-].

        Args:
            molality: Of every aqueous species, (ion, ...), [mol/kg of water].
            parameters: The array pytree that was built with the model.
        """


@dataclass(frozen=True, slots=True)
class IdealLiquor:
    """Every aqueous coefficient and the activity of water are 1."""

    def log_molal(self, molality: Array, parameters: Any) -> tuple[Array, Array]:
        """Return zeros, see `AqueousModel`."""
        return jnp.zeros_like(molality), jnp.zeros_like(molality[0])


class PhaseParameters(NamedTuple):
    """Numbers of `NonIdealPhases`.

    Attributes:
        aqueous: Of the aqueous model.
        organic: Of the organic model.
        volumes: Apparent molar volumes of the aqueous species, (3, ion), [m³/mol].
    """

    aqueous: Any
    organic: OrganicParameters
    volumes: Array


@dataclass(frozen=True, slots=True)
class NonIdealPhases:
    """An aqueous model, the water content of the liquor, and an organic model.

    Attributes:
        aqueous: Molal activity coefficients.
        organic: Loading term and apparent slopes.
        charges: Of the aqueous species.
        by_volume: Amounts are per m³ of liquor; else per 1000 kg of water.
    """

    aqueous: AqueousModel
    organic: OrganicActivity
    charges: tuple[int, ...]
    by_volume: bool

    def log_coefficients(
        self, aqueous: Array, organic: Array, parameters: PhaseParameters
    ) -> tuple[Array, Array, Array]:
        """Return ln γ of both phases and ln of the activity of water, see `NonIdeality`."""
        if self.by_volume:
            water = water_content(aqueous, parameters.volumes, self.charges)
            log_gamma, log_water = self.aqueous.log_molal(aqueous / water, parameters.aqueous)
            log_gamma = log_gamma - jnp.log(water / 1000.0)
        else:
            log_gamma, log_water = self.aqueous.log_molal(aqueous / 1000.0, parameters.aqueous)
        bound = self.organic.log_coefficients(aqueous, log_gamma, organic, parameters.organic)
        return log_gamma, bound, log_water


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BuiltNonIdeality:
    """An activity model and its numbers.

    Attributes:
        model: Static and hashable; goes through `jit` as a static argument.
        parameters: Array pytree for `log_coefficients`; goes through `jit` as an argument.
        warnings: One sentence for each unsourced or missing parameter and each double count.
        sources: Who gave the numbers.
    """

    model: NonIdeality
    parameters: Any
    warnings: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()


def build_nonideality(
    kind: ActivityKind,
    species: Sequence[Species],
    *,
    loading: LoadingModel | None = None,
    apparent: Sequence[ApparentSlope] = (),
    molal: bool = False,
) -> BuiltNonIdeality:
    """Return the activity model of this kind for these species.

    Args:
        kind: Aqueous model.
        species: Every species, aqueous first, in the order of the tableau.
        loading: Dependence of the organic coefficients on the loading.
        apparent: Elements whose measured slopes differ from those of mass action.
        molal: Amounts are given per 1000 kg of water in place of per m³ of liquor.

    Raises:
        SpecificationError: There is no such kind, or a term names an element without a species.
    """
    if kind not in ACTIVITY_KINDS:
        raise SpecificationError(
            f"there is no activity model {kind!r}.",
            where="activity",
            allowed=", ".join(ACTIVITY_KINDS),
            mend=nearest_name(kind, ACTIVITY_KINDS),
        )
    if kind == "ideal" and loading is None and not apparent:
        return BuiltNonIdeality(model=IDEAL, parameters=())
    aqueous = tuple(one for one in species if one.phase == "aqueous")
    model, numbers, warnings, sources = _AQUEOUS[kind](aqueous)
    volumes = None
    if kind != "ideal" and not molal:
        volumes = liquor_volumes(aqueous)
        warnings, sources = (*warnings, *volumes.warnings), (*sources, *volumes.sources)
    organic, organic_numbers = build_organic(species, loading, apparent)
    named = [] if loading is None else [loading.source]
    named += [term.source for term in apparent]
    return BuiltNonIdeality(
        model=NonIdealPhases(
            aqueous=model,
            organic=organic,
            charges=tuple(one.charge for one in aqueous),
            by_volume=volumes is not None,
        ),
        parameters=PhaseParameters(
            aqueous=numbers,
            organic=organic_numbers,
            volumes=jnp.asarray(volumes.volumes if volumes else np.zeros((3, len(aqueous)))),
        ),
        warnings=tuple(dict.fromkeys(warnings)),
        sources=tuple(dict.fromkeys((*sources, *named))),
    )


_Built = tuple[AqueousModel, Any, tuple[str, ...], tuple[Source, ...]]


def _ideal(species: Sequence[Species]) -> _Built:
    return IdealLiquor(), (), (), ()


def _davies(species: Sequence[Species]) -> _Built:
    return DaviesModel(tuple(one.charge for one in species)), (), (), (DAVIES_SOURCE,)


_AQUEOUS: dict[ActivityKind, Callable[[Sequence[Species]], _Built]] = {
    "ideal": _ideal,
    "davies": _davies,
    "bdot": build_bdot,
    "pitzer": build_pitzer,
}
