"""A bank of ideal exchange in one unknown per stage: q, free dimer over free acid.

Counted in equivalents, exchange for an acid extractant is plain counter-current distribution. The
proton is one more species, with constant 1 and valence 1, so that with u = ln q

    D_k = K_k exp(ν_k u)        every rare earth (ν = 3), the cation and the proton (ν = 1)

and the balances of each species are linear once u is known, with an M-matrix: what they give is
positive. Anion never enters the organic, so its profile c follows from the flows; dimer F never
enters the aqueous. What is left to be met is electroneutrality, one equation per stage:

    S = Σ ν x = c.

As balances of all species add up to that of the equivalents, Σ ν y = F then holds by itself. This
is the bubble-point form of a distillation column: q is its temperature.

Sources: J. C. Wang, G. E. Henke, Hydrocarbon Processing 45(8) (1966) 155 (tridiagonal balances at
given temperatures); L. M. Naphtali, D. P. Sandholm, AIChE J. 17 (1971) 148.
"""

from __future__ import annotations

from typing import NamedTuple

from raffinate.cascade.bank import Unknowns, aqueous_flows
from raffinate.cascade.equations import TINY, Problem
from raffinate.chemistry.exchange import FLOOR, AcidicExchange
from raffinate.numerics.jax_setup import Array, jnp, lax

UNROLLED = 2
"""Stages written out in one pass of a scan along the bank; buckets hold a multiple of it."""

LEAST = 1e-60
"""Smallest concentration of which a logarithm is taken, [mol/m³]."""


class ReducedBank(NamedTuple):
    """Numbers of a bank of ideal exchange. Species: rare earths, cation, proton.

    Attributes:
        organic_flow: [m³/s].
        leaving: Aqueous leaving each settler, (stage,), [m³/s].
        passed: What of it goes on to the stage below, (stage,), [m³/s].
        efficiency: Organic-phase Murphree efficiency, (stage,), [-].
        fed: Species brought by feeds, (stage, species), [mol/s].
        inlet: Cation of the fresh organic, [mol/m³].
        dimer: Total extractant F, [mol/m³].
        anion: c, (stage,), [mol/m³].
        log_constant: ln K, (species,), or of every stage, (stage, species), [-].
        valence: ν, (species,), [-].
        active: Whether the stage exists, (stage,).
        last: Index of the last stage that exists.
    """

    organic_flow: Array
    leaving: Array
    passed: Array
    efficiency: Array
    fed: Array
    inlet: Array
    dimer: Array
    anion: Array
    log_constant: Array
    valence: Array
    active: Array
    last: Array


class Held(NamedTuple):
    """What a pseudo-time step starts from.

    Attributes:
        rate: Part of the throughput of a stage that is held back, [-]; 0 is the steady state.
        content: What a stage holds, in terms of its throughput, (stage, species), [mol/s].
    """

    rate: Array
    content: Array


class Distributed(NamedTuple):
    """Every species in the bank at given q.

    Attributes:
        aqueous: x, (stage, species), [mol/m³].
        organic: y, leaving the mixer, (stage, species), [mol/m³].
        ratio: D, (stage, species), [-].
        balance: Coefficients by which the Newton matrix continues from here.
    """

    aqueous: Array
    organic: Array
    ratio: Array
    balance: Balance


class Balance(NamedTuple):
    """Tridiagonal balances of the species: diagonal y[n] - before y[n-1] - after y[n+1] = right.

    Attributes:
        before, diagonal, after: (stage, species), [m³/s].
        out: Aqueous that counts as leaving, the held part included, (stage,), [m³/s].
        lag: 1 - efficiency, (stage,), [-].
    """

    before: Array
    diagonal: Array
    after: Array
    out: Array
    lag: Array


def reduced_bank(chemistry: AcidicExchange, problem: Problem) -> ReducedBank:
    """Return the numbers of a bank of ideal exchange; free variables are not applied."""
    streams, vessels, parameters = problem.streams, problem.vessels, problem.parameters
    count = chemistry.element_count
    active = jnp.asarray(vessels.active)
    flows = aqueous_flows(streams, active.shape[0])
    valence = jnp.array([3.0] * count + [1.0, 1.0])
    fed = flows.fed[:, : count + 1]
    proton = flows.fed[:, count + 1] - fed @ valence[: count + 1]
    constant = [
        jnp.asarray(parameters.log_extraction_constant),
        jnp.asarray(parameters.log_cation_constant)[..., None],
    ]
    constant.append(jnp.zeros_like(constant[1]))
    inlet = jnp.asarray(streams.organic_inlet)
    return ReducedBank(
        organic_flow=jnp.asarray(streams.organic_flow),
        leaving=jnp.where(active, flows.leaving + TINY, 1.0),
        passed=jnp.where(active, flows.passed, 0.0),
        efficiency=jnp.asarray(vessels.efficiency),
        fed=jnp.concatenate([fed, jnp.maximum(proton, 0.0)[:, None]], axis=1),
        inlet=inlet[count],
        dimer=inlet[-1],
        anion=_anion_profile(flows.leaving, flows.passed, flows.fed[:, count + 1], active),
        log_constant=jnp.concatenate(constant, axis=-1),
        valence=valence,
        active=active,
        last=jnp.asarray(vessels.last),
    )


