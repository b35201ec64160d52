"""The past as the page asks for it: rows of the trend, notes, replayed frames, single tags."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from raffinate.errors import DataError
from raffinate.instruments.reading import Reading, judge_reading
from raffinate.plant.model import Plant
from raffinate.runtime.historian import (
    Floats,
    Historian,
    Integers,
    StoredNote,
    StoredSample,
    open_historian,
)
from raffinate.runtime.messages import CHECK, CONTROL_PERIOD, MODES
from raffinate.runtime.page_messages import event
from raffinate.runtime.page_state import PresentPage, Surroundings, profile_of
from raffinate.runtime.page_tags import TagView
from raffinate.runtime.page_trend import MOST_ROWS, trend_tags
from raffinate.runtime.tags import Value, plant_tags, twin_tags
from raffinate.units import HOUR

ASSAY = "assay"
"""Name of the laboratory in its readings."""

PERIOD_US = round(CONTROL_PERIOD * 1e6)
"""Time between two rows of the trend, [µs]."""

FOREVER_US = 2**62
"""Later than anything stored, [µs]."""

EXACT_ROWS = 200
"""Rows up to which the trend is read scan by scan; more are read as buckets."""

NOTES_BACK = 48.0 * HOUR
"""Plant time by which the notes of one server may come later than those of the other, [s]."""

MOST_NOTES = 400
"""Notes sent at once, as many as the page keeps."""

READINGS_BACK = 8.0 * HOUR
"""Age of the oldest reading shown in a replayed frame, [s]."""

ASSAYS_BACK = 24.0 * HOUR
"""Age of the oldest assay shown in a replayed frame, [s]; a shift is sampled every few hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageNews:
    """What the history holds that the page has not seen.

    Attributes:
        rows: Rows of the trend by column, `t_h` among them.
        events: Notes as the page's events, oldest first.
        span: Plant times between which the past can be shown, [s]; None while there is none.
    """

    rows: Mapping[str, Sequence[float | None]]
    events: tuple[dict[str, Any], ...]
    span: tuple[float, float] | None


