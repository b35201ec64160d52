"""A sampling plan under way: what is decided is measured, and nothing is decided too early."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from raffinate.instruments.sampling import Request, SamplingPlan, SamplingState
from raffinate.instruments.schedule import Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingRound:
    """Where an analyzer stands in its plan.

    Attributes:
        plan: Its lines.
        state: After the last decision.
        open: What was decided and not sampled yet; None between two measurements.
    """

    plan: SamplingPlan
    state: SamplingState
    open: Slot | None = None

    def next_sample(
        self, until: float, requests: Sequence[Request] = ()
    ) -> tuple[SamplingRound, Slot | None]:
        """Return the next measurement whose sample is taken up to `until`, [s]; None without one.

        A stream is chosen when the cell becomes free and not before, so that a request or a check
        that fails by then still counts.

        Args:
            until: Plant time, [s].
            requests: What the estimation asks for now.
        """
        slot, state = self.open, self.state
        if slot is None:
            if state.time >= until:
                return self, None
            state, slot = self.plan.next_stream(state, requests)
        if slot.sample_time > until:
            return replace(self, state=state, open=slot), None
        return replace(self, state=state, open=None), slot

    def due_again(self, name: str) -> SamplingRound:
        """Return the round in which a check follows as soon as the cell is free."""
        return replace(self, state=self.plan.due_again(self.state, name))
