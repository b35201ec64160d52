"""The twin as a co-simulation sees it: inputs, outputs, parameters, and steps of ten minutes.

Nothing here knows FMI; the slaves of FMI 2 and 3 wrap it, and it can be run without either.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.elements import oxide_molar_masses
from raffinate.control.plan import Plan
from raffinate.errors import DataError, SpecificationError, nearest_name
from raffinate.plant.events import Event
from raffinate.plant.model import Operation, Plant
from raffinate.plant.plant_file import load_plant
from raffinate.runtime.messages import CONTROL_PERIOD, SCAN
from raffinate.runtime.twin import ActiveUpset, Twin
from raffinate.units import HOUR, PER_LITRE

Array = NDArray[np.float64]

SETTINGS_FILE = "raffinate_twin.json"
"""Resource of an FMU that says which plant it is."""

PLANT_FILE = "raffinate_plant.yaml"
"""Resource of an FMU that holds a plant which is not shipped."""

Causality = Literal["input", "output", "parameter"]

_WORLD = {
    "feed_flow_m3_per_h": ("feed.flow", "feed_flow", HOUR),
    "feed_reo_g_per_L": ("feed.reo_g_per_L", "feed_reo", 1.0),
    "acid_hcl_mol_per_L": ("acid.hcl_mol_per_L", "acid_concentration", 1.0 / PER_LITRE),
    "saponification_degree": ("organic.saponification_degree", "saponification_degree", 1.0),
}
"""Name of an event, field of the operation, and what turns SI into the unit of the name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FmuVariable:
    """One variable of the FMU.

    Attributes:
        name: With its unit as suffix.
        causality: input, output, or parameter fixed before the start.
        kind: "real", "integer" or "boolean".
        description: In words.
        start: Value before the start; outputs have none.
    """

    name: str
    causality: Causality
    description: str
    kind: Literal["real", "integer", "boolean"] = "real"
    start: float = math.nan


class TwinModel:
    """One twin with named inputs and outputs.

    Args:
        plant: At its nominal flows, which are the start values of the inputs.

    Attributes:
        variables: Every variable, in a fixed order.
        twin: The twin; None before `begin`.
    """

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.twin: Twin | None = None
        self._operation = plant.operation()
        self._elements = plant.circuit.elements
        self._sequence = 0
        self._outputs: dict[str, float] = {}
        self.variables = (*_inputs(plant), *_PARAMETERS, *_outputs(plant))
        self._values = {v.name: v.start for v in self.variables if v.causality != "output"}
        self._start = dict(self._values)

    def set(self, name: str, value: float) -> None:
        """Set an input, or before `begin` a parameter.

        Raises:
            SpecificationError: No such input, a parameter after the start, or an impossible value.
        """
        if name not in self._values:
            raise SpecificationError(
                f"{name!r} cannot be set.",
                where="FMU",
                mend=nearest_name(name, tuple(self._values)),
            )
        if not (math.isfinite(value) and value >= 0.0):
            raise SpecificationError(
                f"{name} is {value}.", where="FMU", allowed="finite, 0 or above"
            )
        if self.twin is not None and name in {parameter.name for parameter in _PARAMETERS}:
            raise SpecificationError(
                f"parameter {name} is fixed once the twin runs.",
                where="FMU",
                mend="Set it before initialization ends.",
            )
        self._values[name] = value

    def get(self, name: str) -> float:
        """Return a variable; outputs are NaN before `begin`.

        Raises:
            SpecificationError: There is no such variable.
        """
        if name in self._values:
            return self._values[name]
        if name in self._outputs:
            return self._outputs[name]
        known = tuple(variable.name for variable in self.variables)
        if name in known:
            return math.nan
        raise SpecificationError(
            f"{name!r} is no variable.", where="FMU", mend=nearest_name(name, known)
        )

    def begin(self) -> None:
        """Build the twin from the parameters, at rest."""
        matched = self._values["matched"] != 0.0
        self.twin = Twin(self.plant, int(self._values["seed"]), matched=matched)
        # No meter has been read yet; flow loops at rest stand at their setpoints.
        measured = {name: self._lever(name) for name in self.plant.levers}
        self._outputs = _found(self.twin, self.plant, measured)

    def step(self, duration: float) -> None:
        """Advance by whole control periods with the inputs as they are.

        Args:
            duration: A multiple of ten minutes, [s].

        Raises:
            SpecificationError: It is none, or `begin` was not called.
        """
        if self.twin is None:
            raise SpecificationError("a step comes before initialization.", where="FMU")
        periods = round(duration / CONTROL_PERIOD)
        if periods < 1 or abs(duration - periods * CONTROL_PERIOD) > 1e-6 * CONTROL_PERIOD:
            raise SpecificationError(
                f"the communication step is {duration:g} s.",
                where="FMU",
                allowed=f"{CONTROL_PERIOD:g} s or a multiple of it",
            )
        for _ in range(periods):
            self._advance(self.twin)

    def _advance(self, twin: Twin) -> None:
        self._sequence += 1
        setpoints = {name: self._lever(name) for name in self.plant.levers}
        plan = Plan(
            setpoints=setpoints,
            issued_at=twin.time,
            expires_at=twin.time + CONTROL_PERIOD,
            sequence=self._sequence,
            author="fmu",
            mode="fmu",
        )
        # The inputs say the whole world of this period, so what was said before is forgotten.
        twin.upsets = [
            ActiveUpset(name=event.name, title=event.name, event=event)
            for event in self._events(twin.time)
        ]
        report, _ = twin.advance([plan] * round(CONTROL_PERIOD / SCAN))
        self._outputs = _found(twin, self.plant, report.measured)

    def _lever(self, name: str) -> float:
        given = f"{name}_m3_per_h"
        if self._values[given] == self._start[given]:
            return float(getattr(self._operation, name))
        return self._values[given] / HOUR

    def _events(self, time: float) -> list[Event]:
        """Return what differs from the plant file, for one period."""
        wanted = [
            (event, self._values[name])
            for name, (event, _, _) in _WORLD.items()
            if self._values[name] != self._start[name]
        ]
        names = [f"feed_{symbol.lower()}_mass_fraction" for symbol in self._elements]
        fractions = np.array([self._values[name] for name in names])
        if any(self._values[name] != self._start[name] for name in names):
            wanted += _fraction_events(self._operation, self._elements, fractions)
        return [
            Event(name=name, how="=", value=value, begin=time, end=time + CONTROL_PERIOD)
            for name, value in wanted
        ]


