"""The report of a fit as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path

from raffinate.chemistry.fit_assess import Assessment, assess
from raffinate.chemistry.fit_report import FitResult
from raffinate.errors import SpecificationError
from raffinate.plots.fit_curves import isotherm_panels, separation_panels
from raffinate.plots.fit_figures import Panel, parity_panels, residual_panels
from raffinate.plots.fit_style import STYLE
from raffinate.plots.fit_tables import (
    constants_table,
    exclusions_table,
    experiments_table,
    readings_table,
    scores_table,
    separations_table,
    source_scores_table,
)
from raffinate.plots.parity import element_colours, laboratory_markers

_SIGNS = {"o": "●", "s": "■", "^": "▲", "D": "◆", "v": "▼", "P": "✚", "X": "✖", "*": "★"}


def save_fit_report(result: FitResult, path: Path, assessment: Assessment | None = None) -> None:
    """Write the report of a fit as one self-contained HTML file.

    Args:
        result: The fit.
        path: Where to, ending in .html.
        assessment: As `assess` returns it; left out, it is made.

    Raises:
        SpecificationError: The ending is another one, or the file cannot be written.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise SpecificationError(
            f"{path.suffix or 'no ending'!r} is no ending of a report.",
            where=str(path),
            allowed=".html",
        )
    page = fit_report(result, assessment or assess(result))
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise SpecificationError(
            f"cannot be written ({error.strerror}).", where=str(path), mend="Choose another path."
        ) from error


def fit_report(result: FitResult, assessment: Assessment) -> str:
    """Return the report of a fit as an HTML page: figures, tables, and what is not known."""
    system = result.system
    body = "\n".join(_sections(result, assessment))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(system.name)}: fit of {escape(system.extractant)}</title>"
        f"<style>{STYLE}</style></head><body><main>\n"
        f"<header><p class='eyebrow'>{escape(system.name)}</p>"
        f"<h1>{escape(system.title)}</h1>{_headline(result, assessment)}</header>\n"
        f"{body}\n</main></body></html>\n"
    )


def _headline(result: FitResult, assessment: Assessment) -> str:
    used = len(result.laboratory_offsets)
    cells = [
        (f"{result.rows_used}", f"distribution ratios from {used} laboratories"),
        (f"{len(result.excluded)}", "tests left out before fitting, with reasons"),
        (f"{result.level_deviation:.2f}", "deviation of the common level of log₁₀ K"),
    ]
    if assessment.left_out.scores:
        pooled = assessment.left_out.pooled
        cells += [
            (f"{pooled.median_error:.2f}", "median error of log₁₀ D in a laboratory not seen"),
            (f"{pooled.rms:.2f}", "rms error there"),
            (f"{pooled.coverage:.0%}", "of its rows inside their 90 % interval"),
        ]
    shown = "".join(f"<div><dt>{label}</dt><dd>{value}</dd></div>" for value, label in cells)
    return f"<dl class='figures'>{shown}</dl>"


def _sections(result: FitResult, assessment: Assessment) -> Iterator[str]:
    yield from _found(result, assessment)
    if assessment.left_out.scores:
        yield _unseen(assessment)
    yield from _judged(result, assessment)
    yield from _doubted(result, assessment)


def _found(result: FitResult, assessment: Assessment) -> Iterator[str]:
    """Yield what the tests say."""
    yield _section(
        "Constants",
        "log₁₀ K with its deviation, its 90 % profile interval and, for comparison, the value had "
        "nothing been left out.",
        constants_table(result, assessment),
    )
    yield _section(
        "Separation factors",
        "What the tests say by themselves, what was known before, and both together, at trace "
        "loading. Deviations are of log₁₀ β.",
        separations_table(result),
        _gallery(separation_panels(result)),
    )


def _unseen(assessment: Assessment) -> str:
    return _section(
        "Laboratories not seen",
        "Each laboratory is predicted from the others, its own offset unknown: what to expect "
        "of the next one. One that was left out before fitting is printed but not pooled.",
        source_scores_table(assessment.left_out, "Exclusions kept"),
        source_scores_table(assessment.left_out_unfiltered, "Nothing excluded"),
    )


def _judged(result: FitResult, assessment: Assessment) -> Iterator[str]:
    """Yield how well predictions and tests agree."""
    yield _section(
        "Parity",
        "Bars are 90 % intervals for a new laboratory.",
        _key(result),
        _gallery(parity_panels(result, assessment.left_out)),
        scores_table(result.scores, "Errors of the fit, rows in use"),
        scores_table(result.unfiltered_scores, "Errors of a fit with nothing left out"),
    )
    yield _section(
        "Residuals",
        "Predicted less measured log₁₀ D; the band is ±0.2. A tilt means that something acts "
        "otherwise than the model says.",
        _gallery(residual_panels(result)),
    )
    yield _section(
        "Isotherms",
        "Elements shaken alone; bands are 90 % for a new laboratory.",
        _gallery(isotherm_panels(result)),
    )


def _doubted(result: FitResult, assessment: Assessment) -> Iterator[str]:
    """Yield what is not known, what was left out, and what everything rests on."""
    yield _section(
        "What the tests cannot tell",
        "Separation factors known from elsewhere set aside.",
        _list(f"{item.sentence}: ±{item.deviation:.2f}" for item in assessment.weak),
        experiments_table(assessment),
    )
    yield _section(
        "Left out, and why",
        "By rules set before anything was fitted.",
        exclusions_table(result),
        readings_table(result),
    )
    yield _section(
        "Sources", "", _list(str(source) for source in result.system.sources), _validity(result)
    )


def _section(title: str, lead: str, *parts: str) -> str:
    shown = "\n".join(part for part in parts if part)
    return f"<section><h2>{title}</h2><p>{lead}</p>\n{shown}</section>"


def _gallery(panels: Iterable[Panel]) -> str:
    shown = "".join(
        f"<figure><figcaption>{escape(panel.title)}</figcaption>{panel.svg}</figure>"
        for panel in panels
    )
    return f"<div class='gallery'>{shown}</div>" if shown else ""


def _key(result: FitResult) -> str:
    used = set(result.laboratory_offsets)
    elements = "".join(
        f"<li><span style='color:{colour.replace('#222222', 'var(--ink)')}'>●</span> {name}</li>"
        for name, colour in element_colours(result).items()
    )
    laboratories = "".join(
        f"<li>{_SIGNS[marker]} {escape(name)}{'' if name in used else ', hollow: left out'}</li>"
        for name, marker in laboratory_markers(result).items()
    )
    return f"<ul class='key'>{elements}{laboratories}</ul>"


def _list(sentences: Iterable[str]) -> str:
    shown = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f"<ul>{shown}</ul>" if shown else "<p>Nothing stands out.</p>"


def _validity(result: FitResult) -> str:
    sentences: Sequence[str] = result.system.validity
    return f"<h3>Where it holds</h3>{_list(sentences)}"
