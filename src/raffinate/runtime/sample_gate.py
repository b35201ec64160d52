"""What may pass as a sample: once each, in order, and none from the future."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from raffinate.instruments.reading import Reading

FUTURE = 60.0
"""How far a sample's time may lie ahead of plant time, [s]: a scan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleGate:
    """Remembers the newest sample of every stream.

    Attributes:
        newest: Its sample time, [s], by instrument and place.
        refused: Samples refused so far.
    """

    newest: Mapping[tuple[str, str], float] = field(default_factory=dict)
    refused: int = 0

    def passed(
        self, samples: Sequence[Reading], now: float
    ) -> tuple[SampleGate, tuple[Reading, ...], tuple[str, ...]]:
        """Sort what came, and return what may be used.

        A duplicate, an older sample that comes after a newer one of its stream, and one from the
        future are refused: each would move a controller by what is known better or not at all.
        They stand in the history all the same.

        Args:
            samples: As they came, in any order.
            now: Plant time, [s].

        Returns:
            The gate as it is now, the samples to use, oldest first, and a sentence for each
            refused one.
        """
        newest, used, remarks = dict(self.newest), [], []
        for sample in sorted(samples, key=lambda each: each.sample_time):
            key = (sample.instrument, sample.place)
            last = newest.get(key)
            if sample.sample_time > now + FUTURE:
                remarks.append(
                    f"{sample.place}: sampled {sample.sample_time - now:.0f} s in the future"
                )
            elif last is not None and sample.sample_time == last:
                remarks.append(f"{sample.place}: the same sample came again")
            elif last is not None and sample.sample_time < last:
                remarks.append(
                    f"{sample.place}: sampled {last - sample.sample_time:.0f} s before one that "
                    "came earlier"
                )
            else:
                newest[key] = sample.sample_time
                used.append(sample)
        gate = replace(self, newest=newest, refused=self.refused + len(remarks))
        return gate, tuple(used), tuple(remarks)
