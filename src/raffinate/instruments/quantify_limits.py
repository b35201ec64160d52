"""How well a mixture can be known from counting statistics alone, and what is too little to see.

The Cramér–Rao bound is that of the parameters a fit turns, nuisances included. L. A. Currie, Anal.
Chem. 40 (1968) 586: a detection limit is what is missed in one case of twenty, where a blank is
taken for a find in one of twenty.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raffinate.errors import SpecificationError
from raffinate.instruments.quantify_fit import LEAST_EXPECTED, fisher_information, inverse
from raffinate.instruments.quantify_model import FitModel

Array = NDArray[np.float64]

ONE_SIDED = 1.645
"""Standard deviations that one case of twenty exceeds."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Limits:
    """What counting statistics allow.

    Attributes:
        names: Of the parameters; they fix the parameter axis.
        values: For which the limits hold, (parameter,).
        bound: Cramér–Rao, the least covariance without bias, (parameter, parameter).
        detection: Of each metal in this mixture, (metal,), [mol/m³].
        count_rate: Recorded, [1/s].
        live_time: [s].
    """

    names: tuple[str, ...]
    values: Array
    bound: Array
    detection: Array
    count_rate: float
    live_time: float

    @property
    def sigma(self) -> Array:
        """Least standard deviation of each parameter, (parameter,)."""
        return np.asarray(np.sqrt(np.diag(self.bound)), dtype=np.float64)


def parameters(
    model: FitModel, metals: ArrayLike, unknown: float | None = None, flux: float = 1.0
) -> Array:
    """Return the parameter vector of a mixture on an analyzer without drift, (parameter,).

    Args:
        model: It fixes the order.
        metals: (metal,), [mol/m³].
        unknown: Of the matrix, [SI]; None for where fits begin.
        flux: Of the tube over nominal, [-].
    """
    start = model.sample.unknown.start if unknown is None else unknown
    amounts = np.asarray(metals, dtype=np.float64)
    return np.concatenate([amounts, [start, flux, 0.0, 0.0, 0.0]])


def counting_limits(model: FitModel, values: Array, live_time: float) -> Limits:
    """Return bound and detection limits.

    Args:
        model: Analyzer and kind of sample.
        values: (parameter,); see `parameters`.
        live_time: [s].

    Raises:
        SpecificationError: The time is not above 0.
    """
    if not live_time > 0.0:
        raise SpecificationError(
            f"the time is {live_time:g} s.", where="XRF limits", allowed="above 0"
        )
    slopes = model.slopes(values)
    here = model.expected(values, live_time, slopes)
    jacobian = model.jacobian(values, here, slopes, live_time)
    return Limits(
        names=model.names,
        values=values,
        bound=inverse(fisher_information(jacobian, here.counts)),
        detection=detection_limits(jacobian, here.counts, values, len(model.sample.metals)),
        count_rate=float(np.sum(here.recorded)),
        live_time=live_time,
    )


def detection_limits(jacobian: Array, counts: Array, values: Array, metals: int) -> Array:
    """Return the detection limit of each metal beside the others, (metal,), [mol/m³].

    Args:
        jacobian: (fitted channel, parameter).
        counts: Expected, (fitted channel,).
        values: (parameter,).
        metals: How many of the parameters, the first, are metals.
    """
    own = np.ascontiguousarray(jacobian.T)
    without = counts - own[:metals] * np.maximum(values[:metals], 0.0)[:, None]
    absent = _deviations(own, without)
    present = _deviations(own, without + own[:metals] * (2.0 * ONE_SIDED * absent)[:, None])
    return np.asarray(ONE_SIDED * (absent + present), dtype=np.float64)


def _deviations(columns: Array, counts: Array) -> Array:
    """Standard deviation of each metal where the counts are those without it, (metal,).

    Args:
        columns: Change of counts with each parameter, (parameter, fitted channel).
        counts: (metal, fitted channel).
    """
    weights = 1.0 / np.maximum(counts, LEAST_EXPECTED)
    stacked = np.array([(columns * weight) @ columns.T for weight in weights])
    return np.sqrt(np.diagonal(inverse(stacked), axis1=1, axis2=2).diagonal())
