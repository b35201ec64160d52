"""Trajectories of a plant left to its flows, with events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.elements import oxide_molar_masses
from raffinate.errors import SpecificationError
from raffinate.plant.events import Event, apply_events, change_times
from raffinate.plant.model import RAFFINATE, Operation, Plant
from raffinate.plant.motion import PlantMotion, Snapshot
from raffinate.plant.motion_hydraulics import Layers
from raffinate.plant.motion_state import MotionState
from raffinate.plant.steady import SteadyState, solve_nominal
from raffinate.sources import Source

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trajectory:
    """A plant in time.

    Attributes:
        plant_name: Which plant.
        elements: Symbols on the element axis.
        sections: Section of every stage, (stage,).
        time: (time,), [s].
        aqueous: Settled aqueous, (time, stage, element), [mol/m³].
        organic: Settled organic, (time, stage, element), [mol/m³].
        proton: (time, stage), [mol/m³].
        free_extractant: Free dimer, (time, stage), [mol/m³].
        impurity: Impurity mass fraction of REO at each product's outlet, (time,), [-].
        organic_flow: (time,), [m³/s].
        acid_flow: (time,), [m³/s].
        scrub_flow: (time,), [m³/s].
        feed_mass_fraction: Of metal, (time, element), [-].
        saponification_degree: (time,), [-].
        purity_limit: By product, [-].
        balance_error: Worst relative imbalance over the whole trajectory, [-].
        steps: Steps of the integration.
        events: What happened.
        sources: Who says so.
        state: All that fixes how the plant would go on after the last row.
        layers: Phase volumes, (time, stage) each, [m³]; None where they stay.
    """

    plant_name: str
    elements: tuple[str, ...]
    sections: tuple[str, ...]
    time: Array
    aqueous: Array
    organic: Array
    proton: Array
    free_extractant: Array
    impurity: Mapping[str, Array]
    organic_flow: Array
    acid_flow: Array
    scrub_flow: Array
    feed_mass_fraction: Array
    saponification_degree: Array
    purity_limit: Mapping[str, float]
    balance_error: float
    steps: int
    events: tuple[Event, ...]
    sources: tuple[Source, ...]
    state: MotionState
    layers: Layers | None = None

    def hours_to_off_spec(self, product: str) -> float:
        """Return when a product first fell below its limit, [h]; infinite if it never did."""
        off = self.impurity[product] > 1.0 - self.purity_limit[product]
        return float(self.time[int(np.argmax(off))] / 3600.0) if off.any() else float("inf")

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per time: products, flows and disturbances."""
        import pandas as pd

        table: dict[str, Array] = {"time_h": self.time / 3600.0}
        for name, values in self.impurity.items():
            table[f"{name}_impurity"] = values
        for name in ("organic_flow", "acid_flow", "scrub_flow"):
            table[f"{name}_m3_per_h"] = getattr(self, name) * 3600.0
        for index, symbol in enumerate(self.elements):
            table[f"feed_{symbol}_mass_fraction"] = self.feed_mass_fraction[:, index]
        table["saponification_degree"] = self.saponification_degree
        return pd.DataFrame(table)


def impurity_of(aqueous: Array, elements: tuple[str, ...], wanted: tuple[str, ...]) -> float:
    """Return the impurity mass fraction of REO of a liquor, (element,), [mol/m³]."""
    mass = aqueous * np.array(oxide_molar_masses(elements))
    chosen = np.array([symbol in wanted for symbol in elements])
    return float(mass[~chosen].sum() / mass.sum())