def _found(twin: Twin, plant: Plant, measured: Mapping[str, float]) -> dict[str, float]:
    """Return the outputs by name; `measured` flows in [m³/s]."""
    found: dict[str, float] = {"plant_time_h": twin.time / HOUR}
    snapshot, elements = twin.profile(), plant.circuit.elements
    for name, product in plant.products.items():
        purity = twin.accounts[name].purity
        if math.isnan(purity):
            liquor = snapshot.aqueous[plant.stage_index(product)]
            purity = _purity(liquor, product.elements, elements)
        found[f"{name}_purity"] = purity
        found[f"{name}_log10_impurity"] = math.log10(max(1.0 - purity, 1e-12))
        found[f"{name}_off_spec_t_reo"] = twin.accounts[name].off_spec / 1000.0
    for name in plant.levers:
        found[f"{name}_true_m3_per_h"] = getattr(twin.operation, name) * HOUR
        found[f"{name}_measured_m3_per_h"] = measured[name] * HOUR
    for stage in plant.analyzer.monitored_stages:
        for index, symbol in enumerate(elements):
            for phase, held in (("aqueous", snapshot.aqueous), ("organic", snapshot.organic)):
                name = f"stage_{stage + 1}_{phase}_{symbol.lower()}_mol_per_L"
                found[name] = float(held[stage, index]) / PER_LITRE
    return found


def _purity(liquor: Array, wanted: tuple[str, ...], elements: tuple[str, ...]) -> float:
    oxides = liquor * np.array(oxide_molar_masses(elements))
    chosen = np.array([symbol in wanted for symbol in elements])
    return 1.0 - float(oxides[~chosen].sum() / oxides.sum())


def _inputs(plant: Plant) -> list[FmuVariable]:
    operation = plant.operation()
    starts: list[tuple[str, str, float]] = [
        (
            f"{name}_m3_per_h",
            f"{limits.title}: setpoint of the flow",
            float(getattr(operation, name)) * HOUR,
        )
        for name, limits in plant.levers.items()
    ]
    starts += [
        (name, f"World: {event}", float(getattr(operation, field)) * unit)
        for name, (event, field, unit) in _WORLD.items()
    ]
    starts += [
        (
            f"feed_{symbol.lower()}_mass_fraction",
            f"World: share of {symbol} in the metal fed; the shares are scaled to add up to 1",
            float(share),
        )
        for symbol, share in zip(plant.circuit.elements, operation.feed_mass_fraction, strict=True)
    ]
    return [
        FmuVariable(name=name, causality="input", description=text, start=start)
        for name, text, start in starts
    ]


