"""What a fit holds true before it sees a table; every report states it beside the outcome."""

from __future__ import annotations

import math
from dataclasses import dataclass

from raffinate.sources import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class SeparationPrior:
    """A measured β(first/second) = D(first)/D(second), with normal error of its logarithm.

    Attributes:
        first: Symbol of the element extracted more.
        second: Symbol of the element extracted less.
        separation_factor: β, [-].
        log10_deviation: Standard deviation of log₁₀ β, [-].
        source: Who says so.
        loading: Share of the extractant bound to metals where β was found, [-].
    """

    first: str
    second: str
    separation_factor: float
    log10_deviation: float
    source: Source
    loading: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadingPrior:
    """Normal priors on the terms of `raffinate.chemistry.loading.LoadingModel`, about 0.

    Attributes:
        level_deviation: Of a0: shift of log₁₀ D from empty to full extractant, [-].
        spread_deviation: Of a1: share of log₁₀ β lost from empty to full extractant, [-].
        reference: log₁₀ K at which κ is 0, [-].
    """

    level_deviation: float = 0.5
    spread_deviation: float = 0.25
    reference: float = -1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A log-normal prior on a standard deviation of log₁₀ D, or on a ratio of two.

    Attributes:
        median: [-].
        factor: One standard deviation of the prior multiplies or divides by this, [-].
    """

    median: float
    factor: float

    @property
    def root_mean_square(self) -> float:
        """Root of the mean square, which a case not yet seen has to be given, [-]."""
        return self.median * math.exp(math.log(self.factor) ** 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectPriors:
    """How far flasks, series and laboratories are expected to differ, in log₁₀ D.

    All are assumed. A laboratory errs in acid and extractant strength by about 0.05 in their
    logarithms and log₁₀ D holds three of each, hence 0.15 for all it measures; 0.1 more separates
    its series of one element from its others; 0.1 is left to a flask: these were written down
    before a table was fitted. That the assay error a table states, or is assumed to have, may be
    wrong by a factor of 2 in one laboratory was added after a first fit had been judged.

    Attributes:
        flask: Common to all elements of one flask, besides assay errors.
        series: Common to one element in one laboratory.
        laboratory: Common to all of one laboratory.
        assay: True over stated assay error of one laboratory, [-].
        tail: Degrees of freedom of Student's law of a flask, [-]; 4 bounds the pull of a wild one.
    """

    flask: Scale = Scale(median=0.1, factor=4.0)
    series: Scale = Scale(median=0.1, factor=2.0)
    laboratory: Scale = Scale(median=0.15, factor=2.0)
    assay: Scale = Scale(median=1.0, factor=2.0)
    tail: float = 4.0


YANG_2020 = Source(
    title="Separation factors of the CePr/Nd split with P507 from hydrochloric acid",
    reference="Yang et al., CIESC Journal 71 (2020) 3180",
    evidence="sourced",
    note=(
        "process values β(Pr/Ce) 2.03, β(Nd/Pr) 1.55; their deviation 0.01 in log₁₀ β and the "
        "share 0.72 of extractant loaded, that of organic saponified to 36 %, are assumed"
    ),
)

PROCESS_LOADING = 0.72
"""Share of dimer bound when organic saponified to 36 % of its HA has taken up all it can, [-]."""

P507_CHLORIDE_PRIORS = (
    SeparationPrior(
        first="Pr",
        second="Ce",
        separation_factor=2.03,
        log10_deviation=0.01,
        source=YANG_2020,
        loading=PROCESS_LOADING,
    ),
    SeparationPrior(
        first="Nd",
        second="Pr",
        separation_factor=1.55,
        log10_deviation=0.01,
        source=YANG_2020,
        loading=PROCESS_LOADING,
    ),
)
"""Priors for P507 (PC-88A, EHEHPA) against chloride liquor."""

_P507_NAMES = ("pc88a", "p507", "ehehpa", "hehehp")


def default_priors(extractant: str, medium: str) -> tuple[SeparationPrior, ...]:
    """Return the priors that go with an extractant and a medium; none if we know of none."""
    plain = "".join(letter for letter in extractant.lower() if letter.isalnum())
    chloride = "hcl" in medium.lower() or "chloride" in medium.lower()
    return P507_CHLORIDE_PRIORS if plain in _P507_NAMES and chloride else ()
