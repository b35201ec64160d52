"""What a fit of shake-out tests returns: the system, and how far to trust it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.fit_map import Estimate
from raffinate.chemistry.fit_priors import SeparationPrior
from raffinate.chemistry.fit_problem import Problem
from raffinate.chemistry.system import ExtractionSystem
from raffinate.lab.shake_out import ShakeOutTable
from raffinate.lab.shake_out_checks import Exclusion, ReadingScore

if TYPE_CHECKING:
    import pandas as pd

ALL = "all"
"""Label of the score over every laboratory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaboratoryScore:
    """How well log₁₀ D is predicted for the tests of one laboratory.

    Attributes:
        laboratory: Whose tests, or `ALL`.
        rows: Number of distribution ratios.
        rms: Root mean square of predicted less measured log₁₀ D, [-].
        median_error: Median of its absolute value, [-].
        bias: Median of its signed value, [-].
    """

    laboratory: str
    rows: int
    rms: float
    median_error: float
    bias: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SeparationReport:
    """One separation factor, β(first/second), from the data, from elsewhere, and together.

    Attributes:
        first: Symbol of the element extracted more.
        second: Symbol of the element extracted less.
        data: β by the data alone, [-].
        data_deviation: Standard deviation of its log₁₀, [-].
        prior: The prior on it, if there is one.
        posterior: β of the fitted system, [-].
        posterior_deviation: Standard deviation of its log₁₀, [-].
    """

    first: str
    second: str
    data: float
    data_deviation: float
    prior: SeparationPrior | None
    posterior: float
    posterior_deviation: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FitResult:
    """A fitted extraction system with everything needed to judge it.

    Attributes:
        system: The fitted constants, their covariance and sources.
        table: Every test of the fitted elements, left out or not; fixes the row axis.
        used: Whether the row took part in the fit, (row,).
        measured: log₁₀ D, (row,), [-].
        predicted: log₁₀ D by `system`, from the feed of each test, (row,), [-].
        predicted_deviation: Of a measurement by a new laboratory about that, (row,), [-].
        scale: Standard deviation of log₁₀ D between flasks, besides assay errors, [-].
        level_deviation: Standard deviation of the mean of all log₁₀ K, [-]: what the disagreement
            between laboratories leaves of their common level; part of the covariance.
        separations: Separation factors of neighbours in order of extraction, and of all priors.
        scores: By laboratory and over all, rows in use only.
        excluded: The tests left out, with reasons.
        readings: How well the acidities of each laboratory close under either reading.
        unfiltered_constant: log₁₀ K had nothing been left out, (element,), [-].
        unfiltered_scores: By laboratory and over all, for that fit.
        problem: The table and its priors as the search saw them.
        estimate: All that was estimated, offsets of the laboratories included.
    """

    system: ExtractionSystem
    table: ShakeOutTable
    used: NDArray[np.bool_]
    measured: NDArray[np.float64]
    predicted: NDArray[np.float64]
    predicted_deviation: NDArray[np.float64]
    scale: float
    level_deviation: float
    separations: tuple[SeparationReport, ...]
    scores: tuple[LaboratoryScore, ...]
    excluded: tuple[Exclusion, ...]
    readings: tuple[ReadingScore, ...]
    unfiltered_constant: NDArray[np.float64]
    unfiltered_scores: tuple[LaboratoryScore, ...]
    problem: Problem
    estimate: Estimate

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Covariance of log₁₀ K, (element, element), [-]."""
        return self.system.log10_covariance

    @property
    def residual(self) -> NDArray[np.float64]:
        """Predicted less measured log₁₀ D, (row,), [-]."""
        return self.predicted - self.measured

    @property
    def laboratory_offsets(self) -> dict[str, float]:
        """Offset of log₁₀ D of each laboratory that took part, all elements alike, [-]."""
        problem = self.problem
        offsets = self.estimate.unknowns[problem.shared :]
        return {
            name: float(offsets[place])
            for place, name in enumerate(problem.laboratories)
            if problem.keep[problem.own == place].any()
        }

    @property
    def rows_used(self) -> int:
        """Number of distribution ratios fitted."""
        return int(np.sum(self.used))

    def rows_of(self, element: str) -> int:
        """Return the number of distribution ratios of `element` that were fitted."""
        own = np.array([symbol == element for symbol in self.table.element])
        return int(np.sum(own & self.used))

    def to_dataframe(self) -> pd.DataFrame:
        """Return one line for each row of the table, left out or not."""
        import pandas as pd

        table = self.table
        return pd.DataFrame(
            {
                "test_id": [table.test_id[index] for index in table.test],
                "laboratory": table.row_laboratory,
                "element": table.element,
                "used": self.used,
                "acidity_mol_per_m3": table.acidity[table.test],
                "extractant_mol_per_m3": table.extractant_concentration[table.test],
                "aqueous_feed_mol_per_m3": table.aqueous_feed,
                "log10_measured": self.measured,
                "log10_predicted": self.predicted,
                "log10_residual": self.residual,
                "log10_deviation": self.predicted_deviation,
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain numbers and texts, as `raffinate fit --json` prints it."""
        system = self.system
        return {
            "system": system.name,
            "rows_used": self.rows_used,
            "scale": self.scale,
            "level_deviation": self.level_deviation,
            "scales": self._scales_dict(),
            "laboratory_offsets": self.laboratory_offsets,
            "loading": self._loading_dict(),
            "elements": self._elements_dict(),
            "separation_factors": self._separations_dict(),
            "scores": _scores_dict(self.scores),
            "scores_with_nothing_excluded": _scores_dict(self.unfiltered_scores),
            "excluded": [
                {"test_id": item.test_id, "laboratory": item.laboratory, "reason": item.reason}
                for item in self.excluded
            ],
            "readings": self._readings_list(),
            "sources": [str(source) for source in system.sources],
        }

    def _elements_dict(self) -> dict[str, Any]:
        system = self.system
        return {
            symbol: {
                "log10_extraction_constant": float(constant),
                "standard_deviation": float(deviation),
                "rows": self.rows_of(symbol),
                "with_nothing_excluded": float(unfiltered),
            }
            for symbol, constant, deviation, unfiltered in zip(
                system.elements,
                system.log10_extraction_constant,
                system.log10_standard_deviation,
                self.unfiltered_constant,
                strict=True,
            )
        }

    def _separations_dict(self) -> dict[str, Any]:
        return {
            f"{report.first}/{report.second}": {
                "data": report.data,
                "data_log10_deviation": report.data_deviation,
                "prior": report.prior.separation_factor if report.prior else None,
                "prior_log10_deviation": report.prior.log10_deviation if report.prior else None,
                "posterior": report.posterior,
                "posterior_log10_deviation": report.posterior_deviation,
            }
            for report in self.separations
        }

    def _readings_list(self) -> list[dict[str, Any]]:
        return [
            {
                "laboratory": score.laboratory,
                "reading": score.reading,
                "spread": score.spread,
                "slope": score.slope,
                "impossible_tests": score.impossible,
            }
            for score in self.readings
        ]

    def _scales_dict(self) -> dict[str, Any]:
        scales = self.estimate.scales
        return {
            "flask": scales.flask,
            "series": scales.series,
            "laboratory": scales.laboratory,
            "assay_factor": dict(zip(self.problem.laboratories, scales.assay, strict=True)),
        }

    def _loading_dict(self) -> dict[str, dict[str, float]] | None:
        prior = self.problem.loading
        if prior is None:
            return None
        start = len(self.problem.elements)
        deviations = np.sqrt(np.diag(self.estimate.covariance))
        return {
            name: {
                "prior_deviation": deviation,
                "posterior": float(self.estimate.unknowns[start + place]),
                "posterior_deviation": float(deviations[start + place]),
            }
            for place, (name, deviation) in enumerate(
                (("level", prior.level_deviation), ("spread", prior.spread_deviation))
            )
        }


def score_rows(
    laboratories: tuple[str, ...], residual: NDArray[np.float64], used: NDArray[np.bool_]
) -> tuple[LaboratoryScore, ...]:
    """Score the residuals of log₁₀ D, (row,), that are `used`, by laboratory and over all."""
    labels = np.array(laboratories)
    masks = {label: (labels == label) & used for label in dict.fromkeys(laboratories)}
    masks[ALL] = used
    return tuple(
        LaboratoryScore(
            laboratory=label,
            rows=int(mask.sum()),
            rms=float(np.sqrt(np.mean(residual[mask] ** 2))),
            median_error=float(np.median(np.abs(residual[mask]))),
            bias=float(np.median(residual[mask])),
        )
        for label, mask in masks.items()
        if mask.any()
    )


def _scores_dict(scores: tuple[LaboratoryScore, ...]) -> dict[str, dict[str, float]]:
    return {
        score.laboratory: {
            "rows": score.rows,
            "rms": score.rms,
            "median_error": score.median_error,
            "bias": score.bias,
        }
        for score in scores
    }