def _outputs(plant: Plant) -> list[FmuVariable]:
    texts = {"plant_time_h": "Plant time"}
    for name, product in plant.products.items():
        texts[f"{name}_purity"] = f"{product.title}: mass fraction of REO over the last period"
        texts[f"{name}_log10_impurity"] = f"{product.title}: log10 of the impurity"
        texts[f"{name}_off_spec_t_reo"] = f"{product.title}: made below the limit so far"
    for name, limits in plant.levers.items():
        texts[f"{name}_true_m3_per_h"] = f"{limits.title}: true flow"
        texts[f"{name}_measured_m3_per_h"] = f"{limits.title}: as its meter reads"
    for stage in plant.analyzer.monitored_stages:
        for symbol in plant.circuit.elements:
            for phase in ("aqueous", "organic"):
                name = f"stage_{stage + 1}_{phase}_{symbol.lower()}_mol_per_L"
                texts[name] = f"{symbol} in the settled {phase} of stage {stage + 1}"
    return [
        FmuVariable(name=name, causality="output", description=text) for name, text in texts.items()
    ]


_PARAMETERS = (
    FmuVariable(
        name="seed",
        causality="parameter",
        kind="integer",
        description="Fixes the mismatch and all noise",
        start=1,
    ),
    FmuVariable(
        name="matched",
        causality="parameter",
        kind="boolean",
        description="Make the twin equal to its model, with unbiased meters",
        start=0,
    ),
)


def _fraction_events(
    operation: Operation, elements: tuple[str, ...], wanted: Array
) -> list[tuple[str, float]]:
    """Return mass fractions to set one after another, so that all become as wanted.

    Setting one rescales the others, which keeps their ratios. So each element is brought to the
    right ratio to the last in turn, and setting the next leaves that ratio alone.
    """
    total = float(wanted.sum())
    if not total > 0.0:
        raise SpecificationError(
            "the feed fractions add up to nothing.", where="FMU", allowed="a sum above 0"
        )
    target = wanted / total
    reference = int(np.argmax(target))
    now = operation
    events: list[tuple[str, float]] = []
    for index, symbol in enumerate(elements):
        if index == reference:
            continue
        held = now.feed_mass_fraction
        if not held[reference] > 0.0:
            raise SpecificationError(
                f"{elements[reference]} is fed, but the plant file has none of it.", where="FMU"
            )
        ratio = target[index] / target[reference] * held[reference] / (1.0 - held[index])
        share = float(ratio / (1.0 + ratio))
        now = now.with_element(index, share)
        events.append((f"feed.{symbol.lower()}_mass_fraction", share))
    return events


def settings_text(plant: str, operation: Operation) -> str:
    """Return what an FMU must remember: its plant and the nominal flows solved for.

    Args:
        plant: Name of a shipped plant, or `PLANT_FILE`.
        operation: Nominal.
    """
    flows = {name: getattr(operation, name) for name in _FLOWS}
    return json.dumps({"plant": plant, "operation": flows})


_FLOWS = ("organic_flow", "acid_flow", "scrub_flow")


def load_model(resources: str | Path) -> TwinModel:
    """Return the model that the resources of an FMU describe, without solving anything.

    Raises:
        DataError: The resources are not those of a raffinate FMU.
    """
    folder = Path(resources)
    try:
        found: Mapping[str, object] = json.loads((folder / SETTINGS_FILE).read_text("utf-8"))
        name, flows = str(found["plant"]), found["operation"]
        assert isinstance(flows, dict)
        changes = {key: float(flows[key]) for key in _FLOWS}
    except (OSError, ValueError, KeyError, TypeError, AssertionError) as error:
        raise DataError(
            f"no settings of a raffinate twin ({error!r}).", where=str(folder / SETTINGS_FILE)
        ) from error
    plant = load_plant(folder / name if name == PLANT_FILE else name)
    nominal = replace(
        plant.operation(),
        organic_flow=changes["organic_flow"],
        acid_flow=changes["acid_flow"],
        scrub_flow=changes["scrub_flow"],
    )
    return TwinModel(plant.operated(nominal))
