"""The Mamdani engine, against simpful, against closed forms, and against itself."""

from __future__ import annotations

import numpy as np
import pytest
import simpful
from hypothesis import given, settings
from hypothesis import strategies as st

from raffinate.control.fuzzy import MamdaniEngine
from raffinate.control.fuzzy_terms import (
    Gaussian,
    Trapezoid,
    Variable,
    falling_shoulder,
    rising_shoulder,
    triangle,
)
from raffinate.errors import SpecificationError

FIVE = {
    "very_low": falling_shoulder(-1.0, -0.5),
    "low": triangle(-1.0, -0.5, 0.0),
    "right": triangle(-0.5, 0.0, 0.5),
    "high": triangle(0.0, 0.5, 1.0),
    "very_high": rising_shoulder(0.5, 1.0),
}


def five(name: str, **changes) -> Variable:
    return Variable(name=name, low=-1.0, high=1.0, terms=FIVE, **changes)


def table(step: int = 2) -> tuple[str, ...]:
    """A 5 x 5 rule table whose effect opposes the sum of both inputs."""
    names = list(FIVE)
    return tuple(
        f"if level is {first} and trend is {second} then flow is {names[4 - (i + j) // step]}"
        for i, first in enumerate(names)
        for j, second in enumerate(names)
    )


def opposing() -> tuple[str, ...]:
    """A 5 x 5 rule table that is antisymmetric about its middle."""
    names = list(FIVE)
    return tuple(
        f"if level is {names[i]} and trend is {names[j]} then flow is {names[k]}"
        for i in range(5)
        for j in range(5)
        for k in [2 - int(np.fix((i + j - 4) / 2))]
    )


def engine(rules: tuple[str, ...] | None = None, **options) -> MamdaniEngine:
    return MamdaniEngine(
        inputs=(five("level"), five("trend")),
        outputs=(five("flow"),),
        rules=rules or table(),
        **options,
    )


SMOOTH = {
    "level": {"low": Gaussian(-0.6, 0.3), "right": Gaussian(0.0, 0.25), "high": Gaussian(0.7, 0.4)},
    "trend": {"falling": Trapezoid(-1, -1, -0.4, 0.1), "rising": Trapezoid(-0.2, 0.5, 1, 1)},
    "flow": {
        "down": Trapezoid(-1, -1, -0.7, -0.2),
        "same": triangle(-0.5, 0.1, 0.4),
        "up": Gaussian(0.6, 0.2),
    },
}
BASES = {
    "table": ({"level": FIVE, "trend": FIVE, "flow": FIVE}, table()),
    "brackets": (
        SMOOTH,
        (
            "if (level is low) or (trend is falling) then flow is up",
            "if ((level is high) and (not (trend is falling))) then flow is down with 0.7",
            "if (not ((level is low) or (level is high))) then flow is same",
            "if ((level is right) or (level is high)) and (trend is rising) then flow is down",
        ),
    ),
    "weights": (
        SMOOTH,
        (
            "if (level is low) then flow is up with 0.9",
            "if (level is right) then flow is same with 0.3",
            "if (level is high) then flow is down with 0.5",
            "if (trend is rising) then flow is down with 0.2",
            "if (trend is rising) and (level is high) then flow is down with 0.8",
        ),
    ),
}


def variables(shapes) -> tuple[Variable, ...]:
    return tuple(Variable(name=n, low=-1.0, high=1.0, terms=t) for n, t in shapes.items())


def oracle_set(term: str, shape) -> simpful.FuzzySet:
    if isinstance(shape, Gaussian):
        return simpful.FuzzySet(function=simpful.Gaussian_MF(shape.centre, shape.width), term=term)
    ends = np.clip([shape.foot_left, shape.top_left, shape.top_right, shape.foot_right], -1, 1)
    return simpful.FuzzySet(function=simpful.Trapezoidal_MF(*ends.tolist()), term=term)


def oracle_rule(sentence: str) -> str:
    words = {"if": "IF", "then": "THEN", "and": "AND", "or": "OR", "not": "NOT", "is": "IS"}
    body, _, weight = sentence.partition(" with ")
    cause, _, effect = body.partition(" then ")
    if "(" not in cause:
        cause = cause.replace("if ", "if (").replace(" and ", ") and (") + ")"
    text = f"{cause} then ({effect})"
    for ours, theirs in words.items():
        text = text.replace(f"{ours} ", f"{theirs} ")
    return text + (f" WEIGHT {weight}" if weight else "")


