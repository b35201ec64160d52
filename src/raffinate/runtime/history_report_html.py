"""A report as one HTML page that asks nothing of a network and prints on paper."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

from raffinate.runtime.history_report import (
    PRIORITIES,
    REAGENTS,
    ProductFacts,
    Report,
    mean_of,
)
from raffinate.runtime.history_report_charts import (
    MARKS,
    lever_chart,
    purity_chart,
    strip_chart,
)
from raffinate.runtime.history_report_periods import HOUR_US, Period

UNKNOWN = "–"

STYLE = """
:root { color-scheme: light; --text: #1b2025; --muted: #515a63; --rule: #d5d9dc; --red: #b0201c; }
* { box-sizing: border-box; }
body { font: 14px/1.45 system-ui, -apple-system, "Segoe UI", "Noto Sans", Arial, sans-serif;
  color: var(--text); background: #fff; max-width: 860px; margin: 0 auto; padding: 28px 24px 48px;
  font-variant-numeric: tabular-nums; }
h1 { font-size: 24px; line-height: 1.2; margin: 0 0 4px; }
h2 { font-size: 16px; margin: 30px 0 8px; padding-bottom: 4px;
  border-bottom: 1px solid var(--rule); }
h3 { font-size: 14px; margin: 14px 0 2px; }
p { margin: 4px 0; } .muted { color: var(--muted); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(160px, 1fr)); gap: 10px;
  margin: 18px 0 6px; }
.tile { border: 1px solid var(--rule); border-radius: 6px; padding: 9px 12px; }
.tile.bad { border: 2px solid var(--red); padding: 8px 11px; }
.tile b { display: block; font-size: 20px; line-height: 1.3; white-space: pre-line; }
.tile span { display: block; color: var(--muted); font-size: 12.5px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 13px; margin: 6px 0; }
th { text-align: left; font-weight: 600; color: var(--muted); border-bottom: 1px solid #9aa2a9;
  padding: 3px 10px 3px 0; vertical-align: bottom; }
