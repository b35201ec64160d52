"""Which stream the virtual plant's analyzer looks at, and when: a rota, or a plan with requests."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from raffinate.instruments.sampling import Line, Request, SamplingPlan
from raffinate.instruments.sampling_round import SamplingRound
from raffinate.instruments.schedule import SampleSchedule, Slot
from raffinate.plant.analyzer_plan import AnalyzerPlan
from raffinate.runtime.messages import BLANK, STANDARD

XRF_START = 0.0
"""Plant time of the first purge, [s]."""

PRODUCT_TURN = 4
"""On the fixed rota every so manieth measurement is one of a product."""

REQUEST_LIFE = 1200.0
"""How long a request stands without a newer one, [s]: as long as a plan of the guard."""

MOST_REQUESTS = 100
"""Requests that are taken at once."""


class AnalyzerRounds:
    """The order in which one analyzer measures.

    Args:
        plan: Of the plant file.
        stages: Places of the monitored stages.
        products: Places of the outlets.

    Attributes:
        schedule: The fixed rota; None where every measurement is decided on its own.
        requests: What the estimation asks for, as far as it can be had.
    """

    def __init__(
        self, plan: AnalyzerPlan, stages: tuple[str, ...], products: tuple[str, ...]
    ) -> None:
        self.requests: tuple[Request, ...] = ()
        self._asked_at = -math.inf
        self._streams = (*stages, *products)
        self._last: Slot | None = None
        self.schedule: SampleSchedule | None = None
        self._round: SamplingRound | None = None
        if plan.planned:
            lines = sampling_plan(plan, self._streams)
            self._round = SamplingRound(plan=lines, state=lines.start(XRF_START))
            return
        self.schedule = SampleSchedule(
            streams=stages,
            priority=products,
            every=PRODUCT_TURN,
            count_time=plan.count_time,
            purge_time=plan.purge_time,
            start=XRF_START,
        )

    def ask(self, requests: Sequence[Request], time: float) -> None:
        """Take what the estimation asks for at plant time `time`, [s].

        Requests for streams that are not led to the analyzer, and those whose worth is no number,
        are left out: whoever asks is another program.
        """
        self.requests = tuple(
            each
            for each in requests[:MOST_REQUESTS]
            if each.stream in self._streams and math.isfinite(each.worth) and each.worth > 0.0
        )
        self._asked_at = time

    def samples(self, begin: float, end: float) -> Iterator[Slot]:
        """Yield the measurements whose sample is taken in (begin, end], [s]."""
        if self.schedule is not None:
            yield from self.schedule.sampled(begin, end)
            return
        assert self._round is not None
        standing = self.requests if begin - self._asked_at <= REQUEST_LIFE else ()
        while True:
            self._round, slot = self._round.next_sample(end, standing)
            self._last = self._round.open or slot or self._last
            if slot is None:
                return
            yield slot

    def due_again(self, name: str) -> None:
        """Let a check follow as soon as the cell is free."""
        assert self._round is not None
        self._round = self._round.due_again(name)

    def shown(self) -> dict[str, Any] | None:
        """Return what is measured now and why, and what is asked for; None for a fixed rota."""
        if self._round is None:
            return None
        slot = self._last
        asked = sorted(self.requests, key=lambda each: -each.worth)
        return {
            "stream": None if slot is None else slot.stream,
            "why": None if slot is None else slot.why,
            "sample_time": None if slot is None else slot.sample_time,
            "asked": [{"stream": r.stream, "worth": float(f"{r.worth:.3g}")} for r in asked[:3]],
        }


def sampling_plan(plan: AnalyzerPlan, streams: Sequence[str]) -> SamplingPlan:
    """Return the lines of an analyzer whose next stream is decided step by step.

    Args:
        plan: Of the plant file.
        streams: Places of the plant, in the order in which they take turns.

    Raises:
        SpecificationError: It asks for more than the analyzer can do.
    """
    lines = [
        Line(
            name=name,
            count_time=plan.count_time,
            purge_time=plan.purge_time,
            longest_interval=plan.longest_interval,
            shortest_interval=plan.shortest_interval,
        )
        for name in streams
    ]
    checks = plan.checks
    if checks is not None:
        blank = Line(
            name=BLANK,
            count_time=checks.count_time,
            purge_time=checks.purge_time,
            longest_interval=checks.blank_interval,
            kind="blank",
        )
        standard = Line(
            name=STANDARD,
            count_time=checks.count_time,
            purge_time=checks.purge_time,
            longest_interval=checks.standard_interval,
            kind="standard",
        )
        lines += [blank, standard]
    return SamplingPlan(lines=tuple(lines))
