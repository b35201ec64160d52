"""`raffinate probability`: how likely a plant makes its specification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
from raffinate.cli.network import is_network_file
from raffinate.cli.options import PlantName, Purities, csv_option, json_option, output_option
from raffinate.cli.purities import parse_purities
from raffinate.errors import SpecificationError

if TYPE_CHECKING:
    from raffinate.plant.uncertainty import SpecificationProbability

ENDINGS = (".png", ".svg", ".pdf", ".csv", ".json")
"""What `--output` writes."""

NAMED = 3
"""Inputs named as the largest shares of a variance in the table."""


def register(app: typer.Typer) -> None:
    """Add the command `probability` to `app`."""
    app.command(name="probability")(probability)


def probability(
    plant: PlantName,
    spec: Purities = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            "--limit",
            help="Purity a product has to have, such as nd_purity=0.999; one left out is the "
            "limit of the plant file.",
        ),
    ] = None,
    uncertain: Annotated[
        list[str] | None,
        typer.Option(
            "--uncertain",
            help="Standard deviation of a further input, SI, such as extraction.efficiency=0.03.",
        ),
    ] = None,
    held: Annotated[
        str,
        typer.Option(
            "--held",
            help="flows: they stay and purities move. purities: flows follow; asked is whether "
            "they stay within their levers.",
        ),
    ] = "flows",
    trials: Annotated[
        int,
        typer.Option(
            "--trials",
            help="Plants of the Monte Carlo; of a plant of many circuits 0 asks gradients alone.",
        ),
    ] = 200,
    seed: Annotated[int, typer.Option("--seed", help="Of its random numbers.")] = 0,
    as_json: Annotated[bool, json_option("Print the probabilities as JSON.")] = False,
    as_csv: Annotated[bool, csv_option("Print one row per outcome as CSV.")] = False,
    output: Annotated[
        Path | None, output_option("Write picture or data: .png, .svg, .pdf, .csv or .json.")
    ] = None,
) -> None:
    """Carry the covariance of the fitted constants to the probability of making specification."""
    with failing_politely(as_json=as_json):
        check_formats(as_json, as_csv)
        check_ending(output, ENDINGS)
        asked = _Asked(
            plant=plant,
            spec=tuple(spec or ()),
            limit=tuple(limit or ()),
            deviations=parse_deviations(uncertain or ()),
            held=held,
            trials=trials,
            seed=seed,
        )
        solve = _of_network if is_network_file(plant) else _of_plant
        found, warnings = solve(asked)
        _write(found, output)
        if as_json:
            typer.echo(to_json(found.to_dict()))
        elif as_csv:
            typer.echo(found.to_dataframe().to_csv(index=False), nl=False)
        else:
            _print(found)
        print_warnings((*warnings, *_doubts(found)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What was asked on the command line."""

    plant: str
    spec: tuple[str, ...]
    limit: tuple[str, ...]
    deviations: dict[str, float]
    held: str
    trials: int
    seed: int


def _of_plant(asked: _Asked) -> tuple[SpecificationProbability, tuple[str, ...]]:
    """Return the probability and the warnings of a plant of one circuit."""
    from raffinate.plant.plant_file import load_plant

    loaded = load_plant(asked.plant)
    purities = {**loaded.nominal_purity, **parse_purities(asked.spec, loaded)}
    limits = parse_purities(asked.limit, loaded)
    with progress("Solving"):
        from raffinate.plant.steady import solve_steady
        from raffinate.plant.uncertainty import specification_probability

        state = solve_steady(loaded, purities=purities)
        found = specification_probability(
            loaded,
            state,
            deviations=asked.deviations,
            purities=limits,
            held=asked.held,
            samples=asked.trials,
            seed=asked.seed,
        )
    return found, state.warnings


