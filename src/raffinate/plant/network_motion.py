"""A network in time: every unit moved over short common times, their lengths by error.

Over such a time each unit takes streams as paths (mean, beginning, end) and makes paths: what a
unit emits on the mean is what the next one receives, so that nothing is lost between them, and the
course within the time is followed to second order. The length of the times follows from how far
paths depart from an even course. Recycles enter tanks: what returns is foreseen as it was last,
which moves what leaves the tank, and its content takes what truly came.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import ConvergenceError
from raffinate.plant.balance import TRAJECTORY_TOLERANCE, check_balance
from raffinate.plant.motion import Snapshot
from raffinate.plant.network import Network, Tank
from raffinate.plant.network_motion_circuit import CircuitMotion
from raffinate.plant.network_motion_trial import LINK_SHARE, NetworkMoment, NetworkParts, Trial
from raffinate.plant.network_order import calculation_order
from raffinate.plant.network_path import StreamPath, constant_path
from raffinate.plant.network_state import NetworkState
from raffinate.plant.network_tank import RESIDENCE, filled_tank

Array = NDArray[np.float64]

AFTER_CHANGE = 60.0
"""Time that is tried first after something was changed, [s]."""

LONGEST = 24.0 * 3600.0
"""Longest time over which units are moved one by one, [s]."""

SHORTEST = 1e-2
"""Time below which it is given up, [s]."""

SAFETY = 0.85
"""Share of the time that the error would allow, [-]."""

STRETCH = 1.1
"""A time that ends within this of the end of a call goes to the end, [-]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkInterval:
    """One time over which all units were moved.

    Attributes:
        begin: [s].
        end: [s].
        paths: Streams by name.
        stuck: Metals that stick to the organic as it begins, on the mean and as it ends, by
            circuit, (3, stuck), [mol/m³].
    """

    begin: float
    end: float
    paths: Mapping[str, StreamPath]
    stuck: Mapping[str, Array]


