"""A table and its priors as the arrays that the search for the constants works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.fit_flask import Flasks, Floats, Shaken, shake_flasks
from raffinate.chemistry.fit_model import check_shaken, flasks_of
from raffinate.chemistry.fit_priors import EffectPriors, LoadingPrior, SeparationPrior
from raffinate.lab.shake_out import ShakeOutTable

FitActivity = Literal["ideal", "pitzer"]
"""Models of the liquor with which a table can be fitted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scales:
    """Standard deviations of log₁₀ D besides those of the assays, [-].

    Attributes:
        flask: Common to all elements of one flask.
        series: Common to one element in one laboratory.
        laboratory: Common to all of one laboratory.
        assay: True over stated assay error, (laboratory,), [-].
    """

    flask: float
    series: float
    laboratory: float
    assay: tuple[float, ...]

    @property
    def flat(self) -> tuple[float, ...]:
        """All of them in the order above."""
        return self.flask, self.series, self.laboratory, *self.assay


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Problem:
    """Everything a fit is given.

    The unknowns stand in one vector: log₁₀ K (element,), then a0 and a1, then the offset of each
    laboratory, then that of each element in each laboratory.

    Attributes:
        table: Tests of the elements to be fitted, whether in use or not.
        elements: Symbols.
        laboratories: Names, in the order of the offsets.
        flasks: What was put in.
        measured: log₁₀ D, (flask, element), [-]; 0 where absent.
        present: Whether the element was measured in the flask, (flask, element).
        deviation: Of log₁₀ D by its assays, (flask, element), [-]; 1 where absent.
        own: Index of the laboratory of each flask, (flask,).
        keep: Which flasks take part, (flask,).
        separations: Measured separation factors.
        loading: Priors of the loading terms; None holds them at 0.
        effects: Priors of the scales.
        activity: Model of the liquor on whose scale the constants stand.
        shift: Lagged log₁₀ of the aqueous activities, added to log₁₀ K, (flask, element), [-].
    """

    table: ShakeOutTable
    elements: tuple[str, ...]
    laboratories: tuple[str, ...]
    flasks: Flasks
    measured: Floats
    present: NDArray[np.bool_]
    deviation: Floats
    own: NDArray[np.intp]
    keep: NDArray[np.bool_]
    separations: tuple[SeparationPrior, ...]
    loading: LoadingPrior | None
    effects: EffectPriors
    activity: FitActivity
    shift: Floats

    @property
    def shared(self) -> int:
        """Number of unknowns that belong to no laboratory."""
        return len(self.elements) + 2

    @property
    def size(self) -> int:
        """Number of unknowns."""
        return self.shared + len(self.laboratories) * (1 + len(self.elements))

    @property
    def reference(self) -> float:
        """log₁₀ K at which κ is 0, [-]."""
        return (self.loading or LoadingPrior()).reference

    def using(self, keep: NDArray[np.bool_]) -> Problem:
        """Return the problem with these flasks, (flask,), in use."""
        return replace(self, keep=keep)

    def prior_deviations(self, scales: Scales) -> Floats:
        """Return standard deviations of the unknowns about 0, (unknown,).

        Only an element that no flask in use holds has one for log₁₀ K.
        """
        count, width = len(self.laboratories), len(self.elements)
        seen = (self.present & self.keep[:, None]).any(axis=0)
        terms = (
            [self.loading.level_deviation, self.loading.spread_deviation]
            if self.loading
            else [HELD, HELD]
        )
        return np.array(
            np.where(seen, np.inf, UNSEEN_DEVIATION).tolist()
            + terms
            + [scales.laboratory] * count
            + [scales.series] * (count * width)
        )

    def predict(self, unknowns: Floats) -> tuple[Floats, Floats]:
        """Return log₁₀ D, (flask, element), and its slopes, (flask, element, unknown), [-].

        Raises:
            ConvergenceError: The equilibrium of a flask was not found.
        """
        shaken, slopes = _predict(self.flasks, self.own, self.shift, self.reference, unknowns)
        check_shaken(shaken, self.table)
        return shaken.log10_ratio, slopes

    def shake(self, unknowns: Floats) -> Shaken:
        """Return every flask at equilibrium."""
        return _predict(self.flasks, self.own, self.shift, self.reference, unknowns)[0]

    def without_effects(self, unknowns: Floats) -> Floats:
        """Return the unknowns with the offsets of all laboratories at 0."""
        return np.where(np.arange(self.size) < self.shared, unknowns, 0.0)

    def separation_rows(self, unknowns: Floats) -> tuple[Floats, Floats]:
        """Return (log₁₀ β here - measured)/deviation, (prior,), and slopes, (prior, unknown)."""
        values = np.zeros(len(self.separations))
        slopes = np.zeros((len(self.separations), self.size))
        spread_place = len(self.elements) + 1
        for row, prior in enumerate(self.separations):
            first, second = self.elements.index(prior.first), self.elements.index(prior.second)
            gap = unknowns[first] - unknowns[second]
            kept = 1.0 - unknowns[spread_place] * prior.loading
            known = np.log10(prior.separation_factor)
            values[row] = (gap * kept - known) / prior.log10_deviation
            slopes[row, [first, second]] = kept, -kept
            slopes[row, spread_place] = -gap * prior.loading
            slopes[row] /= prior.log10_deviation
        return values, slopes


