"""What is kept of a case: named numbers, units in their names."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from raffinate.plant.economics import plant_economics
from raffinate.plant.model import Plant
from raffinate.plant.outcome import ProductState, is_below_limit
from raffinate.plant.simulate import Trajectory
from raffinate.plant.steady import SteadyState
from raffinate.studies.model import Study
from raffinate.units import HOUR

WITHIN = "within_limit."
"""Before a product: 1 if it meets its limit, 0 if not."""

ALL_WITHIN = "within_limit"
"""1 if every product meets its limit, 0 if not."""


def steady_outcomes(study: Study, plant: Plant, state: SteadyState) -> dict[str, float]:
    """Return what is kept of a steady case.

    `purity.P` [-], `log10_impurity.P`, `within_limit.P`, `recovery.P` [-], `reo_kg_per_h.P`,
    flows in m³/h, `reagent_t_per_t_reo.R`, and with prices costs per hour and per kg of REO in the
    currency of the prices; NaN where the prices leave a gap.
    """
    wanted = study.outcomes
    limits = {name: product.purity_limit for name, product in plant.products.items()}
    found = product_outcomes(study, state.products, limits)
    if "flows" in wanted and state.operation is not None:
        for flow in ("feed_flow", "organic_flow", "acid_flow", "scrub_flow"):
            found[f"{flow}_m3_per_h"] = getattr(state.operation, flow) * HOUR
    if "reagents" in wanted:
        for reagent, amount in state.reagents.items():
            found[f"reagent_t_per_t_reo.{reagent}"] = amount
    if "cost" in wanted:
        found |= _cost(study, plant, state)
    found["balance_error"] = state.balance_error
    return found


def product_outcomes(
    study: Study, products: Mapping[str, ProductState], limits: Mapping[str, float]
) -> dict[str, float]:
    """Return what is kept of the products, as of `steady_outcomes`.

    Args:
        study: What is asked for.
        products: By name.
        limits: Least purity by product, [-].
    """
    found: dict[str, float] = {}
    for name, product in products.items():
        if "purity" in study.outcomes:
            found[f"purity.{name}"] = product.purity
            found[f"log10_impurity.{name}"] = _log10(1.0 - product.purity)
            found[f"{WITHIN}{name}"] = float(not is_below_limit(product.purity, limits[name]))
        if "recovery" in study.outcomes:
            found[f"recovery.{name}"] = product.recovery
        if "production" in study.outcomes:
            found[f"reo_kg_per_h.{name}"] = product.reo_flow * HOUR
    if "purity" in study.outcomes:
        found[ALL_WITHIN] = min(found[f"{WITHIN}{name}"] for name in products)
    return found


def _cost(study: Study, plant: Plant, state: SteadyState) -> dict[str, float]:
    assert study.prices is not None
    account = plant_economics(plant, state, study.prices, allocation="mass")
    return {
        "cost_per_kg_reo": _or_nan(account.cost) / account.reo_flow,
        "cost_is_complete": float(account.complete),
        "revenue_per_h": _or_nan(account.revenue) * HOUR,
        "margin_per_h": _or_nan(account.margin) * HOUR,
    }


def moving_outcomes(trajectory: Trajectory) -> dict[str, float]:
    """Return what is kept of a simulated case.

    By product: `purity.P` at the end, `log10_impurity.P` at the end and `log10_impurity_worst.P`
    over the whole, `hours_to_off_spec.P` (infinite if it never was), `within_limit.P` over the
    whole.
    """
    found: dict[str, float] = {}
    for name, impurity in trajectory.impurity.items():
        worst = float(np.max(impurity))
        found[f"purity.{name}"] = 1.0 - float(impurity[-1])
        found[f"log10_impurity.{name}"] = _log10(float(impurity[-1]))
        found[f"log10_impurity_worst.{name}"] = _log10(worst)
        found[f"hours_to_off_spec.{name}"] = trajectory.hours_to_off_spec(name)
        found[f"{WITHIN}{name}"] = float(1.0 - worst >= trajectory.purity_limit[name])
    found[ALL_WITHIN] = min(found[f"{WITHIN}{name}"] for name in trajectory.impurity)
    found["balance_error"] = trajectory.balance_error
    return found


def _log10(value: float) -> float:
    return math.log10(value) if value > 0.0 else -math.inf


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
