"""The steady state of a reduced bank from nothing: a few long steps in pseudo-time, then Newton.

A stage holds back a part of its throughput, `rate`; the less it holds back, the longer the step.
One Newton iteration is made per step. Steps grow as long as the charges come out nearly right, and
are taken back and made shorter when they do not. From close by Newton's iteration does it alone.

Source: C. T. Kelley, D. E. Keyes, SIAM J. Numer. Anal. 35 (1998) 508.
"""

from __future__ import annotations

from typing import NamedTuple

from raffinate.cascade.reduced import (
    Distributed,
    Held,
    ReducedBank,
    at_rest,
    charge_excess,
    distributed,
)
from raffinate.cascade.reduced_newton import newton_step
from raffinate.numerics.jax_setup import Array, jnp, lax

COLD_RATE = 0.1
"""Part of its throughput a stage holds back at first when it starts from nothing, [-]."""

SMALLEST_RATE = 1e-3
"""Part below which nothing is held back any more and the iteration is Newton's, [-]."""

SMALLER = 0.01
"""Factor on that part where Newton's iteration led nowhere from it, [-]: first longer steps."""

LARGEST_RATE = 100.0
"""Part above which the march is given up, [-]."""

ACCEPTED = 0.5
"""Largest charge excess, as a logarithm, at which a step counts as taken, [-]."""

LARGEST_INNER = 4
"""Iterations within one step before it is taken back."""

LARGEST_MOVE = 1.5
"""Largest change of ln q in one iteration, [-]."""

BUBBLE_ITERATIONS = 40
"""Iterations for the q at which liquor and organic are in equilibrium; it is monotone."""


class March(NamedTuple):
    """State of a march.

    Attributes:
        log_q: ln q where it stands, (stage,), [-].
        state: The species there.
        held: The step it is in.
        accepted: ln q at the beginning of the step, (stage,), [-].
        reached: The last part at which a step was taken, [-].
        floor: The part below which nothing is held back any more, [-].
        inner: Iterations in the step.
        iteration: Iterations in all.
        excess: Largest charge excess, as a logarithm, [-].
        history: The excess before each iteration, NaN where not reached.
    """

    log_q: Array
    state: Distributed
    held: Held
    accepted: Array
    reached: Array
    floor: Array
    inner: Array
    iteration: Array
    excess: Array
    history: Array


def feed_everywhere(bank: ReducedBank) -> tuple[Array, Held]:
    """Return a bank full of the richest feed at the strength of its anion, and organic met by it.

    Returns:
        ln q, (stage,), and what the stages hold.
    """
    metal = jnp.sum(bank.fed[:, :-2], axis=1)
    liquor = bank.fed[jnp.argmax(metal)]
    liquor = liquor / (liquor @ bank.valence)
    aqueous = bank.anion[:, None] * liquor[None, :]

    def halve(_: int, log_q: Array) -> Array:
        organic = aqueous * jnp.exp(bank.log_constant + bank.valence * log_q[:, None])
        total, slope = organic @ bank.valence, organic @ bank.valence**2
        move = jnp.log(total / bank.dimer) * total / slope
        return log_q - jnp.clip(move, -2.0, 2.0)

    log_q = lax.fori_loop(0, BUBBLE_ITERATIONS, halve, jnp.zeros_like(bank.anion))
    organic = aqueous * jnp.exp(bank.log_constant + bank.valence * log_q[:, None])
    return log_q, _held(bank, aqueous, organic, jnp.array(COLD_RATE))


def held_in(bank: ReducedBank, log_q: Array, aqueous: Array, rate: Array) -> Held:
    """Return a step that starts from liquors and the organic in equilibrium with them.

    Args:
        bank: The bank.
        log_q: ln q, (stage,), [-].
        aqueous: Species in the liquors, (stage, species), [mol/m³].
        rate: Part of its throughput a stage holds back, [-].
    """
    organic = aqueous * jnp.exp(bank.log_constant + bank.valence * log_q[:, None])
    return _held(bank, aqueous, organic, rate)


def held_by(bank: ReducedBank, state: Distributed, rate: Array) -> Held:
    """Return a step that starts from a state, its equivalents made right."""
    return _held(bank, state.aqueous, state.organic, rate)


def _held(bank: ReducedBank, aqueous: Array, organic: Array, rate: Array) -> Held:
    aqueous = aqueous * (bank.anion / (aqueous @ bank.valence))[:, None]
    organic = organic * (bank.dimer / (organic @ bank.valence))[:, None]
    return Held(rate, bank.leaving[:, None] * aqueous + bank.organic_flow * organic)


def largest_excess(bank: ReducedBank, state: Distributed) -> Array:
    """Return the largest charge excess, as a logarithm; infinity if any is not a number."""
    found = jnp.max(jnp.abs(charge_excess(bank, state)))
    return jnp.where(jnp.isnan(found), jnp.inf, found)


