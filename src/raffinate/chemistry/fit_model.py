"""Distribution ratios that a set of constants predicts for shake-out tests, traceable by JAX."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import ConvergenceError, SpecificationError
from raffinate.lab.shake_out import ShakeOutTable
from raffinate.numerics.jax_setup import Array, jax, jnp, lax

Floats = NDArray[np.float64]

LN_10 = float(np.log(10.0))

BISECTIONS = 60
"""Halvings of the bracket of ln f/h; they leave it narrower than 1e-15 of its width."""

NEWTON_STEPS = 40
"""Most Newton steps from the unloaded start."""

TOLERANCE = 1e-12
"""Largest error of a balance, as a share of the extractant, [-]."""


class Flasks(NamedTuple):
    """What was put into every flask, per m³ of aqueous or of organic.

    Attributes:
        feed: Metals in the aqueous before shaking, (flask, element), [mol/m³]; 0 if absent.
        acidity: H⁺ put in, or found at the end where `at_end`, (flask,), [mol/m³].
        at_end: Whether `acidity` is that after shaking, (flask,).
        extractant: Extractant in units in which it exists freely, (flask,), [mol/m³].
        saponified: Exchangeable cation the organic brings, (flask,), [mol/m³].
        oa_ratio: Organic over aqueous volume, (flask,), [-].
        exchange_constant: K of cation⁺ + (HA)₂ ⇌ cation(HA₂) + H⁺, (), [-].
    """

    feed: Array
    acidity: Array
    at_end: Array
    extractant: Array
    saponified: Array
    oa_ratio: Array
    exchange_constant: Array


class Shaken(NamedTuple):
    """Every flask at equilibrium.

    Attributes:
        log10_ratio: log₁₀ D, (flask, element), [-]; of an absent element that of a trace of it.
        loading: Share of the extractant bound to metals, (flask,), [-].
        free_extractant: (flask,), [mol/m³].
        proton: Aqueous H⁺, (flask,), [mol/m³].
        error: Largest error of the balances, as a share of the extractant, (flask,), [-].
    """

    log10_ratio: Array
    loading: Array
    free_extractant: Array
    proton: Array
    error: Array


def shake_flasks(flasks: Flasks, log10_constant: Array, kappa: Array, terms: Array) -> Shaken:
    """Shake every flask on paper.

    With q = ln f/h, Φ the share of extractant bound to metals and Ψ = Σκφ,

        log₁₀ D = log₁₀ K + 3 q/ln10 - a0 Φ - a1 (κ Φ + Ψ),  y = (x₀/r) rD/(1 + rD),
        s = K_s e^q r s₀/(1 + K_s e^q r),  h = (L - s₀ + h₀/r)/(e^q + 1/r),  f = h e^q,

    and f + 3Σy + s = L, Φ = 3Σy/L, Ψ = 3Σκy/L are left. Without loading terms the first alone
    remains and its left side rises with q, so halving a bracket arrives; from there Newton's
    method takes the terms in. The last step is differentiated with the solution held, which gives
    the derivatives of the implicit function theorem.

    Args:
        flasks: What was put in.
        log10_constant: log₁₀ K in each flask, offsets and lagged activities included,
            (flask, element), [-].
        kappa: κ of each element, (element,), [-].
        terms: a0 and a1 of the loading model, (2,), [-].
    """
    solve = partial(_solve_flask, kappa=kappa, terms=terms)
    return Shaken(
        *jax.vmap(solve)(
            flasks._replace(
                exchange_constant=jnp.full_like(flasks.acidity, flasks.exchange_constant)
            ),
            log10_constant,
        )
    )


def _phases(
    flask: Flasks, log10_constant: Array, state: Array, kappa: Array, terms: Array
) -> tuple[Array, Array, Array, Array, Array]:
    """Return ln D, shares of extractant in metals, and f, h, s of one flask, [mol/m³]."""
    drive, bound, weighed = state[0], state[1], state[2]
    departure = terms[0] * bound + terms[1] * (kappa * bound + weighed)
    log_ratio = LN_10 * (log10_constant - departure) + 3.0 * drive
    oa = flask.oa_ratio
    share = 3.0 * flask.feed / oa * jax.nn.sigmoid(log_ratio + jnp.log(oa)) / flask.extractant
    put_in = (flask.extractant - flask.saponified + flask.acidity / oa) / (
        jnp.exp(drive) + 1.0 / oa
    )
    proton = jnp.where(flask.at_end, flask.acidity, put_in)
    exchanged = flask.exchange_constant * jnp.exp(drive) * oa
    salt = flask.saponified * exchanged / (1.0 + exchanged)
    return log_ratio, share, proton * jnp.exp(drive), proton, salt


def _solve_flask(
    flask: Flasks, log10_constant: Array, *, kappa: Array, terms: Array
) -> tuple[Array, Array, Array, Array, Array]:
    def balances(state: Array, constant: Array, kappa: Array, terms: Array) -> Array:
        _, share, free, _, salt = _phases(flask, constant, state, kappa, terms)
        filled = (free + salt) / flask.extractant + jnp.sum(share) - 1.0
        return jnp.stack([filled, jnp.sum(share) - state[1], jnp.sum(kappa * share) - state[2]])

    held = lax.stop_gradient((log10_constant, kappa, terms))
    start = _unloaded(flask, held[0], held[1])
    found = _newton(lambda state: balances(state, *held), start)
    slope = jax.jacfwd(balances)(found, *held)
    residual = balances(found, log10_constant, kappa, terms)
    state = found - _solve_three(slope, residual)
    log_ratio, share, free, proton, _ = _phases(flask, log10_constant, state, kappa, terms)
    error = jnp.max(jnp.abs(lax.stop_gradient(residual)))
    return log_ratio / LN_10, jnp.sum(share), free, proton, error


def _unloaded(flask: Flasks, constant: Array, kappa: Array) -> Array:
    """Return the state that holds if the loading terms are 0, (3,)."""
    none = jnp.zeros(2)

    def halve(_: Array, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        middle = 0.5 * (low + high)
        state = jnp.stack([middle, 0.0, 0.0])
        _, share, free, _, salt = _phases(flask, constant, state, kappa, none)
        above = (free + salt) / flask.extractant + jnp.sum(share) > 1.0
        return jnp.where(above, low, middle), jnp.where(above, middle, high)

    low, high = lax.fori_loop(0, BISECTIONS, halve, (jnp.asarray(-60.0), jnp.asarray(60.0)))
    drive = 0.5 * (low + high)
    _, share, _, _, _ = _phases(flask, constant, jnp.stack([drive, 0.0, 0.0]), kappa, none)
    return jnp.stack([drive, jnp.sum(share), jnp.sum(kappa * share)])


def _newton(balances: Callable[[Array], Array], start: Array) -> Array:
    """Return the root of three balances, each step shortened until their norm falls."""

    def step(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        state, norm, count = carry
        move = _solve_three(jax.jacfwd(balances)(state), balances(state))
        lengths = 0.5 ** jnp.arange(8.0)
        tried = state - lengths[:, None] * move
        norms = jnp.max(jnp.abs(jax.vmap(balances)(tried)), axis=1)
        best = jnp.argmin(jnp.where(jnp.isfinite(norms), norms, jnp.inf))
        better = norms[best] < norm
        return (
            jnp.where(better, tried[best], state),
            jnp.where(better, norms[best], norm),
            jnp.where(better, count + 1, NEWTON_STEPS),
        )

    def going(carry: tuple[Array, Array, Array]) -> Array:
        return (carry[1] > 1e-15) & (carry[2] < NEWTON_STEPS)

    norm = jnp.max(jnp.abs(balances(start)))
    return lax.while_loop(going, step, (start, norm, jnp.asarray(0)))[0]


def _solve_three(matrix: Array, rhs: Array) -> Array:
    """Return the solution of three linear equations by Cramer's rule."""
    first, second, third = matrix[:, 0], matrix[:, 1], matrix[:, 2]
    normal = jnp.cross(second, third)
    whole = jnp.dot(first, normal)
    return (
        jnp.stack(
            [
                jnp.dot(rhs, normal),
                jnp.dot(first, jnp.cross(rhs, third)),
                jnp.dot(first, jnp.cross(second, rhs)),
            ]
        )
        / whole
    )


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
        feed=jnp.asarray(feed),
        acidity=jnp.asarray(table.acidity),
        at_end=jnp.asarray(np.full(len(extractant), table.acidity_reading == "equilibrium")),
        extractant=jnp.asarray(extractant),
        saponified=jnp.asarray(saponified),
        oa_ratio=jnp.asarray(table.oa_ratio),
        exchange_constant=jnp.asarray(10.0**log10_exchange_constant),
    )


