"""What the operating program finds wrong with analyzer, laboratory and guard, by alarm tag."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from raffinate.control.fuzzy_supervisor import SupervisorState
from raffinate.control.guard import Refusal
from raffinate.instruments.reading import Quality, Reading
from raffinate.plant.model import Plant, Product
from raffinate.runtime.alarms import Finding
from raffinate.units import HOUR

WARM_UP = 2.0 * HOUR
"""Plant time before which a missing reading is no alarm, [s]: the analyzer has not been round."""

ANALYZER_SILENCE = 1200.0
"""Time without any reading above which the whole analyzer counts as lost, [s]: seven samples."""

LAB_SILENCE = 16.0 * HOUR
"""Age of the latest sound assay above which the laboratory counts as silent, [s]."""


def impurity_of(assay: Reading, products: Mapping[str, Product]) -> float:
    """Return the mass fraction of REO that is not the product, as an assay says, [-].

    NaN where the sample holds next to no rare earths.
    """
    return assay.impurity(products[assay.place].elements)[0]


def analyzer_findings(
    state: SupervisorState, places: Iterable[str], time: float
) -> dict[str, Finding]:
    """Return what is wrong with the online analyzer.

    Args:
        state: What the controller made of its readings.
        places: Those it reads.
        time: Plant time, [s].
    """
    found: dict[str, Finding] = {}
    newest = max((r.result_time for r in state.previous.values()), default=0.0)
    if time > WARM_UP and time - newest > ANALYZER_SILENCE:
        minutes = ANALYZER_SILENCE / 60.0
        found["xrf"] = (f"No analyzer reading of any place for {minutes:.0f} min", "low")
    for place in places:
        verdict = state.quality.get(place)
        if verdict in ("bad", "stale", "missing"):
            found[f"xrf.{place}"] = (f"Analyzer reading of {place} is {verdict}", "medium")
        elif verdict is None and time > WARM_UP:
            found[f"xrf.{place}"] = (f"No analyzer reading of {place} has come", "medium")
    return found


def laboratory_findings(
    products: Mapping[str, Product],
    assays: Mapping[str, Reading],
    quality: Mapping[str, Quality],
    time: float,
) -> dict[str, Finding]:
    """Return what is wrong with the laboratory, and what it finds wrong.

    Args:
        products: By name.
        assays: Latest sound assay by product.
        quality: Judgement of the latest assay, sound or not, by product.
        time: Plant time, [s].
    """
    found: dict[str, Finding] = {}
    for name, product in products.items():
        assay = assays.get(name)
        sampled = 0.0 if assay is None else assay.sample_time
        if quality.get(name) in ("bad", "stale"):
            found[f"lab.{name}"] = (f"Assay of {name} is not believed", "medium")
        elif time - sampled > LAB_SILENCE:
            hours = LAB_SILENCE / HOUR
            found[f"lab.{name}"] = (f"No assay of {name} from the last {hours:.0f} h", "medium")
        if assay is not None and 1.0 - impurity_of(assay, products) < product.purity_limit:
            found[f"{name}.purity"] = (f"Assay of {name} is below its limit", "high")
    return found


def guard_findings(plant: Plant, refusals: Iterable[Refusal]) -> dict[str, Finding]:
    """Return what the guard did not do as asked."""
    found: dict[str, Finding] = {}
    for refusal in refusals:
        if refusal.kind != "out_of_range":
            found[f"guard.{refusal.kind}"] = (f"Guard: {refusal.message}", "high")
            continue
        title = plant.levers[refusal.lever].title
        text = f"Guard: {title} held at its limit, {refusal.granted * HOUR:.4g} m³/h"
        found[f"guard.{refusal.lever}"] = (text, "low")
    return found
