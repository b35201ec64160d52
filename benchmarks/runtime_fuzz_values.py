"""What a fuzzer sends: nodes, attributes, values and calls, right, nearly right and absurd."""

from __future__ import annotations

import math
import random
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from raffinate.runtime.opcua_types import DataValue, Variant, node_id, ua
from raffinate.runtime.tags import Tag

FIRST = 2
"""Number of the first namespace of the project in its servers."""

NUMBERS = (
    *(0.0, -0.0, 1.0, -1.0, 5e-324, 1e308, -1e308, math.nan, math.inf, -math.inf),
    *(0.1, 3.3, 14.6, 1.4, 1.76, 60.0, 1e6),
)
INTEGERS = (0, 1, -1, 7, 2**31 - 1, 2**53, 2**63 - 1, -(2**63))
TEXTS = (
    *(
        "",
        "fuzzy",
        "manual",
        "ratio",
        "FUZZY",
        "fuzzy ",
        "\0",
        "é\u202e\U0001f600",
        "'; DROP TABLE",
    ),
    *("x" * 500, '{"type":"mode","mode":"manual"}', "../../etc/passwd", "bytes \udcff"),
)
LONG_TEXT = "y" * 70_000
"""Longer than any text a client may write."""

POOL = 3_000
"""Values made beforehand."""