def _anion_profile(leaving: Array, passed: Array, fed: Array, active: Array) -> Array:
    def down(arriving: Array, row: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        out, onward, enters = row
        here = (arriving + enters) / (out + TINY)
        return onward * here, here

    _, profile = lax.scan(down, jnp.array(0.0), (leaving, passed, fed), reverse=True)
    return jnp.where(active, jnp.maximum(profile, FLOOR), 1.0)


def distributed(bank: ReducedBank, log_q: Array, held: Held) -> Distributed:
    """Return every species at u = ln q, (stage,), by one linear solve each.

    The rare earths that leave the last stage come back to the first: one more right-hand side.
    The proton comes last, because fresh organic brings what dimer the others leave.
    """
    ratio = jnp.exp(bank.log_constant + bank.valence * log_q[:, None])
    balance = _balances(bank, ratio, held.rate)
    lag = balance.lag[:, None]
    right = jnp.where(bank.active[:, None], bank.fed + held.rate * held.content, 1.0)
    unit = jnp.zeros_like(right).at[0].set(balance.before[0])
    alone, answer = _two_solutions(balance, right, unit)
    count = right.shape[1] - 2
    back = alone[bank.last, :count] / (1.0 - answer[bank.last, :count])
    acid = bank.dimer - bank.inlet - bank.valence[:count] @ back
    entering = jnp.concatenate([back, bank.inlet[None], jnp.maximum(acid, LEAST)[None]])
    organic = alone + answer * entering
    before = jnp.concatenate([entering[None], organic[:-1]])
    equilibrium = (organic - lag * before) / (1.0 - lag)
    aqueous = jnp.maximum(equilibrium / ratio, LEAST)
    return Distributed(aqueous, organic, ratio, balance)


def _balances(bank: ReducedBank, ratio: Array, rate: Array) -> Balance:
    active = bank.active[:, None]
    lag = 1.0 - bank.efficiency
    share = 1.0 / (bank.efficiency[:, None] * ratio)
    out = bank.leaving * (1.0 + rate)
    passed = jnp.zeros_like(share).at[:-1].set(bank.passed[1:, None] * share[1:])
    remembered = jnp.zeros_like(share).at[:-1].set(lag[1:, None])
    washed = out[:, None] * share
    return Balance(
        before=jnp.where(active, bank.organic_flow + lag[:, None] * washed, 0.0),
        diagonal=jnp.where(
            active, bank.organic_flow * (1.0 + rate) + washed + remembered * passed, 1.0
        ),
        after=jnp.where(active, passed, 0.0),
        out=out,
        lag=lag,
    )


def _two_solutions(balance: Balance, first: Array, second: Array) -> tuple[Array, Array]:
    """Return the solutions for two right-hand sides, (stage, species) each."""
    zero = jnp.zeros((3, first.shape[1]))

    def forward(carry: Array, row: Array) -> tuple[Array, Array]:
        before, diagonal, after = row[0], row[1], row[2]
        pivot = 1.0 / (diagonal - before * carry[0])
        found = jnp.concatenate([after[None], row[3:] + before * carry[1:]]) * pivot
        return found, found

    def backward(carry: Array, row: Array) -> tuple[Array, Array]:
        found = row[1:] + row[0] * carry
        return found, found

    # One array per stage rather than five: a scan pays for each that it slices.
    before = balance.before.at[0].set(0.0)
    rows = jnp.stack([before, balance.diagonal, balance.after, first, second], axis=1)
    _, eliminated = lax.scan(forward, zero, rows, unroll=UNROLLED)
    _, found = lax.scan(backward, zero[1:], eliminated, reverse=True, unroll=UNROLLED)
    return found[:, 0], found[:, 1]


def charge_excess(bank: ReducedBank, state: Distributed) -> Array:
    """Return ln(S/c), (stage,), [-]: positive where cations outnumber the anion."""
    return jnp.where(bank.active, jnp.log(state.aqueous @ bank.valence / bank.anion), 0.0)


def at_rest(bank: ReducedBank) -> Held:
    """Return what a steady state holds back: nothing."""
    return Held(jnp.array(0.0), jnp.zeros_like(bank.fed))


def as_unknowns(bank: ReducedBank, log_q: Array, state: Distributed) -> Unknowns:
    """Return the unknowns of the full equations at a state of the reduced ones."""
    count = bank.fed.shape[1] - 2
    last = jnp.maximum(state.organic[bank.last, :count], LEAST)
    log_aqueous = jnp.log(state.aqueous)
    contact = [
        log_aqueous[:, : count + 1],
        jnp.log(bank.anion)[:, None],
        (log_q + log_aqueous[:, -1])[:, None],
        log_aqueous[:, -1:],
    ]
    carried = state.organic[:, : count + 1] / bank.dimer
    rows = [*contact, carried, jnp.ones_like(carried[:, :1])]
    return Unknowns(jnp.concatenate(rows, axis=1), last / bank.dimer)
