"""Events of a simulation: what changes, how, when and for how long.

Written `feed.nd_mass_fraction=0.4213@24h`: `=` sets, `+=` adds, `*=` scales; `@24h` begins,
`@24h..72h` lasts. Flows are in m³/h, concentrations in mol/L.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from raffinate.errors import SpecificationError, nearest_name
from raffinate.plant.model import Operation
from raffinate.units import HOUR, PER_LITRE

_PATTERN = re.compile(
    r"^(?P<name>[A-Za-z0-9_.]+)\s*(?P<how>\+=|\*=|=)\s*(?P<value>[^@]+?)\s*"
    r"@\s*(?P<begin>[^.]+(?:\.\d+)?[a-z]*)\s*(?:\.\.\s*(?P<end>.+))?$"
)
_TIME = re.compile(r"^(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>min|s|h|d)$")
_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}

_FIELDS = {
    "organic_flow": ("organic_flow", 1.0 / HOUR),
    "acid_flow": ("acid_flow", 1.0 / HOUR),
    "scrub_flow": ("scrub_flow", 1.0 / HOUR),
    "feed.flow": ("feed_flow", 1.0 / HOUR),
    "feed.reo_g_per_L": ("feed_reo", 1.0),
    "acid.hcl_mol_per_L": ("acid_concentration", PER_LITRE),
    "organic.saponification_degree": ("saponification_degree", 1.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One change of the operation.

    Attributes:
        name: What changes, as written.
        how: "=", "+=" or "*=".
        value: In the unit of the door for "=" and "+=".
        begin: [s].
        end: [s]; infinite if it lasts.
    """

    name: str
    how: str
    value: float
    begin: float
    end: float = float("inf")

    def __str__(self) -> str:
        span = f"@{self.begin / HOUR:g}h"
        if self.end != float("inf"):
            span += f"..{self.end / HOUR:g}h"
        return f"{self.name}{self.how}{self.value:g}{span}"


def event_names(elements: Sequence[str]) -> tuple[str, ...]:
    """Return everything an event can change."""
    fractions = [f"feed.{symbol.lower()}_mass_fraction" for symbol in elements]
    return (*_FIELDS, *fractions)


def parse_event(text: str, elements: Sequence[str]) -> Event:
    """Read an event of a plant of one circuit as written on the command line.

    Raises:
        SpecificationError: It is no event, or names nothing that can change.
    """
    return parse_change(text, event_names(elements))


def parse_change(text: str, known: Sequence[str]) -> Event:
    """Read an event that changes one of the `known` names.

    Raises:
        SpecificationError: It is no event, or names nothing that can change.
    """
    match = _PATTERN.match(text.strip())
    if match is None:
        raise SpecificationError(
            f"{text!r} is no event.",
            where="--step",
            mend="Write it as name=value@24h, name+=value@24h..72h or name*=value@24h.",
        )
    name = match["name"]
    if name not in known:
        raise SpecificationError(
            f"{name!r} cannot be changed.", where="--step", mend=nearest_name(name, tuple(known))
        )
    try:
        value = float(match["value"])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise SpecificationError(f"{match['value']!r} is no number.", where=f"--step {name}")
    begin = _seconds(match["begin"], name)
    end = float("inf") if match["end"] is None else _seconds(match["end"], name)
    if not end > begin:
        raise SpecificationError(
            f"it ends at {end / HOUR:g} h and begins at {begin / HOUR:g} h.",
            where=f"--step {name}",
            allowed="an end after the beginning",
        )
    return Event(name=name, how=match["how"], value=value, begin=begin, end=end)


def _seconds(text: str, name: str) -> float:
    match = _TIME.match(text.strip())
    if match is None:
        raise SpecificationError(
            f"{text!r} is no time.", where=f"--step {name}", allowed="such as 90s, 30min, 24h, 3d"
        )
    return float(match["number"]) * _SECONDS[match["unit"]]


def apply_events(
    operation: Operation, events: Sequence[Event], time: float, elements: Sequence[str]
) -> Operation:
    """Return the operation with the events in force at `time`, [s], applied in order."""
    for event in events:
        if event.begin <= time < event.end:
            operation = _applied(operation, event, tuple(elements))
    return operation


def _applied(operation: Operation, event: Event, elements: tuple[str, ...]) -> Operation:
    if event.name in _FIELDS:
        field, factor = _FIELDS[event.name]
        now = getattr(operation, field)
        changed = changed_value(now / factor, event) * factor
        if changed < 0.0:
            raise SpecificationError(
                f"it would become {changed / factor:g}.", where=str(event), allowed="0 or more"
            )
        changes: dict[str, Any] = {field: changed}
        return replace(operation, **changes)
    symbols = [symbol.lower() for symbol in elements]
    index = symbols.index(event.name.removeprefix("feed.").removesuffix("_mass_fraction"))
    now = float(operation.feed_mass_fraction[index])
    return operation.with_element(index, changed_value(now, event))


def changed_value(now: float, event: Event) -> float:
    """Return what an event makes of a value, both in the unit of the door."""
    if event.how == "=":
        return event.value
    return now + event.value if event.how == "+=" else now * event.value


def change_times(events: Sequence[Event], duration: float) -> tuple[float, ...]:
    """Return the moments at which anything changes, inside (0, duration), sorted."""
    moments = {event.begin for event in events} | {event.end for event in events}
    return tuple(sorted(moment for moment in moments if 0.0 < moment < duration))
