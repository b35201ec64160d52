"""The trend of a run, one row per control period, kept as text ready to be sent."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Mapping, Sequence

from raffinate.plant.model import Plant

MOST_ROWS = 4_400
"""Rows kept, thirty days of ten-minute periods; a page keeps no more either."""


def trend_tags(plant: Plant, *, virtual: bool) -> dict[str, str]:
    """Return the tag of each column that is one; impurities are one minus theirs.

    Args:
        plant: Names products and levers.
        virtual: Whether the true state of the plant is known.
    """
    flows = {name: f"Levers/{name}/Measured" for name in plant.levers}
    setpoints = {f"{name}_sp": f"Levers/{name}/InForce" for name in plant.levers}
    if not virtual:
        return flows | setpoints
    true = {f"{name}_impurity": f"Truth/Products/{name}/Purity" for name in plant.products}
    world = {"saponification_degree": "Truth/SaponificationDegree"}
    if "Nd" in plant.circuit.elements:
        world["feed_nd_mass_fraction"] = "Truth/Feed/Nd"
    return true | world | flows | setpoints


class TrendText:
    """Columns of a trend as the text of their numbers.

    A page that connects gets thirty days of them; joining texts takes a tenth of the time that
    writing fifty thousand numbers does, and nothing else is sent meanwhile.

    Args:
        columns: Names besides `t_h`.
        most: Rows kept.
    """

    def __init__(self, columns: Sequence[str], most: int = MOST_ROWS) -> None:
        self._columns: dict[str, deque[str]] = {
            name: deque(maxlen=most) for name in ("t_h", *columns)
        }
        self.last = -math.inf

    def __len__(self) -> int:
        return len(self._columns["t_h"])

    def append(self, rows: Mapping[str, Sequence[float | None]]) -> str | None:
        """Add rows and return them as the text of the `columns` object; None if none is new.

        Args:
            rows: By column, `t_h` among them, rising; rows not later than the last are left out,
                columns that are not given are empty.
        """
        times = rows["t_h"]
        fresh = [k for k, t in enumerate(times) if t is not None and t > self.last]
        if not fresh:
            return None
        added: dict[str, list[str]] = {}
        for name, texts in self._columns.items():
            values = rows.get(name)
            added[name] = [number_text(None if values is None else values[k]) for k in fresh]
            texts.extend(added[name])
        self.last = float(times[fresh[-1]] or 0.0)
        return _joined(added)

    def text(self) -> str:
        """Return all rows as the text of the `columns` object."""
        return _joined(self._columns)


def number_text(value: float | None) -> str:
    """Return a number with eight significant digits as JSON; null for one that is none."""
    if value is None or not math.isfinite(value):
        return "null"
    return f"{value:.8g}"


def _joined(columns: Mapping[str, Sequence[str] | deque[str]]) -> str:
    parts = (f"{json.dumps(name)}:[{','.join(texts)}]" for name, texts in columns.items())
    return "{" + ",".join(parts) + "}"
