"""Which shake-out tests can be believed, judged before any constant is fitted.

Every test carries an acidity, and tables seldom say whether it is that of the liquor put in or of
the liquor found. The extraction RE³⁺ + 3(HA)₂ ⇌ RE(HA₂)₃ + 3H⁺ ties the two together,
h_equilibrium = h_feed + 3·ΣC_organic, so each reading predicts a different mass-action quotient
log K = log D + 3 log h - 3 log f. Under the true reading the quotient of an element is nearly
constant over a laboratory's tests; under the wrong one it scatters over orders of magnitude.
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


def equilibrium_acidity(
    table: ShakeOutTable, reading: AcidityReading | None = None
) -> NDArray[np.float64]:
    """Return H⁺ after shaking, (test,), [mol/m³], under a reading; left out, the declared one."""
    if (reading or table.acidity_reading) == "feed":
        return table.acidity + PROTONS * table.total_organic
    return table.acidity


def measured_free_dimer(table: ShakeOutTable) -> NDArray[np.float64]:
    """Return free (HA)₂ by difference, (test,), [mol/m³]; not above 0 if overloaded."""
    return 0.5 * table.extractant_concentration - PROTONS * table.total_organic


def score_readings(table: ShakeOutTable) -> tuple[ReadingScore, ...]:
    """Score both readings of the acidity column for every laboratory of the table."""
    return tuple(
        _score(table.from_laboratory(laboratory), laboratory, reading)
        for laboratory in table.laboratories
        for reading in get_args(AcidityReading)
    )


def find_exclusions(table: ShakeOutTable) -> tuple[Exclusion, ...]:
    """Return the tests that must not be fitted, with reasons, in the order of the table.

    The rules, in this order: the metal balance and the reported D agree within `BALANCE_LIMIT`;
    the organic holds no more than the extractant can; every element said to be in the flask has
    its row; the laboratory's log K spreads by no more than `SPREAD_LIMIT` under the declared
    reading of its acidities; that reading implies no feed of negative acidity.
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
        gain = (aqueous + organic) / table.aqueous_feed[row] - 1.0
        if abs(gain) > BALANCE_LIMIT:
            return f"{symbol} found differs from {symbol} fed by {gain:+.1%}"
        off = organic / aqueous / table.distribution_ratio[row] - 1.0
        if abs(off) > BALANCE_LIMIT:
            return f"D of {symbol} from the two phases differs from the reported D by {off:+.1%}"
    if measured_free_dimer(table)[index] <= 0.0:
        return "the organic holds more than one rare earth to three dimers"
    present = {table.element[row] for row in rows}
    absent = [symbol for symbol in table.co_elements[index] if symbol not in present]
    if absent:
        return f"{', '.join(absent)} was in the flask but has no row, so the acid is not known"
    return ""


def _acidity_reason(table: ShakeOutTable, index: int) -> str:
    released = PROTONS * table.total_organic[index]
    if table.acidity_reading == "feed" or table.acidity[index] >= released:
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
    usable = ((acidity > 0.0) & (free > 0.0))[table.test]
    rows = np.flatnonzero(usable)
    tests = table.test[rows]
    drive = -np.log10(acidity[tests])
    extent = np.log10(table.distribution_ratio[rows]) - PROTONS * np.log10(free[tests])
    elements = np.array(table.element)[rows]
    spread, slope = _pooled(extent - PROTONS * drive, drive, extent, elements)
    implied = table.acidity - PROTONS * table.total_organic
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
