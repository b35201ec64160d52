"""Steady state of a reduced bank whose constants follow the liquors: long steps, then Newton.

As for constants that are given, a stage at first holds back a part of its throughput, and that
part shrinks with every step taken; but each iteration moves ln q and ln K together. A step counts
by its charges alone: constants that lag behind are part of the next one. How far an iteration may
go depends on where the march begins, see `Pace`.

Source: C. T. Kelley, D. E. Keyes, SIAM J. Numer. Anal. 35 (1998) 508.
"""

from __future__ import annotations

from typing import NamedTuple

from raffinate.cascade.reduced import Balance, Distributed, Held, ReducedBank, distributed
from raffinate.cascade.reduced_march import (
    ACCEPTED,
    LARGEST_INNER,
    LARGEST_MOVE,
    LARGEST_RATE,
    SMALLEST_RATE,
    held_by,
    largest_excess,
)
from raffinate.cascade.steady_activity_constants import Liquors, constants_with_slopes
from raffinate.cascade.steady_activity_newton import coupled_step
from raffinate.chemistry.stage_chemistry import Parameters, StageChemistry
from raffinate.numerics.jax_setup import Array, jnp, lax


class Pace(NamedTuple):
    """How fast a march goes; hashable, a static argument of what is compiled.

    Attributes:
        accepted: Largest charge excess, as a logarithm, at which a step counts as taken, [-].
        smallest_rate: Part of its throughput below which a stage holds nothing back, [-].
        longest_move: Largest change of ln q in one iteration, [-].
        whole: A longer move is made shorter in every stage alike, not cut where it is too long.
    """

    accepted: float
    smallest_rate: float
    longest_move: float
    whole: bool


FROM_FEED = Pace(ACCEPTED, SMALLEST_RATE, LARGEST_MOVE, False)
"""For a bank full of feed: as with constants that are given."""

TRAVELLING = Pace(2.0, 1e-4, 0.5, True)
"""For a bank that begins from a shorter one: all is in place but for a front that may have a way to
go. Newton's step then is the front's travel, right in direction and far too long."""


class Coupled(NamedTuple):
    """State of the iteration.

    Attributes:
        log_q: ln q where it stands, (stage,), [-].
        log_constant: ln K of carried species there, (stage, carried), [-].
        state: The species there.
        step: Changes of ln q and ln K that come next.
        held: The step in pseudo-time it is in; rate 0 is the steady state.
        accepted: ln q and ln K at the beginning of that step.
        inner: Iterations in the step.
        iteration: Iterations in all; -1 where the start has not been looked at.
        before: Largest miss before the last iteration, [-].
        miss: Largest charge excess, as a logarithm, or change that a constant still wants, [-].
        history: The miss before each iteration and after the last, NaN where not reached.
    """

    log_q: Array
    log_constant: Array
    state: Distributed
    step: tuple[Array, Array]
    held: Held
    accepted: tuple[Array, Array]
    inner: Array
    iteration: Array
    before: Array
    miss: Array
    history: Array


class Asked(NamedTuple):
    """Who is asked for the constants, and when to stop.

    Attributes:
        chemistry: One for which `is_exchange` holds.
        parameters: Its numbers.
        bank: The bank; its own constants are not read.
        tolerance: Largest miss accepted at the end, [-].
        pace: Of a march.
    """

    chemistry: StageChemistry
    parameters: Parameters
    bank: ReducedBank
    tolerance: float
    pace: Pace = FROM_FEED


def with_constants(bank: ReducedBank, log_constant: Array) -> ReducedBank:
    """Return a bank with ln K of the carried species in every stage, (stage, carried)."""
    proton = jnp.zeros_like(log_constant[:, :1])
    return bank._replace(log_constant=jnp.concatenate([log_constant, proton], axis=1))


def begin(bank: ReducedBank, log_q: Array, log_constant: Array, held: Held, most: int) -> Coupled:
    """Return the iteration before its start is looked at.

    That is its first round, with a step of no length, so that the loop alone is compiled.

    Args:
        bank: The bank.
        log_q: Where to begin, (stage,), [-].
        log_constant: Likewise, (stage, carried), [-].
        held: First step in pseudo-time.
        most: Iterations after which it gives up.
    """
    blank = jnp.ones_like(bank.fed)
    nothing = jnp.zeros_like(blank)
    stage = jnp.zeros_like(log_q)
    return Coupled(
        log_q=log_q,
        log_constant=log_constant,
        state=Distributed(blank, blank, blank, Balance(nothing, blank, nothing, stage, stage)),
        step=(jnp.zeros_like(log_q), jnp.zeros_like(log_constant)),
        held=held,
        accepted=(log_q, log_constant),
        inner=jnp.array(0),
        iteration=jnp.array(-1),
        before=jnp.array(jnp.inf),
        miss=jnp.array(jnp.inf),
        history=jnp.full((most,), jnp.nan),
    )


