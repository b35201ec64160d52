"""The table of shipped systems in docs/reference/systems.md; run as a script it writes the file."""

from __future__ import annotations

from pathlib import Path

from raffinate.chemistry.separation_factors import load_separation_factors
from raffinate.chemistry.series import leave_one_out
from raffinate.chemistry.system import ExtractionSystem
from raffinate.chemistry.system_file import load_system, shipped_systems
from raffinate.cli.systems import RANGES
from raffinate.errors import SpecificationError
from raffinate.sources import Source

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "systems.md"

INTRODUCTION = """\
# Extraction systems

The systems that come with the package, element by element. `raffinate systems` prints them in a
terminal, `load_system(name)` loads one. This page is written by `python tests/system_tables.py`
from the data files, and a test fails when the two differ.

Constants are log₁₀ K on the scale of mol/L: of M³⁺ + n E ⇌ M·Eₙ(−3H) + 3 H⁺ for exchange, where E
is one unit of free extractant, and of M³⁺ + 3 X⁻ + n E ⇌ MX₃·Eₙ for solvation. A correlation
log₁₀ D = a + b pH + n log₁₀(C/C₀) found at a reference C₀ becomes log₁₀ K = a − n log₁₀ C₀, with C₀
in mol/L of free units; where its b or n is not that of the reaction, the slopes stand under
*apparent slopes* and the model keeps to them.

| evidence | means |
|---|---|
| sourced | printed in the reference |
| fitted | estimated from sourced data |
| computed | follows from sourced numbers by the formula in the note |
| interpolated | read off between measured neighbours; every result that uses one says so |
| assumed | nobody has measured it for this case; if an extraction constant, its result says so |

The elements with an assumed extraction constant stand in the file, under `assumed_constants`.

A standard deviation of – means that none is known. What has no constant is listed with the reason:
nothing is taken as zero. `interpolate_series(system, elements)` fills missing lanthanides between
measured ones on request: a straight line in atomic number, whose error is that with which the same
rule misses the measured elements (*leave-one-out* below).
"""


def page() -> str:
    """Return the text of the page."""
    parts = [INTRODUCTION, *(_system(load_system(name)) for name in shipped_systems()), _factors()]
    return "\n".join(parts)


def _system(system: ExtractionSystem) -> str:
    sources = {source: str(number) for number, source in enumerate(system.sources, start=1)}
    parts = [f"## {system.name}\n", f"{system.title}.\n", _facts(system, sources)]
    parts.append(_constants(system, sources))
    parts.append("".join(f"- {sentence}\n" for sentence in system.validity))
    if system.missing:
        parts.append(_missing(system))
    parts.append("".join(f"{number}. {_cite(source)}\n" for source, number in sources.items()))
    return "\n".join(parts)


def _facts(system: ExtractionSystem, sources: dict[Source, str]) -> str:
    rows = [
        ("mechanism", system.mechanism),
        ("medium", system.medium),
        ("extractant, free as", f"{system.extractant}, {system.extractant_form}"),
        ("temperature, K", f"{system.temperature:g}"),
        ("activities", system.activity),
    ]
    if system.saponification_source in sources:
        text = _constant(system.log10_saponification_constant, system.saponification_source)
        rows.append(
            ("ammonium, log₁₀ K", f"{text}, source {sources[system.saponification_source]}")
        )
    for cation in system.exchange_cations:
        text = _constant(cation.log10_constant, cation.source)
        rows.append((f"{cation.name}, log₁₀ K", f"{text}, source {sources[cation.source]}"))
    for species in (*system.complexes, *system.organic_species):
        text = _constant(species.log10_constant, species.source)
        rows.append((f"{species.name}, log₁₀ K", f"{text}, source {sources[species.source]}"))
    if system.loading is not None:
        model = system.loading
        text = f"level {model.level:.4g}, spread {model.spread:.4g} about {model.reference:.4g}"
        rows.append(("loading", f"{text}, source {sources[model.source]}"))
    limits = {
        "loading": (system.loading_limit, system.loading_limit_source),
        "saponification": (system.saponification_limit, system.saponification_limit_source),
    }
    for name, (limit, source) in limits.items():
        known = f"{limit:g}, source {sources[source]}" if limit and source else "none found"
        rows.append((f"limit of {name}", known))
    if system.ranges is not None:
        rows += [
            (
                f"range of {label}",
                f"{low / unit:.4g} to {high / unit:.4g}{symbol}, "
                f"source {sources[system.ranges.source]}",
            )
            for name, (low, high) in system.ranges.spans.items()
            for label, unit, symbol in (RANGES[name],)
        ]
    for slope in system.temperature_slopes:
        text = f"{slope.slope:g}, source {sources[slope.source]}"
        rows.append((f"{slope.element}, log₁₀ K over 1/T, K", text))
    rows.append(("leave-one-out, log₁₀ K", _leave_one_out(system)))
    head = "| | |\n|---|---|\n"
    return head + "".join(f"| {name} | {text} |\n" for name, text in rows)


def _leave_one_out(system: ExtractionSystem) -> str:
    try:
        return f"{leave_one_out(system):.2f}"
    except SpecificationError:
        return "–"


def _constants(system: ExtractionSystem, sources: dict[Source, str]) -> str:
    apparent = {slope.element: slope for slope in system.apparent}
    lines = [
        "| element | log₁₀ K | sd | evidence | source | bound units | apparent slopes |\n",
        "|---|---|---|---|---|---|---|\n",
    ]
    for place, symbol in enumerate(system.elements):
        slopes = "–"
        if symbol in apparent:
            own = apparent[symbol]
            steep = f" + {own.slope_per_extractant:g} f" if own.slope_per_extractant else ""
            slopes = f"pH {own.slope:g}{steep}; extractant {own.extractant_slope:g}"
            slopes += f" (source {sources[own.source]})"
        deviation = float(system.log10_standard_deviation[place])
        lines.append(
            f"| {symbol} | {system.log10_extraction_constant[place]:.3f} "
            f"| {f'{deviation:.3f}' if deviation else '–'} | {system.evidence[place]} "
            f"| {sources[system.constant_sources[place]]} "
            f"| {system.extractant_number[place]:g} | {slopes} |\n"
        )
    return "".join(lines)


def _missing(system: ExtractionSystem) -> str:
    rows = "".join(f"| {name} | {reason} |\n" for name, reason in system.missing)
    return "| no constant | why |\n|---|---|\n" + rows


def _constant(value: float, source: Source) -> str:
    return f"{value:g} ({source.evidence})"


def _cite(source: Source) -> str:
    parts = (source.title, source.reference, f"*{source.evidence}*", source.note, source.licence)
    return ". ".join(part.rstrip(".") for part in parts if part) + "."


def _factors() -> str:
    lines = [
        "## Separation factors as printed\n",
        "\nTo compare with; no constant rests on one unless a fit says so. ",
        "β is D(first)/D(second).\n\n",
        "| extractant | pair | β | conditions | evidence | reference |\n",
        "|---|---|---|---|---|---|\n",
    ]
    for row in load_separation_factors():
        note = f" ({row.source.note})" if row.source.note else ""
        lines.append(
            f"| {row.extractant} | {row.first}/{row.second} | {row.beta:g} | {row.conditions} "
            f"| {row.source.evidence} | {row.source.reference}{note} |\n"
        )
    return "".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
