"""Inversion and flooding as events of a moving plant, for plants that go on through them.

Between 1:3 and 3:1 of organic to aqueous either phase may be the continuous one of a mixer, and it
stays what it was; beyond, only the more abundant one can be. A mixer therefore inverts where its
ratio rises above 3 with aqueous continuous, and back where it falls below 1/3 with organic
continuous: a hysteresis. Source of the ambivalent range: A. H. Selker, C. A. Sleicher, Can. J.
Chem. Eng. 43 (1965) 298. Assumed: that its bounds are those in which the mixers may run, that a
bank begins with the more abundant phase continuous unless the plant says which, and that inversion
takes no time.

Settlers that get more than they separate are part of the equations (`cascade.dynamic_entrained`);
here the moment is found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from raffinate.cascade.bank import Inventory, Streams, Vessels
from raffinate.cascade.dynamic_record import Record
from raffinate.cascade.dynamic_volumes import overflows
from raffinate.cascade.entrainment import Entrainment
from raffinate.numerics.jax_setup import given
from raffinate.plant.arrays import MIXER_RATIO
from raffinate.plant.model import Circuit
from raffinate.plant.motion_hydraulics import cells_of, layers_of
from raffinate.units import HOUR

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

What = Literal["inversion", "out_of_range", "back_in_range", "flooding", "flooding_over"]
"""What can befall a stage: its continuous phase changes, its mixer leaves the range of phase ratios
with the abundant phase continuous or comes back, its settler floods or recovers."""

BACK = 0.01
"""Share of a limit by which a stage must be inside it again, so that no noise counts as events."""

ROUNDS = 4
"""Times a step is divided to find a moment; each divides by the rows of a record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitEvent:
    """A limit that a stage crossed.

    Attributes:
        time: On the clock of the motion, [s].
        stage: Counted from 1, where barren organic enters.
        section: Its section.
        what: What happened.
        value: Organic to aqueous in the mixer, [-], or flow of both phases out of the settler per
            area, [m³/m²/s].
        limit: What it crossed, likewise.
    """

    time: float
    stage: int
    section: str
    what: What
    value: float
    limit: float

    def __str__(self) -> str:
        value, limit, unit = self.value, self.limit, "of organic to aqueous"
        if self.what in ("flooding", "flooding_over"):
            value, limit, unit = value * HOUR, limit * HOUR, "m³/m²/h"
        return (
            f"{self.what.replace('_', ' ')} of stage {self.stage}, {self.section}, at "
            f"{self.time / HOUR:.4g} h: {value:.4g} {unit}, limit {limit:.4g}"
        )


class Standing(NamedTuple):
    """Which limits the stages are beyond; all (stage,), padding included.

    Attributes:
        side: Of the range of phase ratios: 1 above it, -1 below, 0 inside.
        flooded: Settlers given more than they separate.
    """

    side: NDArray[np.int64]
    flooded: Flags


class Measured(NamedTuple):
    """What is compared with the limits, (row, stage).

    Attributes:
        ratio: Organic to aqueous in the mixers, [-].
        specific: Flow of both phases out of the settlers per area, [m³/m²/s].
    """

    ratio: Array
    specific: Array


def standing_after(before: Standing, events: list[LimitEvent]) -> Standing:
    """Return how the stages stand after events that began at `before`."""
    side, flooded = before.side.copy(), before.flooded.copy()
    for event in events:
        if event.what in ("flooding", "flooding_over"):
            flooded[event.stage - 1] = event.what == "flooding"
        elif event.what == "back_in_range":
            side[event.stage - 1] = 0
        else:
            side[event.stage - 1] = 1 if event.value > event.limit else -1
    return Standing(side, flooded)


def not_yet(size: int) -> Standing:
    """Return stages that are beyond no limit, (size,)."""
    return Standing(np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.bool_))