def oracle(base: str, conjunction: str) -> simpful.FuzzySystem:
    shapes, rules = BASES[base]
    operators = ["AND_PRODUCT"] if conjunction == "product" else None
    system = simpful.FuzzySystem(show_banner=False, operators=operators, verbose=False)
    for name, terms in shapes.items():
        sets = [oracle_set(term, shape) for term, shape in terms.items()]
        lv = simpful.LinguisticVariable(sets, universe_of_discourse=[-1.0, 1.0])
        system.add_linguistic_variable(name, lv)
    system.add_rules([oracle_rule(rule) for rule in rules])
    return system


POINTS = 200
TOLERANCE = 2.0 * 2.0 / (POINTS - 1)
"""Two steps of the grid on a span of 2: the oracle gives the end points full weight."""


@pytest.mark.parametrize("base", list(BASES))
@pytest.mark.parametrize("conjunction", ["minimum", "product"])
@pytest.mark.parametrize("aggregation", ["maximum", "sum"])
def test_outputs_agree_with_simpful(base, conjunction, aggregation):
    system = oracle(base, conjunction)
    shapes, rules = BASES[base]
    *inputs, output = variables(shapes)
    ours = MamdaniEngine(
        inputs=tuple(inputs),
        outputs=(output,),
        rules=rules,
        conjunction=conjunction,
        aggregation=aggregation,
        resolution=POINTS,
    )
    unite = {"maximum": max, "sum": sum}[aggregation]

    @settings(max_examples=12, deadline=None, derandomize=True)
    @given(st.floats(-1, 1), st.floats(-1, 1))
    def agree(level, trend):
        system.set_variable("level", level)
        system.set_variable("trend", trend)
        theirs = system.Mamdani_inference(subdivisions=POINTS, aggregation_function=unite)["flow"]
        assert ours.evaluate({"level": level, "trend": trend})["flow"] == pytest.approx(
            theirs, abs=TOLERANCE
        )

    agree()


@pytest.mark.parametrize("base", list(BASES))
def test_strengths_agree_with_simpful_to_rounding(base):
    system = oracle(base, "minimum")
    shapes, rules = BASES[base]
    *inputs, output = variables(shapes)
    ours = MamdaniEngine(inputs=tuple(inputs), outputs=(output,), rules=rules)
    for level, trend in np.random.default_rng(5).uniform(-1, 1, (20, 2)):
        system.set_variable("level", level)
        system.set_variable("trend", trend)
        theirs = sorted(
            float(s) * rule.weight
            for s, rule in zip(system.get_firing_strengths(), ours.parsed, strict=True)
            if s > 0
        )
        found = sorted(s for _, s in ours.explain({"level": level, "trend": trend}))
        assert found == pytest.approx(theirs, abs=1e-12)


def test_one_symmetric_effect_returns_its_centre():
    one = MamdaniEngine(
        inputs=(five("level"),),
        outputs=(five("flow"),),
        rules=("if level is right then flow is high",),
    )
    assert one.evaluate({"level": 0.2})["flow"] == pytest.approx(0.5, abs=1e-12)


def test_an_effect_at_the_end_of_the_universe_returns_its_centroid():
    """A right triangle of base 0.5 against the end: a third of the base from it."""
    one = MamdaniEngine(
        inputs=(five("level"),),
        outputs=(five("flow"),),
        rules=("if level is right then flow is very_high",),
    )
    assert one.evaluate({"level": 0.0})["flow"] == pytest.approx(1.0 - 0.5 / 3.0, abs=2e-4)


def test_scaled_effects_that_add_up_give_the_weighted_mean_of_centres():
    """With the product and the sum, congruent effects give Σ strength x centre / Σ strength."""
    model = MamdaniEngine(
        inputs=(five("level"),),
        outputs=(five("flow"),),
        rules=("if level is right then flow is low", "if level is high then flow is high"),
        implication="product",
        aggregation="sum",
    )
    # At 0.2: "right" holds to 0.6, "high" to 0.4.
    assert model.evaluate({"level": 0.2})["flow"] == pytest.approx(0.6 * -0.5 + 0.4 * 0.5)


