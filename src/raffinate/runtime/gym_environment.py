"""The twin as a Gymnasium environment: what an operator sees, moves that the guard lets through.

One step is one control period of ten minutes. The observation holds only what instruments said, as
the receiving end judges it; the reward is computed from the true outlet, as a training signal, and
the truth stands in `info` alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.elements import AMMONIA_MOLAR_MASS, HYDROGEN_CHLORIDE_MOLAR_MASS
from raffinate.control.guard import Guard, GuardState, Refusal
from raffinate.control.plan import Plan
from raffinate.errors import SpecificationError
from raffinate.instruments.reading import Reading, judge_reading
from raffinate.plant.events import parse_event
from raffinate.plant.model import Plant
from raffinate.plant.plant_file import load_plant
from raffinate.plant.steady import SteadyState, solve_nominal
from raffinate.runtime.messages import CONTROL_PERIOD, SCAN, PlantReport, place_of
from raffinate.runtime.operate import PLAN_LIFE
from raffinate.runtime.operate_setup import levers_of, supervisor_of
from raffinate.runtime.twin import Twin
from raffinate.units import HOUR

try:
    import gymnasium
    from gymnasium import spaces
except ModuleNotFoundError as missing:
    raise SpecificationError(
        "the package gymnasium is not installed.",
        where="raffinate.runtime.gym_environment",
        mend="Install raffinate with the extra gym: pip install 'raffinate[gym]'.",
    ) from missing

Observation = NDArray[np.float32]

ENVIRONMENT_ID = "raffinate/CePrNd-v0"
"""Name under which `register_environment` puts the shipped plant."""

RATIO_SPAN = 6.0
"""Largest logarithm of a composition in an observation, [decades]; what lies beyond is cut."""

AGE_SPAN = 3.0
"""Largest logarithm of an age, [decades of hours]; also the age of what never came."""

FLOW_SPAN = 3.0
"""Largest logarithm of a flow over its nominal flow, [decades]; also a pump that stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardWeights:
    """What a step is worth, in units of one tonne of REO on specification.

    The defaults are assumed: off-specification product is worth nothing and costs its value again
    to work up; reagents cost some thousandths of the oxide, mass for mass.

    Attributes:
        on_spec: Per tonne of REO made on specification.
        off_spec: Taken off per tonne of REO made off specification.
        ammonia: Taken off per tonne of NH₃.
        acid: Taken off per tonne of HCl.
        move: Taken off per sum of squared actions, so that levers are not moved without need.
    """

    on_spec: float = 1.0
    off_spec: float = 1.0
    ammonia: float = 0.01
    acid: float = 0.005
    move: float = 1e-4


@dataclass(slots=True)
class _Watch:
    """Latest believed reading of one place, and the one before it whatever it was worth."""

    believed: Reading | None = None
    previous: Reading | None = None

    def take(self, reading: Reading, time: float) -> None:
        verdict, _ = judge_reading(reading, self.previous, time, math.inf)
        self.previous = reading
        if verdict in ("good", "below_limit"):
            self.believed = reading

    def age(self, time: float) -> float:
        """Return log10 of the age of the sample in hours."""
        if self.believed is None:
            return AGE_SPAN
        hours = max((time - self.believed.sample_time) / HOUR, 10.0**-AGE_SPAN)
        return math.log10(hours)


@dataclass(slots=True)
class _Episode:
    """Everything that belongs to one episode."""

    twin: Twin
    guarded: GuardState
    watches: dict[tuple[str, str], _Watch]
    measured: Mapping[str, float]
    sequence: int = 0
    refusals: tuple[Refusal, ...] = ()
    notes: list[str] = field(default_factory=list)


@cache
def _at_nominal(plant: str) -> tuple[Plant, SteadyState]:
    """Return a plant at its nominal flows; solved once per process, as every reset needs it.

    Its readings are drawn: every seed's analyzer would have to be calibrated, and counted spectra
    cost more than the plant.
    """
    loaded = load_plant(plant)
    loaded = replace(loaded, analyzer=replace(loaded.analyzer, model="statistical"))
    nominal = solve_nominal(loaded)
    assert nominal.operation is not None
    return loaded.operated(nominal.operation), nominal


