"""A plant of many circuits as a function of how impure its cuts leave what they part.

At given flows the purities of a long bank change by decades within a percent, so flows are poor
coordinates of a search. Here a circuit with a cut whose three flows are all free is turned by log₁₀
of the impurities of its raffinate and its strip liquor and by ln of acid over organic, and the
engine solves for flows that give them. Any other free flow is turned by ln of its ratio to where it
began. Every point is solved from the one before, at flows its derivatives foretell.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.elements import oxide_molar_masses
from raffinate.errors import ConvergenceError, SpecificationError, nearest_name
from raffinate.plant.economics_prices import Prices
from raffinate.plant.gradients_outcomes import REO_HELD
from raffinate.plant.network import CircuitUnit, Network, Unit
from raffinate.plant.network_gradients import network_derivative
from raffinate.plant.network_gradients_layout import FLOWS, USES
from raffinate.plant.network_levers import at_state, free_levers, lever_values, with_levers
from raffinate.plant.network_outcomes import cut_purities_of, network_gradients
from raffinate.plant.network_solve import solve_network
from raffinate.plant.network_state import NetworkState
from raffinate.plant.network_theory import cut_group

Array = NDArray[np.float64]

MET = 1e-9
"""Decades of impurity at which a cut is met."""

CORRECTIONS = 6
"""Corrections by known derivatives before these are taken anew."""

NEARER = 0.3
"""Part of the way that may be left where derivatives are taken anew, [-]."""

SHORTER = 0.4
"""By which a step that does not come nearer is cut, [-]."""

MOST_STEPS = 8
"""Steps by derivatives before flows are searched for circuit by circuit."""

SLOWEST = 0.5
"""Part of a miss that may be left by a correction, [-]; more, and derivatives are too old."""

LONGEST = 0.3
"""Largest change of the logarithm of a flow that derivatives are trusted to foretell, [-]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Coordinates:
    """What a search turns.

    Attributes:
        flows: Names of the free flows; a coordinate stands at each place.
        begin: Flows where the search begins, (flow,), SI.
        cuts: Circuits turned by impurities: in place of organic, acid and draw stand log₁₀ of the
            impurity of the raffinate, ln of acid over organic, log₁₀ of that of the strip liquor.
    """

    flows: tuple[str, ...]
    begin: Array
    cuts: tuple[str, ...]

    def places(self, cut: str) -> tuple[int, int, int]:
        """Return the places of organic, acid and draw of a circuit."""
        organic, acid, draw = (self.flows.index(f"{cut}.{name}") for name in FLOWS)
        return organic, acid, draw

    @property
    def plain(self) -> NDArray[np.bool_]:
        """Which coordinates are logarithms of flows, (flow,)."""
        found = np.ones(len(self.flows), dtype=bool)
        for cut in self.cuts:
            found[list(self.places(cut))] = False
        return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkPoint:
    """A plant of many circuits at rest, with derivatives by the coordinates of a search.

    Attributes:
        network: Flows written in it.
        state: Its steady state, balanced.
        coordinates: What is turned.
        prices: Of the cost.
        outcomes: Names of what it does, (outcome,).
        values: (outcome,), SI.
        slopes: d outcome / d ln of a free flow, (outcome, flow), SI.
        at: Its coordinates, (flow,).
        answer: d coordinate / d ln of a free flow, (flow, flow).
    """

    network: Network
    state: NetworkState
    coordinates: Coordinates
    prices: Prices
    outcomes: tuple[str, ...]
    values: Array
    slopes: Array
    at: Array
    answer: Array

    @property
    def logs(self) -> Array:
        """Logarithms of the free flows over where the search began, (flow,), [-]."""
        known = lever_values(self.network)
        flows = np.array([known[name] for name in self.coordinates.flows])
        found: Array = np.log(flows / self.coordinates.begin)
        return found

    def place(self, outcome: str) -> int:
        """Return where an outcome stands.

        Raises:
            SpecificationError: There is no such outcome.
        """
        if outcome not in self.outcomes:
            raise SpecificationError(
                f"{outcome!r} is no outcome.",
                where=f"outcomes of {self.network.name}",
                allowed=", ".join(self.outcomes),
                mend=nearest_name(outcome, self.outcomes),
            )
        return self.outcomes.index(outcome)

    def value(self, outcome: str) -> float:
        """Return an outcome, SI."""
        return float(self.values[self.place(outcome)])

    def rows(self, outcomes: list[str]) -> Array:
        """Return derivatives of outcomes by the coordinates, (outcome, coordinate)."""
        found: Array = self.by_coordinates(self.slopes[[self.place(name) for name in outcomes]])
        return found

    def by_coordinates(self, by_logs: Array) -> Array:
        """Return derivatives by the coordinates from those by ln of the flows, both (…, flow)."""
        found: Array = np.asarray(np.linalg.solve(self.answer.T, by_logs.T), dtype=np.float64).T
        return found

    def moved(self, at: Array) -> NetworkPoint:
        """Return the plant at other coordinates.

        Args:
            at: (flow,).

        Raises:
            SpecificationError: Flows there cannot be run.
            ConvergenceError: No flows give these impurities, or there is no steady state.
        """
        here, part = self, 1.0
        for _ in range(MOST_STEPS):
            there = here._towards(here.at + part * (at - here.at))
            if there is None:
                part *= SHORTER
                continue
            here, part = there, min(1.0, 2.0 * part)
            if float(np.abs(at - here.at).max(initial=0.0)) <= MET:
                return here
        return here.solved(here._at(here.logs, at), here.state, at)

    def _towards(self, at: Array) -> NetworkPoint | None:
        """Return the plant at coordinates or much nearer to them than here; None if neither."""
        far = float(np.abs(at - self.at).max(initial=0.0))
        logs, state, last = self._foretold(self.logs, at - self.at), self.state, np.inf
        for _ in range(CORRECTIONS):
            network = self._at(logs, at)
            try:
                state = solve_network(network, start=state)
            except (ConvergenceError, SpecificationError):
                return None
            missed = at - _coordinates(network, state, self.coordinates)
            size = float(np.abs(missed).max(initial=0.0))
            if size <= MET or size > SLOWEST * last:
                break
            # Beyond a cliff a miss says which way, and not how far.
            logs, last = self._foretold(logs, np.clip(missed, -far, far)), size
        if size > max(NEARER * far, MET):
            return None
        return described(network, state, self.coordinates, self.prices)

    def _foretold(self, logs: Array, change: Array) -> Array:
        """Return flows as derivatives foretell them for a change of the coordinates."""
        step = np.asarray(np.linalg.solve(self.answer, change), dtype=np.float64)
        longest = max(float(np.abs(step).max(initial=0.0)), LONGEST)
        found: Array = logs + step * (LONGEST / longest)
        return found

    def _at(self, logs: Array, at: Array) -> Network:
        """Return the network at flows, those that coordinates fix as these say."""
        coordinates = self.coordinates
        logs = np.where(coordinates.plain, at, logs)
        begin = coordinates.begin
        for cut in coordinates.cuts:
            organic, acid, _ = coordinates.places(cut)
            logs[acid] = logs[organic] + at[acid] - float(np.log(begin[acid] / begin[organic]))
        flows = (begin * np.exp(logs)).tolist()
        return with_levers(self.network, dict(zip(coordinates.flows, flows, strict=True)))

    def solved(self, network: Network, start: NetworkState, at: Array | None) -> NetworkPoint:
        """Return a plant of the same circuits, its cuts held to coordinates or at their flows.

        Args:
            network: Flows written in it; from these those that meet the impurities are sought.
            start: A state to start from, of banks of the same size.
            at: Coordinates to be met, (flow,); None keeps the flows.

        Raises:
            SpecificationError: It cannot be run.
            ConvergenceError: No flows give these impurities, or there is no steady state.
        """
        if at is None:
            state = solve_network(network, start=start)
        else:
            asked = replace(
                network, units=tuple(_held(unit, self.coordinates, at) for unit in network.units)
            )
            state = solve_network(asked, start=_from_flows(network, start))
            network = at_state(network, state)
            state = replace(state, network=network)
        return described(network, state, self.coordinates, self.prices)


