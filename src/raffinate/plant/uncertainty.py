"""The probability that a plant makes its specification, by what is not known of it.

Two ways, side by side: linear, through the gradients of the logarithms of the impurities (delta
method), and Monte Carlo, in which every sample is solved. Where the two differ, the plant bends
within its uncertainty and the linear answer is not to be trusted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import ConvergenceError, SpecificationError
from raffinate.plant.gradients_inputs import CONSTANT, FLOWS, IMPURITY, InputLayout
from raffinate.plant.gradients_point import SolvedPoint, solved_point
from raffinate.plant.model import Plant
from raffinate.plant.optimise_levers import Limit, limits_of
from raffinate.plant.steady import SteadyState

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

NORMAL_95 = 1.959963984540054
"""Standard normal quantile of 97.5 %."""

ROUNDING = 1e-6
"""Of probabilities of normal vectors, which are integrated numerically, [-]."""

LEAST_SAMPLES = 20
"""Fewest samples a probability is told from."""

SHARES = {"efficiency": 1.0, "saponification_degree": 0.5 - 1e-9}
"""Inputs that cannot exceed a value, by the last part of their names, [-]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Uncertain:
    """One outcome under uncertainty.

    Attributes:
        name: Which.
        low, high: Range it has to be in, SI.
        value: At the best estimate.
        linear_deviation: Standard deviation by gradients.
        mean, deviation: Of the samples.
        linear_probability: Of being in the range, by gradients, [-].
        probability: The same by samples, those without a steady state counted as outside, [-].
        shares: Part of the linear variance by input, the largest first, [-].
    """

    name: str
    low: float
    high: float
    value: float
    linear_deviation: float
    mean: float
    deviation: float
    linear_probability: float
    probability: float
    shares: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpecificationProbability:
    """How likely a plant makes its specification.

    Attributes:
        plant_name: Which plant.
        held: "flows" if the flows stay, "purities" if they are changed to meet the purities.
        outcomes: One by one.
        linear_probability: Of all in range together, by gradients, [-].
        probability: The same by samples, [-]; NaN without any.
        low, high: 95 % interval of the latter (Wilson), [-].
        samples: How many were solved.
        failed: How many of them had no steady state, or none that could be reached.
        clipped: How many had an input cut to what it can be.
    """

    plant_name: str
    held: str
    outcomes: tuple[Uncertain, ...]
    linear_probability: float
    probability: float
    low: float
    high: float
    samples: int
    failed: int
    clipped: int

    @property
    def agree(self) -> bool:
        """Whether the linear probability lies in the interval of the samples, if there are any."""
        if not self.samples:
            return True
        return self.low - ROUNDING <= self.linear_probability <= self.high + ROUNDING

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row per outcome, SI."""
        import pandas as pd

        rows = [_row(each) for each in self.outcomes]
        for row in rows:
            row["shares"] = ", ".join(f"{k} {v:.0%}" for k, v in row["shares"].items())
        return pd.DataFrame(rows)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, SI."""
        return {
            "plant": self.plant_name,
            "held": self.held,
            "probability": self.probability,
            "interval_95": [self.low, self.high],
            "linear_probability": self.linear_probability,
            "agree": self.agree,
            "samples": self.samples,
            "failed": self.failed,
            "clipped": self.clipped,
            "outcomes": [_row(each) for each in self.outcomes],
        }


def _row(each: Uncertain) -> dict[str, Any]:
    return {
        "outcome": each.name,
        "low": each.low,
        "high": each.high,
        "value": each.value,
        "linear_deviation": each.linear_deviation,
        "mean": each.mean,
        "deviation": each.deviation,
        "linear_probability": each.linear_probability,
        "probability": each.probability,
        "shares": dict(each.shares),
    }


