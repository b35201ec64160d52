"""The pictures of a report: SVG written by hand, so that a report needs nothing but itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from raffinate.runtime.historian_types import Floats, Trend
from raffinate.runtime.history_report import LeverFacts, ProductFacts, Report
from raffinate.runtime.history_report_periods import Period

WIDTH = 760.0
LEFT, RIGHT = 66.0, 14.0
HOUR_STEPS = (0.25, 0.5, 1.0, 2.0, 4.0, 6.0, 12.0, 24.0, 48.0, 96.0, 168.0, 336.0, 720.0, 1440.0)
"""Distances between the ticks of a time axis, [h]."""

LEAST_IMPURITY = 1e-6
"""Impurity below which a chart does not look, [-]."""

MARKS = {"high": "▲", "medium": "◆", "low": "●"}
"""Shape of each priority, so that none is told by its colour alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Where a chart's quantities lie on paper; the vertical axis is linear in what it is given.

    Attributes:
        period: Of the horizontal axis.
        low: Value at the bottom.
        high: Value at the top.
        top: Upper edge, [px].
        height: [px].
    """

    period: Period
    low: float
    high: float
    top: float
    height: float

    def x(self, t_us: float) -> float:
        """Return where a time lies, [px]."""
        share = (t_us - self.period.begin_us) / max(self.period.end_us - self.period.begin_us, 1)
        return LEFT + min(max(share, 0.0), 1.0) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Return where a value lies, [px]; values outside lie on the edge."""
        share = (value - self.low) / (self.high - self.low)
        return self.top + self.height * (1.0 - min(max(share, 0.0), 1.0))

    def line(self, times: Sequence[float], values: Sequence[float], style: str) -> str:
        """Return a line, broken where values are none."""
        parts, pen = [], "M"
        for t_us, value in zip(times, values, strict=True):
            if math.isfinite(value):
                parts.append(f"{pen}{self.x(t_us):.1f} {self.y(value):.1f}")
                pen = "L"
            else:
                pen = "M"
        return f'<path class="{style}" d="{"".join(parts)}"/>' if parts else ""

    def band(self, trend: Trend, low: Floats, high: Floats) -> str:
        """Return the area between least and greatest values."""
        held = np.isfinite(low) & np.isfinite(high)
        upper = [(self.x(t), self.y(v)) for t, v in zip(trend.t_us[held], high[held], strict=True)]
        lower = [(self.x(t), self.y(v)) for t, v in zip(trend.t_us[held], low[held], strict=True)]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in (*upper, *reversed(lower)))
        return f'<polygon class="band" points="{points}"/>' if points else ""

    def hours(self) -> str:
        """Return the time axis, with plant hours."""
        first, last = (
            self.period.plant_hour(t) for t in (self.period.begin_us, self.period.end_us)
        )
        step = next((s for s in HOUR_STEPS if (last - first) / s <= 10.0), HOUR_STEPS[-1])
        bottom, found = self.top + self.height, []
        for number in range(math.ceil(first / step - 1e-9), math.floor(last / step + 1e-9) + 1):
            x = self.x(self.period.epoch_us + number * step * 3.6e9)
            found.append(
                f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{self.top}" y2="{bottom}"/>'
                f'<text class="tick" x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">'
                f"{number * step:g}</text>"
            )
        return "".join(found)

    def values(self, ticks: Sequence[tuple[float, str]]) -> str:
        """Return the vertical axis with these ticks."""
        return "".join(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" '
            f'y1="{self.y(value):.1f}" y2="{self.y(value):.1f}"/>'
            f'<text class="tick" x="{LEFT - 7}" y="{self.y(value) + 3.5:.1f}" '
            f'text-anchor="end">{escape(text)}</text>'
            for value, text in ticks
        )


def _svg(height: float, label: str, *parts: str) -> str:
    return (
        f'<div class="scroll"><svg viewBox="0 0 {WIDTH:g} {height:g}" role="img" '
        f'aria-label="{escape(label)}">{"".join(parts)}</svg></div>'
    )


def _decades(purity: Floats) -> Floats:
    return np.log10(np.maximum(1.0 - purity, LEAST_IMPURITY))


