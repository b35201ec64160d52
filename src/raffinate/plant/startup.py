"""Start-up and shut-down as events: fill, total reflux, product draw.

A bank that is filled with feed and then run at its nominal flows takes months, because the only
way its inventory shifts from one element to the other is by the small difference between what is
fed and what leaves. Total reflux sends all strip liquor back as scrub, so that nothing of the
drawn product leaves; it is held until the bank holds about as much of it as it will at rest. Then
the product is drawn at its nominal flow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import SpecificationError
from raffinate.plant.events import Event
from raffinate.plant.model import STRIP_LIQUOR, Operation, Plant, Product
from raffinate.plant.motion import PlantMotion
from raffinate.plant.motion_state import MotionState
from raffinate.plant.simulate import Trajectory, simulate
from raffinate.plant.steady import SteadyState
from raffinate.units import HOUR

Array = NDArray[np.float64]


TRIAL = 10.0 * 24.0 * HOUR
"""How long a trial start-up runs on after the reflux, [s]."""

HALVINGS = 5
"""Trials that narrow the reflux time; five leave it within two hundredths."""

BRACKET = (0.5, 1.1)
"""Where the reflux time is looked for, as multiples of the first estimate, [-]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartUp:
    """A start-up by total reflux.

    Attributes:
        reflux_time: How long all strip liquor is returned, [s].
        estimate: That time from inventories alone, [s].
        missing: Of the drawn product's elements, what the filled bank lacks, [mol].
        events: The procedure, for `simulate(..., start="startup")`.
    """

    reflux_time: float
    estimate: float
    missing: float
    events: tuple[Event, ...]


def total_reflux_start_up(plant: Plant, nominal: SteadyState) -> StartUp:
    """Return how long to return all strip liquor, and the events that do it.

    The first estimate is what the feed needs to bring what the bank lacks, missing / (feed of the
    product's elements). Around it the time is narrowed by trial runs to where, ten days after
    the reflux, all products are equally near to their limits: with less the drawn one, with
    more the other would take weeks.

    Args:
        plant: The plant.
        nominal: Its nominal steady state.

    Raises:
        SpecificationError: Nothing is drawn from the strip, or the filled bank lacks nothing.
        ConvergenceError: A trial could not be moved.
        BalanceError: A trial did not balance.
    """
    operation = nominal.operation
    if operation is None:
        raise SpecificationError("the state has no flows.", where="start-up", mend="Solve a plant.")
    product = _drawn_product(plant)
    missing, feed = _missing(plant, nominal, operation, product)
    if missing <= 0.0:
        raise SpecificationError(
            f"the filled bank holds {-missing:.3g} mol more of {product.name} than at rest.",
            where="start-up",
            mend="Draw at once: there is nothing to wait for.",
        )
    estimate = missing / feed
    low, high = BRACKET[0] * estimate, BRACKET[1] * estimate
    # All trials begin alike: each goes on from where the shortest reflux left in question ends.
    begun = _refluxed(plant, nominal, _closed(operation, low), None)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if _drawn_is_worse(plant, nominal, product, _closed(operation, middle), begun):
            begun = _refluxed(plant, nominal, _closed(operation, middle), begun)
            low = middle
        else:
            high = middle
    time = 0.5 * (low + high)
    return StartUp(
        reflux_time=time,
        estimate=estimate,
        missing=missing,
        events=(_closed(operation, time),),
    )


def _closed(operation: Operation, time: float) -> Event:
    """Return the event that sends all strip liquor back until `time`, [s]."""
    flow = operation.acid_flow * HOUR
    return Event(name="scrub_flow", how="=", value=flow, begin=0.0, end=time)


def _missing(
    plant: Plant, nominal: SteadyState, operation: Operation, product: Product
) -> tuple[float, float]:
    """Return what a filled bank lacks of a product, [mol], and what is fed of it, [mol/s]."""
    here = plant.operated(operation)
    elements = here.circuit.elements
    wanted = np.array([symbol in product.elements for symbol in elements])
    at_rest = PlantMotion(here, nominal).held_rare_earths()[wanted].sum()
    filled = PlantMotion(here, None).held_rare_earths()[wanted].sum()
    fed = operation.feed_flow * operation.feed_concentration(elements)[wanted].sum()
    return float(at_rest - filled), float(fed)


