"""Which stream the analyzer should look at next: where a reading tells most of the fronts.

Of every monitored stage the logarithm of heavy over light product is followed as a random walk,
with a Kalman filter (R. E. Kalman, J. Basic Eng. 82 (1960) 35) whose drift is learned from the
stage's own readings. The controller steers by the mean of the stages on each side of the feed; a
reading of variance R at a stage known to variance P lowers the variance of that mean by
P²/(P + R)/n², n stages on the side. That is its worth.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from raffinate.instruments.reading import Reading
from raffinate.instruments.sampling import Request
from raffinate.sources import Source
from raffinate.units import HOUR

WORTH_SOURCE = Source(
    title="How fast the fronts are taken to wander before their readings have told",
    evidence="assumed",
    note=(
        "0.01 decades in an hour, which the fuzzy controller counts as fast; never taken for less "
        "than a tenth of that; a tenth of each new reading's evidence is believed."
    ),
)
"""Where the defaults of `SamplingWorth` come from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageKnowledge:
    """What is known of one stage.

    Attributes:
        time: Of the sample it rests on, [s].
        value: log₁₀ of heavy over light, [-].
        variance: Of it then, [decades²].
        noise: Variance of the last reading, [decades²].
        walk: Growth of the variance, [decades²/s].
    """

    time: float
    value: float
    variance: float
    noise: float
    walk: float

    def variance_at(self, time: float) -> float:
        """Return the variance at a plant time, [s], without another reading, [decades²]."""
        return self.variance + self.walk * max(time - self.time, 0.0)


Knowledge = Mapping[str, StageKnowledge]
"""By place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingWorth:
    """Judges what a reading of each stage is worth.

    Attributes:
        heavy: Elements of the strip product.
        light: Elements of the raffinate product.
        group: How many monitored stages stand on the same side of the feed, by place.
        first_walk: Growth of variance before readings have told, [decades²/s].
        least_walk: Below which it is never taken, [decades²/s].
        memory: Share of a new reading's evidence in the growth, [-].
    """

    heavy: tuple[str, ...]
    light: tuple[str, ...]
    group: Mapping[str, int]
    first_walk: float = 0.01**2 / HOUR
    least_walk: float = 0.001**2 / HOUR
    memory: float = 0.1

    def learned(self, known: Knowledge, readings: Iterable[Reading]) -> Knowledge:
        """Return what is known after sound readings; those taken in before are passed over.

        A stage with a product below its limit drops out: a ratio of limits tells nothing of it.
        """
        found = dict(known)
        for reading in readings:
            before = found.get(reading.place)
            if reading.place not in self.group or (
                before is not None and reading.sample_time <= before.time
            ):
                continue
            ratio = reading.log_ratio(self.heavy, self.light)
            noise = ratio.sigma**2
            if ratio.censored or not noise > 0.0:
                found.pop(reading.place, None)
                continue
            if before is None:
                found[reading.place] = StageKnowledge(
                    time=reading.sample_time,
                    value=ratio.value,
                    variance=noise,
                    noise=noise,
                    walk=self.first_walk,
                )
            else:
                found[reading.place] = self._updated(
                    before, reading.sample_time, ratio.value, noise
                )
        return found

    def _updated(
        self, before: StageKnowledge, time: float, value: float, noise: float
    ) -> StageKnowledge:
        age, prior = time - before.time, before.variance_at(time)
        surprise = value - before.value
        # What the surprise has beyond the two uncertainties it would have had at rest.
        grown = (surprise**2 - before.variance - noise) / age
        walk = max(before.walk + self.memory * (grown - before.walk), self.least_walk)
        gain = prior / (prior + noise)
        return replace(
            before,
            time=time,
            value=before.value + gain * surprise,
            variance=gain * noise,
            noise=noise,
            walk=walk,
        )

    def requests(self, known: Knowledge, time: float) -> tuple[Request, ...]:
        """Return a request for every stage that is known, the most telling first.

        Args:
            known: From `learned`.
            time: Plant time, [s].
        """
        found = [
            Request(stream=place, worth=self.worth(place, stage, time))
            for place, stage in known.items()
        ]
        return tuple(sorted(found, key=lambda each: -each.worth))

    def worth(self, place: str, stage: StageKnowledge, time: float) -> float:
        """Return by how much a reading lowers the variance of its side's front, [decades²]."""
        prior = stage.variance_at(time)
        return prior**2 / (prior + stage.noise) / self.group[place] ** 2

    def told(self, known: Knowledge, time: float) -> str:
        """Return in a sentence which stage is asked for and why; empty while nothing is known."""
        asked = self.requests(known, time)
        if not asked:
            return ""
        place = asked[0].stream
        stage = known[place]
        now = math.sqrt(stage.variance_at(time))
        then = math.sqrt(stage.variance_at(time) * stage.noise / (now**2 + stage.noise))
        return (
            f"{place}: the log ratio of its products is known to ±{now:.2g} decades, "
            f"a reading makes it ±{then:.2g}"
        )