def _of_network(asked: _Asked) -> tuple[SpecificationProbability, tuple[str, ...]]:
    """Return the probability and the warnings of a plant of many circuits, at its flows."""
    if asked.held != "flows":
        raise SpecificationError(
            f"{asked.plant} has many circuits: {asked.held!r} cannot be held.",
            where="--held",
            allowed="flows",
        )
    from raffinate.plant.network_file import load_network

    network = load_network(asked.plant)
    purities = parse_purities(asked.spec, network)
    limits = parse_purities(asked.limit, network)
    with progress("Solving", asked.trials or None) as advance:
        from raffinate.plant.network_asked import solve_network_for
        from raffinate.plant.network_solve import solve_network
        from raffinate.plant.network_uncertainty import network_probability

        if purities:
            network, state = solve_network_for(network, purities)
        else:
            state = solve_network(network)
        found = network_probability(
            network,
            state,
            deviations=asked.deviations,
            purities=limits,
            samples=asked.trials,
            seed=asked.seed,
            advance=advance,
        )
    return found, state.warnings


def parse_deviations(texts: Sequence[str]) -> dict[str, float]:
    """Read standard deviations written `extraction.efficiency=0.03`, by input, SI.

    Raises:
        SpecificationError: It is no such text, or an input stands twice.
    """
    found: dict[str, float] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        try:
            number = float(value)
        except ValueError:
            equals, number = "", 0.0
        if not equals or not name or name in found:
            raise SpecificationError(
                f"{text!r} is no standard deviation, or its input stands twice.",
                where="--uncertain",
                allowed="input=deviation, SI, each input once",
                mend="Write extraction.efficiency=0.03; `raffinate sensitivity --json` lists the "
                "inputs.",
            )
        found[name] = number
    return found


def _doubts(found: SpecificationProbability) -> list[str]:
    told = []
    if not found.agree:
        told.append(
            f"gradients say {found.linear_probability:.1%} and the trials {found.probability:.1%}: "
            "the plant bends within its uncertainty, trust the trials."
        )
    if found.failed:
        told.append(
            f"{found.failed} of {found.samples} trials have no steady state that could be "
            "reached; they count as outside."
        )
    if found.clipped:
        told.append(
            f"{found.clipped} of {found.samples} trials had an input cut to what it can be."
        )
    return told


def _write(found: SpecificationProbability, output: Path | None) -> None:
    def picture(path: Path) -> None:
        from raffinate.plots.probability import save_probability

        save_probability(found, path)

    write_output(
        output,
        {
            ".png": picture,
            ".svg": picture,
            ".pdf": picture,
            ".csv": text_writer(lambda: found.to_dataframe().to_csv(index=False)),
            ".json": text_writer(lambda: to_json(found.to_dict())),
        },
    )


def _print(found: SpecificationProbability) -> None:
    terminal = console()
    what = "flows stay" if found.held == "flows" else "purities are met by moving flows"
    seen = (
        f"{found.probability:.1%} of {found.samples} trials make everything asked for "
        f"({found.low:.1%} to {found.high:.1%}, 95 %); by gradients"
        if found.samples
        else "everything asked for is made, by gradients alone, with"
    )
    terminal.print(
        f"[bold]{found.plant_name}[/bold]  {seen} {found.linear_probability:.1%}; {what}\n"
    )
    made = table(
        "Outcomes, SI",
        *("outcome", "value", "range", "sd, linear", "sd, trials", "P linear", "P trials"),
    )
    for each in found.outcomes:
        made.add_row(
            each.name,
            f"{each.value:.5g}",
            _range(each.low, each.high),
            f"{each.linear_deviation:.3g}",
            f"{each.deviation:.3g}",
            f"{each.linear_probability:.1%}",
            f"{each.probability:.1%}",
        )
    terminal.print(made)
    parts = table(
        "Largest parts of the linear variance",
        *("outcome", *(f"{rank}" for rank in range(1, NAMED + 1))),
        left=NAMED + 1,
        caption="correlations are split evenly: a part may be negative or above 100 %",
    )
    for each in found.outcomes:
        named = [f"{name} {share:.0%}" for name, share in each.shares[:NAMED]]
        parts.add_row(each.name, *named, *[""] * (NAMED - len(named)))
    terminal.print(parts)


def _range(low: float, high: float) -> str:
    if low == -float("inf"):
        return f"to {high:.5g}"
    return f"from {low:.5g}" if high == float("inf") else f"{low:.5g} to {high:.5g}"