def march(
    bank: ReducedBank, log_q: Array, held: Held, tolerance: float, max_iterations: int
) -> March:
    """March from `log_q` to the steady state, or until it leads nowhere.

    Args:
        bank: The bank.
        log_q: Where to begin, (stage,), [-].
        held: First step; rate 0 is Newton at once.
        tolerance: Largest charge excess accepted at the end, [-].
        max_iterations: Iterations after which it gives up.
    """
    state = distributed(bank, log_q, held)
    begin = March(
        log_q=log_q,
        state=state,
        held=held,
        accepted=log_q,
        reached=held.rate,
        floor=jnp.array(SMALLEST_RATE),
        inner=jnp.array(0),
        iteration=jnp.array(0),
        excess=largest_excess(bank, state),
        history=jnp.full((max_iterations,), jnp.nan),
    )

    def unfinished(now: March) -> Array:
        arrived = (now.held.rate == 0.0) & (now.excess <= tolerance)
        hopeless = (now.held.rate > LARGEST_RATE) | (now.iteration >= max_iterations)
        return ~(arrived | hopeless)

    return lax.while_loop(unfinished, lambda now: _iterated(bank, now), begin)


def _iterated(bank: ReducedBank, now: March) -> March:
    move = newton_step(bank, now.log_q, now.state)
    log_q = now.log_q + jnp.clip(move, -LARGEST_MOVE, LARGEST_MOVE)
    state = distributed(bank, log_q, now.held)
    excess = largest_excess(bank, state)
    rate, inner = now.held.rate, now.inner + 1
    taken = excess < ACCEPTED
    back = ~taken & ((inner > LARGEST_INNER) | ~jnp.isfinite(excess))
    # Where Newton's iteration fails from a short step, a front still has a way to go: the march
    # goes on from the last step, to longer ones than it dared before.
    lost = back & (rate == 0.0)
    floor = jnp.where(lost, SMALLER * now.floor, now.floor)
    shrink = jnp.where(inner <= 1, 0.3, jnp.where(inner <= 2, 0.6, 0.8))
    next_rate = rate * jnp.where(taken, shrink, jnp.where(back, 4.0, 1.0))
    next_rate = jnp.where(taken & (next_rate < floor), 0.0, next_rate)
    next_rate = jnp.where(lost, jnp.maximum(now.reached, floor), next_rate)
    fresh = held_by(bank, state, next_rate)
    held = Held(next_rate, jnp.where(taken, fresh.content, now.held.content))
    log_q = jnp.where(back, now.accepted, log_q)
    # In a Newton iteration that was not taken back nothing has changed since.
    state = lax.cond(back | (rate > 0.0), lambda: distributed(bank, log_q, held), lambda: state)
    return March(
        log_q=log_q,
        state=state,
        held=held,
        accepted=jnp.where(taken, log_q, now.accepted),
        reached=jnp.where(taken & (rate > 0.0), rate, now.reached),
        floor=floor,
        inner=jnp.where(taken | back, 0, inner),
        iteration=now.iteration + 1,
        excess=largest_excess(bank, state),
        history=now.history.at[now.iteration].set(now.excess),
    )


class Newton(NamedTuple):
    """State of Newton's iteration.

    Attributes:
        log_q: ln q where it stands, (stage,), [-].
        state: The species there.
        iteration: Iterations made.
        before: Largest charge excess before the last of them, as a logarithm, [-].
        excess: The same after it.
        history: The excess before each iteration, NaN where not reached.
    """

    log_q: Array
    state: Distributed
    iteration: Array
    before: Array
    excess: Array
    history: Array


def newton(bank: ReducedBank, log_q: Array, tolerance: float, max_iterations: int) -> Newton:
    """Iterate to the steady state for as long as every iteration brings it nearer.

    An iteration that does not is the sign that a front has to travel: then a start from nothing
    is the shorter way, and the sooner this is given up the better.

    Args:
        bank: The bank.
        log_q: Where to begin, (stage,), [-].
        tolerance: Largest charge excess accepted at the end, [-].
        max_iterations: Iterations after which it gives up.
    """
    rest = at_rest(bank)
    state = distributed(bank, log_q, rest)
    begin = Newton(
        log_q=log_q,
        state=state,
        iteration=jnp.array(0),
        before=jnp.array(jnp.inf),
        excess=largest_excess(bank, state),
        history=jnp.full((max_iterations,), jnp.nan),
    )

    def unfinished(now: Newton) -> Array:
        nearer = (now.excess < now.before) & (now.iteration < max_iterations)
        return (now.excess > tolerance) & nearer

    def iterated(now: Newton) -> Newton:
        move = newton_step(bank, now.log_q, now.state)
        there = now.log_q + jnp.clip(move, -LARGEST_MOVE, LARGEST_MOVE)
        found = distributed(bank, there, rest)
        return Newton(
            log_q=there,
            state=found,
            iteration=now.iteration + 1,
            before=now.excess,
            excess=largest_excess(bank, found),
            history=now.history.at[now.iteration].set(now.excess),
        )

    return lax.while_loop(unfinished, iterated, begin)
