"""Reading of rule sentences."""

from __future__ import annotations

import pytest

from raffinate.control.fuzzy_rules import Statement, parse_rule
from raffinate.errors import SpecificationError

INPUTS = {"inventory": ("low", "high"), "trend": ("falling", "rising")}
OUTPUTS = {"scrub_change": ("decrease", "increase"), "acid_change": ("decrease", "increase")}

LOW = Statement("inventory", "low")
HIGH = Statement("inventory", "high")
RISING = Statement("trend", "rising")
FALLING = Statement("trend", "falling")


def read(condition: str) -> tuple[tuple[Statement, ...], ...]:
    sentence = f"if {condition} then scrub_change is decrease"
    return parse_rule(sentence, INPUTS, OUTPUTS).alternatives


def test_the_sentence_of_the_manual_is_read():
    rule = parse_rule(
        "if inventory is high and trend is rising then scrub_change is decrease", INPUTS, OUTPUTS
    )
    assert rule.alternatives == ((HIGH, RISING),)
    assert rule.effects == (("scrub_change", "decrease"),)
    assert rule.weight == 1.0


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("inventory is low", ((LOW,),)),
        ("inventory is not low", ((~LOW,),)),
        ("not inventory is low", ((~LOW,),)),
        ("not not inventory is low", ((LOW,),)),
        ("inventory is low or trend is rising", ((LOW,), (RISING,))),
        (
            "inventory is low and trend is rising or inventory is high",
            ((LOW, RISING), (HIGH,)),
        ),
        (
            "inventory is low and (trend is rising or trend is falling)",
            ((LOW, RISING), (LOW, FALLING)),
        ),
        ("not (inventory is low and trend is rising)", ((~LOW,), (~RISING,))),
        ("not (inventory is low or trend is rising)", ((~LOW, ~RISING),)),
        ("NOT inventory IS low AND trend is rising", ((~LOW, RISING),)),
    ],
)
def test_conditions_become_alternatives_of_conjunctions(condition, expected):
    assert read(condition) == expected


@pytest.mark.parametrize("joint", [" and ", ", "])
def test_several_effects_and_a_weight_are_read(joint):
    rule = parse_rule(
        f"if inventory is low then scrub_change is increase{joint}acid_change is increase with 0.4",
        INPUTS,
        OUTPUTS,
    )
    assert rule.effects == (("scrub_change", "increase"), ("acid_change", "increase"))
    assert rule.weight == 0.4


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("if inventary is low then scrub_change is increase", ["'inventary'", "'inventory'"]),
        ("if inventory is hihg then scrub_change is increase", ["'hihg'", "'high'"]),
        ("if inventory is rising then scrub_change is increase", ["'rising'", "inventory"]),
        ("if inventory is low then scrub_chang is increase", ["'scrub_chang'", "'scrub_change'"]),
        ("if inventory is low then scrub_change is increas", ["'increas'", "'increase'"]),
        ("inventory is low then scrub_change is increase", ["'if'", "'inventory'"]),
        ("if inventory low then scrub_change is increase", ["'is'", "'low'"]),
        ("if inventory is low scrub_change is increase", ["'then'", "'scrub_change'"]),
        ("if (inventory is low then scrub_change is increase", ["')'", "'then'"]),
        ("if inventory is low then scrub_change is", ["ends too early"]),
        ("if inventory is low then scrub_change is increase trend", ["'trend'"]),
        ("if inventory is low then scrub_change is increase with 2", ["2", "at most 1"]),
        ("if inventory is low then scrub_change is increase with 0", ["0", "above 0"]),
        ("if inventory is low then scrub_change is increase with much", ["'much'"]),
        ("if inventory > 3 then scrub_change is increase", ["'>'"]),
        (
            "if inventory is low then scrub_change is increase, scrub_change is decrease",
            ["two terms"],
        ),
        ("if then scrub_change is increase", ["'then'"]),
    ],
)
def test_errors_name_the_rule_the_word_and_the_nearest_name(sentence, said):
    with pytest.raises(SpecificationError) as caught:
        parse_rule(sentence, INPUTS, OUTPUTS)
    assert sentence in caught.value.where
    for words in said:
        assert words in str(caught.value)
