"""What is left of the last stream in the line and the flow cell, and how a reading is freed of it.

The line is a plug that has to be pushed out; the cell behind it is stirred by its inflow, so that
what it held before falls off exponentially: O. Levenspiel, Chemical Reaction Engineering, 3rd ed.
(1999), chapter 12 (plug flow and mixed flow in series).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import SpecificationError
from raffinate.instruments.reading import Reading
from raffinate.sources import Source

Array = NDArray[np.float64]

CELL_SOURCE = Source(
    title="Sample line and flow cell of an online analyzer",
    evidence="assumed",
    note=(
        "0.3 L of line that all streams share and a stirred cell of 0.2 L at 1.2 L/min: 15 s of "
        "dead time and a time constant of 10 s, so that 80 s of purge leave a share of 0.15 %; "
        "the time constant is known to 10 %."
    ),
)
"""Where the defaults of `FlowCell` come from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowCell:
    """The line that all streams share and the cell in front of the analyzer.

    Attributes:
        flow: Of the sample, [m³/s].
        line_volume: Of the shared line, pushed out as a plug, [m³].
        cell_volume: Of the cell, stirred, [m³].
        relative_sd: Of its time constant, as the calibration of the purge knows it, [-].
    """

    flow: float = 2e-5
    line_volume: float = 3e-4
    cell_volume: float = 2e-4
    relative_sd: float = 0.1

    def __post_init__(self) -> None:
        numbers = (self.flow, self.line_volume, self.cell_volume, self.relative_sd)
        if not all(math.isfinite(number) and number >= 0.0 for number in numbers) or not (
            self.flow > 0.0 and self.cell_volume > 0.0
        ):
            raise SpecificationError(
                f"flow, line_volume, cell_volume, relative_sd are {numbers}.",
                where="flow cell",
                allowed="finite, flow and cell_volume above 0, the others 0 or above",
            )

    @property
    def dead_time(self) -> float:
        """Until the new stream reaches the cell, [s]."""
        return self.line_volume / self.flow

    @property
    def time_constant(self) -> float:
        """Of the exponential washout of the cell, [s]."""
        return self.cell_volume / self.flow

    def share_left(self, purge_time: float) -> float:
        """Return the share of the cell that is still the last stream, 0 to 1, [-].

        Args:
            purge_time: Since the new stream was let in, [s].
        """
        return math.exp(-max(purge_time - self.dead_time, 0.0) / self.time_constant)

    def share_sd(self, purge_time: float) -> float:
        """Return the standard deviation of `share_left`, [-], to first order."""
        turns = max(purge_time - self.dead_time, 0.0) / self.time_constant
        return self.share_left(purge_time) * turns * self.relative_sd

    def purge_for(self, share: float) -> float:
        """Return the purge that leaves no more than this share, [s].

        Raises:
            SpecificationError: The share is not between 0 and 1.
        """
        if not 0.0 < share <= 1.0:
            raise SpecificationError(
                f"a share of {share:g} is to be left.", where="flow cell", allowed="above 0 to 1"
            )
        return self.dead_time - self.time_constant * math.log(share)

    def filled(self, held: Array | None, stream: Array, purge_time: float) -> Array:
        """Return what is in the cell after a purge, (element,), [mol/m³].

        Args:
            held: What it held before, (element,), [mol/m³]; None for a clean one.
            stream: What is led in, (element,), [mol/m³].
            purge_time: [s].
        """
        if held is None:
            return stream
        left = self.share_left(purge_time)
        return np.asarray((1.0 - left) * stream + left * held, dtype=np.float64)


def freed_of_carry_over(
    reading: Reading, before: Reading | None, cell: FlowCell, purge_time: float
) -> Reading:
    """Return a reading of the cell as one of the stream: x = (m - s p) / (1 - s).

    The share s is known to `FlowCell.share_sd`, and both readings to their covariance; all three
    enter the covariance of the result. Where the doubt of s alone is more than the reading's own,
    it is flagged "carry_over": a longer purge would tell more than a longer count.

    Args:
        reading: Of what was in the cell, m.
        before: Of what was in it one measurement earlier, p, not freed of its own carry-over;
            None for a clean cell.
        cell: Line and cell.
        purge_time: Between the two, [s].

    Raises:
        SpecificationError: Nothing of the new stream has reached the cell.
    """
    if before is None:
        return reading
    left, doubt = cell.share_left(purge_time), cell.share_sd(purge_time)
    if not left < 1.0:
        raise SpecificationError(
            f"a purge of {purge_time:g} s does not reach the cell.",
            where=f"reading at {reading.place}",
            allowed=f"above {cell.dead_time:g} s",
            mend="Purge for longer.",
        )
    away = (before.values - reading.values) / (1.0 - left) ** 2
    covariance = (reading.covariance + left**2 * before.covariance) / (1.0 - left) ** 2
    covariance = covariance + doubt**2 * np.outer(away, away)
    flags = reading.flags
    if bool(np.any(doubt * np.abs(away) > reading.sigma)):
        flags = (*flags, "carry_over")
    return replace(
        reading,
        values=(reading.values - left * before.values) / (1.0 - left),
        covariance=covariance,
        detection_limit=np.sqrt(reading.detection_limit**2 + (3.29 * doubt * np.abs(away)) ** 2),
        flags=flags,
    )
