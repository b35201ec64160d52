"""Where a note stands that hides no curve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

NOTE_LETTER = 0.0098
"""Width of a letter of a note, as a share of the axes of a profile, [-]; a little wide."""

NOTE_LINE = 0.043
"""Height of a line of it likewise, [-]."""

NOTE_EDGE = 0.018
"""What its frame adds on every side, [-]."""

LINE_LENGTH = 0.06
"""Length of the line from a note to its point where there is a choice, as a share, [-]."""

FLOOR_KEPT = 0.16
"""Share of the axes at their foot where feeds and the analyzer are written, [-]."""


def note_size(text: str) -> tuple[float, float]:
    """Return width and height of a note as shares of the axes of a profile, [-]."""
    lines = text.splitlines()
    width = NOTE_LETTER * max(len(line) for line in lines)
    return width + 2.0 * NOTE_EDGE, NOTE_LINE * len(lines) + 2.0 * NOTE_EDGE


def clear_place(
    curves: np.ndarray,
    point: tuple[float, float],
    taken: Sequence[tuple[float, float]],
    text: str,
) -> tuple[float, float]:
    """Return the upper left corner of a note that hides as little as possible of the curves.

    Of places that hide equally little, the one nearest to where it points to.

    Args:
        curves: Points of the curves as shares of the axes, (point, 2).
        point: Where it points to, as shares of the axes, [-].
        taken: Upper left corners of notes of the same size that stand already.
        text: What it says.
    """
    width, height = note_size(text)
    best, least = (0.0, 1.0), np.inf
    for x in np.linspace(0.01, 0.99 - width, 50):
        for y in np.linspace(FLOOR_KEPT + height, 0.97, 30):
            inside = (curves[:, 0] > x) & (curves[:, 0] < x + width)
            inside &= (curves[:, 1] < y) & (curves[:, 1] > y - height)
            crowded = any(abs(x - a) < width and abs(y - b) < height for a, b in taken)
            aside = max(x - point[0], point[0] - x - width, 0.0)
            apart = max(y - height - point[1], point[1] - y, 0.0)
            # Too near, and the line to the point cannot be seen.
            away = abs(float(np.hypot(aside, apart)) - LINE_LENGTH)
            cost = float(inside.sum()) + 1e4 * crowded + 0.5 * away
            if cost < least:
                best, least = (float(x), float(y)), cost
    return best[0] + NOTE_EDGE, best[1] - NOTE_EDGE