class PlantEnv(gymnasium.Env[Observation, NDArray[np.float32]]):
    """A plant to be operated.

    The **action** is one number per lever, in the order of the plant file, each -1 to 1: the move
    of its setpoint in the coming control period as a share of the fastest permitted one. The guard
    judges it like any other proposal: limits and rates hold whatever is asked.

    The **observation** is named in `observation_names`, in order: of every monitored stage log₁₀
    of heavy over light, in moles, less its value in the model's nominal profile, and log₁₀ of the
    sample's age in hours; of every product, from the online analyzer and then from the laboratory,
    log₁₀ of the impurity over its limit (above 0 is off specification), and log₁₀ of the age; of
    every lever log₁₀ of its measured flow and of its setpoint in force over the nominal flow.
    Where an instrument does not see an impurity, its detection limit stands in.
    Before the first believed reading of a place its value is 0 and its age `AGE_SPAN`.

    The **reward** of a step is

        on_spec·t_on - off_spec·t_off - ammonia·t_NH₃ - acid·t_HCl - move·Σ action²

    with the true tonnes of that period; see `RewardWeights`. An episode is never terminated, it is
    truncated at its horizon.

    Args:
        plant: A shipped plant, or the path of a plant file; its analyzer is taken for
            `statistical`.
        horizon_h: Length of an episode, [h].
        story: Events of the world, as `raffinate simulate --step` takes them.
        matched: Make the twin equal to the operator's model; else every seed draws another plant.
        weights: Of the reward.

    Attributes:
        observation_names: What each number of the observation is.
        levers: Names of the levers, in the order of the action.

    Raises:
        SpecificationError: The horizon is no control period long, or an event is none.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - declared so by the base class

    def __init__(
        self,
        plant: str = "ceprnd_p507",
        *,
        horizon_h: float = 240.0,
        story: Sequence[str] = (),
        matched: bool = False,
        weights: RewardWeights | None = None,
    ) -> None:
        if not horizon_h * HOUR >= CONTROL_PERIOD:
            raise SpecificationError(
                f"the horizon is {horizon_h:g} h.", where="PlantEnv", allowed="at least 1/6 h"
            )
        self._plant, nominal = _at_nominal(plant)
        self._supervisor = supervisor_of(self._plant, nominal)
        self._nominal = dict(self._supervisor.nominal)
        self._guard = Guard(levers=levers_of(self._plant, self._nominal), plan_life=PLAN_LIFE)
        self._story = [parse_event(text, self._plant.circuit.elements) for text in story]
        self._horizon = horizon_h * HOUR
        self._matched = matched
        self._weights = weights if weights is not None else RewardWeights()
        self._episode: _Episode | None = None
        self.levers = tuple(self._plant.levers)
        bounds = self._bounds()
        self.observation_names = tuple(bounds)
        self._high = np.array(list(bounds.values()), dtype=np.float32)
        self.observation_space = spaces.Box(low=-self._high, high=self._high, dtype=np.float32)
        count = (len(self.levers),)
        self.action_space = spaces.Box(low=-1.0, high=1.0, shape=count, dtype=np.float32)

    def _bounds(self) -> dict[str, float]:
        bounds = {}
        for stage in self._plant.analyzer.monitored_stages:
            bounds[f"{place_of(stage + 1)} log ratio"] = RATIO_SPAN
            bounds[f"{place_of(stage + 1)} log age"] = AGE_SPAN
        for name in self._plant.products:
            for instrument in ("xrf", "assay"):
                bounds[f"{name} {instrument} log impurity"] = RATIO_SPAN
                bounds[f"{name} {instrument} log age"] = AGE_SPAN
        for name in self.levers:
            bounds[f"{name} log measured"] = FLOW_SPAN
            bounds[f"{name} log setpoint"] = FLOW_SPAN
        return bounds

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode with a plant drawn anew, at rest at its nominal purities."""
        super().reset(seed=seed)
        drawn = int(self.np_random.integers(2**31))
        twin = Twin(self._plant, drawn, matched=self._matched)
        for event in self._story:
            twin.add_event(event, event.name)
        places = [("xrf", place_of(s + 1)) for s in self._plant.analyzer.monitored_stages]
        places += [(which, name) for name in self._plant.products for which in ("xrf", "assay")]
        self._episode = _Episode(
            twin=twin,
            guarded=self._guard.start(self._nominal, 0.0),
            watches={place: _Watch() for place in places},
            measured=dict(self._nominal),
        )
        return self._observed(self._episode), self._info(self._episode)

    def step(
        self, action: NDArray[np.float32]
    ) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Move the levers and let ten minutes of plant time pass.

        Raises:
            SpecificationError: `reset` was not called, or the action is none.
        """
        if self._episode is None:
            raise SpecificationError("step comes before reset.", where="PlantEnv")
        moves = np.asarray(action, dtype=np.float64)
        if moves.shape != (len(self.levers),) or not np.isfinite(moves).all():
            raise SpecificationError(
                f"the action is {action}.",
                where="PlantEnv",
                allowed=f"{len(self.levers)} finite numbers, -1 to 1",
            )
        moves = np.clip(moves, -1.0, 1.0)
        episode = self._episode
        before = _books(episode.twin, self._plant)
        report, notes = episode.twin.advance(self._plans(episode, moves))
        episode.notes = [note.text for note in notes]
        self._take(episode, report)
        after = _books(episode.twin, self._plant)
        made = {name: after[name] - before[name] for name in after}
        weights = asdict(self._weights)
        reward = weights["on_spec"] * made["on_spec"] - weights["move"] * float(moves @ moves)
        reward -= sum(weights[name] * made[name] for name in ("off_spec", "ammonia", "acid"))
        truncated = episode.twin.time >= self._horizon - 1e-6
        return self._observed(episode), reward, False, truncated, self._info(episode)

    def _plans(self, episode: _Episode, moves: NDArray[np.float64]) -> list[Plan]:
        """Return the plans of the period, as the guard writes them."""
        now, in_force = episode.twin.time, episode.guarded.in_force
        reach = {lever.name: lever.rate_limit * CONTROL_PERIOD for lever in self._guard.levers}
        episode.sequence += 1
        proposal = Plan(
            setpoints={
                name: in_force[name] + float(move) * reach[name]
                for name, move in zip(self.levers, moves, strict=True)
            },
            issued_at=now,
            expires_at=now + PLAN_LIFE,
            sequence=episode.sequence,
            author="agent",
            mode="agent",
        )
        plans: list[Plan] = []
        refusals: list[Refusal] = []
        for scan in range(round(CONTROL_PERIOD / SCAN)):
            episode.guarded, plan, found = self._guard.step(
                episode.guarded, proposal if scan == 0 else None, now + scan * SCAN
            )
            plans.append(plan)
            refusals += found
        episode.refusals = tuple(refusals)
        return plans

    def _take(self, episode: _Episode, report: PlantReport) -> None:
        episode.measured = report.measured
        for which, readings in (("xrf", report.readings), ("assay", report.assays)):
            for reading in readings:
                episode.watches[which, reading.place].take(reading, report.time)

    def _observed(self, episode: _Episode) -> Observation:
        now = episode.twin.time
        found: list[float] = []
        heavy, light = self._supervisor.heavy, self._supervisor.light
        for stage in self._supervisor.stages:
            watch = episode.watches["xrf", stage.place]
            value = 0.0
            if watch.believed is not None:
                value = watch.believed.log_ratio(heavy, light).value - stage.target
            found += [value, watch.age(now)]
        for name, product in self._plant.products.items():
            for instrument in ("xrf", "assay"):
                watch = episode.watches[instrument, name]
                found += [_impurity(watch.believed, product.elements, product.purity_limit)]
                found += [watch.age(now)]
        for name in self.levers:
            for flow in (episode.measured[name], episode.guarded.in_force[name]):
                # A meter of a pump that stands may read a little below 0.
                found.append(math.log10(max(flow / self._nominal[name], 10.0**-FLOW_SPAN)))
        return np.clip(np.array(found, dtype=np.float32), -self._high, self._high)

    def _info(self, episode: _Episode) -> dict[str, Any]:
        twin = episode.twin
        return {
            "plant_hours": twin.time / HOUR,
            "setpoints_m3_per_h": {n: v * HOUR for n, v in episode.guarded.in_force.items()},
            "refusals": [refusal.message for refusal in episode.refusals],
            "truth": {
                "purity": {name: account.purity for name, account in twin.accounts.items()},
                "off_spec_t": {n: a.off_spec / 1000.0 for n, a in twin.accounts.items()},
                "lots_off_spec": {n: a.lots_off_spec for n, a in twin.accounts.items()},
                "books_t": _books(twin, self._plant),
                "notes": episode.notes,
            },
        }


def _impurity(reading: Reading | None, wanted: tuple[str, ...], limit: float) -> float:
    """Return log10 of the impurity over its limit; 0 where nothing is known."""
    if reading is None:
        return 0.0
    other = tuple(symbol for symbol in reading.elements if symbol not in wanted)
    ratio = 10.0 ** reading.log_ratio(other, wanted, "oxide").value
    return math.log10(ratio / (1.0 + ratio) / (1.0 - limit))


def _books(twin: Twin, plant: Plant) -> dict[str, float]:
    """Return the tonnes made on and off specification and used, so far."""
    made = sum(float(twin.accounts[name].made.sum()) for name in plant.products)
    off = sum(twin.accounts[name].off_spec for name in plant.products)
    return {
        "on_spec": (made - off) / 1000.0,
        "off_spec": off / 1000.0,
        "ammonia": twin.reagents["NH3"] * AMMONIA_MOLAR_MASS / 1000.0,
        "acid": twin.reagents["HCl"] * HYDROGEN_CHLORIDE_MOLAR_MASS / 1000.0,
    }


def register_environment() -> None:
    """Put the shipped plant among the environments of `gymnasium.make`, as `ENVIRONMENT_ID`.

    Importing this module registers nothing. Calling twice does no harm.
    """
    if ENVIRONMENT_ID not in gymnasium.registry:
        gymnasium.register(
            id=ENVIRONMENT_ID, entry_point="raffinate.runtime.gym_environment:PlantEnv"
        )
