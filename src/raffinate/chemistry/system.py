"""Extraction systems: the constants by which metals pass from liquor to extractant."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raffinate.chemistry.elements import metal
from raffinate.chemistry.loading import LoadingModel
from raffinate.chemistry.species import Species
from raffinate.chemistry.system_checks import (
    check_arrays,
    check_covariance,
    check_elements,
    check_parts,
    check_ranges,
    frozen,
)
from raffinate.chemistry.system_parts import (
    ApparentSlope,
    ExchangeCation,
    ExtractantForm,
    Mechanism,
    TemperatureSlope,
    ValidityRanges,
)
from raffinate.errors import SpecificationError, nearest_name
from raffinate.sources import Evidence, Source
from raffinate.units import PER_LITRE

__all__ = [
    "ActivityKind",
    "ApparentSlope",
    "ExchangeCation",
    "ExtractantForm",
    "ExtractionSystem",
    "Mechanism",
    "SaponifyingCation",
    "TemperatureSlope",
    "ValidityRanges",
]

SaponifyingCation = Literal["NH4"]
"""The cation whose constant a system states in `log10_saponification_constant`."""

ActivityKind = Literal["ideal", "davies", "bdot", "pitzer"]
"""Models of the activity coefficients of the liquor."""

NOT_SAPONIFIED = Source(
    title="No exchange of ammonium",
    evidence="assumed",
    note="the system states no constant, so the extractant takes up no ammonium in it",
)
"""Stands where a system states no saponification constant."""


def _unset() -> NDArray[np.float64]:
    return np.empty(0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExtractionSystem:
    """An extractant against a liquor, and the constants of what passes between them.

    With E one unit of free extractant, (HA)₂ or HA or a solvating molecule, m the charge of the
    ion and n the units bound:

    - exchange: Mᵐ⁺ + n E ⇌ M·E_n(−mH) + m H⁺, K = y h^m/(x f^n);
    - solvation: Mᵐ⁺ + m X⁻ + n E ⇌ MX_m·E_n, K = y/(x a^m f^n);
    - saponification: NH₄⁺ + E ⇌ NH₄·E(−H) + H⁺, K = s h/(c f).

    x, h, a, c are aqueous metal, acid, anion and ammonium and y, f, s are organic metal, free
    extractant and ammonium, as activities on the scale of mol/L; in an `ideal` system
    concentrations in mol/L.

    Attributes:
        name: Short name, that of the file it ships in.
        title: What the system is, in words.
        extractant: Name of the extractant.
        elements: Symbols; they fix the last axis of every array.
        log10_extraction_constant: log₁₀ K of the first two reactions, (element,), [-].
        log10_covariance: Covariance of the above, (element, element), [-]; zero if unknown.
        constant_sources: Where each extraction constant came from, (element,).
        saponifying_cation: The cation that the extractant carries when saponified.
        log10_saponification_constant: [-]; minus infinity if the extractant carries none or if
            no constant is known, as `missing` then says.
        saponification_source: Where that constant came from.
        basis: Further sources, such as the tables that were fitted.
        validity: Sentences on where the constants hold and where they do not.
        ranges: The same in numbers, by which contacts are warned of; None if no source says.
        mechanism: Which of the reactions above extracts.
        medium: Name of the anion of the liquor.
        extractant_form: How free extractant exists, and the unit in which it is counted.
        charge: Of the aqueous ions, (element,), [-]; by default that of the usual ion.
        extractant_number: Units of free extractant bound per metal, (element,), [-]; by default
            the charge.
        exchange_cations: Further cations that the extractant carries.
        complexes: Aqueous complexes and hydrolysis products.
        organic_species: Further organic species, such as extracted acid.
        activity: Model of aqueous activities on whose scale the constants stand.
        loading: How the organic departs from the ideal as it loads; None if it does not.
        apparent: Elements whose distribution ratio does not follow mass action.
        loading_limit: Share of the extractant bound to metals above which a gel or a third phase
            is reported, [-]; None if unknown.
        loading_limit_source: Where that limit came from.
        saponification_limit: Saponification degree above which the same holds, [-].
        saponification_limit_source: Where that limit came from.
        temperature: At which the constants hold, [K].
        temperature_slopes: Elements whose constant was measured at several temperatures.
        missing: What has no constant, and why: (symbol or cation, reason).
    """

    name: str
    title: str
    extractant: str
    elements: tuple[str, ...]
    log10_extraction_constant: NDArray[np.float64]
    log10_covariance: NDArray[np.float64]
    constant_sources: tuple[Source, ...]
    log10_saponification_constant: float = -math.inf
    saponification_source: Source = NOT_SAPONIFIED
    saponifying_cation: SaponifyingCation = "NH4"
    basis: tuple[Source, ...] = ()
    validity: tuple[str, ...] = ()
    ranges: ValidityRanges | None = None
    mechanism: Mechanism = "exchange"
    medium: str = "chloride"
    extractant_form: ExtractantForm = "dimer"
    charge: NDArray[np.float64] = field(default_factory=_unset)
    extractant_number: NDArray[np.float64] = field(default_factory=_unset)
    exchange_cations: tuple[ExchangeCation, ...] = ()
    complexes: tuple[Species, ...] = ()
    organic_species: tuple[Species, ...] = ()
    activity: ActivityKind = "ideal"
    loading: LoadingModel | None = None
    apparent: tuple[ApparentSlope, ...] = ()
    loading_limit: float | None = None
    loading_limit_source: Source | None = None
    saponification_limit: float | None = None
    saponification_limit_source: Source | None = None
    temperature: float = 298.15
    temperature_slopes: tuple[TemperatureSlope, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        check_elements(self.name, self.elements)
        if self.charge.size == 0:
            usual = [float(metal(symbol).charge) for symbol in self.elements]
            object.__setattr__(self, "charge", np.array(usual))
        if self.extractant_number.size == 0:
            object.__setattr__(self, "extractant_number", self.charge)
        for key in ("log10_extraction_constant", "charge", "extractant_number"):
            object.__setattr__(self, key, frozen(getattr(self, key)))
        object.__setattr__(self, "log10_covariance", frozen(self.log10_covariance))
        check_arrays(
            self.name,
            len(self.elements),
            constants=self.log10_extraction_constant,
            charge=self.charge,
            extractant_number=self.extractant_number,
            sources=len(self.constant_sources),
        )
        constant = self.log10_saponification_constant
        if math.isnan(constant) or constant == math.inf:
            raise SpecificationError(
                f"log₁₀ of the saponification constant is {constant}.",
                where=self.name,
                allowed="a finite number, or minus infinity where ammonium is not taken up",
            )
        check_covariance(self.name, self.log10_covariance, len(self.elements))
        check_parts(
            self.name,
            self.elements,
            sloped=(self.apparent, self.temperature_slopes),
            missing=self.missing,
            exchange_cations=self.exchange_cations,
            limits=(self.loading_limit, self.saponification_limit),
        )
        check_ranges(self.name, self.ranges)

    @property
    def extraction_constant(self) -> NDArray[np.float64]:
        """K of the reaction that extracts, (element,), on the scale of mol/L."""
        return np.power(10.0, self.log10_extraction_constant)

    @property
    def saponification_constant(self) -> float:
        """K of NH₄⁺ + E ⇌ NH₄·E(−H) + H⁺, [-]; 0 where ammonium is not taken up."""
        return float(10.0**self.log10_saponification_constant)

    @property
    def log10_standard_deviation(self) -> NDArray[np.float64]:
        """Standard deviation of log₁₀ K, (element,), [-]."""
        return np.sqrt(np.diag(self.log10_covariance))

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """How far each extraction constant can be trusted, (element,)."""
        return tuple(source.evidence for source in self.constant_sources)

    @property
    def interpolated(self) -> tuple[str, ...]:
        """Elements whose constant nobody measured: it was read off along the series."""
        return tuple(
            symbol
            for symbol, evidence in zip(self.elements, self.evidence, strict=True)
            if evidence == "interpolated"
        )

    @property
    def assumed(self) -> tuple[str, ...]:
        """Elements whose constant nobody measured or derived: it was chosen."""
        return tuple(
            symbol
            for symbol, evidence in zip(self.elements, self.evidence, strict=True)
            if evidence == "assumed"
        )

    @property
    def sources(self) -> tuple[Source, ...]:
        """Every source the system rests on, each once."""
        named = [*self.constant_sources, self.saponification_source, *self.basis]
        named += [cation.source for cation in self.exchange_cations]
        named += [species.source for species in (*self.complexes, *self.organic_species)]
        named += [slope.source for slope in self.apparent]
        named += [slope.source for slope in self.temperature_slopes]
        named += [part.source for part in (self.loading, self.ranges) if part is not None]
        limits = (self.loading_limit_source, self.saponification_limit_source)
        named += [source for source in limits if source is not None]
        return tuple(dict.fromkeys(source for source in named if source != NOT_SAPONIFIED))

    def index(self, element: str) -> int:
        """Return the place of `element` on the element axis.

        Raises:
            SpecificationError: The system has no constant for it; the reason, where known.
        """
        if element not in self.elements:
            reason = dict(self.missing).get(element, "")
            raise SpecificationError(
                f"no extraction constant for {element!r}{': ' if reason else ''}{reason}.",
                where=self.name,
                allowed=", ".join(self.elements),
                mend="" if reason else nearest_name(element, self.elements),
            )
        return self.elements.index(element)

    def subset(self, elements: tuple[str, ...]) -> ExtractionSystem:
        """Return the system of these elements only, in this order.

        Raises:
            SpecificationError: The system has no constant for one of them, or one stands twice.
        """
        chosen = [self.index(element) for element in elements]
        return replace(
            self,
            elements=tuple(elements),
            log10_extraction_constant=self.log10_extraction_constant[chosen],
            log10_covariance=self.log10_covariance[np.ix_(chosen, chosen)],
            constant_sources=tuple(self.constant_sources[place] for place in chosen),
            charge=self.charge[chosen],
            extractant_number=self.extractant_number[chosen],
            apparent=tuple(slope for slope in self.apparent if slope.element in elements),
            temperature_slopes=tuple(
                slope for slope in self.temperature_slopes if slope.element in elements
            ),
        )

    def at_temperature(self, temperature: float) -> ExtractionSystem:
        """Return the system at another temperature, [K].

        Only the extraction constants move; those of saponification and of complexes stay.

        Raises:
            SpecificationError: Nobody measured how the constant of some element moves.
        """
        slopes = {slope.element: slope.slope for slope in self.temperature_slopes}
        unknown = [element for element in self.elements if element not in slopes]
        if unknown or not temperature > 0.0:
            raise SpecificationError(
                f"no slope over temperature is known for {', '.join(unknown) or 'this'}, "
                f"so that nothing is known at {temperature:g} K.",
                where=self.name,
                allowed=f"{self.temperature:g} K, or subset() of {', '.join(slopes) or 'none'}",
            )
        shift = 1.0 / temperature - 1.0 / self.temperature
        moved = np.array([slopes[element] for element in self.elements]) * shift
        return replace(
            self,
            temperature=temperature,
            log10_extraction_constant=self.log10_extraction_constant + moved,
        )

    def distribution_ratio(
        self, proton: ArrayLike, free_extractant: ArrayLike, anion: ArrayLike = PER_LITRE
    ) -> NDArray[np.float64]:
        """Return D = y/x of an ideal contact, the apparent slopes included, (..., element), [-].

        Args:
            proton: Aqueous H⁺, (...), [mol/m³]; not read under solvation.
            free_extractant: Organic units of free extractant, (...), [mol/m³].
            anion: Aqueous anion of the medium, (...), [mol/m³]; read under solvation only.
        """
        given = np.broadcast_arrays(proton, free_extractant, anion)
        acid, free, salt = (_log10_per_litre(values) for values in given)
        driver = salt if self.mechanism == "solvation" else -acid
        log_ratio = (
            self.log10_extraction_constant + self.extractant_number * free + self.charge * driver
        )
        for slope in self.apparent:
            place = self.elements.index(slope.element)
            steepness = slope.slope + slope.slope_per_extractant * 10.0 ** free[..., 0]
            log_ratio[..., place] = (
                self.log10_extraction_constant[place]
                - steepness * acid[..., 0]
                + slope.extractant_slope * free[..., 0]
            )
        return np.asarray(np.power(10.0, log_ratio))

    def separation_factor(self, first: str, second: str) -> float:
        """Return β = K(first)/K(second), [-]; D(first)/D(second) in an ideal system.

        Raises:
            SpecificationError: The two have unlike slopes, so that no one β exists.
        """
        ends = [self.index(first), self.index(second)]
        apparent = {slope.element: slope for slope in self.apparent}
        slopes = [
            (
                self.charge[end],
                self.extractant_number[end],
                _slopes(apparent.get(self.elements[end])),
            )
            for end in ends
        ]
        if slopes[0] != slopes[1]:
            raise SpecificationError(
                f"D of {first} and D of {second} depend differently on acid or extractant.",
                where=self.name,
                mend="Compare distribution_ratio() at one contact.",
            )
        difference = np.subtract(*self.log10_extraction_constant[ends])
        return float(10.0**difference)


def _log10_per_litre(concentration: ArrayLike) -> NDArray[np.float64]:
    """Return log₁₀ of a concentration in [mol/m³] on the scale of mol/L, (..., 1)."""
    return np.log10(np.asarray(concentration, np.float64) / PER_LITRE)[..., np.newaxis]


def _slopes(apparent: ApparentSlope | None) -> tuple[float, float, float] | None:
    if apparent is None:
        return None
    return apparent.slope, apparent.slope_per_extractant, apparent.extractant_slope
