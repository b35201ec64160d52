"""`raffinate isotherm`: a row of shake-outs on paper, and the stages stepped off on it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from raffinate.cli.columns import Column, print_columns, significant
from raffinate.cli.common import (
    Writer,
    check_ending,
    check_formats,
    console,
    failing_politely,
    print_warnings,
    progress,
    text_writer,
    to_json,
    write_output,
)
from raffinate.cli.equilibrate import parse_amounts
from raffinate.cli.options import PictureOrData, SystemName, csv_option, json_option
from raffinate.errors import SpecificationError
from raffinate.units import PER_LITRE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raffinate.cascade.mccabe_thiele import Construction, Curve
    from raffinate.chemistry.isotherm import Isotherm

ENDINGS = (".png", ".svg", ".pdf", ".csv", ".json")
"""What an isotherm is written as."""

STEPPED_POINTS = 161
"""Points of a curve on which stages are stepped off."""

STEPPED_OA = (0.001, 100.0)
"""O/A of the contacts of such a curve: from nearly the feed to hardly any metal left, [-]."""


class Vary(StrEnum):
    """What an isotherm varies."""

    OA = "oa"
    METAL = "metal"
    ACID = "acid"
    SAPONIFICATION = "saponification"
    EXTRACTANT = "extractant"
    PH = "pH"
    LOADING = "loading"


class Activity(StrEnum):
    """Models of the activity of the liquor."""

    IDEAL = "ideal"
    DAVIES = "davies"
    BDOT = "bdot"
    PITZER = "pitzer"


_IN_MOL_PER_L = (Vary.METAL, Vary.ACID, Vary.EXTRACTANT)


def register(app: typer.Typer) -> None:
    """Add the command `isotherm` to `app`."""
    app.command(name="isotherm")(isotherm)


def isotherm(
    system: SystemName,
    feed: Annotated[
        str,
        typer.Option(
            "--feed", "-a", help="Liquor, mol/L: elements and free acid; Nd=0.3,Pr=0.1,proton=0.01."
        ),
    ],
    extractant: Annotated[
        float, typer.Option("--extractant", "-e", help="Extractant, mol/L of HA.")
    ],
    saponification: Annotated[
        float, typer.Option("--saponification", "-s", help="Share of HA neutralised, 0.36 say.")
    ] = 0.0,
    cation: Annotated[
        str | None, typer.Option(help="What it is neutralised with: ammonium, sodium, ...")
    ] = None,
    barren: Annotated[
        str, typer.Option(help="What the organic still carries, mol/L: Nd=0.001.")
    ] = "",
    oa_ratio: Annotated[
        float, typer.Option("--oa-ratio", "-r", help="O/A of the contact, or of the flows.")
    ] = 1.0,
    vary: Annotated[
        Vary, typer.Option(help="What to vary; pH and loading are those at equilibrium.")
    ] = Vary.OA,
    low: Annotated[
        float | None, typer.Option("--from", help="Lowest value; mol/L if a concentration.")
    ] = None,
    high: Annotated[float | None, typer.Option("--to", help="Highest value.")] = None,
    points: Annotated[int | None, typer.Option(min=2, help="How many; 81, or 161 to step.")] = None,
    element: Annotated[
        str | None, typer.Option(help="Show this element alone, or step it; 'total' is all.")
    ] = None,
    activity: Annotated[
        Activity | None, typer.Option(help="Activity model; left out, that of the system.")
    ] = None,
    mccabe_thiele: Annotated[
        bool, typer.Option("--mccabe-thiele", help="Step off the stages of an extraction section.")
    ] = False,
    raffinate_target: Annotated[
        float | None, typer.Option(help="What may be left in the raffinate, mol/L.")
    ] = None,
    efficiency: Annotated[
        float, typer.Option(help="Murphree efficiency of a stage, organic phase.")
    ] = 1.0,
    output: PictureOrData = None,
    as_json: Annotated[bool, json_option("Print JSON, mol/m³.")] = False,
    as_csv: Annotated[bool, csv_option("Print CSV, mol/m³.")] = False,
) -> None:
    """Shake a liquor with an organic again and again: isotherms, β against loading, D against pH.

    With --mccabe-thiele the stages that leave --raffinate-target are stepped off and drawn.
    """
    with failing_politely(as_json=as_json):
        check_formats(as_json, as_csv)
        check_ending(output, ENDINGS)
        _check_stepping(vary, mccabe_thiele, raffinate_target)
        from raffinate.chemistry.isotherm import compute_isotherm
        from raffinate.chemistry.system_file import load_system

        liquor = parse_amounts(feed, "--feed")
        solvent = {
            **(parse_amounts(barren, "--barren") if barren else {}),
            "extractant": extractant * PER_LITRE,
        }
        if vary is not Vary.SAPONIFICATION and saponification:
            solvent["saponification_degree"] = saponification
        wanted = points or (STEPPED_POINTS if mccabe_thiele else 81)
        with progress("Shaking") as advance:
            found = compute_isotherm(
                load_system(system),
                liquor,
                solvent,
                vary=vary.value,
                values=_values(vary, low, high, wanted, stepped=mccabe_thiele),
                points=wanted,
                oa_ratio=oa_ratio,
                activity=activity.value if activity else None,
                cation=cation,
                advance=advance,
            )
        name = element or "total"
        found.phases(name)
        stepped = (
            _step(found, name, liquor, solvent, raffinate_target or 0.0, oa_ratio, efficiency)
            if mccabe_thiele
            else None
        )
        shown = found if element in (None, "total") or mccabe_thiele else found.only(name)
        _print(shown, stepped, name, as_json=as_json, as_csv=as_csv)
        write_output(output, _writers(shown, stepped, name))
        print_warnings(_warnings(found, stepped, saponification))


def _check_stepping(vary: Vary, wanted: bool, target: float | None) -> None:
    if wanted and target is None:
        raise SpecificationError(
            "--mccabe-thiele needs to know where to stop.",
            where="--raffinate-target",
            mend="Give what may be left in the raffinate, mol/L, such as 0.001.",
        )
    if target is not None and not wanted:
        raise SpecificationError(
            "a target is only read to step off stages.",
            where="--raffinate-target",
            mend="Add --mccabe-thiele.",
        )
    if wanted and vary not in (Vary.OA, Vary.METAL):
        raise SpecificationError(
            f"stages cannot be stepped off while {vary.value} is varied.",
            where="--vary",
            allowed="oa, metal",
            mend="Leave --vary out: the feed is then shaken at many O/A.",
        )


def _values(
    vary: Vary, low: float | None, high: float | None, points: int, *, stepped: bool
) -> list[float] | None:
    import numpy as np

    if low is None and high is None and stepped and vary is Vary.OA:
        low, high = STEPPED_OA
    if low is None and high is None:
        return None
    if low is None or high is None or not low < high:
        raise SpecificationError(
            "a range needs a lowest and a higher highest value.",
            where="--from, --to",
            mend="Give both, or neither.",
        )
    scale = PER_LITRE if vary in _IN_MOL_PER_L else 1.0
    even = vary in (Vary.PH, Vary.LOADING, Vary.SAPONIFICATION) or low <= 0.0
    spaced = np.linspace(low, high, points) if even else np.geomspace(low, high, points)
    return [float(value) for value in spaced * scale]


def _step(
    found: Isotherm,
    name: str,
    liquor: Mapping[str, float],
    solvent: Mapping[str, float],
    target: float,
    oa_ratio: float,
    efficiency: float,
) -> tuple[Construction, Curve]:
    from raffinate.cascade.mccabe_thiele import curve_through, step_stages

    stepped = found.elements if name == "total" else (name,)
    curve = curve_through(*found.phases(name))
    made = step_stages(
        curve,
        feed=sum(liquor.get(symbol, 0.0) for symbol in stepped),
        raffinate=target * PER_LITRE,
        oa_ratio=oa_ratio,
        barren=sum(solvent.get(symbol, 0.0) for symbol in stepped),
        efficiency=efficiency,
    )
    return made, curve


def _warnings(
    found: Isotherm, stepped: tuple[Construction, Curve] | None, saponification: float
) -> list[str]:
    said = list(found.warnings)
    if stepped and (saponification or len(found.elements) > 1):
        reason = (
            "the base of the organic is spent in the first stages"
            if saponification
            else "elements displace one another along the bank"
        )
        said.append(
            f"Stages are stepped on an isotherm of single contacts; in a bank {reason}, so that "
            f"the count is an estimate. `raffinate solve` computes the bank itself."
        )
    return said


def _print(
    found: Isotherm,
    stepped: tuple[Construction, Curve] | None,
    name: str,
    *,
    as_json: bool,
    as_csv: bool,
) -> None:
    if as_json:
        typer.echo(to_json(_as_dict(found, stepped, name)))
    elif as_csv:
        typer.echo(found.to_dataframe().to_csv(index=False), nl=False)
    else:
        _print_isotherm(found)
        if stepped:
            _print_stages(stepped[0], name)


def _as_dict(
    found: Isotherm, stepped: tuple[Construction, Curve] | None, name: str
) -> dict[str, object]:
    told: dict[str, object] = found.to_dict()
    if stepped:
        told["mccabe_thiele"] = {"element": name, **stepped[0].to_dict()}
    return told


def _print_isotherm(found: Isotherm) -> None:
    from raffinate.plots.isotherm import AXIS, shown_values

    titles = {**{key.value: AXIS[key.value] for key in Vary}, "oa": "O/A", "pH": "pH"}
    headings = {
        "oa": "O/A", "metal": "metal\nmol/L", "acid": "acid\nmol/L", "saponification": "sapon.\n%",
        "extractant": "HA\nmol/L", "pH": "pH", "loading": "loading\n%",
    }  # fmt: skip
    percent = found.variable in ("saponification", "loading")
    cells = [
        f"{value:.2f}"
        if found.variable == "pH"
        else f"{value:.1f}"
        if percent
        else significant(float(value))
        for value in shown_values(found)
    ]
    lead = [Column(headings[found.variable], cells)]
    columns = []
    if found.variable == "loading":
        columns.append(Column("O/A", [significant(float(value)) for value in found.oa_ratio]))
    if found.variable != "pH":
        columns.append(Column("pH", [f"{value:.2f}" for value in found.pH]))
    if found.variable != "loading":
        columns.append(Column("loading\n%", [f"{100.0 * value:.1f}" for value in found.loading]))
    for place, symbol in enumerate(found.elements):
        for heading, held, scale in (
            (f"{symbol} aq.\nmol/L", found.aqueous, PER_LITRE),
            (f"{symbol} org.\nmol/L", found.organic, PER_LITRE),
            (f"D\n{symbol}", found.distribution_ratio, 1.0),
        ):
            cells = [significant(float(value) / scale) for value in held[:, place]]
            columns.append(Column(heading, cells))
    for first, second in found.neighbours():
        factor = found.separation_factor(first, second)
        columns.append(Column(f"β\n{first}/{second}", [significant(float(v)) for v in factor]))
    print_columns(console(), f"{found.system}, against {titles[found.variable]}", lead, columns)


def _print_stages(made: Construction, name: str) -> None:
    import numpy as np

    # The last stage would take more than the feed; only a part of it is needed.
    x, y = np.minimum(made.aqueous, made.feed) / PER_LITRE, made.organic / PER_LITRE
    count = len(x) - 1
    terminal = console()
    print_columns(
        terminal,
        f"Stages stepped off for {name}, from the raffinate",
        [Column("stage", [str(n + 1) for n in range(count)])],
        [
            Column("aqueous out\nmol/L", [significant(float(value)) for value in x[:-1]]),
            Column("organic in\nmol/L", [significant(float(value)) for value in y[:-1]]),
            Column("organic out\nmol/L", [significant(float(value)) for value in y[1:]]),
            Column("aqueous in\nmol/L", [significant(float(value)) for value in x[1:]]),
        ],
    )
    terminal.print(
        f"[bold]{made.stages:.2f} stages[/bold] at O/A {made.oa_ratio:g} leave "
        f"{x[0]:.4g} mol/L and extract {made.recovery:.2%}; the organic leaves with "
        f"{made.loaded / PER_LITRE:.4g} mol/L. The smallest O/A is {made.smallest_oa_ratio:.3g}."
    )


def _writers(
    found: Isotherm, stepped: tuple[Construction, Curve] | None, name: str
) -> dict[str, Writer]:
    def draw(path: Path) -> None:
        from raffinate.plots.isotherm import save_isotherm
        from raffinate.plots.mccabe_thiele import save_mccabe_thiele

        if stepped:
            title = f"{found.system}: stages for {name}"
            save_mccabe_thiele(*stepped, path, name=name, title=title)
        else:
            save_isotherm(found, path)

    return {
        **dict.fromkeys((".png", ".svg", ".pdf"), draw),
        ".csv": text_writer(lambda: found.to_dataframe().to_csv(index=False)),
        ".json": text_writer(lambda: to_json(_as_dict(found, stepped, name))),
    }
