"""Which shake-out tests can be believed, judged before any constant is fitted.

Every test carries an acidity, and tables seldom say whether it is that of the liquor put in or of
the liquor found. The extraction RE³⁺ + 3(HA)₂ ⇌ RE(HA₂)₃ + 3H⁺ ties the two together,
h_equilibrium = h_feed + 3·ΣC_organic, so each reading predicts a different mass-action quotient
log K = log D + 3 log h - 3 log f. Under the true reading the quotient of an element is nearly
constant over a laboratory's tests; under the wrong one it scatters over orders of magnitude.

An ion of charge z counts with z in place of 3, organic amounts with the O/A, and extractants that
exist as monomer bind z of them. Solvating extractants exchange no acid, so they have no trap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from raffinate.lab.shake_out import AcidityReading, ShakeOutTable

PROTONS = 3.0
"""H⁺ released, and dimers bound, per rare-earth ion, [-]."""

SPREAD_LIMIT = 0.5
"""Largest spread of log K with which a laboratory's acidities are taken to close, [-].

It is what a random error of 0.17 in every pH would cause, since log K holds 3 log h. Assumed; set
before fitting."""

DIFFERENCE_TO_DEVIATION = 0.9539
"""Median absolute difference of two draws from a normal law over its standard deviation, [-]."""

BALANCE_LIMIT = 0.05
"""Largest relative error of the metal balance and of the reported D, [-]. Assumed; the usual
error of two independent assays."""


ACID_LIMIT = 0.3
"""Largest difference of log₁₀ H⁺ found after shaking and expected from the feed, [-]. Assumed: an
error of 0.1 in each pH, and activity coefficients."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingScore:
    """How well the acidities of one laboratory close under one reading.

    Attributes:
        laboratory: Whose tests.
        reading: The reading of the acidity column that was tried.
        tests: Number of tests judged.
        spread: Robust standard deviation of log K, [-], from the median difference between two
            tests of one element, so that a single bad test does not condemn the others; None
            where no element was measured twice.
        slope: Of log D - 3 log f against -log h, pooled over elements, [-]; mass action says 3.
            None where h does not vary.
        impossible: Tests whose reading implies a feed of negative acidity.
    """

    laboratory: str
    reading: AcidityReading
    tests: int
    spread: float | None
    slope: float | None
    impossible: int

    @property
    def closes(self) -> bool:
        """Whether the spread is within `SPREAD_LIMIT`; a spread that is unknown is no objection."""
        return self.spread is None or self.spread <= SPREAD_LIMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """A test left out of a fit, and why.

    Attributes:
        test_id: Which test.
        laboratory: Who made it.
        reason: In words, with the numbers.
    """

    test_id: str
    laboratory: str
    reason: str


def released_acid(table: ShakeOutTable) -> NDArray[np.float64]:
    """Return H⁺ exchanged for metal, (test,), mol per m³ of aqueous."""
    total = np.zeros(len(table.test_id))
    if table.mechanism == "exchange":
        np.add.at(total, table.test, table.charge * table.organic)
    return total * table.oa_ratio


def equilibrium_acidity(
    table: ShakeOutTable, reading: AcidityReading | None = None
) -> NDArray[np.float64]:
    """Return H⁺ after shaking, (test,), [mol/m³], under a reading; left out, the declared one.

    NaN where it follows from the feed of a test with saponified extractant: how much of the base
    stays in the organic is not known.
    """
    if (reading or table.acidity_reading) == "feed":
        balanced = table.acidity + released_acid(table)
        return np.where(table.saponification_degree > 0.0, np.nan, balanced)
    return table.acidity


def measured_free_dimer(table: ShakeOutTable) -> NDArray[np.float64]:
    """Return free (HA)₂ by difference, (test,), [mol/m³]; not above 0 if overloaded.

    Free monomer where the extractant exists as one. Cations of a base count as free.
    """
    bound = np.zeros(len(table.test_id))
    np.add.at(bound, table.test, table.charge * table.organic)
    units = 0.5 if table.extractant_form == "dimer" else 1.0
    return units * table.extractant_concentration - bound


def score_readings(table: ShakeOutTable) -> tuple[ReadingScore, ...]:
    """Score both readings of the acidity column for every laboratory of the table.

    Empty for a solvating extractant, which releases no acid.
    """
    if table.mechanism == "solvation":
        return ()
    return tuple(
        _score(table.from_laboratory(laboratory), laboratory, reading)
        for laboratory in table.laboratories
        for reading in get_args(AcidityReading)
    )


def find_exclusions(table: ShakeOutTable) -> tuple[Exclusion, ...]:
    """Return the tests that must not be fitted, with reasons, in the order of the table.

    The rules, in this order: the metal balance and the reported D agree within `BALANCE_LIMIT`;
    the organic holds no more than the extractant can; every element said to be in the flask has
    its row; where the acidity was measured before and after, the two agree with the acid
    released within `ACID_LIMIT`; the laboratory's log K spreads by no more than `SPREAD_LIMIT`
    under the declared reading of its acidities; that reading implies no feed of negative acidity.
    """
    reasons = [_balance_reason(table, index) for index in range(len(table.test_id))]
    sound = np.array([not reason for reason in reasons])
    unclosed = _laboratory_reasons(table.select(sound)) if sound.any() else {}
    reasons = [
        reason or unclosed.get(laboratory, "") or _acidity_reason(table, index)
        for index, (reason, laboratory) in enumerate(zip(reasons, table.laboratory, strict=True))
    ]
    return tuple(
        Exclusion(test_id=test, laboratory=laboratory, reason=reason)
        for test, laboratory, reason in zip(table.test_id, table.laboratory, reasons, strict=True)
        if reason
    )