def continuous_at_rest(circuit: Circuit, vessels: Vessels) -> Flags:
    """Return the mixers whose organic is continuous to begin with, (stage,)."""
    if circuit.hydraulics is not None and circuit.hydraulics.continuous_phase is not None:
        return np.full(len(vessels.active), circuit.hydraulics.continuous_phase == "organic")
    return np.asarray(vessels.mixer_organic) > np.asarray(vessels.mixer_aqueous)


def with_shares(streams: Streams, circuit: Circuit, inverted: Flags) -> Streams:
    """Return the streams with what stages entrain, `inverted`, (stage,), ones by their own."""
    size = len(inverted)
    shares = np.zeros((2, size))
    if streams.entrainment is not None:
        shares = np.array([streams.entrainment.organic, streams.entrainment.aqueous])
    assert circuit.hydraulics is not None
    other = circuit.hydraulics.inverted
    if other is not None:
        exists = np.arange(size) < circuit.stages
        shares[0] = np.where(inverted & exists, other.entrained_organic, shares[0])
        # The organic of the last stage is washed on its way back.
        washed = np.arange(size) >= circuit.stages - 1
        shares[1] = np.where(inverted & ~washed, other.entrained_aqueous, shares[1])
    organic, aqueous = given(shares)
    return streams._replace(entrainment=Entrainment(organic=organic, aqueous=aqueous))


