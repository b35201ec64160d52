"""Parts of an extraction system beyond its extraction constants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from raffinate.sources import Source

Mechanism = Literal["exchange", "solvation"]
"""exchange: protons of the extractant pass into the liquor; solvation: the salt passes neutral."""

ExtractantForm = Literal["dimer", "monomer"]
"""How the free extractant exists in the organic, and the unit in which it is counted."""

ExchangeCationName = Literal["ammonium", "sodium", "calcium", "magnesium"]
"""Cations with which an acidic extractant can be saponified."""

CATION_CHARGES: dict[ExchangeCationName, int] = {
    "ammonium": 1,
    "sodium": 1,
    "calcium": 2,
    "magnesium": 2,
}
"""Charge of each such cation, [-]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeCation:
    """A cation that the extractant can carry: Mᶻ⁺ + z E ⇌ ME_z(−zH) + z H⁺.

    E is one unit of free extractant, the dimer (HA)₂ or the monomer HA.

    Attributes:
        name: Component that is exchanged.
        log10_constant: log₁₀ K of the reaction; with as many units of extractant as protons on
            either side K is a pure number, [-].
        source: Where the constant came from.
    """

    name: ExchangeCationName
    log10_constant: float
    source: Source

    @property
    def charge(self) -> int:
        """Charge of the cation, [-]."""
        return CATION_CHARGES[self.name]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApparentSlope:
    """An element whose measured distribution ratio does not follow mass action.

    log₁₀ D = log₁₀ K + (slope + slope_per_extractant·f) pH + extractant_slope·log₁₀ f, with the
    log₁₀ K of the system, free extractant f in [mol/L] of the units in which it exists freely,
    and pH = −log₁₀ of H⁺ in [mol/L].

    Attributes:
        element: Symbol.
        slope: Of log₁₀ D against pH, [-].
        extractant_slope: Of log₁₀ D against log₁₀ of free extractant, [-].
        slope_per_extractant: Growth of `slope` with free extractant, [L/mol].
        source: Where the slopes came from.
    """

    element: str
    slope: float
    extractant_slope: float
    source: Source
    slope_per_extractant: float = 0.0


Span = tuple[float, float]
"""Lowest and highest value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidityRanges:
    """Over which contacts the constants were measured; None where no source says.

    Attributes:
        source: Who measured there.
        pH: Of the liquor at equilibrium, on the activity scale of the system, [-].
        proton: Free H⁺ of the liquor at equilibrium, [mol/m³].
        anion: Anion of the medium in the liquor at equilibrium, [mol/m³].
        extractant: Total, counted as HA, [mol/m³].
        loading: Share of the extractant bound to metals, [-].
    """

    source: Source
    pH: Span | None = None
    proton: Span | None = None
    anion: Span | None = None
    extractant: Span | None = None
    loading: Span | None = None

    @property
    def spans(self) -> dict[str, Span]:
        """What is stated, by name, in the units of the attributes."""
        named = {name: getattr(self, name) for name in RANGED}
        return {name: span for name, span in named.items() if span is not None}


RANGED = ("pH", "proton", "anion", "extractant", "loading")
"""What a range can be stated of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemperatureSlope:
    """How an extraction constant moves with temperature: log₁₀ K += slope·(1/T − 1/T₀).

    Attributes:
        element: Symbol.
        slope: −ΔH/(R ln 10), [K]; D falls with temperature where it is positive.
        source: Where it came from.
    """

    element: str
    slope: float
    source: Source
