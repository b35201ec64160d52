"""`raffinate export`: files by which other programs meet the plant."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from raffinate.cli.common import check_ending, failing_politely, progress, text_writer, write_output
from raffinate.errors import SpecificationError

PlantOption = Annotated[
    str, typer.Option("--plant", help="A shipped plant, or the path of a plant file.")
]


def register(app: typer.Typer) -> None:
    """Add the commands `export fmu`, `export nodemap` and `export systemd` to `app`."""
    exports = typer.Typer(
        help="Write files by which other programs meet the plant.", no_args_is_help=True
    )
    exports.command(name="fmu")(export_fmu)
    exports.command(name="nodemap")(export_nodemap)
    exports.command(name="systemd")(export_systemd)
    app.add_typer(exports, name="export")


def export_fmu(
    plant: PlantOption = "ceprnd_p507",
    fmi: Annotated[int, typer.Option("--fmi", help="Version of the interface: 2 or 3.")] = 2,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="File to write, with the ending .fmu.")
    ] = Path("twin.fmu"),
) -> None:
    """Write the virtual plant as an FMU for co-simulation; it runs where raffinate is installed."""
    with failing_politely():
        check_ending(output, (".fmu",))
        if fmi != 2 and fmi != 3:
            raise SpecificationError(
                f"version {fmi} of FMI is not written.", where="--fmi", allowed="2 or 3"
            )
        with progress("Solving for the nominal flows"):
            from raffinate.runtime.fmu_export import export_fmu as write

            made = write(plant, output, version=2 if fmi == 2 else 3)
        typer.echo(f"wrote {made}", err=True)


def export_nodemap(
    plant: PlantOption = "ceprnd_p507",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write: .yaml or .yml.")
    ] = None,
) -> None:
    """Write the nodemap of raffinate's own server of a plant, to begin a plant's nodemap from."""
    with failing_politely():
        check_ending(output, (".yaml", ".yml"))
        from raffinate.plant.plant_file import load_plant
        from raffinate.runtime.nodemap_twin import twin_nodemap_text

        text = twin_nodemap_text(load_plant(plant))
        if output is None:
            typer.echo(text, nl=False)
            return
        writer = text_writer(lambda: text)
        write_output(output, {".yaml": writer, ".yml": writer})


def export_systemd(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write into.")],
) -> None:
    """Write a hardened systemd service that runs a plant, and an example of its settings."""
    with failing_politely():
        from importlib.resources import files

        program = str(Path(sys.executable).with_name("raffinate"))
        try:
            output.mkdir(parents=True, exist_ok=True)
            for entry in sorted((files("raffinate.data") / "systemd").iterdir(), key=str):
                text = entry.read_text(encoding="utf-8").replace("@raffinate@", program)
                (output / entry.name).write_text(text, encoding="utf-8")
                typer.echo(f"wrote {output / entry.name}", err=True)
        except OSError as error:
            raise SpecificationError(
                f"cannot be written ({error.strerror}).",
                where=f"--output {output}",
                mend="Choose another folder.",
            ) from error
