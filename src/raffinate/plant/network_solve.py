"""The steady state of a network: units in order, recycles by Anderson's mixing of torn streams.

A group of units that feed back is calculated from a guess of its torn streams (at first: nothing)
to the values it makes of them; the guesses of the last rounds are combined so that the differences
cancel best, in the amounts of every component and the flow, each against the largest of its kind.
Every circuit starts from its last state.

Source: D. G. Anderson, J. ACM 12 (1965) 547.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import ConvergenceError
from raffinate.plant.network import (
    CircuitUnit,
    Conditioner,
    Network,
    Precipitation,
    Redissolution,
    Splitter,
    Tank,
    Unit,
)
from raffinate.plant.network_circuit import CircuitState, Hold, solve_circuit
from raffinate.plant.network_order import UnitGroup, calculation_order
from raffinate.plant.network_state import NetworkState, network_state
from raffinate.plant.network_stream import Stream, StreamAxis, liquor_stream, nothing
from raffinate.plant.network_units import (
    UnitOutcome,
    run_conditioner,
    run_precipitation,
    run_redissolution,
    run_splitter,
    run_tank,
)

Array = NDArray[np.float64]

RECYCLE_TOLERANCE = 1e-11
"""Change of a torn stream in a round below which a recycle is at rest, relative, [-]."""

RECYCLE_ROUNDS = 100
"""Rounds after which a recycle is given up."""

DEPTH = 5
"""Rounds that Anderson's mixing remembers."""


@dataclass(slots=True)
class _Progress:
    """Streams, circuit states and outcomes as they are found."""

    axis: StreamAxis
    hold: Hold
    streams: dict[str, Stream]
    start: dict[str, CircuitState]
    outcomes: dict[str, UnitOutcome] = field(default_factory=dict)
    circuits: dict[str, CircuitState] = field(default_factory=dict)
    rounds: int = 0


def solve_network(
    network: Network,
    *,
    hold: Hold = "flows",
    start: NetworkState | None = None,
    advance: Callable[[str], None] = lambda unit: None,
) -> NetworkState:
    """Solve a plant of circuits at rest, without a guess unless one is given.

    Args:
        network: What to solve.
        hold: "flows" keeps the flows of circuits that state them and solves the others for the
            purities of their cut; "purities" solves every cut for its purities.
        start: A state of the same network to start from.
        advance: Called with the name of each unit before it is calculated.

    Raises:
        SpecificationError: Units that do not join, or one that cannot run as written.
        ConvergenceError: A circuit or a recycle without a steady state.
        BalanceError: What enters is not what leaves.
    """
    axis = network.axis
    progress = _Progress(
        axis=axis,
        hold=hold,
        streams=feed_streams(network),
        start=dict(start.circuits) if start is not None else {},
    )
    for group in calculation_order(network):
        if group.tears:
            known = {} if start is None else start.streams
            _close(progress, group, {name: known.get(name) for name in group.tears}, advance)
        else:
            for unit in group.units:
                advance(unit.name)
                _calculate(progress, unit)
    return network_state(
        network,
        progress.streams,
        progress.circuits,
        progress.outcomes,
        progress.rounds,
    )


def feed_streams(network: Network) -> dict[str, Stream]:
    """Return the liquors that enter a network, by name."""
    axis = network.axis
    return {
        feed.name: liquor_stream(
            axis,
            feed.flow,
            np.array([feed.concentration.get(symbol, 0.0) for symbol in axis.elements]) * feed.flow,
            feed.proton * feed.flow,
        )
        for feed in network.feeds
    }


def _calculate(progress: _Progress, unit: Unit) -> None:
    """Calculate one unit and keep what it makes."""
    axis, taken = progress.axis, progress.streams
    match unit:
        case CircuitUnit():
            state = solve_circuit(
                axis, unit, taken, hold=progress.hold, start=progress.start.get(unit.name)
            )
            progress.circuits[unit.name] = progress.start[unit.name] = state
            outcome = state.outcome
        case Tank():
            outcome = run_tank(axis, unit, [taken[name] for name in unit.inlets])
        case Splitter():
            outcome = run_splitter(axis, unit, taken[unit.inlet])
        case Conditioner():
            outcome = run_conditioner(axis, unit, taken[unit.inlet])
        case Precipitation():
            outcome = run_precipitation(axis, unit, taken[unit.inlet])
        case Redissolution():
            outcome = run_redissolution(axis, unit, taken[unit.inlet])
    progress.outcomes[unit.name] = outcome
    progress.streams.update(outcome.streams)


def _close(
    progress: _Progress,
    group: UnitGroup,
    known: dict[str, Stream | None],
    advance: Callable[[str], None],
) -> None:
    """Repeat a group until its torn streams come back as they were taken."""
    axis = progress.axis
    guess = _packed([known[name] or nothing(axis) for name in group.tears])
    history: list[tuple[Array, Array]] = []
    sizes: list[float] = []
    for _ in range(RECYCLE_ROUNDS):
        progress.streams.update(zip(group.tears, _unpacked(axis, guess), strict=True))
        for unit in group.units:
            advance(unit.name)
            _calculate(progress, unit)
        progress.rounds += 1
        made = _packed([progress.streams[name] for name in group.tears])
        scale = _scale(progress, axis, len(group.tears))
        error = float(np.max(np.abs(made - guess) / scale))
        sizes.append(error)
        if error <= RECYCLE_TOLERANCE:
            return
        history = [*history[-DEPTH:], (guess / scale, made / scale)]
        guess = _mixed_guess(history) * scale
    raise ConvergenceError(
        f"the recycle of {', '.join(group.tears)} is not at rest after {RECYCLE_ROUNDS} rounds.",
        where=", ".join(unit.name for unit in group.units),
        allowed=f"a change of at most {RECYCLE_TOLERANCE:.0e} a round",
        mend="Send a share of the recycle elsewhere, or check that everything in it can leave.",
        history=sizes,
    )


def _scale(progress: _Progress, axis: StreamAxis, count: int) -> Array:
    """Return the largest amount of each component, and flow, among all streams; never zero."""
    rows = _packed(list(progress.streams.values())).reshape(-1, axis.size + 1)
    largest = np.abs(rows).max(axis=0)
    # A component that is only a trace is judged against the whole.
    floor = np.append(np.full(axis.size, 1e-9 * largest[:-1].max()), 0.0)
    return np.tile(np.maximum(largest, floor), count)


def _mixed_guess(history: list[tuple[Array, Array]]) -> Array:
    """Return Anderson's next guess from pairs of what was taken and what was made."""
    guess, made = history[-1]
    if len(history) == 1:
        return made
    last = made - guess
    errors = np.column_stack([(m - g) - last for g, m in history[:-1]])
    weights, *_ = np.linalg.lstsq(errors, -last, rcond=1e-12)
    mixed = made + np.column_stack([m - made for _, m in history[:-1]]) @ weights
    # Amounts are not negative; where mixing overshoots, the plain value stands.
    return np.where(mixed < 0.0, made, mixed)


def _packed(streams: list[Stream]) -> Array:
    return np.concatenate([np.append(stream.amount, stream.flow) for stream in streams])


def _unpacked(axis: StreamAxis, packed: Array) -> list[Stream]:
    rows = packed.reshape(-1, axis.size + 1)
    return [Stream(flow=float(row[-1]), amount=row[:-1].copy()) for row in rows]
