"""What befalls a virtual plant: shipped upsets, and the story a run tells by default."""

from __future__ import annotations

from dataclasses import dataclass

from raffinate.plant.events import Event
from raffinate.units import HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Upset:
    """An upset that can be called for.

    Attributes:
        name: Identifier.
        title: In words.
        event_name: What changes, as events name it.
        how: "=", "+=" or "*=".
        value: By how much.
        duration: [s]; infinite if it stays.
    """

    name: str
    title: str
    event_name: str
    how: str
    value: float
    duration: float

    def begun(self, time: float) -> Event:
        """Return the upset as an event that begins at `time`, [s]."""
        return Event(
            name=self.event_name,
            how=self.how,
            value=self.value,
            begin=time,
            end=time + self.duration,
        )


UPSETS: dict[str, Upset] = {
    upset.name: upset
    for upset in (
        Upset(
            name="saponification_low",
            title="Saponification −10 % for 48 h",
            event_name="organic.saponification_degree",
            how="*=",
            value=0.9,
            duration=48 * HOUR,
        ),
        Upset(
            name="feed_nd_high",
            title="Feed Nd mass fraction +0.05",
            event_name="feed.nd_mass_fraction",
            how="+=",
            value=0.05,
            duration=float("inf"),
        ),
        Upset(
            name="feed_nd_low",
            title="Feed Nd mass fraction −0.04 for 72 h",
            event_name="feed.nd_mass_fraction",
            how="+=",
            value=-0.04,
            duration=72 * HOUR,
        ),
        Upset(
            name="scrub_pump_trip",
            title="Scrub pump trip for 4 h",
            event_name="scrub_flow",
            how="*=",
            value=0.0,
            duration=4 * HOUR,
        ),
        Upset(
            name="acid_weak",
            title="Strip acid −5 % for 24 h",
            event_name="acid.hcl_mol_per_L",
            how="*=",
            value=0.95,
            duration=24 * HOUR,
        ),
    )
}
"""Upsets by name."""

DEFAULT_STORY: tuple[tuple[float, str], ...] = (
    (48.0 * HOUR, "saponification_low"),
    (240.0 * HOUR, "feed_nd_high"),
    (480.0 * HOUR, "scrub_pump_trip"),
)
"""Plant time, [s], and upset, over thirty days."""
