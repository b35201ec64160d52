"""The contacts an isotherm is made of: which liquor meets which organic at each of its points."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.contact import equilibrate
from raffinate.chemistry.contact_phases import ions_of
from raffinate.chemistry.contact_state import Contact
from raffinate.chemistry.nonideality import ActivityKind
from raffinate.chemistry.system import ExtractionSystem
from raffinate.chemistry.system_tableau import extractant_units
from raffinate.errors import RaffinateError, SpecificationError

Array: TypeAlias = NDArray[np.float64]

Amounts: TypeAlias = Mapping[str, float]

SCOUTS = 33
"""Contacts by which the reach of a pH or a loading is explored."""

WIDEST_OA = (0.01, 100.0)
"""O/A tried in search of a loading, [-]."""

MOST_ACID = 3000.0
"""Acid tried in search of a pH, [mol/m³]."""

_WHERE = "isotherm"
_SAPONIFIES = ("saponification_degree", "ammonium", "sodium")


@dataclass(slots=True, kw_only=True)
class Shaker:
    """Shakes, and tells how often it did.

    Attributes:
        system: The constants.
        activity: Activity model; None for that of the system.
        cation: What the organic is saponified with; None for the first cation of the system.
        advance: Called after each contact.
    """

    system: ExtractionSystem
    activity: ActivityKind | None
    cation: str | None
    advance: Callable[[], None]
    _known: dict[tuple[object, ...], Contact] = field(default_factory=dict)

    def __call__(self, aqueous: Amounts, organic: Amounts, oa_ratio: float) -> Contact:
        """Return the contact at equilibrium, see `equilibrate`."""
        key = (*sorted(aqueous.items()), *sorted(organic.items()), oa_ratio)
        if key not in self._known:
            self._known[key] = equilibrate(
                self.system,
                aqueous,
                organic,
                oa_ratio=oa_ratio,
                activity=self.activity,
                cation=self.cation,
            )
            self.advance()
        return self._known[key]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What to shake at a value of what is varied.

    Attributes:
        contact: Liquor, organic and O/A at a value of the lever.
        default: A range of the lever, from a number of points.
    """

    contact: Callable[[float], tuple[Amounts, Amounts, float]]
    default: Callable[[int], Array]


MEASURES: Mapping[str, Callable[[Contact], float]] = {
    "pH": lambda found: found.pH,
    "loading": lambda found: found.loading,
}
"""What is not a lever but the outcome of one, and is therefore sought."""


def metals_of(system: ExtractionSystem, aqueous: Amounts) -> tuple[str, ...]:
    """Return the metals of a liquor in the order of the system."""
    return tuple(symbol for symbol in system.elements if aqueous.get(symbol, 0.0) > 0.0)


def lay_out_sweep(
    system: ExtractionSystem, aqueous: Amounts, organic: Amounts, oa_ratio: float, vary: str
) -> Sweep:
    """Return what to shake while `vary` is varied.

    Raises:
        SpecificationError: The liquor or the organic lacks what is varied.
    """
    made = {
        "oa": lambda: _vary_oa(aqueous, organic),
        "metal": lambda: _vary_metal(system, aqueous, organic, oa_ratio),
        "acid": lambda: _vary_acid(system, aqueous, organic, oa_ratio),
        "saponification": lambda: _vary_saponification(system, aqueous, organic, oa_ratio),
        "extractant": lambda: _vary_extractant(aqueous, organic, oa_ratio),
        "pH": lambda: _seek_pH(system, aqueous, organic, oa_ratio),
        "loading": lambda: _seek_loading(aqueous, organic),
    }
    return made[vary]()


def _vary_oa(aqueous: Amounts, organic: Amounts) -> Sweep:
    return Sweep(
        contact=lambda value: (aqueous, organic, value),
        default=lambda points: np.geomspace(0.05, 20.0, points),
    )


