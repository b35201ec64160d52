"""Trajectories of plants of many circuits left to their flows, with events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.elements import RARE_EARTHS
from raffinate.errors import SpecificationError
from raffinate.plant.events import Event, change_times
from raffinate.plant.motion import Snapshot
from raffinate.plant.network import Network, NetworkProduct, Tank
from raffinate.plant.network_events import inputs_at, network_at
from raffinate.plant.network_levers import at_state
from raffinate.plant.network_motion import NetworkInterval, NetworkMotion
from raffinate.plant.network_motion_trial import NetworkMoment
from raffinate.plant.network_path import amounts_at, between
from raffinate.plant.network_solve import solve_network
from raffinate.plant.network_state import NetworkState
from raffinate.sources import Source

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkMotionState:
    """A network in motion, to go on from there bit for bit.

    Attributes:
        network_name: Which network.
        fingerprint: Of vessels, tanks and constants.
        tolerance: Relative error per step, [-].
        end: Where it stands.
        free: The last moment before a time was cut to stand there; from here it goes on if it is
            run as before.
        changed: Inputs that events had changed, SI, by name.
    """

    network_name: str
    fingerprint: str
    tolerance: float
    end: NetworkMoment
    free: NetworkMoment
    changed: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkTrajectory:
    """A plant of many circuits in time.

    Attributes:
        network: At its nominal flows.
        time: (time,), [s].
        streams: Amounts by name, (time, component), [mol/s].
        impurity: Impurity mass fraction of REO by product, (time,), [-].
        reo_flow: Rare-earth oxides by product, (time,), [kg/s].
        stuck: Metals that stick to the organic, by `circuit.metal`, (time,), [mol/m³].
        snapshots: The banks at the end, by circuit.
        balance: Relative imbalance over the whole trajectory by component, [-].
        times: Times over which units were moved.
        steps: Steps of all integrations.
        events: What happened.
        state: All that fixes how it would go on.
        assumed_tanks: Tanks whose size nobody said.
    """

    network: Network
    time: Array
    streams: Mapping[str, Array]
    impurity: Mapping[str, Array]
    reo_flow: Mapping[str, Array]
    stuck: Mapping[str, Array]
    snapshots: Mapping[str, Snapshot]
    balance: Mapping[str, float]
    times: int
    steps: int
    events: tuple[Event, ...]
    state: NetworkMotionState
    assumed_tanks: tuple[str, ...]

    @property
    def balance_error(self) -> float:
        """The worst imbalance, [-]."""
        return max(self.balance.values())

    @property
    def sources(self) -> tuple[Source, ...]:
        """Who says so: of the plant, then of the constants of each chemistry, each once."""
        found = list(self.network.sources)
        for circuit in self.network.circuits:
            found += circuit.system.sources
        return tuple(dict.fromkeys(found))

    def hours_to_off_spec(self, product: str) -> float:
        """Return when a product first fell below its limit, [h]; infinite if it never did."""
        off = self.impurity[product] > 1.0 - self.network.products[product].purity_limit
        return float(self.time[int(np.argmax(off))] / 3600.0) if off.any() else float("inf")

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per time: purities and oxides of the products, metals that stick."""
        import pandas as pd

        table: dict[str, Array] = {"time_h": self.time / 3600.0}
        for name in self.impurity:
            table[f"{name}_impurity"] = self.impurity[name]
            table[f"{name}_reo_kg_per_h"] = self.reo_flow[name] * 3600.0
        for name, values in self.stuck.items():
            table[f"{name}_in_organic_mol_per_L"] = values / 1e3
        return pd.DataFrame(table)


def simulate_network(
    network: Network,
    duration: float,
    events: Sequence[Event] = (),
    *,
    start: NetworkMotionState | None = None,
    nominal: NetworkState | None = None,
    interval: float = 600.0,
    tolerance: float = 1e-3,
    progress: Callable[[str], None] = lambda text: None,
) -> NetworkTrajectory:
    """Move a plant of many circuits in time at its nominal flows, with events.

    Args:
        network: Cuts without flows are solved for first.
        duration: [s].
        events: What changes; their times are on the clock that stood at 0 when it began.
        start: A state of an earlier trajectory, to go on from its end; at rest if left out.
        nominal: The network at rest, if it is solved already.
        interval: Time between the rows of the result, [s].
        tolerance: Relative error per step; also absolute in mol/m³. A state keeps its own.
        progress: Called with a word on each circuit that is made ready, then on each row.

    Raises:
        SpecificationError: A duration or interval that is not positive, a state of another
            network, or a unit that cannot run as events would have it.
        ConvergenceError: The network could not be solved or moved.
        BalanceError: What enters is not what leaves or stays.
    """
    for name, value in (("duration", duration), ("interval", interval)):
        if not (np.isfinite(value) and value > 0.0):
            raise SpecificationError(f"{name} is {value:g} s.", where="simulate", allowed="above 0")
    nominal = nominal or solve_network(network)
    network = at_state(network, nominal)
    motion, first = _begun(network, nominal, events, start, tolerance)
    motion.prepare(lambda name: progress(f"{name} made ready"))
    last = first + duration
    rows = np.append(np.arange(first, last, interval), last)
    table = _Table(network, rows)
    changed = inputs_at(network, events, motion.time)
    before = dict(start.changed) if start is not None else {}
    free = motion.moment
    for stop in (*(s for s in change_times(events, last) if s > motion.time), last):
        changed = inputs_at(network, events, motion.time)
        done, free = motion.advance(
            network_at(network, changed), float(stop), changed=changed != before
        )
        before = changed
        for _ in range(table.take(done)):
            progress(f"at {motion.time / 3600.0:.0f} h")
    return _trajectory(network, motion, free, table, changed, tuple(events))


