"""The guard: the only writer of setpoints, between every controller and the plant.

Whatever proposes (a person, fuzzy rules, a network), what reaches the plant is inside its limits,
moves no faster than declared, and lapses into the declared safe plan when proposals stop. The
guard is a pure step on a small state and needs the standard library only, so it replays exactly
and runs where no numerics are installed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from raffinate.control.plan import Lever, Plan
from raffinate.errors import SpecificationError, nearest_name

RefusalKind = Literal[
    "not_finite",
    "out_of_range",
    "incomplete",
    "unknown_lever",
    "stale",
    "from_the_future",
    "plan_expired",
    "time_went_back",
]
"""not_finite, incomplete, unknown_lever, stale, from_the_future: the proposal is refused whole,
because levers act together and half a plan is another plan. out_of_range: it is accepted with that
lever limited. plan_expired: the safe plan took over. time_went_back: no lever was moved."""

SAFE_MODE = "safe"
"""Mode of the plan the guard falls back on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One thing the guard did not do as asked.

    Attributes:
        kind: What was wrong.
        message: In words, with value, unit and permitted range.
        lever: The lever concerned; empty when it is the whole plan.
        requested: What was asked for, [unit of the lever]; NaN when it is the whole plan.
        granted: What it was limited to, [unit of the lever]; NaN when refused.
    """

    kind: RefusalKind
    message: str
    lever: str = ""
    requested: float = math.nan
    granted: float = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardState:
    """What the guard remembers from scan to scan.

    Attributes:
        time: Plant time of the last step, [s].
        in_force: Setpoints the plant has been given, by lever, SI. A controller that takes over
            starts from these.
        accepted: Last accepted proposal, limited to the permitted ranges; None before the first
            and after its expiry.
        last_issued: Issue time of the newest proposal ever accepted, [s].
        last_sequence: Newest accepted sequence by author.
        sequence: Number of the last plan the guard wrote.
    """

    time: float
    in_force: Mapping[str, float]
    accepted: Plan | None
    last_issued: float
    last_sequence: Mapping[str, int]
    sequence: int

    @property
    def mode(self) -> str:
        """Mode of the accepted proposal, or `SAFE_MODE`."""
        return self.accepted.mode if self.accepted is not None else SAFE_MODE


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Limits, rates of change, expiry and the safe plan of a set of levers.

    Attributes:
        levers: Every lever there is; a proposal must name them all.
        plan_life: Life of the plans written while the safe plan is in force, [s].
        longest_step: Longest time since the last step that counts towards the rates, [s]; after a
            pause longer than this the setpoints do not jump by all the movement missed.
    """

    levers: tuple[Lever, ...]
    plan_life: float = 1800.0
    longest_step: float = 600.0

    def __post_init__(self) -> None:
        names = [lever.name for lever in self.levers]
        if not names or len(set(names)) < len(names):
            raise SpecificationError(
                f"the levers are {names}.", where="guard", allowed="one or more, each named once"
            )
        for name, value in (("plan_life", self.plan_life), ("longest_step", self.longest_step)):
            if not (math.isfinite(value) and value > 0.0):
                raise SpecificationError(
                    f"{name} is {value} s.", where="guard", allowed="finite and above 0 s"
                )

    def start(self, in_force: Mapping[str, float], time: float, *, sequence: int = 0) -> GuardState:
        """Begin from the setpoints the plant has now, so that the first plan moves nothing.

        Args:
            in_force: By lever name, SI; a lever outside its limits is walked back at its rate.
            time: Plant time, [s].
            sequence: Last sequence number the plant has seen from a guard.

        Raises:
            SpecificationError: A lever is missing, unknown or not finite, or the time is.
        """
        names = tuple(lever.name for lever in self.levers)
        for name in in_force:
            if name not in names:
                raise SpecificationError(
                    f"{name!r} is no lever.", where="guard", mend=nearest_name(name, names)
                )
        for name in names:
            if not math.isfinite(in_force.get(name, math.nan)):
                raise SpecificationError(
                    f"the setpoint in force is {in_force.get(name, 'missing')}.",
                    where=f"guard, lever {name}",
                    allowed="a finite number",
                )
        _check_time(time)
        return GuardState(
            time=time,
            in_force={name: float(in_force[name]) for name in names},
            accepted=None,
            last_issued=-math.inf,
            last_sequence={},
            sequence=sequence,
        )

    def step(
        self, state: GuardState, proposal: Plan | None, time: float
    ) -> tuple[GuardState, Plan, tuple[Refusal, ...]]:
        """Judge a proposal and write the plan for this scan.

        Args:
            state: From `start` or the last step.
            proposal: What a controller asks for; None when there is nothing new.
            time: Plant time, [s].

        Returns:
            The next state; the plan to write, whose setpoints lie at most rate_limit x time from
            those in force before; and what was refused or limited.

        Raises:
            SpecificationError: `time` is not finite.
        """
        _check_time(time)
        refusals: list[Refusal] = []
        if time < state.time:
            refusals.append(
                Refusal(
                    kind="time_went_back",
                    message=f"Plant time went back from {state.time:g} s to {time:g} s.",
                )
            )
        state = self._without_expired(state, time, refusals)
        if proposal is not None:
            state = self._judged(state, proposal, time, refusals)
        duration = min(max(time - state.time, 0.0), self.longest_step)
        target = self.safe_setpoints() if state.accepted is None else state.accepted.setpoints
        in_force = {
            lever.name: lever.moved(state.in_force[lever.name], target[lever.name], duration)
            for lever in self.levers
        }
        state = replace(state, time=time, in_force=in_force, sequence=state.sequence + 1)
        return state, self._written(state), tuple(refusals)

    def safe_setpoints(self) -> dict[str, float]:
        """Return the declared safe setpoint of every lever, SI."""
        return {lever.name: lever.safe for lever in self.levers}

    def _written(self, state: GuardState) -> Plan:
        expiry = state.time + self.plan_life
        if state.accepted is not None:
            expiry = state.accepted.expires_at
        return Plan(
            setpoints=state.in_force,
            issued_at=state.time,
            expires_at=expiry,
            sequence=state.sequence,
            author="guard",
            mode=state.mode,
        )

    def _without_expired(
        self, state: GuardState, time: float, refusals: list[Refusal]
    ) -> GuardState:
        if state.accepted is None or time < state.accepted.expires_at:
            return state
        refusals.append(
            Refusal(
                kind="plan_expired",
                message=(
                    f"The plan of {state.accepted.author} expired at "
                    f"{state.accepted.expires_at:g} s; the safe plan takes over."
                ),
            )
        )
        return replace(state, accepted=None)

    def _judged(
        self, state: GuardState, proposal: Plan, time: float, refusals: list[Refusal]
    ) -> GuardState:
        """Return the state after accepting the proposal, or the same state."""
        faults = _faults_of_time(state, proposal, time) or self._faults_of_setpoints(proposal)
        if faults:
            refusals.extend(faults)
            return state
        setpoints = {}
        for lever in self.levers:
            requested = proposal.setpoints[lever.name]
            granted = lever.limited(requested)
            setpoints[lever.name] = granted
            if granted != requested:
                refusals.append(_limited(lever, requested, granted))
        return replace(
            state,
            accepted=replace(proposal, setpoints=setpoints),
            last_issued=proposal.issued_at,
            last_sequence={**state.last_sequence, proposal.author: proposal.sequence},
        )

    def _faults_of_setpoints(self, proposal: Plan) -> list[Refusal]:
        names = tuple(lever.name for lever in self.levers)
        faults = [
            Refusal(
                kind="unknown_lever",
                lever=name,
                message=f"{name!r} is no lever. {nearest_name(name, names)}",
            )
            for name in proposal.setpoints
            if name not in names
        ]
        for lever in self.levers:
            if lever.name not in proposal.setpoints:
                message = f"The proposal of {proposal.author} leaves out {lever.name}."
                faults.append(Refusal(kind="incomplete", lever=lever.name, message=message))
            elif not math.isfinite(proposal.setpoints[lever.name]):
                value = proposal.setpoints[lever.name]
                faults.append(
                    Refusal(
                        kind="not_finite",
                        lever=lever.name,
                        requested=value,
                        message=f"{proposal.author} asks {lever.name} to be {value} {lever.unit}.",
                    )
                )
        return faults


