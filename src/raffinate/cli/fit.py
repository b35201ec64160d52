"""`raffinate fit`: extraction constants from a table of shake-out tests."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from raffinate.cli import check_lab
from raffinate.cli.common import check_formats, console, failing_politely, table, to_json
from raffinate.cli.lab_options import AcidityOption, LayoutOption, SheetOption
from raffinate.errors import SpecificationError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from raffinate.chemistry.fit_assess import Assessment
    from raffinate.chemistry.fit_report import FitResult, LaboratoryScore


_ENDINGS = (".yaml", ".yml", ".html", ".png", ".svg")


class Activity(StrEnum):
    """Model of the activities in the liquor."""

    IDEAL = "ideal"
    PITZER = "pitzer"


def register(app: typer.Typer) -> None:
    """Add the commands `fit` and `check-lab` to `app`."""
    app.command(name="fit")(fit)
    check_lab.register(app)


def fit(
    data: Annotated[
        str, typer.Argument(help="CSV or Excel file of shake-out tests, or a shipped name.")
    ],
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output",
            "-o",
            help="Write the report (.html), the system (.yaml) or the parity picture (.png, .svg) "
            "here; may be given several times.",
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw the parity picture here, as .png or .svg.")
    ] = None,
    acidity: AcidityOption = None,
    layout: LayoutOption = None,
    sheet: SheetOption = None,
    elements: Annotated[
        str | None, typer.Option(help="Elements to fit, such as Ce,Pr,Nd; else all.")
    ] = None,
    priors: Annotated[
        bool, typer.Option("--priors/--no-priors", help="Use known separation factors.")
    ] = True,
    activity: Annotated[
        Activity, typer.Option(help="Model of the liquor on whose scale the constants stand.")
    ] = Activity.IDEAL,
    loading: Annotated[
        bool, typer.Option("--loading", help="Fit how the organic departs from the ideal.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print every row as CSV.")] = False,
) -> None:
    """Fit extraction constants to shake-out tests: system file, report and parity picture."""
    with failing_politely(as_json=as_json):
        from raffinate.chemistry.fit import fit_system
        from raffinate.lab.shake_out import load_shake_outs

        check_formats(as_json, as_csv)
        outputs = output or []
        name = _system_name(data, outputs)
        tests = load_shake_outs(
            data, acidity=acidity.value if acidity else None, layout=layout, sheet=sheet
        )
        chosen = [symbol.strip() for symbol in elements.split(",")] if elements else None
        result = fit_system(
            tests,
            elements=chosen,
            priors=None if priors else (),
            name=name,
            activity=activity.value,
            loading=loading,
        )
        assessment = None
        if as_json or any(path.suffix.lower() == ".html" for path in outputs):
            from raffinate.chemistry.fit_assess import assess

            assessment = assess(result)
        _write(result, assessment, [*outputs, *([plot] if plot else [])])
        _print(result, assessment, as_json=as_json, as_csv=as_csv)


def _system_name(data: str, outputs: list[Path]) -> str:
    for path in outputs:
        if path.suffix.lower() not in _ENDINGS:
            raise SpecificationError(
                f"{path.suffix or 'no ending'!r} is no ending known here.",
                where=f"--output {path}",
                allowed=", ".join(_ENDINGS),
                mend="For tables redirect --csv or --json.",
            )
    systems = [path for path in outputs if path.suffix.lower() in _ENDINGS[:2]]
    return (systems or [Path(data)])[0].stem


def _write(result: FitResult, assessment: Assessment | None, paths: list[Path]) -> None:
    for path in paths:
        if path.suffix.lower() == ".html":
            from raffinate.plots.fit_html import save_fit_report

            save_fit_report(result, path, assessment)
        elif path.suffix.lower() in _ENDINGS[:2]:
            _write_system(result, path)
        else:
            from raffinate.plots.parity import save_parity

            save_parity(result, path)
        typer.echo(f"wrote {path}", err=True)


def _write_system(result: FitResult, path: Path) -> None:
    from raffinate.chemistry.system_file import write_system

    try:
        path.write_text(write_system(result.system), encoding="utf-8")
    except OSError as error:
        raise SpecificationError(
            f"cannot be written ({error.strerror}).", where=f"--output {path}"
        ) from error


def _print(
    result: FitResult, assessment: Assessment | None, *, as_json: bool, as_csv: bool
) -> None:
    if as_json:
        typer.echo(to_json(result.to_dict() | (assessment.to_dict() if assessment else {})))
    elif as_csv:
        typer.echo(result.to_dataframe().to_csv(index=False), nl=False)
    else:
        _print_tables(console(), result)


def _print_tables(terminal: Console, result: FitResult) -> None:
    system = result.system
    terminal.print(f"{system.title}: {result.rows_used} distribution ratios")
    constants = table("Extraction constants", "element", "log₁₀ K", "±", "n", "nothing left out")
    for symbol, constant, deviation, unfiltered in zip(
        system.elements,
        system.log10_extraction_constant,
        system.log10_standard_deviation,
        result.unfiltered_constant,
        strict=True,
    ):
        rows = str(result.rows_of(symbol))
        constants.add_row(symbol, f"{constant:.3f}", f"{deviation:.3f}", rows, f"{unfiltered:.3f}")
    terminal.print(constants)
    common = f"{result.level_deviation:.3f}"
    terminal.print(f"of each ±, {common} is common: what laboratories disagree by\n")
    heads = ("data alone", "±", "prior", "±", "together", "±")
    factors = table("Separation factors, ± of log₁₀ β", "pair", *heads)
    for pair in result.separations:
        known = pair.prior
        factors.add_row(
            f"{pair.first}/{pair.second}",
            f"{pair.data:.2f}",
            f"{pair.data_deviation:.3f}",
            f"{known.separation_factor:.2f}" if known else "–",
            f"{known.log10_deviation:.3f}" if known else "–",
            f"{pair.posterior:.2f}",
            f"{pair.posterior_deviation:.3f}",
        )
    terminal.print(factors)
    terminal.print(_score_table("Errors of log₁₀ D", result.scores))
    if result.excluded:
        terminal.print(_score_table("The same, with nothing left out", result.unfiltered_scores))
        _print_exclusions(terminal, result)


def _print_exclusions(terminal: Console, result: FitResult) -> None:
    made = table("Left out before fitting", "laboratory", "tests", "reason", left=3)
    reasons: dict[tuple[str, str], list[str]] = {}
    for item in result.excluded:
        reasons.setdefault((item.laboratory, item.reason), []).append(item.test_id)
    for (laboratory, reason), tests in reasons.items():
        made.add_row(laboratory, ", ".join(tests), reason)
    terminal.print(made)


def _score_table(title: str, scores: tuple[LaboratoryScore, ...]) -> Table:
    made = table(title, "laboratory", "n", "rms", "median error", "bias")
    for score in scores:
        made.add_row(
            score.laboratory,
            str(score.rows),
            f"{score.rms:.3f}",
            f"{score.median_error:.3f}",
            f"{score.bias:+.3f}",
        )
    return made
