"""How the organic departs from the ideal as metals fill the extractant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raffinate.errors import SpecificationError
from raffinate.sources import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadingModel:
    """A regular solution of the loaded extractant.

    With φ_j the share of the extractant that metal j binds and κ_i = log₁₀ K_i - `reference`,

        log₁₀ γ_i = Σ_j A_ij φ_j,  A_ij = `level` + `spread` (κ_i + κ_j).

    A is symmetric, so all γ derive from one excess Gibbs energy, RT ln10 (L/6) Σ A_ij φ_i φ_j with
    L the extractant in units in which it exists freely: mixing and unmixing in any order gives the
    same state. log₁₀ β(1/2) falls by `spread` (κ₁ - κ₂) Σφ from its value at trace loading.

    Attributes:
        level: a0, common to all metals; above 0 loading pushes metal back to the liquor, [-].
        spread: a1, the share of log₁₀ β lost when the extractant is full, [-].
        reference: log₁₀ K at which κ is 0, [-].
        source: Where the numbers came from.
    """

    level: float
    spread: float
    reference: float
    source: Source

    def __post_init__(self) -> None:
        if not np.isfinite([self.level, self.spread, self.reference]).all():
            raise SpecificationError(
                f"level {self.level}, spread {self.spread}, reference {self.reference}.",
                where="loading model",
                allowed="finite numbers",
            )

    def log10_coefficients(
        self, log10_constant: ArrayLike, share: ArrayLike
    ) -> NDArray[np.float64]:
        """Return log₁₀ γ of every metal in the organic, (..., metal), [-].

        Args:
            log10_constant: log₁₀ K of the metals, (metal,), [-].
            share: Part of the extractant that each binds, (..., metal), [-].
        """
        extent = np.asarray(log10_constant, np.float64) - self.reference
        bound = np.asarray(share, np.float64)
        total = bound.sum(axis=-1, keepdims=True)
        weighed = (bound * extent).sum(axis=-1, keepdims=True)
        return np.asarray(self.level * total + self.spread * (extent * total + weighed))

    def separation_factor(self, first: float, second: float, loading: float) -> float:
        """Return β at a loading, [-], from the two log₁₀ K and the share of extractant bound."""
        return float(10.0 ** ((first - second) * (1.0 - self.spread * loading)))