def _refluxed(
    plant: Plant, nominal: SteadyState, event: Event, begun: MotionState | None
) -> MotionState:
    """Return the plant at the end of the event, filled at first or gone on from `begun`."""
    duration = event.end - (0.0 if begun is None else begun.time)
    path = simulate(
        plant, duration, [event], start=begun or "startup", nominal=nominal, interval=TRIAL
    )
    return path.state


def _drawn_is_worse(
    plant: Plant, nominal: SteadyState, product: Product, event: Event, begun: MotionState
) -> bool:
    """Return whether, after a trial, the drawn product is further from its limit than others."""
    duration = event.end + TRIAL - begun.time
    path = simulate(plant, duration, [event], start=begun, nominal=nominal, interval=TRIAL)
    excess = {
        name: float(impurity[-1]) / (1.0 - path.purity_limit[name])
        for name, impurity in path.impurity.items()
    }
    drawn = excess.pop(product.name)
    return drawn > max(excess.values(), default=1.0)


def _drawn_product(plant: Plant) -> Product:
    for product in plant.products.values():
        if product.outlet == STRIP_LIQUOR:
            return product
    raise SpecificationError(
        "no product is drawn from the strip liquor.",
        where="start-up",
        mend="Total reflux returns strip liquor; start this plant at its flows.",
    )


def shut_down(begin: float, end: float = float("inf"), *, share: float = 1e-3) -> tuple[Event, ...]:
    """Return a shut-down from `begin` to `end`, [s]: every pump turned down to one `share`.

    All flows fall together, because one alone leaves the bank without an equilibrium: saponified
    organic without feed, for one, makes its liquor basic. What remains stands for leaking valves;
    mixers and their internal recycle go on.

    Args:
        begin: [s].
        end: When the pumps are turned up again, [s].
        share: Of their flows, above 0 to below 1, [-].

    Raises:
        SpecificationError: A share that is none, or an end before the beginning.
    """
    if not 0.0 < share < 1.0:
        raise SpecificationError(
            f"share is {share:g}.",
            where="shut-down",
            allowed="above 0 and below 1: without any flow there is nothing to solve",
        )
    if not end > begin:
        raise SpecificationError(
            f"it ends at {end / HOUR:g} h and begins at {begin / HOUR:g} h.",
            where="shut-down",
            allowed="an end after the beginning",
        )
    names = ("feed.flow", "organic_flow", "acid_flow", "scrub_flow")
    return tuple(Event(name=name, how="*=", value=share, begin=begin, end=end) for name in names)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FilmStrip:
    """Profiles of a bank at chosen moments, for pictures.

    Attributes:
        time: (frame,), [s].
        elements: Symbols on the element axis.
        sections: Section of every stage, (stage,).
        aqueous_share: Of each rare earth in the aqueous, by moles, (frame, stage, element), [-].
        organic_share: Likewise in the organic, (frame, stage, element), [-].
        proton: (frame, stage), [mol/m³].
        impurity: Of each product, (frame,), [-].
    """

    time: Array
    elements: tuple[str, ...]
    sections: tuple[str, ...]
    aqueous_share: Array
    organic_share: Array
    proton: Array
    impurity: dict[str, Array]


def film_strip(path: Trajectory, times: Sequence[float]) -> FilmStrip:
    """Return the rows of a trajectory nearest to `times`, [s].

    Raises:
        SpecificationError: A time outside the trajectory.
    """
    for time in times:
        if not path.time[0] <= time <= path.time[-1]:
            raise SpecificationError(
                f"{time / HOUR:g} h is not in the trajectory.",
                where="film strip",
                allowed=f"{path.time[0] / HOUR:g} to {path.time[-1] / HOUR:g} h",
            )
    rows = [int(np.abs(path.time - time).argmin()) for time in times]
    return FilmStrip(
        time=path.time[rows],
        elements=path.elements,
        sections=path.sections,
        aqueous_share=path.aqueous[rows] / path.aqueous[rows].sum(axis=2, keepdims=True),
        organic_share=path.organic[rows] / path.organic[rows].sum(axis=2, keepdims=True),
        proton=path.proton[rows],
        impurity={name: values[rows] for name, values in path.impurity.items()},
    )


def hours_until_on_specification(path: Trajectory) -> float:
    """Return from when on every product met its limit to the end, [h]; infinite if never."""
    off = np.zeros(len(path.time), dtype=bool)
    for name, impurity in path.impurity.items():
        off |= impurity > 1.0 - path.purity_limit[name]
    if off[-1]:
        return float("inf")
    last = int(np.flatnonzero(off)[-1]) + 1 if off.any() else 0
    return float(path.time[last] / HOUR)
