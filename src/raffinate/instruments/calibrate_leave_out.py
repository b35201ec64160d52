"""Each standard read with a calibration from all others: the honest test of a calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from raffinate.instruments.calibrate_factors import Correction
from raffinate.instruments.calibrate_result import StandardFit
from raffinate.instruments.calibrate_standard import Normal, Work
from raffinate.instruments.quantify import Quantifier, quantify
from raffinate.instruments.quantify_fit import inverse
from raffinate.instruments.quantify_flags import misfit
from raffinate.instruments.quantify_model import FitModel

Array = NDArray[np.float64]


def leave_out(
    model: FitModel,
    correction: Correction,
    one: Work,
    values: Array,
    normal: Normal,
    information: Array,
) -> StandardFit:
    """Return how one standard reads with the factors that all others give.

    The factors without it are one Newton step away from those with it.

    Args:
        model: With the joint fit's factors in force.
        correction: Those factors.
        one: The standard.
        values: Its parameters in the joint fit, (parameter,).
        normal: Its normal equations there.
        information: Of the factors from prior and all standards, (factor, factor).
    """
    found = model.expected(values, one.live_time, model.slopes(values))
    quality = misfit(one.counts, found.counts, len(values))
    covariance = inverse(information - normal.information)
    moved = replace(
        correction, logs=correction.logs - covariance @ normal.pull, covariance=covariance
    )
    without = replace(model, forward=moved.forward(), correction=moved)
    result = quantify(one.standard.spectrum, Quantifier(model=without, starts=()), start=values)
    return StandardFit(
        name=one.standard.name,
        certified=one.standard.metals,
        certified_sigma=one.standard.uncertainty,
        found=result.concentration,
        sigma=result.sigma,
        chi2_per_dof=quality.chi2_per_dof,
        nuisances=values[model.composition_size :],
    )


def scatter(fits: Sequence[StandardFit]) -> float:
    """Return by how much left-out standards miss more than stated, at least 1, [-].

    The root mean square of errors over stated standard deviations, certificates included.
    """
    errors = [(one.found - one.certified) / np.hypot(one.sigma, one.certified_sigma)
              for one in fits]  # fmt: skip
    return max(1.0, float(np.sqrt(np.mean(np.square(errors)))))
