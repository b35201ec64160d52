"""Plant time of a plant that runs in real time: its clock, without the jumps."""

from __future__ import annotations

import time
from collections.abc import Callable

CLOCK_JUMP = 30.0
"""Difference between the plant's clock and this machine's own between two reports that counts as
a jump, [s]; half a scan, so that no scan is counted twice or left out."""


class PlantClock:
    """Plant time of a plant that runs in real time, which no clock jump moves.

    The plant's clock is followed as long as it goes like this machine's monotonic one; a jump, in
    either direction, is told once, and time goes on from where it was.

    Args:
        epoch_us: UTC at plant time 0, [µs].
        monotonic: Clock of this machine, [s].

    Attributes:
        offsets: What was added to the plant's clock before its last jump, and is since, [s].
    """

    def __init__(self, epoch_us: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._epoch = epoch_us / 1e6
        self._monotonic = monotonic
        self._last: tuple[float, float] | None = None
        self.offsets = (0.0, 0.0)

    def plant_time(self, utc: float) -> tuple[float, float]:
        """Return plant time, [s], and the jump found, [s], 0 for none.

        Args:
            utc: What the plant's clock says, [s] since 1970.
        """
        now, told = self._monotonic(), utc - self._epoch + self.offsets[1]
        jump = 0.0
        if self._last is not None:
            expected = self._last[0] + (now - self._last[1])
            if abs(told - expected) > CLOCK_JUMP:
                jump = told - expected
                self.offsets = (self.offsets[1], self.offsets[1] - jump)
                told = expected
            told = max(told, self._last[0])
        self._last = (told, now)
        return told, jump

    def sampled(self, utc: float, now: float) -> float:
        """Return the plant time of a moment that the plant's clock stamped, [s].

        It may have been stamped before the last jump: of the two times it can be, the later one
        that is not yet to come.

        Args:
            utc: What the plant's clock said, [s] since 1970.
            now: Plant time, [s].
        """
        found = sorted(utc - self._epoch + offset for offset in self.offsets)
        return found[1] if found[1] <= now + CLOCK_JUMP else found[0]
