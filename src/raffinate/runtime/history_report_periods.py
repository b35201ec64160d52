"""Which span of time a report is about: a shift, a lot, or any span of plant hours."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from raffinate.errors import DataError, SpecificationError
from raffinate.runtime.historian_types import Historian, StoredNote
from raffinate.units import HOUR

HOUR_US = round(HOUR * 1e6)
"""An hour, [µs]."""

_LOT = re.compile(r"(?P<product>\S+) lot (?P<number>\d+) closed at (?P<percent>[\d.]+)\s*%")
_FOREVER = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A span of time, both ends included.

    Attributes:
        title: What it is, in words.
        begin_us: UTC [µs].
        end_us: UTC [µs].
        epoch_us: UTC at plant time 0, [µs].
        complete: Whether the history reaches to its end.
    """

    title: str
    begin_us: int
    end_us: int
    epoch_us: int
    complete: bool

    @property
    def hours(self) -> float:
        """Its length, [h]."""
        return (self.end_us - self.begin_us) / HOUR_US

    def plant_hour(self, t_us: int) -> float:
        """Return plant time, [h], of a UTC time, [µs]."""
        return (t_us - self.epoch_us) / HOUR_US


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedLot:
    """A lot as the plant reported it.

    Attributes:
        product: Name of the product.
        number: Of the lot, from 1.
        t_us: When it was closed, UTC [µs].
        purity: Of the whole lot, [-].
    """

    product: str
    number: int
    t_us: int
    purity: float


def closed_lot(note: StoredNote) -> ClosedLot | None:
    """Return the lot a note tells of; None where it tells of none."""
    found = _LOT.match(note.text) if note.kind == "lot" else None
    if found is None:
        return None
    return ClosedLot(
        product=found["product"],
        number=int(found["number"]),
        t_us=note.t_us,
        purity=float(found["percent"]) / 100.0,
    )


def shift_period(historian: Historian, shift_h: float = 8.0, at_h: float | None = None) -> Period:
    """Return a shift. Shifts follow each other from plant hour 0.

    Args:
        historian: The history.
        shift_h: Length of a shift, [h].
        at_h: A plant hour in it, [h]; without one it is the last complete shift, or the first
            while none is complete.

    Raises:
        DataError: The history is empty.
        SpecificationError: The length or the hour is no good.
    """
    if not (math.isfinite(shift_h) and shift_h > 0.0):
        raise SpecificationError(f"a shift of {shift_h:g} h.", where="--shift", allowed="above 0 h")
    first, last, epoch = _reach(historian)
    if at_h is None:
        number = max(int((last - epoch) / HOUR_US / shift_h) - 1, 0)
    else:
        number = math.floor(at_h / shift_h)
    begin, end = (epoch + round(n * shift_h * HOUR_US) for n in (number, number + 1))
    if begin >= last or end < first:
        raise SpecificationError(
            f"plant hour {at_h:g} is not in the history.",
            where="--at",
            allowed=f"{(first - epoch) / HOUR_US:.1f} to {(last - epoch) / HOUR_US:.1f}",
        )
    return Period(
        title=f"Shift {number + 1}, {shift_h:g} h",
        # What a plant says at an hour is about the time before it.
        begin_us=begin + 1,
        end_us=end,
        epoch_us=epoch,
        complete=last >= end,
    )


def span_period(
    historian: Historian, from_h: float | None = None, to_h: float | None = None
) -> Period:
    """Return a span of plant hours; what is left out reaches to the ends of the history.

    Raises:
        DataError: The history is empty.
        SpecificationError: The end does not follow the beginning.
    """
    first, last, epoch = _reach(historian)
    begin = first if from_h is None else epoch + round(from_h * HOUR_US)
    end = last if to_h is None else epoch + round(to_h * HOUR_US)
    if begin >= end and (from_h is not None or to_h is not None):
        raise SpecificationError(
            f"{(begin - epoch) / HOUR_US:g} h to {(end - epoch) / HOUR_US:g} h is no span.",
            where="--from, --to",
            allowed=f"the history reaches from {(first - epoch) / HOUR_US:.1f} h "
            f"to {(last - epoch) / HOUR_US:.1f} h",
        )
    hours = " to ".join(f"{round((t - epoch) / HOUR_US, 1):g}" for t in (begin, end))
    return Period(
        title=f"Plant hours {hours}",
        begin_us=begin,
        end_us=end,
        epoch_us=epoch,
        complete=last >= end,
    )


def lot_period(historian: Historian, product: str, number: int) -> Period:
    """Return the time in which a lot was filled: from the close of the one before to its own.

    Raises:
        DataError: The history is empty.
        SpecificationError: No such lot was closed.
    """
    first, _, epoch = _reach(historian)
    notes = historian.notes(0, _FOREVER, ("lot",), most=1_000_000)
    lots = {
        lot.number: lot
        for lot in map(closed_lot, notes)
        if lot is not None and lot.product == product
    }
    if number not in lots:
        closed = ", ".join(str(known) for known in sorted(lots)[-12:]) or "none so far"
        raise SpecificationError(
            f"lot {number} of {product} was not closed.",
            where="--lot",
            allowed=f"lots closed: {closed}",
        )
    # The note of the lot before stands at its own close, which belongs to that lot.
    begin = lots[number - 1].t_us + 1 if number - 1 in lots else first
    return Period(
        title=f"Lot {number} of {product}",
        begin_us=begin,
        end_us=lots[number].t_us,
        epoch_us=epoch,
        complete=True,
    )


def _reach(historian: Historian) -> tuple[int, int, int]:
    first, last = historian.span()
    if not last:
        raise DataError("it is empty.", where="history", mend="Wait for the first record.")
    return first, last, historian.epoch()
