"""What would happen: a copy of the virtual plant run ahead with other setpoints.

`python -m raffinate.runtime.what_if RUN_DIRECTORY --levers '{"organic_flow": 14.2}' --hours 48`

Prints a line of JSON for each step of progress and one with the result. The copy is taken from the
twin's last checkpoint; nothing of the run is written. It knows the plant as it truly is, which no
real plant would tell, and it looks into no future upset: those that act now go on, those still to
come are left out.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from raffinate.control.guard import Guard, GuardState
from raffinate.control.plan import Plan
from raffinate.errors import RaffinateError, SpecificationError, nearest_name
from raffinate.runtime.messages import CONTROL_PERIOD, SCAN
from raffinate.runtime.operate_setup import levers_of
from raffinate.runtime.page_state import profile_of
from raffinate.runtime.page_tags import TagView
from raffinate.runtime.run_directory import RunDirectory
from raffinate.runtime.twin import Twin
from raffinate.runtime.twin_checkpoint import TwinCheckpoint, nominal_flows, resumed
from raffinate.runtime.twin_values import profile_values
from raffinate.runtime.what_if_runner import HOURS, failed
from raffinate.units import HOUR

PERIOD_SCANS = round(CONTROL_PERIOD / SCAN)

SAY_EVERY = 0.25
"""Least wall time between two lines of progress, [s]."""

NICE = 10
"""How much the copy steps back behind the run itself."""


def look_ahead(
    kept: TwinCheckpoint, wanted: Mapping[str, float], hours: float
) -> Iterator[dict[str, Any]]:
    """Run the copy of a plant ahead, and yield what the page is told.

    Args:
        kept: The plant and its controller; the plant is moved.
        wanted: Setpoints to hold, [m³/h]; levers that are left out stay where they are. They are
            walked to at the levers' rates.
        hours: How far, plant hours.

    Raises:
        SpecificationError: A lever is unknown or out of range, or the hours are.
    """
    twin = kept.twin
    guard = Guard(levers=levers_of(twin.model, nominal_flows(twin)))
    proposal = _proposal(guard, kept, wanted, hours)
    begin = twin.time
    twin.upsets = [each for each in twin.upsets if each.event.begin <= begin]
    state = guard.start(kept.plc.in_force, begin)
    periods = max(1, round(hours * HOUR / CONTROL_PERIOD))
    rows: dict[str, list[float | None]] = {
        name: [] for name in ("t_h", *(f"{p}_impurity" for p in twin.plant.products))
    }
    first_off: dict[str, float] = {}
    said = time.monotonic()
    for period in range(periods):
        state, plans = _plans(guard, state, proposal if period == 0 else None, twin.time)
        twin.advance(plans)
        _add_row(rows, twin)
        for name in twin.plant.products:
            if not _in_spec(twin, name):
                first_off.setdefault(name, (twin.time - begin) / HOUR)
        if time.monotonic() - said >= SAY_EVERY:
            said = time.monotonic()
            yield _told((period + 1) / periods, "")
    yield _result(twin, rows, first_off, hours)


def _result(
    twin: Twin,
    rows: Mapping[str, list[float | None]],
    first_off: Mapping[str, float],
    hours: float,
) -> dict[str, Any]:
    """Return the last line of a copy: what became of it."""
    products = {
        name: {
            "purity": _number(account.purity),
            "in_spec": _in_spec(twin, name),
            "hours_to_off_spec": first_off.get(name),
        }
        for name, account in twin.accounts.items()
    }
    return _told(1.0, _sentence(twin, products, hours)) | {
        "done": True,
        "columns": rows,
        "profile": profile_of(TagView(profile_values(twin).get), twin.plant.circuit.elements),
        "products": products,
    }


def _proposal(
    guard: Guard, kept: TwinCheckpoint, wanted: Mapping[str, float], hours: float
) -> Plan:
    """Return the plan that holds for all of the look ahead."""
    known = {lever.name: lever for lever in guard.levers}
    setpoints = dict(kept.plc.in_force)
    for name, value in wanted.items():
        if name not in known:
            raise SpecificationError(
                f"{name!r} is no lever.", where="what_if", mend=nearest_name(name, tuple(known))
            )
        lever, asked = known[name], value / HOUR
        # A setpoint typed from the page's rounded limits must not fail in the last bit.
        slack = 1e-3 * (lever.high - lever.low)
        if not lever.low - slack <= asked <= lever.high + slack:
            raise SpecificationError(
                f"{name} is to be {value:.4g} m³/h.",
                where="what_if",
                allowed=f"{lever.low * HOUR:.4g} to {lever.high * HOUR:.4g} m³/h",
            )
        setpoints[name] = lever.limited(asked)
    if not HOURS[0] <= hours <= HOURS[1]:
        raise SpecificationError(
            f"hours is {hours:g}.", where="what_if", allowed=f"{HOURS[0]:g} to {HOURS[1]:g}"
        )
    now = kept.twin.time
    return Plan(
        setpoints=setpoints,
        issued_at=now,
        expires_at=now + (hours + 1.0) * HOUR,
        sequence=1,
        author="what_if",
        mode="manual",
    )


def _plans(
    guard: Guard, state: GuardState, proposal: Plan | None, begin: float
) -> tuple[GuardState, list[Plan]]:
    """Return the plans of the scans of a control period."""
    plans = []
    for scan in range(PERIOD_SCANS):
        state, plan, _ = guard.step(state, proposal if scan == 0 else None, begin + scan * SCAN)
        plans.append(plan)
    return state, plans


def _add_row(rows: dict[str, list[float | None]], twin: Twin) -> None:
    rows["t_h"].append(twin.time / HOUR)
    for name, account in twin.accounts.items():
        rows[f"{name}_impurity"].append(_number(1.0 - account.purity))


def _number(value: float) -> float | None:
    """Return a number as JSON carries it, with the digits a page shows."""
    return float(f"{value:.8g}") if math.isfinite(value) else None


def _in_spec(twin: Twin, name: str) -> bool:
    return not twin.accounts[name].purity < twin.plant.products[name].purity_limit


def _told(progress: float, text: str) -> dict[str, Any]:
    return {
        "progress": round(progress, 4), "live": False, "done": False, "columns": None,
        "profile": None, "products": None, "text": text,
    }  # fmt: skip


def _sentence(twin: Twin, products: Mapping[str, Mapping[str, Any]], hours: float) -> str:
    parts = []
    for name, found in products.items():
        title, first = twin.plant.products[name].title, found["hours_to_off_spec"]
        parts.append(
            f"{title} stays within its limit"
            if first is None
            else f"{title} falls below its limit after {first:.1f} h"
        )
    return f"In {hours:g} h, if nothing else changes: {'; '.join(parts)}."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line, and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m raffinate.runtime.what_if")
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("--levers", default="{}", help="JSON: setpoint by lever, m³/h")
    parser.add_argument("--hours", type=float, default=48.0)
    given = parser.parse_args(arguments)
    try:
        kept = resumed(RunDirectory.open(given.run_dir))
        if kept is None:
            raise SpecificationError(
                "the run has not moved yet, so there is nothing to copy.",
                where="what_if",
                mend="Ask again once plant time has begun.",
            )
        for line in look_ahead(kept, _levers(given.levers), given.hours):
            _say(line)
    except RaffinateError as error:
        _say(failed(str(error)))
        return error.exit_code
    return 0


def _levers(text: str) -> dict[str, float]:
    try:
        return {str(name): float(value) for name, value in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise SpecificationError(f"{text!r} is no object of numbers.", where="--levers") from error


def _say(line: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(line, allow_nan=False) + "\n")
    sys.stdout.flush()


def _step_back() -> None:
    """Let the run itself go first."""
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(NICE)


if __name__ == "__main__":
    _step_back()
    sys.exit(main())
