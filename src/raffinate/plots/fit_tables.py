"""Tables of the fit report, as HTML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from raffinate.chemistry.fit_assess import Assessment
from raffinate.chemistry.fit_report import FitResult, LaboratoryScore
from raffinate.chemistry.fit_sources import SourceTable
from raffinate.units import PER_LITRE


def constants_table(result: FitResult, assessment: Assessment) -> str:
    """Return log₁₀ K of each element, and the scales and offsets that were estimated."""
    intervals = {item.name: item for item in assessment.profiles}
    system = result.system
    rows = []
    for symbol, constant, deviation, loose in zip(
        system.elements,
        system.log10_extraction_constant,
        system.log10_standard_deviation,
        result.unfiltered_constant,
        strict=True,
    ):
        span = intervals[symbol]
        rows.append(
            (
                symbol,
                f"{constant:.3f}",
                f"{deviation:.3f}",
                f"{span.low:.2f} … {span.high:.2f}",
                str(result.rows_of(symbol)),
                f"{loose:.3f}",
            )
        )
    heads = ("element", "log₁₀ K", "±", "90 %, profile", "n", "nothing left out")
    return table("", heads, rows) + _scales(result) + _loading(result, assessment)


def _scales(result: FitResult) -> str:
    scales, priors = result.estimate.scales, result.problem.effects
    rows = [
        ("flasks", f"{priors.flask.median:g}", f"×÷ {priors.flask.factor:g}", scales.flask),
        ("series", f"{priors.series.median:g}", f"×÷ {priors.series.factor:g}", scales.series),
        (
            "laboratories",
            f"{priors.laboratory.median:g}",
            f"×÷ {priors.laboratory.factor:g}",
            scales.laboratory,
        ),
    ]
    shown = [(name, median, factor, f"{value:.3f}") for name, median, factor, value in rows]
    offsets = [
        (
            name,
            f"{offset:+.3f}",
            f"{scales.assay[result.problem.laboratories.index(name)]:.2f}",
        )
        for name, offset in result.laboratory_offsets.items()
    ]
    return table(
        "Scatter of log₁₀ D besides assays", ("between", "prior", "", "found"), shown
    ) + table(
        "Laboratories in use", ("laboratory", "offset of log₁₀ D", "assay error ÷ stated"), offsets
    )


def _loading(result: FitResult, assessment: Assessment) -> str:
    loading = result.to_dict()["loading"]
    if loading is None:
        return ""
    spans = {item.name: item for item in assessment.profiles}
    rows = [
        (
            name,
            f"0 ± {entry['prior_deviation']:g}",
            f"{entry['posterior']:.3f}",
            f"{entry['posterior_deviation']:.3f}",
            f"{spans[name].low:.2f} … {spans[name].high:.2f}",
        )
        for name, entry in loading.items()
    ]
    return table(
        "Loading of the organic", ("term", "prior", "posterior", "±", "90 %, profile"), rows
    )


def separations_table(result: FitResult) -> str:
    """Return β by the data, before, and together."""
    rows = [
        (
            f"{pair.first}/{pair.second}",
            f"{pair.data:.2f}",
            f"{pair.data_deviation:.3f}",
            f"{pair.prior.separation_factor:.2f}" if pair.prior else "–",
            f"{pair.prior.log10_deviation:.3f}" if pair.prior else "–",
            f"{pair.prior.loading:.2f}" if pair.prior else "–",
            f"{pair.posterior:.2f}",
            f"{pair.posterior_deviation:.3f}",
        )
        for pair in result.separations
    ]
    heads = ("pair", "data", "±", "prior", "±", "at loading", "together", "±")
    return table("", heads, rows)


def source_scores_table(left_out: SourceTable, title: str) -> str:
    """Return the scores of laboratories left out in turn."""
    rows = [
        (
            score.laboratory + ("" if score.pooled else " (excluded)"),
            ", ".join(score.elements),
            str(score.rows),
            f"{score.median_error:.3f}",
            f"{score.rms:.3f}",
            f"{score.bias:+.3f}",
            f"{score.coverage:.0%}",
        )
        for score in left_out.scores
    ]
    heads = ("predicted", "elements", "n", "median error", "rms", "bias", "in 90 %")
    return table(title, heads, rows, words=2)


def scores_table(scores: Iterable[LaboratoryScore], title: str) -> str:
    """Return the errors of a fit by laboratory."""
    rows = [
        (
            score.laboratory,
            str(score.rows),
            f"{score.median_error:.3f}",
            f"{score.rms:.3f}",
            f"{score.bias:+.3f}",
        )
        for score in scores
    ]
    return table(title, ("laboratory", "n", "median error", "rms", "bias"), rows)


def experiments_table(assessment: Assessment) -> str:
    """Return the flasks that would teach most."""
    rows = [
        (
            " ".join(item.elements),
            f"{item.feed / PER_LITRE:g}",
            f"{item.acidity / PER_LITRE:g}",
            f"{item.extractant / PER_LITRE:g}",
            f"{item.oa_ratio:g}",
            f"{item.information:.2f}",
            item.improved,
            f"{item.deviation_before:.3f}",
            f"{item.deviation_after:.3f}",
        )
        for item in assessment.experiments
    ]
    heads = (
        "shake next",
        "metal, mol/L",
        "acid, mol/L",
        "HA, mol/L",
        "O/A",
        "information",
        "helps most",
        "± now",
        "± then",
    )
    return table("Which flask would help most, shaken by one more laboratory", heads, rows)


def exclusions_table(result: FitResult) -> str:
    """Return the tests left out, with reasons."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for item in result.excluded:
        reasons.setdefault((item.laboratory, item.reason), []).append(item.test_id)
    rows = [(lab, ", ".join(tests), reason) for (lab, reason), tests in reasons.items()]
    return table("", ("laboratory", "tests", "reason"), rows, words=3) if rows else ""


def readings_table(result: FitResult) -> str:
    """Return how well the acidities of each laboratory close under either reading."""
    rows = [
        (
            score.laboratory,
            score.reading,
            "–" if score.spread is None else f"{score.spread:.2f}",
            "–" if score.slope is None else f"{score.slope:.1f}",
            str(score.impossible),
        )
        for score in result.readings
    ]
    heads = ("laboratory", "acid read as", "spread of log K", "slope", "impossible")
    return table("Do the acidities close?", heads, rows, words=2)


def _shown(value: str) -> str:
    """Return text for a cell; a sign before a number is a minus, no hyphen."""
    text = escape(value)
    return f"−{text[1:]}".replace(" -", " −") if text[:1] == "-" else text


def table(
    title: str, heads: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 1
) -> str:
    """Return one table; its first `words` columns hold text, the others numbers."""

    def cells(tag: str, values: Sequence[str]) -> str:
        return "".join(
            f"<{tag}{'' if place < words else ' class=n'}>{_shown(value)}</{tag}>"
            for place, value in enumerate(values)
        )

    caption = f"<caption>{escape(title)}</caption>" if title else ""
    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return (
        f"<div class='wide' tabindex='0'><table>{caption}<thead><tr>{cells('th', heads)}</tr>"
        f"</thead><tbody>{body}</tbody></table></div>"
    )
