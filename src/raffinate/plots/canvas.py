"""What the pictures share: colours, a figure without global state, sections, saving by ending."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raffinate.errors import SpecificationError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ENDINGS = (".png", ".svg", ".pdf")
"""What pictures are written as."""

# The colours of the live page, in the same order, so that an element looks the same on both.
ELEMENT_COLOURS = ("#1f7676", "#75702a", "#7a4f9a", "#a0522d", "#4f6478", "#8a4668")
LEVER_COLOURS = ("#8a5a3c", "#3f6ea3", "#97486f", "#55626e")
HEAT_COLOURS = ("#237c7c", "#dadde0", "#7a4f9a")
TEXT = "#1b2025"
MUTED = "#515a63"
GRID = "#e3e6e8"
BAND = "#f1f3f4"
LIMIT = "#b0201c"

_STYLE: Any = {
    "font.size": 9.5,
    "text.color": TEXT,
    "axes.labelcolor": TEXT,
    "axes.edgecolor": "#9aa2a9",
    "axes.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": TEXT,
    "ytick.labelcolor": TEXT,
    # Without this a picture would carry its date, and differ each time it is made.
    "svg.hashsalt": "raffinate",
}


@contextmanager
def drawing() -> Iterator[None]:
    """Draw in the style of every picture; whatever is drawn or saved outside is left alone."""
    from matplotlib import rc_context

    with rc_context(_STYLE):
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of this size, [inch], that no global state knows of."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_picture(figure: Figure, path: Path) -> None:
    """Write a figure by the ending of `path`: PNG, SVG or PDF.

    Raises:
        SpecificationError: The ending is another one, or the file cannot be written.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise SpecificationError(
            f"{path.suffix or 'no ending'!r} is no picture format known here.",
            where=str(path),
            allowed=", ".join(ENDINGS),
        )
    dated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    try:
        with drawing():
            figure.savefig(path, dpi=150, facecolor="white", metadata=dated.get(ending))
    except OSError as error:
        raise SpecificationError(
            f"cannot be written ({error.strerror}).", where=str(path), mend="Choose another path."
        ) from error


def element_colours(elements: Sequence[str]) -> dict[str, str]:
    """Return a colour for each element, by symbol."""
    count = len(ELEMENT_COLOURS)
    return {symbol: ELEMENT_COLOURS[place % count] for place, symbol in enumerate(elements)}


def spans(sections: Sequence[str]) -> list[tuple[str, int, int]]:
    """Return name, first and last stage of each section, counted from 1."""
    found, first = [], 1
    for name, stages in groupby(sections):
        last = first + len(list(stages)) - 1
        found.append((name, first, last))
        first = last + 1
    return found


def clean(axes: Axes) -> None:
    """Take away what carries no information, and put a light grid behind the rest."""
    axes.grid(visible=True, color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=3)
