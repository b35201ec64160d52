"""A study in short: how its outcomes spread, how often limits are met, what failed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from raffinate.studies.outcomes import ALL_WITHIN, WITHIN
from raffinate.studies.solve_case import ERROR, ERROR_KIND

if TYPE_CHECKING:
    import pandas as pd

NORMAL_95 = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution, [-]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How one outcome spreads over the cases that have it, in its unit."""

    cases: int
    mean: float
    deviation: float
    low_5: float
    median: float
    high_95: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """How often a limit is met.

    Attributes:
        met: Cases.
        cases: Of how many that were solved.
        low: Lower end of the 95 % interval of the probability, [-].
        high: Upper end, [-].
    """

    met: int
    cases: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Of the cases, [-]."""
        return self.met / self.cases


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A study in short.

    Attributes:
        cases: All of the study.
        done: Of them, those that have a row.
        failed: Number of rows with an error, by its class.
        outcomes: By name.
        within_limit: By product, and "all".
    """

    cases: int
    done: int
    failed: Mapping[str, int]
    outcomes: Mapping[str, Spread]
    within_limit: Mapping[str, Chance]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "cases": self.cases,
            "done": self.done,
            "failed": dict(self.failed),
            "outcomes": {
                name: {key: getattr(each, key) for key in Spread.__slots__}
                for name, each in self.outcomes.items()
            },
            "within_limit": {
                name: {
                    "share": each.share,
                    "met": each.met,
                    "cases": each.cases,
                    "low_95": each.low,
                    "high_95": each.high,
                }
                for name, each in self.within_limit.items()
            },
        }


def summarise(table: pd.DataFrame, cases: int) -> Summary:
    """Return the summary of results.

    Args:
        table: Rows as `StudyFolder.read` returns them.
        cases: All of the study.
    """
    solved = table[table[ERROR] == ""]
    kinds = table.loc[table[ERROR] != "", ERROR_KIND].value_counts(sort=False)
    names = [
        name
        for name in table.columns
        if not name.startswith("input.") and name not in ("case", "seed", ERROR, ERROR_KIND)
    ]
    limits = [name for name in names if name.startswith(WITHIN) or name == ALL_WITHIN]
    return Summary(
        cases=cases,
        done=len(table),
        failed={str(kind): int(kinds[kind]) for kind in sorted(kinds.index)},
        outcomes={name: _spread(solved[name]) for name in names if name not in limits},
        within_limit={
            name.removeprefix(WITHIN) if name != ALL_WITHIN else "all": _chance(solved[name])
            for name in limits
            if len(solved)
        },
    )


def _spread(column: Any) -> Spread:
    values = np.asarray(column, np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        nothing = math.nan
        return Spread(
            cases=0, mean=nothing, deviation=nothing, low_5=nothing, median=nothing, high_95=nothing
        )
    low, median, high = np.quantile(values, (0.05, 0.5, 0.95))
    return Spread(
        cases=len(values),
        mean=float(values.mean()),
        deviation=float(values.std(ddof=1)) if len(values) > 1 else math.nan,
        low_5=float(low),
        median=float(median),
        high_95=float(high),
    )


def _chance(column: Any) -> Chance:
    met, cases = int(np.sum(np.asarray(column) == 1.0)), len(column)
    low, high = wilson_interval(met, cases)
    return Chance(met=met, cases=cases, low=low, high=high)


def wilson_interval(met: int, cases: int) -> tuple[float, float]:
    """Return the 95 % score interval of a probability, [-].

    Source: E. B. Wilson, Journal of the American Statistical Association 22 (1927) 209.

    Args:
        met: Cases in which it happened.
        cases: Of how many.
    """
    share, z = met / cases, NORMAL_95
    centre = share + z * z / (2.0 * cases)
    reach = z * math.sqrt(share * (1.0 - share) / cases + z * z / (4.0 * cases * cases))
    scale = 1.0 + z * z / cases
    return max(0.0, (centre - reach) / scale), min(1.0, (centre + reach) / scale)
