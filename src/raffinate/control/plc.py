"""The plant's own controller: executes plans, watches the guard's heartbeat, knows a safe plan.

It stands for the program of a real plant's PLC, trusts nobody and needs the standard library
only. Every setpoint that reaches an actuator passes its limits, its rates and its interlocks,
whoever asked. When the heartbeat stops it holds the last setpoints while the plan lasts, then
walks to the declared safe plan.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from raffinate.control.plan import Lever, Plan
from raffinate.errors import SpecificationError

PlcMode = Literal["remote", "hold", "safe"]
"""remote: the guard's setpoints are followed; hold: the heartbeat is lost, the last ones stay;
safe: the plan has expired, the declared safe plan is walked to."""

HEARTBEATS_MISSED = 2
"""Scans without a heartbeat after which the guard counts as lost."""

LONGEST_REACH = 60
"""Most scans that a plan may speak for, an hour; assumed. A heartbeat far ahead would otherwise
keep the watchdog from ever noticing that the guard is gone."""

SAFE_WALK = 0.009
"""Most of a lever's span that it walks in a scan towards the safe plan, [-]: nobody asked for this
move, so it stays below the 1 % that counts as a bump."""

LOST_FLOW = 0.5
"""Share of a lever's lowest setpoint below which its flow counts as lost, [-]; assumed."""

LOST_SCANS = 3
"""Scans for which a flow must be lost before the interlock acts; assumed."""

