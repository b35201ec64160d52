"""Events of a plant of many circuits: which of its inputs change, when and for how long.

Written as for one circuit (`events`), by the names of `network_inputs`: flows in m³/h,
concentrations in mol/L, ratios and shares as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

from raffinate.errors import SpecificationError
from raffinate.plant.events import Event, changed_value, parse_change
from raffinate.plant.gradients_inputs import CONSTANT, FEED
from raffinate.plant.network import Network
from raffinate.plant.network_inputs import input_values, with_inputs
from raffinate.units import HOUR, PER_LITRE

FIXED = ".efficiency"
"""What the vessels are built with, and no event changes."""


def network_event_names(network: Network) -> tuple[str, ...]:
    """Return everything an event can change.

    Raises:
        SpecificationError: A cut without flows.
    """
    return tuple(
        name
        for name in input_values(network)
        if not name.startswith(CONSTANT) and not name.endswith(FIXED)
    )


def parse_network_event(text: str, network: Network) -> Event:
    """Read an event as written on the command line.

    Raises:
        SpecificationError: It is no event, or names nothing that can change.
    """
    return parse_change(text, network_event_names(network))


def door_unit(name: str) -> tuple[str, float]:
    """Return the unit of an input at the door, and what one of it is in SI."""
    last = name.rsplit(".", 1)[-1]
    if last == "flow" or last.endswith("_flow"):
        return "m³/h", 1.0 / HOUR
    if name.startswith(FEED) or last.endswith("_concentration"):
        return "mol/L", PER_LITRE
    return "", 1.0


def inputs_at(network: Network, events: Sequence[Event], time: float) -> dict[str, float]:
    """Return the inputs that events in force at `time`, [s], have changed, SI.

    Raises:
        SpecificationError: One would become less than nothing.
    """
    values = input_values(network)
    changed: dict[str, float] = {}
    for event in events:
        if not event.begin <= time < event.end:
            continue
        _, factor = door_unit(event.name)
        now = changed.get(event.name, values[event.name])
        after = changed_value(now / factor, event) * factor
        if after < 0.0:
            raise SpecificationError(
                f"it would become {after / factor:g}.", where=str(event), allowed="0 or more"
            )
        changed[event.name] = after
    return changed


def network_at(network: Network, changed: dict[str, float]) -> Network:
    """Return the network with the inputs that events have changed.

    Raises:
        SpecificationError: One that cannot be.
    """
    return with_inputs(network, changed) if changed else network