def _without_anion(system: ExtractionSystem, aqueous: Amounts, what: str) -> dict[str, float]:
    """Return a liquor whose anion follows from its acid, which must then be given."""
    if "proton" not in aqueous:
        raise SpecificationError(
            f"the liquor has no proton, so that its acid would change with its {what}.",
            where=f"{_WHERE}: aqueous",
            mend="Give proton, [mol/m³], and leave out the anion.",
        )
    return {name: value for name, value in aqueous.items() if name != system.medium}


def _vary_metal(
    system: ExtractionSystem, aqueous: Amounts, organic: Amounts, oa_ratio: float
) -> Sweep:
    metals = metals_of(system, aqueous)
    total = sum(aqueous[symbol] for symbol in metals)
    if not metals:
        raise SpecificationError(
            "the liquor has no metal.",
            where=f"{_WHERE}: aqueous",
            allowed=", ".join(system.elements),
            mend="Give the proportions of the metals, such as Nd=0.3,Pr=0.1.",
        )
    rest = _without_anion(system, aqueous, "metal")

    def contact(value: float) -> tuple[Amounts, Amounts, float]:
        scaled = {symbol: aqueous[symbol] * value / total for symbol in metals}
        return {**rest, **scaled}, organic, oa_ratio

    return Sweep(contact=contact, default=lambda points: np.geomspace(0.01 * total, total, points))


def _vary_acid(
    system: ExtractionSystem, aqueous: Amounts, organic: Amounts, oa_ratio: float
) -> Sweep:
    rest = _without_anion(system, {"proton": 0.0, **aqueous}, "acid")
    return Sweep(
        contact=lambda value: ({**rest, "proton": value}, organic, oa_ratio),
        default=lambda points: np.geomspace(1.0, MOST_ACID, points),
    )


def most_saponified(system: ExtractionSystem) -> float:
    """Return the largest saponification degree, [-]; 0 where no cation is known to be taken up."""
    if not ions_of(system).exchanged:
        return 0.0
    whole = 1.0 / extractant_units(system)
    return whole if system.saponification_limit is None else min(whole, system.saponification_limit)


def _vary_saponification(
    system: ExtractionSystem, aqueous: Amounts, organic: Amounts, oa_ratio: float
) -> Sweep:
    most = most_saponified(system)
    if not most > 0.0:
        raise SpecificationError(
            f"{system.name} has no constant of a saponifying cation.", where=_WHERE
        )
    rest = _unsaponified(organic)
    return Sweep(
        contact=lambda value: (aqueous, {**rest, "saponification_degree": value}, oa_ratio),
        default=lambda points: np.linspace(0.0, 0.9 * most, points),
    )


def _unsaponified(organic: Amounts) -> dict[str, float]:
    return {name: value for name, value in organic.items() if name not in _SAPONIFIES}


def _vary_extractant(aqueous: Amounts, organic: Amounts, oa_ratio: float) -> Sweep:
    given = float(organic.get("extractant", 0.0))
    if not given > 0.0:
        raise SpecificationError(
            "no extractant.", where=f"{_WHERE}: organic", mend="Give extractant, [mol/m³]."
        )
    return Sweep(
        contact=lambda value: (aqueous, {**organic, "extractant": value}, oa_ratio),
        default=lambda points: np.geomspace(0.1 * given, given, points),
    )


def _seek_pH(
    system: ExtractionSystem, aqueous: Amounts, organic: Amounts, oa_ratio: float
) -> Sweep:
    """Seek a pH by base in the organic below a lever of 0, by acid in the liquor above it."""
    rest = _without_anion(system, {"proton": 0.0, **aqueous}, "pH")
    plain, most = _unsaponified(organic), most_saponified(system)
    own = rest["proton"]

    def contact(lever: float) -> tuple[Amounts, Amounts, float]:
        degree, acid = most * max(-lever, 0.0), MOST_ACID * max(lever, 0.0) ** 2
        base = {"saponification_degree": degree} if most > 0.0 else {}
        return {**rest, "proton": own + acid}, {**plain, **base}, oa_ratio

    lowest = -0.999 if most > 0.0 else 0.0
    return Sweep(
        contact=contact,
        default=lambda points: np.linspace(lowest, 1.0, points),
    )


