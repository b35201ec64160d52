"""Where the parts and flows of a Sankey picture lie: columns, order, heights, lanes.

Parts stand in columns from the ends that supply to the ends that receive. A flow to the right
leaves a part on its right side, a flow to the left on its left side below the others, so that
counter-current phases run past each other; one that passes columns has a lane in each of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from raffinate.errors import SpecificationError
from raffinate.plots.flow_links import FlowLink

GAP = 0.10
"""Between two parts of a column, over the height of the tallest column, [-]."""

UPPER = 0.75
"""Where flows to the right meet a part on the whole, over its height, [-]."""

SWEEPS = 8
"""Passes over the columns that bring parts near what they are linked to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """All elements that flow from one part to another.

    Attributes:
        source: Where they leave.
        target: Where they enter.
        flows: [mol/s], by symbol.
        path: What it passes, both ends included: a part, or a lane of its own.
    """

    source: str
    target: str
    flows: Mapping[str, float]
    path: tuple[str, ...]

    @property
    def total(self) -> float:
        """Of all elements, [mol/s]."""
        return sum(self.flows.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A picture laid out.

    Attributes:
        column: Of every part and lane, from 0.
        low: Lower edge of every part and lane, [mol/s].
        height: Of every part and lane, [mol/s].
        bundles: Flows.
        parts: Those of the boxes that are parts.
        top: Upper edge of the tallest column, [mol/s].
    """

    column: Mapping[str, int]
    low: Mapping[str, float]
    height: Mapping[str, float]
    bundles: tuple[Bundle, ...]
    parts: tuple[str, ...]
    top: float


def lay_out(links: Sequence[FlowLink], columns: Mapping[str, int] | None = None) -> Layout:
    """Return the layout of flows.

    Args:
        links: Flows.
        columns: Of every part, from 0; left out, they follow from the flows.

    Raises:
        SpecificationError: A part without a column, or a flow within one column.
    """
    parts = tuple(dict.fromkeys(name for link in links for name in (link.source, link.target)))
    column = dict(columns) if columns is not None else _columns(parts, links)
    if missing := [part for part in parts if part not in column]:
        raise SpecificationError(
            f"{', '.join(missing)} has no column.", where="Sankey", allowed=", ".join(column)
        )
    column = {part: column[part] for part in parts}
    bundles = _bundles(links, column)
    _check_columns(bundles, column)
    height = _heights(parts, bundles, column)
    for bundle in bundles:
        step = 1 if column[bundle.target] > column[bundle.source] else -1
        for place, lane in enumerate(bundle.path[1:-1], start=1):
            column[lane] = column[bundle.source] + step * place
            height[lane] = bundle.total
    low, top = _placed(column, height, bundles)
    return Layout(column=column, low=low, height=height, bundles=bundles, parts=parts, top=top)


def _columns(parts: Sequence[str], links: Sequence[FlowLink]) -> dict[str, int]:
    """Return the longest way from what supplies; ways back are not counted."""
    onward: dict[str, list[str]] = {part: [] for part in parts}
    flow: dict[tuple[str, str], float] = {}
    for link in links:
        way = (link.source, link.target)
        flow[way] = flow.get(way, 0.0) + link.flow
    for source, target in flow:
        onward[source].append(target)
    fed = {target for _, target in flow}
    roots = [part for part in parts if part not in fed] or list(parts[:1])
    order: list[str] = []
    open_parts: set[str] = set()
    back: set[tuple[str, str]] = set()

    def visit(part: str) -> None:
        open_parts.add(part)
        # The largest flow first: what closes a circle through it is the way back.
        for target in sorted(onward[part], key=lambda each: -flow[(part, each)]):
            if target in open_parts:
                back.add((part, target))
            elif target not in order:
                visit(target)
        open_parts.discard(part)
        order.append(part)

    for part in (*roots, *parts):
        if part not in order:
            visit(part)
    found = dict.fromkeys(parts, 0)
    for part in reversed(order):
        for target in onward[part]:
            if (part, target) not in back:
                found[target] = max(found[target], found[part] + 1)
    return found


def _bundles(links: Sequence[FlowLink], column: Mapping[str, int]) -> tuple[Bundle, ...]:
    grouped: dict[tuple[str, str], dict[str, float]] = {}
    for link in links:
        flows = grouped.setdefault((link.source, link.target), {})
        flows[link.element] = flows.get(link.element, 0.0) + link.flow
    found = []
    for (source, target), flows in grouped.items():
        between = abs(column[target] - column[source]) - 1
        lanes = [f"{source}→{target}·{place}" for place in range(between)]
        path = (source, *lanes, target)
        found.append(Bundle(source=source, target=target, flows=flows, path=path))
    return tuple(found)


def _check_columns(bundles: Sequence[Bundle], column: Mapping[str, int]) -> None:
    for bundle in bundles:
        if column[bundle.source] == column[bundle.target]:
            raise SpecificationError(
                f"{bundle.source} and {bundle.target} stand in one column.",
                where="Sankey",
                mend="Put them side by side: a flow needs room between them.",
            )


def _heights(
    parts: Sequence[str], bundles: Sequence[Bundle], column: Mapping[str, int]
) -> dict[str, float]:
    """Return the height of each part: what enters and leaves on its fuller side."""
    left, right = dict.fromkeys(parts, 0.0), dict.fromkeys(parts, 0.0)
    for bundle in bundles:
        rightward = column[bundle.target] > column[bundle.source]
        first, second = (bundle.source, bundle.target)[:: 1 if rightward else -1]
        right[first] += bundle.total
        left[second] += bundle.total
    return {part: max(left[part], right[part]) for part in parts}


def _placed(
    column: Mapping[str, int], height: Mapping[str, float], bundles: Sequence[Bundle]
) -> tuple[dict[str, float], float]:
    columns: dict[int, list[str]] = {}
    for box, place in column.items():
        columns.setdefault(place, []).append(box)
    tallest = max(sum(height[box] for box in boxes) for boxes in columns.values())
    gap = GAP * tallest
    top = max(
        sum(height[box] for box in boxes) + gap * (len(boxes) - 1) for boxes in columns.values()
    )
    near: dict[str, list[tuple[str, float, float]]] = {box: [] for box in column}
    for bundle in bundles:
        rightward = column[bundle.target] > column[bundle.source]
        part = UPPER if rightward else 1.0 - UPPER
        for left, right in zip(bundle.path, bundle.path[1:], strict=False):
            near[left].append((right, bundle.total, part))
            near[right].append((left, bundle.total, part))
    low: dict[str, float] = {}
    for boxes in columns.values():
        _stack(boxes, height, gap, top, low)
    for sweep in range(SWEEPS):
        for place in sorted(columns, reverse=bool(sweep % 2)):
            centre = {box: _pull(box, near[box], low, height) for box in columns[place]}
            columns[place].sort(key=lambda box: -centre[box])
            _stack(columns[place], height, gap, top, low)
    return low, top


def _pull(
    box: str,
    near: Sequence[tuple[str, float, float]],
    low: Mapping[str, float],
    height: Mapping[str, float],
) -> float:
    weight = sum(flow for _, flow, _ in near)
    if not weight > 0.0:
        return low[box] + 0.5 * height[box]
    return sum(flow * (low[each] + part * height[each]) for each, flow, part in near) / weight


def _stack(
    boxes: Sequence[str], height: Mapping[str, float], gap: float, top: float, low: dict[str, float]
) -> None:
    used = sum(height[box] for box in boxes) + gap * (len(boxes) - 1)
    at = 0.5 * (top + used)
    for box in boxes:
        at -= height[box]
        low[box] = at
        at -= gap