INTERLOCKS = {
    "scrub_within_acid": "Scrub is held at the acid that feeds it",
    "organic_lost": "Organic flow is lost: acid and scrub go to their lowest setpoints",
}
"""Interlocks by name, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlcState:
    """What the PLC remembers.

    Attributes:
        scan: Scans completed.
        in_force: Setpoints of the last scan, by lever, SI.
        trajectory: Setpoints of the scans up to `acknowledged`, by lever, SI.
        acknowledged: Last scan the guard has spoken for.
        sequence: Number of the last accepted plan.
        expires_at: Plant time at which it expires, [s].
        mode: Rung of the mode ladder.
        interlocks: Those that act now.
        organic_lost: Scans for which the organic flow has been lost.
    """

    scan: int
    in_force: Mapping[str, float]
    trajectory: Mapping[str, tuple[float, ...]]
    acknowledged: int
    sequence: int
    expires_at: float
    mode: PlcMode = "remote"
    interlocks: tuple[str, ...] = ()
    organic_lost: int = 0

    @property
    def watchdog(self) -> bool:
        """Whether the guard's heartbeat counts as lost."""
        return self.mode != "remote"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plc:
    """Limits, rates, interlocks and the safe plan of a plant's levers.

    Attributes:
        levers: Every lever there is.
        scan_time: Time of one scan, [s].
    """

    levers: tuple[Lever, ...]
    scan_time: float
    _by_name: Mapping[str, Lever] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {lever.name: lever for lever in self.levers})

    def start(self, in_force: Mapping[str, float], *, scan: int = 0) -> PlcState:
        """Begin at the setpoints the actuators have; the first heartbeat is waited for in hold."""
        return PlcState(
            scan=scan,
            in_force={lever.name: float(in_force[lever.name]) for lever in self.levers},
            trajectory={},
            acknowledged=scan,
            sequence=0,
            expires_at=math.inf,
        )

    def accept(
        self,
        state: PlcState,
        trajectory: Mapping[str, Sequence[float]],
        *,
        heartbeat: int,
        sequence: int,
        expires_at: float,
    ) -> PlcState:
        """Take a plan of the guard.

        Args:
            state: From `start`, `accept` or `step`.
            trajectory: Setpoints of the scans up to and with `heartbeat`, by lever, SI.
            heartbeat: Last scan the plan speaks for.
            sequence: Rises with every plan, or stays where only the heartbeat is renewed.
            expires_at: Plant time, [s].

        Raises:
            SpecificationError: A lever is missing or unknown, lengths differ, a value is no number
                or outside its limits, the plan is older than the one accepted, speaks only for
                scans that were run, or for more than `LONGEST_REACH`.
        """
        self._check(trajectory)
        older = sequence < state.sequence or (
            sequence == state.sequence and heartbeat < state.acknowledged
        )
        # A newer plan may speak for fewer scans than the one before, never for scans already run.
        if older or heartbeat < state.scan:
            raise SpecificationError(
                f"plan {sequence} up to scan {heartbeat} is older than plan {state.sequence} up to "
                f"scan {state.acknowledged}, or than scan {state.scan}, which was run.",
                where="PLC",
                mend="Send the newest plan.",
            )
        if heartbeat > state.scan + LONGEST_REACH:
            raise SpecificationError(
                f"the plan speaks up to scan {heartbeat}, and {state.scan} were run.",
                where="PLC",
                allowed=f"at most {LONGEST_REACH} scans ahead",
            )
        if not math.isfinite(expires_at):
            raise SpecificationError(
                f"the plan expires at {expires_at} s.", where="PLC", allowed="a finite time"
            )
        return replace(
            state,
            trajectory={name: tuple(values) for name, values in trajectory.items()},
            acknowledged=heartbeat,
            sequence=sequence,
            expires_at=expires_at,
        )

    def _check(self, trajectory: Mapping[str, Sequence[float]]) -> None:
        lengths = {len(values) for values in trajectory.values()}
        if set(trajectory) != set(self._by_name) or len(lengths) != 1 or lengths == {0}:
            raise SpecificationError(
                f"the plan names {sorted(trajectory)} with {sorted(lengths)} setpoints each.",
                where="PLC",
                allowed=f"{sorted(self._by_name)}, each with as many setpoints, at least one",
            )
        for name, values in trajectory.items():
            lever = self._by_name[name]
            slack = 1e-9 * (lever.high - lever.low)
            for value in values:
                if not lever.low - slack <= value <= lever.high + slack:
                    raise SpecificationError(
                        f"{name} is asked to be {value:g} {lever.unit}.",
                        where="PLC",
                        allowed=f"{lever.low:g} to {lever.high:g} {lever.unit}",
                    )

    def step(
        self, state: PlcState, time: float, measured: Mapping[str, float]
    ) -> tuple[PlcState, Plan]:
        """Run one scan.

        Args:
            state: As the last scan left it.
            time: Plant time at its begin, [s].
            measured: Flows as measured last, by lever, SI; one not given counts as sound.

        Returns:
            The next state, and the setpoints of this scan.
        """
        scan = state.scan + 1
        mode, target = self._target(state, scan, time)
        lost = self._organic_lost(state, measured)
        target, interlocks = self._interlocked(target, lost)
        in_force = {}
        for name, lever in self._by_name.items():
            before = state.in_force[name]
            moved = lever.limited(lever.moved(before, target[name], self.scan_time))
            if mode == "safe":
                reach = SAFE_WALK * (lever.high - lever.low)
                moved = min(max(moved, before - reach), before + reach)
            in_force[name] = moved
        state = replace(
            state,
            scan=scan,
            in_force=in_force,
            mode=mode,
            interlocks=interlocks,
            organic_lost=lost,
        )
        plan = Plan(
            setpoints=in_force,
            issued_at=time,
            expires_at=state.expires_at,
            sequence=state.sequence,
            author="guard" if mode == "remote" else "plc",
            mode=mode,
        )
        return state, plan

    def _target(self, state: PlcState, scan: int, time: float) -> tuple[PlcMode, dict[str, float]]:
        missed = scan - state.acknowledged
        if time >= state.expires_at:
            return "safe", {lever.name: lever.safe for lever in self.levers}
        if missed >= HEARTBEATS_MISSED or not state.trajectory:
            mode: PlcMode = "hold" if missed >= HEARTBEATS_MISSED else state.mode
            return mode, self._last(state)
        if missed > 0:
            return state.mode, self._last(state)
        length = len(next(iter(state.trajectory.values())))
        index = max(0, length - 1 + missed)
        return "remote", {name: values[index] for name, values in state.trajectory.items()}

    def _last(self, state: PlcState) -> dict[str, float]:
        if not state.trajectory:
            return dict(state.in_force)
        return {name: values[-1] for name, values in state.trajectory.items()}

    def _organic_lost(self, state: PlcState, measured: Mapping[str, float]) -> int:
        lever = self._by_name.get("organic_flow")
        flow = measured.get("organic_flow")
        if lever is None or flow is None or not flow < LOST_FLOW * lever.low:
            return 0
        return state.organic_lost + 1

    def _interlocked(
        self, target: Mapping[str, float], lost: int
    ) -> tuple[dict[str, float], tuple[str, ...]]:
        found, acting = dict(target), []
        if lost >= LOST_SCANS:
            acting.append("organic_lost")
            for name in ("acid_flow", "scrub_flow"):
                if name in found:
                    found[name] = self._by_name[name].low
        if {"acid_flow", "scrub_flow"} <= set(found) and found["scrub_flow"] > found["acid_flow"]:
            acting.append("scrub_within_acid")
            scrub = self._by_name["scrub_flow"]
            found["scrub_flow"] = scrub.limited(found["acid_flow"])
        return found, tuple(acting)