class LimitWatch:
    """Finds in the steps of a record where stages cross their limits.

    Args:
        circuit: Of the plant.
        vessels: With hydraulics.
    """

    def __init__(self, circuit: Circuit, vessels: Vessels) -> None:
        assert vessels.hydraulics is not None
        assert vessels.hydraulics.weirs is not None
        assert circuit.hydraulics is not None
        self._weirs, self._mixer = vessels.hydraulics.weirs, np.asarray(vessels.hydraulics.mixer)
        self._cells = cells_of(circuit, len(vessels.active))
        self._area, self._limit = circuit.hydraulics.area, circuit.hydraulics.flooding_flow
        self._names, self._exists = circuit.section_names, np.asarray(vessels.active)

    def measured(self, volumes: Array) -> Measured:
        """Return what is compared with the limits at volumes as recorded, (row, stage, 3)."""
        layers = layers_of(volumes, self._cells)
        over = overflows(self._weirs, given(layers.settler_aqueous), given(layers.settler_organic))
        # Rows of a record that are not filled hold nothing.
        held = np.where(layers.mixer_aqueous > 0.0, layers.mixer_aqueous, self._mixer)
        ratio = (self._mixer - held) / held
        return Measured(ratio, (np.asarray(over[0]) + np.asarray(over[1])) / self._area)

    def standing(self, measured: Measured, row: int, before: Standing) -> Standing:
        """Return which limits the stages are beyond in one row, having stood so `before`."""
        low, high = MIXER_RATIO
        ratio, specific = measured.ratio[row], measured.specific[row]
        above = ratio > np.where(before.side > 0, high * (1.0 - BACK), high)
        below = ratio < np.where(before.side < 0, low * (1.0 + BACK), low)
        limit = np.where(before.flooded, self._limit * (1.0 - BACK), self._limit)
        return Standing(
            side=np.where(self._exists, above.astype(np.int64) - below, 0),
            flooded=(specific > limit) & self._exists,
        )

    def standing_of(self, held: Inventory) -> Standing:
        """Return which limits are crossed by vessels that hold this."""
        assert held.volumes is not None
        rows = np.stack([np.asarray(each) for each in held.volumes[:3]], axis=-1)
        return self.standing(self.measured(rows[None]), 0, not_yet(len(self._exists)))

    def events(
        self, record: Record, continuous: Flags, before: Standing, *, begins: bool
    ) -> list[LimitEvent]:
        """Return the events in a record up to the first inversion, in order of time.

        Args:
            record: Of NumPy arrays.
            continuous: Mixers whose organic is continuous, (stage,).
            before: How the stages stood until then.
            begins: Whether the plant begins with row 0, which is then looked at as well.
        """
        assert record.volumes is not None
        measured = self.measured(np.asarray(record.volumes))
        found: list[LimitEvent] = []
        for row in range(0 if begins else 1, int(record.filled) + 1):
            now = self.standing(measured, row, before)
            moved = np.flatnonzero(now.side != before.side)
            flooded = np.flatnonzero(now.flooded != before.flooded)
            here = [
                self._ratio_event(record, row, int(s), (before, now), continuous) for s in moved
            ]
            here += [self._flooding_event(record, row, int(s), (before, now)) for s in flooded]
            for event in sorted(here, key=lambda event: (event.time, event.stage)):
                found.append(event)
                if event.what == "inversion":
                    return found
            before = now
        return found

    def _ratio_event(
        self,
        record: Record,
        row: int,
        stage: int,
        stands: tuple[Standing, Standing],
        continuous: Flags,
    ) -> LimitEvent:
        before, side, (low, high) = stands[0], int(stands[1].side[stage]), MIXER_RATIO
        time, reached = self._moment(record, row, before, stage, side, flooding=False)
        value = float(reached.ratio[stage])
        if side == 0:
            near = high if value * value > low * high else low
            return self._event(time, stage, "back_in_range", value, near)
        what: What = "out_of_range" if (side > 0) == bool(continuous[stage]) else "inversion"
        return self._event(time, stage, what, value, high if side > 0 else low)

    def _flooding_event(
        self, record: Record, row: int, stage: int, stands: tuple[Standing, Standing]
    ) -> LimitEvent:
        before, begun = stands[0], bool(stands[1].flooded[stage])
        time, reached = self._moment(record, row, before, stage, int(begun), flooding=True)
        what: What = "flooding" if begun else "flooding_over"
        return self._event(time, stage, what, float(reached.specific[stage]), self._limit)

    def _event(self, time: float, stage: int, what: What, value: float, limit: float) -> LimitEvent:
        section = self._names[stage]
        return LimitEvent(
            time=time, stage=stage + 1, section=section, what=what, value=value, limit=limit
        )

    def _moment(
        self, record: Record, row: int, before: Standing, stage: int, wanted: int, *, flooding: bool
    ) -> tuple[float, Measured]:
        """Return when within the step that ends at `row` a stage stood so, and how it was then."""
        times = np.asarray(record.time)
        if row == 0:
            here = self.measured(np.asarray(record.volumes))
            return float(times[0]), Measured(here.ratio[0], here.specific[0])
        rows, begin, end = len(times), 0.0, 1.0
        step = float(times[row] - times[row - 1])
        for _ in range(ROUNDS):
            shares = np.linspace(begin, end, rows)
            here = self.measured(_within(record, row, shares))
            states = [self.standing(here, each, before) for each in range(rows)]
            found = [int(s.flooded[stage] if flooding else s.side[stage]) for s in states]
            first = next((n for n, each in enumerate(found) if each == wanted), rows - 1)
            begin, end = float(shares[max(first - 1, 0)]), float(shares[first])
            reached = Measured(here.ratio[first], here.specific[first])
            if first == 0:
                break
        return float(times[row - 1]) + end * step, reached


def _within(record: Record, row: int, shares: Array) -> Array:
    """Return the volumes at `shares` of the step that ends at `row`, (share, stage, 3), [m³]."""
    assert record.volumes is not None
    assert record.volume_rate is not None
    s = shares[:, None, None]
    step = float(record.time[row] - record.time[row - 1])
    low, high = np.asarray(record.volumes)[row - 1], np.asarray(record.volumes)[row]
    rise, fall = np.asarray(record.volume_rate)[row - 1], np.asarray(record.volume_rate)[row]
    rest = 1.0 - s
    cubic: Array = (
        rest**2 * (1.0 + 2.0 * s) * low
        + s * rest**2 * step * rise
        + s**2 * (3.0 - 2.0 * s) * high
        - s**2 * rest * step * fall
    )
    return cubic
