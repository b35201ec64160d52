"""McCabe–Thiele construction: the stages of a countercurrent extraction section, step by step.

Between stage n and n+1 the balance around the raffinate end gives the operating line

    y_n = y_0 + (x_{n+1} - x_1) / R,        R = organic flow / aqueous flow,

with y_0 what the barren organic brings and x_1 the raffinate. A stage lifts the organic from the
operating line towards the equilibrium curve E,

    y_n = y_{n-1} + η (E(x_n) - y_{n-1}),   η the organic-phase Murphree efficiency,

so that from the raffinate every next x follows without iteration until the feed is passed. The part
of the last stage that is needed is counted as Kremser's formula counts it: with g the extraction
factor R ΔE/Δx over that step and θ the share of it that is used, ln(1 + θ(g-1))/ln g, which makes
the count exact for a straight curve and continuous for a curved one.

Sources: W. L. McCabe, E. W. Thiele, Ind. Eng. Chem. 17 (1925) 605; A. Kremser, Natl. Pet. News 22
(1930) 42; E. V. Murphree, Ind. Eng. Chem. 17 (1925) 747.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raffinate.errors import SpecificationError

if TYPE_CHECKING:
    import pandas as pd

Array: TypeAlias = NDArray[np.float64]

Curve: TypeAlias = Callable[[float], float]
"""Organic concentration in equilibrium with an aqueous one, both [mol/m³]; it rises."""

MOST_STAGES = 500
"""Steps after which the lines are taken to meet."""

CLOSEST = 1e-12
"""Smallest step, relative to the feed, that is not yet taken for a pinch, [-]."""

SAMPLES = 2001
"""Points at which a curve is searched for the pinch."""

_WHERE = "McCabe–Thiele"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Construction:
    """The steps of one section.

    Attributes:
        stages: How many are needed, the fraction of the last one included, [-].
        aqueous: x of the stages and then of the feed, (step + 1,), [mol/m³]; the first is the
            raffinate, the last may lie beyond the feed by the unused part of the last stage.
        organic: y leaving the barren end and each stage, (step + 1,), [mol/m³].
        feed: x entering, [mol/m³].
        oa_ratio: Organic flow over aqueous flow, [-].
        loaded: y that leaves where the feed enters, by the balance, [mol/m³].
        efficiency: Organic-phase Murphree efficiency, [-].
        smallest_oa_ratio: O/A at which infinitely many stages would be needed, [-].
    """

    stages: float
    aqueous: Array
    organic: Array
    feed: float
    oa_ratio: float
    loaded: float
    efficiency: float
    smallest_oa_ratio: float

    @property
    def raffinate(self) -> float:
        """X leaving, [mol/m³]."""
        return float(self.aqueous[0])

    @property
    def recovery(self) -> float:
        """Share of the metal of the feed that is extracted, [-]."""
        return 1.0 - self.raffinate / self.feed

    def operating_line(self, aqueous: ArrayLike) -> Array:
        """Return y passing x between two stages, (...), [mol/m³]."""
        x = np.asarray(aqueous, np.float64)
        return np.asarray(self.organic[0] + (x - self.raffinate) / self.oa_ratio)

    def to_dict(self) -> dict[str, Any]:
        """Return what the command line prints as JSON, concentrations in [mol/m³]."""
        return {
            "stages": self.stages,
            "feed": self.feed,
            "raffinate": self.raffinate,
            "loaded": self.loaded,
            "recovery": self.recovery,
            "oa_ratio": self.oa_ratio,
            "smallest_oa_ratio": self.smallest_oa_ratio,
            "efficiency": self.efficiency,
            "aqueous": self.aqueous.tolist(),
            "organic": self.organic.tolist(),
        }

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per stage, counted from the raffinate; [mol/m³]."""
        import pandas as pd

        return pd.DataFrame(
            {
                "stage": np.arange(1, len(self.aqueous)),
                "aqueous_in_mol_per_m3": self.aqueous[1:],
                "aqueous_out_mol_per_m3": self.aqueous[:-1],
                "organic_in_mol_per_m3": self.organic[:-1],
                "organic_out_mol_per_m3": self.organic[1:],
            }
        )