class NetworkMotion:
    """Integrates one network; every advance holds one way of running it.

    Args:
        network: At its nominal flows.
        state: The same at rest; fixes vessels, recycle pumps and the sizes of tanks.
        tolerance: Relative error per step; also absolute in mol/m³.
        moment: Where to go on from; at rest if left out.

    Attributes:
        moment: Where it stands.
        tolerance: As given.
    """

    def __init__(
        self,
        network: Network,
        state: NetworkState,
        *,
        tolerance: float = 1e-3,
        moment: NetworkMoment | None = None,
    ) -> None:
        self._axis = network.axis
        self._network = network
        self.tolerance = tolerance
        self._circuits = {
            unit.name: CircuitMotion(network.axis, unit, state.circuits[unit.name])
            for unit in network.circuits
        }
        self._parts = NetworkParts(
            axis=network.axis,
            groups=calculation_order(network),
            circuits=self._circuits,
            tolerance=tolerance,
        )
        self._streams_at_rest = state.streams
        rest = self._at_rest(state)
        self._held_at_start = self._held(rest)
        self._levels = {name: float(tank.level) for name, tank in rest.tanks.items()}
        self.moment = rest if moment is None else moment

    @property
    def time(self) -> float:
        """Time since the beginning, [s]."""
        return float(self.moment.time)

    def _at_rest(self, state: NetworkState) -> NetworkMoment:
        streams, size = state.streams, self._axis.size + 1
        zero = np.asarray(0.0)
        return NetworkMoment(
            time=zero,
            step=np.asarray(AFTER_CHANGE),
            circuits={
                unit.name: self._circuits[unit.name].at_rest(
                    unit, state.circuits[unit.name], streams
                )
                for unit in self._network.circuits
            },
            tanks={
                unit.name: filled_tank(streams[unit.name], unit.residence or RESIDENCE)
                for unit in self._network.units
                if isinstance(unit, Tank)
            },
            torn={
                name: np.append(streams[name].amount, streams[name].flow)
                for name in self._parts.torn
            },
            entered=np.zeros(size),
            left=np.zeros(size),
            reagents={},
            steps=np.asarray(0),
            times=np.asarray(0),
            rejected=np.asarray(0),
        )

    def prepare(self, advance: Callable[[str], None] = lambda unit: None) -> None:
        """Make ready what moves the circuits, side by side: a first process compiles for minutes.

        Args:
            advance: Called with the name of each circuit that is ready.
        """
        network, moment = self._network, self.moment
        known = {name: constant_path(s) for name, s in self._streams_at_rest.items()}
        with ThreadPoolExecutor(max_workers=len(self._circuits)) as pool:
            waiting = {
                unit.name: pool.submit(
                    self._circuits[unit.name].advance,
                    unit, moment.circuits[unit.name], known, 1.0, self.tolerance,
                )
                for unit in network.circuits
            }  # fmt: skip
            for name, future in waiting.items():
                future.result()
                advance(name)

    def advance(
        self, network: Network, until: float, *, changed: bool
    ) -> tuple[list[NetworkInterval], NetworkMoment]:
        """Run the network until a time, [s].

        Args:
            network: As it is run: the nominal network with other inputs.
            until: On the clock that stood at 0 at the beginning.
            changed: Whether it is run otherwise than before.

        Returns:
            The intervals it took, and the last moment that knows nothing of `until`: going on
            from there is as if there were no end.

        Raises:
            SpecificationError: A unit that cannot run so.
            ConvergenceError: No time is short enough.
        """
        if changed:
            short = np.minimum(self.moment.step, AFTER_CHANGE)
            self.moment = self.moment._replace(step=np.asarray(short))
        done: list[NetworkInterval] = []
        free, freely = self.moment, True
        while self.time < until:
            left, wanted = until - self.time, float(self.moment.step)
            cut = left <= STRETCH * wanted
            duration = left if cut else wanted
            freely = freely and not cut
            trial = Trial(self._parts, network, self.moment, duration)
            growth = SAFETY * max(trial.error, 1e-8) ** -0.5
            if trial.error > 1.0:
                step = duration * float(np.clip(growth, 0.2, 0.9))
                self._check_step(step, trial)
                self.moment = self.moment._replace(
                    step=np.asarray(step), rejected=self.moment.rejected + 1
                )
                continue
            step = min(max(duration * min(growth, 4.0), wanted if cut else 0.0), LONGEST)
            begin = self.time
            self.moment = trial.after(step)
            if cut:
                # Whatever the clock of the steps rounded to, this is where it stands.
                self.moment = self.moment._replace(time=np.asarray(until))
            elif freely:
                free = self.moment
            done.append(
                NetworkInterval(begin=begin, end=self.time, paths=trial.paths, stuck=trial.stuck)
            )
        return done, free

    def snapshots(self) -> dict[str, Snapshot]:
        """Return the banks as they are now, by circuit."""
        moments = self.moment.circuits
        return {name: each.snapshot(moments[name]) for name, each in self._circuits.items()}

    def identity(self) -> str:
        """Return a digest of what the network is, apart from how it is run."""
        digests = [each.identity() for each in self._circuits.values()]
        digests += [f"{name} {level!r}" for name, level in self._levels.items()]
        return hashlib.sha256(" ".join(digests).encode()).hexdigest()

    def _check_step(self, step: float, trial: Trial) -> None:
        if step < SHORTEST:
            raise ConvergenceError(
                f"no time of at least {SHORTEST:g} s could be taken at {self.time:g} s.",
                where=self._network.name,
                allowed=f"a curvature of at most {LINK_SHARE * self.tolerance:.1e}",
                mend="Check the flows of this interval; a stream may have run dry.",
                history=[trial.error],
            )

    def _held(self, moment: NetworkMoment) -> Array:
        """Return what circuits and tanks hold, volume of the tanks last, (component + 1,)."""
        total = np.zeros(self._axis.size + 1)
        for unit in self._network.circuits:
            total[:-1] += self._circuits[unit.name].held(moment.circuits[unit.name], unit)
        for tank in moment.tanks.values():
            total[:-1] += tank.amount
            total[-1] += float(tank.volume)
        return total

    def check(self) -> dict[str, float]:
        """Return the relative imbalance since the beginning by component, volume last, [-].

        Raises:
            BalanceError: One is above what a trajectory may have.
        """
        gained = self._held(self.moment) - self._held_at_start
        names = (*self._axis.components, "volume")
        found = {}
        whole = float(self.moment.entered[:-1].sum())
        for place, name in enumerate(names):
            entered, left = self.moment.entered[[place]], self.moment.left[[place]]
            if not (entered.any() or left.any()):
                continue
            floor = 0.0 if name == "volume" else 1e-9 * whole
            found[name] = check_balance(
                entered,
                left,
                gained[[place]],
                (name,),
                tolerance=TRAJECTORY_TOLERANCE,
                where=f"{self._network.name}, trajectory",
                held=np.array([abs(self._held_at_start[place]) + floor]),
            )
        return found
