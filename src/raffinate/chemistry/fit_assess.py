"""Everything that is asked of a fit once it stands: what to expect elsewhere, what is not known."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from raffinate.chemistry.fit_design import (
    Experiment,
    WeakDirection,
    next_experiments,
    weak_directions,
)
from raffinate.chemistry.fit_profile import ProfileInterval, profile_intervals
from raffinate.chemistry.fit_report import FitResult
from raffinate.chemistry.fit_sources import SourceTable, leave_one_source_out


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Assessment:
    """How far a fit can be trusted.

    Attributes:
        left_out: Each laboratory predicted by the others.
        left_out_unfiltered: The same, with nothing excluded.
        profiles: 90 % intervals.
        weak: What the tests alone cannot tell.
        experiments: Which flask to shake next, best first.
    """

    left_out: SourceTable
    left_out_unfiltered: SourceTable
    profiles: tuple[ProfileInterval, ...]
    weak: tuple[WeakDirection, ...]
    experiments: tuple[Experiment, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the assessment as plain numbers and texts."""
        return {
            "left_out": self.left_out.to_dict(),
            "left_out_with_nothing_excluded": self.left_out_unfiltered.to_dict(),
            "intervals": [asdict(item) for item in self.profiles],
            "not_told": [asdict(item) for item in self.weak],
            "next_experiments": [
                asdict(item) | {"elements": list(item.elements)} for item in self.experiments
            ],
        }


def assess(result: FitResult) -> Assessment:
    """Return the assessment of a fit; it refits for every laboratory and interval."""
    left_out = leave_one_source_out(result)
    filtered = bool(result.problem.keep.all())
    return Assessment(
        left_out=left_out,
        left_out_unfiltered=left_out if filtered else leave_one_source_out(result, unfiltered=True),
        profiles=profile_intervals(result),
        weak=weak_directions(result),
        experiments=next_experiments(result),
    )
