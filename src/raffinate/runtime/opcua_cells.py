"""Values of tags inside a server, in the form in which they are stored, compared and sent.

An update touches plain Python values only. What OPC UA wants to see is made when somebody asks: a
`DataValue` for a read, bytes for a subscription, each once however many clients watch.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncua.server.address_space import AttributeValue

from raffinate.runtime.opcua_types import DataValue, StatusCode, Variant, VariantType, ua
from raffinate.runtime.tags import Kind, Tag, Value

VARIANTS: dict[str, VariantType] = {
    "Double": VariantType.Double,
    "Int64": VariantType.Int64,
    "String": VariantType.String,
    "Boolean": VariantType.Boolean,
}
"""Type on the wire by type of a tag, arrays without their brackets."""

GOOD = 0
BAD = int(ua.StatusCodes.Bad)
NEVER_SET = int(ua.StatusCodes.BadWaitingForInitialData)

EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
"""Zero of OPC UA's times, which count steps of 100 ns (OPC 10000-6, 5.2.2.5)."""

_MICROSECOND = timedelta(microseconds=1)

# What a DataValue contains, bit by bit (OPC 10000-6, 5.2.2.17).
_WITH_VALUE = 0x01 | 0x04 | 0x08
_WITH_STATUS = 0x02 | 0x04 | 0x08
_ARRAY = 0x80

_status = struct.Struct("<BI").pack
_bad = struct.Struct("<BIqq").pack
_double = struct.Struct("<BBdqq").pack
_integer = struct.Struct("<BBqqq").pack
_boolean = struct.Struct("<BB?qq").pack
_head = struct.Struct("<BB").pack
_length = struct.Struct("<i").pack
_times = struct.Struct("<qq").pack


def ticks(time: datetime) -> int:
    """Return a time as OPC UA counts it, [100 ns]."""
    return (time - EPOCH) // _MICROSECOND * 10


class TagCell:
    """The value of one tag.

    Args:
        tag: What it is.

    Attributes:
        raw: Value; None while there is none or it is bad.
        status: OPC UA status code.
        watchers: Fast subscriptions' items that want to know of changes.
        attribute: asyncua's record of the value attribute; holds its own subscribers.
    """

    __slots__ = ("_body", "_coerce", "attribute", "raw", "status", "tag", "times", "watchers")

    def __init__(self, tag: Tag) -> None:
        self.tag = tag
        self.raw: Value | None = None
        self.status = NEVER_SET
        self.times = (0, 0)
        self.watchers: dict[Any, None] = {}
        self.attribute = AttributeValue(None)  # type: ignore[arg-type]
        self.attribute.value_callback = self.data_value
        self._body: bytes | None = None
        self._coerce = COERCE[tag.kind]

    def put(self, value: Value, times: tuple[int, int]) -> bool:
        """Store a value; return whether it differs from the one before.

        Args:
            value: Of the tag's type; a number that is none makes the tag bad.
            times: Source and server time, [100 ns].

        Raises:
            TypeError: The value is of another type.
            ValueError: The same.
        """
        raw: Value | None = self._coerce(value)
        status = GOOD
        if raw != raw:
            raw, status = None, BAD
        changed = status != self.status or raw != self.raw
        self.raw, self.status, self.times = raw, status, times
        self._body = None
        return changed

    def body(self) -> bytes:
        """Return the value as a DataValue on the wire (OPC 10000-6, 5.2.2.17)."""
        if self._body is None:
            self._body = self._encoded()
        return self._body

    def _encoded(self) -> bytes:
        raw, kind = self.raw, self.tag.kind
        source, server = self.times
        if self.status == NEVER_SET:
            return _status(0x02, self.status)
        if raw is None:
            return _bad(_WITH_STATUS, self.status, source, server)
        if kind == "Double":
            return _double(_WITH_VALUE, 11, raw, source, server)
        if kind == "Int64":
            return _integer(_WITH_VALUE, 8, raw, source, server)
        if kind == "Boolean":
            return _boolean(_WITH_VALUE, 1, raw, source, server)
        if kind == "String":
            value = _text(str(raw))
            return _head(_WITH_VALUE, 12) + value + _times(source, server)
        assert isinstance(raw, tuple)
        if kind == "Double[]":
            head, entries = 11, struct.pack(f"<{len(raw)}d", *raw)
        else:
            head, entries = 12, b"".join(_text(str(entry)) for entry in raw)
        return _head(_WITH_VALUE, head | _ARRAY) + _length(len(raw)) + entries + _times(*self.times)

    def data_value(self, _node: Any = None, _attribute: Any = None) -> DataValue:
        """Return the value as asyncua's services read it."""
        raw = self.raw
        array = isinstance(raw, tuple)
        kind = VARIANTS[self.tag.kind.removesuffix("[]")] if raw is not None else VariantType.Null
        if self.status == NEVER_SET:
            empty: DataValue = ua.DataValue(StatusCode=StatusCode(ua.UInt32(self.status)))
            return empty
        source, server = (EPOCH + timedelta(microseconds=each // 10) for each in self.times)
        found: DataValue = ua.DataValue(
            Value=Variant(list(raw) if isinstance(raw, tuple) else raw, kind, is_array=array),
            StatusCode=StatusCode(ua.UInt32(self.status)),
            SourceTimestamp=source,
            ServerTimestamp=server,
        )
        return found


def _text(value: str) -> bytes:
    encoded = value.encode("utf-8", errors="surrogateescape")
    return _length(len(encoded)) + encoded


def _a_text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _numbers(value: Any) -> tuple[float, ...]:
    return tuple(map(float, value))


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        raise TypeError(f"{value!r} is no row of texts")
    return tuple(map(_a_text, value))


COERCE: dict[Kind, Callable[[Any], Any]] = {
    "Double": float,
    "Int64": int,
    "Boolean": bool,
    "String": _a_text,
    "Double[]": _numbers,
    "String[]": _texts,
}
"""Makes a value a tag's own type."""
