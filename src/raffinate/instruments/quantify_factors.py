"""What is not known of a calibration's factors, carried into concentrations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raffinate.instruments.quantify_fit import LEAST_EXPECTED, Fit
from raffinate.instruments.quantify_model import FitModel

Array = NDArray[np.float64]


def factor_spread(model: FitModel, fit: Fit, live_time: float) -> tuple[Array, Array]:
    """Return what uncertain factors add to the covariance of concentrations.

    A factor moves the estimate by -(J'WJ)⁻¹ J'W K, K being the change of counts with factors.

    Args:
        model: With a correction.
        fit: Where the fit ended.
        live_time: [s].

    Returns:
        Covariance, (metal, metal), [mol²/m⁶]; and the standard deviation of each metal from the
        factors of all others alone, which is that of a metal that is absent, (metal,), [mol/m³].
    """
    correction = model.correction
    count = len(model.sample.metals)
    if correction is None:
        return np.zeros((count, count)), np.zeros(count)
    weighted = fit.jacobian / np.maximum(fit.expected.counts, LEAST_EXPECTED)[:, None]
    pulled = model.factor_slopes(fit.values, live_time, weighted.T)
    moved = -(fit.covariance @ pulled)[:count]
    spread = moved @ correction.covariance @ moved.T
    absent = np.empty(count)
    for place, symbol in enumerate(model.sample.metals):
        others = np.array([name.split()[0] != symbol for name in correction.acting.names])
        row = np.where(others, moved[place], 0.0)
        absent[place] = np.sqrt(max(float(row @ correction.covariance @ row), 0.0))
    return spread, absent
