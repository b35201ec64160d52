"""The eliminated and lagged solution against a dense Newton of everything at once, in NumPy."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from numpy.typing import NDArray

from raffinate.chemistry.equilibrium import equilibrium
from raffinate.chemistry.equilibrium_compile import FEW_CONTACTS
from raffinate.chemistry.nonideality import BuiltNonIdeality, build_nonideality
from raffinate.chemistry.species import Phase, Species
from raffinate.chemistry.tableau import Tableau, build_tableau
from raffinate.numerics.jax_setup import jax
from raffinate.sources import Source

ASSUMED = Source(title="Numbers of a test", evidence="assumed")
Array = NDArray[np.float64]


def species(name: str, phase: Phase, charge: int, log10: float, **made_of: float) -> Species:
    return Species(
        name=name,
        phase=phase,
        charge=charge,
        composition=tuple(made_of.items()),
        log10_constant=log10,
        source=ASSUMED,
    )


@lru_cache
def liquor() -> tuple[Tableau, BuiltNonIdeality]:
    found = [
        species("HSO4-", "aqueous", -1, 1.99, proton=1, sulfate=1),
        species("NdSO4+", "aqueous", 1, 3.6, Nd=1, sulfate=1),
        species("Nd(SO4)2-", "aqueous", -1, 5.0, Nd=1, sulfate=2),
        species("LaA", "organic", 0, -2.0, La=1, extractant=3, proton=-3),
        species("NdA", "organic", 0, -0.5, Nd=1, extractant=3, proton=-3),
        species("NaA", "organic", 0, -3.3, sodium=1, extractant=1, proton=-1),
    ]
    components = ("La", "Nd", "sodium", "proton", "chloride", "sulfate", "extractant")
    tableau = build_tableau(components, found)
    return tableau, build_nonideality("davies", tableau.species)


def contacts(count: int) -> tuple[Array, Array]:
    """Return neutral totals, (component, contact), [mol/m³], and organic fractions."""
    draw = np.random.default_rng(11)
    metal, sulfate = draw.uniform(5.0, 60.0, (2, count)), draw.uniform(5.0, 40.0, count)
    soap, acid = draw.uniform(5.0, 60.0, count), draw.uniform(5.0, 80.0, count)
    proton = acid - soap
    chloride = 3.0 * metal.sum(axis=0) + soap + proton - 2.0 * sulfate
    totals = np.array([*metal, soap, proton, chloride, sulfate, np.full(count, 250.0)])
    return totals, draw.uniform(0.3, 0.6, count)


def residual(logs: Array, totals: Array, fraction: float, constants: Array) -> Array:
    """Return mass action of every species, then every balance; logs are of c, then activity."""
    tableau, built = liquor()
    count, matrix = len(tableau.species), tableau.stoichiometry
    c, activity = np.exp(logs[:count]), logs[count:]
    aqueous = tableau.aqueous_count
    gamma = built.model.log_coefficients(c[:aqueous, None], c[aqueous:, None], built.parameters)
    coefficient = np.concatenate([np.asarray(gamma[0]), np.asarray(gamma[1])])[:, 0]
    action = logs[:count] - np.log(1000.0) + coefficient
    action -= matrix @ activity + np.log(10.0) * constants
    volume = np.where(np.arange(count) < aqueous, 1.0 - fraction, fraction)
    balance = matrix.T @ (volume * c) - totals
    return np.concatenate([action, balance / (np.abs(matrix.T) @ (volume * c))])


def jacobian(logs: Array, totals: Array, fraction: float, constants: Array) -> Array:
    """Return central differences of `residual`; its scales hardly matter to Newton."""
    columns = []
    for unit in 1e-5 * np.eye(len(logs)):
        ahead = residual(logs + unit, totals, fraction, constants)
        columns.append((ahead - residual(logs - unit, totals, fraction, constants)) / 2e-5)
    return np.array(columns).T


def dense(start: Array, totals: Array, fraction: float, constants: Array) -> Array:
    logs = start.copy()
    for _ in range(25):
        off = residual(logs, totals, fraction, constants)
        if np.abs(off).max() < 1e-13:
            break
        step = np.linalg.solve(jacobian(logs, totals, fraction, constants), -off)
        logs = logs + step * min(1.0, 2.0 / np.abs(step).max())
    return logs


def test_solution_and_derivatives_are_those_of_the_dense_system():
    tableau, built = liquor()
    totals, fraction = contacts(3)

    def outcome(totals, fraction, constants):
        found = equilibrium(tableau, totals, fraction, constants, built.model, built.parameters)
        return found.log_concentration, found.log_activity

    step = np.random.default_rng(4).normal(size=totals.shape) * totals
    still = (np.zeros_like(fraction), np.zeros_like(tableau.log10_constants))
    at = (totals, fraction, tableau.log10_constants)
    solve = jax.jit(lambda: jax.jvp(outcome, at, (step, *still)), compiler_options=FEW_CONTACTS)
    value, change = (np.concatenate([np.asarray(p) for p in part]) for part in solve())
    wobble = np.random.default_rng(5).normal(0.0, 0.3, len(value))
    for k in range(totals.shape[1]):
        numbers = (float(fraction[k]), tableau.log10_constants)
        logs = dense(value[:, k] + wobble, totals[:, k], *numbers)
        assert logs == pytest.approx(value[:, k], abs=1e-10)
        there = (dense(logs, totals[:, k] + s * 1e-5 * step[:, k], *numbers) for s in (1.0, -1.0))
        assert (next(there) - next(there)) / 2e-5 == pytest.approx(change[:, k], abs=1e-6)