def _faults_of_time(state: GuardState, proposal: Plan, time: float) -> list[Refusal]:
    issued, expires = proposal.issued_at, proposal.expires_at
    who = f"Plan {proposal.sequence} of {proposal.author}"
    if not (math.isfinite(issued) and math.isfinite(expires)):
        message = f"{who} is issued at {issued} s and expires at {expires} s."
        return [Refusal(kind="not_finite", message=message)]
    if issued > time:
        message = f"{who} is issued at {issued:g} s, but it is {time:g} s."
        return [Refusal(kind="from_the_future", message=message)]
    if expires <= time:
        return [Refusal(kind="stale", message=f"{who} expired at {expires:g} s, it is {time:g} s.")]
    newest = state.last_sequence.get(proposal.author)
    if newest is not None and proposal.sequence <= newest:
        message = f"{who} does not follow {newest}, which was accepted."
        return [Refusal(kind="stale", message=message)]
    if issued < state.last_issued:
        message = f"{who} is older than the plan accepted last, {state.last_issued:g} s."
        return [Refusal(kind="stale", message=message)]
    return []


def _limited(lever: Lever, requested: float, granted: float) -> Refusal:
    return Refusal(
        kind="out_of_range",
        lever=lever.name,
        requested=requested,
        granted=granted,
        message=(
            f"{lever.name}: {requested:g} {lever.unit} is outside {lever.low:g} to "
            f"{lever.high:g} {lever.unit}; limited to {granted:g} {lever.unit}."
        ),
    )


def _check_time(time: float) -> None:
    if not math.isfinite(time):
        raise SpecificationError(
            f"plant time is {time} s.", where="guard", allowed="a finite number of seconds"
        )
