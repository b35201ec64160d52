"""The door through which the guard's plans come: several nodes of one write, one plan."""

from __future__ import annotations

from typing import Any, Protocol

from raffinate.instruments.sampling import Request
from raffinate.runtime.opcua_access import Who
from raffinate.runtime.tags import REQUESTS, Tag, Value
from raffinate.units import HOUR


class TakesPlans(Protocol):
    """What executes plans."""

    def accept(
        self,
        trajectory: dict[str, tuple[float, ...]],
        *,
        heartbeat: int,
        sequence: int,
        expires_at: float,
    ) -> None:
        """Take a plan, [m³/s], or refuse it with a SpecificationError."""

    def ask(self, requests: tuple[Request, ...]) -> None:
        """Take the streams that the estimation would have the analyzer look at next."""


class PlanDoor:
    """Puts the nodes of one write together into a plan; the heartbeat makes it count."""

    def __init__(self, host: TakesPlans) -> None:
        self._host = host
        self._setpoints: dict[str, tuple[float, ...]] = {}
        self._trajectories: dict[str, tuple[float, ...]] = {}
        self._sequence = 0
        self._expires_at = float("nan")

    async def write(self, tag: Tag, value: Value, who: Who) -> None:
        """Take what the guard wrote to one node.

        Raises:
            SpecificationError: The plan that this completes is refused.
        """
        parts = tag.path.split("/")
        if parts[-1] == "Setpoint":
            self._setpoints[parts[1]] = (_number(value) / HOUR,)
        elif parts[-1] == "Trajectory":
            self._trajectories[parts[1]] = tuple(_number(v) / HOUR for v in _row(value))
        elif tag.path == REQUESTS:
            self._host.ask(tuple(_request(each) for each in _row(value)))
        elif tag.path == "Guard/Sequence":
            self._sequence = int(_number(value))
        elif tag.path == "Guard/Expires":
            self._expires_at = _number(value)
        elif tag.path == "Guard/Heartbeat":
            trajectory = self._trajectories or self._setpoints
            self._trajectories, self._setpoints = {}, {}
            self._host.accept(
                trajectory,
                heartbeat=int(_number(value)),
                sequence=self._sequence,
                expires_at=self._expires_at,
            )


def _request(text: Any) -> Request:
    """Return "stream|worth" as a request; one without a worth that is a number is worth nothing."""
    stream, _, worth = str(text).rpartition("|")
    try:
        return Request(stream=stream, worth=float(worth))
    except ValueError:
        return Request(stream=stream, worth=0.0)


def _number(value: Any) -> float:
    return float(value)


def _row(value: Value) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)
