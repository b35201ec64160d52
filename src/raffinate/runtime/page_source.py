"""Everything the page shows, put together: both servers' tags, the history, the processes."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from raffinate.plant.model import Plant
from raffinate.runtime.messages import STARTING
from raffinate.runtime.page_history import MOST_NOTES, PageNews
from raffinate.runtime.page_messages import description, encode, starting
from raffinate.runtime.page_state import PresentPage, ProfileText, Surroundings, span_of
from raffinate.runtime.page_tags import TagView
from raffinate.runtime.page_trend import TrendText, trend_tags
from raffinate.runtime.web_sessions import Session
from raffinate.units import HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """What of a run never changes.

    Attributes:
        plant: From its file.
        virtual: Whether it is simulated.
        first_speed: Speed the run began with, plant seconds per wall second.
    """

    plant: Plant
    virtual: bool
    first_speed: float


class PageSource:
    """Writes the messages of one run; knows nothing of sockets.

    Args:
        facts: What never changes.
        of_plant: Tags of the plant's server.
        of_operate: Tags of the operating program.
        processes: Gives the rows of the processes.
        links: Gives the rows of the links.
        linked: Tells whether what is shown is of now.
        nominal: Gives what `nominal.json` holds, None while it is not there.
    """

    def __init__(
        self,
        facts: RunFacts,
        of_plant: TagView,
        of_operate: TagView,
        *,
        processes: Callable[[], list[dict[str, Any]]] = list,
        links: Callable[[], list[dict[str, Any]]] = list,
        linked: Callable[[], bool] = lambda: True,
        nominal: Callable[[], Mapping[str, Any] | None] = lambda: None,
    ) -> None:
        self.facts = facts
        self.of_plant = of_plant
        self.of_operate = of_operate
        self.present = PresentPage(facts.plant, of_plant, of_operate)
        self._profile = ProfileText(of_plant, facts.plant.circuit.elements)
        self.span: tuple[float, float] | None = None
        columns = [
            *(f"{p}{e}" for p in facts.plant.products for e in ("_impurity", "_lab_impurity")),
            *trend_tags(facts.plant, virtual=facts.virtual),
        ]
        self.trend = TrendText(tuple(dict.fromkeys(columns)))
        self.events: deque[dict[str, Any]] = deque(maxlen=MOST_NOTES)
        self._processes = processes
        self._links = links
        self._linked = linked
        self._nominal = nominal

    @property
    def ready(self) -> bool:
        """Whether there is a plant to show: both servers have told of it once."""
        levers = self.facts.plant.levers
        return (
            self.present.time is not None
            and self.of_operate.text("Mode/Current") is not None
            and all(self.of_operate.number(f"Levers/{n}/Nominal") is not None for n in levers)
        )

    @property
    def linked(self) -> bool:
        """Whether the links hold, so that the last values are those of now."""
        return self._linked()

    def surroundings(self) -> Surroundings:
        """Return what is shown beside the plant."""
        return Surroundings(processes=self._processes(), links=self._links(), span=self.span)

    def waiting(self) -> str:
        """Return the `starting` message: what is waited for."""
        for process in self._processes():
            if process["state"] in ("failed", "restarting"):
                name, state = process["name"], process["state"]
                return encode(starting(f"Waiting for {name}, which has {state_words(state)}…"))
        return encode(starting(STARTING))

    def hello(self, session: Session) -> str:
        """Return the `hello` message for a visitor."""
        nominal = self._nominal()
        horizon = self.of_plant.hours("Pace/Horizon")
        plant = description(
            self.facts.plant,
            self.of_plant,
            self.of_operate,
            self.facts.first_speed,
            virtual=self.facts.virtual,
        )
        if nominal is not None and "reagents_per_t_reo" in nominal:
            plant["nominal_reagents_per_t_reo"] = nominal["reagents_per_t_reo"]
        message = {
            "type": "hello",
            "plant": plant,
            "events": list(self.events),
            "horizon_h": horizon,
            "session": session.to_dict(),
            "history": span_of(self.span),
            "nominal_profile": None
            if nominal is None
            else {phase: nominal.get(phase) for phase in ("aqueous", "organic")},
        }
        return encode(message, trend=self.trend.text())

    def state(self) -> str:
        """Return the `state` message."""
        return encode(self.present.message(self.surroundings()), profile=self._profile.read())

    def spectrum(self) -> Any:
        """Return the analyzer's last spectrum as the plant's server shows it; None without one."""
        return self.of_plant.json("Spectrum/Last")

    def analyzer(self) -> dict[str, Any]:
        """Return checks, stream being measured and what is asked for; None where it has none."""
        return {
            "checks": self.of_plant.json("Spectrum/Checks"),
            "now": self.of_plant.json("Spectrum/Next"),
            "wanted": self.of_operate.json("Sampling/Wanted"),
        }

    def take(self, news: PageNews) -> list[str]:
        """Take in what the history tells, and return the messages that tell it to the page."""
        self.span = news.span
        messages = []
        text = self.trend.append(news.rows)
        if text is not None:
            messages.append(encode({"type": "trend"}, columns=text))
        for each in news.events:
            self.events.append(each)
            messages.append(json.dumps(each, ensure_ascii=False))
        return messages

    def health(self) -> dict[str, Any]:
        """Return what `/health` says: how far the plant is, and how the processes are."""
        ready = self.ready
        return {
            "started": ready,
            "phase": self.present.phase if ready else "starting",
            "plant_hours": (self.present.time or 0.0) / HOUR if ready else None,
            "linked": self.linked,
            "processes": self._processes(),
            "links": self._links(),
        }


def state_words(state: str) -> str:
    """Return what has become of a process, to follow "which has"."""
    return {"failed": "failed", "restarting": "ended and is started again"}[state]