def march(asked: Asked, start: Coupled) -> Coupled:
    """March to the steady state, or until it leads nowhere."""
    most = start.history.shape[0]

    def unfinished(now: Coupled) -> Array:
        arrived = (now.held.rate == 0.0) & (now.miss <= asked.tolerance)
        hopeless = (now.held.rate > LARGEST_RATE) | (now.iteration >= most)
        return ~(arrived | hopeless)

    return lax.while_loop(unfinished, lambda now: _marched(asked, now), start)


def newton(asked: Asked, start: Coupled) -> Coupled:
    """Iterate from close by, with nothing held back, for as long as it comes nearer."""
    most = start.history.shape[0]

    def unfinished(now: Coupled) -> Array:
        nearer = (now.miss < now.before) & (now.iteration < most)
        return (now.iteration < 0) | ((now.miss > asked.tolerance) & nearer)

    def iterated(now: Coupled) -> Coupled:
        log_q, log_constant = _moved(now, FROM_FEED)
        state = distributed(with_constants(asked.bank, log_constant), log_q, now.held)
        there = now._replace(log_q=log_q, log_constant=log_constant, state=state)
        return _looked(asked, there)

    return lax.while_loop(unfinished, iterated, start)


def _moved(now: Coupled, pace: Pace) -> tuple[Array, Array]:
    log_q, log_constant = now.step
    if pace.whole:
        share = jnp.minimum(1.0, pace.longest_move / jnp.max(jnp.abs(log_q)))
        log_q, log_constant = share * log_q, share * log_constant
    else:
        longest = pace.longest_move
        log_q, log_constant = (jnp.clip(step, -longest, longest) for step in now.step)
    return now.log_q + log_q, now.log_constant + log_constant


def _looked(asked: Asked, now: Coupled) -> Coupled:
    """Return the iteration one further, with its miss and its next step."""
    bank, state = asked.bank, now.state
    liquors = Liquors(now.log_q, state.aqueous, bank.anion, bank.active)
    constants = constants_with_slopes(asked.chemistry, asked.parameters, liquors)
    wanted = jnp.where(bank.active[:, None], constants.value - now.log_constant, 0.0)
    miss = jnp.maximum(jnp.max(jnp.abs(wanted)), largest_excess(bank, state))
    miss = jnp.where(jnp.isnan(miss), jnp.inf, miss)
    step = lax.cond(
        (now.held.rate == 0.0) & (miss <= asked.tolerance),
        lambda: (jnp.zeros_like(now.log_q), jnp.zeros_like(now.log_constant)),
        lambda: coupled_step(with_constants(bank, now.log_constant), state, constants),
    )
    return now._replace(
        step=step,
        iteration=now.iteration + 1,
        before=now.miss,
        miss=miss,
        history=now.history.at[now.iteration + 1].set(miss),
    )


def _marched(asked: Asked, now: Coupled) -> Coupled:
    bank, first = asked.bank, now.iteration < 0
    log_q, log_constant = _moved(now, asked.pace)
    state = distributed(with_constants(bank, log_constant), log_q, now.held)
    excess = largest_excess(bank, state)
    rate, inner = now.held.rate, now.inner + 1
    taken = (excess < asked.pace.accepted) & ~first
    back = ~taken & ((inner > LARGEST_INNER) | ~jnp.isfinite(excess)) & ~first
    held = _next_step(asked, now.held, state, inner, taken, back)
    log_q = jnp.where(back, now.accepted[0], log_q)
    log_constant = jnp.where(back, now.accepted[1], log_constant)
    # Where the step in pseudo-time goes on, and in Newton's iteration, nothing has changed since.
    state = lax.cond(
        back | (taken & (rate > 0.0)),
        lambda: distributed(with_constants(bank, log_constant), log_q, held),
        lambda: state,
    )
    there = now._replace(
        log_q=log_q,
        log_constant=log_constant,
        state=state,
        held=held,
        accepted=(
            jnp.where(taken, log_q, now.accepted[0]),
            jnp.where(taken, log_constant, now.accepted[1]),
        ),
        inner=jnp.where(taken | back | first, 0, inner),
    )
    return _looked(asked, there)


def _next_step(
    asked: Asked, held: Held, state: Distributed, inner: Array, taken: Array, back: Array
) -> Held:
    """Return the next step: longer where this one was taken, shorter where it was taken back."""
    shrink = jnp.where(inner <= 1, 0.3, jnp.where(inner <= 2, 0.6, 0.8))
    rate = held.rate * jnp.where(taken, shrink, jnp.where(back, 4.0, 1.0))
    smallest = asked.pace.smallest_rate
    rate = jnp.where(taken & (rate < smallest), 0.0, rate)
    rate = jnp.where(back, jnp.maximum(rate, smallest), rate)
    fresh = held_by(asked.bank, state, rate)
    return Held(rate, jnp.where(taken, fresh.content, held.content))
