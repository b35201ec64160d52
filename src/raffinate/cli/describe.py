"""`raffinate check`: what a plant file holds, without solving anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from raffinate.cli.common import console, failing_politely, print_warnings, table, to_json
from raffinate.cli.network import check_network_command, is_network_file
from raffinate.cli.options import PlantName, json_option
from raffinate.cli.systems import print_sources, source_as_dict

if TYPE_CHECKING:
    from rich.console import Console

    from raffinate.plant.model import Plant

MIXER_MINUTES = (3.0, 6.0)
"""Usual residence in a mixer, [min]; industrial practice with P507, assumed."""

SETTLER_MINUTES = (10.0, 20.0)
"""Usual residence of a phase in a settler, [min]; industrial practice with P507, assumed."""


def register(app: typer.Typer) -> None:
    """Add the command `check` to `app`."""
    app.command(name="check")(check)


def check(
    plant: PlantName,
    as_json: Annotated[bool, json_option("Print what was read as JSON.")] = False,
) -> None:
    """Read a plant file and say what is wrong with it, without solving anything."""
    with failing_politely(as_json=as_json):
        if is_network_file(plant):
            check_network_command(plant, as_json=as_json)
            return
        from raffinate.plant.arrays import check_mixer_ratios, problem_of
        from raffinate.plant.plant_file import load_plant

        loaded = load_plant(plant)
        problem_of(loaded.circuit)
        rows = describe_sections(loaded)
        if as_json:
            typer.echo(to_json(_plant_as_dict(loaded, rows)))
        else:
            _print_plant(console(), loaded, rows)
        print_warnings(_unusual(rows))
        check_mixer_ratios(loaded.circuit)


def describe_sections(plant: Plant) -> list[dict[str, Any]]:
    """Return what each section asks of its vessels at the flows written in the circuit.

    Ratios are organic to aqueous in the mixer, internal recycle included; residences in [min].
    """
    import numpy as np

    from raffinate.plant.arrays import aqueous_leaving, mixer_ratios

    circuit = plant.circuit
    leaving, ratios = aqueous_leaving(circuit), mixer_ratios(circuit)
    names = np.array(circuit.section_names)
    rows = []
    for section in circuit.sections:
        own = names == section.name
        aqueous = float(leaving[own][0])
        through = circuit.organic_flow + aqueous + section.recycle
        rows.append(
            {
                "section": section.name,
                "stages": section.stages,
                "efficiency": section.efficiency,
                "oa_ratio": circuit.organic_flow / max(aqueous, 1e-300),
                "mixer_oa_ratio": float(ratios[own][0]),
                "mixer_min": section.mixer / through / 60.0,
                "settler_organic_min": section.settler_organic / circuit.organic_flow / 60.0,
                "settler_aqueous_min": section.settler_aqueous / (aqueous + section.recycle) / 60.0,
            }
        )
    return rows


def _unusual(rows: list[dict[str, Any]]) -> list[str]:
    found = []
    for row in rows:
        for key, words, (low, high) in (
            ("mixer_min", "the mixer", MIXER_MINUTES),
            ("settler_organic_min", "organic in the settler", SETTLER_MINUTES),
            ("settler_aqueous_min", "aqueous in the settler", SETTLER_MINUTES),
        ):
            if not low <= row[key] <= high:
                found.append(
                    f"{row['section']}: residence of {words} is {row[key]:.1f} min; "
                    f"{low:g} to {high:g} min is usual."
                )
    return found


def _plant_as_dict(plant: Plant, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "plant": plant.name,
        "title": plant.title,
        "elements": list(plant.circuit.elements),
        "stages": plant.circuit.stages,
        "sections": rows,
        "products": {
            name: {"elements": list(product.elements), "purity_limit": product.purity_limit}
            for name, product in plant.products.items()
        },
        "monitored_stages": [stage + 1 for stage in plant.analyzer.monitored_stages],
        "sources": [source_as_dict(source) for source in plant.sources],
        "warnings": _unusual(rows),
    }


def _print_plant(terminal: Console, plant: Plant, rows: list[dict[str, Any]]) -> None:
    terminal.print(f"[bold]{plant.name}[/bold]  {plant.title}")
    feed = plant.operation()
    shares = ", ".join(
        f"{symbol} {share:.2%}"
        for symbol, share in zip(plant.circuit.elements, feed.feed_mass_fraction, strict=True)
    )
    terminal.print(
        f"{plant.circuit.stages} stages; feed {feed.feed_flow * 3600.0:.4g} m³/h with "
        f"{feed.feed_reo:.4g} g/L REO, of metal {shares}\n"
    )
    made = table(
        "Sections, at the flows the search for nominal flows begins with",
        "section", "stages", "efficiency", "O/A\nof flows", "O/A\nin mixer",
        "mixer\nmin", "settler organic\nmin", "settler aqueous\nmin",
    )  # fmt: skip
    for row in rows:
        made.add_row(
            row["section"],
            str(row["stages"]),
            f"{row['efficiency']:.2f}",
            f"{row['oa_ratio']:.2f}",
            f"{row['mixer_oa_ratio']:.2f}",
            f"{row['mixer_min']:.1f}",
            f"{row['settler_organic_min']:.1f}",
            f"{row['settler_aqueous_min']:.1f}",
        )
    terminal.print(made)
    made = table("Products", "product", "title", "counts as product", "limit, %", left=3)
    for name, product in plant.products.items():
        limit = f"{100.0 * product.purity_limit:.2f}"
        made.add_row(name, product.title, ", ".join(product.elements), limit)
    terminal.print(made)
    monitored = ", ".join(str(stage + 1) for stage in plant.analyzer.monitored_stages)
    terminal.print(f"Analyzer at stages {monitored}\n")
    print_sources(terminal, plant.sources)
