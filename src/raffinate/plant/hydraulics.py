"""Phase volumes of a bank in time: mixers that overflow, settlers with two weirs.

Volumes do not depend on composition, so they are a system of their own: flows → volumes → flows.

Mixer, always full, well mixed: V_a' = Q_a - (Q_a + Q_o) V_a / V. Settler of area A: the organic
overflows a fixed weir of height H_o, the aqueous one that can be set, H_a, on the far side of an
underflow, both in proportion to their head: q_o = A (H - H_o)⁺ / τ, q_a = A (P - H_a)⁺ / τ with H
the depth of both layers and P = h + (ρ_o/ρ_a)(H - h) what the layers push up on the other side, h
being the interface. At no flow the interface stands at h = (H_a - r H_o)/(1 - r), r = ρ_o/ρ_a.

Derived here from the balance of the liquid columns on both sides of the underflow; weirs that pass
in proportion to their head are a choice of this program, and every number is the user's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from raffinate.errors import BalanceError, ConvergenceError, SpecificationError
from raffinate.plant.arrays import mixer_ratios
from raffinate.plant.model import Circuit
from raffinate.sources import Source

Array = NDArray[np.float64]

VOLUME_TOLERANCE = 1e-6
"""Largest imbalance of a phase volume, relative to what was held and entered, [-]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settler:
    """A settler as its hydraulics see it; no number has a default.

    Attributes:
        area: Of the free surface, [m²].
        organic_weir: Height of the fixed weir, from the floor, [m].
        aqueous_weir: Height of the weir that can be set, [m].
        overflow_time: Time in which either weir passes the volume above it, [s].
        density_ratio: Organic to aqueous, ρ_o/ρ_a, [-].
        flooding_flow: Flow of both phases per area at which the dispersion no longer separates,
            [m³/m²/s].
        source: Who says so.
    """

    area: float
    organic_weir: float
    aqueous_weir: float
    overflow_time: float
    density_ratio: float
    flooding_flow: float
    source: Source

    def __post_init__(self) -> None:
        for name in ("area", "organic_weir", "aqueous_weir", "overflow_time", "flooding_flow"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0.0):
                raise SpecificationError(
                    f"{name} is {value:g}.", where="settler", allowed="above 0"
                )
        if not 0.0 < self.density_ratio < 1.0:
            raise SpecificationError(
                f"density_ratio is {self.density_ratio:g}.",
                where="settler",
                allowed="above 0 and below 1: the organic floats",
            )
        if not 0.0 < self.interface < self.organic_weir:
            raise SpecificationError(
                f"the interface would stand at {self.interface:.3g} m.",
                where="settler",
                allowed=f"between the floor and the organic weir, {self.organic_weir:g} m",
                mend=f"Set aqueous_weir between {self.density_ratio * self.organic_weir:.3g} and "
                f"{self.organic_weir:.3g} m; it is {self.aqueous_weir:g} m.",
            )

    @property
    def interface(self) -> float:
        """Height of the interface at no flow, [m]."""
        below = self.aqueous_weir - self.density_ratio * self.organic_weir
        return below / (1.0 - self.density_ratio)

    def overflows(self, aqueous: Array, organic: Array) -> tuple[Array, Array]:
        """Return aqueous and organic flow over the weirs, [m³/s], at these volumes, [m³]."""
        interface, depth = aqueous / self.area, (aqueous + organic) / self.area
        pushed = interface + self.density_ratio * (depth - interface)
        speed = self.area / self.overflow_time
        over_aqueous = speed * np.maximum(pushed - self.aqueous_weir, 0.0)
        over_organic = speed * np.maximum(depth - self.organic_weir, 0.0)
        # A layer that is not there cannot overflow, whatever pushes.
        return (
            np.where(aqueous > 0.0, over_aqueous, 0.0),
            np.where(organic > 0.0, over_organic, 0.0),
        )

    def settled(self, aqueous_flow: Array, organic_flow: Array) -> tuple[Array, Array]:
        """Return the volumes of aqueous and organic, [m³], at which these flows pass, [m³/s]."""
        head = self.overflow_time / self.area
        depth = self.organic_weir + head * organic_flow
        pushed = self.aqueous_weir + head * aqueous_flow
        interface = (pushed - self.density_ratio * depth) / (1.0 - self.density_ratio)
        return self.area * interface, self.area * (depth - interface)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VolumePath:
    """Volumes and flows of a bank in time.

    Attributes:
        time: (time,), [s].
        mixer_aqueous: (time, stage), [m³]; the rest of the mixer is organic.
        settler_aqueous: (time, stage), [m³].
        settler_organic: (time, stage), [m³].
        aqueous_leaving: Over the weir of every settler, (time, stage), [m³/s].
        organic_leaving: Over the weir of every settler, (time, stage), [m³/s].
        balance_error: Worst relative imbalance of either phase, [-].
    """

    time: Array
    mixer_aqueous: Array
    settler_aqueous: Array
    settler_organic: Array
    aqueous_leaving: Array
    organic_leaving: Array
    balance_error: float


