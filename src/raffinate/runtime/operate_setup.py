"""Levers and fuzzy supervisor of a plant, from its file and its nominal state."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from raffinate.control.fuzzy_supervisor import FuzzySupervisor, Monitored, Outlet
from raffinate.control.plan import Lever
from raffinate.control.sampling_worth import SamplingWorth
from raffinate.plant.model import RAFFINATE, Plant
from raffinate.plant.steady import SteadyState
from raffinate.runtime.messages import place_of

AIM = 10.0**-3.35
"""Impurity the controller aims at in both products, [-]: 0.35 decades inside a limit of 0.1 %."""


def levers_of(plant: Plant, nominal: Mapping[str, float]) -> tuple[Lever, ...]:
    """Return the levers in SI around the nominal flows; the safe plan is the nominal one."""
    return tuple(
        Lever(
            name=name,
            low=limits.low * nominal[name],
            high=limits.high * nominal[name],
            rate_limit=limits.rate * nominal[name],
            unit="m³/s",
            safe=nominal[name],
        )
        for name, limits in plant.levers.items()
    )


def supervisor_of(plant: Plant, nominal: SteadyState, aim: float = AIM) -> FuzzySupervisor:
    """Return the fuzzy supervisor whose targets are the model's nominal profile."""
    elements = plant.circuit.elements
    raffinate = next(p for p in plant.products.values() if p.outlet == RAFFINATE)
    heavy = tuple(e for e in elements if e not in raffinate.elements)
    light = raffinate.elements
    chosen = np.array([e in heavy for e in elements])
    ratio = np.log10(nominal.aqueous[:, chosen].sum(1) / nominal.aqueous[:, ~chosen].sum(1))
    feed = plant.circuit.last_stage("extraction")
    operation = nominal.operation
    assert operation is not None
    return FuzzySupervisor(
        heavy=heavy,
        light=light,
        stages=tuple(
            Monitored(
                place=place_of(stage + 1),
                side=-1 if stage <= feed else 1,
                target=float(ratio[stage]),
            )
            for stage in plant.analyzer.monitored_stages
        ),
        outlets=tuple(
            Outlet(
                name=name,
                side=-1 if product.outlet == RAFFINATE else 1,
                elements=product.elements,
                aim=math.log10(aim),
            )
            for name, product in plant.products.items()
        ),
        nominal={name: getattr(operation, name) for name in plant.levers},
    )


def worth_of(plant: Plant, supervisor: FuzzySupervisor) -> SamplingWorth | None:
    """Return what judges which stream to look at next; None where the analyzer keeps to a rota."""
    if plant.analyzer.choice != "worth":
        return None
    sides = [stage.side for stage in supervisor.stages]
    return SamplingWorth(
        heavy=supervisor.heavy,
        light=supervisor.light,
        group={stage.place: sides.count(stage.side) for stage in supervisor.stages},
    )
