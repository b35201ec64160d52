"""Words for quantities: shapes of membership and the variables they belong to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raffinate.control.fuzzy_rules import is_plain_name
from raffinate.errors import SpecificationError

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trapezoid:
    """Membership that is linear in pieces: up from `foot_left`, 1 between the tops, down.

    Equal neighbours make a vertical edge (the top belongs to the term); infinite ones a shoulder.

    Attributes:
        foot_left: Where membership leaves 0, unit of the variable.
        top_left: Where it reaches 1.
        top_right: Where it leaves 1.
        foot_right: Where it reaches 0 again.
    """

    foot_left: float
    top_left: float
    top_right: float
    foot_right: float

    def __post_init__(self) -> None:
        corners = (self.foot_left, self.top_left, self.top_right, self.foot_right)
        ordered = all(a <= b for a, b in pairwise(corners))
        sides = ((self.foot_left, self.top_left), (self.top_right, self.foot_right))
        shoulders_whole = all(math.isinf(a) == math.isinf(b) for a, b in sides)
        has_a_top = self.top_left < math.inf and self.top_right > -math.inf
        if not (ordered and shoulders_whole and has_a_top):
            raise SpecificationError(
                f"the corners {corners} do not rise from left to right.",
                where="membership",
                allowed="four rising numbers; a shoulder has both of its outer corners infinite",
            )


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Membership exp(-(x - centre)² / 2 width²).

    Attributes:
        centre: Where membership is 1, unit of the variable.
        width: Standard deviation, unit of the variable.
    """

    centre: float
    width: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.centre) and math.isfinite(self.width) and self.width > 0.0):
            raise SpecificationError(
                f"centre {self.centre}, width {self.width}.",
                where="membership",
                allowed="a finite centre and a finite width above 0",
            )


Shape = Trapezoid | Gaussian
"""What a term may look like."""


def triangle(left: float, peak: float, right: float) -> Trapezoid:
    """Return a term that is 1 at `peak` only and 0 outside `left` to `right`."""
    return Trapezoid(left, peak, peak, right)


def falling_shoulder(top: float, foot: float) -> Trapezoid:
    """Return a term that is 1 up to `top` and falls to 0 at `foot`."""
    return Trapezoid(-math.inf, -math.inf, top, foot)


def rising_shoulder(foot: float, top: float) -> Trapezoid:
    """Return a term that rises from 0 at `foot` and is 1 from `top` on."""
    return Trapezoid(foot, top, math.inf, math.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A quantity spoken of in words.

    Attributes:
        name: As it stands in the rules.
        low: Lower end of the universe; inputs below it count as `low`.
        high: Upper end.
        terms: Shape by name.
        rest: Value of an output when no rule fires; None makes that an error. Inputs ignore it.
    """

    name: str
    low: float
    high: float
    terms: Mapping[str, Shape]
    rest: float | None = None

    def __post_init__(self) -> None:
        for name in (self.name, *self.terms):
            if not is_plain_name(name):
                raise SpecificationError(
                    f"{name!r} cannot stand in a rule.",
                    where=f"variable {self.name}",
                    allowed="letters, digits and underscores, not a word of the rule language",
                )
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise SpecificationError(
                f"the universe runs from {self.low} to {self.high}.",
                where=f"variable {self.name}",
                allowed="finite, low below high",
            )
        if not self.terms:
            raise SpecificationError("it has no terms.", where=f"variable {self.name}")
        if self.rest is not None and not self.low <= self.rest <= self.high:
            raise SpecificationError(
                f"rest is {self.rest}.",
                where=f"variable {self.name}",
                allowed=f"{self.low} to {self.high}",
            )
        object.__setattr__(self, "terms", dict(self.terms))

    def membership(self, values: ArrayLike) -> dict[str, Array]:
        """Return the degree of membership in every term, shape of `values`, [-]."""
        x = np.clip(np.asarray(values, dtype=np.float64), self.low, self.high)
        shapes = compile_shapes([(0, shape) for shape in self.terms.values()])
        degrees = shapes.degrees(x.reshape(-1, 1))
        return {name: degrees[:, k].reshape(x.shape) for k, name in enumerate(self.terms)}


@dataclass(frozen=True, slots=True, eq=False)
class ShapeArrays:
    """Terms as arrays: which column of the inputs each one reads, and its slopes."""

    column: NDArray[np.intp]
    top_left: Array
    top_right: Array
    slope_left: Array
    slope_right: Array
    gaussian: NDArray[np.intp]
    centre: Array
    inverse_width: Array

    def degrees(self, x: Array) -> Array:
        """Return (batch, term) from inputs (batch, input)."""
        read = x[:, self.column]
        # Written from the tops outwards, so that a vertical edge (a huge slope) is still 1 there.
        left = 1.0 + (read - self.top_left) * self.slope_left
        right = 1.0 + (self.top_right - read) * self.slope_right
        degrees = np.minimum(left, right)
        np.minimum(degrees, 1.0, out=degrees)
        np.maximum(degrees, 0.0, out=degrees)
        if self.gaussian.size:
            distance = (read[:, self.gaussian] - self.centre) * self.inverse_width
            degrees[:, self.gaussian] = np.exp(-0.5 * distance * distance)
        return degrees


def compile_shapes(shapes: Sequence[tuple[int, Shape]]) -> ShapeArrays:
    """Return the arrays of (input column, shape) pairs."""
    count = len(shapes)
    tops = np.zeros((2, count))
    slopes = np.zeros((2, count))
    for k, (_, shape) in enumerate(shapes):
        if isinstance(shape, Trapezoid):
            sides = ((shape.foot_left, shape.top_left), (shape.foot_right, shape.top_right))
            for side, (foot, top) in enumerate(sides):
                if math.isfinite(top):
                    tops[side, k] = top
                    slopes[side, k] = 1.0 / max(abs(top - foot), 1e-15 * max(abs(top), 1e-285))
    gaussians = [(k, s) for k, (_, s) in enumerate(shapes) if isinstance(s, Gaussian)]
    return ShapeArrays(
        column=np.array([column for column, _ in shapes], dtype=np.intp),
        top_left=tops[0],
        top_right=tops[1],
        slope_left=slopes[0],
        slope_right=slopes[1],
        gaussian=np.array([k for k, _ in gaussians], dtype=np.intp),
        centre=np.array([s.centre for _, s in gaussians], dtype=np.float64),
        inverse_width=np.array([1.0 / s.width for _, s in gaussians], dtype=np.float64),
    )
