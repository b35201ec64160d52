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
    pulled = model.factor_slopes(fit.values, fit.slopes, live_time, weighted.T)
    moved = -(fit.covariance @ pulled)[:count]
    spread = moved @ correction.covariance @ moved.T
    owners = np.array([name.split()[0] for name in correction.acting.names])
    others = np.where(owners != np.array(model.sample.metals)[:, None], moved, 0.0)
    absent = np.sum((others @ correction.covariance) * others, axis=1)
    return spread, np.sqrt(np.maximum(absent, 0.0))