td { padding: 3px 10px 3px 0; border-bottom: 1px solid #eceeef; vertical-align: top; }
td.n, th.n { text-align: right; white-space: nowrap; }
.w { white-space: nowrap; }
.bad-text { color: var(--red); font-weight: 600; }
svg { display: block; width: 100%; min-width: 600px; height: auto; margin: 4px 0 2px; }
svg text { font: 11px system-ui, -apple-system, "Segoe UI", "Noto Sans", Arial, sans-serif; }
.grid { stroke: #e3e6e8; stroke-width: .8; } .tick { fill: var(--muted); }
.line { fill: none; stroke: #3f6ea3; stroke-width: 1.6; stroke-linejoin: round; }
.setpoint { fill: none; stroke: #1b2025; stroke-width: 1.1; stroke-dasharray: 5 3; }
.band { fill: #3f6ea3; fill-opacity: .16; } .over { fill: #f4f0ef; }
.limit { stroke: var(--red); stroke-width: 1.2; stroke-dasharray: 7 4; }
.limit-text { fill: var(--red); } .mark { fill: var(--text); }
.high { fill: var(--red); color: var(--red); } .medium { fill: #9a5b00; color: #9a5b00; }
.low { fill: #515a63; color: #515a63; }
.mode0 { fill: #e3e6e8; } .mode1 { fill: #cbd1d6; }
.analyzer { fill: none; stroke: #8b939a; stroke-width: .8; }
.lab { fill: #fff; stroke: #97486f; stroke-width: 1.6; }
.bar { stroke: #97486f; stroke-width: 1.1; }
.legend { font-size: 12px; color: var(--muted); }
footer { margin-top: 34px; border-top: 1px solid var(--rule); padding-top: 8px; font-size: 12px;
  color: var(--muted); }
@media print { svg { min-width: 0; }
  body { max-width: none; padding: 0; font-size: 11.5px; } @page { margin: 14mm; }
  .tile, svg, tr, h3 { break-inside: avoid; } h2, h3 { break-after: avoid; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""


def report_to_html(report: Report) -> str:
    """Return the report as a page; everything that was written by people or machines is escaped."""
    period = report.period
    title = f"{period.title} · {report.title}"
    sections = (
        ("Purity", _purity(report)),
        ("Lots closed", _lots(report)),
        ("What happened", _happened(report)),
        ("Alarms", _alarms(report)),
        ("Who changed what", _changes(report)),
        ("Levers", _levers(report)),
        ("Quality of the data", _quality(report)),
    )
    body = "".join(f"<section><h2>{name}</h2>{text}</section>" for name, text in sections)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        f"<header><h1>{escape(period.title)}</h1>{_heading(report)}</header>"
        f"{_tiles(report)}{body}"
        "<footer>Times are hours of plant time unless they say UTC. Purity is the oxide mass "
        "fraction of the product. Written by raffinate from the history alone.</footer>"
        "</body></html>\n"
    )


def _heading(report: Report) -> str:
    period = report.period
    first, last = (period.plant_hour(t) for t in (period.begin_us, period.end_us))
    running = "" if period.complete else " <b>Not over yet: this is so far.</b>"
    return (
        f"<p>{escape(report.title)} ({escape(report.plant)})</p>"
        f'<p class="muted">Plant hours {first:.1f} to {last:.1f} ({period.hours:.1f} h), '
        f"{utc_text(period.begin_us)} to {utc_text(period.end_us)} UTC.{running}</p>"
    )


def utc_text(t_us: int) -> str:
    """Return a time as people write it, to the minute."""
    return datetime.fromtimestamp(t_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M")


def _tiles(report: Report) -> str:
    tiles = [_product_tile(product) for product in report.products]
    used = [
        f"{number(value, 3)} {REAGENTS[formula]}"
        for formula, value in report.reagents.items()
        if math.isfinite(value)
    ]
    tiles.append(_tile("Reagents, t per t REO made", "\n".join(used) or UNKNOWN))
    count = report.alarm_count
    named = ", ".join(f"{MARKS[name]} {many} {name}" for name, many in count.items() if many)
    tiles.append(_tile("Alarms", str(sum(count.values())), named or "none"))
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _product_tile(product: ProductFacts) -> str:
    if not math.isfinite(product.mean):
        return _tile(product.title, UNKNOWN, "no purity is known")
    if product.on_spec:
        note = f"✓ on specification, {product.margin:.2f} decades inside"
    elif math.isfinite(product.off_spec_h):
        note = f"▲ {product.off_spec_h:.1f} h off specification"
    else:
        note = f"▲ down to {percent(product.worst[1])}"
    made = f"{product.made_t:.2f} t REO" if math.isfinite(product.made_t) else ""
    return _tile(product.title, percent(product.mean), note, made, bad=not product.on_spec)


def _tile(name: str, value: str, *notes: str, bad: bool = False) -> str:
    texts = "".join(f"<span>{escape(note)}</span>" for note in notes if note)
    style = "tile bad" if bad else "tile"
    return f'<div class="{style}"><span>{escape(name)}</span><b>{escape(value)}</b>{texts}</div>'


def percent(fraction: float) -> str:
    """Return a purity in percent with the digits that tell 3N from 4N."""
    return f"{100.0 * fraction:.4f} %" if math.isfinite(fraction) else UNKNOWN


def number(value: float, digits: int) -> str:
    """Return a number with fixed decimals; a dash where there is none."""
    return f"{value:.{digits}f}" if math.isfinite(value) else UNKNOWN


def table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], left: Sequence[int] = (0,)
) -> str:
    """Return a table of ready HTML; columns not among `left` hold numbers."""

    def cell(tag: str, place: int, text: str) -> str:
        return f"<{tag}>{text}</{tag}>" if place in left else f'<{tag} class="n">{text}</{tag}>'

    head = "".join(cell("th", place, text) for place, text in enumerate(headings))
    body = "".join(
        f"<tr>{''.join(cell('td', place, text) for place, text in enumerate(row))}</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def _with_sigma(points: Sequence[Any]) -> str:
    mean, sigma = mean_of(points)
    return f"{percent(mean)} ± {100.0 * sigma:.4f} ({len(points)})" if points else UNKNOWN


def _purity(report: Report) -> str:
    period = report.period
    found = table(
        ("At the outlet", "Limit", "Mean", "Worst", "Off spec., h", "Off spec., t", "Made, t REO"),
        [
            (
                escape(product.title),
                percent(product.limit),
                percent(product.mean),
                _worst(product, period),
                number(product.off_spec_h, 1),
                number(product.off_spec_t, 2),
                number(product.made_t, 2),
            )
            for product in report.products
        ],
    )
    found += table(
        ("As measured", "Analyzer, mean ± σ (n)", "Lab, mean ± σ (n)", "Lab less outlet, ppm"),
        [
            (
                escape(product.title),
                _with_sigma(product.analyzer),
                _with_sigma(product.lab),
                _apart(product.lab_bias),
            )
            for product in report.products
        ],
    )
    for product in report.products:
        found += f"<h3>{escape(product.title)}: impurity</h3>{purity_chart(product, period)}"
    return found + (
        '<p class="legend">Line: at the outlet, with its least and greatest values; '
        "○ analyzer; □ laboratory with ± 2 σ, at the time of the sample; shaded: above the limit. "
        "Mean and worst are those of the outlet where the plant tells it, else of the "
        "measurements. Horizontal: plant hours.</p>"
    )


def _worst(product: ProductFacts, period: Period) -> str:
    when, worst = product.worst
    at = f" at {period.plant_hour(when):.1f} h" if when else ""
    text = percent(worst)
    return (f'<span class="bad-text">▲ {text}</span>' if worst < product.limit else text) + at


def _apart(bias: tuple[float, float]) -> str:
    mean, sigma = bias
    return f"{1e6 * mean:+.0f} ± {1e6 * sigma:.0f}" if math.isfinite(mean) else UNKNOWN


def _lots(report: Report) -> str:
    rows = [
        (
            escape(product.title),
            str(lot.number),
            f"{report.period.plant_hour(lot.t_us):.1f}",
            percent(lot.purity),
            "✓ on specification"
            if lot.purity >= product.limit
            else '<span class="bad-text">▲ below its limit</span>',
        )
        for product in report.products
        for lot in product.lots
    ]
    if not rows:
        return "<p>None.</p>"
    return table(("Product", "Lot", "Closed at, h", "Purity", "Verdict"), rows, left=(0, 4))


def _happened(report: Report) -> str:
    period = report.period
    spans: dict[str, float] = {}
    for begin, end, mode in report.modes:
        spans[mode] = spans.get(mode, 0.0) + (end - begin) / HOUR_US
    told = ", ".join(f"{escape(mode)} {hours:.1f} h" for mode, hours in spans.items())
    rows = [(f"{period.plant_hour(note.t_us):.2f}", escape(note.text)) for note in report.upsets]
    upsets = table(("Hour", "Upset"), rows, left=(0, 1)) if rows else "<p>No upset is known.</p>"
    return f"{strip_chart(report)}<p>Modes: {told or 'unknown'}.</p>{upsets}"


def _alarms(report: Report) -> str:
    if not report.alarms:
        return "<p>None.</p>"
    count = report.alarm_count
    rate = sum(count.values()) / max(report.period.hours, 1e-9)
    told = ", ".join(f"{count[name]} {name}" for name in PRIORITIES)
    rows = [
        (
            f"{report.period.plant_hour(alarm.t_us):.2f}",
            f'<span class="{alarm.priority}">{MARKS[alarm.priority]} {alarm.priority}</span>',
            escape(alarm.text),
        )
        for alarm in report.alarms
    ]
    return f"<p>{told}; {rate:.2f} per hour.</p>" + table(
        ("Hour", "Priority", "Alarm"), rows, left=(0, 1, 2)
    )


def _changes(report: Report) -> str:
    if not report.changes:
        return "<p>Nobody asked for anything.</p>"
    rows = []
    for change in report.changes:
        entry = change.entry
        old, new = (_shown(entry.get(key)) for key in ("old", "new"))
        verdict = (
            "accepted"
            if entry.get("accepted")
            else f'<span class="bad-text">✕ refused</span> {escape(str(entry.get("reason") or ""))}'
        )
        who = f"{entry.get('user', '?')} ({entry.get('role', '?')}, {entry.get('source', '?')})"
        rows.append(
            (
                f"{report.period.plant_hour(change.t_us):.2f}",
                escape(who),
                escape(str(entry.get("what", ""))),
                f'<span class="w">{f"{old} → {new}" if old != UNKNOWN else new}</span>',
                verdict,
            )
        )
    refused = sum(not change.entry.get("accepted") for change in report.changes)
    return f"<p>{len(rows) - refused} accepted, {refused} refused.</p>" + table(
        ("Hour", "Who", "What", "From → to", "Verdict"), rows, left=(0, 1, 2, 3, 4)
    )


def _shown(value: Any) -> str:
    if value is None or value == "":
        return UNKNOWN
    return escape(f"{value:.6g}" if isinstance(value, float) else str(value))


def _levers(report: Report) -> str:
    found = []
    for lever in report.levers:
        picture = lever_chart(lever, report.period)
        if not picture:
            found.append(f"<h3>{escape(lever.title)}</h3><p>No flow is known.</p>")
            continue
        held, set_to = lever.measured, lever.setpoint
        low, high = (min(held.low), max(held.high)) if held.count.sum() else (math.nan, math.nan)
        first, last = (set_to.last[0], set_to.last[-1]) if len(set_to.last) else (math.nan,) * 2
        found.append(
            f"<h3>{escape(lever.title)}, m³/h</h3>"
            f'<p class="muted">Measured {number(low, 3)} to {number(high, 3)}; '
            f"setpoint {number(first, 3)} at the beginning, {number(last, 3)} at the end.</p>"
            f"{picture}"
        )
    return "".join(found) + (
        '<p class="legend">Line: measured, with its least and greatest values; dashed: setpoint '
        "in force.</p>"
    )


def _quality(report: Report) -> str:
    good, bad = report.values
    share = bad / (good + bad) if good + bad else 0.0
    text = f"<p>{good + bad:,} values, {bad:,} of them bad ({100.0 * share:.2f} %)."
    if report.worst_tags:
        named = ", ".join(f"{escape(name)} {many:,}" for name, _, many in report.worst_tags)
        text += f" Most: {named}."
    text += "</p>"
    if report.gaps:
        lost = "; ".join(
            f"{escape(gap.source)} {gap.first} to {gap.last}, noticed at "
            f"{report.period.plant_hour(gap.t_us):.2f} h"
            for gap in report.gaps
        )
        text += f'<p class="bad-text">▲ Records that never came: {lost}.</p>'
    else:
        text += "<p>✓ No record is missing.</p>"
    rows = [
        (
            escape(stream.instrument),
            escape(stream.place),
            str(stream.count),
            f'<span class="bad-text">{stream.bad}</span>' if stream.bad else "0",
            f"{stream.longest_gap_h:.2f}",
            f"{stream.delay_h:.2f}",
        )
        for stream in report.streams
    ]
    if not rows:
        return text + "<p>No sample was taken.</p>"
    headings = (
        "Instrument", "Place", "Samples", "Bad", "Longest time without, h", "Median delay, h",
    )  # fmt: skip
    return text + table(headings, rows, left=(0, 1))
