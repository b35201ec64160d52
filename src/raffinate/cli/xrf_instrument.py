"""`raffinate xrf instrument`: what an analyzer's file says, and a copy to write one's own."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raffinate.cli.common import (
    console,
    failing_politely,
    table,
    text_writer,
    to_json,
    write_output,
)
from raffinate.cli.options import Json
from raffinate.cli.systems import print_sources, source_as_dict

if TYPE_CHECKING:
    from raffinate.instruments.xrf_instrument import XrfInstrument

_KILO, _MICRO, _MILLI, _NANO = 1e3, 1e-6, 1e-3, 1e-9


def show_instrument(
    instrument: Annotated[
        str, typer.Argument(help="A shipped analyzer, or its YAML file.")
    ] = "online_rh_40kv",
    copy: Annotated[
        Path | None, typer.Option("--copy", help="Write its file here, to be changed: .yaml.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what the file of an analyzer says, or copy a shipped one to begin with."""
    with failing_politely(as_json=as_json):
        from raffinate.data_files import read_named
        from raffinate.instruments.xrf_instrument_file import parse_instrument, shipped_instruments

        content, where = read_named(
            instrument, "instrument", shipped_instruments(), prefix="instrument_"
        )
        found = parse_instrument(content, where=where)
        facts = _facts(found)
        if as_json:
            sources = [{"part": part, **source_as_dict(one)} for part, one in found.sources]
            told = {"instrument": found.name, "title": found.title, **facts, "sources": sources}
            typer.echo(to_json(told))
        else:
            _print_instrument(found, facts)
        write_output(copy, {".yaml": text_writer(lambda: content.decode("utf-8"))})


def _facts(found: XrfInstrument) -> dict[str, Any]:
    """Return the numbers by name and unit; NaN where there is no bound."""
    tube, geometry, detector = found.tube, found.geometry, found.detector
    return {
        "anode": tube.anode,
        "voltage_kV": tube.voltage / _KILO,
        "current_uA": tube.current / _MICRO,
        "tube_take_off_deg": math.degrees(tube.take_off),
        "incidence_deg": math.degrees(geometry.incidence),
        "take_off_deg": math.degrees(geometry.take_off),
        "scattering_angle_deg": math.degrees(geometry.scattering_angle),
        "depth_mm": geometry.depth / _MILLI if math.isfinite(geometry.depth) else math.nan,
        "crystal": detector.crystal,
        "crystal_um": detector.thickness / _MICRO,
        "resolution_eV": detector.resolution,
        "dead_time_us": detector.dead_time / _MICRO,
        "pulse_pair_resolution_ns": detector.pulse_pair_resolution / _NANO,
        "channels": found.channels,
        "zero_eV": found.zero,
        "gain_eV": found.gain,
        "lowest_energy_keV": found.lowest_energy / _KILO,
    }


def _print_instrument(found: XrfInstrument, facts: dict[str, Any]) -> None:
    terminal = console()
    terminal.print(f"[bold]{found.name}[/bold]  {found.title}\n")
    made = table("", "", "", left=2)
    made.title, made.show_header = None, False
    for name, value in facts.items():
        shown = f"{value:.6g}" if isinstance(value, (int, float)) else value
        made.add_row(name, "unbounded" if shown == "nan" else shown)
    terminal.print(made)
    print_sources(terminal, [source for _, source in found.sources])