def curve_through(aqueous: ArrayLike, organic: ArrayLike) -> Curve:
    """Return a curve through the points of an isotherm, monotone and exact where it is straight.

    Between points, of which the origin is one, it is a monotone cubic (Fritsch and Carlson 1980);
    beyond the last it is level, because nothing is known there.

    Args:
        aqueous: (point,), [mol/m³], in any order.
        organic: (point,), [mol/m³].

    Raises:
        SpecificationError: Fewer than two points, or organic that falls while aqueous rises.
    """
    from scipy.interpolate import PchipInterpolator

    x, y = np.asarray(aqueous, np.float64), np.asarray(organic, np.float64)
    order = np.argsort(x)
    x, kept = np.unique(x[order], return_index=True)
    y = y[order][kept]
    if x.size < 2 or not np.isfinite([x, y]).all():
        raise SpecificationError(
            f"the isotherm has {x.size} different points.", where=_WHERE, allowed="2 or more"
        )
    fall = np.diff(y)
    if float(fall.min()) < -1e-9 * float(np.abs(y).max()):
        place = int(np.argmin(fall))
        raise SpecificationError(
            f"the organic falls from {y[place]:.4g} to {y[place + 1]:.4g} mol/m³ while the aqueous "
            f"rises from {x[place]:.4g} to {x[place + 1]:.4g} mol/m³.",
            where=_WHERE,
            allowed="an isotherm that rises",
            mend="Step the total or the better extracted element: another one crowds it out.",
        )
    if x[0] > 0.0:
        x, y = np.append(0.0, x), np.append(0.0, y)
    inner, last = PchipInterpolator(x, np.maximum.accumulate(y)), float(x[-1])
    return lambda value: float(inner(min(max(value, 0.0), last)))


def step_stages(
    curve: Curve,
    *,
    feed: float,
    raffinate: float,
    oa_ratio: float,
    barren: float = 0.0,
    efficiency: float = 1.0,
) -> Construction:
    """Step off the stages that bring an aqueous from `feed` down to `raffinate`.

    Args:
        curve: Equilibrium, organic of aqueous, [mol/m³].
        feed: Aqueous entering, [mol/m³].
        raffinate: Aqueous leaving, [mol/m³].
        oa_ratio: Organic flow over aqueous flow, [-].
        barren: What the organic brings, [mol/m³].
        efficiency: Organic-phase Murphree efficiency of each stage, above 0 to 1, [-].

    Raises:
        SpecificationError: The wish cannot be met by any number of stages (a pinch): the message
            names the smallest O/A, the lowest raffinate and the barren organic that would do.
    """
    _check_wish(feed, raffinate, oa_ratio, barren, efficiency)
    smallest = _smallest_oa_ratio(curve, feed, raffinate, barren)
    if not smallest < oa_ratio:
        raise _pinch(curve, feed, raffinate, oa_ratio, barren, smallest)
    x, y = [raffinate], [barren]
    while x[-1] < feed:
        y.append(y[-1] + efficiency * (curve(x[-1]) - y[-1]))
        x.append(raffinate + (y[-1] - barren) * oa_ratio)
        if x[-1] - x[-2] <= CLOSEST * feed or len(x) > MOST_STAGES:
            raise _pinch(curve, feed, raffinate, oa_ratio, barren, smallest)
    return Construction(
        stages=len(x) - 2 + _fraction(curve, x[-2], x[-1], feed, oa_ratio, efficiency),
        aqueous=np.array(x),
        organic=np.array(y),
        feed=float(feed),
        oa_ratio=float(oa_ratio),
        loaded=barren + (feed - raffinate) / oa_ratio,
        efficiency=float(efficiency),
        smallest_oa_ratio=smallest,
    )


