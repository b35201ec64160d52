"""What `raffinate design` tells of a bank with a third outlet."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from raffinate.cli.common import console, table

if TYPE_CHECKING:
    from raffinate.plant.design_outlets import OutletPlantDesign

RUNS = ("extraction", "scrub", "upper_scrub", "strip")


def outlets_to_dict(found: OutletPlantDesign) -> dict[str, Any]:
    """Return what `--json` prints of three outlets; amounts in moles per mole of feed."""
    bank, plan = found.bank, found.bank.cascade.plan
    shorts = (None if math.isnan(count) else count for count in bank.short_stages)
    return {
        "name": found.specification.name,
        "separation_factor": found.separation_factor,
        "theory": {
            "minimum_extraction_amount": bank.minimum.extraction_amount,
            "minimum_for_cut": bank.minimum.cut_amount,
            "minimum_for_middle_purity": bank.minimum.pinch_amount,
            "excess": bank.excess,
            "extraction_amount": plan.extraction_amount,
            "scrub_amount": plan.scrub_amount,
            "middle_amount": plan.draws[0].amount,
            "stages": dict(zip(RUNS[:3], bank.stages, strict=True)),
            "short_stages": dict(zip(RUNS[:3], shorts, strict=True)),
            "middle_draw_stage": plan.draws[0].stage,
        },
        "trials": [
            {
                "stages": dict(zip(RUNS, trial.stages, strict=True)),
                "extraction_amount": trial.extraction_amount,
                "finding": trial.finding,
            }
            for trial in found.trials
        ],
        "extraction_amount": found.extraction_amount,
        "products": {
            name: {
                "purity": product.purity,
                "recovery": product.recovery,
                "reo_kg_per_h": product.reo_flow * 3600.0,
            }
            for name, product in found.products.items()
        },
        "flows_m3_per_h": {name: flow * 3600.0 for name, flow in found.flows.items()},
        "balance_error": found.balance_error,
        "residual": found.residual,
    }


def print_outlets(found: OutletPlantDesign) -> None:
    """Print theory, proof and products of three outlets."""
    terminal, bank = console(), found.bank
    plan, least = bank.cascade.plan, bank.minimum
    terminal.print(f"[bold]{found.specification.name}[/bold]  {found.specification.title}\n")
    made = table("Theory", "constant separation factors, ideal stages", *RUNS[:3])
    made.add_row("stages, every one solved", *(str(count) for count in bank.stages))
    made.add_row(
        "stages, short formulas",
        *("–" if math.isnan(count) else f"{count:.1f}" for count in bank.short_stages),
    )
    terminal.print(made)
    terminal.print(
        f"Least S {least.extraction_amount:.4f} mol per mol of feed: {least.cut_amount:.4f} for "
        f"the cut, {least.pinch_amount:.4f} for the middle product's purity. Taken: S "
        f"{plan.extraction_amount:.4f}, W {plan.scrub_amount:.4f}, middle draw "
        f"{plan.draws[0].amount:.4f} from the liquor of stage {plan.draws[0].stage}.\n",
        style="dim",
    )
    proof = table("Proof: full chemistry", *RUNS, "S, mol/mol", "finding", left=0)
    for trial in found.trials:
        amount = "–" if trial.extraction_amount is None else f"{trial.extraction_amount:.4f}"
        proof.add_row(*(str(count) for count in trial.stages), amount, trial.finding)
    terminal.print(proof)
    products = table("Products", "product", "purity, %", "recovery, %", "REO, kg/h")
    for name, product in found.products.items():
        products.add_row(
            name,
            f"{100.0 * product.purity:.4f}",
            f"{100.0 * product.recovery:.3f}",
            f"{product.reo_flow * 3600.0:.2f}",
        )
    terminal.print(products)
    flows = ", ".join(f"{name} {flow * 3600.0:.3f}" for name, flow in found.flows.items())
    terminal.print(
        f"{flows} m³/h. Balance error {found.balance_error:.1e}, residual {found.residual:.1e}.",
        style="dim",
    )
