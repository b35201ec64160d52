"""What is known of each alarm beforehand: priority, cause, consequence, action, delays, limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from raffinate.control.guard import RefusalKind
from raffinate.plant.model import Plant
from raffinate.runtime.messages import CHECK_ALARM, place_of
from raffinate.sources import Source
from raffinate.units import HOUR

AlarmPriority = Literal["low", "medium", "high"]

PRIORITIES: tuple[AlarmPriority, ...] = ("high", "medium", "low")
"""Most urgent first."""

Severity = Literal["minor", "moderate", "severe"]
"""How bad it becomes when nobody responds."""

PROCESSES = ("twin", "operate", "history", "web")
"""Processes of a run that raise `process.<name>` when they are restarted repeatedly."""

INTERLOCKS = ("scrub_within_acid", "organic_lost")
"""Interlocks of the plant's controller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmDefinition:
    """One line of the rationalised alarm list.

    Attributes:
        tag: Tag of the alarm; a * stands for any text, so that one line may define several.
        priority: How urgent it is.
        severity: How bad it becomes without a response.
        respond_within: Longest time between the alarm and a response that still helps, [s].
        cause: What usually brings it about.
        consequence: What happens without a response.
        action: What the operator does.
        group: Alarms that one disturbance raises together; the first is marked. Empty for none.
        on_delay: How long it must be found before it is raised, [s].
        off_delay: How long it must be gone before it is cleared, [s].
        deadband: How far inside its limit a value must come back, as a fraction of the limit, [-].
        latching: Whether it stays until acknowledged although it has gone.
        longest_shelving: Longest time it may be shelved at once, [s]; 0 forbids shelving.
        suppressed_by: Tags of alarms while whose cause lasts it is not shown, by design.
        realarm_after: Time after acknowledgment after which it is shown again, [s]; None for never.
        auto_delay: Whether its off-delay is lengthened while it chatters.
        source: Where severity and time to respond come from; None without a list.
        rationalised: False for a tag that no line of the list defines.
    """

    tag: str
    priority: AlarmPriority
    severity: Severity = "moderate"
    respond_within: float = HOUR
    cause: str = ""
    consequence: str = ""
    action: str = ""
    group: str = ""
    on_delay: float = 0.0
    off_delay: float = 0.0
    deadband: float = 0.0
    latching: bool = False
    longest_shelving: float = 8.0 * HOUR
    suppressed_by: tuple[str, ...] = ()
    realarm_after: float | None = None
    auto_delay: bool = False
    source: Source | None = None
    rationalised: bool = True

    @property
    def exact(self) -> bool:
        """Whether it defines one tag only."""
        return "*" not in self.tag

    def covers(self, tag: str) -> bool:
        """Return whether it defines `tag`."""
        pattern = ".*".join(re.escape(part) for part in self.tag.split("*"))
        return re.fullmatch(pattern, tag) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorityMatrix:
    """Priority by severity and time to respond.

    Attributes:
        borders: Times to respond at which one column ends and the next begins, rising, [s].
        rows: Priorities by severity, one more than there are borders.
    """

    borders: tuple[float, ...]
    rows: Mapping[Severity, tuple[AlarmPriority, ...]]

    def priority(self, severity: Severity, respond_within: float) -> AlarmPriority:
        """Return the priority of an alarm, given its time to respond, [s]."""
        column = sum(respond_within > border for border in self.borders)
        return self.rows[severity][column]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmDefinitions:
    """A rationalised alarm list.

    Attributes:
        name: Identifier.
        title: In words.
        matrix: From which the priorities follow.
        definitions: In the order of the file; where two alarms of a group come in one scan, the
            one defined first counts as the first out, so causes stand before consequences.
        sources: Where the numbers come from.
    """

    name: str
    title: str
    matrix: PriorityMatrix
    definitions: tuple[AlarmDefinition, ...]
    sources: tuple[Source, ...] = field(default=())

    def of(self, tag: str) -> AlarmDefinition:
        """Return the definition of a tag: the exact one, else the longest pattern covering it.

        A tag that nothing covers has medium priority and is marked as not rationalised: it may
        matter, and nobody has judged it.
        """
        covering = [each for each in self.definitions if each.covers(tag)]
        if not covering:
            return AlarmDefinition(tag=tag, priority="medium", rationalised=False)
        return max(covering, key=lambda each: (each.exact, len(each.tag)))

    def place(self, tag: str) -> int:
        """Return where in the list the tag is defined; behind all others if it is not."""
        found = self.of(tag)
        return self.definitions.index(found) if found.rationalised else len(self.definitions)


def alarm_tags(plant: Plant) -> tuple[str, ...]:
    """Return the tag of every alarm that the programs can raise for a plant."""
    levers, products = tuple(plant.levers), tuple(plant.products)
    stages = tuple(place_of(stage + 1) for stage in plant.analyzer.monitored_stages)
    kinds = tuple(kind for kind in get_args(RefusalKind) if kind != "out_of_range")
    return (
        "link.plant",
        "link.clock",
        "link.gap",
        "link.certificate",
        "plc.watchdog",
        "plc.safe",
        *(f"plc.interlock.{name}" for name in INTERLOCKS),
        *(f"{name}.deviation" for name in levers),
        *(f"{name}.purity" for name in products),
        "fuzzy.holding",
        *(f"guard.{name}" for name in (*kinds, *levers)),
        "xrf",
        *(f"xrf.{place}" for place in (*stages, *products)),
        CHECK_ALARM,
        *(f"lab.{name}" for name in products),
        "samples.order",
        *(f"process.{name}" for name in PROCESSES),
        "twin.alone",
        "history.writer",
        "archive.failed",
    )
