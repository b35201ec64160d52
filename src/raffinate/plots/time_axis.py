"""What pictures over time share: hours, events as bars, and where they begin and end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from raffinate.plant.events import Event

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def set_hours(axes: Axes, hours: float) -> None:
    """Label a time axis that ends after `hours`, [h]."""
    from matplotlib.ticker import MaxNLocator

    # People who run plants think in days of 24 hours.
    days = hours >= 48.0
    locator = MaxNLocator(10, steps=[1, 1.2, 2.4, 4.8, 7.2, 10] if days else [1, 2, 3, 6, 10])
    axes.xaxis.set_major_locator(locator)
    axes.set_xlim(0.0, hours)
    axes.set_xlabel("time, h")


def draw_events(axes: Axes, events: Sequence[Event], end: float) -> None:
    """Draw events as bars, a row each; `end` of the picture in [h]."""
    for row, event in enumerate(events):
        begin, stop = event.begin / 3600.0, min(event.end / 3600.0, end)
        if begin >= end:
            continue
        # An upset of a few hours in a month would be too thin to see.
        axes.barh(row, max(stop - begin, 0.003 * end), left=begin, height=0.7, color="#c4c9ce")
        late = begin > 0.6 * end
        axes.annotate(
            f"{event.name} {event.how} {event.value:g}",
            xy=(begin, row), xytext=(-4 if late else 4, 0), textcoords="offset points",
            ha="right" if late else "left", va="center", fontsize=8.5,
        )  # fmt: skip
    axes.set_ylim(len(events) - 0.4, -0.6)
    axes.set_yticks([])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def mark_changes(axes: Axes, events: Sequence[Event], end: float) -> None:
    """Draw a line where an event begins or ends before `end`, [h]."""
    moments = {event.begin for event in events} | {event.end for event in events}
    for moment in moments:
        if 0.0 < moment / 3600.0 < end:
            axes.axvline(moment / 3600.0, color="#b4bbc1", linewidth=0.8, zorder=0.5)


def legend_beside(axes: Axes) -> None:
    """Put the legend to the right of a panel."""
    axes.legend(loc="center left", bbox_to_anchor=(1.005, 0.5), frameon=False, handlelength=1.6)
