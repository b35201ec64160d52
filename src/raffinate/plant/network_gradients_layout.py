"""What the numbers of a circuit mean where it is differentiated: settings, liquors, places."""

from __future__ import annotations

from dataclasses import dataclass

from raffinate.chemistry.system_tableau import extractant_units
from raffinate.plant.arrays import is_simple_exchange
from raffinate.plant.gradients_inputs import CONSTANT, system_constants
from raffinate.plant.network import CircuitUnit
from raffinate.plant.network_stream import StreamAxis

USES = (
    *("NH3", "acid", "extractant", "oxalic acid", "NH4HCO3", "water"),
    *("mixed", "equipment", "pumped_aqueous", "pumped_organic"),
    *("held_value", "held_organic", "held_extractant"),
)
"""What units use: reagents, [mol/s], acid in protons; water bought, [m³/s]; mixer volume, [m³];
stages of the reference volume by cost, [-]; liquor and organic pumped, [m³/s]; value of the rare
earths held, [currency], organic held, [m³], and HA in it, free and bound, [mol]."""

SETTINGS = ("extractant_concentration", "saponification_degree")
"""Settings that every circuit has."""

FLOWS = ("organic_flow", "acid_flow", "draw_flow")
"""Settings of a circuit with a cut, [m³/s]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitLayout:
    """What a circuit's arrays mean; hashable, so that circuits of one kind share their kernels.

    Attributes:
        settings: Names of its settings.
        sections: Names.
        liquors: Sections that a liquor of the network enters, in order.
        feeds: Sections that any aqueous enters, in order.
        draws: Sections that are drawn from.
        at_ratios: Whether its flows follow the liquor fed.
        chosen: Places of its metals on the axis of streams.
        stuck: Places of metals that stay in its loop.
        metals: How many metals a stream has.
        charge: Of all metals, (metal,), [-].
        anion_charge: [-].
        dimer_units: Molecules in a unit of free extractant, [-].
        constant_places: Where the constants stand among those of the chemistry.
        simple: Whether the chemistry is ideal exchange.
    """

    settings: tuple[str, ...]
    sections: tuple[str, ...]
    liquors: tuple[str, ...]
    feeds: tuple[str, ...]
    draws: tuple[str, ...]
    at_ratios: bool
    chosen: tuple[int, ...]
    stuck: tuple[int, ...]
    metals: int
    charge: tuple[float, ...]
    anion_charge: float
    dimer_units: float
    constant_places: tuple[int, ...]
    simple: bool

    @property
    def width(self) -> int:
        """Numbers in a stream: components, then its flow."""
        return self.metals + 5

    def setting(self, name: str) -> int:
        """Return the place of a setting among the inputs."""
        return self.width * len(self.liquors) + self.settings.index(name)

    @property
    def constants(self) -> list[int]:
        """Places of the constants among the inputs."""
        return [self.setting(name) for name in self.settings if name.startswith(CONSTANT)]


def circuit_layout(axis: StreamAxis, unit: CircuitUnit) -> CircuitLayout:
    """Return the layout of a circuit."""
    at_ratios = unit.cut is None
    acids = tuple(section.name for section in unit.sections if section.acid is not None)
    draws = tuple(section.name for section in unit.sections if section.draw)
    ratios = (
        "organic_per_feed",
        *(f"{name}.acid_per_feed" for name in acids),
        *(f"{name}.draw_per_feed" for name in draws),
    )
    constants, places = system_constants(unit.system)
    return CircuitLayout(
        settings=(
            *(ratios if at_ratios else FLOWS),
            *SETTINGS,
            *(f"{name}.acid_concentration" for name in acids),
            *(f"{section.name}.efficiency" for section in unit.sections),
            *(f"{CONSTANT}{name}" for name in constants),
        ),
        sections=tuple(section.name for section in unit.sections),
        liquors=tuple(section.name for section in unit.sections if section.liquor),
        feeds=tuple(s.name for s in unit.sections if s.liquor or s.acid is not None),
        draws=draws,
        at_ratios=at_ratios,
        chosen=tuple(axis.elements.index(symbol) for symbol in unit.system.elements),
        stuck=tuple(axis.elements.index(metal.symbol) for metal in unit.organic.stuck),
        metals=len(axis.elements),
        charge=tuple(axis.charge.tolist()),
        anion_charge=axis.anion_charge,
        dimer_units=extractant_units(unit.system),
        constant_places=places,
        simple=is_simple_exchange(unit.system),
    )
