"""A tank between circuits in time: mixed, kept at its level by its overflow.

    dn/dt = a(t) - q n/V,   a(t) = a₀ + a₁ t

With z = q t/V and φ₁ = (1 - e⁻ᶻ)/z, φ₂ = (1 - φ₁)/z,

    n(t) = n₀ e⁻ᶻ + t φ₁ a₀ + t² φ₂ a₁

What leaves is what entered less what stays, so that no rounding is lost. Where the streams that
feed a tank are foreseen only, what leaves is made of the foreseen ones, the content of the true
ones, and a level that strays comes back within the time in which the tank would fill.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from raffinate.plant.network_path import StreamPath
from raffinate.plant.network_stream import Stream

Array = NDArray[np.float64]

RESIDENCE = 3600.0
"""Time a tank holds of its usual stream where the plant file does not say, [s]; assumed."""


class TankMoment(NamedTuple):
    """What a tank holds.

    Attributes:
        volume: [m³].
        amount: Along the stream axis, (component,), [mol].
        level: Volume at which it is kept, [m³].
    """

    volume: Array
    amount: Array
    level: Array


def filled_tank(stream: Stream, residence: float) -> TankMoment:
    """Return a tank full of a stream, of the size that holds it for `residence`, [s]."""
    volume = np.float64(stream.flow * residence)
    return TankMoment(np.asarray(volume), stream.amount * residence, np.asarray(volume))


def overflow(tank: TankMoment, inflow: StreamPath, duration: float) -> StreamPath:
    """Return what leaves a tank while `inflow` enters it for `duration`, [s]."""
    level, volume = float(tank.level), float(tank.volume)
    if level == 0.0:
        return inflow
    # The level comes back as fast as the tank would fill: V' = q (1 - V/L).
    gained = (level - volume) * -float(np.expm1(-inflow.mean.flow * duration / level))
    flow = inflow.mean.flow - gained / duration
    slope = (inflow.end.amount - inflow.begin.amount) / duration
    first = inflow.mean.amount - 0.5 * duration * slope
    z = flow * duration / volume
    one, two = _phi(z)
    last = tank.amount * np.exp(-z) + duration * one * first + duration**2 * two * slope
    out = (tank.amount - last) / duration + inflow.mean.amount
    return StreamPath(
        mean=Stream(flow=flow, amount=out),
        begin=Stream(flow=flow, amount=flow * tank.amount / volume),
        end=Stream(flow=flow, amount=flow * last / volume),
    )


def tank_after(tank: TankMoment, entered: Stream, left: Stream, duration: float) -> TankMoment:
    """Return a tank after `duration`, [s], of what truly entered and left it on the mean."""
    return TankMoment(
        volume=np.asarray(float(tank.volume) + (entered.flow - left.flow) * duration),
        amount=tank.amount + (entered.amount - left.amount) * duration,
        level=tank.level,
    )


def _phi(z: float) -> tuple[float, float]:
    """Return φ₁ and φ₂ of -z; by their series where the differences would cancel."""
    if abs(z) < 1e-2:
        one = 1.0 - z / 2.0 + z**2 / 6.0 - z**3 / 24.0 + z**4 / 120.0
        two = 0.5 - z / 6.0 + z**2 / 24.0 - z**3 / 120.0 + z**4 / 720.0
        return one, two
    one = -float(np.expm1(-z)) / z
    return one, (1.0 - one) / z
