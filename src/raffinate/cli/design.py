"""`raffinate design`: from feed, cut and purities to stages and flows, proved."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raffinate.cli.common import (
    check_ending,
    console,
    failing_politely,
    print_warnings,
    progress,
    table,
    text_writer,
    to_json,
    write_output,
)

if TYPE_CHECKING:
    from rich.table import Table

    from raffinate.plant.design import PlantDesign
    from raffinate.plant.design_file import DesignSpecification

ENDINGS = (".yaml", ".json", ".csv", ".png", ".svg", ".pdf")
"""What `--output` writes."""

OUTLET_ENDINGS = (".json",)
"""What it writes of a bank with a third outlet."""


def register(app: typer.Typer) -> None:
    """Add the command `design` to `app`."""
    app.command(name="design")(design)


def design(
    specification: Annotated[
        str, typer.Argument(help="A design file, or a shipped design such as design_ceprnd.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Write the plant file (.yaml), the result (.json), the stages (.csv) or the "
            "profile (.png, .svg, .pdf).",
        ),
    ] = None,
) -> None:
    """Turn feed, cut and purities into stages and flows, and prove them with the exact solver."""
    with failing_politely(as_json=as_json):
        check_ending(output, ENDINGS)
        with progress("Reading the design"):
            from raffinate.plant.design_file import load_design

            wanted = load_design(specification)
        if wanted.middle is not None:
            _design_outlets(wanted, as_json=as_json, output=output)
            return
        with progress("Designing") as advance:
            from raffinate.plant.design import design_plant

            found = design_plant(wanted, advance)
        _write(found, output)
        if as_json:
            typer.echo(to_json(to_dict(found)))
        else:
            _print_tables(found)
        print_warnings(found.state.warnings)


def _design_outlets(wanted: DesignSpecification, *, as_json: bool, output: Path | None) -> None:
    """Design a bank with a third outlet; a plant file has two, so there is none to write."""
    check_ending(output, OUTLET_ENDINGS)
    from raffinate.cli.design_outlets import outlets_to_dict, print_outlets

    with progress("Designing") as advance:
        from raffinate.plant.design_outlets import design_three_outlets

        found = design_three_outlets(wanted, advance)
    write_output(output, {".json": text_writer(lambda: to_json(outlets_to_dict(found)))})
    if as_json:
        typer.echo(to_json(outlets_to_dict(found)))
    else:
        print_outlets(found)


def to_dict(found: PlantDesign) -> dict[str, Any]:
    """Return what `--json` prints; amounts in moles per mole of feed."""
    bank = found.bank
    return {
        "name": found.specification.name,
        "separation_factor": found.separation_factor,
        "theory": {
            "minimum_extraction_amount": bank.minimum.extraction_amount,
            "minimum_scrub_amount": bank.minimum.scrub_amount,
            "excess": bank.excess,
            "extraction_amount": bank.flows.extraction_amount,
            "scrub_amount": bank.flows.scrub_amount,
            "extraction_stages": bank.stages[0],
            "scrub_stages": bank.stages[1],
            "short_extraction_stages": bank.short_stages[0],
            "short_scrub_stages": bank.short_stages[1],
        },
        "trials": [
            {
                "stages": dict(zip(("extraction", "scrub", "strip"), trial.stages, strict=True)),
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
            for name, product in found.state.products.items()
        },
        "reagents_per_t_reo": dict(found.state.reagents),
        "balance_error": found.state.balance_error,
        "residual": found.state.residual,
        "warnings": list(found.state.warnings),
    }


def _write(found: PlantDesign, output: Path | None) -> None:
    def picture(path: Path) -> None:
        from raffinate.plots.profile import save_profile

        save_profile(found.state, path, plant=found.plant)

    write_output(
        output,
        {
            ".yaml": text_writer(lambda: found.plant_text),
            ".json": text_writer(lambda: to_json(to_dict(found))),
            ".csv": text_writer(lambda: found.state.to_dataframe().to_csv(index=False)),
            ".png": picture,
            ".svg": picture,
            ".pdf": picture,
        },
    )


def _print_tables(found: PlantDesign) -> None:
    terminal = console()
    terminal.print(f"[bold]{found.specification.name}[/bold]  {found.specification.title}\n")
    terminal.print(_theory_table(found))
    beta = found.separation_factor
    terminal.print(
        "β over the least extracted: "
        + ", ".join(f"{symbol} {beta[symbol]:.2f}" for symbol in sorted(beta, key=beta.__getitem__))
        + ". The short formulas take the feed for two elements with the β of the cut.\n",
        style="dim",
    )
    terminal.print(_trial_table(found))
    terminal.print(_product_table(found))
    terminal.print(_flow_line(found), style="dim")
    terminal.print(
        f"Balance error {found.state.balance_error:.1e}, residual {found.state.residual:.1e}. "
        "Write the plant with --output plant.yaml, then: raffinate solve plant.yaml",
        style="dim",
    )


def _theory_table(found: PlantDesign) -> Table:
    bank = found.bank
    made = table("Theory", "constant separation factors, ideal stages", "extraction", "scrub")
    least, flows = bank.minimum, bank.flows
    made.add_row(
        "least amount, mol per mol of feed",
        f"{least.extraction_amount:.4f}",
        f"{least.scrub_amount:.4f}",
    )
    made.add_row(
        "amount, mol per mol of feed", f"{flows.extraction_amount:.4f}", f"{flows.scrub_amount:.4f}"
    )
    made.add_row("over the least", f"{bank.excess:.2f}", "")
    made.add_row(
        "mixed extraction ratio", f"{flows.extraction_ratio:.4f}", f"{flows.scrub_ratio:.4f}"
    )
    made.add_row("stages, every one solved", *(str(count) for count in bank.stages))
    made.add_row(
        "stages, short formulas",
        *("–" if math.isnan(count) else f"{count:.1f}" for count in bank.short_stages),
    )
    return made


def _trial_table(found: PlantDesign) -> Table:
    made = table(
        f"Proof: {found.specification.system_name}, stage efficiency "
        f"{found.specification.efficiency:g}",
        "extraction",
        "scrub",
        "strip",
        "S, mol/mol",
        "finding",
        left=0,
    )
    made.columns[4].justify = "left"
    for trial in found.trials:
        amount = "–" if trial.extraction_amount is None else f"{trial.extraction_amount:.4f}"
        made.add_row(*(str(count) for count in trial.stages), amount, trial.finding)
    return made


def _product_table(found: PlantDesign) -> Table:
    state = found.state
    made = table("Products", "product", "purity, %", "recovery, %", "REO, kg/h")
    for name, product in state.products.items():
        made.add_row(
            name,
            f"{product.purity:.4%}"[:-1],
            f"{product.recovery:.3%}"[:-1],
            f"{product.reo_flow * 3600.0:.2f}",
        )
    return made


def _flow_line(found: PlantDesign) -> str:
    operation = found.state.operation
    assert operation is not None
    flows = (
        ("feed", operation.feed_flow),
        ("organic", operation.organic_flow),
        ("strip acid", operation.acid_flow),
        ("scrub", operation.scrub_flow),
    )
    reagents = ", ".join(f"{name} {used:.2f}" for name, used in found.state.reagents.items())
    return (
        ", ".join(f"{name} {flow * 3600.0:.3f}" for name, flow in flows)
        + f" m³/h; {reagents} t per t REO.\n"
    )
