"""Sankey picture: where every element goes in a plant, widths as moles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from raffinate.plant.model import Plant
from raffinate.plant.steady import SteadyState
from raffinate.plots.canvas import (
    ELEMENT_COLOURS,
    MUTED,
    TEXT,
    drawing,
    element_colours,
    new_figure,
)
from raffinate.plots.flow_links import FEED, LIQUOR, RAFFINATE, FlowLink, check_links, circuit_links
from raffinate.plots.picture_page import save_picture_or_page
from raffinate.plots.sankey_layout import Bundle, Layout, lay_out

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PART_WIDTH = 0.16
"""Of a part, over the distance of two columns, [-]."""

RIGHTWARD, LEFTWARD = 0.70, 0.40
"""Opacity of flows, so that two that run past each other are told apart, [-]."""

KMOL_PER_H = 3.6
"""kmol/h in one mol/s."""

_Port: TypeAlias = tuple[str, str, int]


def save_sankey(links: Sequence[FlowLink], path: Path, *, title: str = "") -> None:
    """Draw flows and write the picture, as PNG, SVG, PDF or HTML by the ending.

    Raises:
        SpecificationError: Flows that are none, or the file cannot be written.
        BalanceError: What enters a part is not what leaves it.
    """
    save_picture_or_page(sankey_figure(links, title=title), path, title=title or "Flows")


def save_circuit_sankey(plant: Plant, state: SteadyState, path: Path) -> None:
    """Draw the flows of a plant with one circuit and write the picture by the ending.

    Raises:
        SpecificationError: Another plant's state, or the file cannot be written.
        BalanceError: What enters a section is not what leaves it.
    """
    figure = circuit_sankey_figure(plant, state)
    save_picture_or_page(figure, path, title=plant.title)


def circuit_sankey_figure(plant: Plant, state: SteadyState) -> Figure:
    """Return the picture of one circuit: sections side by side as the organic meets them.

    Feed and raffinate stand to their left and the strip liquor to their right.
    """
    links = circuit_links(plant, state)
    sections = [section.name for section in plant.circuit.sections]
    columns = {name: place + 1 for place, name in enumerate(sections)}
    ends = {name for link in links for name in (link.source, link.target)} - set(sections)
    columns |= {name: len(sections) + 1 if name == LIQUOR else 0 for name in ends}
    columns |= {FEED: 0, RAFFINATE: 0}
    return sankey_figure(links, columns=columns, title=plant.title)


def sankey_figure(
    links: Sequence[FlowLink], *, columns: Mapping[str, int] | None = None, title: str = ""
) -> Figure:
    """Return the picture of flows between parts.

    Args:
        links: Flows; parts are named by them.
        columns: Where parts stand, from 0 on the left; left out, it follows from the flows.
        title: Above the picture.

    Raises:
        SpecificationError: Flows that are none, or columns that leave no room for one.
        BalanceError: What enters a part is not what leaves it.
    """
    check_links(links)
    layout = lay_out(links, columns)
    elements = tuple(dict.fromkeys(link.element for link in links))
    colours = area_colours(elements)
    last = max(layout.column.values())
    with drawing():
        figure = new_figure(max(7.0, 2.4 * (last + 1)), 6.0)
        axes = figure.subplots()
        axes.set_axis_off()
        axes.set_xlim(-0.5, last + 0.5)
        axes.set_ylim(-0.09 * layout.top, 1.07 * layout.top)
        ports = _ports(layout)
        for bundle in layout.bundles:
            _draw_bundle(axes, layout, bundle, ports, colours)
        for part in layout.parts:
            _draw_part(axes, layout, part)
        _legend(figure, colours)
        if title:
            figure.suptitle(title, fontsize=12, x=0.012, ha="left", fontweight="bold")
    return figure


def area_colours(elements: Sequence[str]) -> dict[str, str]:
    """Return a colour for each element: those of every picture, or more where they do not do."""
    if len(elements) <= len(ELEMENT_COLOURS):
        return element_colours(elements)
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    # Neighbours of the series are told apart, which is what such a picture is about.
    colours = colormaps["tab20"].colors  # type: ignore[attr-defined]
    return {name: to_hex(colours[place % 20]) for place, name in enumerate(elements)}


def _ports(layout: Layout) -> dict[_Port, float]:
    """Return the upper edge of each bundle at each box and side; ports are stacked from the top.

    The way to the right stands above the way to the left, each in the order of where it goes.
    """
    middle = {box: layout.low[box] + 0.5 * layout.height[box] for box in layout.low}
    wanted: dict[tuple[str, int], list[tuple[bool, float, int, float]]] = {}
    for place, bundle in enumerate(layout.bundles):
        for here, there in zip(bundle.path, bundle.path[1:], strict=False):
            side = 1 if layout.column[there] > layout.column[here] else -1
            leftward = side < 0
            entry = (leftward, -middle[there], place, bundle.total)
            wanted.setdefault((here, side), []).append(entry)
            entry = (leftward, -middle[here], place, bundle.total)
            wanted.setdefault((there, -side), []).append(entry)
    found: dict[_Port, float] = {}
    for (box, side), entries in wanted.items():
        used = sum(total for *_, total in entries)
        at = middle[box] + 0.5 * used
        for _, _, place, total in sorted(entries):
            found[(box, str(place), side)] = at
            at -= total
    return found


def _draw_bundle(
    axes: Axes,
    layout: Layout,
    bundle: Bundle,
    ports: Mapping[_Port, float],
    colours: Mapping[str, str],
) -> None:
    place = str(layout.bundles.index(bundle))
    for here, there in zip(bundle.path, bundle.path[1:], strict=False):
        side = 1 if layout.column[there] > layout.column[here] else -1
        begin = _edge(layout, here, side)
        end = _edge(layout, there, -side)
        high, reached = ports[(here, place, side)], ports[(there, place, -side)]
        for element, flow in bundle.flows.items():
            _ribbon(axes, (begin, high), (end, reached), flow, colours[element])
            high -= flow
            reached -= flow
        if there not in layout.parts:
            # Through its lane a flow runs straight on.
            beyond = _edge(layout, there, side)
            top = ports[(there, place, -side)]
            onward = ports[(there, place, side)]
            for element, flow in bundle.flows.items():
                _ribbon(axes, (end, top), (beyond, onward), flow, colours[element])
                top -= flow
                onward -= flow
    _draw_direction(axes, layout, bundle, ports, place)


def _edge(layout: Layout, box: str, side: int) -> float:
    return layout.column[box] + 0.5 * PART_WIDTH * side


def _ribbon(
    axes: Axes, begin: tuple[float, float], end: tuple[float, float], width: float, colour: str
) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Outline

    (x0, y0), (x1, y1) = begin, end
    middle = 0.5 * (x0 + x1)
    points = [
        *((x0, y0), (middle, y0), (middle, y1), (x1, y1)),
        *((x1, y1 - width), (middle, y1 - width), (middle, y0 - width), (x0, y0 - width)),
        (x0, y0),
    ]
    curve = [Outline.CURVE4] * 3
    codes = [Outline.MOVETO, *curve, Outline.LINETO, *curve, Outline.CLOSEPOLY]
    # A line around it, so that a trace is seen as a hair.
    axes.add_patch(
        PathPatch(
            Outline(points, codes),
            facecolor=colour,
            edgecolor=colour,
            alpha=RIGHTWARD if x1 > x0 else LEFTWARD,
            linewidth=0.4,
        )
    )


def _draw_direction(
    axes: Axes, layout: Layout, bundle: Bundle, ports: Mapping[_Port, float], place: str
) -> None:
    """Say beside the beginning of a flow how much it is and which way it runs."""
    here, there = bundle.path[0], bundle.path[1]
    side = 1 if layout.column[there] > layout.column[here] else -1
    if bundle.total < 0.012 * layout.top:
        return
    x = _edge(layout, here, side)
    y = ports[(here, place, side)] - 0.5 * bundle.total
    number = f"{bundle.total * KMOL_PER_H:.3g}"
    axes.annotate(
        f"{number} →" if side > 0 else f"← {number}", xy=(x, y), xytext=(5 * side, 0),
        textcoords="offset points", ha="left" if side > 0 else "right", va="center",
        fontsize=8.5, color=TEXT,
    )  # fmt: skip


def _draw_part(axes: Axes, layout: Layout, part: str) -> None:
    from matplotlib.patches import Rectangle

    left = layout.column[part] - 0.5 * PART_WIDTH
    low, height = layout.low[part], max(layout.height[part], 0.004 * layout.top)
    axes.add_patch(
        Rectangle((left, low), PART_WIDTH, height, facecolor="#dfe3e6", edgecolor=MUTED, zorder=3)
    )
    axes.annotate(
        part, xy=(layout.column[part], low + height), xytext=(0, 4), textcoords="offset points",
        ha="center", va="bottom", fontsize=10, fontweight="bold", zorder=4,
    )  # fmt: skip


def _legend(figure: Figure, colours: Mapping[str, str]) -> None:
    from matplotlib.patches import Patch

    handles = [
        Patch(facecolor=colour, alpha=RIGHTWARD, label=symbol) for symbol, colour in colours.items()
    ]
    figure.legend(
        handles=handles, title="widths and numbers: kmol/h; what runs to the left is paler",
        loc="outside lower left",
        ncols=min(len(handles), 15), frameon=False, alignment="left", handlelength=1.2,
    )  # fmt: skip