def simulate(
    plant: Plant,
    duration: float,
    events: Sequence[Event] = (),
    *,
    start: Literal["steady", "startup"] | MotionState = "steady",
    nominal: SteadyState | None = None,
    interval: float = 600.0,
    tolerance: float = 1e-3,
    progress: Callable[[], None] | None = None,
) -> Trajectory:
    """Move a plant in time at its nominal flows, with events.

    Steps are as long as their error allows, whatever the rows of the result: those are taken
    from within the steps.

    Args:
        plant: Its nominal flows are solved for first.
        duration: [s].
        events: What changes; their times are on the clock that stood at 0 when the plant began.
        start: "steady" begins at the nominal steady state; "startup" with vessels filled with
            feed, fresh organic and acid; the state of an earlier trajectory goes on from its end.
        nominal: The nominal steady state, if it is solved already.
        interval: Time between the rows of the result, [s].
        tolerance: Relative error per step; also absolute in mol/m³. An earlier trajectory's
            state keeps its own.
        progress: Called after each row.

    Raises:
        SpecificationError: A duration or interval that is not positive, or a state of another
            plant.
        ConvergenceError: The plant could not be solved or moved.
        BalanceError: What enters is not what leaves or stays.
    """
    for name, value in (("duration", duration), ("interval", interval)):
        if not (np.isfinite(value) and value > 0.0):
            raise SpecificationError(f"{name} is {value:g} s.", where="simulate", allowed="above 0")
    nominal = nominal or solve_nominal(plant)
    assert nominal.operation is not None
    base = nominal.operation
    plant = plant.operated(base)
    begun = nominal if start == "steady" else None if start == "startup" else start
    motion = PlantMotion(plant, begun, tolerance=tolerance)
    first = motion.time
    last = first + duration
    rows = np.append(np.arange(first, last, interval), last)
    elements = plant.circuit.elements
    saved = [(first, motion.snapshot(), apply_events(base, events, first, elements))]
    stops = [stop for stop in change_times(events, last) if stop > first]
    for stop in (*stops, last):
        operation = apply_events(base, events, motion.time, elements)
        inside = rows[(rows > motion.time) & (rows <= stop)]
        records = motion.advance_with_record(
            operation, float(stop) - motion.time, last=stop == last
        )
        for time, snapshot in zip(inside, motion.snapshots(records, inside), strict=True):
            saved.append((float(time), snapshot, operation))
            if progress is not None:
                progress()
    return _gathered(plant, saved, motion, tuple(events))


def _gathered(
    plant: Plant,
    saved: list[tuple[float, Snapshot, Operation]],
    motion: PlantMotion,
    events: tuple[Event, ...],
) -> Trajectory:
    elements = plant.circuit.elements
    aqueous = np.array([snapshot.aqueous for _, snapshot, _ in saved])
    impurity = {}
    for name, product in plant.products.items():
        stage = 0 if product.outlet == RAFFINATE else plant.stage_index(product)
        impurity[name] = np.array(
            [impurity_of(row, elements, product.elements) for row in aqueous[:, stage]]
        )
    return Trajectory(
        plant_name=plant.name,
        elements=elements,
        sections=plant.circuit.section_names,
        time=np.array([time for time, _, _ in saved]),
        aqueous=aqueous,
        organic=np.array([snapshot.organic for _, snapshot, _ in saved]),
        proton=np.array([snapshot.proton for _, snapshot, _ in saved]),
        free_extractant=np.array([snapshot.free_extractant for _, snapshot, _ in saved]),
        impurity=impurity,
        organic_flow=np.array([operation.organic_flow for _, _, operation in saved]),
        acid_flow=np.array([operation.acid_flow for _, _, operation in saved]),
        scrub_flow=np.array([operation.scrub_flow for _, _, operation in saved]),
        feed_mass_fraction=np.array([operation.feed_mass_fraction for _, _, operation in saved]),
        saponification_degree=np.array(
            [operation.saponification_degree for _, _, operation in saved]
        ),
        purity_limit={name: product.purity_limit for name, product in plant.products.items()},
        balance_error=motion.check(),
        steps=motion.steps,
        events=events,
        sources=(*plant.circuit.system.sources, *plant.sources),
        state=motion.state(),
        layers=_layers([snapshot.layers for _, snapshot, _ in saved]),
    )


def _layers(rows: list[Layers | None]) -> Layers | None:
    kept = [row for row in rows if row is not None]
    return Layers(*(np.array(part) for part in zip(*kept, strict=True))) if kept else None
