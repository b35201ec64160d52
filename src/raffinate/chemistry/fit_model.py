"""Distribution ratios that a set of constants predicts for shake-out tests, and their slopes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import ConvergenceError
from raffinate.lab.shake_out import ShakeOutTable

Array = NDArray[np.float64]

LEAST_ACIDITY = 1e-9
"""Floor of the feed acidity in the bracket of the search, [mol/m³]; far below that of water."""

LARGEST_STEP = 4.0
"""Longest Newton step in log f/h, [-]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FlaskContact:
    """Equilibrium of every flask.

    Attributes:
        log10_ratio: log₁₀ D, (row,), [-].
        log10_slope: ∂ log₁₀ D / ∂ log₁₀ K, (row, element), [-].
        free_dimer: (HA)₂ not bound, (test,), [mol/m³].
        proton: Aqueous H⁺, (test,), [mol/m³].
    """

    log10_ratio: Array
    log10_slope: Array
    free_dimer: Array
    proton: Array


def contact_flasks(
    table: ShakeOutTable, elements: tuple[str, ...], log10_constant: Array
) -> FlaskContact:
    """Shake every flask of a table on paper: equal volumes, ideal phases, no base added.

    With q = ln f/h, D = K e^{3q}, a row binds y = x₀ D/(1 + D), and one equation in q is left for
    each flask, f(q) + 3Σy(q) = L. It increases with q, so Newton steps kept inside a
    shrinking bracket always arrive. If the acidity is that of the feed, h = h₀ + 3Σy and hence
    f = (h₀ + L) e^q/(1 + e^q); if it is that at equilibrium, h is given and f = h e^q.

    Args:
        table: The flasks; its measured ratios are not read.
        elements: Symbols, naming the axis of `log10_constant`; all those of the table.
        log10_constant: log₁₀ K, (element,), [-].

    Raises:
        ConvergenceError: The search did not arrive, which only absurd constants cause.
    """
    place = np.array([elements.index(symbol) for symbol in table.element])
    log_constant = np.log(10.0) * log10_constant[place]
    total_dimer = 0.5 * table.extractant_concentration
    log_drive = _solve_drive(table, log_constant, total_dimer)
    free, proton, free_slope = _free_dimer(table, total_dimer, log_drive)
    log_ratio = log_constant + 3.0 * log_drive[table.test]
    _, bound_slope = _bound(table, log_ratio)
    stiffness = free_slope + 9.0 * _sum_by_test(table, bound_slope)
    slope = np.zeros((len(place), len(elements)))
    slope[np.arange(len(place)), place] = 1.0
    shift = np.zeros((len(table.test_id), len(elements)))
    np.add.at(shift, (table.test, place), -3.0 * bound_slope)
    slope += 3.0 * (shift / stiffness[:, np.newaxis])[table.test]
    return FlaskContact(
        log10_ratio=log_ratio / np.log(10.0), log10_slope=slope, free_dimer=free, proton=proton
    )


def _solve_drive(table: ShakeOutTable, log_constant: Array, total_dimer: Array) -> Array:
    """Return q = ln f/h, (test,)."""
    least = np.maximum(table.acidity, LEAST_ACIDITY)
    high = np.log(total_dimer / least)
    low = np.full_like(high, -60.0)
    drive = np.clip(np.full_like(high, -1.0), low, high)
    history: list[float] = []
    for _ in range(200):
        free, _, free_slope = _free_dimer(table, total_dimer, drive)
        bound, bound_slope = _bound(table, log_constant + 3.0 * drive[table.test])
        residual = free + 3.0 * _sum_by_test(table, bound) - total_dimer
        history.append(float(np.max(np.abs(residual) / total_dimer)))
        if history[-1] < 1e-13:
            return drive
        high, low = np.where(residual > 0.0, drive, high), np.where(residual > 0.0, low, drive)
        step = -residual / (free_slope + 9.0 * _sum_by_test(table, bound_slope))
        tried = drive + np.clip(step, -LARGEST_STEP, LARGEST_STEP)
        drive = np.where((tried > low) & (tried < high), tried, 0.5 * (low + high))
        if np.all(high - low < 1e-14 * np.maximum(1.0, np.abs(drive))):
            return drive
    raise ConvergenceError(
        "the equilibrium of a flask was not found.",
        where=table.name,
        mend="Look for extreme concentrations in the table.",
        history=history,
    )


def _free_dimer(
    table: ShakeOutTable, total_dimer: Array, drive: Array
) -> tuple[Array, Array, Array]:
    """Return f, h and df/dq, each (test,), [mol/m³]."""
    ratio = np.exp(drive)
    if table.acidity_reading == "equilibrium":
        free = table.acidity * ratio
        return free, table.acidity, free
    proton = (table.acidity + total_dimer) / (1.0 + ratio)
    free = ratio * proton
    return free, proton, free / (1.0 + ratio)


def _bound(table: ShakeOutTable, log_ratio: Array) -> tuple[Array, Array]:
    """Return organic y and dy/d ln D, each (row,), [mol/m³]."""
    fraction = np.exp(-np.logaddexp(0.0, -log_ratio))
    organic = table.aqueous_feed * fraction
    return organic, organic * (1.0 - fraction)


def _sum_by_test(table: ShakeOutTable, values: Array) -> Array:
    total = np.zeros(len(table.test_id))
    np.add.at(total, table.test, values)
    return total
