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
from raffinate.errors import SpecificationError
from raffinate.units import PER_LITRE

if TYPE_CHECKING:
    from rich.console import Console

    from raffinate.chemistry.contact import Contact


def register(app: typer.Typer) -> None:
    """Add the command `equilibrate` to `app`."""
    app.command(name="equilibrate")(equilibrate)


def equilibrate(
    system: Annotated[str, typer.Argument(help="A shipped system, or the path of a system file.")],
    aqueous: Annotated[
        str,
        typer.Option(
            "--aqueous",
            "-a",
            help="Liquor, mol/L: elements, proton or chloride, ammonium; Nd=0.4,proton=0.01.",
        ),
    ],
    organic: Annotated[
        str,
        typer.Option(
            "--organic",
            "-o",
            help="Organic, mol/L: extractant=1.5 (total HA), elements, "
            "and saponification_degree=0.36 (a fraction) or ammonium.",
        ),
    ],
    oa_ratio: Annotated[
        float, typer.Option("--oa-ratio", "-r", help="Volume of organic per volume of aqueous.")
    ] = 1.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print both phases as JSON, mol/m³.")
    ] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print the elements as CSV, mol/m³.")
    ] = False,
) -> None:
    """Shake a liquor with an organic: both phases, pH and free extractant at equilibrium."""
    with failing_politely(as_json=as_json):
        check_formats(as_json, as_csv)
        from raffinate.chemistry.contact import equilibrate as shake
        from raffinate.chemistry.system_file import load_system

        found = shake(
            load_system(system),
            parse_amounts(aqueous, "--aqueous"),
            parse_amounts(organic, "--organic"),
            oa_ratio,
        )
        if as_json:
            typer.echo(to_json(found.to_dict()))
        elif as_csv:
            typer.echo(found.to_dataframe().to_csv(index=False), nl=False)
        else:
            _print_tables(console(), found)
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


def _print_tables(terminal: Console, found: Contact) -> None:
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
    for name in ("ammonium", "proton", "chloride"):
        carried = amount(found.organic[name] / PER_LITRE) if name in found.organic else ""
        made.add_row(name, amount(found.aqueous[name] / PER_LITRE), carried, "", "")
    free = found.free_extractant / PER_LITRE
    made.add_row("free (HA)₂", "", amount(free), "", "")
    terminal.print(made)
    terminal.print(
        f"pH {found.pH:.3f}; {found.loading:.1%} of the extractant is bound to rare earths."
    )
