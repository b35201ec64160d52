"""`raffinate equilibrate`: one shake-out on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from raffinate.cli.common import (
    amount,
    check_formats,
    console,
    failing_politely,
    print_warnings,
    table,
    to_json,
)
from raffinate.cli.options import SystemName, csv_option, json_option
from raffinate.errors import SpecificationError, nearest_name
from raffinate.units import PER_LITRE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from raffinate.chemistry.contact_state import Contact
    from raffinate.chemistry.nonideality import ActivityKind


NEAR_SATURATION = -1.0
"""Saturation index above which a solid is listed, [-]."""


def register(app: typer.Typer) -> None:
    """Add the command `equilibrate` to `app`."""
    app.command(name="equilibrate")(equilibrate)


def equilibrate(
    system: SystemName,
    aqueous: Annotated[
        str,
        typer.Option(
            "--aqueous",
            "-a",
            help="Liquor, mol/L: elements, proton or anion, further ions such as ammonium, sodium, "
            "sulfate; Nd=0.4,proton=0.01.",
        ),
    ],
    organic: Annotated[
        str,
        typer.Option(
            "--organic",
            "-o",
            help="Organic, mol/L: extractant=1.5 (total HA), elements, "
            "and saponification_degree=0.36 (a fraction) or cations such as ammonium.",
        ),
    ],
    oa_ratio: Annotated[
        float, typer.Option("--oa-ratio", "-r", help="Volume of organic per volume of aqueous.")
    ] = 1.0,
    activity: Annotated[
        str | None,
        typer.Option(
            "--activity",
            help="Activity model: ideal, davies, bdot or pitzer; the system's if left out.",
            show_default=False,
        ),
    ] = None,
    cation: Annotated[
        str | None,
        typer.Option(
            "--cation",
            help="What the organic is saponified with: ammonium, sodium, calcium or magnesium; "
            "the system's first if left out.",
            show_default=False,
        ),
    ] = None,
    species: Annotated[
        bool, typer.Option("--species", help="Also list every species of both phases.")
    ] = False,
    as_json: Annotated[bool, json_option("Print both phases as JSON, mol/m³.")] = False,
    as_csv: Annotated[bool, csv_option("Print the elements as CSV, mol/m³.")] = False,
) -> None:
    """Shake a liquor with an organic: both phases, pH and free extractant at equilibrium.

    What is left out of the liquor, proton or the anion of the system, follows from the charges.
    """
    with failing_politely(as_json=as_json):
        check_formats(as_json, as_csv)
        from raffinate.chemistry.contact import equilibrate as shake
        from raffinate.chemistry.system_file import load_system

        found = shake(
            load_system(system),
            parse_amounts(aqueous, "--aqueous"),
            parse_amounts(organic, "--organic"),
            oa_ratio,
            checked_activity(activity),
            cation=cation,
        )
        if as_json:
            typer.echo(to_json(found.to_dict()))
        elif as_csv:
            typer.echo(found.to_dataframe().to_csv(index=False), nl=False)
        else:
            _print_tables(console(), found, species)
        print_warnings(found.warnings)


def parse_amounts(text: str, where: str) -> dict[str, float]:
    """Read `Nd=0.4,proton=0.01` in mol/L; returns [mol/m³], but a saponification degree as it is.

    Raises:
        SpecificationError: A part is no `name=number`, or a name stands twice.
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        try:
            number = float(value)
        except ValueError:
            equals = ""
        if not equals or not name:
            raise SpecificationError(
                f"{part.strip()!r} is no amount.",
                where=where,
                mend="Write name=number, such as Nd=0.4,proton=0.01, in mol/L.",
            )
        if name in found:
            raise SpecificationError(f"{name} stands twice.", where=where, mend="Leave one out.")
        found[name] = number if name == "saponification_degree" else number * PER_LITRE
    return found


def checked_activity(name: str | None) -> ActivityKind | None:
    """Return the activity model of this name; None stands for that of the system.

    Raises:
        SpecificationError: There is none of this name.
    """
    from raffinate.chemistry.nonideality import ACTIVITY_KINDS

    for kind in ACTIVITY_KINDS:
        if name == kind:
            return kind
    if name is None:
        return None
    raise SpecificationError(
        f"there is no activity model {name!r}.",
        where="--activity",
        allowed=", ".join(ACTIVITY_KINDS),
        mend=nearest_name(name, ACTIVITY_KINDS),
    )


def _print_tables(terminal: Console, found: Contact, species: bool) -> None:
    made = table(
        f"At equilibrium, O/A {found.oa_ratio:g}",
        "", "aqueous, mol/L", "organic, mol/L", "D", "extracted, %",
    )  # fmt: skip
    ratios = found.distribution_ratio
    shares = found.to_dataframe().set_index("element")["extracted_fraction"]
    for symbol in found.elements:
        made.add_row(
            symbol,
            amount(found.aqueous[symbol] / PER_LITRE),
            amount(found.organic[symbol] / PER_LITRE),
            f"{ratios[symbol]:.4g}",
            f"{100.0 * shares[symbol]:.3f}",
        )
    made.add_section()
    for name in dict.fromkeys((*found.aqueous, *found.organic)):
        held = found.aqueous.get(name, 0.0) + found.organic.get(name, 0.0)
        if name not in (*found.elements, "extractant") and (held > 0.0 or name == "proton"):
            made.add_row(name, *(_held(phase, name) for phase in (found.aqueous, found.organic)))
    made.add_row("extractant, total", "", _held(found.organic, "extractant"))
    made.add_row("extractant, free", "", amount(found.free_extractant / PER_LITRE))
    terminal.print(made)
    terminal.print(
        f"pH {found.pH:.3f}; free H⁺ {amount(found.free_proton / PER_LITRE)}, ionic strength "
        f"{amount(found.ionic_strength / PER_LITRE)} mol/L; activities {found.activity}."
    )
    terminal.print(f"{found.loading:.1%} of the extractant is bound to metals.")
    if species:
        _print_species(terminal, found)
    _print_saturation(terminal, found)


def _held(phase: Mapping[str, float], name: str) -> str:
    return amount(phase[name] / PER_LITRE) if name in phase else ""


def _print_species(terminal: Console, found: Contact) -> None:
    made = table("Species", "", "mol/L of its phase")
    for name, value in found.species.items():
        if value > 0.0:
            made.add_row(name, amount(value / PER_LITRE))
    terminal.print(made)


def _print_saturation(terminal: Console, found: Contact) -> None:
    near = {name: index for name, index in found.saturation.items() if index > NEAR_SATURATION}
    if near:
        made = table("Solids near saturation", "", "index, log₁₀")
        for name, index in sorted(near.items(), key=lambda entry: -entry[1]):
            made.add_row(name, f"{index:+.2f}")
        terminal.print(made)