def test_cut_effects_of_agreeing_rules_add_up_rule_by_rule():
    """min(a, m) + min(b, m) must not become min(a + b, m)."""
    model = MamdaniEngine(
        inputs=(five("level"),),
        outputs=(five("flow"),),
        rules=(
            "if level is right then flow is low",
            "if level is not high then flow is low",
            "if level is high then flow is high",
        ),
        aggregation="sum",
        resolution=4001,
    )

    def area(cut):  # of a triangle of base 1 and height 1, cut at this height
        return cut - 0.5 * cut**2

    low, high = area(0.6) + area(0.6), area(0.4)
    expected = (high - low) * 0.5 / (high + low)
    assert model.evaluate({"level": 0.2})["flow"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("implication", ["minimum", "product"])
@pytest.mark.parametrize("aggregation", ["maximum", "sum"])
@pytest.mark.parametrize("conjunction", ["minimum", "product"])
class TestEveryKind:
    def test_a_batch_equals_a_loop(self, conjunction, aggregation, implication):
        model = engine(conjunction=conjunction, aggregation=aggregation, implication=implication)
        level, trend = np.random.default_rng(1).uniform(-1.3, 1.3, (2, 700))
        batch = model.evaluate({"level": level, "trend": trend})["flow"]
        assert batch.shape == (700,)
        some = slice(0, 700, 50)
        loop = [
            float(model.evaluate({"level": x, "trend": y})["flow"])
            for x, y in zip(level[some], trend[some], strict=True)
        ]
        assert batch[some] == pytest.approx(np.array(loop), abs=1e-13)

    def test_an_antisymmetric_table_gives_an_antisymmetric_surface(
        self, conjunction, aggregation, implication
    ):
        model = engine(
            opposing(), conjunction=conjunction, aggregation=aggregation, implication=implication
        )
        level, trend = np.random.default_rng(2).uniform(-1, 1, (2, 200))
        here = model.evaluate({"level": level, "trend": trend})["flow"]
        there = model.evaluate({"level": -level, "trend": -trend})["flow"]
        assert np.ptp(here) > 0.5
        assert here == pytest.approx(-there, abs=1e-12)

    def test_the_flow_never_rises_with_the_level(self, conjunction, aggregation, implication):
        model = MamdaniEngine(
            inputs=(five("level"),),
            outputs=(five("flow"),),
            rules=tuple(
                f"if level is {a} then flow is {b}"
                for a, b in zip(FIVE, reversed(FIVE), strict=True)
            ),
            conjunction=conjunction,
            aggregation=aggregation,
            implication=implication,
        )
        flow = model.evaluate({"level": np.linspace(-1, 1, 401)})["flow"]
        assert np.diff(flow).max() <= 1e-12
        assert flow[0] > 0.7
        assert flow[-1] < -0.7


def rise_against_the_rules(**options) -> float:
    """Largest rise of the flow with the level, anywhere, over its span of 2."""
    level, trend = np.meshgrid(np.linspace(-1, 1, 61), np.linspace(-1, 1, 61))
    point = {"level": level.ravel(), "trend": trend.ravel()}
    flow = engine(opposing(), **options).evaluate(point)["flow"].reshape(level.shape)
    largest_to_come = np.maximum.accumulate(flow[:, ::-1], axis=1)[:, ::-1]
    return float((largest_to_come - flow).max()) / 2.0


def test_a_table_of_two_inputs_is_monotonic_with_product_and_sum_only():
    assert rise_against_the_rules(conjunction="product", aggregation="sum") < 1e-12
    assert (
        rise_against_the_rules(conjunction="product", implication="product", aggregation="sum")
        < 1e-12
    )
    assert 0.005 < rise_against_the_rules() < 0.02


def test_two_outputs_are_those_of_two_engines():
    rules = tuple(
        f"if level is {a} then flow is {b}, acid is {c}"
        for a, b, c in zip(FIVE, reversed(FIVE), [*list(FIVE)[1:], "very_low"], strict=True)
    )
    acid = Variable(name="acid", low=-2.0, high=5.0, terms=FIVE)
    both = MamdaniEngine(inputs=(five("level"),), outputs=(five("flow"), acid), rules=rules)
    alone = MamdaniEngine(
        inputs=(five("level"),),
        outputs=(acid,),
        rules=tuple(
            f"if level is {rule.alternatives[0][0].term} then acid is {rule.effects[1][1]}"
            for rule in both.parsed
        ),
    )
    level = np.linspace(-1, 1, 41)
    assert both.evaluate({"level": level})["acid"] == pytest.approx(
        alone.evaluate({"level": level})["acid"], abs=1e-12
    )


def test_inputs_outside_their_universe_are_clipped():
    model = engine()
    outside = model.evaluate({"level": 40.0, "trend": -7.0})["flow"]
    assert outside == model.evaluate({"level": 1.0, "trend": -1.0})["flow"]


def test_scalars_broadcast_against_batches():
    model = engine()
    assert model.evaluate({"level": 0.1, "trend": 0.2})["flow"].shape == ()
    level = np.array([0.1, -0.3])
    mixed = model.evaluate({"level": level, "trend": 0.2})["flow"]
    assert mixed == pytest.approx(
        model.evaluate({"level": level, "trend": np.array([0.2, 0.2])})["flow"]
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, np.array([0.0, np.nan])])
def test_values_that_are_no_numbers_are_refused_by_name(value):
    with pytest.raises(SpecificationError, match="'trend' is not a finite number"):
        engine().evaluate({"level": 0.0, "trend": value})


