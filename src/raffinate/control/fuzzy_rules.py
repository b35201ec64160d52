"""Fuzzy rules written as sentences, read once and kept in a form arrays can follow.

A rule reads "if inventory is high and trend is rising then scrub_change is decrease". The full
grammar, keywords in any case:

    rule      := "if" condition "then" effects ["with" weight]
    condition := "and", "or", "not" and brackets over statements; not binds before and before or
    statement := variable "is" ["not"] term
    effects   := variable "is" term, joined by "and" or by commas

The condition is kept as alternatives of conjunctions of plain or negated statements. With or as
the maximum this form is equivalent to the sentence both for and as the minimum and for and as
the product; a negated bracket is opened by De Morgan's laws, which the minimum satisfies exactly
and which *define* its meaning under the product.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Never

from raffinate.errors import SpecificationError, nearest_name

RESERVED_WORDS = ("if", "then", "and", "or", "not", "is", "with")
"""Words of the rule language; no variable or term may be called so."""

Vocabulary = Mapping[str, Sequence[str]]
"""Term names by variable name."""

_WORD = re.compile(r"\s*([A-Za-z_]\w*|\d+(?:\.\d*)?|\.\d+|[(),])")
_NAME = re.compile(r"[A-Za-z_]\w*\Z")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement about one input: "trend is not rising".

    Attributes:
        variable: Name of the input.
        term: Name of its term.
        negated: Whether the sentence says "not".
    """

    variable: str
    term: str
    negated: bool = False

    def __invert__(self) -> Statement:
        return Statement(self.variable, self.term, not self.negated)


Alternatives = tuple[tuple[Statement, ...], ...]
"""An "or" of "and"s of statements."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule that has been read.

    Attributes:
        sentence: The rule as it was written.
        alternatives: Its condition as an "or" of "and"s.
        effects: (output, term) pairs.
        weight: Factor on the strength of the rule, 0 to 1, [-].
    """

    sentence: str
    alternatives: Alternatives
    effects: tuple[tuple[str, str], ...]
    weight: float


def is_plain_name(name: str) -> bool:
    """Return whether `name` can stand in a rule as a variable or a term."""
    return bool(_NAME.match(name)) and name.lower() not in RESERVED_WORDS


def parse_rule(sentence: str, inputs: Vocabulary, outputs: Vocabulary) -> Rule:
    """Read one rule.

    Args:
        sentence: Such as "if inventory is high then scrub_change is decrease with 0.8".
        inputs: Terms by input name.
        outputs: Terms by output name.

    Raises:
        SpecificationError: The sentence does not follow the grammar or uses an unknown name; the
            error names the rule, the word and the nearest known name.
    """
    return _Reader(sentence, inputs, outputs).rule()


class _Reader:
    """Recursive descent over the words of one sentence."""

    def __init__(self, sentence: str, inputs: Vocabulary, outputs: Vocabulary) -> None:
        self._sentence = " ".join(sentence.split())
        self._inputs = inputs
        self._outputs = outputs
        self._words = self._split()
        self._next = 0

    def rule(self) -> Rule:
        self._expect("if")
        alternatives = self._either()
        self._expect("then")
        effects = [self._effect()]
        while self._peek() in ("and", ","):
            self._take()
            effects.append(self._effect())
        weight = self._weight() if self._peek() == "with" else 1.0
        if self._next < len(self._words):
            self._fail(f"the word {self._words[self._next]!r} was not expected here.")
        changed = [output for output, _ in effects]
        for output in changed:
            if changed.count(output) > 1:
                self._fail(f"{output!r} is given two terms by one rule.")
        return Rule(
            sentence=self._sentence,
            alternatives=alternatives,
            effects=tuple(effects),
            weight=weight,
        )

    def _either(self) -> Alternatives:
        found = self._both()
        while self._peek() == "or":
            self._take()
            found = found + self._both()
        return found

    def _both(self) -> Alternatives:
        found = self._single()
        while self._peek() == "and":
            self._take()
            found = _conjunction(found, self._single())
        return found

    def _single(self) -> Alternatives:
        if self._peek() == "not":
            self._take()
            return _negation(self._single())
        if self._peek() == "(":
            self._take()
            inside = self._either()
            self._expect(")")
            return inside
        variable = self._name(tuple(self._inputs), "input")
        self._expect("is")
        negated = self._peek() == "not"
        if negated:
            self._take()
        term = self._name(self._inputs[variable], f"term of {variable}")
        return ((Statement(variable, term, negated),),)

    def _effect(self) -> tuple[str, str]:
        variable = self._name(tuple(self._outputs), "output")
        self._expect("is")
        return variable, self._name(self._outputs[variable], f"term of {variable}")

    def _weight(self) -> float:
        self._take()
        word = self._take()
        try:
            weight = float(word)
        except ValueError:
            self._fail(f"{word!r} is no weight.", allowed="a number above 0, at most 1")
        if not 0.0 < weight <= 1.0:
            self._fail(f"the weight is {word}.", allowed="above 0, at most 1")
        return weight

    def _split(self) -> list[str]:
        words, position = [], 0
        while position < len(self._sentence):
            match = _WORD.match(self._sentence, position)
            if match is None:
                wrong = self._sentence[position:].split()[0]
                self._fail(f"{wrong!r} is no word of a rule.")
            words.append(match.group(1))
            position = match.end()
        return words

    def _peek(self) -> str:
        word = self._words[self._next] if self._next < len(self._words) else ""
        return word.lower() if word.lower() in RESERVED_WORDS else word

    def _take(self) -> str:
        if self._next >= len(self._words):
            self._fail("the rule ends too early.")
        self._next += 1
        return self._words[self._next - 1]

    def _expect(self, word: str) -> None:
        if self._peek() != word:
            found = self._words[self._next] if self._next < len(self._words) else "the end"
            self._fail(f"{word!r} was expected where {found!r} stands.")
        self._take()

    def _name(self, known: Sequence[str], kind: str) -> str:
        word = self._take()
        if word not in known:
            self._fail(f"{word!r} is no {kind}.", mend=nearest_name(word, tuple(known)))
        return word

    def _fail(self, what: str, *, allowed: str = "", mend: str = "") -> Never:
        raise SpecificationError(what, where=f"rule {self._sentence!r}", allowed=allowed, mend=mend)


def _conjunction(left: Alternatives, right: Alternatives) -> Alternatives:
    return tuple(a + b for a in left for b in right)


def _negation(alternatives: Alternatives) -> Alternatives:
    found: Alternatives = ((),)
    for conjunction in alternatives:
        found = _conjunction(found, tuple((~statement,) for statement in conjunction))
    return found
