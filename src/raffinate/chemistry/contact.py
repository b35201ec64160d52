"""One contact of a liquor with an organic, shaken to equilibrium: `equilibrate`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.exchange import AcidicExchange, ExchangeParameters
from raffinate.chemistry.system import ExtractionSystem
from raffinate.errors import BalanceError, SpecificationError, nearest_name
from raffinate.numerics.jax_setup import Array as Traced
from raffinate.numerics.jax_setup import jax
from raffinate.sources import Source
from raffinate.units import PER_LITRE

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

TOLERANCE = 1e-9
"""Largest relative imbalance of mass or charge accepted, [-]."""

LARGEST_PH = 4.0
"""pH of the least acid liquor of the shipped shake-outs; beyond it constants are extrapolated."""

LARGEST_PROTON = 2.0 * PER_LITRE
"""Acid of the most acid liquor of the shipped shake-outs, [mol/m³]."""

LARGEST_LOADING = 0.74
"""Largest share of the extractant bound to rare earths in the shipped shake-outs, [-]."""

FEWEST = 1e-12
"""Least share of acid among the cations or of free dimer among the extractant, [-]; with less of
both, their ratio is rounding error."""

_WHERE = "equilibrate"
_IONS = ("proton", "chloride", "ammonium")
_REAGENTS = ("extractant", "saponification_degree", "ammonium")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Contact:
    """Both phases of a contact at equilibrium.

    `aqueous` and `organic` can be given to `equilibrate` again as they are.

    Attributes:
        elements: The rare earths that were given, in the order of the system.
        aqueous: Rare earths by symbol, then proton, ammonium and chloride, [mol/m³].
        organic: Rare earths by symbol, then ammonium and extractant as total HA, [mol/m³].
        free_extractant: Dimer (HA)₂ bound to nothing, [mol/m³].
        oa_ratio: Volume of organic over volume of aqueous, [-].
        balance_error: Worst relative imbalance of mass or charge, [-].
        warnings: Sentences on where the result should be doubted.
        sources: Who says so.
    """

    elements: tuple[str, ...]
    aqueous: Mapping[str, float]
    organic: Mapping[str, float]
    free_extractant: float
    oa_ratio: float
    balance_error: float
    warnings: tuple[str, ...]
    sources: tuple[Source, ...]

    @property
    def pH(self) -> float:
        """-log₁₀ of the free proton in mol/L, ideal."""
        return float(-np.log10(self.aqueous["proton"] / PER_LITRE))

    @property
    def loading(self) -> float:
        """Share of the extractant bound to rare earths, [-]."""
        bound = 6.0 * sum(self.organic[symbol] for symbol in self.elements)
        return bound / self.organic["extractant"]

    @property
    def distribution_ratio(self) -> dict[str, float]:
        """D = y/x by symbol, [-]; NaN for an element of which there is none."""
        return {
            symbol: self.organic[symbol] / self.aqueous[symbol]
            if self.aqueous[symbol] > 0.0
            else np.nan
            for symbol in self.elements
        }

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per element: both concentrations in [mol/m³], D, share extracted."""
        import pandas as pd

        aqueous = np.array([self.aqueous[symbol] for symbol in self.elements])
        organic = np.array([self.organic[symbol] for symbol in self.elements])
        held = aqueous + self.oa_ratio * organic
        return pd.DataFrame(
            {
                "element": self.elements,
                "aqueous_mol_per_m3": aqueous,
                "organic_mol_per_m3": organic,
                "distribution_ratio": list(self.distribution_ratio.values()),
                "extracted_fraction": self.oa_ratio * organic / np.where(held > 0.0, held, np.nan),
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what `raffinate equilibrate --json` prints, concentrations in [mol/m³]."""
        return {
            "aqueous": dict(self.aqueous),
            "organic": dict(self.organic),
            "pH": self.pH,
            "free_extractant": self.free_extractant,
            "loading": self.loading,
            "oa_ratio": self.oa_ratio,
            "balance_error": self.balance_error,
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Shaken:
    """Concentrations at equilibrium, [mol/m³]; rare earths (element,) as in the system."""

    aqueous: Array
    organic: Array
    aqueous_ammonium: float
    organic_ammonium: float
    proton: float
    free: float


def equilibrate(
    system: ExtractionSystem,
    aqueous: Mapping[str, float],
    organic: Mapping[str, float],
    oa_ratio: float = 1.0,
) -> Contact:
    """Shake a liquor with an organic until both phases are at equilibrium.

    Args:
        system: The constants.
        aqueous: Rare earths by symbol, `proton`, `chloride` and, if any, `ammonium`, [mol/m³].
            One of proton and chloride may be left out: the charge balance fixes it.
        organic: `extractant`, total HA, [mol/m³]; rare earths by symbol, [mol/m³]; and what it
            carries of ammonium, either as `saponification_degree`, [-], or as `ammonium`,
            [mol/m³].
        oa_ratio: Volume of organic over volume of aqueous, [-].

    Raises:
        SpecificationError: A phase that cannot exist.
        BalanceError: What went in is not what came out, which is a defect.
    """
    if not (np.isfinite(oa_ratio) and oa_ratio > 0.0):
        raise SpecificationError(
            f"oa_ratio is {oa_ratio:g}.", where=_WHERE, allowed="finite and above 0"
        )
    liquor = _liquor(system, aqueous)
    solvent = _solvent(system, organic)
    fraction = oa_ratio / (1.0 + oa_ratio)
    totals = (1.0 - fraction) * liquor + fraction * solvent
    shaken = _shake(system, totals, fraction)
    given = tuple(e for e in system.elements if e in aqueous or e in organic)
    places = [system.index(symbol) for symbol in given]
    return Contact(
        elements=given,
        aqueous={
            **dict(zip(given, shaken.aqueous[places].tolist(), strict=True)),
            "proton": shaken.proton,
            "ammonium": shaken.aqueous_ammonium,
            "chloride": float(liquor[-2]),
        },
        organic={
            **dict(zip(given, shaken.organic[places].tolist(), strict=True)),
            "ammonium": shaken.organic_ammonium,
            "extractant": float(organic["extractant"]),
        },
        free_extractant=shaken.free,
        oa_ratio=float(oa_ratio),
        balance_error=_check(system, shaken, totals, fraction),
        warnings=tuple(_warnings(shaken, float(organic["extractant"]))),
        sources=system.sources,
    )


def _liquor(system: ExtractionSystem, aqueous: Mapping[str, float]) -> Array:
    """Return the liquor as components, (component,), [mol/m³]."""
    _check_amounts(aqueous, (*system.elements, *_IONS), "aqueous")
    rare_earths = np.array([float(aqueous.get(symbol, 0.0)) for symbol in system.elements])
    ammonium = float(aqueous.get("ammonium", 0.0))
    others = 3.0 * float(rare_earths.sum()) + ammonium
    if "chloride" not in aqueous and "proton" not in aqueous:
        raise SpecificationError(
            "neither proton nor chloride is given.",
            where=f"{_WHERE}: aqueous",
            mend="Give one of them, [mol/m³]; the charge balance fixes the other.",
        )
    proton = float(aqueous.get("proton", float(aqueous.get("chloride", 0.0)) - others))
    chloride = float(aqueous.get("chloride", others + proton))
    excess = others + proton - chloride
    # Cations and anions of a liquor that was itself computed differ by rounding.
    if abs(excess) > 1e-6 * chloride:
        raise SpecificationError(
            f"cations carry {others + proton:.6g} mol/m³ of charge, chloride {chloride:.6g}.",
            where=f"{_WHERE}: aqueous",
            allowed="as much chloride as three times the rare earths, the ammonium and the proton",
            mend="Leave out proton or chloride.",
        )
    if proton < -1e-12 * chloride:
        raise SpecificationError(
            f"chloride is {chloride:.6g} mol/m³, but rare earths and ammonium alone carry "
            f"{others:.6g} mol/m³ of charge.",
            where=f"{_WHERE}: aqueous",
            allowed=f"at least {others:.6g} mol/m³ of chloride",
            mend="Give proton instead of chloride.",
        )
    if not chloride > 0.0:
        raise SpecificationError(
            "the liquor is pure water.",
            where=f"{_WHERE}: aqueous",
            allowed="above 0 mol/m³ of chloride",
            mend="Give proton or rare earths: without ions there is no pH to find.",
        )
    return np.array([*rare_earths, ammonium, chloride, 0.0])


def _solvent(system: ExtractionSystem, organic: Mapping[str, float]) -> Array:
    """Return the organic as components, (component,), [mol/m³]."""
    where = f"{_WHERE}: organic"
    _check_amounts(organic, (*system.elements, *_REAGENTS), "organic")
    extractant = float(organic.get("extractant", 0.0))
    if not extractant > 0.0:
        raise SpecificationError(
            f"extractant is {extractant:g} mol/m³ of HA."
            if "extractant" in organic
            else "no extractant.",
            where=where,
            allowed="above 0 mol/m³",
            mend="Give extractant as total HA, such as 1500 for 1.5 mol/L.",
        )
    if "saponification_degree" in organic and "ammonium" in organic:
        raise SpecificationError(
            "both saponification_degree and ammonium are given.", where=where, mend="Leave one out."
        )
    degree = float(organic.get("saponification_degree", 0.0))
    if degree > 0.5:
        raise SpecificationError(
            f"saponification_degree is {degree:g}.",
            where=where,
            allowed="0 to 0.5: ammonium takes one dimer, two HA, each",
        )
    ammonium = float(organic.get("ammonium", degree * extractant))
    rare_earths = np.array([float(organic.get(symbol, 0.0)) for symbol in system.elements])
    dimer, bound = 0.5 * extractant, 3.0 * float(rare_earths.sum()) + ammonium
    if bound > dimer * (1.0 + 1e-9):
        raise SpecificationError(
            f"rare earths and ammonium bind {bound:.6g} mol/m³ of dimer.",
            where=where,
            allowed=f"at most {dimer:.6g} mol/m³, half of the extractant",
            mend="Each rare earth binds three dimers, each ammonium one.",
        )
    return np.array([*rare_earths, ammonium, 0.0, dimer])


def _check_amounts(given: Mapping[str, float], known: tuple[str, ...], phase: str) -> None:
    for name, value in given.items():
        if name not in known:
            raise SpecificationError(
                f"{name!r} is not known.",
                where=f"{_WHERE}: {phase}",
                allowed=", ".join(known),
                mend=nearest_name(name, known),
            )
        if not (isinstance(value, (int, float, np.number)) and np.isfinite(value) and value >= 0.0):
            unit = "" if name == "saponification_degree" else " mol/m³"
            raise SpecificationError(
                f"{name} is {value}{unit}.", where=f"{_WHERE}: {phase}", allowed="finite, 0 or more"
            )


@lru_cache(maxsize=16)
def _compiled(chemistry: AcidicExchange) -> Any:
    def contact(
        totals: Traced, fraction: Traced, constants: Traced, cation_constant: Traced
    ) -> Traced:
        parameters = ExchangeParameters(constants, cation_constant)
        return chemistry.contact(totals, fraction, parameters)

    return jax.jit(contact)


def _shake(system: ExtractionSystem, totals: Array, fraction: float) -> _Shaken:
    chemistry = AcidicExchange(system.elements, cation=system.saponifying_cation)
    ten = np.log(10.0)
    constants = system.log10_extraction_constant * ten
    cation_constant = np.float64(system.log10_saponification_constant * ten)
    contact = _compiled(chemistry)
    unknowns = np.asarray(contact(totals, np.float64(fraction), constants, cation_constant))
    count = len(system.elements)
    drive = float(np.exp(unknowns[count + 2] - unknowns[count + 3]))
    ratio = np.array(
        [*(system.extraction_constant * drive**3), system.saponification_constant * drive]
    )
    aqueous = totals[: count + 1] / (1.0 - fraction + fraction * ratio)
    organic = ratio * aqueous
    charge = np.append(np.full(count, 3.0), 1.0)
    anion, dimer = totals[count + 1] / (1.0 - fraction), totals[count + 2] / fraction
    proton, free = anion - charge @ aqueous, dimer - charge @ organic
    if not max(proton / anion, free / dimer) >= FEWEST:
        raise SpecificationError(
            "what is left of acid and free extractant is below the last digits of the amounts.",
            where=_WHERE,
            allowed="an organic short of complete loading, or a liquor with some acid",
            mend="Load or saponify the organic less, or give the liquor more proton.",
        )
    # Both are differences; the one that keeps more digits gives the other through f = q h.
    if proton / anion < free / dimer:
        proton = free / drive
    else:
        free = proton * drive
    return _Shaken(
        aqueous=aqueous[:count],
        organic=organic[:count],
        aqueous_ammonium=float(aqueous[count]),
        organic_ammonium=float(organic[count]),
        proton=float(proton),
        free=float(free),
    )


def _check(system: ExtractionSystem, shaken: _Shaken, totals: Array, fraction: float) -> float:
    """Return the worst relative imbalance of mass and charge, or raise."""
    anion = totals[-2] / (1.0 - fraction)
    aqueous = np.array([*shaken.aqueous, shaken.aqueous_ammonium, 0.0])
    dimer = shaken.free + shaken.organic_ammonium + 3.0 * float(shaken.organic.sum())
    organic = np.array([*shaken.organic, shaken.organic_ammonium, dimer])
    found = (1.0 - fraction) * aqueous + fraction * organic
    cations = 3.0 * float(shaken.aqueous.sum()) + shaken.aqueous_ammonium + shaken.proton
    names = (*system.elements, "ammonium", "extractant", "charge")
    entered = np.array([*np.delete(totals, -2), anion])
    left = np.array([*found, cations])
    error = np.abs(left - entered) / np.maximum(entered, 1e-300)
    worst = int(np.argmax(np.where(np.isfinite(error), error, np.inf)))
    positive = min(shaken.proton, shaken.free) > 0.0 and bool((left >= 0.0).all())
    if not (error[worst] <= TOLERANCE and positive):
        raise BalanceError(
            f"{names[worst]}: {entered[worst]:.9g} mol/m³ before, {left[worst]:.9g} after; proton "
            f"{shaken.proton:.3g}, free extractant {shaken.free:.3g} mol/m³.",
            where=_WHERE,
            allowed=f"a relative difference of at most {TOLERANCE:.0e}, and nothing negative",
            mend="This is a defect of the equilibrium; please report it.",
        )
    return float(error[worst])


def _warnings(shaken: _Shaken, extractant: float) -> list[str]:
    found = []
    pH = -np.log10(shaken.proton / PER_LITRE)
    loading = 6.0 * float(shaken.organic.sum()) / extractant
    if pH > LARGEST_PH:
        found.append(
            f"pH is {pH:.2f}, outside the fitted range, which ends at {LARGEST_PH:g}: hydrolysis, "
            f"which is not modelled, may have begun."
        )
    if shaken.proton > LARGEST_PROTON:
        found.append(
            f"Acid is {shaken.proton / PER_LITRE:.3g} mol/L, outside the fitted range, which ends "
            f"at {LARGEST_PROTON / PER_LITRE:g}: D is extrapolated and small."
        )
    if loading > LARGEST_LOADING:
        found.append(
            f"Rare earths bind {loading:.0%} of the extractant, outside the fitted range, which "
            f"ends at {LARGEST_LOADING:.0%}: expect a viscous organic or a gel."
        )
    return found