def _fraction(
    curve: Curve, before: float, after: float, feed: float, oa_ratio: float, efficiency: float
) -> float:
    """Return the part of the last step that is needed, above 0 to 1, [-]."""
    share = (feed - before) / (after - before)
    slope = (curve(feed) - curve(before)) / (feed - before)
    factor = 1.0 + efficiency * (oa_ratio * slope - 1.0)
    if abs(factor - 1.0) < 1e-8 or factor <= 0.0:
        return share
    return math.log1p(share * (factor - 1.0)) / math.log(factor)


def _check_wish(
    feed: float, raffinate: float, oa_ratio: float, barren: float, efficiency: float
) -> None:
    if not (np.isfinite(feed) and 0.0 < raffinate < feed):
        raise SpecificationError(
            f"the raffinate is to hold {raffinate:.4g} mol/m³, the feed holds {feed:.4g} mol/m³.",
            where=_WHERE,
            allowed="a raffinate above 0 and below the feed",
            mend="No number of stages brings a raffinate to zero.",
        )
    if not (np.isfinite(oa_ratio) and oa_ratio > 0.0):
        raise SpecificationError(
            f"oa_ratio is {oa_ratio:g}.", where=_WHERE, allowed="finite and above 0"
        )
    if not (np.isfinite(barren) and barren >= 0.0):
        raise SpecificationError(
            f"the barren organic brings {barren:g} mol/m³.", where=_WHERE, allowed="0 or more"
        )
    if not 0.0 < efficiency <= 1.0:
        raise SpecificationError(
            f"efficiency is {efficiency:g}.", where=_WHERE, allowed="above 0, to 1"
        )


def _smallest_oa_ratio(curve: Curve, feed: float, raffinate: float, barren: float) -> float:
    """Return the O/A at which the operating line touches the curve; infinity if none helps."""
    x = np.append(raffinate, raffinate + (feed - raffinate) * np.linspace(0.0, 1.0, SAMPLES)[1:])
    lift = np.array([curve(float(value)) for value in x]) - barren
    if not (lift > 0.0).all():
        return math.inf
    return float(((x - raffinate) / lift).max())


def _pinch(
    curve: Curve, feed: float, raffinate: float, oa_ratio: float, barren: float, smallest: float
) -> SpecificationError:
    reached = curve(raffinate)
    if not math.isfinite(smallest):
        return SpecificationError(
            f"the barren organic brings {barren:.4g} mol/m³, but a raffinate of {raffinate:.4g} "
            f"mol/m³ is in equilibrium with {reached:.4g} mol/m³: it would take metal up.",
            where=_WHERE,
            allowed=f"a barren organic below {reached:.4g} mol/m³",
            mend=f"Strip the organic further, or allow a raffinate above "
            f"{_lowest_raffinate(curve, feed, oa_ratio, barren):.4g} mol/m³.",
        )
    lowest = _lowest_raffinate(curve, feed, oa_ratio, barren)
    return SpecificationError(
        f"at O/A {oa_ratio:.4g} the operating line meets the equilibrium curve before the feed of "
        f"{feed:.4g} mol/m³: a pinch, which takes more than {MOST_STAGES} stages.",
        where=_WHERE,
        allowed=f"O/A above {smallest:.4g} for a raffinate of {raffinate:.4g} mol/m³",
        mend=f"Raise O/A above {smallest:.4g}, or allow a raffinate above {lowest:.4g} mol/m³.",
    )


def _lowest_raffinate(curve: Curve, feed: float, oa_ratio: float, barren: float) -> float:
    """Return the raffinate that infinitely many stages would give at this O/A, [mol/m³]."""
    from scipy.optimize import brentq

    if curve(feed) <= barren:
        return feed
    still = float(brentq(lambda x: curve(x) - barren, 0.0, feed)) if barren > curve(0.0) else 0.0
    x = still + (feed - still) * np.linspace(0.0, 1.0, SAMPLES) ** 3
    lift = np.array([curve(float(value)) for value in x]) - barren
    return float(max(still, (x - oa_ratio * lift).max()))
