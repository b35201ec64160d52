"""`raffinate speciate`: which species a liquor consists of, and what is near saturation."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raffinate.cli.columns import Column, print_columns, significant
from raffinate.cli.common import (
    check_ending,
    check_formats,
    console,
    failing_politely,
    print_warnings,
    progress,
    table,
    text_writer,
    to_json,
    write_output,
)
from raffinate.cli.isotherm import Activity
from raffinate.cli.options import PictureOrData, csv_option, json_option
from raffinate.errors import SpecificationError
from raffinate.units import PER_LITRE

if TYPE_CHECKING:
    from raffinate.chemistry.speciation import Speciation
    from raffinate.chemistry.speciation_sweep import SpeciationSweep

ENDINGS = (".png", ".svg", ".pdf", ".csv", ".json")
"""What a diagram is written as."""

PH_RANGE = (0.0, 8.0)
"""pH of a diagram unless another range is asked for."""

SHOWN = 1e-9
"""Species below this, mol/L or mol/kg, are counted and not shown."""


class Database(StrEnum):
    """Databases of complexes and solids."""

    LLNL = "llnl"
    THERMODDEM = "thermoddem"


def register(app: typer.Typer) -> None:
    """Add the command `speciate` to `app`."""
    app.command(name="speciate")(speciate)


def speciate(
    liquor: Annotated[
        list[str],
        typer.Argument(help="Amounts, mol/L: NdCl3=0.3 HCl=0.1, Nd=0.3 chloride=0.9; and pH=1."),
    ],
    against: Annotated[
        str | None, typer.Option(help="Sweep 'pH' or a component, such as sulfate.")
    ] = None,
    low: Annotated[float | None, typer.Option("--from", help="Lowest pH or amount.")] = None,
    high: Annotated[float | None, typer.Option("--to", help="Highest pH or amount.")] = None,
    points: Annotated[int, typer.Option(min=2, help="How many.")] = 81,
    of: Annotated[
        str | None, typer.Option(help="Component whose species a sweep shows; else the first.")
    ] = None,
    activity: Annotated[Activity, typer.Option(help="Activity model.")] = Activity.BDOT,
    database: Annotated[Database, typer.Option(help="Whose constants.")] = Database.LLNL,
    titrant: Annotated[
        str | None, typer.Option(help="What brings the pH about: chloride, sodium, ...")
    ] = None,
    molal: Annotated[bool, typer.Option("--molal", help="Amounts are mol/kg of water.")] = False,
    output: PictureOrData = None,
    as_json: Annotated[bool, json_option("Print JSON, mol/m³ or mol/kg.")] = False,
    as_csv: Annotated[bool, csv_option("Print CSV, mol/m³ or mol/kg.")] = False,
) -> None:
    """Find the species of a liquor at 25 °C, its pH, ionic strength and saturation.

    With --against, or a picture as --output, along pH or along the amount of a component.
    """
    with failing_politely(as_json=as_json):
        check_formats(as_json, as_csv)
        check_ending(output, ENDINGS)
        totals, pH = parse_liquor(liquor, molal=molal)
        settings: dict[str, Any] = {
            "activity": activity.value,
            "database": database.value,
            "titrant": titrant,
            "molal": molal,
        }
        drawn = output is not None and output.suffix.lower() in (".png", ".svg", ".pdf")
        if against is None and not drawn:
            found = _point(totals, pH, settings)
            _print_point(found, as_json=as_json, as_csv=as_csv)
            write_output(output, _point_writers(found))
            print_warnings(found.warnings)
            return
        from raffinate.chemistry.speciation_sweep import PH, sweep_liquor

        chosen = against or PH
        fixed = {} if chosen == PH or pH is None else {"pH": pH}
        with progress("Speciating", points) as advance:
            sweep = sweep_liquor(
                totals if pH is None else _without_proton(totals),
                against=chosen,
                values=_values(totals, chosen, low, high, points, molal=molal),
                of=of,
                advance=advance,
                **settings,
                **fixed,
            )
        _print_sweep(sweep, as_json=as_json, as_csv=as_csv)
        write_output(output, _sweep_writers(sweep))
        print_warnings(sweep.warnings)


def parse_liquor(
    parts: Iterable[str], *, molal: bool = False
) -> tuple[dict[str, float], float | None]:
    """Read `NdCl3=0.3`, `HCl=0.1` and `pH=1`; returns totals in [mol/m³] or [mol/kg], and the pH.

    Raises:
        SpecificationError: A part is no `name=number`, names nothing known, or pH stands twice.
    """
    from raffinate.chemistry.salt_formula import components_of

    totals: dict[str, float] = {}
    pH: float | None = None
    for part in (piece for text in parts for piece in text.replace(",", " ").split()):
        name, _, text = part.partition("=")
        try:
            value = float(text)
        except ValueError as error:
            raise SpecificationError(
                f"{part!r} is no amount.",
                where="speciate",
                mend="Write name=number, such as NdCl3=0.3 or pH=1.",
            ) from error
        if name == "pH":
            if pH is not None:
                raise SpecificationError("pH stands twice.", where="speciate", mend="Drop one.")
            pH = value
            continue
        if not (value >= 0.0 and value < float("inf")):
            raise SpecificationError(
                f"{name} is {value:g}.", where="speciate", allowed="finite, 0 or more"
            )
        scale = 1.0 if molal else PER_LITRE
        for component, count in components_of(name).items():
            totals[component] = totals.get(component, 0.0) + count * value * scale
    if not totals:
        raise SpecificationError(
            "no amounts.", where="speciate", mend="Give what is dissolved, such as NdCl3=0.3."
        )
    return totals, pH


def _without_proton(totals: dict[str, float]) -> dict[str, float]:
    return {name: amount for name, amount in totals.items() if name != "proton"}


def _point(totals: dict[str, float], pH: float | None, settings: dict[str, Any]) -> Speciation:
    from raffinate.chemistry.speciation import speciate as find_species

    if pH is not None:
        return find_species(_without_proton(totals), pH=pH, **settings)
    return find_species(totals, **settings)


def _values(
    totals: dict[str, float],
    against: str,
    low: float | None,
    high: float | None,
    points: int,
    *,
    molal: bool,
) -> list[float]:
    import numpy as np

    if against == "pH":
        first, last = PH_RANGE
        scale = 1.0
    else:
        scale = 1.0 if molal else PER_LITRE
        most = max(2.0 * totals.get(against, 0.0), max(totals.values())) / scale
        first, last = most / points, most
    start, end = (first if low is None else low), (last if high is None else high)
    if not start < end:
        raise SpecificationError(
            f"the range runs from {start:g} to {end:g}.",
            where="--from, --to",
            mend="Give a lowest and a higher highest value.",
        )
    return [float(value) * scale for value in np.linspace(start, end, points)]


def _print_point(found: Speciation, *, as_json: bool, as_csv: bool) -> None:
    if as_json:
        typer.echo(to_json(_point_as_dict(found)))
        return
    frame = found.to_dataframe()
    if as_csv:
        typer.echo(frame.to_csv(), nl=False)
        return
    from rich.markup import escape

    from raffinate.plots.speciation import written

    terminal = console()
    scale, unit = (1.0, "mol/kg") if found.molal else (PER_LITRE, "mol/L")
    made = table("Species", "", f"{unit}", "log₁₀ activity", "holds of", left=1)
    hidden = 0
    for name, row in frame.iterrows():
        amount = float(row["concentration"]) / scale
        if amount < SHOWN:
            hidden += 1
            continue
        holds = ", ".join(
            f"{component} {shares[str(name)]:.1%}"
            for component, shares in found.share.items()
            if shares.get(str(name), 0.0) >= 5e-4
        )
        made.add_row(written(str(name)), significant(amount), f"{row['log10_activity']:.3f}", holds)
    terminal.print(made)
    if hidden:
        terminal.print(f"{hidden} species below {SHOWN:g} {unit} are not shown; --csv prints all.")
    terminal.print(
        f"pH {found.pH:.3f}; ionic strength {found.ionic_strength / scale:.4g} {unit}; "
        f"water activity {found.water_activity:.4f}"
    )
    if found.titrant:
        name, added = found.titrant
        terminal.print(f"That pH takes {added / scale:.4g} {unit} of {name} more.")
    _print_saturation(found)
    for title, names in (("Not looked at", found.left_out), ("No constant", found.missing)):
        if names:
            terminal.print(escape(f"{title}: {', '.join(written(name) for name in names)}"))


def _print_saturation(found: Speciation) -> None:
    from raffinate.plots.speciation import LOWEST_INDEX, written

    near = {name: index for name, index in found.saturation.items() if index > LOWEST_INDEX}
    if not near:
        return
    made = table("Saturation, log₁₀(product/constant)", "solid", "index", "")
    for name, index in sorted(near.items(), key=lambda item: -item[1]):
        made.add_row(written(name), f"{index:+.2f}", "can precipitate" if index > 0.0 else "")
    console().print(made)


def _point_as_dict(found: Speciation) -> dict[str, Any]:
    return {
        "pH": found.pH,
        "ionic_strength": found.ionic_strength,
        "water_activity": found.water_activity,
        "molal": found.molal,
        "species": dict(found.species),
        "log10_activity": dict(found.log_activity),
        "share": {name: dict(share) for name, share in found.share.items()},
        "saturation": dict(found.saturation),
        "titrant": list(found.titrant) if found.titrant else None,
        "missing": list(found.missing),
        "warnings": list(found.warnings),
    }


def _point_writers(found: Speciation) -> dict[str, Any]:
    return {
        ".csv": text_writer(lambda: found.to_dataframe().to_csv()),
        ".json": text_writer(lambda: to_json(_point_as_dict(found))),
    }


def _print_sweep(sweep: SpeciationSweep, *, as_json: bool, as_csv: bool) -> None:
    if as_json:
        typer.echo(to_json(sweep.to_dict()))
        return
    if as_csv:
        typer.echo(sweep.to_dataframe().to_csv(index=False), nl=False)
        return
    import numpy as np

    from raffinate.plots.speciation import LOWEST_INDEX, SMALLEST_SHARE, written

    scale = 1.0 if sweep.against == "pH" or sweep.molal else PER_LITRE
    unit = "" if sweep.against == "pH" else "\nmol/kg" if sweep.molal else "\nmol/L"
    shown = [
        f"{value:.2f}" if sweep.against == "pH" else significant(float(value) / scale)
        for value in sweep.value
    ]
    lead = [Column(f"{sweep.against}{unit}", shown)]
    columns = []
    if sweep.against != "pH":
        columns.append(Column("pH", [f"{value:.2f}" for value in sweep.pH]))
    for name, share in sweep.share.items():
        if float(share.max()) > SMALLEST_SHARE:
            cells = [f"{100.0 * float(value):.1f}" for value in share]
            columns.append(Column(f"{written(name)}\n%", cells))
    for name, index in sweep.saturation.items():
        if float(np.nanmax(index)) > LOWEST_INDEX:
            cells = ["–" if value != value else f"{value:+.2f}" for value in index]
            columns.append(Column(f"{written(name)}\nindex", cells))
    title = f"Species of {sweep.of} against {sweep.against}, and saturation"
    print_columns(console(), title, lead, columns)


def _sweep_writers(sweep: SpeciationSweep) -> dict[str, Any]:
    def draw(path: Path) -> None:
        from raffinate.plots.speciation import save_speciation

        save_speciation(sweep, path)

    return {
        **dict.fromkeys((".png", ".svg", ".pdf"), draw),
        ".csv": text_writer(lambda: sweep.to_dataframe().to_csv(index=False)),
        ".json": text_writer(lambda: to_json(sweep.to_dict())),
    }