def _begun(
    network: Network,
    nominal: NetworkState,
    events: Sequence[Event],
    start: NetworkMotionState | None,
    tolerance: float,
) -> tuple[NetworkMotion, float]:
    """Return the network in motion, and the time of the first row."""
    if start is None:
        return NetworkMotion(network, nominal, tolerance=tolerance), 0.0
    end = float(start.end.time)
    same = inputs_at(network, events, end) == dict(start.changed)
    moment = start.free if same else start.end
    motion = NetworkMotion(network, nominal, tolerance=start.tolerance, moment=moment)
    for what, written, wanted in (
        ("plant", start.network_name, network.name),
        ("vessels and constants", start.fingerprint[:12], motion.identity()[:12]),
    ):
        if written != wanted:
            raise SpecificationError(
                f"{what}: {written} in the state, {wanted} in the plant.",
                where="state to go on from",
                allowed="a state of the same plant at the same nominal flows",
                mend="Go on with the plant it was written by, or begin at rest.",
            )
    return motion, end


class _Table:
    """Rows of a trajectory as its intervals come in."""

    def __init__(self, network: Network, rows: Array) -> None:
        self.rows = rows
        self._network = network
        self._done = 0
        self.streams: dict[str, list[Array]] = {}
        self.stuck: dict[str, list[Array]] = {}

    def take(self, intervals: Sequence[NetworkInterval]) -> int:
        """Fill the rows that lie within `intervals`; return how many there were."""
        begun = self._done
        for interval in intervals:
            until = int(np.searchsorted(self.rows, interval.end, side="right"))
            times = self.rows[self._done : until]
            if not len(times):
                continue
            shares = (times - interval.begin) / (interval.end - interval.begin)
            shares = np.clip(shares, 0.0, 1.0)
            for name, path in interval.paths.items():
                self.streams.setdefault(name, []).append(amounts_at(path, shares))
            for name, (begin, mean, end) in interval.stuck.items():
                course = between(begin, mean, end, shares)
                for place, metal in enumerate(self._network.circuit(name).organic.stuck):
                    self.stuck.setdefault(f"{name}.{metal.symbol}", []).append(course[:, place])
            self._done = until
        return self._done - begun


def _trajectory(
    network: Network,
    motion: NetworkMotion,
    free: NetworkMoment,
    table: _Table,
    changed: Mapping[str, float],
    events: tuple[Event, ...],
) -> NetworkTrajectory:
    streams = {name: np.concatenate(parts) for name, parts in table.streams.items()}
    impurity, reo = {}, {}
    for name, product in network.products.items():
        impurity[name], reo[name] = _product_course(network, product, streams[product.stream])
    return NetworkTrajectory(
        network=network,
        time=table.rows,
        streams=streams,
        impurity=impurity,
        reo_flow=reo,
        stuck={name: np.concatenate(parts) for name, parts in table.stuck.items()},
        snapshots=motion.snapshots(),
        balance=motion.check(),
        times=int(motion.moment.times),
        steps=int(motion.moment.steps),
        events=events,
        state=NetworkMotionState(
            network_name=network.name,
            fingerprint=motion.identity(),
            tolerance=motion.tolerance,
            end=motion.moment,
            free=free,
            changed=dict(changed),
        ),
        assumed_tanks=tuple(
            unit.name for unit in network.units if isinstance(unit, Tank) and unit.residence is None
        ),
    )


def _product_course(
    network: Network, product: NetworkProduct, amounts: Array
) -> tuple[Array, Array]:
    """Return impurity of REO, (time,), [-], and oxides, (time,), [kg/s], of a product."""
    rare = network.rare_earths
    places = [network.elements.index(symbol) for symbol in rare]
    mass = np.array([RARE_EARTHS[symbol].oxide_molar_mass for symbol in rare])
    oxides = amounts[:, places] * mass
    wanted = np.array([symbol in product.elements for symbol in rare])
    total = oxides.sum(axis=1)
    return oxides[:, ~wanted].sum(axis=1) / total, total
