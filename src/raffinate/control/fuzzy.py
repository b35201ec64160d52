"""A Mamdani fuzzy engine on NumPy arrays: rules as sentences in, numbers for a batch of plants out.

E. H. Mamdani and S. Assilian, An experiment in linguistic synthesis with a fuzzy logic controller,
Int. J. Man-Machine Studies 7 (1975) 1-13: inputs become degrees of membership in named terms, each
rule fires as strongly as its condition holds, its effect is cut (or scaled) to that strength, the
effects are united, and the centroid of the union is the output. All of the rule base is compiled
to index arrays once; an evaluation is then some twenty array operations, whatever the rule count.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raffinate.control.fuzzy_rules import Rule, parse_rule
from raffinate.control.fuzzy_terms import ShapeArrays, Variable, compile_shapes
from raffinate.errors import SpecificationError, nearest_name

Array = NDArray[np.float64]

_CHUNK = 512
"""Plants evaluated at once: keeps the (plant, term, grid) array below about 20 MB."""


@dataclass(frozen=True, slots=True, eq=False)
class _Compiled:
    """The rule base as index arrays; axes (conjunction, statement), (effect, grid)."""

    low: Array
    high: Array
    shapes: ShapeArrays
    statements: NDArray[np.intp]
    rule_starts: NDArray[np.intp]
    one_conjunction_each: bool
    weights: Array
    effect_rule: NDArray[np.intp]
    effect_starts: NDArray[np.intp]
    consequent: Array
    consequent_starts: NDArray[np.intp]
    moments: Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MamdaniEngine:
    """A rule base ready to be evaluated.

    Attributes:
        inputs: Variables the conditions speak of.
        outputs: Variables the effects speak of; each must be reached by some rule.
        rules: Sentences, see `raffinate.control.fuzzy_rules`.
        conjunction: How "and" is computed; "or" is always the maximum, "not" is 1 - x.
        implication: Whether an effect is cut at ("minimum") or scaled by ("product") the strength.
        aggregation: How effects on one output unite: "maximum", or "sum", which lets rules that
            agree outweigh one that does not.
        resolution: Grid points per output; the centroid is good to about span / resolution.

    Raises:
        SpecificationError: A rule cannot be read, a name is used twice, or an output has no rule.
    """

    inputs: tuple[Variable, ...]
    outputs: tuple[Variable, ...]
    rules: tuple[str, ...]
    conjunction: Literal["minimum", "product"] = "minimum"
    implication: Literal["minimum", "product"] = "minimum"
    aggregation: Literal["maximum", "sum"] = "maximum"
    resolution: int = 201
    parsed: tuple[Rule, ...] = field(init=False)
    _compiled: _Compiled = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _check_engine(self)
        inputs = {variable.name: tuple(variable.terms) for variable in self.inputs}
        outputs = {variable.name: tuple(variable.terms) for variable in self.outputs}
        parsed = tuple(parse_rule(rule, inputs, outputs) for rule in self.rules)
        object.__setattr__(self, "parsed", parsed)
        object.__setattr__(self, "_compiled", _compile(self))

    def evaluate(self, inputs: Mapping[str, ArrayLike]) -> dict[str, Array]:
        """Return every output for every plant of a batch.

        Args:
            inputs: By input name, scalars or (batch,); clipped to the universe.

        Returns:
            By output name, shaped as the inputs broadcast together, unit of the variable.

        Raises:
            SpecificationError: An input is missing, unknown or not finite (what to do without a
                value is the caller's decision), or no rule fires on an output without `rest`.
        """
        x, shape = self._read(inputs)
        values = np.empty((len(x), len(self.outputs)))
        for start in range(0, len(x), _CHUNK):
            piece = slice(start, start + _CHUNK)
            values[piece] = self._defuzzify(self._strengths(x[piece]))
        return {out.name: values[:, k].reshape(shape) for k, out in enumerate(self.outputs)}

    def explain(self, inputs: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
        """Return (sentence, strength 0 to 1) of every rule that fires, the strongest first."""
        x, _ = self._read(inputs)
        if len(x) != 1:
            raise SpecificationError(
                f"{len(x)} plants were given.", where="explain", allowed="one plant at a time"
            )
        pairs = zip(self.parsed, self._strengths(x)[0].tolist(), strict=True)
        fired = [(rule.sentence, strength) for rule, strength in pairs if strength > 0.0]
        return tuple(sorted(fired, key=lambda pair: -pair[1]))

    def _read(self, inputs: Mapping[str, ArrayLike]) -> tuple[Array, tuple[int, ...]]:
        names = [variable.name for variable in self.inputs]
        for name in names:
            if name not in inputs:
                raise SpecificationError(f"input {name!r} is missing.", where="fuzzy engine")
        if len(inputs) > len(names):
            extra = next(name for name in inputs if name not in names)
            raise SpecificationError(
                f"{extra!r} is no input.", where="fuzzy engine", mend=nearest_name(extra, names)
            )
        columns: list[Any] = [inputs[name] for name in names]
        if any(np.ndim(column) for column in columns):
            columns = list(np.broadcast_arrays(*columns))
        stacked = np.array(columns, dtype=np.float64)
        if not np.isfinite(stacked).all():
            wrong = ~np.isfinite(stacked).reshape(len(names), -1).all(axis=1)
            bad = names[int(np.argmax(wrong))]
            raise SpecificationError(
                f"input {bad!r} is not a finite number.",
                where="fuzzy engine",
                mend="Decide before the engine what to do without this value.",
            )
        x = stacked.reshape(len(names), -1).T
        compiled = self._compiled
        return np.minimum(np.maximum(x, compiled.low), compiled.high), stacked.shape[1:]

    def _strengths(self, x: Array) -> Array:
        """Return (batch, rule) from clipped inputs (batch, input)."""
        c = self._compiled
        degrees = c.shapes.degrees(x)
        count = degrees.shape[1]
        # Statements, their negations, and a 1 that pads conjunctions to one length.
        said = np.ones((len(x), 2 * count + 1))
        said[:, :count] = degrees
        np.subtract(1.0, degrees, out=said[:, count:-1])
        terms = said[:, c.statements]
        strengths: Array = (
            np.minimum.reduce(terms, axis=2)
            if self.conjunction == "minimum"
            else np.multiply.reduce(terms, axis=2)
        )
        if not c.one_conjunction_each:
            strengths = np.maximum.reduceat(strengths, c.rule_starts, axis=1)
        return strengths * c.weights

    def _defuzzify(self, strengths: Array) -> Array:
        """Return (batch, output) from rule strengths (batch, rule)."""
        c = self._compiled
        fired = strengths[:, c.effect_rule]
        if self.aggregation == "maximum":
            fired = np.maximum.reduceat(fired, c.effect_starts, axis=1)
        elif self.implication == "product":
            fired = np.add.reduceat(fired, c.effect_starts, axis=1)
        cut = np.minimum if self.implication == "minimum" else np.multiply
        effects = cut(fired[:, :, None], c.consequent)
        unite = np.maximum if self.aggregation == "maximum" else np.add
        union = unite.reduceat(effects, c.consequent_starts, axis=1)
        area, moment = np.einsum("bog,mog->mbo", union, c.moments)
        silent = area <= 0.0
        if silent.any():
            return self._with_rest(area, moment, silent)
        centroid: Array = moment / area
        return centroid

    def _with_rest(self, area: Array, moment: Array, silent: NDArray[np.bool_]) -> Array:
        for k, output in enumerate(self.outputs):
            if output.rest is None and silent[:, k].any():
                raise SpecificationError(
                    "no rule fires.",
                    where=f"fuzzy output {output.name}",
                    mend="Cover the inputs with rules, or give the output a rest value.",
                )
        rest = np.array([math.nan if out.rest is None else out.rest for out in self.outputs])
        return np.where(silent, rest, moment / np.where(silent, 1.0, area))


def _check_engine(engine: MamdaniEngine) -> None:
    names = [variable.name for variable in (*engine.inputs, *engine.outputs)]
    for name in names:
        if names.count(name) > 1:
            raise SpecificationError(f"the name {name!r} is used twice.", where="fuzzy engine")
    if not engine.inputs or not engine.outputs:
        raise SpecificationError("it needs an input and an output.", where="fuzzy engine")
    if engine.resolution < 3:
        raise SpecificationError(
            f"resolution is {engine.resolution}.", where="fuzzy engine", allowed="3 or more"
        )


def _compile(engine: MamdaniEngine) -> _Compiled:
    shapes = [
        (column, shape)
        for column, variable in enumerate(engine.inputs)
        for shape in variable.terms.values()
    ]
    places = [(v.name, term) for v in engine.inputs for term in v.terms]
    conjunctions = [c for rule in engine.parsed for c in rule.alternatives]
    width = max(len(conjunction) for conjunction in conjunctions) if conjunctions else 0
    statements = np.full((len(conjunctions), width), 2 * len(places), dtype=np.intp)
    for row, conjunction in enumerate(conjunctions):
        for k, said in enumerate(conjunction):
            place = places.index((said.variable, said.term))
            statements[row, k] = place + len(places) * said.negated
    counts = [len(rule.alternatives) for rule in engine.parsed]
    return _Compiled(
        low=np.array([variable.low for variable in engine.inputs]),
        high=np.array([variable.high for variable in engine.inputs]),
        shapes=compile_shapes(shapes),
        statements=statements,
        rule_starts=np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.intp),
        one_conjunction_each=all(count == 1 for count in counts),
        weights=np.array([rule.weight for rule in engine.parsed]),
        **_compile_effects(engine),
    )


def _compile_effects(engine: MamdaniEngine) -> dict[str, Any]:
    """Lay out who acts on which output term, and each output's grid and quadrature weights."""
    effect_rule: list[int] = []
    effect_starts: list[int] = []
    consequent: list[Array] = []
    consequent_starts: list[int] = []
    grids = np.array([np.linspace(v.low, v.high, engine.resolution) for v in engine.outputs])
    one_row_per_rule = engine.aggregation == "sum" and engine.implication == "minimum"
    for output, grid in zip(engine.outputs, grids, strict=True):
        consequent_starts.append(len(consequent))
        curves = output.membership(grid)
        for term, curve in curves.items():
            effect = (output.name, term)
            rules = [k for k, rule in enumerate(engine.parsed) if effect in rule.effects]
            if rules:
                effect_starts.append(len(effect_rule))
                effect_rule.extend(rules)
                # Cut effects do not add up term by term: min(a, m) + min(b, m) is no min(a+b, m).
                consequent.extend([curve] * (len(rules) if one_row_per_rule else 1))
        if consequent_starts[-1] == len(consequent):
            raise SpecificationError(
                f"no rule speaks of {output.name!r}.", where="fuzzy engine", mend="Add a rule."
            )
    weights = np.ones(engine.resolution)
    weights[[0, -1]] = 0.5  # trapezoidal rule; the step cancels in the centroid
    return {
        "effect_rule": np.array(effect_rule, dtype=np.intp),
        "effect_starts": np.array(effect_starts, dtype=np.intp),
        "consequent": np.array(consequent),
        "consequent_starts": np.array(consequent_starts, dtype=np.intp),
        "moments": np.array([np.broadcast_to(weights, grids.shape), weights * grids]),
    }
