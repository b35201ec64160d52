"""A study as values: which plant, what varies and how, what is asked of each case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import SpecificationError
from raffinate.plant.economics_prices import Prices
from raffinate.plant.events import Event
from raffinate.plant.model import Plant
from raffinate.plant.network import Network
from raffinate.sources import Source
from raffinate.studies.distributions import Distribution

Method = Literal["grid", "list", "latin_hypercube", "monte_carlo"]
"""How cases are made."""

How = Literal["value", "factor", "change"]
"""What a number does to an input of the plant: takes its place, multiplies it, is added to it."""

Flows = Literal["nominal", "purities", "cheapest"]
"""nominal: flows are those of the undisturbed plant at its purities, and purities follow;
purities: flows are solved for in every case; cheapest: of the flows that keep the purities, those
of least cost are searched for in every case."""

OutcomeGroup = Literal["purity", "recovery", "production", "flows", "reagents", "cost"]
"""What can be asked of a steady case."""

CONSTANT = "log10_k."
"""Before a symbol: log₁₀ of its extraction constant in a plant of one circuit."""

STAGES = "stages."
"""Before a section: its number of stages."""

PURITY = "purity."
"""Before a product: the purity that flows are solved for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One input that varies.

    Attributes:
        name: One of `input_names`.
        how: What its numbers do.
        values: Of a grid; empty if it is drawn.
        distribution: What it is drawn from; None if it is on a grid or in a list.
        source: Who says that it varies so; None where it is a choice.
    """

    name: str
    how: How = "value"
    values: tuple[float, ...] = ()
    distribution: Distribution | None = None
    source: Source | None = None

    @property
    def column(self) -> str:
        """Name of its column among the results; one that is no value says so."""
        return f"input.{self.name}" if self.how == "value" else f"input.{self.name}_{self.how}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConstantDraw:
    """Extraction constants drawn together: log₁₀ K normal about those of the system.

    Attributes:
        names: Of their inputs.
        nominal: log₁₀ K of the systems, (constant,), [-].
        root: Symmetric square root of their covariance, (constant, constant), [-].
        sources: Who says so.
    """

    names: tuple[str, ...]
    nominal: NDArray[np.float64]
    root: NDArray[np.float64]
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """That each case is a simulation.

    Attributes:
        duration: [s].
        interval: Time between the rows of a trajectory, [s].
        start: "steady" or "startup".
        events: What happens in every case.
    """

    duration: float
    interval: float
    start: Literal["steady", "startup"] = "steady"
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Study:
    """A study, complete: it needs no file to run, so that it can be sent to another machine.

    Attributes:
        name: Short name.
        title: In words.
        plant: What is studied, of one circuit or of many.
        method: How cases are made.
        count: Cases to draw; 0 for a grid or list.
        seed: Of everything that is drawn.
        flows: What is held.
        purities: At which flows are solved for, or which they keep at least, by product, [-].
        inputs: What varies, in the order of the file.
        constants: What is drawn together; None if no constants are.
        cases: Of a list: numbers by input.
        outcomes: What is kept of each case.
        motion: Simulate each case; None for a steady state.
        prices: For the cost; None without.
        sources: Who says so.
        digest: SHA-256 of all files it was read from and of the version of this package, hex.
    """

    name: str
    title: str
    plant: Plant | Network
    method: Method
    count: int
    seed: int
    flows: Flows
    purities: Mapping[str, float]
    inputs: tuple[Input, ...]
    constants: ConstantDraw | None = None
    cases: tuple[Mapping[str, float], ...] = ()
    outcomes: tuple[OutcomeGroup, ...] = ()
    motion: Motion | None = None
    prices: Prices | None = None
    sources: tuple[Source, ...] = field(default=())
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case of a study.

    Attributes:
        index: From 0, in the order of the study.
        seed: Its own, whatever the order and the worker.
        numbers: By input; constants that are drawn as values of log₁₀ K.
    """

    index: int
    seed: int
    numbers: Mapping[str, float]


def hows(study: Study) -> dict[str, How]:
    """Return what the numbers of each input do."""
    return {each.name: each.how for each in study.inputs}


def moved(now: float, number: float, how: How) -> float:
    """Return a number that takes the place of another, multiplies it or is added to it."""
    if how == "value":
        return number
    return now * number if how == "factor" else now + number


def whole_stages(name: str, number: float) -> int:
    """Return a number of stages.

    Raises:
        SpecificationError: It is no whole number.
    """
    if not float(number).is_integer():
        raise SpecificationError(f"{number:g} stages.", where=name, allowed="whole numbers")
    return int(number)
