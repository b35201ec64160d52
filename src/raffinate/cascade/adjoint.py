"""Gradients of what a steady bank does, by the implicit function theorem.

At the steady state R(u, p) = 0, an outcome g(u, p) changes with the numbers p as

    dg/dp = ∂g/∂p - λᵀ ∂R/∂p,    (∂R/∂u)ᵀ λ = (∂g/∂u)ᵀ.

One elimination of the Newton matrix serves all outcomes; each costs one transposed solve and one
reverse pass through the residual, however many numbers there are. With more outcomes than numbers
the sensitivities du/dp = -(∂R/∂u)⁻¹ ∂R/∂p are cheaper and give the same.

Source: M. B. Giles, N. A. Pierce, Flow, Turbulence and Combustion 65 (2000) 393.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from raffinate.cascade.bank import Unknowns
from raffinate.cascade.equations import Problem, blank_inventory, residual
from raffinate.cascade.jacobian import factorise_newton
from raffinate.chemistry.stage_chemistry import StageChemistry
from raffinate.numerics.block_tridiagonal import BorderedFactors, solve_bordered
from raffinate.numerics.block_tridiagonal_adjoint import solve_bordered_transposed
from raffinate.numerics.jax_setup import Array, jax, jnp

IDLE_RECYCLE = 1.0
"""Recycle of stages that do not exist, [m³/s]; nothing that exists sees it."""

Build = Callable[[Array], Problem]
"""From inputs, (input,), to the numbers of a bank; traceable."""

Measure = Callable[[Array, Unknowns], Array]
"""From inputs, (input,), and unknowns to outcomes, (outcome,); traceable."""


def steady_residual(chemistry: StageChemistry, problem: Problem, unknowns: Unknowns) -> Unknowns:
    """Return R(u, p) of the steady state, relative, [-]."""
    blank = blank_inventory(chemistry, problem)
    # An idle stage without any aqueous would divide by zero, which a reverse pass multiplies by 0.
    recycle = jnp.where(problem.vessels.active, problem.streams.recycle, IDLE_RECYCLE)
    problem = problem._replace(streams=problem.streams._replace(recycle=recycle))
    return residual(chemistry, problem, unknowns, blank, jnp.array(0.0))


def steady_factors(
    chemistry: StageChemistry, problem: Problem, unknowns: Unknowns
) -> BorderedFactors:
    """Return the eliminated ∂R/∂u of the steady state."""
    blank = blank_inventory(chemistry, problem)
    return factorise_newton(chemistry, problem, unknowns, blank, jnp.array(0.0))


def outcome_jacobian(
    chemistry: StageChemistry,
    build: Build,
    measure: Measure,
    inputs: Array,
    unknowns: Unknowns,
    *,
    forward: bool | None = None,
) -> tuple[Array, Array]:
    """Return outcomes, (outcome,), and their derivatives by the inputs, (outcome, input).

    Args:
        chemistry: Equations of one contact.
        build: Numbers of the bank from the inputs.
        measure: Outcomes from inputs and unknowns.
        inputs: Where, (input,).
        unknowns: The steady state there.
        forward: By sensitivities rather than adjoints; None takes what needs fewer solves.
    """
    factors = steady_factors(chemistry, build(inputs), unknowns)
    values = measure(inputs, unknowns)
    if forward is None:
        forward = values.shape[0] > inputs.shape[0]
    if forward:
        identity = jnp.eye(inputs.shape[0])
        moves = jax.vmap(partial(_moved, chemistry, build, factors, inputs, unknowns))(identity)

        def along(direction: Array, move: Unknowns) -> Array:
            change: Array = jax.jvp(measure, (inputs, unknowns), (direction, move))[1]
            return change

        return values, jax.vmap(along, out_axes=1)(identity, moves)
    return values, _by_adjoint(chemistry, build, measure, factors, inputs, unknowns, values.shape)


def _by_adjoint(
    chemistry: StageChemistry,
    build: Build,
    measure: Measure,
    factors: BorderedFactors,
    inputs: Array,
    unknowns: Unknowns,
    shape: tuple[int, ...],
) -> Array:
    def imbalance(at: Array) -> Unknowns:
        return steady_residual(chemistry, build(at), unknowns)

    _, pull_outcome = jax.vjp(measure, inputs, unknowns)
    _, pull_residual = jax.vjp(imbalance, inputs)

    def one(weight: Array) -> Array:
        direct, seen = pull_outcome(weight)
        multipliers = Unknowns(*solve_bordered_transposed(factors, seen.stage, seen.border))
        (through,) = pull_residual(multipliers)
        gradient: Array = direct - through
        return gradient

    return jax.vmap(one)(jnp.eye(shape[0]))


def sensitivity(
    chemistry: StageChemistry, build: Build, inputs: Array, unknowns: Unknowns, direction: Array
) -> Unknowns:
    """Return how the steady state moves along a direction of the inputs, du/ds.

    Args:
        chemistry: Equations of one contact.
        build: Numbers of the bank from the inputs.
        inputs: Where, (input,).
        unknowns: The steady state there.
        direction: Change of the inputs per s, (input,).
    """
    factors = steady_factors(chemistry, build(inputs), unknowns)
    return _moved(chemistry, build, factors, inputs, unknowns, direction)


def _moved(
    chemistry: StageChemistry,
    build: Build,
    factors: BorderedFactors,
    inputs: Array,
    unknowns: Unknowns,
    direction: Array,
) -> Unknowns:
    def imbalance(at: Array) -> Unknowns:
        return steady_residual(chemistry, build(at), unknowns)

    change: Unknowns = jax.jvp(imbalance, (inputs,), (direction,))[1]
    return Unknowns(*solve_bordered(factors, -change.stage, -change.border))


def numbers_of(problem: Problem) -> tuple[Array, ...]:
    """Return everything in a problem that is no index and no mask, in a fixed order."""
    return tuple(leaf for leaf in jax.tree.leaves(problem) if _is_number(leaf))


def with_numbers(problem: Problem, numbers: tuple[Array, ...]) -> Problem:
    """Return the problem with what `numbers_of` returns replaced."""
    leaves, structure = jax.tree.flatten(problem)
    rest = iter(numbers)
    changed = [next(rest) if _is_number(leaf) else leaf for leaf in leaves]
    rebuilt: Problem = jax.tree.unflatten(structure, changed)
    return rebuilt


def _is_number(leaf: Array) -> bool:
    return bool(jnp.issubdtype(jnp.result_type(leaf), jnp.floating))


def problem_gradient(
    chemistry: StageChemistry,
    problem: Problem,
    unknowns: Unknowns,
    measure: Callable[[Problem, Unknowns], Array],
) -> Problem:
    """Return the gradient of one outcome by every number of a bank, in the shape of the problem.

    Holdups, flows, feeds, efficiencies and constants of the chemistry alike; `numbers_of` takes
    the gradients out of it. Indices and masks come back as they are.

    Args:
        chemistry: Equations of one contact.
        problem: Numbers of the bank.
        unknowns: Its steady state.
        measure: Outcome, a scalar, from problem and unknowns; traceable.
    """

    def outcome(numbers: tuple[Array, ...], at: Unknowns) -> Array:
        return measure(with_numbers(problem, numbers), at)

    def imbalance(numbers: tuple[Array, ...]) -> Unknowns:
        return steady_residual(chemistry, with_numbers(problem, numbers), unknowns)

    numbers = tuple(jnp.asarray(each) for each in numbers_of(problem))
    direct, seen = jax.grad(outcome, argnums=(0, 1))(numbers, unknowns)
    factors = steady_factors(chemistry, problem, unknowns)
    multipliers = Unknowns(*solve_bordered_transposed(factors, seen.stage, seen.border))
    (through,) = jax.vjp(imbalance, numbers)[1](multipliers)
    return with_numbers(problem, jax.tree.map(jnp.subtract, direct, through))
