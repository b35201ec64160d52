"""The command `raffinate`: what it offers, and how it begins."""

from __future__ import annotations

from typing import Annotated

import typer

from raffinate.cli import (
    alarms,
    audit,
    cost,
    describe,
    design,
    equilibrate,
    export,
    fit,
    history,
    isotherm,
    optimise,
    probability,
    run,
    sensitivity,
    simulate,
    solve,
    speciate,
    status,
    study,
    systems,
    users,
    xrf,
)

app = typer.Typer(
    name="raffinate",
    help="Rare-earth separation from the lab bench to a running production line.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        import raffinate

        typer.echo(f"raffinate {raffinate.__version__}")
        raise typer.Exit


@app.callback()
def _raffinate(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


GROUPS = (
    *(describe, systems, fit, equilibrate, isotherm, speciate, solve, simulate, design, cost),
    *(sensitivity, probability, optimise, study),
    *(run, status, history, alarms, audit, users, export, xrf),
)

for group in GROUPS:
    group.register(app)


def main() -> None:
    """Run the command line: exit 0 done, 1 failed, 2 wrong usage or input."""
    app()
