"""Twin, operate and history in lock-step: one process today, the same messages as four."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from raffinate.plant.events import Event
from raffinate.plant.model import Plant
from raffinate.runtime.history import History
from raffinate.runtime.messages import Note, PlantReport
from raffinate.runtime.operate import Operate
from raffinate.runtime.solved_states import nominal_state
from raffinate.runtime.story import default_story
from raffinate.runtime.twin import Twin
from raffinate.units import HOUR

COLUMNS_FIXED = ("t_h", "feed_nd_mass_fraction", "saponification_degree")


class PlantRun:
    """A plant being run.

    Args:
        plant: As loaded; its nominal flows are solved for here.
        seed: Fixes mismatch and noise.
        mode: Mode of control to begin in.
        duration: Length of the run, [s].
        story: Events of the world with their titles; None is the story shipped by default.
        matched: Make the twin equal to the operator's model.
    """

    def __init__(
        self,
        plant: Plant,
        *,
        seed: int = 1,
        mode: str = "fuzzy",
        duration: float = 720.0 * HOUR,
        story: Sequence[tuple[Event, str]] | None = None,
        matched: bool = False,
    ) -> None:
        nominal = nominal_state(plant)
        assert nominal.operation is not None
        self.plant = plant.operated(nominal.operation)
        self.nominal = nominal
        self.seed = seed
        self.duration = duration
        self.twin = Twin(self.plant, seed, matched=matched)
        self.operate = Operate(self.plant, nominal, mode)
        for event, title in story if story is not None else default_story():
            self.twin.add_event(event, title)
        products = tuple(self.plant.products)
        levers = tuple(self.plant.levers)
        self.history = History(
            (
                *COLUMNS_FIXED,
                *(f"{name}_impurity" for name in products),
                *(f"{name}_lab_impurity" for name in products),
                *levers,
                *(f"{name}_sp" for name in levers),
            )
        )
        self.history.note(Note(time=0.0, kind="run", text=f"Run begins in {mode}, seed {seed}"))

    @property
    def finished(self) -> bool:
        """Whether the run has reached its end."""
        return self.twin.time >= self.duration - 1e-6

    def step(self) -> None:
        """Run one control period: orders, plant, report."""
        orders = self.operate.orders()
        self.twin.ask(orders.requests)
        report, notes = self.twin.advance(orders.plans)
        taken = self.operate.take(report)
        self.history.note(*notes, *taken)
        self.history.append(self._row(report))
        if self.finished:
            self.history.note(Note(time=report.time, kind="run", text="Run ends"))

    def _row(self, report: PlantReport) -> dict[str, float | None]:
        operation, elements = self.twin.operation, self.plant.circuit.elements
        feed = dict(zip(elements, operation.feed_mass_fraction.tolist(), strict=True))
        return {
            "t_h": report.time / HOUR,
            "feed_nd_mass_fraction": feed.get("Nd"),
            "saponification_degree": operation.saponification_degree,
            **{f"{name}_impurity": 1.0 - a.purity for name, a in self.twin.accounts.items()},
            **{
                f"{assay.place}_lab_impurity": self.operate.impurity(assay)
                for assay in self.operate.fresh_assays
            },
            **{name: value * HOUR for name, value in report.measured.items()},
            **{f"{name}_sp": value * HOUR for name, value in report.setpoints.items()},
        }

    def run_to_end(self, progress: Callable[[], None] | None = None) -> dict[str, Any]:
        """Run until the duration is over and return the summary."""
        while not self.finished:
            self.step()
            if progress is not None:
                progress()
        return self.summary()

    def summary(self) -> dict[str, Any]:
        """Return what `raffinate run --headless --json` prints, but for the wall time.

        Raises:
            BalanceError: What entered the plant is not what left or stayed.
        """
        return {
            "plant": self.plant.name,
            "seed": self.seed,
            "plant_hours": self.twin.time / HOUR,
            "products": {name: self._product_summary(name) for name in self.plant.products},
            "reagents_per_t_reo": self.twin.reagents_per_t_reo(),
            "modes": [
                {"from_h": time / HOUR, "mode": mode} for time, mode in self.operate.mode_history
            ],
            "alarms": self.operate.alarms.count,
            "balance_error": self.twin.check(),
        }

    def _product_summary(self, name: str) -> dict[str, Any]:
        account = self.twin.accounts[name]
        return {
            "off_spec_t": account.off_spec / 1000.0,
            "off_spec_h": account.off_spec_time / HOUR,
            "hours_to_off_spec": _finite(account.first_off_spec / HOUR),
            "hours_last_off_spec": _finite(account.last_off_spec / HOUR),
            "lots": account.lots,
            "lots_off_spec": account.lots_off_spec,
            "mean_purity": account.mean_purity(
                self.plant.products[name], self.plant.circuit.elements
            ),
            "recovery": self.twin.recovery(name),
        }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
