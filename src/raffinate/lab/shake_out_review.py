"""Everything the checks say of a table, before anything is fitted to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from raffinate.lab.shake_out import ShakeOutTable
from raffinate.lab.shake_out_checks import (
    Exclusion,
    ReadingScore,
    equilibrium_acidity,
    find_exclusions,
    measured_free_dimer,
    score_readings,
)
from raffinate.lab.shake_out_pool import PooledTable, pool_duplicates

OUTLIER_LIMIT = 4.0
"""Distance of log K from the median of its laboratory in robust standard deviations, [-], from
which a row is told as an outlier. Assumed; it is told, not left out: the fit is robust."""

LEAST_SPREAD = 0.1
"""Least robust standard deviation of log K an outlier is measured with, [-]. Assumed."""

LEAST_ROWS = 5
"""Rows of an element from which its laboratory's median says something."""

LARGEST_DEVIATION = 0.2
"""Propagated standard deviation of log₁₀ D from which a row is told to carry little, [-]."""

SCATTER_FACTOR = 3.0
"""Scatter of duplicates over the expected one from which it is told, [-]."""

LARGEST_TEMPERATURE_SPAN = 5.0
"""[K]. Span of temperatures from which it is told that the constants are of none of them."""

MAD_TO_DEVIATION = 1.4826
"""Standard deviation of a normal error over its median absolute deviation, [-]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something to know of a table that leaves no test out.

    Attributes:
        kind: What sort of thing it is.
        test_id: Which test; empty if it concerns the table.
        element: Which element; empty if it concerns the whole test.
        reason: In words, with the numbers.
    """

    kind: Literal["outlier", "imprecise", "scatter", "temperature", "assumption"]
    test_id: str
    element: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Review:
    """What the checks say of a table.

    Attributes:
        table: As read.
        excluded: Tests that must not be fitted, with reasons.
        readings: How well acidities close under either reading, by laboratory.
        pooled: The tests that remain, duplicates pooled.
        findings: What else there is to know.
    """

    table: ShakeOutTable
    excluded: tuple[Exclusion, ...]
    readings: tuple[ReadingScore, ...]
    pooled: PooledTable
    findings: tuple[Finding, ...]

    def to_text(self) -> str:
        """Return the review as lines of text."""
        table = self.table
        lines = [
            f"{table.name}: {len(table.test_id)} tests, {len(table.element)} distribution ratios",
            f"acidities read as those of {_LIQUOR[table.acidity_reading]}",
        ]
        for score in self.readings:
            spread = "unknown" if score.spread is None else f"{score.spread:.2f}"
            lines.append(
                f"{score.laboratory} read as {score.reading}: log K spreads by {spread}, "
                f"{score.impossible} of {score.tests} tests impossible"
            )
        for item in self.excluded:
            lines.append(f"left out: test {item.test_id} ({item.laboratory}): {item.reason}")
        for duplicate in self.pooled.duplicates:
            scatter = ", ".join(f"{s} {value:.2f}" for s, value in duplicate.deviation.items())
            lines.append(
                f"pooled: tests {', '.join(duplicate.test_ids)}; log₁₀ D scatters by {scatter}"
            )
        for finding in self.findings:
            place = f" test {finding.test_id} {finding.element}".rstrip() if finding.test_id else ""
            lines.append(f"{finding.kind}:{place} {finding.reason}")
        return "\n".join(lines)


_LIQUOR = {"feed": "the liquor put in", "equilibrium": "the liquor found"}


def review_shake_outs(table: ShakeOutTable) -> Review:
    """Run every check on a table; nothing is fitted and no row is changed."""
    excluded = find_exclusions(table)
    dropped = {item.test_id for item in excluded}
    kept = table.select(np.array([test not in dropped for test in table.test_id]))
    pooled = pool_duplicates(kept)
    return Review(
        table=table,
        excluded=excluded,
        readings=score_readings(table),
        pooled=pooled,
        findings=(
            *(
                Finding(kind="assumption", test_id="", element="", reason=text)
                for text in table.assumptions
            ),
            *_temperatures(kept),
            *_outliers(kept),
            *_imprecise(kept),
            *_scatter(pooled),
        ),
    )


def _temperatures(table: ShakeOutTable) -> list[Finding]:
    stated = table.temperature[np.isfinite(table.temperature)]
    if not stated.size or np.ptp(stated) <= LARGEST_TEMPERATURE_SPAN:
        return []
    reason = (
        f"tests from {stated.min() - 273.15:.0f} to {stated.max() - 273.15:.0f} °C; "
        "constants fitted to all of them belong to no temperature"
    )
    return [Finding(kind="temperature", test_id="", element="", reason=reason)]


def _outliers(table: ShakeOutTable) -> list[Finding]:
    """Tell rows whose log K lies far from the median of their laboratory and element."""
    acidity, free = equilibrium_acidity(table), measured_free_dimer(table)
    if table.mechanism == "solvation":
        return []
    usable = (np.isfinite(acidity) & (acidity > 0.0) & (free > 0.0))[table.test]
    drive = np.zeros(len(table.test_id))
    fine = np.isfinite(acidity) & (acidity > 0.0) & (free > 0.0)
    drive[fine] = np.log10(free[fine] / acidity[fine])
    constant = np.log10(table.distribution_ratio) - table.charge * drive[table.test]
    labels = np.array(table.row_laboratory)
    symbols = np.array(table.element)
    found = []
    for row in np.flatnonzero(usable):
        own = usable & (labels == labels[row]) & (symbols == symbols[row])
        if own.sum() < LEAST_ROWS:
            continue
        median = float(np.median(constant[own]))
        spread = MAD_TO_DEVIATION * float(np.median(np.abs(constant[own] - median)))
        off = float(constant[row]) - median
        if abs(off) > OUTLIER_LIMIT * max(spread, LEAST_SPREAD):
            reason = (
                f"log K is {constant[row]:.2f}, {off:+.2f} from the median of "
                f"{int(own.sum())} by {labels[row]} (robust deviation {spread:.2f})"
            )
            found.append(_row_finding("outlier", table, int(row), reason))
    return found


def _imprecise(table: ShakeOutTable) -> list[Finding]:
    errors = table.log10_ratio_deviation()
    by_difference = {"aqueous": "organic", "organic": "aqueous", "both": ""}
    found = []
    for row in np.flatnonzero(errors > LARGEST_DEVIATION):
        phase = by_difference[table.assayed[row]]
        how = f" with the {phase} by difference" if phase else ""
        reason = (
            f"D {table.distribution_ratio[row]:.3g}{how}: log₁₀ D is known to {errors[row]:.2f}"
        )
        found.append(_row_finding("imprecise", table, int(row), reason))
    return found


def _scatter(pooled: PooledTable) -> list[Finding]:
    return [
        Finding(
            kind="scatter",
            test_id=", ".join(item.test_ids),
            element=symbol,
            reason=f"duplicates scatter by {deviation:.2f} in log₁₀ D, "
            f"{item.expected[symbol]:.2f} was to be expected",
        )
        for item in pooled.duplicates
        for symbol, deviation in item.deviation.items()
        if deviation > SCATTER_FACTOR * item.expected[symbol]
    ]


def _row_finding(
    kind: Literal["outlier", "imprecise"], table: ShakeOutTable, row: int, reason: str
) -> Finding:
    test = table.test_id[table.test[row]]
    return Finding(kind=kind, test_id=test, element=table.element[row], reason=reason)