def _held(unit: Unit, coordinates: Coordinates, at: Array) -> Unit:
    """Return a circuit turned by impurities with its flows free and these asked of its cut."""
    if not isinstance(unit, CircuitUnit) or unit.name not in coordinates.cuts:
        return unit
    assert unit.cut is not None
    raffinate, _, extract = coordinates.places(unit.name)
    cut = replace(
        unit.cut,
        raffinate_purity=1.0 - 10.0 ** float(at[raffinate]),
        extract_purity=1.0 - 10.0 ** float(at[extract]),
    )
    return replace(unit, cut=cut, flows=None)


def _from_flows(network: Network, start: NetworkState) -> NetworkState:
    """Return a state to start from with the flows that are written in the network."""
    circuits = {
        unit.name: replace(start.circuits[unit.name], flows=unit.flows)
        if unit.flows is not None
        else start.circuits[unit.name]
        for unit in network.circuits
    }
    return replace(start, circuits=circuits)


def coordinates_of(network: Network, free: tuple[str, ...] | None) -> Coordinates:
    """Return what a search turns.

    Args:
        network: The plant, flows written in its cuts.
        free: Flows that may be turned, by the names of `lever_values`; None for all.

    Raises:
        SpecificationError: There is no such flow.
    """
    flows = free_levers(network, free)
    return Coordinates(
        flows=tuple(flows),
        begin=np.array(list(flows.values())),
        cuts=tuple(
            unit.name
            for unit in network.circuits
            if unit.cut is not None and all(f"{unit.name}.{flow}" in flows for flow in FLOWS)
        ),
    )


