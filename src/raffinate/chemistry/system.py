"""Extraction systems: the constants by which rare earths pass from liquor to extractant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raffinate.errors import SpecificationError, nearest_name
from raffinate.sources import Evidence, Source

SaponifyingCation = Literal["NH4"]
"""Cations with which the extractant can be saponified."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExtractionSystem:
    """An acidic extractant against chloride liquor, both phases ideal.

    RE³⁺ + 3(HA)₂ ⇌ RE(HA₂)₃ + 3H⁺ with K = y h³/(x f³), and
    NH₄⁺ + (HA)₂ ⇌ NH₄(HA₂) + H⁺ with K = s h/(a f); x, h, a are aqueous and y, f, s organic
    concentrations of rare earth, acid or free dimer, and ammonium. Both constants are pure numbers.

    Attributes:
        name: Short name, that of the file it ships in.
        title: What the system is, in words.
        extractant: Name of the extractant.
        elements: Symbols; they fix the last axis of every array.
        log10_extraction_constant: (element,), [-].
        log10_covariance: Covariance of the above, (element, element), [-]; zero if unknown.
        constant_sources: Where each extraction constant came from, (element,).
        saponifying_cation: The cation that the extractant carries when saponified.
        log10_saponification_constant: [-].
        saponification_source: Where that constant came from.
        basis: Further sources, such as the tables that were fitted.
        validity: Sentences on where the constants hold and where they do not.
    """

    name: str
    title: str
    extractant: str
    elements: tuple[str, ...]
    log10_extraction_constant: NDArray[np.float64]
    log10_covariance: NDArray[np.float64]
    constant_sources: tuple[Source, ...]
    log10_saponification_constant: float
    saponification_source: Source
    saponifying_cation: SaponifyingCation = "NH4"
    basis: tuple[Source, ...] = ()
    validity: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.elements)
        constants = _frozen(self.log10_extraction_constant)
        covariance = _frozen(self.log10_covariance)
        object.__setattr__(self, "log10_extraction_constant", constants)
        object.__setattr__(self, "log10_covariance", covariance)
        if count == 0 or len(set(self.elements)) != count:
            raise SpecificationError(
                f"elements are {', '.join(self.elements) or 'none'}.",
                where=self.name,
                allowed="at least one element, each once",
            )
        if len(self.constant_sources) != count or constants.shape != (count,):
            raise SpecificationError(
                f"{count} elements, {constants.size} constants and "
                f"{len(self.constant_sources)} sources do not match.",
                where=self.name,
                mend="Give one constant and one source for each element.",
            )
        if not np.isfinite([*constants, self.log10_saponification_constant]).all():
            raise SpecificationError(
                "a constant is not finite.", where=self.name, allowed="finite log₁₀ K"
            )
        _check_covariance(covariance, count, self.name)

    @property
    def extraction_constant(self) -> NDArray[np.float64]:
        """K of RE³⁺ + 3(HA)₂ ⇌ RE(HA₂)₃ + 3H⁺, (element,), [-]."""
        return np.power(10.0, self.log10_extraction_constant)

    @property
    def saponification_constant(self) -> float:
        """K of NH₄⁺ + (HA)₂ ⇌ NH₄(HA₂) + H⁺, [-]."""
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
    def sources(self) -> tuple[Source, ...]:
        """Every source the system rests on, each once."""
        named = (*self.constant_sources, self.saponification_source, *self.basis)
        return tuple(dict.fromkeys(named))

    def index(self, element: str) -> int:
        """Return the place of `element` on the element axis.

        Raises:
            SpecificationError: The system has no constant for it.
        """
        if element not in self.elements:
            raise SpecificationError(
                f"no extraction constant for {element!r}.",
                where=self.name,
                allowed=", ".join(self.elements),
                mend=nearest_name(element, self.elements),
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
        )

    def distribution_ratio(self, proton: ArrayLike, free_dimer: ArrayLike) -> NDArray[np.float64]:
        """Return D = y/x = K (f/h)³, (..., element), [-].

        Args:
            proton: Aqueous H⁺, (...), [mol/m³].
            free_dimer: Organic (HA)₂, (...), [mol/m³].
        """
        drive = np.asarray(free_dimer, np.float64) / np.asarray(proton, np.float64)
        return np.asarray(self.extraction_constant * drive[..., np.newaxis] ** 3)

    def separation_factor(self, first: str, second: str) -> float:
        """Return β = D(first)/D(second), [-]; in an ideal system K(first)/K(second)."""
        difference = (
            self.log10_extraction_constant[self.index(first)]
            - self.log10_extraction_constant[self.index(second)]
        )
        return float(10.0**difference)


def _frozen(values: ArrayLike) -> NDArray[np.float64]:
    array = np.array(values, dtype=np.float64)
    array.flags.writeable = False
    return array


def _check_covariance(covariance: NDArray[np.float64], count: int, where: str) -> None:
    if covariance.shape != (count, count) or not np.isfinite(covariance).all():
        raise SpecificationError(
            f"log10_covariance has shape {covariance.shape} or is not finite.",
            where=where,
            allowed=f"finite, ({count}, {count})",
        )
    scale = float(np.abs(covariance).max())
    asymmetry = float(np.abs(covariance - covariance.T).max())
    if asymmetry > 1e-9 * scale or float(np.linalg.eigvalsh(covariance).min()) < -1e-9 * scale:
        raise SpecificationError(
            "log10_covariance is no covariance.", where=where, allowed="symmetric, no negative root"
        )