def _balance_reason(table: ShakeOutTable, index: int) -> str:
    rows = np.flatnonzero(table.test == index)
    for row in rows:
        symbol, aqueous, organic = table.element[row], table.aqueous[row], table.organic[row]
        gain = (aqueous + table.oa_ratio[index] * organic) / table.aqueous_feed[row] - 1.0
        if abs(gain) > BALANCE_LIMIT:
            return f"{symbol} found differs from {symbol} fed by {gain:+.1%}"
        off = organic / aqueous / table.distribution_ratio[row] - 1.0
        if abs(off) > BALANCE_LIMIT:
            return f"D of {symbol} from the two phases differs from the reported D by {off:+.1%}"
    if measured_free_dimer(table)[index] <= 0.0:
        units = "dimers" if table.extractant_form == "dimer" else "molecules of extractant"
        return f"the organic holds more than one trivalent ion to three {units}"
    present = {table.element[row] for row in rows}
    absent = [symbol for symbol in table.co_elements[index] if symbol not in present]
    if absent:
        return f"{', '.join(absent)} was in the flask but has no row, so the acid is not known"
    return _acid_balance_reason(table, index)


def _acid_balance_reason(table: ShakeOutTable, index: int) -> str:
    """Compare acid found after shaking with that of the feed and what the metals released."""
    found, expected = table.acidity_after[index], equilibrium_acidity(table, "feed")[index]
    if not np.isfinite(found) or not np.isfinite(expected) or expected <= 0.0:
        return ""
    off = float(np.log10(max(found, 1e-300) / expected))
    if abs(off) <= ACID_LIMIT:
        return ""
    return (
        f"the acid does not close: {found:.3g} mol/m³ H⁺ found after shaking, {expected:.3g} "
        f"follow from feed and extraction, {off:+.2f} in log₁₀ (limit {ACID_LIMIT})"
    )


def _acidity_reason(table: ShakeOutTable, index: int) -> str:
    released = released_acid(table)[index]
    if (
        table.saponification_degree[index] > 0.0
        or table.acidity_reading == "feed"
        or table.acidity[index] >= released
    ):
        return ""
    return (
        f"H⁺ at equilibrium, {table.acidity[index]:.3g} mol/m³, is less than the "
        f"{released:.3g} mol/m³ released, so the feed would have had negative acidity"
    )


def _laboratory_reasons(table: ShakeOutTable) -> dict[str, str]:
    scores = score_readings(table)
    reasons: dict[str, str] = {}
    for score in scores:
        if score.reading != table.acidity_reading or score.closes:
            continue
        other = next(
            rival
            for rival in scores
            if rival.laboratory == score.laboratory and rival.reading != score.reading
        )
        rivalled = "unknown" if other.spread is None else f"{other.spread:.2f}"
        reasons[score.laboratory] = (
            f"acidities do not close: log K spreads by {score.spread:.2f} read as {score.reading} "
            f"({rivalled} read as {other.reading}), limit {SPREAD_LIMIT}"
        )
    return reasons


def _score(table: ShakeOutTable, laboratory: str, reading: AcidityReading) -> ReadingScore:
    acidity, free = equilibrium_acidity(table, reading), measured_free_dimer(table)
    usable = (np.isfinite(acidity) & (acidity > 0.0) & (free > 0.0))[table.test]
    rows = np.flatnonzero(usable)
    tests, charge = table.test[rows], table.charge[rows]
    drive = -np.log10(acidity[tests])
    extent = np.log10(table.distribution_ratio[rows]) - charge * np.log10(free[tests])
    elements = np.array(table.element)[rows]
    # Slopes are given as for three protons, so that ions of other charge can be pooled with them.
    spread, slope = _pooled(extent - charge * drive, drive, PROTONS / charge * extent, elements)
    unsaponified = table.saponification_degree == 0.0
    implied = np.where(unsaponified, table.acidity - released_acid(table), 0.0)
    impossible = int(np.sum(implied < 0.0)) if reading == "equilibrium" else 0
    return ReadingScore(
        laboratory=laboratory,
        reading=reading,
        tests=len(table.test_id),
        spread=spread,
        slope=slope,
        impossible=impossible,
    )


def _pooled(
    quotient: NDArray[np.float64],
    drive: NDArray[np.float64],
    extent: NDArray[np.float64],
    elements: NDArray[np.str_],
) -> tuple[float | None, float | None]:
    """Return spread of `quotient` and slope of `extent` on `drive`, both within elements."""
    differences: list[NDArray[np.float64]] = []
    across, along = 0.0, 0.0
    for symbol in np.unique(elements):
        own = elements == symbol
        centred = drive[own] - drive[own].mean()
        across += float(centred @ extent[own])
        along += float(centred @ centred)
        one, other = np.triu_indices(int(own.sum()), k=1)
        differences.append(np.abs(quotient[own][one] - quotient[own][other]))
    pooled = np.concatenate(differences) if differences else np.zeros(0)
    spread = float(np.median(pooled)) / DIFFERENCE_TO_DEVIATION if pooled.size else None
    return spread, across / along if along > 1e-9 else None
