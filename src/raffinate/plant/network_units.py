"""What tanks, splitters, conditioning, precipitation and redissolution make of a stream.

Oxalate:    2 M³⁺ + 3 H₂C₂O₄ → M₂(C₂O₄)₃ + 6 H⁺
Carbonate:  2 M³⁺ + 6 NH₄HCO₃ → M₂(CO₃)₃ + 6 NH₄⁺ + 3 CO₂ + 3 H₂O
            H⁺ + NH₄HCO₃ → NH₄⁺ + CO₂ + H₂O
In acid:    M₂(CO₃)₃ + 6 H⁺ → 2 M³⁺ + 3 CO₂ + 3 H₂O
Ammonia:    H⁺ + NH₃ → NH₄⁺

Only rare earths precipitate; other metals stay in the mother liquor. Reagents bring no volume.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.elements import RARE_EARTHS
from raffinate.errors import SpecificationError
from raffinate.plant.network import (
    Conditioner,
    Precipitation,
    Redissolution,
    Splitter,
    Tank,
)
from raffinate.plant.network_stream import (
    AMMONIUM,
    ANION,
    CARBON,
    OXALATE,
    Stream,
    StreamAxis,
    liquor_stream,
)

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UnitOutcome:
    """What a unit makes of what it takes.

    Attributes:
        streams: Its outlets by name.
        supplied: What reagents bring, along the stream axis, (component,), [mol/s].
        removed: What leaves the plant here as gas or with the bled organic, (component,), [mol/s].
        water: Volume that reagents and added water bring, less what evaporates, [m³/s].
        reagents: Reagents by name, [mol/s]; water in [m³/s].
    """

    streams: Mapping[str, Stream]
    supplied: Array
    removed: Array
    water: float = 0.0
    reagents: Mapping[str, float] = field(default_factory=dict)


def mixed(axis: StreamAxis, streams: Sequence[Stream], where: str) -> Stream:
    """Return streams run together.

    Raises:
        SpecificationError: One of them is a solid.
    """
    for stream in streams:
        if stream.solid:
            raise SpecificationError(
                "a solid enters.", where=where, mend="Dissolve it first: a redissolution."
            )
    return Stream(
        flow=sum(stream.flow for stream in streams),
        amount=np.sum([stream.amount for stream in streams], axis=0),
    )


def run_tank(axis: StreamAxis, unit: Tank, taken: Sequence[Stream]) -> UnitOutcome:
    """Return what leaves a tank."""
    return UnitOutcome(
        streams={unit.name: mixed(axis, taken, unit.name)},
        supplied=np.zeros(axis.size),
        removed=np.zeros(axis.size),
    )


def run_splitter(axis: StreamAxis, unit: Splitter, taken: Stream) -> UnitOutcome:
    """Return what leaves a splitter."""
    return UnitOutcome(
        streams={
            f"{unit.name}.{name}": Stream(
                flow=taken.flow * share, amount=taken.amount * share, solid=taken.solid
            )
            for name, share in unit.fractions.items()
        },
        supplied=np.zeros(axis.size),
        removed=np.zeros(axis.size),
    )


def run_conditioner(axis: StreamAxis, unit: Conditioner, taken: Stream) -> UnitOutcome:
    """Return a liquor brought to a strength and an acidity.

    Raises:
        SpecificationError: The stream is a solid or holds no metal.
    """
    stream = mixed(axis, [taken], unit.name)
    total = _metal_total(axis, stream, unit.name)
    flow = total / unit.strength
    wanted, found = unit.proton * flow, axis.acid(stream.amount)
    supplied = np.zeros(axis.size)
    reagents = {"water": flow - stream.flow}
    if found > wanted:
        supplied[axis.place(AMMONIUM)] = reagents["NH3"] = found - wanted
    else:
        supplied[axis.place(ANION)] = (wanted - found) / axis.anion_charge
        reagents["acid"] = wanted - found
    return UnitOutcome(
        streams={unit.name: Stream(flow=flow, amount=stream.amount + supplied)},
        supplied=supplied,
        removed=np.zeros(axis.size),
        water=flow - stream.flow,
        reagents=reagents,
    )


def run_precipitation(axis: StreamAxis, unit: Precipitation, taken: Stream) -> UnitOutcome:
    """Return solid and mother liquor.

    Raises:
        SpecificationError: The stream is a solid, or weaker than what stays dissolved.
    """
    stream = mixed(axis, [taken], unit.name)
    rare = np.array([symbol in RARE_EARTHS for symbol in axis.elements])
    metals = np.where(rare, stream.metals(axis), 0.0)
    total, stays = float(metals.sum()), unit.solubility * stream.flow
    if not total > stays:
        raise SpecificationError(
            f"the liquor holds {total / max(stream.flow, 1e-300):.3g} mol/m³ rare earths and "
            f"{unit.solubility:.3g} mol/m³ stay dissolved: nothing precipitates.",
            where=unit.name,
            mend="Feed it a stronger liquor.",
        )
    solid = metals * (1.0 - stays / total)
    charge = float(axis.charge @ solid)
    supplied, removed, in_solid = (np.zeros(axis.size) for _ in range(3))
    in_solid[: len(solid)] = solid
    if unit.precipitant == "oxalate":
        taken_up = 0.5 * charge
        in_solid[axis.place(OXALATE)] = taken_up
        supplied[axis.place(OXALATE)] = taken_up * (1.0 + unit.excess)
        reagents = {"oxalic acid": taken_up * (1.0 + unit.excess)}
    else:
        bicarbonate = charge + max(axis.acid(stream.amount), 0.0)
        in_solid[axis.place(CARBON)] = 0.5 * charge
        supplied[axis.place(AMMONIUM)] = supplied[axis.place(CARBON)] = bicarbonate
        removed[axis.place(CARBON)] = bicarbonate - 0.5 * charge
        reagents = {"NH4HCO3": bicarbonate}
    return UnitOutcome(
        streams={
            f"{unit.name}.solid": Stream(flow=0.0, amount=in_solid, solid=True),
            f"{unit.name}.mother_liquor": Stream(
                flow=stream.flow, amount=stream.amount + supplied - removed - in_solid
            ),
        },
        supplied=supplied,
        removed=removed,
        reagents=reagents,
    )


def run_redissolution(axis: StreamAxis, unit: Redissolution, taken: Stream) -> UnitOutcome:
    """Return the liquor of a dissolved carbonate.

    Raises:
        SpecificationError: The stream is a liquor, or an oxalate.
    """
    if not taken.solid or taken.amount[axis.place(OXALATE)] > 0.0:
        what = "an oxalate" if taken.solid else "a liquor"
        raise SpecificationError(
            f"{what} enters.",
            where=unit.name,
            allowed="the solid of a carbonate precipitation",
            mend="Precipitate as carbonate: oxalate does not dissolve in this acid.",
        )
    metals = taken.metals(axis)
    flow = float(metals.sum()) / unit.strength
    made = liquor_stream(axis, flow, metals, unit.proton * flow)
    supplied, removed = np.zeros(axis.size), np.zeros(axis.size)
    supplied[axis.place(ANION)] = made.amount[axis.place(ANION)]
    removed[axis.place(CARBON)] = taken.amount[axis.place(CARBON)]
    acid = axis.anion_charge * float(supplied[axis.place(ANION)])
    return UnitOutcome(
        streams={unit.name: made},
        supplied=supplied,
        removed=removed,
        water=flow,
        reagents={"acid": acid, "water": flow},
    )


def _metal_total(axis: StreamAxis, stream: Stream, where: str) -> float:
    total = float(stream.metals(axis).sum())
    if not total > 0.0:
        raise SpecificationError(
            "the liquor holds no metal, so no strength can be set.", where=where
        )
    return total
