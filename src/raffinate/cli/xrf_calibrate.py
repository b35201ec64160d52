"""`raffinate xrf calibrate`: from spectra of standards to a calibration file."""

from __future__ import annotations

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
from raffinate.cli.xrf_quantify import INSTRUMENT
from raffinate.errors import DataError, SpecificationError

if TYPE_CHECKING:
    from raffinate.instruments.calibrate_result import Calibration
    from raffinate.instruments.calibrate_standard import Standard
    from raffinate.instruments.xrf_instrument import XrfInstrument

PICTURES = (".png", ".svg", ".pdf")


def calibrate_file(
    standards: Annotated[
        Path,
        typer.Argument(help="CSV: file, role, Nd_g_per_L, Nd_g_per_L_sigma, …, acid_mol_per_L."),
    ],
    instrument: Annotated[
        str, typer.Option(help="A shipped analyzer, or its YAML file.")
    ] = INSTRUMENT,
    matrix: Annotated[
        str, typer.Option(help="chloride, nitrate, sulfate; P507, D2EHPA or TBP in kerosene.")
    ] = "chloride",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the calibration here, as .yaml.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Write .png, .svg or .pdf of factors and errors here.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Calibrate an analyzer with standards: factors per element and line group, and their errors.

    Spectra are sought beside the table. Rows of role "check" are read, not used.
    """
    with failing_politely(as_json=as_json):
        check_ending(output, (".yaml", ".yml", ".json"))
        check_ending(picture, PICTURES)
        from raffinate.instruments.calibrate import calibrate
        from raffinate.instruments.calibrate_file import calibration_text
        from raffinate.instruments.calibrate_table import (
            load_standards,
            parse_standards,
            table_metals,
        )
        from raffinate.instruments.quantify_sample import sample_of
        from raffinate.instruments.xrf_instrument_file import load_instrument

        rows = parse_standards(_content(standards), where=standards.name)
        metals, analyzer = table_metals(rows), load_instrument(instrument)
        unknown = sample_of(metals, matrix).unknown
        read = load_standards(rows, standards.parent, unknown)
        used = [one for role, one in read if role == "standard"]
        if not used:
            raise SpecificationError("no row has the role standard.", where=standards.name)
        with progress("Calibrating"):
            found = calibrate(analyzer, metals, used, matrix)
            checks = [one for role, one in read if role == "check"]
            facts = found.to_dict() | {"checks": _checked(analyzer, matrix, found, checks)}
        if as_json:
            typer.echo(to_json(facts))
        else:
            _print(facts)
        text = text_writer(lambda: calibration_text(found))
        json = text_writer(lambda: to_json(facts))
        write_output(output, {".yaml": text, ".yml": text, ".json": json})
        write_output(picture, dict.fromkeys(PICTURES, lambda path: _draw(found, path)))
        print_warnings(facts["unresolved"])


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}).", where=str(path)) from error


def _draw(found: Calibration, path: Path) -> None:
    from raffinate.plots.xrf_calibration import save_calibration_picture

    save_calibration_picture(found, path)


def _checked(
    analyzer: XrfInstrument, matrix: str, found: Calibration, checks: list[Standard]
) -> list[dict[str, Any]]:
    """Return how samples that were not used read with the calibration."""
    if not checks:
        return []
    from raffinate.instruments.quantify import build_quantifier, quantify

    quantifier = build_quantifier(analyzer, found.metals, matrix, found)
    results = []
    for one in checks:
        read = quantify(one.spectrum, quantifier)
        results.append({"name": one.name} | read.to_dict())
    return results


def _print(facts: dict[str, Any]) -> None:
    terminal = console()
    made = table(f"{facts['instrument']}: factors", "factor", "value", "± %", "before ± %")
    for row in facts["factors"]:
        if "-" not in row["name"]:
            made.add_row(
                row["name"], f"{row['factor']:.4f}", f"{100.0 * row['relative_sigma']:.2f}",
                f"{100.0 * row['prior_relative_sigma']:.0f}",
            )  # fmt: skip
    terminal.print(made)
    many = sum("-" in row["name"] for row in facts["factors"])
    terminal.print(f"and {many} factors of single lines: --json or the file has them.")
    symbols = facts["elements"]
    errors = table(
        "left out in turn: found less certified, in σ", "standard", "χ²/dof", *symbols,
        caption=f"their scatter widens all stated uncertainties by {facts['widening']:.2f}",
    )  # fmt: skip
    for one in facts["standards"]:
        columns = zip(
            one["left_out_g_per_L"], one["certified_g_per_L"], one["left_out_sigma_g_per_L"],
            one["certified_sigma_g_per_L"], strict=True,
        )  # fmt: skip
        cells = [f"{(f - c) / (s**2 + u**2) ** 0.5:+.1f}" for f, c, s, u in columns]
        errors.add_row(one["name"], f"{one['chi2_per_dof']:.2f}", *cells)
    terminal.print(errors)
    for check in facts["checks"]:
        _print_check(check)


def _print_check(check: dict[str, Any]) -> None:
    cells = []
    for symbol, row in check["elements"].items():
        value, sigma = row["g_per_L"], row["sigma"]
        shown = "below limit" if value is None else f"{value:.3f} ± {sigma:.3f}"
        cells.append(f"{symbol} {shown}")
    console().print(f"check {check['name']}: {', '.join(cells)} g/L")
