"""Flows that give the products of a network asked purities, recycles included.

Of all turns of the flows that make good what is missed and leave every bank something to run with,
the smallest in the logarithms is taken, as the oxides in the products foretell it, and cut until it
leads nearer. More flows than purities are the rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import ConvergenceError, SpecificationError
from raffinate.plant.gradients_inputs import IMPURITY
from raffinate.plant.network import Network
from raffinate.plant.network_levers import with_levers
from raffinate.plant.network_oxides import (
    NearImpurities,
    least_turn,
    near_impurities,
    straight_turn,
)
from raffinate.plant.network_room import SPARE, Room, room_of
from raffinate.plant.network_solve import solve_network
from raffinate.plant.network_state import NetworkState
from raffinate.plant.network_trials import Trials, asked_impurities, begun

Array = NDArray[np.float64]

MET = 1e-8
"""Decades of impurity at which an asked purity is met."""

NOISE, RESOLVED = 1e-6, 1e-9
"""Decades at which it is met if the last step turned no flow by more than this logarithm: on a
front they are what a solve to 1e-11 leaves of them."""

LONGEST = 0.1
"""Largest change of the logarithm of a flow in one step."""

BENDS = 6
"""Steps tried from the same flows, each with what the ones before have shown."""

BETTER = 0.9
"""Part of the miss of the one before at which such a step is worth another, [-]."""

LEAP = 0.3
"""Part of the miss, or decades if that is less, by which a step may go too far."""

MENDS, ASTRAY = 4, 2.0
"""Steps back to a way that was left, and decades of impurity beyond which none is tried."""

CUT, SHORTEST = 0.3, 1e-4
"""Part of a step that is tried where none of these leads nearer, and part below which none does."""

NEARER = 0.1
"""Part of what is foretold of a step that it must lead nearer, [-]."""

MOST_STEPS = 60
"""Steps after which asked purities are given up."""

BOLD_STEPS = 15
"""Steps of a second search, which takes them as they come."""

MOST_FAILED = 4
"""Flows without a steady state after which they are: to find that there is none takes seconds."""

SHARES = (1.0, 0.95, 0.8, 0.5)
"""Parts of the way from the first purities to the nearest reached that are tried for a mend."""

MISSED = 1e-4
"""Decades of impurity beyond which a purity of several counts as missed."""

IDLE_STEPS, IDLE = 4, 0.9
"""Steps that must leave at most this part of the miss, [-], or the search is given up."""


def solve_network_for(
    network: Network,
    purities: Mapping[str, float],
    *,
    free: tuple[str, ...] | None = None,
    advance: Callable[[str], None] = lambda step: None,
) -> tuple[Network, NetworkState]:
    """Return a network whose products have asked purities, flows written in it, and its state.

    Of all flows that do it, those are taken that lie nearest where the network begins, in the
    squares of the logarithms, step by step.

    Args:
        network: The plant.
        purities: By product, [-]; without any the network is solved as it stands.
        free: Flows that may be turned, by the names of `lever_values`; None for all.
        advance: Called with what is done next, in words.

    Raises:
        SpecificationError: No such product or flow, or no flows near these give the purities; says
            the nearest that some give.
    """
    if not purities:
        return network, solve_network(network, advance=advance)
    wanted = {
        name.removeprefix(IMPURITY): value
        for name, value in asked_impurities(network, purities).items()
    }
    advance("the plant as it is written")
    trials = begun(network, free, None)
    advance("how its purities follow from its flows")
    search = _begun(trials, wanted)
    if search.run(advance):
        return search.at.network, search.at.state
    bold = _begun(trials, wanted)
    if bold.run_boldly(advance):
        return bold.at.network, bold.at.state
    raise _out_of_reach(search, advance)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Point:
    """The plant at flows, at rest, and its impurities near there."""

    network: Network
    state: NetworkState
    near: NearImpurities

    @property
    def impurities(self) -> Array:
        """log₁₀ of the impurities, (product,)."""
        return self.near.values(np.zeros(self.near.flows))


@dataclass(slots=True, kw_only=True, eq=False)
class _Search:
    """A search on its way.

    Attributes:
        trials: Where it began.
        wanted: log₁₀ of the impurities, by product.
        at: Where it is.
        turned: Logarithms of the flows over where they began, (flow,), [-].
        limits: What is to be left of what ends a turn, (end,), [-].
        history: Decades of impurity to go, step by step.
        length: Largest change of the logarithm of a flow in the last step.
        failed: Flows without a steady state.
        ends: What bound the last step.
        refusal: Why the last flows that could not be run could not.
    """

    trials: Trials
    wanted: Mapping[str, float]
    at: _Point
    turned: Array
    limits: Array
    history: list[float] = field(default_factory=list)
    length: float = np.inf
    failed: int = 0
    ends: tuple[str, ...] = ()
    refusal: str = ""

    @property
    def missed(self) -> Array:
        """Decades of impurity to go, (product,)."""
        return self._missed(self.at)

    def _missed(self, point: _Point) -> Array:
        missed: Array = np.array(list(self.wanted.values())) - point.impurities
        return missed

    def run(self, advance: Callable[[str], None]) -> bool:
        """Search, and return whether the purities are met."""
        for _ in range(MOST_STEPS):
            if self._met(advance):
                return True
            left = self.history[-1]
            idle = len(self.history) > IDLE_STEPS and left > IDLE * self.history[-1 - IDLE_STEPS]
            if idle or not self._nearer():
                return False
        return False

    def run_boldly(self, advance: Callable[[str], None]) -> bool:
        """Search by Newton's steps wherever they lead, and return whether the purities are met.

        Purities that hardly move apart are met far from where they begin, over flows that miss
        them by more.
        """
        for _ in range(BOLD_STEPS):
            if self._met(advance):
                return True
            aim, room = self.at.impurities + self.missed, self._room(self.at)
            step, _ = straight_turn(self.at.near, aim, room, LONGEST)
            point = self._looked(step)
            while point is None and self.failed < MOST_FAILED:
                step = CUT * step
                point = self._looked(step)
            if point is None:
                return False
            self._go(point, step)
        return False

    def _met(self, advance: Callable[[str], None]) -> bool:
        left = float(np.abs(self.missed).max())
        self.history.append(left)
        advance(f"flows for the purities, {left:.2g} decades of impurity to go")
        return left <= MET or (left <= NOISE and self.length <= RESOLVED)

    def _go(self, point: _Point, step: Array) -> None:
        self.at, self.turned = point, self.turned + step
        self.length = float(np.abs(step).max())

    def _nearer(self) -> bool:
        """Take a step that leads nearer, and return whether there was one."""
        near, aim = self.at.near, self.at.impurities + self.missed
        step, share, self.ends = self._turn(self.at, near, aim)
        straight, last = (step, share), np.inf
        for _ in range(BENDS):
            point = self._looked(step) if share > 0.0 else None
            if point is None:
                break
            if self._taken(point, step, share):
                return True
            missed = float(np.abs(self._missed(point)).max())
            if missed > BETTER * last:
                break
            last, near = missed, near.bent(point.near, step)
            step, share, _ = self._turn(self.at, near, aim)
        return self._cut(*straight)

    def _turn(
        self, point: _Point, near: NearImpurities, aim: Array
    ) -> tuple[Array, float, tuple[str, ...]]:
        """Return the smallest turn from a point, which part of the way it goes, and its ends."""
        return least_turn(near, aim, self._room(point), LONGEST)

    def _room(self, point: _Point) -> Room:
        room = room_of(point.network, point.state, self.trials.names)
        return replace(room, left=room.left - self.limits)

    def _cut(self, step: Array, share: float) -> bool:
        """Take the largest part of a step that leads nearer; return whether there was one."""
        part = CUT
        while share > 0.0 and part > SHORTEST and self.failed < MOST_FAILED:
            point = self._looked(part * step)
            if point is None:
                part *= CUT
                continue
            begin, missed = self.missed, self._missed(point)
            if self._taken(point, part * step, part * share) or self._mended(
                point, part, step, share
            ):
                return True
            # Where a line through both misses is nearest none: of one purity, its secant.
            change = begin - missed
            nearest = float(begin @ change) / max(float(change @ change), 1e-300)
            part *= min(0.6, max(0.1, nearest))
        return False

    def _mended(self, point: _Point, part: float, step: Array, share: float) -> bool:
        """Take a step that slopes at its end bring back to its way; return whether it is nearer.

        Of several purities one may leave its front while the others come nearer.
        """
        most, whole = float(np.abs(self.missed).max()), part * step
        aim = self.at.impurities + part * share * self.missed
        for _ in range(MENDS):
            astray = float(np.abs(aim - point.impurities).max())
            if astray <= part * share * most:
                return self._taken(point, whole, part * share)
            if len(self.wanted) == 1 or astray > ASTRAY:
                return False
            back, found, _ = self._turn(point, point.near, aim)
            looked = self._looked(whole + back) if found > 0.0 else None
            if looked is None:
                return False
            point, whole = looked, whole + back
        return False

    def _taken(self, point: _Point, step: Array, share: float) -> bool:
        """Go to a point that is nearer by enough of its share of the way; return whether it is."""
        begin, missed = self.missed, self._missed(point)
        most, left = float(np.abs(begin).max()), np.abs(missed)
        # Beyond a front there is often no way back to be seen: it is not to be leapt over.
        leapt = bool((left[missed * begin < 0.0] > LEAP * min(most, 1.0)).any())
        if leapt or not float(left.max()) <= (1.0 - NEARER * share) * most:
            return False
        self._go(point, step)
        return True

    def _looked(self, step: Array) -> _Point | None:
        """Return the plant a step on; None where it cannot be run."""
        flows = self.trials.begin * np.exp(self.turned + step)
        values = dict(zip(self.trials.names, flows.tolist(), strict=True))
        try:
            network = with_levers(self.trials.network, values)
            state = solve_network(network, start=self.at.state)
        except (ConvergenceError, SpecificationError) as error:
            # Residuals and mends of flows in passing tell a reader nothing of the purities.
            what = error.what.partition(" Worst:")[0].partition(" Residuals")[0]
            self.refusal, self.failed = f"{error.where}: {what}", self.failed + 1
            return None
        return _point(network, state, tuple(self.wanted), self.trials.names)


def _point(
    network: Network, state: NetworkState, products: tuple[str, ...], names: tuple[str, ...]
) -> _Point:
    near = near_impurities(network, state, products, names)
    return _Point(network=network, state=state, near=near)


def _begun(trials: Trials, wanted: Mapping[str, float]) -> _Search:
    """Return a search that stands where the network begins."""
    left = room_of(trials.network, trials.state, trials.names).left
    return _Search(
        trials=trials,
        wanted=wanted,
        at=_point(trials.network, trials.state, tuple(wanted), trials.names),
        turned=np.zeros(len(trials.names)),
        limits=np.minimum(left, SPARE),
    )


def _out_of_reach(search: _Search, advance: Callable[[str], None]) -> SpecificationError:
    """Return the error of purities no flows give, with the nearest that some do: these are tried.

    Args:
        search: Where it ended.
        advance: Called with what is done next, in words.
    """
    why = f"There {'; '.join(search.ends)}." if search.ends else search.refusal
    reached = zip(search.wanted.items(), search.at.impurities.tolist(), strict=True)
    told = _nearest(search, advance)
    mend = "Ask for less purity, free more flows, or give the circuits more stages."
    if told:
        asked = ", ".join(f"{name} {purity}" for name, purity in told.items())
        mend = f"Ask for {asked}, which flows were found for, or give the circuits more stages."
    return SpecificationError(
        f"no flows near these give them; the nearest miss by {min(search.history):.2g} decades of "
        f"impurity. {why}".rstrip(),
        where=f"purities of {search.trials.network.name}",
        allowed=", ".join(
            f"{name} {_purity(found)}, asked {1.0 - 10.0**value:.15g}"
            for (name, value), found in reached
        ),
        mend=mend,
    )


def _nearest(search: _Search, advance: Callable[[str], None]) -> dict[str, str]:
    """Return the purities nearest those wanted that a search of their own finds; {} if none."""
    first = _begun(search.trials, search.wanted).at.impurities
    for share in SHARES:
        way = zip(search.wanted.items(), first, search.at.impurities, strict=True)
        told = {}
        for (name, wanted), begin, found in way:
            here = begin + share * (found - begin)
            met = abs(found - wanted) <= MISSED
            told[name] = _purity(wanted) if met else _purity(here, towards=float(begin))
        asked = {name: float(purity) for name, purity in told.items()}
        if not all(0.0 < purity < 1.0 for purity in asked.values()):
            return {}
        advance("purities that some flows give")
        nearer = {name: float(np.log10(1.0 - purity)) for name, purity in asked.items()}
        if _begun(search.trials, nearer).run(advance):
            return told
    return {}


def _purity(impurity: float, towards: float | None = None) -> str:
    """Return a purity in figures that tell its impurity to three, rounded towards another.

    Args:
        impurity: log₁₀ of the impurity.
        towards: log₁₀ of the impurity on whose side the figures are to lie; None rounds to the
            nearest.
    """
    figures = min(15, max(3, math.ceil(-impurity) + 2))
    scaled = 10.0 ** (figures + impurity)
    if towards is None:
        whole = round(scaled)
    else:
        whole = math.ceil(scaled) if towards > impurity else math.floor(scaled)
    return f"{1.0 - whole / 10.0**figures:.{figures}f}"