class _Bank:
    """The pumps and pipes between the vessels of a circuit."""

    def __init__(self, circuit: Circuit, settler: Settler) -> None:
        self.settler, self.count = settler, circuit.stages
        self.organic_flow = circuit.organic_flow
        self.mixer = np.repeat([s.mixer for s in circuit.sections], self._stages(circuit))
        self.recycle = np.repeat([s.recycle for s in circuit.sections], self._stages(circuit))
        self.fed, self.drawn = np.zeros(self.count), np.zeros(self.count)
        begin = 0
        for section in circuit.sections:
            end = begin + section.stages
            if section.aqueous is not None:
                self.fed[end - 1] += section.aqueous.flow
            self.drawn[begin] += section.draw_flow
            begin = end

    @staticmethod
    def _stages(circuit: Circuit) -> list[int]:
        return [section.stages for section in circuit.sections]

    def rest(self) -> Array:
        """Return the volumes at which the flows pass, (3 stage,), [m³]."""
        passed = np.cumsum((self.fed - self.drawn)[::-1])[::-1] + self.drawn
        organic = np.full(self.count, self.organic_flow)
        aqueous = passed + self.recycle
        settled = self.settler.settled(aqueous, organic)
        return np.concatenate([self.mixer * aqueous / (aqueous + organic), *settled])

    def flows(self, volumes: Array) -> tuple[Array, Array, Array, Array, Array]:
        """Return what enters the mixers and what leaves the settlers, [m³/s]."""
        _, aqueous, organic = volumes.reshape(3, self.count)
        over_aqueous, over_organic = self.settler.overflows(aqueous, organic)
        # Recycle and draw are pumped from what overflows; a pump takes no more than there is.
        recycle = np.minimum(self.recycle, over_aqueous)
        drawn = np.minimum(self.drawn, over_aqueous - recycle)
        onward = over_aqueous - recycle - drawn
        entering = self.fed + recycle
        entering[:-1] += onward[1:]
        arriving = np.concatenate([[self.organic_flow], over_organic[:-1]])
        return entering, arriving, over_aqueous, over_organic, drawn

    def rates(self, _time: float, state: Array) -> Array:
        """Return d(volumes, amounts that left)/dt, (3 stage + 2,)."""
        volumes = state[:-2]
        mixed, _, _ = volumes.reshape(3, self.count)
        entering, arriving, over_aqueous, over_organic, drawn = self.flows(volumes)
        through = entering + arriving
        share = mixed / self.mixer
        left = over_aqueous[0] - min(self.recycle[0], over_aqueous[0]) - drawn[0]
        return np.concatenate(
            [
                entering - through * share,
                through * share - over_aqueous,
                through * (1.0 - share) - over_organic,
                [left + drawn.sum(), over_organic[-1]],
            ]
        )


