"""What a shift or a lot was like: the facts of a report, from the history alone."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from raffinate.plant.model import Plant, Product
from raffinate.runtime.historian_types import (
    Historian,
    SequenceGap,
    StoredChange,
    StoredNote,
    StoredSample,
    Trend,
)
from raffinate.runtime.history_report_periods import HOUR_US, ClosedLot, Period, closed_lot

POINTS = 400
"""Buckets of a trend in a report: more than half a millimetre apart on paper."""

REAGENTS = {"NH3": "NH₃", "HCl": "HCl"}
"""Reagents whose use is kept, with their formula."""

PRIORITIES = ("high", "medium", "low")
"""Of alarms, the most urgent first."""

_MODE = re.compile(r"(?:Mode: |Run begins in )(\w+)")
_NO_BAD = ("good", "below_limit")


@dataclass(frozen=True, slots=True, kw_only=True)
class PurityPoint:
    """One measured purity.

    Attributes:
        t_us: When the sample was taken, UTC [µs].
        purity: Oxide mass fraction of the product, [-].
        sigma: Its standard deviation, [-].
    """

    t_us: int
    purity: float
    sigma: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProductFacts:
    """One product over a period.

    Attributes:
        name: As in the plant file.
        title: In words.
        limit: Purity it has to reach, [-].
        outlet: True purity at the outlet; without buckets where no virtual plant tells it.
        analyzer: What the online analyzer found at the outlet, as far as its sigma can tell the
            limit from nothing.
        lab: What the laboratory found likewise, by time of sampling.
        lab_bias: Mean of laboratory less outlet, and its sigma, [-]; NaN without both.
        off_spec_h: Time below the limit, [h]; NaN where unknown, as in the next two.
        off_spec_t: REO made below it, [t].
        made_t: REO made, [t].
        lots: Closed in the period.
    """

    name: str
    title: str
    limit: float
    outlet: Trend
    analyzer: tuple[PurityPoint, ...]
    lab: tuple[PurityPoint, ...]
    lab_bias: tuple[float, float]
    off_spec_h: float
    off_spec_t: float
    made_t: float
    lots: tuple[ClosedLot, ...]

    @property
    def mean(self) -> float:
        """Mean purity at the outlet, [-]; of the analyzer or the laboratory where that is all."""
        if self.outlet.count.sum():
            held = self.outlet.count > 0
            return float(np.average(self.outlet.mean[held], weights=self.outlet.count[held]))
        return mean_of(self.analyzer or self.lab)[0]

    @property
    def worst(self) -> tuple[int, float]:
        """When the purity was lowest, UTC [µs], and how low, [-]; 0 and NaN without any."""
        if self.outlet.count.sum():
            place = int(np.nanargmin(self.outlet.low))
            return int(self.outlet.t_us[place]), float(self.outlet.low[place])
        lowest = min(self.analyzer or self.lab, key=lambda p: p.purity, default=None)
        return (0, math.nan) if lowest is None else (lowest.t_us, lowest.purity)

    @property
    def margin(self) -> float:
        """Decades by which the mean impurity lies inside its limit, [-]."""
        impurity = 1.0 - self.mean
        return math.log10((1.0 - self.limit) / impurity) if impurity > 0.0 else math.nan

    @property
    def on_spec(self) -> bool:
        """Whether the purity never fell below the limit, as far as is known."""
        if math.isfinite(self.off_spec_h):
            return not self.off_spec_h > 0.0
        return not self.worst[1] < self.limit


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LeverFacts:
    """One lever over a period; flows in m³/h.

    Attributes:
        name: As in the plant file.
        title: In words.
        measured: Measured flow.
        setpoint: Setpoint in force.
    """

    name: str
    title: str
    measured: Trend
    setpoint: Trend


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFacts:
    """The samples of one instrument at one place.

    Attributes:
        instrument: Its name.
        place: Where the samples were taken.
        count: Samples.
        bad: Of them without a usable result.
        longest_gap_h: Longest time without a usable one, ends of the period included, [h].
        delay_h: Median time from sample to result, [h]; NaN without samples.
    """

    instrument: str
    place: str
    count: int
    bad: int
    longest_gap_h: float
    delay_h: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Report:
    """Everything a report says.

    Attributes:
        plant: Name of the plant.
        title: Of the plant, in words.
        period: What it is about.
        products: By the order of the plant file.
        reagents: Reagent per product made in the period, by formula, [t per t REO]; NaN where
            unknown.
        levers: By the order of the plant file.
        modes: Beginning and end, UTC [µs], and mode of control, in their order.
        alarms: Calls, the oldest first.
        upsets: Upsets that were called for, began or ended.
        changes: Accepted and refused, the oldest first.
        streams: Samples by instrument and place.
        values: Good and bad rows of all tags.
        worst_tags: The tags with most bad rows: name, good rows, bad rows.
        gaps: Records that never came.
    """

    plant: str
    title: str
    period: Period
    products: tuple[ProductFacts, ...]
    reagents: Mapping[str, float]
    levers: tuple[LeverFacts, ...]
    modes: tuple[tuple[int, int, str], ...]
    alarms: tuple[StoredNote, ...]
    upsets: tuple[StoredNote, ...]
    changes: tuple[StoredChange, ...]
    streams: tuple[StreamFacts, ...]
    values: tuple[int, int]
    worst_tags: tuple[tuple[str, int, int], ...]
    gaps: tuple[SequenceGap, ...]

    @property
    def alarm_count(self) -> dict[str, int]:
        """Calls by priority, the most urgent first."""
        found = Counter(alarm.priority for alarm in self.alarms)
        return {priority: found[priority] for priority in PRIORITIES}


def build_report(historian: Historian, plant: Plant, period: Period) -> Report:
    """Collect what there is to say of a period.

    Args:
        historian: The history.
        plant: Whose it is: names, titles and limits.
        period: Which span.
    """
    begin, end = period.begin_us, period.end_us
    samples = historian.samples("", begin, end)
    notes = historian.notes(begin, end)
    rows = historian.bad(begin, end)
    worst = sorted(rows.items(), key=lambda item: -item[1][1])
    return Report(
        plant=plant.name,
        title=plant.title,
        period=period,
        products=tuple(
            _product(historian, product, period, samples, notes)
            for product in plant.products.values()
        ),
        reagents=_reagents(historian, plant, period),
        levers=tuple(
            LeverFacts(
                name=name,
                title=limits.title,
                measured=historian.trend(f"Levers/{name}/Measured", begin, end, POINTS),
                setpoint=historian.trend(f"Levers/{name}/InForce", begin, end, POINTS),
            )
            for name, limits in plant.levers.items()
        ),
        modes=modes_of(historian.notes(period.epoch_us - 1, end, ("mode", "run")), period),
        alarms=tuple(n for n in notes if n.kind == "alarm" and n.priority in PRIORITIES),
        upsets=tuple(n for n in notes if n.kind == "upset"),
        changes=tuple(historian.changes(begin, end)),
        streams=_streams(samples, period),
        values=(sum(good for good, _ in rows.values()), sum(bad for _, bad in rows.values())),
        worst_tags=tuple((name, good, bad) for name, (good, bad) in worst[:5] if bad),
        gaps=tuple(historian.gaps(begin, end)),
    )


def _product(
    historian: Historian,
    product: Product,
    period: Period,
    samples: Sequence[StoredSample],
    notes: Sequence[StoredNote],
) -> ProductFacts:
    folder = f"Truth/Products/{product.name}"
    measured = {
        kind: tuple(
            point
            for sample in samples
            if sample.reading.place == product.name and sample.reading.instrument == kind
            for point in _purity(sample, product)
        )
        for kind in ("xrf", "assay")
    }
    lots = (lot for lot in map(closed_lot, notes) if lot is not None)
    return ProductFacts(
        name=product.name,
        title=product.title,
        limit=product.purity_limit,
        outlet=historian.trend(f"{folder}/Purity", period.begin_us, period.end_us, POINTS),
        analyzer=measured["xrf"],
        lab=measured["assay"],
        lab_bias=_bias(historian, f"{folder}/Purity", measured["assay"]),
        off_spec_h=_grown(historian, f"{folder}/OffSpecHours", period),
        off_spec_t=_grown(historian, f"{folder}/OffSpecTonnes", period),
        made_t=_grown(historian, f"{folder}/MadeTonnes", period),
        lots=tuple(lot for lot in lots if lot.product == product.name),
    )


def _purity(sample: StoredSample, product: Product) -> tuple[PurityPoint, ...]:
    impurity, sigma = sample.reading.impurity(product.elements)
    if sample.reading.quality not in _NO_BAD or not math.isfinite(impurity):
        return ()
    # A liquor that carries next to nothing has a purity only by name.
    if not sigma < max(1.0 - product.purity_limit, impurity / 3.0):
        return ()
    return (PurityPoint(t_us=sample.t_us, purity=1.0 - impurity, sigma=sigma),)


def mean_of(points: Sequence[PurityPoint]) -> tuple[float, float]:
    """Return the mean of measured purities and its sigma, [-]; NaN without any.

    Not weighted with the sigmas: they grow with the impurity, so that the mean of a drifting
    product would be that of its good times.
    """
    if not points:
        return math.nan, math.nan
    count = len(points)
    spread = math.sqrt(sum(point.sigma**2 for point in points)) / count
    return sum(point.purity for point in points) / count, spread


def _bias(historian: Historian, tag: str, points: Sequence[PurityPoint]) -> tuple[float, float]:
    differences = []
    for point in points:
        found = historian.latest([tag], point.t_us).get(tag)
        if found is not None and math.isfinite(found[1]):
            differences.append(
                PurityPoint(t_us=point.t_us, purity=point.purity - found[1], sigma=point.sigma)
            )
    return mean_of(differences)


def _at(historian: Historian, tag: str, t_us: int) -> float:
    found = historian.latest([tag], t_us).get(tag)
    return math.nan if found is None else found[1]


def _grown(historian: Historian, tag: str, period: Period) -> float:
    """Return by how much a counter grew; before its first row it stood at 0."""
    # The row at the beginning tells of the time before it.
    before = historian.latest([tag], period.begin_us).get(tag)
    return _at(historian, tag, period.end_us) - (0.0 if before is None else before[1])


def _reagents(historian: Historian, plant: Plant, period: Period) -> dict[str, float]:
    """Return the use in the period from the use per tonne since the beginning of the run."""

    def used(formula: str, t_us: int) -> tuple[float, float]:
        ratio = _at(historian, f"Truth/Reagents/{formula}", t_us)
        made = [
            _at(historian, f"Truth/Products/{name}/MadeTonnes", t_us) for name in plant.products
        ]
        return (ratio * sum(made), sum(made)) if math.isfinite(ratio) else (0.0, 0.0)

    found = {}
    for formula in REAGENTS:
        (first, made_first), (last, made_last) = (
            used(formula, t_us) for t_us in (period.begin_us, period.end_us)
        )
        made = made_last - made_first
        found[formula] = (last - first) / made if made > 0.0 else math.nan
    return found


def modes_of(notes: Sequence[StoredNote], period: Period) -> tuple[tuple[int, int, str], ...]:
    """Return the modes of a period from the notes since the beginning of the run."""
    found: list[tuple[int, int, str]] = []
    for note in notes:
        mode = _MODE.match(note.text)
        if mode is None:
            continue
        begin = max(note.t_us, period.begin_us)
        if found:
            found[-1] = (found[-1][0], begin, found[-1][2])
        found.append((begin, period.end_us, mode[1]))
    merged: list[tuple[int, int, str]] = []
    for begin, end, name in found:
        if merged and merged[-1][2] == name:
            merged[-1] = (merged[-1][0], end, name)
        elif end > begin:
            merged.append((begin, end, name))
    return tuple(merged)


def _streams(samples: Sequence[StoredSample], period: Period) -> tuple[StreamFacts, ...]:
    by_stream: dict[tuple[str, str], list[StoredSample]] = {}
    for sample in samples:
        key = (sample.reading.instrument, sample.reading.place)
        by_stream.setdefault(key, []).append(sample)
    found = []
    for (instrument, place), members in sorted(by_stream.items()):
        usable = [
            m.t_us
            for m in members
            if m.reading.quality in _NO_BAD and np.isfinite(m.reading.values).all()
        ]
        edges = np.array([period.begin_us, *usable, period.end_us])
        found.append(
            StreamFacts(
                instrument=instrument,
                place=place,
                count=len(members),
                bad=len(members) - len(usable),
                longest_gap_h=float(np.diff(edges).max()) / HOUR_US,
                delay_h=float(np.median([m.result_us - m.t_us for m in members])) / HOUR_US,
            )
        )
    return tuple(found)