ODD_TYPES = ("SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "UInt64", "Float")


class Corpus:
    """Draws what to send.

    Args:
        tags: Of the server.
        generator: Of random numbers.
    """

    def __init__(self, tags: Sequence[Tag], generator: random.Random) -> None:
        self.generator = generator
        self._spaces = list(dict.fromkeys(tag.space for tag in tags))
        self._tags = [(tag, self._node(tag)) for tag in tags]
        self._writable = [pair for pair in self._tags if pair[0].writer is not None]
        self._guarded = [pair for pair in self._tags if pair[0].writer == "guard"]
        self._others = self._other_nodes(tags)
        self._values = [self._value() for _ in range(POOL)]
        self._beat = 0
        self._sequence = 0

    def _node(self, tag: Tag) -> Any:
        return node_id(tag.path, FIRST + self._spaces.index(tag.space))

    def _other_nodes(self, tags: Sequence[Tag]) -> list[Any]:
        """Return folders, methods, nodes of the standard, and nodes that are none."""
        folders = {tag.path.rpartition("/")[0] for tag in tags} | {"Records/Pull", "Upsets/Begin"}
        standard = (84, 85, 2253, 2256, 2257, 2258, 2259, 2267, 2268, 2994, 12873, 11492, 2035)
        return [
            *(node_id(path, FIRST) for path in sorted(folders)),
            *(node_id(number) for number in standard),
            *(node_id(number, 1) for number in (0, 1, 2**32 - 1)),
            *(node_id(text, FIRST) for text in ("", "no such", "Levers", "Levers/../PLC/Time")),
            node_id("PLC/Time", 99),
            node_id(b"\x00\xff", FIRST),
            ua.NodeId(uuid.UUID(int=7), FIRST),
        ]

    def writes(self, number: int) -> list[Any]:
        """Return so many writes."""
        draw, found = self.generator.random, []
        for _ in range(number):
            chance = draw()
            if chance < 0.45:
                tag, node = self.generator.choice(self._tags)
            elif chance < 0.85:
                tag, node = self.generator.choice(self._writable)
            else:
                tag, node = None, self.generator.choice(self._others)
            # Half of what goes to a tag is of its own type, so that limits are met as well.
            fitting = tag is not None and draw() < 0.5
            value = self._fitting(tag) if fitting else self.generator.choice(self._values)
            found.append(self._item(node, value))
        return found

    def _item(self, node: Any, value: Any) -> Any:
        """Return a write, now and then of another attribute or of a part of an array."""
        item = _item(node, value)
        chance = self.generator.random()
        if chance < 0.05:
            item.AttributeId = ua.AttributeIds(self.generator.randint(1, 22))
        elif chance < 0.07:
            item.IndexRange = self.generator.choice(("0", "1:3", "-1", "a:b", "0,0"))
        return item

    def plan(self, most: int) -> list[Any]:
        """Return one request of the guard: a whole plan, or anything."""
        if self.generator.random() < 0.5:
            return self.writes(most)
        chosen = [each for each in self._guarded if each[0].path.endswith("/Setpoint")]
        # Half of the whole plans are sound but for their numbers.
        sound = self.generator.random() < 0.5
        found = [
            _item(node, self._inside(tag)) if sound else self._item(node, self._fitting(tag))
            for tag, node in chosen
        ]
        self._sequence += self.generator.choice((0, 1, 1, 1, -1))
        self._beat += self.generator.choice((0, 1, 1, 2, -1))
        numbers = {
            "Guard/Sequence": Variant(self._sequence, ua.VariantType.Int64),
            "Guard/Expires": Variant(60.0 * self._beat + 1e4, ua.VariantType.Double),
            "Guard/Heartbeat": Variant(self._beat, ua.VariantType.Int64),
        }
        nodes = {tag.path: node for tag, node in self._guarded}
        for path, variant in numbers.items():
            if path in nodes:
                found.append(_item(nodes[path], _bare(variant)))
        return found or self.writes(most)

    def _inside(self, tag: Tag) -> DataValue:
        """Return a number that a tag permits."""
        assert tag.low is not None
        assert tag.high is not None
        return _bare(Variant(self.generator.uniform(tag.low, tag.high), ua.VariantType.Double))

    def _fitting(self, tag: Tag | None) -> DataValue:
        """Return a value of a tag's type, most of them near its limits."""
        assert tag is not None
        kind, array = tag.kind.removesuffix("[]"), tag.kind.endswith("[]")
        made: dict[str, Callable[[], Any]] = {
            "Double": lambda: self._number(tag),
            "Int64": lambda: self.generator.choice(INTEGERS),
            "String": lambda: self.generator.choice((*tag.choices, *TEXTS)),
            "Boolean": lambda: self.generator.random() < 0.5,
        }
        one = made[kind]
        value = [one() for _ in range(self.generator.randint(0, 5))] if array else one()
        return _bare(Variant(value, ua.VariantType[kind], is_array=array))

    def _number(self, tag: Tag) -> float:
        if tag.low is None or tag.high is None or self.generator.random() < 0.2:
            return self.generator.choice(NUMBERS)
        span = tag.high - tag.low
        edges = (tag.low, tag.high, tag.low - 1e-9 * span, tag.high + 1e-9 * span)
        if self.generator.random() < 0.3:
            return self.generator.choice(edges)
        return self.generator.uniform(tag.low - 0.2 * span, tag.high + 0.2 * span)

    def _value(self) -> DataValue:
        """Return a value of any type."""
        kind = self.generator.choice(("plain", "plain", "array", "odd", "strange", "bad"))
        if kind == "strange":
            return _bare(self._strange())
        if kind == "odd":
            name = self.generator.choice(ODD_TYPES)
            return _bare(Variant(self.generator.randint(0, 100), ua.VariantType[name]))
        pool, of = self.generator.choice(
            (
                (NUMBERS, ua.VariantType.Double),
                (INTEGERS, ua.VariantType.Int64),
                (TEXTS, ua.VariantType.String),
                ((True, False), ua.VariantType.Boolean),
            )
        )
        if kind == "array":
            length = self.generator.choice((0, 1, 3, 68))
            row = [self.generator.choice(pool) for _ in range(length)]
            return _bare(Variant(row, of, is_array=True))
        variant = Variant(self.generator.choice(pool), of)
        if kind != "bad":
            return _bare(variant)
        value: DataValue = ua.DataValue(variant, StatusCode=ua.StatusCode(ua.UInt32(0x80000000)))
        return value

    def _strange(self) -> Variant:
        made: tuple[Callable[[], Variant], ...] = (
            lambda: Variant(None, ua.VariantType.Null),
            lambda: Variant(datetime(1970, 1, 1, tzinfo=UTC), ua.VariantType.DateTime),
            lambda: Variant(uuid.UUID(int=1), ua.VariantType.Guid),
            lambda: Variant(b"\x00" * 40, ua.VariantType.ByteString),
            lambda: Variant(node_id(85), ua.VariantType.NodeId),
            lambda: Variant(ua.QualifiedName("q", 1), ua.VariantType.QualifiedName),
            lambda: Variant(ua.LocalizedText("t", "en"), ua.VariantType.LocalizedText),
            lambda: Variant(ua.StatusCode(ua.UInt32(0)), ua.VariantType.StatusCode),
            lambda: Variant(LONG_TEXT, ua.VariantType.String),
            lambda: _matrix(),
            lambda: Variant([LONG_TEXT[:300]] * 50, ua.VariantType.String, is_array=True),
        )
        # Long ones are rare, so that the number of writes and not their size makes the day.
        weights = [10] * 8 + [1, 10, 1]
        return self.generator.choices(made, weights)[0]()

    def call(self) -> Any:
        """Return a call of a method, or of what is none."""
        request = ua.CallMethodRequest()
        owner, method = self.generator.choice(
            (("Records", "Pull"), ("Upsets", "Begin"), ("Pace", "SetSpeed"), ("PLC", "Time"))
        )
        request.ObjectId = node_id(owner, FIRST)
        request.MethodId = node_id(f"{owner}/{method}", FIRST)
        if self.generator.random() < 0.1:
            # GetMonitoredItems and RequestServerStateChange of the standard.
            request.ObjectId = node_id(2253)
            request.MethodId = node_id(11492 if self.generator.random() < 0.5 else 12886)
        count = self.generator.randint(0, 3)
        request.InputArguments = [self.generator.choice(self._values).Value for _ in range(count)]
        return request


def _matrix() -> Variant:
    """Return an array of two dimensions."""
    rows: Any = [[1.0, 2.0], [3.0, 4.0]]
    shape: Any = [2, 2]
    return Variant(rows, ua.VariantType.Double, Dimensions=shape, is_array=True)


def _item(node: Any, value: DataValue) -> Any:
    """Return the write of a node's value."""
    item = ua.WriteValue()
    item.NodeId, item.AttributeId, item.Value = node, ua.AttributeIds.Value, value
    return item


def _bare(variant: Variant) -> DataValue:
    """Return a value without times, as most clients send it."""
    value: DataValue = ua.DataValue(variant, StatusCode=None)
    return value