def test_missing_and_unknown_inputs_are_refused():
    with pytest.raises(SpecificationError, match="'trend' is missing"):
        engine().evaluate({"level": 0.0})
    with pytest.raises(SpecificationError, match="Did you mean 'level'"):
        engine().evaluate({"level": 0.0, "trend": 0.0, "levle": 0.0})


def test_explanations_are_sorted_and_true():
    told = engine().explain({"level": 0.1, "trend": -0.6})
    strengths = [strength for _, strength in told]
    assert strengths == sorted(strengths, reverse=True)
    # level is right to 0.8 and high to 0.2; trend is low to 0.8 and very_low to 0.2.
    assert strengths == pytest.approx([0.8, 0.2, 0.2, 0.2])
    assert told[0][0] == "if level is right and trend is low then flow is high"
    with pytest.raises(SpecificationError, match="one plant"):
        engine().explain({"level": np.zeros(2), "trend": 0.0})


def test_silence_is_an_error_unless_the_output_has_a_rest():
    rules = ("if level is very_high then flow is low",)
    loud = MamdaniEngine(inputs=(five("level"),), outputs=(five("flow"),), rules=rules)
    with pytest.raises(SpecificationError, match="fuzzy output flow: no rule fires"):
        loud.evaluate({"level": 0.0})
    calm = MamdaniEngine(inputs=(five("level"),), outputs=(five("flow", rest=0.25),), rules=rules)
    found = calm.evaluate({"level": np.array([0.0, 1.0])})["flow"]
    assert found == pytest.approx(np.array([0.25, -0.5]))


def test_engines_that_cannot_work_are_refused():
    with pytest.raises(SpecificationError, match="twice"):
        MamdaniEngine(inputs=(five("flow"),), outputs=(five("flow"),), rules=())
    with pytest.raises(SpecificationError, match="no rule speaks of 'flow'"):
        MamdaniEngine(inputs=(five("level"),), outputs=(five("flow"),), rules=())
    with pytest.raises(SpecificationError, match="resolution"):
        engine(resolution=2)
    with pytest.raises(SpecificationError, match="Did you mean 'trend'"):
        engine(("if tredn is low then flow is low",))


def test_the_centroid_converges_with_the_grid():
    fine = engine(resolution=20001)
    level, trend = np.random.default_rng(3).uniform(-1, 1, (2, 30))
    point = {"level": level, "trend": trend}
    errors = [
        np.abs(engine(resolution=n).evaluate(point)["flow"] - fine.evaluate(point)["flow"]).max()
        for n in (51, 201, 801)
    ]
    assert errors[0] > errors[1] > errors[2]
    assert errors[1] < 2.0 / 200
