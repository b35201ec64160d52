"""Extraction constants from shake-out tests: a robust maximum a posteriori fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.elements import rare_earth
from raffinate.chemistry.fit_model import contact_flasks
from raffinate.chemistry.fit_priors import SeparationPrior, default_priors
from raffinate.chemistry.fit_report import FitResult, SeparationReport, score_rows
from raffinate.chemistry.system import ExtractionSystem
from raffinate.errors import ConvergenceError, DataError, SpecificationError
from raffinate.lab.shake_out import ShakeOutTable
from raffinate.lab.shake_out_checks import Exclusion, find_exclusions, score_readings
from raffinate.sources import Source
from raffinate.units import PER_LITRE

Array = NDArray[np.float64]

SCALE_FLOOR = 0.02
"""Least standard deviation of log₁₀ D taken for a measurement, [-]; assays are no better."""

MAD_TO_DEVIATION = 1.4826
"""Standard deviation of a normal error over its median absolute deviation, [-]."""

ASSUMED_SAPONIFICATION_CONSTANT = -4.5
"""log₁₀ K of NH₄⁺ + (HA)₂ ⇌ NH₄(HA₂) + H⁺, [-]: half exchanged at pH 4.5 against 1 mol/L NH₄⁺."""

SAPONIFICATION_SOURCE = Source(
    title="Ammonium exchange constant of P507",
    evidence="assumed",
    note=(
        "no measured value was at hand; placed near the acidity constant of a monoacidic "
        "phosphonic ester. Rare earths displace nearly all ammonium at the pH of a loaded stage; "
        "the flows that meet given purities hardly depend on it, impurities at fixed flows do"
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Estimate:
    """Constants that fit a table best.

    Attributes:
        constant: log₁₀ K, (element,), [-].
        covariance: Of the above, within the model, (element, element), [-].
        weight: Robust weight of each row, (row,), [-].
        slope: ∂ log₁₀ D/∂ log₁₀ K, (row, element), [-].
        residual: Predicted less measured log₁₀ D, (row,), [-].
        scale: Robust standard deviation of the residual, [-].
    """

    constant: Array
    covariance: Array
    weight: Array
    slope: Array
    residual: Array
    scale: float


def fit_system(
    table: ShakeOutTable,
    *,
    elements: Sequence[str] | None = None,
    priors: Sequence[SeparationPrior] | None = None,
    name: str = "fitted",
) -> FitResult:
    """Fit the extraction constants of a table of shake-out tests.

    Each test is shaken on paper from its feed (see `contact_flasks`); log₁₀ D predicted less
    measured, over its robust scale, is weighed by the soft-L1 loss, and log₁₀ β of the priors
    by their deviations. Tests that fail the checks of `find_exclusions` take no part.

    Args:
        table: The tests.
        elements: Symbols to fit; left out, all of the table. Tests that hold any other element
            are left out.
        priors: Priors on separation factors; left out, those of `default_priors`. An empty
            sequence fits the data alone.
        name: Name of the fitted system.

    Raises:
        DataError: No test is left, of all or of one element, or an element is no rare earth.
        SpecificationError: `elements` names one that the table does not hold.
        ConvergenceError: The search for the constants did not arrive.
    """
    symbols = _ordered(elements, table)
    holds_other = np.zeros(len(table.test_id), dtype=bool)
    holds_other[table.test[[symbol not in symbols for symbol in table.element]]] = True
    others = tuple(
        Exclusion(test_id=test, laboratory=laboratory, reason="holds an element not to be fitted")
        for test, laboratory, other in zip(
            table.test_id, table.laboratory, holds_other, strict=True
        )
        if other
    )
    whole = table.select(~holds_other)
    excluded = find_exclusions(whole)
    dropped = {item.test_id for item in excluded}
    keep = np.array([test not in dropped for test in whole.test_id])
    fitted = whole.select(keep)
    _check_enough(fitted, symbols, excluded)
    chosen = default_priors(table.extractant, table.medium) if priors is None else tuple(priors)
    chosen = tuple(item for item in chosen if {item.first, item.second} <= set(symbols))
    best = _estimate(fitted, symbols, chosen)
    level = _level_deviation(fitted, best)
    covariance = best.covariance + level**2
    unfiltered = _estimate(whole, symbols, chosen) if excluded else best
    predicted = contact_flasks(whole, symbols, best.constant).log10_ratio
    measured = np.log10(whole.distribution_ratio)
    used = keep[whole.test]
    return FitResult(
        system=_build_system(name, fitted, symbols, best.constant, covariance, chosen),
        table=whole,
        used=used,
        measured=measured,
        predicted=predicted,
        scale=best.scale,
        level_deviation=level,
        separations=_compare(symbols, best, _estimate(fitted, symbols, ()), chosen),
        scores=score_rows(whole.row_laboratory, predicted - measured, used),
        excluded=others + excluded,
        readings=score_readings(whole),
        unfiltered_constant=unfiltered.constant,
        unfiltered_scores=score_rows(whole.row_laboratory, unfiltered.residual, np.ones_like(used)),
    )


def _ordered(elements: Sequence[str] | None, table: ShakeOutTable) -> tuple[str, ...]:
    """Return the symbols, lanthanides first, each group by atomic number."""
    absent = [symbol for symbol in elements or () if symbol not in table.elements]
    if absent or (elements is not None and not elements):
        raise SpecificationError(
            f"no test of {', '.join(absent)}." if absent else "no element is asked for.",
            where=f"{table.name}: elements",
            allowed=", ".join(table.elements),
        )
    try:
        numbers = {
            symbol: rare_earth(symbol).atomic_number for symbol in elements or table.elements
        }
    except SpecificationError as error:
        raise DataError(
            error.what, where=f"{table.name}, column element", mend=error.mend
        ) from error
    return tuple(sorted(numbers, key=lambda symbol: (numbers[symbol] < 57, numbers[symbol])))


def _check_enough(
    fitted: ShakeOutTable, symbols: tuple[str, ...], excluded: tuple[Exclusion, ...]
) -> None:
    lost = [symbol for symbol in symbols if symbol not in fitted.elements]
    if not lost:
        return
    other = "equilibrium" if fitted.acidity_reading == "feed" else "feed"
    why = f" First: test {excluded[0].test_id}, {excluded[0].reason}." if excluded else ""
    raise DataError(
        f"no test of {', '.join(lost)} can be fitted: {len(excluded)} tests are left out.{why}",
        where=fitted.name,
        mend=f"Read the acidities as {other}, mend the tests, or fit the other elements only.",
    )


def _estimate(
    table: ShakeOutTable, symbols: tuple[str, ...], priors: Sequence[SeparationPrior]
) -> _Estimate:
    """Return the constants; the scale of the errors is found by repeating the fit."""
    measured = np.log10(table.distribution_ratio)
    wanted, known = _prior_rows(symbols, priors)
    start = np.zeros(len(symbols))
    scale = 0.2
    for _ in range(50):
        constant = _minimise(table, symbols, measured, scale, wanted, known, start)
        contact = contact_flasks(table, symbols, constant)
        residual = contact.log10_ratio - measured
        found = max(SCALE_FLOOR, MAD_TO_DEVIATION * float(np.median(np.abs(residual))))
        settled = abs(found - scale) < 1e-10
        scale, start = found, constant
        if settled:
            break
    weight = 1.0 / np.sqrt(1.0 + (residual / scale) ** 2)
    rows = contact.log10_slope * (np.sqrt(weight) / scale)[:, np.newaxis]
    information = rows.T @ rows + wanted.T @ wanted
    return _Estimate(
        constant=constant,
        covariance=np.asarray(np.linalg.inv(information), dtype=np.float64),
        weight=weight,
        slope=contact.log10_slope,
        residual=residual,
        scale=scale,
    )


def _prior_rows(symbols: tuple[str, ...], priors: Sequence[SeparationPrior]) -> tuple[Array, Array]:
    """Return P and p of the prior residuals P log₁₀ K - p, (prior, element) and (prior,)."""
    wanted = np.zeros((len(priors), len(symbols)))
    known = np.zeros(len(priors))
    for number, prior in enumerate(priors):
        wanted[number, symbols.index(prior.first)] = 1.0 / prior.log10_deviation
        wanted[number, symbols.index(prior.second)] = -1.0 / prior.log10_deviation
        known[number] = np.log10(prior.separation_factor) / prior.log10_deviation
    return wanted, known


def _minimise(
    table: ShakeOutTable,
    symbols: tuple[str, ...],
    measured: Array,
    scale: float,
    wanted: Array,
    known: Array,
    start: Array,
) -> Array:
    from scipy.optimize import least_squares

    def residual(constant: Array) -> Array:
        rows = (contact_flasks(table, symbols, constant).log10_ratio - measured) / scale
        return np.concatenate([rows, wanted @ constant - known])

    def jacobian(constant: Array) -> Array:
        rows = contact_flasks(table, symbols, constant).log10_slope / scale
        return np.concatenate([rows, wanted])

    answer = least_squares(
        residual,
        start,
        jac=jacobian,
        loss=_soft_loss(len(measured)),
        xtol=1e-12,
        ftol=1e-14,
        gtol=1e-10,
        max_nfev=500,
    )
    if not answer.success:
        raise ConvergenceError(
            f"the fit stopped early: {answer.message}",
            where=table.name,
            mend="Look for tests with extreme concentrations.",
        )
    return np.asarray(answer.x, dtype=np.float64)


def _soft_loss(rows: int) -> Callable[[Array], Array]:
    """Return soft L1 for the measurements and squares for the priors, as SciPy wants a loss."""

    def loss(squares: Array) -> Array:
        root = np.sqrt(1.0 + squares)
        robust = np.stack([2.0 * (root - 1.0), 1.0 / root, -0.5 / root**3])
        plain = np.stack([squares, np.ones_like(squares), np.zeros_like(squares)])
        return np.where(np.arange(len(squares)) < rows, robust, plain)

    return loss


def _level_deviation(table: ShakeOutTable, best: _Estimate) -> float:
    """Return what the disagreement between laboratories leaves of the level of log₁₀ K, [-].

    One common shift of all constants is estimated for each laboratory. The fitted level is their
    mean, weighed by information, so its variance is that of the shifts times Σ share².
    """
    common = best.slope.sum(axis=1)
    labels = np.array(table.row_laboratory)
    shifts, information = [], []
    for label in table.laboratories:
        own = labels == label
        weight = best.weight[own] * common[own]
        information.append(float(weight @ common[own]))
        shifts.append(-float(weight @ best.residual[own]) / information[-1])
    if len(shifts) < 2:
        return 0.0
    shares = np.array(information) / sum(information)
    return float(np.std(shifts, ddof=1) * np.sqrt(np.sum(shares**2)))


def _compare(
    symbols: tuple[str, ...],
    best: _Estimate,
    alone: _Estimate,
    priors: Sequence[SeparationPrior],
) -> tuple[SeparationReport, ...]:
    """Report β of neighbours in order of extraction, and of the priors."""
    order = np.argsort(best.constant)
    pairs = {(symbols[b], symbols[a]): None for a, b in pairwise(order)}
    known = {(prior.first, prior.second): prior for prior in priors}
    reports = []
    for first, second in dict.fromkeys([*pairs, *known]):
        ends = [symbols.index(first), symbols.index(second)]
        reports.append(
            SeparationReport(
                first=first,
                second=second,
                data=_ratio(alone.constant, ends),
                data_deviation=_difference_deviation(alone.covariance, ends),
                prior=known.get((first, second)),
                posterior=_ratio(best.constant, ends),
                posterior_deviation=_difference_deviation(best.covariance, ends),
            )
        )
    return tuple(reports)


def _ratio(constant: Array, ends: Sequence[int]) -> float:
    return float(10.0 ** (constant[ends[0]] - constant[ends[1]]))


def _difference_deviation(covariance: Array, ends: Sequence[int]) -> float:
    block = covariance[np.ix_(ends, ends)]
    return float(np.sqrt(block[0, 0] + block[1, 1] - 2.0 * block[0, 1]))


def _build_system(
    name: str,
    table: ShakeOutTable,
    symbols: tuple[str, ...],
    constant: Array,
    covariance: Array,
    priors: Sequence[SeparationPrior],
) -> ExtractionSystem:
    fit = Source(
        title=f"Robust fit of {len(table.element)} distribution ratios, {table.source.title}",
        reference="; ".join(table.laboratories),
        evidence="fitted",
        note=f"acidities read as those of the {_liquor(table)}"
        + (f"; {len(priors)} separation factors as priors" if priors else ""),
    )
    return ExtractionSystem(
        name=name,
        title=f"{table.extractant} against {table.medium}, fitted to shake-out tests",
        extractant=table.extractant,
        elements=symbols,
        log10_extraction_constant=constant,
        log10_covariance=0.5 * (covariance + covariance.T),
        constant_sources=(fit,) * len(symbols),
        log10_saponification_constant=ASSUMED_SAPONIFICATION_CONSTANT,
        saponification_source=SAPONIFICATION_SOURCE,
        basis=(table.source, *dict.fromkeys(prior.source for prior in priors)),
        validity=_validity(table),
    )


def _liquor(table: ShakeOutTable) -> str:
    return "liquor put in" if table.acidity_reading == "feed" else "liquor found"


def _validity(table: ShakeOutTable) -> tuple[str, ...]:
    bound = 6.0 * table.total_organic / table.extractant_concentration

    def span(values: Array) -> str:
        return f"{values.min() / PER_LITRE:.4g} to {values.max() / PER_LITRE:.4g} mol/L"

    return (
        f"Fitted with {span(table.acidity)} H⁺ in the {_liquor(table)}, "
        f"{span(table.extractant_concentration)} extractant counted as HA, "
        f"{span(table.aqueous_feed)} of an element in the feed.",
        f"At most {bound.max():.0%} of the extractant was bound to rare earths; beyond that the "
        "constants are extrapolated.",
        "Ideal phases: activities, chloride complexes and temperature are inside the constants.",
    )