def volumes_in_time(
    circuit: Circuit, settler: Settler, times: Array, *, before: Circuit | None = None
) -> VolumePath:
    """Return how volumes and flows of a bank move after its pumps were set.

    Args:
        circuit: The pumps as they are from time 0 on.
        settler: The settlers, all equal.
        times: When to look, rising from 0, (time,), [s].
        before: The pumps until time 0, at whose rest it begins; the same if left out.

    Raises:
        ConvergenceError: The volumes could not be integrated.
        BalanceError: What enters is not what leaves or stays.
    """
    bank = _Bank(circuit, settler)
    start = np.append(_Bank(before or circuit, settler).rest(), [0.0, 0.0])
    found = solve_ivp(
        bank.rates,
        (0.0, float(times[-1])),
        start,
        "LSODA",
        t_eval=times,
        rtol=1e-8,
        atol=1e-10,
        max_step=10.0 * settler.overflow_time,
    )
    if not found.success:
        raise ConvergenceError(
            f"the volumes could not be integrated: {found.message}",
            where="hydraulics",
            mend="Check the weirs and the flows of the pumps.",
        )
    rows = found.y.T
    volumes = rows[:, :-2].reshape(len(times), 3, bank.count)
    leaving = [bank.flows(row[:-2])[2:4] for row in rows]
    return VolumePath(
        time=times,
        mixer_aqueous=volumes[:, 0],
        settler_aqueous=volumes[:, 1],
        settler_organic=volumes[:, 2],
        aqueous_leaving=np.array([each[0] for each in leaving]),
        organic_leaving=np.array([each[1] for each in leaving]),
        balance_error=_checked(bank, rows, float(times[-1])),
    )


def _checked(bank: _Bank, rows: Array, duration: float) -> float:
    """Return the worst relative imbalance of either phase; raise if it is too large."""
    first, last = (row[:-2].reshape(3, bank.count) for row in (rows[0], rows[-1]))
    held = [
        (v[0].sum() + v[1].sum(), (bank.mixer - v[0]).sum() + v[2].sum()) for v in (first, last)
    ]
    entered = (bank.fed.sum() * duration, bank.organic_flow * duration)
    worst = 0.0
    for phase, name in enumerate(("aqueous", "organic")):
        left = rows[-1, -2 + phase]
        gained = held[1][phase] - held[0][phase]
        error = abs(entered[phase] - left - gained) / (entered[phase] + held[0][phase])
        if not error <= VOLUME_TOLERANCE:
            raise BalanceError(
                f"{name}: {entered[phase]:.6g} m³ entered, {left:.6g} left, {gained:.6g} stayed.",
                where="hydraulics",
                allowed=f"a relative error of {VOLUME_TOLERANCE:.0e}",
                mend="This is a defect of the program; please report it.",
            )
        worst = max(worst, error)
    return worst


def check_flooding(circuit: Circuit, settler: Settler) -> None:
    """Raise if a settler is given more than it separates.

    Raises:
        SpecificationError: Names the stage, its specific flow, the limit and the mend.
    """
    ratio = mixer_ratios(circuit)
    specific = circuit.organic_flow * (1.0 + 1.0 / ratio) / settler.area
    worst = int(np.argmax(specific))
    if specific[worst] > settler.flooding_flow:
        needed = specific[worst] * settler.area / settler.flooding_flow
        raise SpecificationError(
            f"{specific[worst] * 3600.0:.3g} m³/m²/h enter the settler.",
            where=f"stage {worst + 1}, {circuit.section_names[worst]}",
            allowed=f"at most {settler.flooding_flow * 3600.0:.3g} m³/m²/h",
            mend=f"Give it {needed:.3g} m² instead of {settler.area:.3g} m², or flow less.",
        )


def check_continuity(circuit: Circuit, path: VolumePath, low: float, high: float) -> None:
    """Raise if a mixer leaves the range of organic to aqueous in which its dispersion holds.

    Args:
        circuit: The bank.
        path: Its volumes in time.
        low: Lowest organic to aqueous, [-].
        high: Highest organic to aqueous, [-].

    Raises:
        SpecificationError: Names the first stage and time at which the phases invert.
    """
    mixer = np.repeat([s.mixer for s in circuit.sections], [s.stages for s in circuit.sections])
    ratio = (mixer - path.mixer_aqueous) / path.mixer_aqueous
    outside = (ratio < low) | (ratio > high)
    if outside.any():
        when, stage = np.argwhere(outside)[0]
        raise SpecificationError(
            f"organic to aqueous in the mixer reaches {ratio[when, stage]:.3g} after "
            f"{path.time[when] / 3600.0:.3g} h.",
            where=f"stage {stage + 1}, {circuit.section_names[stage]}",
            allowed=f"{low:.3g} to {high:.3g}, the range in which it disperses",
            mend="Change the internal recycle, or move the flows in smaller steps.",
        )
