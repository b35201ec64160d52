"""Impurities of products near a steady state, from each oxide in them and how it answers to flows.

The logarithm of an oxide in a product is nearly straight in the logarithms of the flows where that
of an impurity, a sum of several, has a kink: beyond it another metal is the worst. So oxides are
taken straight and impurities summed of them,

    log₁₀ impurity = log₁₀ Σ others exp(l + A s) - log₁₀ Σ all exp(l + A s)

with s the turn of the flows, l the logarithms of the oxides and A their slopes. Where a front
breaks through, an oxide rises at once that hardly moved before; seen from both sides of the front,
its logarithm is the larger of two straight lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.elements import oxide_molar_masses
from raffinate.plant.network import Network
from raffinate.plant.network_gradients import network_derivative
from raffinate.plant.network_room import Room
from raffinate.plant.network_state import NetworkState

Array = NDArray[np.float64]

PARTS = (1.0, 0.5, 0.2, 0.05)
"""Parts of the way to the purities that a step is asked to go, the first that can be, [-]."""

LEAST = 1e-3
"""Part of the way below which a step leads nowhere, [-]."""

CLOSE = 1e-6
"""Logarithm by which a step may pass an end, and decades by which it may miss, [-]."""

SHARP = 8.0
"""How sharply straight pieces meet: where they cross they are ln 2/8 too high, [-]."""

ITERATIONS = 100
"""Iterations of SLSQP within a step."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Oxides:
    """Oxides of one product, each the largest of straight pieces.

    Attributes:
        others: Whether an oxide is none of the product's, (oxide,).
        logarithm: Of the oxides at no turn, (piece, oxide), [-].
        slopes: By the logarithms of the flows, (piece, oxide, flow), [-].
    """

    others: NDArray[np.bool_]
    logarithm: Array
    slopes: Array

    def impurity(self, turned: Array) -> tuple[float, Array]:
        """Return log₁₀ of the impurity at a turn of the flows, and its slopes, (flow,)."""
        pieces = self.logarithm + self.slopes @ turned
        largest = pieces.max(axis=0)
        weight = np.exp(SHARP * (pieces - largest))
        whole = weight.sum(axis=0)
        logarithm = largest + np.log(whole) / SHARP
        slopes = np.einsum("kn,knf->nf", weight / whole, self.slopes)
        mass = np.exp(logarithm - logarithm.max())
        other = mass * self.others
        # Traces may fall below what floating point holds, yet they are not zero.
        impure, total = max(float(other.sum()), 1e-300), float(mass.sum())
        slope: Array = (other / impure - mass / total) @ slopes / np.log(10.0)
        return float(np.log10(impure / total)), slope

    def bent(self, other: _Oxides, turned: Array) -> _Oxides:
        """Return these with pieces that touch others, known at a turn of the flows."""
        begin = other.logarithm - other.slopes @ turned
        return _Oxides(
            others=self.others,
            logarithm=np.concatenate([self.logarithm, begin]),
            slopes=np.concatenate([self.slopes, other.slopes]),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NearImpurities:
    """Impurities of products as functions of a turn of the flows."""

    products: tuple[_Oxides, ...]

    @property
    def flows(self) -> int:
        """How many flows may be turned."""
        return int(self.products[0].slopes.shape[-1])

    def values(self, turned: Array) -> Array:
        """Return log₁₀ of the impurities, (product,)."""
        return np.array([each.impurity(turned)[0] for each in self.products])

    def slopes(self, turned: Array) -> Array:
        """Return their slopes, (product, flow)."""
        return np.array([each.impurity(turned)[1] for each in self.products])

    def bent(self, other: NearImpurities, turned: Array) -> NearImpurities:
        """Return these as they are known from here and from a turn of the flows."""
        pairs = zip(self.products, other.products, strict=True)
        return NearImpurities(products=tuple(one.bent(two, turned) for one, two in pairs))


def near_impurities(
    network: Network, state: NetworkState, products: Sequence[str], names: Sequence[str]
) -> NearImpurities:
    """Return the impurities of products near a steady state.

    Args:
        network: With its flows written in it.
        state: At these.
        products: By name.
        names: Of the flows, as in `lever_values`.
    """
    derivative = network_derivative(network, state)
    columns = [derivative.inputs.index(name) for name in names]
    rare, metals = network.rare_earths, network.elements
    oxide = dict(zip(rare, oxide_molar_masses(rare), strict=True))
    made = []
    for name in products:
        product = network.products[name]
        amounts = state.streams[product.stream].amount
        held = [symbol for symbol in rare if amounts[metals.index(symbol)] > 0.0]
        places = [metals.index(symbol) for symbol in held]
        rows = np.zeros((len(held), derivative.answer.shape[0]))
        begin = derivative.block(product.stream).start
        rows[np.arange(len(held)), begin + np.array(places)] = 1.0 / amounts[places]
        uses = np.zeros((len(held), len(derivative.uses)))
        slopes = derivative.total(rows, uses)[:, columns] * derivative.values[columns]
        masses = amounts[places] * np.array([oxide[symbol] for symbol in held])
        others = np.array([symbol not in product.elements for symbol in held])
        made.append(_Oxides(others=others, logarithm=np.log(masses)[None], slopes=slopes[None]))
    return NearImpurities(products=tuple(made))


def least_turn(
    near: NearImpurities, wanted: Array, room: Room, longest: float
) -> tuple[Array, float, tuple[str, ...]]:
    """Return the smallest turn of the flows towards wanted impurities that leaves banks room.

    Args:
        near: Impurities near the flows.
        wanted: log₁₀ of what they are to be, (product,).
        room: What is left, less what is to be.
        longest: Largest change of the logarithm of a flow.

    Returns:
        The turn, (flow,); which part of the way it goes, 0 if none; and the ends that bound it.
    """
    here = near.values(np.zeros(room.slopes.shape[1]))
    turn, bounds = np.zeros(room.slopes.shape[1]), np.zeros(len(room.ends))
    for part in PARTS:
        turn, found = _turn(near, here + part * (wanted - here), room, longest)
        bounds = room.slopes @ turn + room.left
        if found:
            return turn, part, _bounding(room, bounds)
    straight, part = straight_turn(near, wanted, room, longest)
    if part < LEAST:
        return turn, 0.0, _bounding(room, bounds)
    return straight, part, _bounding(room, bounds)


def straight_turn(
    near: NearImpurities, wanted: Array, room: Room, longest: float
) -> tuple[Array, float]:
    """Return the part of Newton's step that may be gone, and which part of it that is.

    Args:
        near: Impurities near the flows.
        wanted: log₁₀ of what they are to be, (product,).
        room: What is left, less what is to be.
        longest: Largest change of the logarithm of a flow.
    """
    nowhere = np.zeros(near.flows)
    missed = wanted - near.values(nowhere)
    turn, *_ = np.linalg.lstsq(near.slopes(nowhere), missed, rcond=1e-10)
    taken = room.slopes @ turn
    allowed = np.where(taken < 0.0, np.maximum(room.left, 0.0) / np.maximum(-taken, 1e-300), 1.0)
    most = longest / max(float(np.abs(turn).max()), 1e-300)
    part = min(1.0, most, float(allowed.min(initial=1.0)))
    step: Array = np.asarray(part * turn, dtype=np.float64)
    return step, part


def _bounding(room: Room, left: Array) -> tuple[str, ...]:
    """Return the ends of which a turn leaves nothing and that turns take anything of."""
    felt = np.abs(room.slopes).max(axis=1) > 0.0
    pairs = zip(room.ends, felt & (left <= 10.0 * CLOSE), strict=True)
    return tuple(end for end, bound in pairs if bound)


def _turn(near: NearImpurities, wanted: Array, room: Room, longest: float) -> tuple[Array, bool]:
    """Return the smallest turn to wanted impurities, in parts of the longest, if there is one."""
    from scipy.optimize import minimize

    count = room.slopes.shape[1]
    # Slopes of a front are thousands: each equation is told in its own size.
    scale = 1.0 / np.maximum(np.abs(longest * near.slopes(np.zeros(count))).max(axis=1), 1.0)
    result = minimize(
        lambda part: 0.5 * float(part @ part),
        np.zeros(count),
        jac=lambda part: part,
        method="SLSQP",
        bounds=[(-1.0, 1.0)] * count,
        constraints=[
            {
                "type": "eq",
                "fun": lambda part: scale * (near.values(longest * part) - wanted),
                "jac": lambda part: longest * scale[:, None] * near.slopes(longest * part),
            },
            {
                "type": "ineq",
                "fun": lambda part: room.left + room.slopes @ (longest * part),
                "jac": lambda part: longest * room.slopes,
            },
        ],
        options={"ftol": 1e-14, "maxiter": ITERATIONS},
    )
    turn = longest * np.asarray(result.x, dtype=np.float64)
    met = float(np.abs(near.values(turn) - wanted).max()) <= CLOSE
    kept = float((room.left + room.slopes @ turn).min(initial=0.0)) >= -CLOSE
    return turn, met and kept
