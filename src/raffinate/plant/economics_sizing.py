"""Whether mixers and settlers are large enough, what drives them, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from raffinate.plant.arrays import settled_flows, streams_of
from raffinate.plant.economics_prices import Prices
from raffinate.plant.model import Circuit, Operation
from raffinate.units import HOUR

GRAVITY = 9.80665
"""Standard acceleration, [m/s²]; 3rd CGPM (1901)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionSize:
    """One stage of a section, the busiest, and its like.

    Attributes:
        name: Of the section.
        stages: How many.
        throughput: Both phases through the busiest mixer, internal recycle included, [m³/s].
        volume: Liquid in mixer and settler, [m³].
        mixer_volume: [m³].
        mixer_residence: [s].
        settler_residence: Of the phase that has least time, [s].
        settler_area: [m²]; None without a depth.
        settler_flux: Both phases per area, [m/s]; None without a depth.
    """

    name: str
    stages: int
    throughput: float
    volume: float
    mixer_volume: float
    mixer_residence: float
    settler_residence: float
    settler_area: float | None
    settler_flux: float | None


def section_sizes(circuit: Circuit, prices: Prices) -> tuple[SectionSize, ...]:
    """Return the sizes of each section's mixers and settlers against their flows."""
    flows = settled_flows(streams_of(circuit))
    leaving = np.asarray(flows.leaving)[: circuit.stages]
    organics = np.asarray(flows.organic)[: circuit.stages]
    depth = prices.values("settler_depth_m")
    found = []
    start = 0
    for section in circuit.sections:
        aqueous = float(leaving[start : start + section.stages].max()) + section.recycle
        organic = float(organics[start : start + section.stages].max())
        start += section.stages
        settler = section.settler_organic + section.settler_aqueous
        throughput = organic + aqueous
        area = settler / depth[0] if depth else None
        found.append(
            SectionSize(
                name=section.name,
                stages=section.stages,
                throughput=throughput,
                volume=section.mixer + settler,
                mixer_volume=section.mixer,
                mixer_residence=section.mixer / throughput,
                settler_residence=min(
                    section.settler_organic / organic,
                    section.settler_aqueous / aqueous,
                ),
                settler_area=area,
                settler_flux=throughput / area if area else None,
            )
        )
    return tuple(found)


def size_warnings(sizes: tuple[SectionSize, ...], prices: Prices) -> tuple[str, ...]:
    """Return a sentence for each section whose mixers or settlers are too small."""
    found = []
    least = prices.values("mixer_residence_least_s")
    most = prices.values("settler_flow_limit_m3_per_m2_h")
    for size in sizes:
        if least and size.mixer_residence < least[0]:
            found.append(
                f"{size.name}: {size.mixer_residence:.0f} s in a mixer, less than the "
                f"{least[0]:.0f} s asked for: {least[0] * size.throughput:.3g} m³ would do."
            )
        if most and size.settler_flux is not None and size.settler_flux > most[0]:
            found.append(
                f"{size.name}: {size.settler_flux * HOUR:.3g} m³/(m² h) through a settler, more "
                f"than the {most[0] * HOUR:.3g} allowed: "
                f"{size.throughput / most[0]:.3g} m² would do."
            )
    return tuple(found)


def mixed_volume(circuit: Circuit) -> float:
    """Return the volume of all mixers, [m³]."""
    return sum(section.mixer * section.stages for section in circuit.sections)


def pump_power(operation: Operation, prices: Prices) -> float | None:
    """Return the power of the pumps of feed, acid and organic, [W], None if it cannot be told."""
    found = prices.values(
        "pump_head_m",
        "pump_efficiency",
        "aqueous_density_kg_per_m3",
        "organic_density_kg_per_m3",
    )
    if found is None:
        return None
    head, efficiency, aqueous, organic = found
    mass = aqueous * (operation.feed_flow + operation.acid_flow) + organic * operation.organic_flow
    return GRAVITY * head * mass / efficiency


CAPITAL_KEYS = (
    "reference_stage_cost",
    "reference_stage_volume_m3",
    "cost_exponent",
    "installation_factor",
)
"""Coefficients of `capital`."""


def capital(sizes: tuple[SectionSize, ...], prices: Prices) -> float | None:
    """Return installed mixer-settlers, [currency], by the rule of cost in a power of volume.

    Each stage costs c (V / V₀)ⁿ; None if a coefficient is missing.
    """
    found = prices.values(*CAPITAL_KEYS)
    if found is None:
        return None
    cost, volume, exponent, factor = found
    stages = sum(size.stages * (size.volume / volume) ** exponent for size in sizes)
    return float(factor * cost * stages)
