"""`raffinate xrf quantify`: from a spectrum file to concentrations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raffinate.cli.common import (
    check_ending,
    console,
    failing_politely,
    print_warnings,
    table,
    text_writer,
    to_json,
    write_output,
)
from raffinate.cli.xrf_columns import CountsColumn, EnergyColumn, EnergyUnit, table_columns
from raffinate.cli.xrf_mixture import LIGHT, element_list

if TYPE_CHECKING:
    from raffinate.instruments.quantify_result import Quantification

ENDINGS = (".png", ".svg", ".pdf", ".json")
INSTRUMENT = "online_rh_40kv"


def quantify_file(
    file: Annotated[Path, typer.Argument(help="A spectrum: .msa, .spx, .mca, .spe, CSV.")],
    instrument: Annotated[
        str, typer.Option(help="A shipped analyzer, or its YAML file.")
    ] = INSTRUMENT,
    elements: Annotated[str, typer.Option(help="What may be in the stream.")] = LIGHT,
    matrix: Annotated[
        str, typer.Option(help="chloride, nitrate, sulfate; P507, D2EHPA or TBP in kerosene; soil.")
    ] = "chloride",
    calibration: Annotated[
        Path | None, typer.Option(help="Of this analyzer, from `raffinate xrf calibrate`.")
    ] = None,
    which: Annotated[
        int | None, typer.Option(help="Of several detectors or spectra in it, from 1.")
    ] = None,
    counts_column: CountsColumn = None,
    energy_column: EnergyColumn = None,
    energy_unit: EnergyUnit = "",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write .png, .svg, .pdf or .json here.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find concentrations in a spectrum by fitting all of it with the analyzer's physics."""
    with failing_politely(as_json=as_json):
        check_ending(output, ENDINGS)
        from raffinate.instruments.calibrate_file import load_calibration
        from raffinate.instruments.quantify import check_instrument
        from raffinate.instruments.quantify_unasked import quantify_with_unasked
        from raffinate.instruments.spectrum_file import load_spectrum
        from raffinate.instruments.xrf_instrument_file import load_instrument

        columns = table_columns(counts_column, energy_column, energy_unit)
        spectrum = load_spectrum(file, which=which, columns=columns)
        analyzer = load_instrument(instrument)
        # Before the physics is built, which takes seconds.
        check_instrument(spectrum, analyzer)
        known = None if calibration is None else load_calibration(calibration)
        result = quantify_with_unasked(spectrum, analyzer, element_list(elements), matrix, known)
        facts = result.to_dict()
        if as_json:
            typer.echo(to_json(facts))
        else:
            _print_result(facts)
        write_output(output, _writers(result, facts))
        print_warnings([f"{flag.name}: {flag.text}" for flag in result.flags])


def _writers(result: Quantification, facts: dict[str, Any]) -> dict[str, Any]:
    def draw(path: Path) -> None:
        from raffinate.plots.xrf_fit import save_fit

        save_fit(result, path)

    return {
        **dict.fromkeys((".png", ".svg", ".pdf"), draw),
        ".json": text_writer(lambda: to_json(facts)),
    }


def _print_result(facts: dict[str, Any]) -> None:
    from rich.markup import escape

    terminal = console()
    terminal.print(f"[bold]{escape(facts['file'])}[/bold]")
    made = table("", "element", "g/L", "± g/L", "limit g/L", "% of REO", "± %")
    made.title = None
    for symbol, row in facts["elements"].items():
        made.add_row(symbol, *_cells(row, facts["trusted"]))
    terminal.print(made)
    if facts["trusted"]:
        terminal.print(
            f"total REO {facts['total_reo_g_per_L']:.3f} ± {facts['total_reo_sigma']:.3f} g/L"
        )
        if facts["calibrated"]:
            terminal.print("± is of counting and of the calibration.")
        else:
            terminal.print("± is of counting alone: no calibration with standards is applied.")
    else:
        terminal.print("No concentrations are given: see the warnings.")
    found = ", ".join(
        f"{name} {entry['value']:.4g} ± {entry['sigma']:.1g}"
        for name, entry in facts["nuisances"].items()
    )
    terminal.print(f"χ²/dof {facts['chi2_per_dof']:.3f}; {found}")


def _cells(row: dict[str, Any], trusted: bool) -> list[str]:
    if not trusted:
        return ["withheld", "", "", "", ""]
    limit = f"{row['limit_g_per_L']:.3f}"
    if row["below_limit"]:
        return ["below limit", f"{row['sigma']:.3f}", limit, "", ""]
    share = row["reo_fraction"]
    shares = ["", ""] if share is None else [
        f"{100.0 * share:.3f}", f"{100.0 * row['reo_fraction_sigma']:.3f}"
    ]  # fmt: skip
    return [f"{row['g_per_L']:.3f}", f"{row['sigma']:.3f}", limit, *shares]
