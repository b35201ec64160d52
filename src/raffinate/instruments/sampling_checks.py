"""Scheduled checks of the analyzer: a blank must be empty, a standard must read what it is.

One bad check may be a bubble: two in a row ask for a recalibration. Rule 2-2s after
J. O. Westgard et al., Clin. Chem. 27 (1981) 493: two successive results of a control outside the
same 2 s limit mean a systematic error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import SpecificationError
from raffinate.instruments.reading import Reading

Array = NDArray[np.float64]

CONTROL_LIMIT = 2.0
"""Standard deviations beyond which two successive checks to the same side ask for recalibration."""

ACTION_LIMIT = 3.0
"""Standard deviations beyond which one check does (rule 1-3s of the same paper)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Standard:
    """A liquor of known content.

    Attributes:
        name: Of its line.
        concentration: Certified, (element,), [mol/m³]; all zero for a blank.
        relative_sd: Of the certificate, [-].
    """

    name: str
    concentration: Array
    relative_sd: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CheckResult:
    """What a check found.

    Attributes:
        name: Of the blank or standard.
        time: Of the sample, [s].
        deviation: Reading less certificate over their joint standard deviation, (element,), [-].
        worst: The deviation of largest size, with its sign, [-].
        element: Whose it is.
    """

    name: str
    time: float
    deviation: Array
    worst: float
    element: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CheckHistory:
    """The last check of each line and what it asks for.

    Attributes:
        last: By name.
        recalibrate: Why a recalibration is due; empty when none is.
    """

    last: Mapping[str, CheckResult] = field(default_factory=dict)
    recalibrate: str = ""


def judge_check(reading: Reading, standard: Standard) -> CheckResult:
    """Return how far a reading of a standard or a blank is from what it is.

    Raises:
        SpecificationError: The two are not of the same elements.
    """
    if standard.concentration.shape != reading.values.shape:
        raise SpecificationError(
            f"the standard has {standard.concentration.size} concentrations.",
            where=f"check {standard.name}",
            allowed=f"{len(reading.elements)}, for {', '.join(reading.elements)}",
        )
    certified = standard.relative_sd * standard.concentration
    spread = np.sqrt(np.diagonal(reading.covariance) + certified**2)
    deviation = (reading.values - standard.concentration) / np.maximum(spread, 1e-300)
    place = int(np.argmax(np.abs(deviation)))
    return CheckResult(
        name=standard.name,
        time=reading.sample_time,
        deviation=deviation,
        worst=float(deviation[place]),
        element=reading.elements[place],
    )


def after_check(history: CheckHistory, result: CheckResult) -> CheckHistory:
    """Take in a check and say whether the analyzer has to be calibrated anew."""
    before = history.last.get(result.name)
    reason = history.recalibrate
    if abs(result.worst) > ACTION_LIMIT or not np.isfinite(result.worst):
        reason = f"{result.name}: {result.element} is {result.worst:+.1f} standard deviations off"
    elif before is not None:
        both = np.minimum(before.deviation, result.deviation) > CONTROL_LIMIT
        both |= np.maximum(before.deviation, result.deviation) < -CONTROL_LIMIT
        if bool(np.any(both)):
            reason = f"{result.name}: {result.element} is off twice to the same side"
    return replace(history, last={**history.last, result.name: result}, recalibrate=reason)


def recalibrated(history: CheckHistory) -> CheckHistory:
    """Return the history after a recalibration: what was found before it counts no more."""
    return replace(history, last={}, recalibrate="")
