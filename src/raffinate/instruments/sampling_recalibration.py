"""What follows from checks: a bad one is repeated; once confirmed, zero or span is set anew.

Zero is what the analyzer reads of a blank, span the ratio of a standard's certificate to what is
read of it: two-point recalibration of process analyzers. Both are means of the measurements that
confirmed the check, never of the one that failed, which was picked for being far off. What they do
not tell goes into the covariance of all they correct.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from raffinate.instruments.reading import Reading
from raffinate.instruments.sampling_checks import (
    CONTROL_LIMIT,
    CheckHistory,
    CheckResult,
    Standard,
    after_check,
    judge_check,
    recalibrated,
)
from raffinate.sources import Source

Array = NDArray[np.float64]

RECALIBRATION_SOURCE = Source(
    title="When zero and span of an online analyzer are set anew",
    evidence="assumed",
    note=(
        "Confirmed where the mean of the repeats is beyond 2 joint standard deviations; never by "
        "more than 5 % of the standard: more asks for service, not for a factor."
    ),
)
"""Where the numbers of `CheckBook` come from."""

LARGEST = 0.05
"""Largest change of span, and of zero over what the standard holds, [-]."""

FAILED = "check_failed"
"""Flag of readings while a check has failed and is not made good."""

OUTCOMES_KEPT = 20
"""Outcomes that a page can show."""

Verdict = Literal["passed", "failed", "repeated", "not_confirmed", "recalibrated", "beyond_range"]
"""passed; failed: repeats follow; repeated: more follow; not_confirmed: a chance or a bubble;
recalibrated: zero or span was set; beyond_range: too far off for that, or no numbers."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ZeroAndSpan:
    """Two-point recalibration: the liquor is exp(span) (reading - zero).

    Attributes:
        zero: Read of a blank, (element,), [mol/m³].
        zero_covariance: (element, element), [mol²/m⁶].
        span: ln(certificate / (read - zero)), (element,), [-].
        span_covariance: (element, element), [-].
        zeroed: When the zero was set, [s]; NaN for never.
        spanned: When the span was set, [s]; NaN for never.
    """

    zero: Array
    zero_covariance: Array
    span: Array
    span_covariance: Array
    zeroed: float = math.nan
    spanned: float = math.nan

    @property
    def never_set(self) -> bool:
        """Whether it changes nothing."""
        return math.isnan(self.zeroed) and math.isnan(self.spanned)

    def corrected(self, reading: Reading) -> Reading:
        """Return a reading with zero and span applied; the same one where neither was ever set."""
        if self.never_set:
            return reading
        scale = np.exp(self.span)
        values = scale * (reading.values - self.zero)
        covariance = (reading.covariance + self.zero_covariance) * np.outer(scale, scale)
        zero_variance = np.diagonal(self.zero_covariance)
        return replace(
            reading,
            values=values,
            covariance=covariance + np.outer(values, values) * self.span_covariance,
            detection_limit=scale * np.sqrt(reading.detection_limit**2 + 3.29**2 * zero_variance),
        )


