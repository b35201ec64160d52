"""What is known of separation factors besides the table that is fitted."""

from __future__ import annotations

from dataclasses import dataclass

from raffinate.sources import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class SeparationPrior:
    """A normal prior on log₁₀ β(first/second), β = D(first)/D(second) = K(first)/K(second).

    Attributes:
        first: Symbol of the element extracted more.
        second: Symbol of the element extracted less.
        separation_factor: β, [-].
        log10_deviation: Standard deviation of log₁₀ β, [-].
        source: Who says so.
    """

    first: str
    second: str
    separation_factor: float
    log10_deviation: float
    source: Source


YANG_2020 = Source(
    title="Separation factors of the CePr/Nd split with P507 from hydrochloric acid",
    reference="Yang et al., CIESC Journal 71 (2020) 3180",
    evidence="sourced",
    note="process values β(Pr/Ce) 2.03, β(Nd/Pr) 1.55; the deviation 0.01 in log₁₀ β is assumed",
)

P507_CHLORIDE_PRIORS = (
    SeparationPrior(
        first="Pr", second="Ce", separation_factor=2.03, log10_deviation=0.01, source=YANG_2020
    ),
    SeparationPrior(
        first="Nd", second="Pr", separation_factor=1.55, log10_deviation=0.01, source=YANG_2020
    ),
)
"""Priors for P507 (PC-88A, EHEHPA) against chloride liquor."""

_P507_NAMES = ("pc88a", "p507", "ehehpa", "hehehp")


def default_priors(extractant: str, medium: str) -> tuple[SeparationPrior, ...]:
    """Return the priors that go with an extractant and a medium; none if we know of none."""
    plain = "".join(letter for letter in extractant.lower() if letter.isalnum())
    chloride = "hcl" in medium.lower() or "chloride" in medium.lower()
    return P507_CHLORIDE_PRIORS if plain in _P507_NAMES and chloride else ()