UNSEEN_DEVIATION = 3.0
"""Standard deviation of log₁₀ K about 0 of an element without data, [-]."""

HELD = 1e-9
"""Standard deviation that holds a term at 0, [-]."""


def build_problem(
    table: ShakeOutTable,
    elements: tuple[str, ...],
    *,
    keep: NDArray[np.bool_],
    separations: Sequence[SeparationPrior],
    loading: LoadingPrior | None,
    effects: EffectPriors,
    log10_exchange_constant: float,
    activity: FitActivity = "ideal",
) -> Problem:
    """Return the problem of a table; `keep`, (test,), says which tests take part."""
    place = np.array([elements.index(symbol) for symbol in table.element])
    shape = (len(table.test_id), len(elements))
    measured, deviation, present = np.zeros(shape), np.ones(shape), np.zeros(shape, dtype=bool)
    measured[table.test, place] = np.log10(table.distribution_ratio)
    deviation[table.test, place] = table.log10_ratio_deviation()
    present[table.test, place] = True
    laboratories = table.laboratories
    return Problem(
        table=table,
        elements=elements,
        laboratories=laboratories,
        flasks=flasks_of(table, elements, log10_exchange_constant),
        measured=measured,
        present=present,
        deviation=deviation,
        own=np.array([laboratories.index(name) for name in table.laboratory], dtype=np.intp),
        keep=keep,
        separations=tuple(separations),
        loading=loading,
        effects=effects,
        activity=activity,
        shift=np.zeros(shape),
    )


def predict_flasks(flasks: Flasks, unknowns: Floats, reference: float) -> tuple[Floats, Floats]:
    """Return log₁₀ D and slopes of flasks of one more laboratory; see `Problem.predict`."""
    count = flasks.feed.shape
    own, shift = np.zeros(count[0], dtype=np.intp), np.zeros(count)
    shaken, slopes = _predict(flasks, own, shift, reference, unknowns)
    return shaken.log10_ratio, slopes


def _predict(
    flasks: Flasks, own: NDArray[np.intp], shift: Floats, reference: float, unknowns: Floats
) -> tuple[Shaken, Floats]:
    """Shake flasks with the unknowns of a problem, and return the slopes on them."""
    width = flasks.feed.shape[1]
    constant, terms, effects = np.split(unknowns, [width, width + 2])
    count = len(effects) // (1 + width)
    level, series = effects[:count], effects[count:].reshape(count, width)
    local = constant + shift + level[own, None] + series[own]
    shaken, by = shake_flasks(flasks, local, constant - reference, terms)
    slopes = np.zeros((*flasks.feed.shape, len(unknowns)))
    slopes[:, :, :width] = by.constant + by.kappa
    slopes[:, :, width : width + 2] = by.terms
    place, offsets = np.arange(len(own)), width + 2
    slopes[place, :, offsets + own] = by.constant.sum(axis=2)
    columns = offsets + count + own[:, None] * width + np.arange(width)
    slopes[place[:, None], :, columns] = np.swapaxes(by.constant, 1, 2)
    return shaken, slopes
