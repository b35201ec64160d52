"""Distribution ratios that a set of constants predicts for the flasks of a table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raffinate.chemistry.fit_flask import Flasks, Floats, Shaken, shake_flasks
from raffinate.errors import ConvergenceError, SpecificationError
from raffinate.lab.shake_out import ShakeOutTable

TOLERANCE = 1e-12
"""Largest error of a balance, as a share of the extractant, [-]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FlaskContact:
    """Equilibrium of every flask of a table.

    Attributes:
        log10_ratio: log₁₀ D, (row,), [-].
        loading: Share of the extractant bound to metals, (test,), [-].
        free_dimer: (HA)₂ not bound, (test,), [mol/m³].
        proton: Aqueous H⁺, (test,), [mol/m³].
    """

    log10_ratio: Floats
    loading: Floats
    free_dimer: Floats
    proton: Floats


def flasks_of(
    table: ShakeOutTable, elements: tuple[str, ...], log10_exchange_constant: float
) -> Flasks:
    """Return the flasks of a table as arrays, the axis `element` in the order of `elements`.

    Raises:
        SpecificationError: More extractant was saponified than there is.
    """
    place = np.array([elements.index(symbol) for symbol in table.element])
    feed = np.zeros((len(table.test_id), len(elements)))
    feed[table.test, place] = table.aqueous_feed
    extractant = 0.5 * table.extractant_concentration
    saponified = table.saponification_degree * table.extractant_concentration
    over = np.flatnonzero(saponified >= extractant + table.acidity / table.oa_ratio)
    if over.size:
        raise SpecificationError(
            f"saponification degree {table.saponification_degree[over[0]]:.3g} of test "
            f"{table.test_id[over[0]]} leaves no acid.",
            where=table.name,
            allowed="below 0.5 of the extractant counted as HA",
        )
    return Flasks(
        feed=feed,
        acidity=table.acidity,
        at_end=np.full(len(extractant), table.acidity_reading == "equilibrium"),
        extractant=extractant,
        saponified=saponified,
        oa_ratio=table.oa_ratio,
        exchange_constant=10.0**log10_exchange_constant,
    )


def contact_flasks(
    table: ShakeOutTable,
    elements: tuple[str, ...],
    log10_constant: Floats,
    *,
    kappa: Floats | None = None,
    terms: tuple[float, float] = (0.0, 0.0),
    log10_exchange_constant: float = -4.5,
) -> FlaskContact:
    """Shake every flask of a table on paper; its measured ratios are not read.

    Args:
        table: The flasks.
        elements: Symbols, naming the axis of `log10_constant`; all those of the table.
        log10_constant: log₁₀ K, (element,) or (test, element), [-].
        kappa: κ of the loading model, (element,), [-].
        terms: a0 and a1 of the loading model, [-].
        log10_exchange_constant: Of the saponifying cation, [-]; read only where it was saponified.

    Raises:
        ConvergenceError: The equilibrium of a flask was not found, which absurd terms cause.
    """
    constant = np.broadcast_to(log10_constant, (len(table.test_id), len(elements)))
    extent = np.zeros(len(elements)) if kappa is None else kappa
    flasks = flasks_of(table, elements, log10_exchange_constant)
    shaken, _ = shake_flasks(flasks, constant, extent, np.array(terms))
    check_shaken(shaken, table)
    place = np.array([elements.index(symbol) for symbol in table.element])
    return FlaskContact(
        log10_ratio=shaken.log10_ratio[table.test, place],
        loading=shaken.loading,
        free_dimer=shaken.free_extractant,
        proton=shaken.proton,
    )


def check_shaken(shaken: Shaken, table: ShakeOutTable) -> None:
    """Refuse a solution whose balances are open.

    Raises:
        ConvergenceError: A balance is open by more than `TOLERANCE`.
    """
    error = shaken.error
    worst = int(np.argmax(np.where(np.isfinite(error), error, np.inf)))
    if not error[worst] < TOLERANCE:
        raise ConvergenceError(
            f"the equilibrium of test {table.test_id[worst]} was not found; its balances are "
            f"open by {error[worst]:.1e} of the extractant.",
            where=table.name,
            mend="Look for extreme concentrations in the table, or narrow the loading prior.",
        )