def specification_probability(
    plant: Plant,
    state: SteadyState,
    *,
    deviations: Mapping[str, float] | None = None,
    covariance: Array | None = None,
    purities: Mapping[str, float] | None = None,
    held: str = "flows",
    samples: int = 200,
    seed: int = 0,
) -> SpecificationProbability:
    """Return how likely a plant makes its purities, given what is not known of it.

    Args:
        plant: The plant as loaded.
        state: Its steady state at the best estimate.
        deviations: Standard deviations by input, SI, of what the user is unsure of: flows,
            efficiencies, feed concentrations, further constants.
        covariance: Of log₁₀ K of the elements, (element, element), [-]; left out, that of the
            fitted system.
        purities: Limits by product, [-]; those left out are the limits of the products.
        held: "flows": the flows stay and the purities move. "purities": an operator moves the
            flows until the purities are back; asked is whether they stay within the levers.
        samples: Of the Monte Carlo.
        seed: Of its generator.

    Raises:
        SpecificationError: An unknown input, no uncertainty at all, or too few samples.
    """
    if held not in ("flows", "purities"):
        raise SpecificationError(
            f"{held!r} cannot be held.", where="uncertainty", allowed="flows, purities"
        )
    if samples < LEAST_SAMPLES:
        raise SpecificationError(
            f"samples is {samples}.", where="uncertainty", allowed=f"{LEAST_SAMPLES} or more"
        )
    meet = tuple(plant.nominal_purity) if held == "purities" else ()
    point = solved_point(plant, state, meet=meet)
    spread = input_covariance(point.layout, plant, deviations or {}, covariance)
    limits = _limits(plant, state, purities or {}, held)
    draws, clipped = cut_draws(point.layout.names, point.inputs, spread, samples, seed)
    names = [limit.name for limit in limits]
    places = [point.names.index(name) for name in names]
    found = _solved(point, draws, places)
    values, slopes = point.jacobian()
    return probability_told(
        plant.name,
        point.layout.names,
        limits,
        values[places],
        slopes[places],
        spread,
        found,
        held,
        clipped,
    )


def input_covariance(
    layout: InputLayout,
    plant: Plant,
    deviations: Mapping[str, float],
    covariance: Array | None = None,
) -> Array:
    """Return the covariance of the inputs, (input, input), SI.

    Args:
        layout: The inputs.
        plant: Whose fitted system is taken.
        deviations: Standard deviations by input, SI, beside the elements' constants.
        covariance: Of log₁₀ K of the elements, [-]; None takes that of the system.

    Raises:
        SpecificationError: An unknown input, a deviation that cannot be, or nothing uncertain.
    """
    spread = np.zeros((len(layout.names), len(layout.names)))
    fitted = plant.circuit.system.log10_covariance if covariance is None else covariance
    places = [layout.place(f"{CONSTANT}{element}") for element in layout.elements]
    if fitted.shape != (len(places), len(places)):
        raise SpecificationError(
            f"its shape is {fitted.shape}.",
            where="uncertainty: covariance",
            allowed=f"one row and column for each of {', '.join(layout.elements)}",
        )
    spread[np.ix_(places, places)] = fitted
    for name, deviation in deviations.items():
        place = layout.place(name)
        if not 0.0 <= deviation < np.inf:
            raise SpecificationError(
                f"its deviation is {deviation:g}.",
                where=f"uncertainty: {name}",
                allowed="0 or more",
            )
        spread[place, :] = spread[:, place] = 0.0
        spread[place, place] = deviation**2
    if not spread.any():
        raise SpecificationError(
            f"nothing is uncertain: {plant.circuit.system.name} has no covariance.",
            where="uncertainty",
            mend="Give deviations of inputs, or a fitted system.",
        )
    return spread


def _limits(
    plant: Plant, state: SteadyState, purities: Mapping[str, float], held: str
) -> tuple[Limit, ...]:
    if held == "purities":
        assert state.operation is not None
        every = limits_of(plant, state.operation)
        return tuple(limit for limit in every if limit.name in FLOWS)
    wanted = {name: product.purity_limit for name, product in plant.products.items()}
    for name in purities:
        plant.product(name)
    return tuple(
        Limit(
            name=f"{IMPURITY}{name}",
            low=-np.inf,
            high=float(np.log10(1.0 - purity)),
            why="purity",
        )
        for name, purity in (wanted | dict(purities)).items()
    )


def cut_draws(
    names: tuple[str, ...], begin: Array, spread: Array, samples: int, seed: int
) -> tuple[Array, int]:
    """Return inputs of every sample, (sample, input), and how many were cut to what they can be.

    Args:
        names: Of the inputs.
        begin: Their best estimate, (input,), SI.
        spread: Their covariance, (input, input), SI.
        samples: How many.
        seed: Of the generator.
    """
    roots, vectors = np.linalg.eigh(spread)
    factor = vectors * np.sqrt(np.maximum(roots, 0.0))
    normal = np.random.default_rng(seed).standard_normal((samples, len(roots)))
    draws = begin + normal @ factor.T
    cut = draws.copy()
    for place, name in enumerate(names):
        if name.startswith((CONSTANT, IMPURITY)):
            continue
        # What is a concentration, a flow or a share is never negative.
        high = SHARES.get(name.rpartition(".")[2], np.inf)
        cut[:, place] = np.clip(draws[:, place], 1e-6 * abs(begin[place]), high)
    return cut, int(np.any(cut != draws, axis=1).sum())