def _seek_loading(aqueous: Amounts, organic: Amounts) -> Sweep:
    return Sweep(
        contact=lambda lever: (aqueous, organic, float(np.exp(lever))),
        default=lambda points: np.log(np.geomspace(*WIDEST_OA, points)),
    )


def reach_targets(
    shaker: Shaker, sweep: Sweep, name: str, targets: Sequence[float] | Array | None, points: int
) -> tuple[Array, list[Contact], tuple[str, ...]]:
    """Find the contacts in which what is measured has the wanted values.

    Args:
        shaker: What shakes.
        sweep: Its lever is used to reach them.
        name: What is measured, one of `MEASURES`.
        targets: Wanted values; None for evenly spaced ones over the reach.
        points: How many, about, where `targets` is None.

    Returns:
        Targets reached, their contacts, and a sentence on those out of reach.

    Raises:
        SpecificationError: None is within reach.
    """
    levers, measured = _scouted(shaker, sweep, name)
    low, high = float(measured.min()), float(measured.max())
    if targets is None:
        wanted = evenly_spaced(low, high, points)
    else:
        wanted = np.sort(np.asarray(targets, np.float64))
    inside = (wanted >= low) & (wanted <= high)
    reach = f"{low:.3g} to {high:.3g}"
    if not inside.any():
        raise SpecificationError(
            f"a {name} of {wanted[0]:.3g} to {wanted[-1]:.3g} cannot be reached.",
            where=_WHERE,
            allowed=reach,
            mend="Choose values within it, or change extractant, metal or O/A.",
        )
    contacts = [
        _sought(shaker, sweep, name, levers, measured, float(target)) for target in wanted[inside]
    ]
    left_out = int((~inside).sum())
    note = f"{left_out} of {len(wanted)} values of {name} are out of reach ({reach})."
    return wanted[inside], contacts, (note,) if left_out else ()


def evenly_spaced(low: float, high: float, points: int) -> Array:
    """Return about `points` values in round steps within the range: pH 1.0, not 0.9871."""
    rough = max((high - low) / points, 1e-12)
    decade = 10.0 ** np.floor(np.log10(rough))
    step = decade * next(nice for nice in (1.0, 2.0, 2.5, 5.0, 10.0) if nice * decade >= rough)
    first, last = int(np.ceil(low / step)), int(np.floor(high / step))
    found = step * np.arange(first, last + 1)
    return found if found.size else np.array([low, high])


def _scouted(shaker: Shaker, sweep: Sweep, name: str) -> tuple[Array, Array]:
    """Return levers and what is measured there, where there is an equilibrium."""
    levers, measured = [], []
    refusal: RaffinateError | None = None
    for lever in sweep.default(SCOUTS):
        try:
            value = MEASURES[name](shaker(*sweep.contact(float(lever))))
        except RaffinateError as error:
            refusal = error
        else:
            levers.append(float(lever))
            measured.append(value)
    if refusal is not None and len(levers) < 2:
        raise refusal
    return np.array(levers), np.array(measured)


def _sought(
    shaker: Shaker, sweep: Sweep, name: str, levers: Array, measured: Array, target: float
) -> Contact:
    from scipy.optimize import brentq

    exact = np.flatnonzero(measured == target)
    if exact.size:
        return shaker(*sweep.contact(float(levers[exact[0]])))
    # The bracket with the most acid, or the most organic, if a curve were to turn back.
    place = int(np.flatnonzero(np.diff(np.sign(measured - target)))[-1])

    def miss(lever: float) -> float:
        return MEASURES[name](shaker(*sweep.contact(lever))) - target

    lever = brentq(miss, levers[place], levers[place + 1], xtol=1e-12, rtol=1e-10)
    return shaker(*sweep.contact(float(lever)))
