"""`raffinate fit`: extraction constants from a table of shake-out tests."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from raffinate.cli.common import failing_politely
from raffinate.errors import SpecificationError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from raffinate.chemistry.fit_assess import Assessment
    from raffinate.chemistry.fit_report import FitResult, LaboratoryScore


_ENDINGS = (".yaml", ".yml", ".html", ".png", ".svg")


class Acidity(StrEnum):
    """Which liquor the acidity column belongs to."""

    FEED = "feed"
    EQUILIBRIUM = "equilibrium"


class Activity(StrEnum):
    """Model of the activities in the liquor."""

    IDEAL = "ideal"
    PITZER = "pitzer"


def register(app: typer.Typer) -> None:
    """Add the command `fit` to `app`."""
    app.command(name="fit")(fit)


def fit(
    data: Annotated[str, typer.Argument(help="CSV file of shake-out tests, or a shipped name.")],
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
    acidity: Annotated[
        Acidity | None,
        typer.Option(help="Which liquor the acidities belong to; else as the table says."),
    ] = None,
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

        if as_json and as_csv:
            raise SpecificationError(
                "--json and --csv exclude each other.", mend="Ask for one of them."
            )
        outputs = output or []
        name = _system_name(data, outputs)
        table = load_shake_outs(data, acidity=acidity.value if acidity else None)
        chosen = [symbol.strip() for symbol in elements.split(",")] if elements else None
        result = fit_system(
            table,
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
        import json

        report = result.to_dict() | (assessment.to_dict() if assessment else {})
        typer.echo(json.dumps(report, ensure_ascii=False, indent=2))
    elif as_csv:
        typer.echo(result.to_dataframe().to_csv(index=False), nl=False)
    else:
        from rich.console import Console

        _print_tables(Console(), result)


def _print_tables(console: Console, result: FitResult) -> None:
    system = result.system
    console.print(f"{system.title}: {result.rows_used} distribution ratios")
    constants = _table("Extraction constants", "element", "log₁₀ K", "±", "n", "nothing left out")
    for symbol, constant, deviation, unfiltered in zip(
        system.elements,
        system.log10_extraction_constant,
        system.log10_standard_deviation,
        result.unfiltered_constant,
        strict=True,
    ):
        rows = str(result.rows_of(symbol))
        constants.add_row(symbol, f"{constant:.3f}", f"{deviation:.3f}", rows, f"{unfiltered:.3f}")
    console.print(constants)
    console.print(f"of each ±, {result.level_deviation:.3f} is common: laboratories disagree")
    heads = ("data alone", "±", "prior", "±", "together", "±")
    factors = _table("Separation factors, ± of log₁₀ β", "pair", *heads)
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
    console.print(factors)
    console.print(_score_table("Errors of log₁₀ D", result.scores))
    if result.excluded:
        console.print(_score_table("The same, with nothing left out", result.unfiltered_scores))
        _print_exclusions(console, result)


def _print_exclusions(console: Console, result: FitResult) -> None:
    table = _table("Left out before fitting", "laboratory", "tests", "reason")
    table.columns[-1].justify = "left"
    reasons: dict[tuple[str, str], list[str]] = {}
    for item in result.excluded:
        reasons.setdefault((item.laboratory, item.reason), []).append(item.test_id)
    for (laboratory, reason), tests in reasons.items():
        table.add_row(laboratory, ", ".join(tests), reason)
    console.print(table)


def _score_table(title: str, scores: tuple[LaboratoryScore, ...]) -> Table:
    table = _table(title, "laboratory", "n", "rms", "median error", "bias")
    for score in scores:
        table.add_row(
            score.laboratory,
            str(score.rows),
            f"{score.rms:.3f}",
            f"{score.median_error:.3f}",
            f"{score.bias:+.3f}",
        )
    return table


def _table(title: str, first: str, *others: str) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column(first)
    for heading in others:
        table.add_column(heading, justify="right")
    return table
