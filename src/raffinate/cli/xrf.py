"""`raffinate xrf`: spectra of an X-ray fluorescence analyzer."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raffinate.cli.columns import significant
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
from raffinate.cli.options import Detector, Json, SpectrumFile, output_option
from raffinate.cli.xrf_calibrate import calibrate_file
from raffinate.cli.xrf_columns import CountsColumn, EnergyColumn, EnergyUnit, table_columns
from raffinate.cli.xrf_instrument import show_instrument
from raffinate.cli.xrf_quantify import quantify_file
from raffinate.cli.xrf_simulate import show_limits, simulate_file

if TYPE_CHECKING:
    from raffinate.instruments.spectrum import Spectrum

ENDINGS = (".png", ".svg", ".pdf", ".json")
"""What `show` writes."""

xrf = typer.Typer(
    help="Read, quantify and simulate X-ray fluorescence spectra.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add the group `xrf` to `app`."""
    app.add_typer(xrf, name="xrf")


xrf.command("calibrate")(calibrate_file)
xrf.command("quantify")(quantify_file)
xrf.command("simulate")(simulate_file)
xrf.command("limits")(show_limits)
xrf.command("instrument")(show_instrument)


@xrf.command()
def show(
    file: SpectrumFile,
    which: Detector = None,
    counts_column: CountsColumn = None,
    energy_column: EnergyColumn = None,
    energy_unit: EnergyUnit = "",
    output: Annotated[Path | None, output_option("Write .png, .svg, .pdf or .json here.")] = None,
    as_json: Json = False,
) -> None:
    """Show what a spectrum file holds: channels, energies, times, counts, and what is doubtful."""
    with failing_politely(as_json=as_json):
        check_ending(output, ENDINGS)
        from raffinate.instruments.spectrum import describe_spectrum
        from raffinate.instruments.spectrum_file import load_spectrum

        columns = table_columns(counts_column, energy_column, energy_unit)
        spectrum = load_spectrum(file, which=which, columns=columns)
        facts = describe_spectrum(spectrum)
        if as_json:
            typer.echo(to_json(facts))
        else:
            _print_facts(facts)
        write_output(output, _writers(spectrum, facts))
        print_warnings([f"{flag.name}: {flag.text}" for flag in spectrum.flags])


def _writers(spectrum: Spectrum, facts: dict[str, Any]) -> dict[str, Any]:
    def draw(path: Path) -> None:
        from raffinate.plots.spectrum import save_spectrum

        save_spectrum(spectrum, path)

    return {
        **dict.fromkeys((".png", ".svg", ".pdf"), draw),
        ".json": text_writer(lambda: to_json(facts)),
    }


def _print_facts(facts: dict[str, Any]) -> None:
    from rich.markup import escape

    made = table("", "", "", left=2)
    made.title, made.show_header = None, False
    for name, text in _lines(facts):
        if text:
            made.add_row(name, escape(text))
    terminal = console()
    terminal.print(f"[bold]{escape(facts['title'] or facts['file'])}[/bold]")
    terminal.print(made)


def _lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    calibrated = not math.isnan(facts["gain_eV_per_channel"])
    dead = facts["dead_time_fraction"]
    top = f"{facts['highest_channel_counts']:,.0f} counts in channel {facts['highest_channel']}"
    if calibrated:
        top += f", {facts['highest_channel_keV']:.3f} keV"
    return [
        ("file", facts["file"]),
        ("format", facts["format"]),
        ("detector", facts["detector"]),
        ("channels", str(facts["channels"])),
        ("energy of channel 0", _with_unit(facts["zero_eV"], "eV")),
        ("width of a channel", _with_unit(facts["gain_eV_per_channel"], "eV")),
        (
            "range",
            f"{facts['lowest_keV']:.3f} to {facts['highest_keV']:.3f} keV" if calibrated else "",
        ),
        ("live time", _with_unit(facts["live_time_s"], "s")),
        ("real time", _with_unit(facts["real_time_s"], "s")),
        ("dead time", "" if math.isnan(dead) else f"{dead:.2%}"),
        ("counts", f"{facts['total_counts']:,.0f}"),
        ("of them about zero energy", _whole(facts["zero_peak_counts"])),
        ("counts per live second", _whole(facts["counts_per_live_s"])),
        ("highest", top),
        ("anode", facts["anode"]),
        ("voltage", _with_unit(facts["tube_kV"], "kV")),
        ("current", _with_unit(facts["tube_mA"], "mA")),
        ("flags", ", ".join(facts["flags"])),
    ]


def _with_unit(value: float, unit: str) -> str:
    if math.isnan(value):
        return ""
    # Calibrations are told apart by their last digits.
    shown = f"{value:.7g}" if unit in ("eV", "s") else significant(value)
    return f"{shown} {unit}"


def _whole(value: float) -> str:
    return "" if math.isnan(value) else f"{value:,.0f}"