def purity_chart(product: ProductFacts, period: Period) -> str:
    """Return impurity over time on a logarithmic axis, with its limit and what was measured."""
    limit = math.log10(1.0 - product.limit)
    outlet = product.outlet
    points = (*product.analyzer, *product.lab)
    seen = np.concatenate(
        [
            _decades(outlet.low),
            _decades(outlet.high),
            _decades(np.array([p.purity for p in points])),
        ]
    )
    seen = np.concatenate([seen[np.isfinite(seen)], [limit - 0.3, limit + 0.15]])
    frame = Frame(
        period=period, low=max(float(seen.min()), limit - 1.5) - 0.05,
        high=min(float(seen.max()), limit + 1.5) + 0.05, top=8.0, height=150.0,
    )  # fmt: skip
    mantissas = (1, 2, 5) if frame.high - frame.low > 0.5 else (1, 1.5, 2, 3, 4, 5, 6, 8)
    ticks = [
        (value, f"{100.0 * 10.0**value:.3g} %")
        for decade in range(-6, 1)
        for value in (decade + math.log10(m) for m in mantissas)
        if frame.low <= value <= frame.high
    ]
    y = frame.y(limit)
    over = (
        f'<rect class="over" x="{LEFT}" width="{WIDTH - LEFT - RIGHT}" y="{frame.top}" '
        f'height="{y - frame.top:.1f}"/>'
        f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="limit-text" x="{WIDTH - RIGHT - 4}" y="{y - 5:.1f}" text-anchor="end">'
        f"limit {100.0 * (1.0 - product.limit):.3g} %</text>"
    )
    shown = [
        *(
            f'<circle class="analyzer" r="2" cx="{frame.x(p.t_us):.1f}" '
            f'cy="{frame.y(_one(p.purity)):.1f}"/>'
            for p in product.analyzer
        ),
        frame.band(outlet, _decades(outlet.high), _decades(outlet.low)),
        frame.line(outlet.t_us.tolist(), _decades(outlet.mean).tolist(), "line"),
        *(_lab_mark(frame, p.t_us, p.purity, p.sigma) for p in product.lab),
    ]
    label = f"Impurity of {product.title} in percent over plant hours"
    return _svg(180.0, label, over, frame.values(ticks), frame.hours(), *shown)


def _one(purity: float) -> float:
    return math.log10(max(1.0 - purity, LEAST_IMPURITY))


def _lab_mark(frame: Frame, t_us: int, purity: float, sigma: float) -> str:
    x, y = frame.x(t_us), frame.y(_one(purity))
    low, high = frame.y(_one(purity - 2.0 * sigma)), frame.y(_one(purity + 2.0 * sigma))
    return (
        f'<line class="bar" x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>'
        f'<rect class="lab" x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7"/>'
    )


def lever_chart(lever: LeverFacts, period: Period) -> str:
    """Return measured flow and setpoint over time."""
    held = [
        row[np.isfinite(row)]
        for row in (
            lever.measured.low,
            lever.measured.high,
            lever.setpoint.low,
            lever.setpoint.high,
        )
    ]
    seen = np.concatenate(held)
    if not len(seen):
        return ""
    middle, span = float(seen.max() + seen.min()) / 2.0, float(np.ptp(seen))
    half = max(0.56 * span, 0.02 * abs(middle), 1e-6)
    frame = Frame(period=period, low=middle - half, high=middle + half, top=6.0, height=84.0)
    step = 10.0 ** math.floor(math.log10(half))
    step *= next(m for m in (0.5, 1.0, 2.0, 5.0) if 2.0 * half / (m * step) <= 4.0)
    first, last = math.ceil(frame.low / step), math.floor(frame.high / step)
    ticks = [(number * step, f"{number * step:.6g}") for number in range(first, last + 1)]
    measured, setpoint = lever.measured, lever.setpoint
    return _svg(
        112.0,
        f"{lever.title} flow in cubic metres per hour over plant hours",
        frame.values(ticks),
        frame.hours(),
        frame.band(measured, measured.low, measured.high),
        frame.line(measured.t_us.tolist(), measured.mean.tolist(), "line"),
        frame.line(setpoint.t_us.tolist(), setpoint.last.tolist(), "setpoint"),
    )


def strip_chart(report: Report) -> str:
    """Return what happened as a strip: modes, upsets and alarms along the hours."""
    period = report.period
    frame = Frame(period=period, low=0.0, high=1.0, top=6.0, height=78.0)
    parts = [frame.hours()]
    for row, name in enumerate(("mode", "upsets", "alarms")):
        parts.append(
            f'<text class="tick" x="{LEFT - 7}" y="{23.5 + 26 * row}" text-anchor="end">'
            f"{name}</text>"
        )
    for number, (begin, end, mode) in enumerate(report.modes):
        x, width = frame.x(begin), frame.x(end) - frame.x(begin)
        parts.append(
            f'<rect class="mode{number % 2}" x="{x:.1f}" y="9" width="{width:.1f}" height="20"/>'
        )
        if width > 8.0 * len(mode):
            parts.append(
                f'<text class="mark" x="{x + width / 2:.1f}" y="23.5" text-anchor="middle">'
                f"{escape(mode)}</text>"
            )
    parts += [
        f'<text class="mark" x="{frame.x(note.t_us):.1f}" y="50" text-anchor="middle">▼'
        f"<title>{escape(note.text)}</title></text>"
        for note in report.upsets
    ]
    parts += [
        f'<text class="mark {note.priority}" x="{frame.x(note.t_us):.1f}" y="76" '
        f'text-anchor="middle">{MARKS[note.priority]}<title>{escape(note.text)}</title></text>'
        for note in report.alarms
    ]
    return _svg(106.0, "Modes, upsets and alarms over plant hours", *parts)
