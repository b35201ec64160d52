"""Extraction constants from shake-out tests: a robust maximum a posteriori fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from raffinate.chemistry.elements import rare_earth
from raffinate.chemistry.fit_activity import solve
from raffinate.chemistry.fit_flask import Floats
from raffinate.chemistry.fit_map import Estimate
from raffinate.chemistry.fit_predict import by_row, forecast
from raffinate.chemistry.fit_priors import (
    EffectPriors,
    LoadingPrior,
    SeparationPrior,
    default_priors,
)
from raffinate.chemistry.fit_problem import FitActivity, Problem, build_problem
from raffinate.chemistry.fit_report import FitResult, SeparationReport, score_rows
from raffinate.chemistry.fit_system_file import (
    ASSUMED_SAPONIFICATION_CONSTANT,
    build_system,
)
from raffinate.errors import DataError, SpecificationError
from raffinate.lab.shake_out import ShakeOutTable
from raffinate.lab.shake_out_checks import Exclusion, find_exclusions, score_readings


def fit_system(
    table: ShakeOutTable,
    *,
    elements: Sequence[str] | None = None,
    priors: Sequence[SeparationPrior] | None = None,
    name: str = "fitted",
    activity: FitActivity = "ideal",
    loading: bool | LoadingPrior = False,
    effects: EffectPriors | None = None,
) -> FitResult:
    """Fit the extraction constants of a table of shake-out tests.

    Each test is shaken on paper from what was put in (see `shake_flasks`). Sought is the maximum
    of the posterior (see `estimate`): flasks follow Student's law with the error of their assays
    and one of their own, laboratories and their series of one element are offset by normal
    amounts of unknown variance, and separation factors known from elsewhere count as measurements.
    Tests that fail the checks of `find_exclusions` take no part.

    Args:
        table: The tests.
        elements: Symbols to fit; left out, all of the table. Tests that hold any other element
            are left out.
        priors: Measured separation factors; left out, those of `default_priors`. An empty
            sequence fits the data alone.
        name: Name of the fitted system.
        activity: Model of the liquor on whose scale the constants stand.
        loading: Whether the organic departs from the ideal as it loads (see `LoadingModel`), or
            with which priors.
        effects: Priors on the scatter of flasks, series and laboratories.

    Raises:
        DataError: No test is left, of all or of one element, or an element is no rare earth.
        SpecificationError: `elements` names one that the table does not hold, or the table is not
            of an acidic extractant.
        ConvergenceError: The search for the constants did not arrive.
    """
    if table.mechanism != "exchange" or table.extractant_form != "dimer":
        raise SpecificationError(
            f"{table.extractant} ({table.mechanism}, {table.extractant_form}) is not fitted.",
            where=table.name,
            allowed="acidic extractants that exist as dimers",
        )
    symbols = _ordered(elements, table)
    whole, others = _without_others(table, symbols)
    excluded = find_exclusions(whole)
    dropped = {item.test_id for item in excluded}
    keep = np.array([test not in dropped for test in whole.test_id], dtype=bool)
    _check_enough(whole.select(keep), symbols, others + excluded)
    chosen = default_priors(table.extractant, table.medium) if priors is None else tuple(priors)
    chosen = tuple(item for item in chosen if {item.first, item.second} <= set(symbols))
    problem = build_problem(
        whole,
        symbols,
        keep=keep,
        separations=chosen,
        loading=LoadingPrior() if loading is True else (loading or None),
        effects=effects or EffectPriors(),
        log10_exchange_constant=ASSUMED_SAPONIFICATION_CONSTANT,
        activity=activity,
    )
    problem, best = solve(problem)
    return _result(problem, best, name, others + excluded)


def _result(
    problem: Problem,
    best: Estimate,
    name: str,
    excluded: tuple[Exclusion, ...],
) -> FitResult:
    table, count = problem.table, len(problem.elements)
    alone, all_in, unfiltered = best, problem, best
    if problem.separations:
        _, alone = solve(replace(problem, separations=()), best)
    if not problem.keep.all():
        all_in, unfiltered = solve(problem.using(np.ones_like(problem.keep)), best)
    told = forecast(problem, best)
    predicted, measured = by_row(problem, told.log10_ratio), by_row(problem, problem.measured)
    used = problem.keep[table.test]
    loose = by_row(problem, forecast(all_in, unfiltered).log10_ratio) - measured
    laboratories = table.row_laboratory
    return FitResult(
        system=build_system(name, problem, best),
        table=table,
        used=used,
        measured=measured,
        predicted=predicted,
        predicted_deviation=by_row(problem, told.deviation),
        scale=best.scales.flask,
        level_deviation=float(np.sqrt(best.covariance[:count, :count].sum()) / count),
        separations=_compare(problem, best, alone),
        scores=score_rows(laboratories, predicted - measured, used),
        excluded=excluded,
        readings=score_readings(table),
        unfiltered_constant=unfiltered.unknowns[:count],
        unfiltered_scores=score_rows(laboratories, loose, np.ones_like(used)),
        problem=problem,
        estimate=best,
    )


def _without_others(
    table: ShakeOutTable, symbols: tuple[str, ...]
) -> tuple[ShakeOutTable, tuple[Exclusion, ...]]:
    """Return the table without tests that hold an element not asked for, and these tests."""
    holds_other = np.zeros(len(table.test_id), dtype=bool)
    holds_other[table.test[[symbol not in symbols for symbol in table.element]]] = True
    left = tuple(
        Exclusion(test_id=test, laboratory=laboratory, reason="holds an element not to be fitted")
        for test, laboratory, other in zip(
            table.test_id, table.laboratory, holds_other, strict=True
        )
        if other
    )
    return table.select(~holds_other), left


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


def _compare(problem: Problem, best: Estimate, alone: Estimate) -> tuple[SeparationReport, ...]:
    """Report β of neighbours in order of extraction, and of the priors."""
    symbols = problem.elements
    order = np.argsort(best.unknowns[: len(symbols)])
    pairs = {(symbols[b], symbols[a]): None for a, b in pairwise(order)}
    known = {(prior.first, prior.second): prior for prior in problem.separations}
    reports = []
    for first, second in dict.fromkeys([*pairs, *known]):
        direction = np.zeros(problem.size)
        direction[[symbols.index(first), symbols.index(second)]] = 1.0, -1.0
        reports.append(
            SeparationReport(
                first=first,
                second=second,
                data=float(10.0 ** (direction @ alone.unknowns)),
                data_deviation=_deviation(alone, direction),
                prior=known.get((first, second)),
                posterior=float(10.0 ** (direction @ best.unknowns)),
                posterior_deviation=_deviation(best, direction),
            )
        )
    return tuple(reports)


def _deviation(found: Estimate, direction: Floats) -> float:
    return float(np.sqrt(direction @ found.covariance @ direction))
