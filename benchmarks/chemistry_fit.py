"""How well a laboratory that was not seen is predicted, for `benchmarks/chemistry.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from raffinate.chemistry.fit import fit_system
from raffinate.chemistry.fit_sources import SourceTable, leave_one_source_out
from raffinate.lab.shake_out import load_shake_outs

TABLE = "pc88a_hcl_batch_tests"
JUDGE = "Kim (2012)"
"""The laboratory that measured neighbours in one flask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """Scores of laboratories left out in turn.

    Attributes:
        variant: Model and rule of exclusion, in words.
        rows: Distribution ratios predicted.
        median_error: Of log₁₀ D, [-].
        rms: Of log₁₀ D, [-].
        coverage: Share of rows inside their 90 % interval, [-].
        separations: Contacts of `JUDGE` with a β(Nd/Pr).
        within_stated: Those within 2 deviations of the assay error the table states.
        within_expected: Those within 2 of the assay error given to an unknown laboratory.
    """

    variant: str
    rows: int
    median_error: float
    rms: float
    coverage: float
    separations: int
    within_stated: int
    within_expected: int


def unseen_laboratories(
    *,
    activity: Literal["ideal", "pitzer"] = "ideal",
    loading: bool = False,
    unfiltered: bool = False,
) -> Unseen:
    """Return the scores of one variant of the fit of the shipped table."""
    result = fit_system(load_shake_outs(TABLE), activity=activity, loading=loading)
    table = leave_one_source_out(result, unfiltered=unfiltered)
    words = f"{activity}{', loading' if loading else ''}"
    return _scored(table, words + (", nothing excluded" if unfiltered else ""))


def all_variants() -> tuple[Unseen, ...]:
    """Return the scores of every variant that was tried."""
    return (
        unseen_laboratories(),
        unseen_laboratories(unfiltered=True),
        unseen_laboratories(loading=True),
        unseen_laboratories(activity="pitzer"),
        unseen_laboratories(activity="pitzer", loading=True),
    )


def _scored(table: SourceTable, variant: str) -> Unseen:
    pooled = table.pooled
    errors = [
        abs(check.error)
        for check in table.separations
        if (check.laboratory, check.first, check.second) == (JUDGE, "Nd", "Pr")
    ]
    return Unseen(
        variant=variant,
        rows=pooled.rows,
        median_error=pooled.median_error,
        rms=pooled.rms,
        coverage=pooled.coverage,
        separations=len(errors),
        within_stated=sum(error <= 2.0 for error in errors),
        within_expected=sum(error <= 2.0 * table.assay_factor for error in errors),
    )