def as_calibrated(count: int) -> ZeroAndSpan:
    """Return zero and span of an analyzer of `count` elements as its calibration left it."""
    none = np.zeros((count, count))
    return ZeroAndSpan(
        zero=np.zeros(count), zero_covariance=none, span=np.zeros(count), span_covariance=none
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CheckOutcome:
    """One check and what came of it.

    Attributes:
        result: What it found.
        verdict: What came of it.
        text: In a sentence.
    """

    result: CheckResult
    verdict: Verdict
    text: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CheckBook:
    """All that is remembered of the checks of one analyzer.

    Attributes:
        standards: Blank and standard, by name; the blank holds nothing.
        repeats: Measurements that confirm a bad check.
        correction: Zero and span in force.
        history: Last check of each.
        confirming: Name of the check that is being repeated; empty for none.
        measured: Repeats so far, as read.
        outcomes: Last ones, oldest first.
        failed: Why readings are not to be trusted, by name of the check; empty when they are.
        recalibrations: How often zero or span was set.
    """

    standards: Mapping[str, Standard]
    repeats: int
    correction: ZeroAndSpan
    history: CheckHistory = field(default_factory=CheckHistory)
    confirming: str = ""
    measured: tuple[Reading, ...] = ()
    outcomes: tuple[CheckOutcome, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    recalibrations: int = 0

    def corrected(self, reading: Reading) -> Reading:
        """Return a reading of a stream with zero and span applied, flagged while a check fails."""
        found = self.correction.corrected(reading)
        return replace(found, flags=(*found.flags, FAILED)) if self.failed else found

    def taken(self, reading: Reading) -> CheckBook:
        """Take in a check.

        Args:
            reading: As the analyzer gave it, neither zero nor span applied; its place is the
                name of the blank or standard.

        Raises:
            KeyError: There is no such check.
            SpecificationError: It is of other elements.
        """
        standard = self.standards[reading.place]
        result = judge_check(self.correction.corrected(reading), standard)
        if self.confirming == reading.place:
            return self._repeated(reading, result, standard)
        history = after_check(self.history, result)
        reason, history = history.recalibrate, replace(history, recalibrate="")
        if not reason:
            cleared = {name: why for name, why in self.failed.items() if name != reading.place}
            passed = replace(self, history=history, failed=cleared)
            return passed._noted(result, "passed", f"{result.name} passed: {_worst(result)}")
        begun = replace(
            self,
            history=history,
            confirming=reading.place,
            measured=(),
            failed={**self.failed, reading.place: reason},
        )
        return begun._noted(result, "failed", f"{reason}; it is repeated")

    def _repeated(self, reading: Reading, result: CheckResult, standard: Standard) -> CheckBook:
        measured = (*self.measured, reading)
        if len(measured) < self.repeats:
            more = replace(self, measured=measured)
            text = f"{result.name} repeated ({len(measured)} of {self.repeats}): {_worst(result)}"
            return more._noted(result, "repeated", text)
        mean = mean_reading(measured)
        found = judge_check(self.correction.corrected(mean), standard)
        ended = replace(self, confirming="", measured=(), history=recalibrated(self.history))
        if abs(found.worst) <= CONTROL_LIMIT:
            cleared = {name: why for name, why in self.failed.items() if name != result.name}
            ended = replace(ended, failed=cleared)
            text = f"{result.name} not confirmed: mean of {self.repeats}: {_worst(found)}"
            return ended._noted(found, "not_confirmed", text)
        return ended._set(mean, found, standard)

    def _set(self, mean: Reading, found: CheckResult, standard: Standard) -> CheckBook:
        """Set zero or span from the mean of the repeats, where they are within reach."""
        is_blank = not bool(np.any(standard.concentration > 0.0))
        correction = (
            zeroed(self.correction, mean) if is_blank else spanned(self.correction, mean, standard)
        )
        content = max(float(np.max(each.concentration)) for each in self.standards.values())
        reach = LARGEST * content if is_blank else LARGEST
        size = np.max(np.abs(correction.zero if is_blank else correction.span))
        if not size <= reach:
            text = f"{found.name}: {_worst(found)}; too far off to be corrected for"
            told = replace(self, failed={**self.failed, found.name: text})
            return told._noted(found, "beyond_range", text)
        cleared = {name: why for name, why in self.failed.items() if name != found.name}
        what = "zero" if is_blank else "span"
        text = f"{what} set by {found.name}, which was confirmed: {_worst(found)}"
        new = replace(
            self, correction=correction, failed=cleared, recalibrations=self.recalibrations + 1
        )
        return new._noted(found, "recalibrated", text)

    def _noted(self, result: CheckResult, verdict: Verdict, text: str) -> CheckBook:
        outcome = CheckOutcome(result=result, verdict=verdict, text=text)
        return replace(self, outcomes=(*self.outcomes, outcome)[-OUTCOMES_KEPT:])


def mean_reading(readings: Sequence[Reading]) -> Reading:
    """Return the mean of readings of one liquor, with the covariance of the mean.

    Independent counts; what they share, such as a certificate, is not in their covariance.
    """
    count = len(readings)
    return replace(
        readings[-1],
        values=np.mean([each.values for each in readings], axis=0),
        covariance=np.sum([each.covariance for each in readings], axis=0) / count**2,
    )


def zeroed(before: ZeroAndSpan, blank: Reading) -> ZeroAndSpan:
    """Return the correction whose zero is a reading of a blank."""
    return replace(
        before, zero=blank.values, zero_covariance=blank.covariance, zeroed=blank.result_time
    )


def spanned(before: ZeroAndSpan, read: Reading, standard: Standard) -> ZeroAndSpan:
    """Return the correction whose span is a reading of a standard; of what it lacks, as before.

    Args:
        before: Its zero is kept.
        read: Of the standard, as the analyzer gave it.
        standard: Its certificate.
    """
    held = np.flatnonzero(standard.concentration > 0.0)
    net = (read.values - before.zero)[held]
    span, covariance = before.span.copy(), before.span_covariance.copy()
    if not np.all(net > 0.0):
        # No ratio says how far off it is; whoever asked sees that it is no number.
        span[held] = np.nan
        return replace(before, span=span)
    doubt = (read.covariance + before.zero_covariance)[np.ix_(held, held)] / np.outer(net, net)
    span[held] = np.log(standard.concentration[held] / net)
    covariance[held, :] = covariance[:, held] = 0.0
    covariance[np.ix_(held, held)] = doubt + standard.relative_sd**2 * np.eye(held.size)
    return replace(before, span=span, span_covariance=covariance, spanned=read.result_time)


def _worst(result: CheckResult) -> str:
    return f"{result.element} {result.worst:+.1f} standard deviations off"