def _solved(point: SolvedPoint, draws: Array, places: Sequence[int]) -> Array:
    """Return outcomes of every sample, (sample, outcome), NaN where there is no steady state."""
    found = np.full((len(draws), len(places)), np.nan)
    for row, inputs in enumerate(draws):
        try:
            found[row] = point.moved(inputs).outcomes()[list(places)]
        except ConvergenceError:
            continue
    return found


def probability_told(
    plant_name: str,
    inputs: tuple[str, ...],
    limits: tuple[Limit, ...],
    values: Array,
    slopes: Array,
    spread: Array,
    found: Array,
    held: str,
    clipped: int,
) -> SpecificationProbability:
    """Return the probabilities that gradients and samples give.

    Args:
        plant_name: Which plant.
        inputs: Their names.
        limits: What each outcome has to be.
        values: Outcomes at the best estimate, (outcome,).
        slopes: Their derivatives, (outcome, input).
        spread: Covariance of the inputs, (input, input).
        found: Outcomes of the samples, (sample, outcome), NaN where there was no steady state.
        held: "flows" or "purities".
        clipped: How many samples had an input cut.
    """
    low = np.array([limit.low for limit in limits])
    high = np.array([limit.high for limit in limits])
    variance = slopes @ spread @ slopes.T
    inside = (found >= low) & (found <= high)
    solved = np.isfinite(found).all(axis=1)
    together = _share(np.asarray(inside.all(axis=1)))
    lower, upper = wilson(together, len(found)) if len(found) else (np.nan, np.nan)
    outcomes = tuple(
        Uncertain(
            name=limit.name,
            low=limit.low,
            high=limit.high,
            value=float(values[k]),
            linear_deviation=float(np.sqrt(variance[k, k])),
            mean=float(found[solved, k].mean()) if solved.any() else np.nan,
            deviation=float(found[solved, k].std(ddof=1)) if solved.sum() > 1 else np.nan,
            linear_probability=_in_box(
                low[k : k + 1], high[k : k + 1], values[k : k + 1], variance[k : k + 1, k : k + 1]
            ),
            probability=_share(inside[:, k]),
            shares=_shares(inputs, slopes[k], spread),
        )
        for k, limit in enumerate(limits)
    )
    return SpecificationProbability(
        plant_name=plant_name,
        held=held,
        outcomes=outcomes,
        linear_probability=_in_box(low, high, values, variance),
        probability=together,
        low=lower,
        high=upper,
        samples=len(found),
        failed=int((~solved).sum()),
        clipped=clipped,
    )


def _share(inside: NDArray[np.bool_]) -> float:
    return float(inside.mean()) if len(inside) else np.nan


def _shares(names: tuple[str, ...], slopes: Array, spread: Array) -> tuple[tuple[str, float], ...]:
    """Return the part of the variance each input brings, correlations split evenly."""
    parts = slopes * (spread @ slopes)
    total = parts.sum()
    if not total > 0.0:
        return ()
    order = np.argsort(-np.abs(parts), kind="stable")
    return tuple((names[k], float(parts[k] / total)) for k in order if parts[k] != 0.0)


def _in_box(low: Array, high: Array, mean: Array, covariance: Array) -> float:
    """Return the probability of a normal vector in a box, [-]."""
    from scipy.stats import multivariate_normal

    scale = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    normal = multivariate_normal(
        mean=np.zeros(len(mean)), cov=covariance / np.outer(scale, scale), allow_singular=True
    )
    return float(normal.cdf((high - mean) / scale, lower_limit=(low - mean) / scale))


def wilson(share: float, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a probability seen as a share of a count, [-].

    Source: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209.
    """
    z2 = NORMAL_95**2
    middle = (share + z2 / (2.0 * count)) / (1.0 + z2 / count)
    half = NORMAL_95 * np.sqrt(share * (1.0 - share) / count + z2 / (4.0 * count**2))
    half /= 1.0 + z2 / count
    return float(max(0.0, middle - half)), float(min(1.0, middle + half))
