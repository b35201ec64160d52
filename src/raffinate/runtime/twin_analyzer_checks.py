"""Blank and standard of the virtual plant's analyzer: what they hold, and how they were read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raffinate.instruments.reading import Reading
from raffinate.instruments.sampling_checks import Standard
from raffinate.instruments.sampling_recalibration import CheckBook, CheckOutcome, as_calibrated
from raffinate.plant.analyzer_plan import CheckPlan
from raffinate.runtime.messages import BLANK, STANDARD

Array = NDArray[np.float64]

SHOWN = 6
"""Outcomes that a page is sent."""


class CheckDesk:
    """Keeps the checks of one analyzer.

    Args:
        plan: Of the plant file.
        elements: Of the plant; they fix the element axis.
        seed: Draws how far the standard is from its certificate.
        matched: Make it exactly what its certificate says.

    Attributes:
        plan: As given.
        contents: What is truly in them, by name: metals (element,) and acid, [mol/m³].
        book: What was found.
    """

    def __init__(
        self, plan: CheckPlan, elements: tuple[str, ...], seed: int, *, matched: bool
    ) -> None:
        self.plan = plan
        certified, none = np.array(plan.standard), np.zeros(len(elements))
        turn = np.random.default_rng([seed, 14]).standard_normal(len(elements))
        held = certified * (1.0 + (0.0 if matched else plan.relative_sd) * turn)
        self.contents: Mapping[str, tuple[Array, float]] = {
            BLANK: (none, plan.acid),
            STANDARD: (np.maximum(held, 0.0), plan.acid),
        }
        self.book = CheckBook(
            standards={
                BLANK: Standard(name=BLANK, concentration=none),
                STANDARD: Standard(
                    name=STANDARD, concentration=certified, relative_sd=plan.relative_sd
                ),
            },
            repeats=plan.repeats,
            correction=as_calibrated(len(elements)),
        )

    def take(self, reading: Reading) -> CheckOutcome:
        """Take in a check whose result has become known.

        Raises:
            KeyError: There is no such check.
        """
        self.book = self.book.taken(reading)
        return self.book.outcomes[-1]


def check_rows(book: CheckBook) -> dict[str, Any]:
    """Return checks as a page shows them, newest first, with zero and span, as plain values."""
    correction = book.correction
    return {
        "outcomes": [_row(outcome) for outcome in reversed(book.outcomes[-SHOWN:])],
        "failed": list(book.failed.values()),
        "confirming": book.confirming,
        "recalibrations": book.recalibrations,
        "zero": _values(correction.zero, correction.zeroed),
        "span_percent": _values(100.0 * np.expm1(correction.span), correction.spanned),
        "zeroed": _time(correction.zeroed),
        "spanned": _time(correction.spanned),
    }


def _row(outcome: CheckOutcome) -> dict[str, Any]:
    result = outcome.result
    return {
        "name": result.name,
        "time": result.time,
        "verdict": outcome.verdict,
        "element": result.element,
        "worst": round(result.worst, 2) if math.isfinite(result.worst) else None,
        "text": outcome.text,
    }


def _values(values: Array, since: float) -> list[float] | None:
    """Return what was set; None while it never was."""
    if math.isnan(since):
        return None
    return [float(f"{value:.4g}") for value in values.tolist()]


def _time(value: float) -> float | None:
    return None if math.isnan(value) else value