@cache
def _compiled() -> Callable[..., Shaken]:
    return jax.jit(shake_flasks)


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
    shaken = _compiled()(
        flasks_of(table, elements, log10_exchange_constant),
        jnp.asarray(constant),
        jnp.asarray(extent),
        jnp.asarray(terms),
    )
    check_shaken(shaken, table)
    place = np.array([elements.index(symbol) for symbol in table.element])
    return FlaskContact(
        log10_ratio=np.asarray(shaken.log10_ratio)[table.test, place],
        loading=np.asarray(shaken.loading),
        free_dimer=np.asarray(shaken.free_extractant),
        proton=np.asarray(shaken.proton),
    )


def check_shaken(shaken: Shaken, table: ShakeOutTable) -> None:
    """Refuse a solution whose balances are open.

    Raises:
        ConvergenceError: A balance is open by more than `TOLERANCE`.
    """
    error = np.asarray(shaken.error)
    worst = int(np.argmax(np.where(np.isfinite(error), error, np.inf)))
    if not error[worst] < TOLERANCE:
        raise ConvergenceError(
            f"the equilibrium of test {table.test_id[worst]} was not found; its balances are "
            f"open by {error[worst]:.1e} of the extractant.",
            where=table.name,
            mend="Look for extreme concentrations in the table, or narrow the loading prior.",
        )