def described(
    network: Network, state: NetworkState, coordinates: Coordinates, prices: Prices
) -> NetworkPoint:
    """Return a plant at rest with what it does and how that changes.

    Raises:
        SpecificationError: No cost can be counted.
        BalanceError: The differentiated circuits do not make the streams of the state.
    """
    found = network_gradients(network, state, prices=prices)
    columns = [found.inputs.index(name) for name in coordinates.flows]
    flows = found.input_values[columns]
    held, slopes = _held_and_slopes(network, state, coordinates)
    slopes = slopes[:, columns] * flows
    answer = np.eye(len(flows))
    for k, cut in enumerate(coordinates.cuts):
        organic, acid, draw = coordinates.places(cut)
        answer[organic], answer[draw] = slopes[2 * k], slopes[2 * k + 1]
        answer[acid, organic] = -1.0
    return NetworkPoint(
        network=network,
        state=state,
        coordinates=coordinates,
        prices=prices,
        outcomes=(*found.outcomes, REO_HELD),
        values=np.append(found.outcome_values, held),
        slopes=np.concatenate([found.slopes[:, columns] * flows, slopes[-1:]]),
        at=_coordinates(network, state, coordinates),
        answer=answer,
    )


def _coordinates(network: Network, state: NetworkState, coordinates: Coordinates) -> Array:
    """Return the coordinates of a plant at rest, (flow,)."""
    known = lever_values(network)
    flows = np.array([known[name] for name in coordinates.flows])
    found = np.log(flows / coordinates.begin)
    for cut in coordinates.cuts:
        unit = network.circuit(cut)
        assert unit.cut is not None
        group = cut_group(unit, unit.cut)
        organic, acid, draw = coordinates.places(cut)
        found[organic] = _impurity(network, state, unit.outlets[0], group, wanted=False)
        found[draw] = _impurity(network, state, unit.outlets[-1], group, wanted=True)
        found[acid] = np.log(flows[acid] / flows[organic])
    return found


def _impurity(
    network: Network, state: NetworkState, stream: str, group: tuple[str, ...], *, wanted: bool
) -> float:
    """Return log₁₀ of the share of the other oxides in an outlet of a cut."""
    amount = dict(zip(network.elements, state.streams[stream].amount.tolist(), strict=False))
    rare = network.rare_earths
    mass = {e: amount[e] * m for e, m in zip(rare, oxide_molar_masses(rare), strict=True)}
    impure = sum(value for symbol, value in mass.items() if (symbol in group) != wanted)
    return float(np.log10(impure / sum(mass.values())))


def _held_and_slopes(
    network: Network, state: NetworkState, coordinates: Coordinates
) -> tuple[float, Array]:
    """Return oxide held, [kg], and slopes of log₁₀ impurities of the cuts, then of what is held."""
    oxide = np.zeros(len(network.elements))
    places = [network.elements.index(symbol) for symbol in network.rare_earths]
    oxide[places] = oxide_molar_masses(network.rare_earths)
    derivative = network_derivative(network, state, metal_value=oxide)
    cuts = [network.circuit(name) for name in coordinates.cuts]
    rows = [row for unit in cuts for _, row in cut_purities_of(derivative, unit)]
    by_stream = np.array([*rows, np.zeros(derivative.answer.shape[0])])
    by_use = np.zeros((len(rows) + 1, len(USES)))
    by_use[-1, USES.index("held_value")] = 1.0
    return float(derivative.uses[USES.index("held_value")]), derivative.total(by_stream, by_use)
