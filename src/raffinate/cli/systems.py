"""`raffinate systems`: what the shipped extraction systems know, how well, and what they lack."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raffinate.cli.common import console, failing_politely, table, to_json
from raffinate.units import PER_LITRE

if TYPE_CHECKING:
    from rich.console import Console

    from raffinate.chemistry.system import ExtractionSystem
    from raffinate.plant.network import Network
    from raffinate.sources import Source

MARKS = {"sourced": "", "fitted": "*", "computed": "'", "interpolated": "~", "assumed": "?"}
"""What follows the symbol of an element, by the evidence of its constant."""

MEANINGS = {
    "sourced": "measured, printed in the reference",
    "fitted": "fitted to measurements",
    "computed": "follows from sourced numbers",
    "interpolated": "interpolated along the series",
    "assumed": "assumed",
}
"""What each class of evidence means, in a few words."""

ELEMENTS = (
    *("La", "Ce", "Pr", "Nd", "Sm", "Eu", "Gd", "Tb", "Dy", "Ho", "Er", "Tm", "Yb", "Lu"),
    *("Y", "Sc", "Fe", "Al", "Ca", "Mg", "Zn", "Th", "U"),
)
"""What a hydrometallurgist asks for; others have no line of their own."""


RANGES = {
    "pH": ("pH", 1.0, ""),
    "proton": ("free H⁺", PER_LITRE, " mol/L"),
    "anion": ("the anion", PER_LITRE, " mol/L"),
    "extractant": ("extractant", PER_LITRE, " mol/L of HA"),
    "loading": ("loading", 0.01, " %"),
}
"""Name, unit and its sign of what a system states its range of."""


def register(app: typer.Typer) -> None:
    """Add the command `systems` to `app`."""
    app.command(name="systems")(systems)


def systems(
    name: Annotated[
        str, typer.Argument(help="One system, in full: a shipped name, or the path of a file.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
) -> None:
    """List the extraction systems that ship, with their evidence; or show one in full."""
    with failing_politely(as_json=as_json):
        from raffinate.chemistry.system_file import load_system, shipped_systems

        if name:
            system = load_system(name)
            if as_json:
                typer.echo(to_json({"systems": {system.name: system_as_dict(system)}}))
            else:
                _print_system(console(), system)
            return
        from raffinate.plant.network_file import load_network, shipped_networks

        found = [load_system(each) for each in shipped_systems()]
        plants = [load_network(each) for each in shipped_networks()]
        if as_json:
            told = {system.name: system_as_dict(system) for system in found}
            named = {plant.name: plant.title for plant in plants}
            typer.echo(to_json({"systems": told, "plants": named}))
        else:
            _print_overview(console(), found, plants)


def source_as_dict(source: Source) -> dict[str, str]:
    """Return a source as JSON tells it."""
    return {
        "title": source.title,
        "reference": source.reference,
        "evidence": source.evidence,
        "note": source.note,
    }


def print_sources(terminal: Console, sources: Iterable[Source], *, numbered: bool = False) -> None:
    """Print sources as a table, numbered from 1 where other tables point to them."""
    lead = ("",) if numbered else ()
    made = table("Sources", *lead, "evidence", "what", "reference and note", left=3 + len(lead))
    from rich.markup import escape

    for place, source in enumerate(sources):
        number = (f"{place + 1}",) if numbered else ()
        told = "; ".join(part for part in (source.reference, source.note) if part)
        made.add_row(*number, source.evidence, escape(source.title), escape(told) or "–")
    terminal.print(made)


def system_as_dict(system: ExtractionSystem) -> dict[str, Any]:
    """Return a system as JSON tells it."""
    elements: dict[str, dict[str, Any]] = {
        symbol: {
            "log10_extraction_constant": float(system.log10_extraction_constant[place]),
            "log10_deviation": float(system.log10_standard_deviation[place]),
            "evidence": system.evidence[place],
            "charge": float(system.charge[place]),
            "extractant_number": float(system.extractant_number[place]),
        }
        for place, symbol in enumerate(system.elements)
    }
    for slope in system.apparent:
        elements[slope.element]["apparent"] = {
            "pH_slope": slope.slope,
            "pH_slope_per_extractant": slope.slope_per_extractant,
            "extractant_slope": slope.extractant_slope,
        }
    return {
        "title": system.title,
        "extractant": system.extractant,
        "extractant_form": system.extractant_form,
        "mechanism": system.mechanism,
        "medium": system.medium,
        "activity": system.activity,
        "elements": elements,
        "missing": dict(system.missing),
        "saponification": {
            "cation": system.saponifying_cation,
            "log10_constant": system.log10_saponification_constant,
            "evidence": system.saponification_source.evidence,
        },
        "exchange_cations": {
            cation.name: {
                "log10_constant": cation.log10_constant,
                "evidence": cation.source.evidence,
            }
            for cation in system.exchange_cations
        },
        "ranges": {
            name: list(span)
            for name, span in (system.ranges.spans if system.ranges else {}).items()
        },
        "loading_limit": system.loading_limit,
        "saponification_limit": system.saponification_limit,
        "sources": [source_as_dict(source) for source in system.sources],
        "validity": list(system.validity),
    }


def _marked(system: ExtractionSystem) -> str:
    known = dict(zip(system.elements, system.evidence, strict=True))
    order = [symbol for symbol in ELEMENTS if symbol in known]
    order += [symbol for symbol in known if symbol not in ELEMENTS]
    return " ".join(f"{symbol}{MARKS[known[symbol]]}" for symbol in order)


def _lacking(system: ExtractionSystem) -> str:
    return " ".join(symbol for symbol in ELEMENTS if symbol not in system.elements) or "none"


def _print_overview(
    terminal: Console, found: list[ExtractionSystem], plants: list[Network]
) -> None:
    made = table("Extraction systems", "system", "extractant, medium", "elements", left=3)
    made.columns[0].no_wrap = True
    for system in found:
        form = "solvating" if system.mechanism == "solvation" else "acidic"
        text = f"{_marked(system)}\n[dim]without {_lacking(system)}[/dim]"
        if system.validity:
            text += f"\n[dim]{system.validity[0]}[/dim]"
        made.add_row(
            f"[bold]{system.name}[/bold]",
            f"{system.extractant}, {form}\n{system.medium}",
            f"{text}\n",
        )
    terminal.print(made)
    legend = [f"Nd{mark} {MEANINGS[key]}" for key, mark in MARKS.items()]
    terminal.print("Evidence: " + "; ".join(legend) + ".")
    terminal.print("An element without a constant is refused, never taken as zero.")
    terminal.print("`raffinate systems NAME` shows constants, limits, sources and what is missing.")
    terminal.print()
    made = table("Plants", "plant", "title", "systems", "circuits", "stages", left=3)
    for plant in plants:
        systems = ", ".join(dict.fromkeys(each.system.name for each in plant.circuits))
        made.add_row(plant.name, plant.title, systems, str(len(plant.circuits)), str(plant.stages))
    terminal.print(made)


def _print_system(terminal: Console, system: ExtractionSystem) -> None:
    terminal.print(f"[bold]{system.name}[/bold]  {system.title}\n")
    _print_properties(terminal, system)
    places = {source: f"{place + 1}" for place, source in enumerate(system.sources)}
    _print_constants(terminal, system, places)
    _print_missing(terminal, system)
    if system.validity:
        terminal.print("[bold]Where it holds[/bold]")
        for sentence in system.validity:
            terminal.print(f"· {sentence}")
        terminal.print()
    print_sources(terminal, system.sources, numbered=True)


def reaction(system: ExtractionSystem) -> str:
    """Return the reaction whose constants a system states, for a trivalent ion."""
    if system.mechanism == "solvation":
        return "M³⁺ + 3X⁻ + nE ⇌ MX₃·Eₙ"
    return "M³⁺ + nE ⇌ M·Eₙ(−3H) + 3H⁺"


def _print_properties(terminal: Console, system: ExtractionSystem) -> None:
    unit = {"dimer": "(HA)₂", "monomer": "the single molecule"}[system.extractant_form]
    loading = system.loading
    rows = {
        "extractant": f"{system.extractant}, free as E = {unit}",
        "medium": system.medium,
        "reaction": reaction(system),
        "activities of the liquor": system.activity,
        "organic against loading": "ideal"
        if loading is None
        else f"regular solution, level {loading.level:.3f}, spread {loading.spread:.3f}, "
        f"reference log₁₀ K {loading.reference:.3f} ({loading.source.evidence})",
        "largest loading": _limit(system.loading_limit, system.loading_limit_source),
        "largest saponification": _limit(
            system.saponification_limit, system.saponification_limit_source
        ),
        "aqueous complexes": ", ".join(species.name for species in system.complexes) or "none",
    }
    for name, (low, high) in (system.ranges.spans if system.ranges else {}).items():
        label, scale, sign = RANGES[name]
        rows[f"range of {label}"] = f"{low / scale:.3g} to {high / scale:.3g}{sign}"
    if system.organic_species:
        rows["further organic species"] = ", ".join(s.name for s in system.organic_species)
    made = table("", "", "", left=2)
    made.show_header, made.title = False, None
    for key, value in rows.items():
        made.add_row(key, value)
    terminal.print(made)


def _limit(limit: float | None, source: Source | None) -> str:
    if limit is None:
        return "no limit sourced"
    return f"{limit:.0%} of the extractant" + (f" ({source.evidence})" if source else "")


def _print_constants(
    terminal: Console, system: ExtractionSystem, places: dict[Source, str]
) -> None:
    slopes = {slope.element: slope for slope in system.apparent}
    wide = ("slope\npH", "slope\nlog₁₀ E") if slopes else ()
    made = table(
        f"Constants of {reaction(system)}, mol/L",
        "", "evidence", "source", "log₁₀ K", "±", "n", "β to the\none before", *wide,
        left=3,
    )  # fmt: skip
    before = ""
    for place, symbol in enumerate(system.elements):
        deviation = float(system.log10_standard_deviation[place])
        cells = [
            symbol,
            system.evidence[place],
            places[system.constant_sources[place]],
            f"{system.log10_extraction_constant[place]:.3f}",
            f"{deviation:.3f}" if deviation > 0.0 else "unknown",
            f"{system.extractant_number[place]:g}",
            _factor(system, symbol, before),
        ]
        made.add_row(*cells, *(_slope_cells(system, symbol) if wide else ()))
        before = symbol
    made.add_section()
    for name, constant, source in _cations(system):
        made.add_row(name, source.evidence, places.get(source, "–"), f"{constant:.3f}", "unknown")
    terminal.print(made)
    if any(slope.slope_per_extractant for slope in system.apparent):
        terminal.print("E in a slope is the extractant, in mol/L of its free units.\n")


def _cations(system: ExtractionSystem) -> list[tuple[str, float, Source]]:
    import math

    found: list[tuple[str, float, Source]] = [
        (cation.name, cation.log10_constant, cation.source) for cation in system.exchange_cations
    ]
    if math.isfinite(system.log10_saponification_constant):
        own = ("ammonium", system.log10_saponification_constant, system.saponification_source)
        found.insert(0, own)
    return found


def _slope_cells(system: ExtractionSystem, symbol: str) -> tuple[str, str]:
    for slope in system.apparent:
        if slope.element == symbol:
            growth = slope.slope_per_extractant
            grows = f" {'+' if growth > 0.0 else '−'} {abs(growth):.3g} E" if growth else ""
            return f"{slope.slope:.3g}{grows}", f"{slope.extractant_slope:.3g}"
    place = system.index(symbol)
    acid = 0.0 if system.mechanism == "solvation" else float(system.charge[place])
    return f"{acid:g}", f"{system.extractant_number[place]:g}"


def _factor(system: ExtractionSystem, symbol: str, before: str) -> str:
    from raffinate.errors import SpecificationError

    if not before:
        return "–"
    try:
        return f"{system.separation_factor(symbol, before):.3g}"
    except SpecificationError:
        return "varies"


def _print_missing(terminal: Console, system: ExtractionSystem) -> None:
    if not system.missing:
        return
    reasons: dict[str, list[str]] = {}
    for symbol, reason in system.missing:
        reasons.setdefault(reason, []).append(symbol)
    made = table("Missing: no constant, and asking for it is an error", "", "why", left=2)
    for reason, symbols in reasons.items():
        made.add_row(", ".join(symbols), reason)
    terminal.print(made)