class PageHistory:
    """One run's history, read for the page; every method blocks and is called in one thread.

    Args:
        url: What `open_historian` takes.
        plant: The plant.
        epoch_us: UTC at plant time 0, [µs].
        virtual: Whether the true state of the plant is known.
    """

    def __init__(self, url: str, plant: Plant, epoch_us: int, *, virtual: bool) -> None:
        self._url = url
        self._plant = plant
        self._epoch = epoch_us
        self._virtual = virtual
        self._columns = trend_tags(plant, virtual=virtual)
        self._clock_tag = f"Levers/{next(iter(plant.levers))}/Measured"
        self._historian: Historian | None = None
        self._row: int | None = None
        self._noted: dict[str, int] = {}

    def close(self) -> None:
        """Close the database."""
        if self._historian is not None:
            self._historian.close()
            self._historian = None

    def _open(self) -> Historian:
        if self._historian is None:
            self._historian = open_historian(self._url, read_only=True)
        return self._historian

    def news(self) -> PageNews:
        """Return what was written since the last call; the first call returns the whole trend.

        Raises:
            DataError: There is no history yet, or it cannot be read.
        """
        historian = self._open()
        first, last = historian.span()
        if not last:
            return PageNews(rows={"t_h": ()}, events=(), span=None)
        return PageNews(
            rows=self._rows(historian),
            events=tuple(event(n.kind, n.text, n.priority, self._time(n.t_us)) for n in
                         self._notes(historian, last)),
            span=(self._time(first), self._time(last)),
        )  # fmt: skip

    def _time(self, us: int) -> float:
        """Return plant time, [s]."""
        return (us - self._epoch) / 1e6

    def _us(self, time: float) -> int:
        return self._epoch + round(time * 1e6)

    def _rows(self, historian: Historian) -> dict[str, list[float | None]]:
        """Return the rows up to the newest control period that the plant's records cover."""
        newest = historian.latest([self._clock_tag], FOREVER_US).get(self._clock_tag)
        if newest is None:
            return {"t_h": []}
        first, _ = historian.span()
        end = (newest[0] - self._epoch) // PERIOD_US
        begin = self._row
        if begin is None:
            begin = -((self._epoch - first) // PERIOD_US) - 1
        begin = max(begin, end - MOST_ROWS)
        grid = np.arange(begin + 1, end + 1, dtype=np.int64) * PERIOD_US + self._epoch
        if not len(grid):
            return {"t_h": []}
        self._row = int(end)
        rows: dict[str, list[float | None]] = {"t_h": [self._time(t) / HOUR for t in grid.tolist()]}
        for column, tag in self._columns.items():
            values = self._held(historian, tag, grid)
            rows[column] = _plain(1.0 - values if column.endswith("_impurity") else values)
        rows |= self._assay_rows(historian, grid)
        if not self._virtual:
            rows |= self._seen_rows(historian, grid)
        return rows

    def _held(self, historian: Historian, tag: str, grid: Integers) -> Floats:
        """Return the last value of a tag at or before each time."""
        begin, end = int(grid[0]) - PERIOD_US, int(grid[-1])
        if len(grid) <= EXACT_ROWS:
            found = historian.rows(tag, begin, end)
            times, values = found.source_time, found.value
        else:
            # A microsecond less per row, and the buckets are one control period each.
            points = len(grid) + 2
            trend = historian.trend(tag, end - (points - 1) * (PERIOD_US - 1), end, points)
            times, values = trend.t_us, trend.last
        return _at(grid, times, values)

    def _assay_rows(self, historian: Historian, grid: Integers) -> dict[str, list[float | None]]:
        """Return the laboratory's impurities, each in the row in which its result was known."""
        found = {}
        begin = int(grid[0]) - PERIOD_US
        for name, product in self._plant.products.items():
            column = np.full(len(grid), math.nan)
            tag = f"{ASSAY}/{name}/{self._plant.circuit.elements[0]}"
            rows = historian.rows(tag, begin - round(ASSAYS_BACK * 1e6), int(grid[-1]))
            known = (rows.result_time > begin) & (rows.result_time <= grid[-1])
            for taken, result in zip(
                rows.source_time[known].tolist(), rows.result_time[known].tolist(), strict=True
            ):
                for sample in historian.samples(name, taken, taken):
                    if sample.reading.instrument == ASSAY:
                        row = int(np.searchsorted(grid, result, side="left"))
                        column[row] = sample.reading.impurity(product.elements)[0]
            found[f"{name}_lab_impurity"] = _plain(column)
        return found

    def _seen_rows(self, historian: Historian, grid: Integers) -> dict[str, list[float | None]]:
        """Return the impurities the analyzer saw, where nobody knows the true ones."""
        found = {}
        begin = int(grid[0]) - round(READINGS_BACK * 1e6)
        for name, product in self._plant.products.items():
            samples = [
                sample
                for sample in historian.samples(name, begin, int(grid[-1]))
                if sample.reading.instrument not in (ASSAY, CHECK)
            ]
            if not samples:
                continue
            times = np.array([sample.result_us for sample in samples])
            seen = np.array([s.reading.impurity(product.elements)[0] for s in samples])
            found[f"{name}_impurity"] = _plain(_at(grid, times, seen))
        return found

    def _notes(self, historian: Historian, last: int) -> list[StoredNote]:
        """Return the notes of records not seen yet; sequences tell, for times may go back."""
        begin = last - round(NOTES_BACK * 1e6) if self._noted else 0
        fresh = [
            note
            for note in historian.notes(begin, FOREVER_US, most=MOST_NOTES)
            if note.sequence > self._noted.get(note.source, 0)
        ]
        for note in fresh:
            known = self._noted.get(note.source, 0)
            self._noted[note.source] = max(known, note.sequence)
        return fresh

    def frame(self, time: float) -> dict[str, Any]:
        """Return the plant at a past time as a `frame` message.

        Args:
            time: Plant time, [s]; brought inside the span there is.

        Raises:
            DataError: There is no history to show.
        """
        historian = self._open()
        first, last = historian.span()
        if not last:
            raise DataError("there is no history yet.", where="replay")
        at = min(max(self._us(time), first), last)
        time = self._time(at)
        page = self._past(historian, at)
        message = page.message(Surroundings())
        shown = ("t_h", "readings", "levers", "products")
        return {
            "type": "frame",
            **{key: message[key] for key in shown},
            "profile": profile_of(page.of_plant, self._plant.circuit.elements),
            "mode": self._mode(historian, at),
        }

    def _past(self, historian: Historian, at: int) -> PresentPage:
        """Return the page of a past time, made of the newest values at or before it."""
        plant = self._plant
        tags = [*plant_tags(plant), *(twin_tags(plant) if self._virtual else ())]
        scalars = [t.path for t in tags if t.kind in ("Double", "Int64")]
        profiles = [t.path for t in tags if t.kind == "Double[]" and t.space == "twin"]
        values: dict[str, Value] = {
            tag: value for tag, (_, value, _) in historian.latest(scalars, at).items()
        }
        for tag, (_, row) in historian.profile(profiles, at).items():
            values[tag] = tuple(row.tolist())
        values["PLC/Time"] = self._time(at)
        if self._virtual:
            values["Pace/Phase"] = "paused"
        requested = historian.latest([f"operate:Levers/{n}/Request" for n in plant.levers], at)
        asked: dict[str, Value] = {
            name.partition(":")[2]: value for name, (_, value, _) in requested.items()
        }
        page = PresentPage(plant, TagView(values.get), TagView(asked.get))
        samples = historian.samples("", at - round(ASSAYS_BACK * 1e6), at)
        known = [sample for sample in samples if sample.result_us <= at]
        page.show(self._readings(known, at), _assays(known))
        return page

    def _readings(self, samples: Sequence[StoredSample], at: int) -> list[tuple[Reading, str]]:
        """Return the latest reading of each place with the verdict it deserves."""
        by_place: dict[str, list[Reading]] = {}
        for sample in samples:
            if sample.reading.instrument not in (ASSAY, CHECK):
                by_place.setdefault(sample.reading.place, []).append(sample.reading)
        now = self._time(at)
        found: list[tuple[Reading, str]] = []
        for readings in by_place.values():
            newest = readings[-1]
            if now - newest.sample_time <= READINGS_BACK:
                before = readings[-2] if len(readings) > 1 else None
                verdict, _ = judge_reading(newest, before, now, READINGS_BACK)
                found.append((newest, verdict))
        return found

    def _mode(self, historian: Historian, at: int) -> str:
        found = historian.latest(["operate:Mode/Index"], at).get("operate:Mode/Index")
        if found is None or not 0 <= found[1] < len(MODES):
            return ""
        return MODES[int(found[1])]

    def columns(
        self, tags: Sequence[str], begin: float, end: float, points: int
    ) -> dict[str, list[float | None]]:
        """Return tags over time: mean, least and greatest value of at most `points` buckets.

        Args:
            tags: As the historian names them.
            begin: Plant time, [s].
            end: Plant time, [s].
            points: Most rows.

        Raises:
            DataError: There is no history yet.
        """
        historian = self._open()
        trends = [historian.trend(t, self._us(begin), self._us(end), points) for t in tags]
        if not trends:
            return {"t_h": []}
        width = trends[0].bucket_us
        buckets = sorted({int(t) // width for trend in trends for t in trend.t_us})
        middle = [self._time(min(b * width + width // 2, self._us(end))) for b in buckets]
        found: dict[str, list[float | None]] = {"t_h": [time / HOUR for time in middle]}
        for tag, trend in zip(tags, trends, strict=True):
            places = {int(t) // width: k for k, t in enumerate(trend.t_us)}
            for ending, values in (("", trend.mean), ("_low", trend.low), ("_high", trend.high)):
                row = [values[places[b]] if b in places else math.nan for b in buckets]
                found[f"{tag}{ending}"] = _plain(np.array(row))
        return found


def _at(grid: Integers, times: Integers, values: Floats) -> Floats:
    """Return the last value at or before each time of the grid; NaN before the first."""
    if not len(times):
        return np.full(len(grid), math.nan)
    places = np.searchsorted(times, grid, side="right") - 1
    return np.where(places >= 0, values[np.maximum(places, 0)], math.nan)


def _assays(samples: Sequence[StoredSample]) -> dict[str, Reading]:
    """Return the latest assay of each place."""
    return {
        sample.reading.place: sample.reading
        for sample in samples
        if sample.reading.instrument == ASSAY
    }


def _plain(values: Floats) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values.tolist()]
