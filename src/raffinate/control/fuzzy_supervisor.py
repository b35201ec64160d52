"""Supervisory fuzzy control of a two-product bank: where the fronts stand decides the flows.

The bank holds an almost integrating inventory. Two numbers describe it, both on the log scale on
which fronts move evenly: how far the ratio of heavy to light product stands above its target in
the extraction, and in the scrub. Their mean is the *inventory error* (too much of the strip
product in the bank), mended by drawing more of the strip liquor; half their difference is the
*sharpness error* (both ends impure), mended by more organic, with acid in proportion. Each goes
through a Mamdani rule base of error and trend that answers with a rate of change, so that every
constant error of a flow meter is integrated away. The laboratory's purities move the targets.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from raffinate.control.fuzzy import MamdaniEngine
from raffinate.control.fuzzy_terms import (
    Shape,
    Variable,
    falling_shoulder,
    rising_shoulder,
    triangle,
)
from raffinate.instruments.reading import Reading, judge_reading
from raffinate.units import HOUR

NAMES = ("strongly_low", "low", "on_target", "high", "strongly_high")
TRENDS = ("falling_fast", "falling", "steady", "rising", "rising_fast")
MOVES = ("cut_hard", "cut", "cut_slightly", "hold", "raise_slightly", "raise", "raise_hard")


def _terms(names: Sequence[str], span: float) -> dict[str, Shape]:
    """Return evenly spaced terms over ±span, shoulders at the ends."""
    count = len(names)
    centres = [-span + 2.0 * span * k / (count - 1) for k in range(count)]
    terms: dict[str, Shape] = {names[0]: falling_shoulder(centres[0], centres[1])}
    for k in range(1, count - 1):
        terms[names[k]] = triangle(centres[k - 1], centres[k], centres[k + 1])
    terms[names[-1]] = rising_shoulder(centres[-2], centres[-1])
    return terms


def rule_base(subject: str, move: str, error_span: float, trend_span: float) -> MamdaniEngine:
    """Return the rules that turn error and trend of `subject` into a change of `move`.

    Args:
        subject: Name of the error, such as "inventory".
        move: Name of the output, such as "draw".
        error_span: Error at which the outermost term is full, [decades].
        trend_span: Trend at which the outermost term is full, [decades per hour].

    Returns:
        An engine with output in -1 … 1; error and trend count equally at their spans.
    """
    rules = []
    for row, level in enumerate(NAMES):
        for column, trend in enumerate(TRENDS):
            answer = MOVES[min(max(row + column - 1, 0), 6)]
            rules.append(f"if {subject} is {level} and trend is {trend} then {move} is {answer}")
    return MamdaniEngine(
        inputs=(
            Variable(
                name=subject,
                low=-2 * error_span,
                high=2 * error_span,
                terms=_terms(NAMES, error_span),
            ),
            Variable(
                name="trend",
                low=-2 * trend_span,
                high=2 * trend_span,
                terms=_terms(TRENDS, trend_span),
            ),
        ),
        outputs=(Variable(name=move, low=-1.0, high=1.0, terms=_terms(MOVES, 1.0)),),
        rules=tuple(rules),
        conjunction="product",
        implication="product",
        aggregation="sum",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopTuning:
    """Tuning of one fuzzy loop.

    Attributes:
        error_span: Error that counts as strong, [decades].
        trend_span: Trend that counts as fast, [decades/h].
        gain: Rate of change of the logarithm of the flow at a strong error, [1/h].
    """

    error_span: float
    trend_span: float
    gain: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitored:
    """A monitored stage.

    Attributes:
        place: Name of its readings.
        side: -1 in the extraction, +1 in the scrub.
        target: log₁₀ of heavy over light in the model's nominal profile, [-].
    """

    place: str
    side: int
    target: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """A product as the supervisor sees it.

    Attributes:
        name: Place of its assays.
        side: -1 for the raffinate, +1 for the strip liquor.
        elements: Its elements.
        aim: log₁₀ of the impurity mass fraction wanted, [-].
    """

    name: str
    side: int
    elements: tuple[str, ...]
    aim: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorState:
    """What the supervisor remembers.

    Attributes:
        time: Plant time of the last step, [s].
        readings: Latest good reading by place.
        previous: Latest reading by place, good or not, to notice a frozen instrument.
        quality: Judgement of the latest reading by place.
        error: Filtered errors of extraction and scrub, [decades].
        trend: Their filtered trends, [decades/h].
        trim: Shift of the targets in extraction and scrub, [decades].
        organic: ln of the organic flow over nominal.
        draw: ln of the drawn flow over nominal.
        acid: ln of the acid-to-organic ratio over nominal.
    """

    time: float
    readings: Mapping[str, Reading] = field(default_factory=dict)
    previous: Mapping[str, Reading] = field(default_factory=dict)
    quality: Mapping[str, str] = field(default_factory=dict)
    error: tuple[float, float] | None = None
    trend: tuple[float, float] = (0.0, 0.0)
    trim: tuple[float, float] = (0.0, 0.0)
    organic: float = 0.0
    draw: float = 0.0
    acid: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What the supervisor wants.

    Attributes:
        setpoints: By lever name, [m³/s].
        rules: (sentence, strength) of what fired, the strongest first.
        holding: Why it holds still; empty when it does not.
    """

    setpoints: Mapping[str, float]
    rules: tuple[tuple[str, float], ...]
    holding: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FuzzySupervisor:
    """Fuzzy control of organic, scrub and acid flow.

    Attributes:
        heavy: Elements of the strip product.
        light: Elements of the raffinate product.
        stages: Monitored stages.
        outlets: Products.
        nominal: Nominal flows by lever name, [m³/s].
        inventory: Tuning of the loop that moves the draw.
        sharpness: Tuning of the loop that moves the organic.
        lab_gain: Share of a purity error by which one assay moves the targets, [-].
        longest_age: Age above which a reading is stale, [s].
        reach: Largest |ln| of organic and of draw over nominal.
    """

    heavy: tuple[str, ...]
    light: tuple[str, ...]
    stages: tuple[Monitored, ...]
    outlets: tuple[Outlet, ...]
    nominal: Mapping[str, float]
    inventory: LoopTuning = LoopTuning(error_span=0.35, trend_span=0.01, gain=0.085)
    sharpness: LoopTuning = LoopTuning(error_span=0.35, trend_span=0.01, gain=0.045)
    lab_gain: float = 0.2
    longest_age: float = 3.0 * HOUR
    reach: tuple[float, float] = (0.45, 0.9)
    _inventory_rules: MamdaniEngine = field(init=False, repr=False)
    _sharpness_rules: MamdaniEngine = field(init=False, repr=False)

    def __post_init__(self) -> None:
        inventory = rule_base(
            "inventory", "draw", self.inventory.error_span, self.inventory.trend_span
        )
        sharpness = rule_base(
            "bluntness", "organic", self.sharpness.error_span, self.sharpness.trend_span
        )
        object.__setattr__(self, "_inventory_rules", inventory)
        object.__setattr__(self, "_sharpness_rules", sharpness)

    @property
    def _nominal_draw(self) -> float:
        return self.nominal["acid_flow"] - self.nominal["scrub_flow"]

    def start(
        self, time: float, in_force: Mapping[str, float], before: SupervisorState | None = None
    ) -> SupervisorState:
        """Take over from the setpoints in force, so that the first advice moves nothing.

        Args:
            time: Plant time, [s].
            in_force: Setpoints by lever name, [m³/s].
            before: State of an earlier watch, whose readings and trims are kept.
        """
        state = before if before is not None else SupervisorState(time=time)
        draw = max(in_force["acid_flow"] - in_force["scrub_flow"], 1e-3 * self._nominal_draw)
        organic = math.log(in_force["organic_flow"] / self.nominal["organic_flow"])
        acid = math.log(in_force["acid_flow"] / self.nominal["acid_flow"])
        return replace(
            state,
            organic=organic,
            draw=math.log(draw / self._nominal_draw),
            acid=acid - organic,
        )

    def observe(
        self,
        state: SupervisorState,
        readings: Sequence[Reading],
        assays: Sequence[Reading],
        time: float,
    ) -> SupervisorState:
        """Take in what became known; judges every reading before it is believed."""
        latest, previous = dict(state.readings), dict(state.previous)
        quality = dict(state.quality)
        for reading in readings:
            verdict, _ = judge_reading(reading, previous.get(reading.place), time, self.longest_age)
            previous[reading.place] = reading
            quality[reading.place] = verdict
            if verdict in ("good", "below_limit"):
                latest[reading.place] = reading
        for place, reading in latest.items():
            if time - reading.sample_time > self.longest_age and quality.get(place) != "bad":
                quality[place] = "stale"
        state = replace(state, readings=latest, previous=previous, quality=quality)
        for assay in assays:
            state = self._trimmed(state, assay)
        return self._filtered(state, time)

    def _trimmed(self, state: SupervisorState, assay: Reading) -> SupervisorState:
        for outlet in self.outlets:
            if assay.place != outlet.name:
                continue
            verdict, _ = judge_reading(assay, None, assay.result_time, math.inf)
            if verdict not in ("good", "below_limit"):
                return state
            ratio = assay.log_ratio(
                tuple(e for e in assay.elements if e not in outlet.elements),
                outlet.elements,
                "oxide",
            )
            error = min(max(ratio.value - outlet.aim, -0.3), 0.3)
            trim = list(state.trim)
            index = 0 if outlet.side < 0 else 1
            trim[index] = min(max(trim[index] + outlet.side * self.lab_gain * error, -0.8), 0.8)
            return replace(state, trim=(trim[0], trim[1]))
        return state

    def _filtered(self, state: SupervisorState, time: float) -> SupervisorState:
        raw = self._errors(state, time)
        hours = (time - state.time) / HOUR
        if raw is None or hours <= 0.0:
            return replace(state, time=time)
        if state.error is None:
            return replace(state, time=time, error=raw)
        smooth, slope = 1.0 - math.exp(-hours / 1.0), 1.0 - math.exp(-hours / 2.0)
        error, trend = [], []
        for old, new, rate in zip(state.error, raw, state.trend, strict=True):
            filtered = old + smooth * (new - old)
            error.append(filtered)
            trend.append(rate + slope * ((filtered - old) / hours - rate))
        return replace(state, time=time, error=(error[0], error[1]), trend=(trend[0], trend[1]))

    def _errors(self, state: SupervisorState, time: float) -> tuple[float, float] | None:
        """Return how far the fronts stand above their targets; None without fresh readings."""
        sums: dict[int, list[float]] = {-1: [], 1: []}
        for stage in self.stages:
            reading = state.readings.get(stage.place)
            if reading is None or time - reading.sample_time > self.longest_age:
                continue
            ratio = reading.log_ratio(self.heavy, self.light)
            trim = state.trim[0 if stage.side < 0 else 1]
            sums[stage.side].append(ratio.value - stage.target - trim)
        if not sums[-1] or not sums[1]:
            return None
        return (sum(sums[-1]) / len(sums[-1]), sum(sums[1]) / len(sums[1]))

    def advise(
        self,
        state: SupervisorState,
        measured: Mapping[str, float],
        setpoints: Mapping[str, float],
        duration: float,
    ) -> tuple[SupervisorState, Advice]:
        """Return the setpoints for the next control period.

        Args:
            state: After `observe`.
            measured: Flows, [m³/s].
            setpoints: In force, [m³/s].
            duration: Length of the period, [s].
        """
        holding = self._reason_to_hold(state, measured, setpoints)
        if holding or state.error is None:
            return state, Advice(setpoints=self._setpoints(state), rules=(), holding=holding)
        extraction, scrub = state.error
        rising_e, rising_s = state.trend
        inventory = {"inventory": 0.5 * (extraction + scrub), "trend": 0.5 * (rising_e + rising_s)}
        blunt = {"bluntness": 0.5 * (extraction - scrub), "trend": 0.5 * (rising_e - rising_s)}
        hours = duration / HOUR
        draw = float(self._inventory_rules.evaluate(inventory)["draw"])
        organic = float(self._sharpness_rules.evaluate(blunt)["organic"])
        organic_reach, draw_reach = self.reach
        state = replace(
            state,
            draw=_within(state.draw + hours * self.inventory.gain * draw, draw_reach),
            organic=_within(state.organic + hours * self.sharpness.gain * organic, organic_reach),
            acid=state.acid * math.exp(-hours / 24.0),
        )
        fired = [*self._inventory_rules.explain(inventory), *self._sharpness_rules.explain(blunt)]
        rules = tuple(sorted(fired, key=lambda pair: -pair[1]))[:6]
        return state, Advice(setpoints=self._setpoints(state), rules=rules)

    def _reason_to_hold(
        self,
        state: SupervisorState,
        measured: Mapping[str, float],
        setpoints: Mapping[str, float],
    ) -> str:
        if state.error is None or self._errors(state, state.time) is None:
            return "no fresh readings on both sides of the feed"
        for name, wanted in setpoints.items():
            if not math.isfinite(measured[name]):
                return f"{name} is not measured"
            if abs(measured[name] - wanted) > 0.2 * wanted:
                return f"{name} does not follow its setpoint"
        return ""

    def _setpoints(self, state: SupervisorState) -> dict[str, float]:
        organic = self.nominal["organic_flow"] * math.exp(state.organic)
        acid = self.nominal["acid_flow"] * math.exp(state.organic + state.acid)
        draw = self._nominal_draw * math.exp(state.draw)
        return {
            "organic_flow": organic,
            "acid_flow": acid,
            "scrub_flow": max(acid - draw, 0.05 * acid),
        }


def _within(value: float, reach: float) -> float:
    return min(max(value, -reach), reach)
