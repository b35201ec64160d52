"""What a table leaves undecided, and which flask to shake next."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.fit_flask import Flasks, Floats
from raffinate.chemistry.fit_map import Estimate
from raffinate.chemistry.fit_problem import Problem, predict_flasks
from raffinate.chemistry.fit_report import FitResult
from raffinate.chemistry.fit_rows import invert
from raffinate.lab.shake_out import ASSUMED_ASSAY_DEVIATION

WEAK_DEVIATION = 0.1
"""Standard deviation of a combination of log₁₀ K above which it is named, [-]."""

CLOSE_CORRELATION = 0.95
"""Correlation above which two constants are named as told apart by nothing, [-]."""

READABLE = (0.03, 30.0)
"""D between which both phases hold enough to be assayed, [-]; outside it nothing is learnt."""

FEEDS = (20.0, 100.0, 300.0)
ACIDITIES = (10.0, 50.0, 200.0, 500.0)
EXTRACTANTS = (500.0, 1000.0, 1500.0)
OA_RATIOS = (0.5, 1.0, 2.0)
"""Grid of flasks that are compared: metal in all, H⁺ and HA, [mol/m³], and O/A, [-]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeakDirection:
    """A combination of unknowns that the table leaves wide.

    Attributes:
        sentence: What cannot be told, in words.
        deviation: Standard deviation along it, [-].
    """

    sentence: str
    deviation: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A flask that has not been shaken, and what it would teach.

    Attributes:
        elements: Metals in the feed, in equal parts.
        feed: All of them together, [mol/m³].
        acidity: H⁺ of the feed, [mol/m³].
        extractant: Counted as HA, [mol/m³].
        oa_ratio: [-].
        information: Half the logarithm of the determinant gained, [-].
        improved: Quantity whose deviation falls by the largest share: "Nd" or "Nd/Pr".
        deviation_before: Of its log₁₀, [-].
        deviation_after: Expected with the flask, [-].
    """

    elements: tuple[str, ...]
    feed: float
    acidity: float
    extractant: float
    oa_ratio: float
    information: float
    improved: str
    deviation_before: float
    deviation_after: float


def weak_directions(result: FitResult) -> tuple[WeakDirection, ...]:
    """Return in words what the tests alone, without separation priors, cannot tell."""
    problem, best = result.problem, result.estimate
    free = _free(problem)
    names = _names(problem)
    covariance = _data_covariance(problem, best)[np.ix_(free, free)]
    values, vectors = np.linalg.eigh(covariance)
    found = [
        WeakDirection(
            sentence=_combination([names[place] for place in free], vectors[:, place]),
            deviation=float(np.sqrt(values[place])),
        )
        for place in np.argsort(-values)
        if np.sqrt(values[place]) > WEAK_DEVIATION
    ]
    root = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(root, root)
    for one in range(len(free)):
        for other in range(one):
            if abs(correlation[one, other]) > CLOSE_CORRELATION:
                found.append(
                    WeakDirection(
                        sentence=f"{names[free[other]]} and {names[free[one]]} move together "
                        f"(correlation {correlation[one, other]:+.3f}): only their "
                        f"{'difference' if correlation[one, other] > 0.0 else 'sum'} is known",
                        deviation=float(max(root[one], root[other])),
                    )
                )
    return tuple(found)


def next_experiments(result: FitResult, count: int = 8) -> tuple[Experiment, ...]:
    """Return the flasks that would teach most, best first, the best of each set of elements.

    A flask is judged as shaken once by one more laboratory, whose own offset, series and assay
    errors count, by the determinant of the covariance of the shared unknowns (D-optimal).
    """
    problem, best = result.problem, result.estimate
    flasks, sets = _candidates(problem)
    slopes, noise = _candidate_rows(problem, best, flasks)
    free = _free(problem)
    before = best.covariance[np.ix_(free, free)]
    rows = slopes[:, :, free]
    whole = noise + rows @ before @ np.swapaxes(rows, 1, 2)
    gained = 0.5 * (np.linalg.slogdet(whole)[1] - np.linalg.slogdet(noise)[1])
    chosen: dict[tuple[str, ...], int] = {}
    for place in np.argsort(-gained, kind="stable"):
        chosen.setdefault(sets[place], int(place))
    return tuple(
        _experiment(problem, flasks, sets[place], place, gained[place], before, rows, whole)
        for place in list(chosen.values())[:count]
    )


def _experiment(
    problem: Problem,
    flasks: Flasks,
    elements: tuple[str, ...],
    place: int,
    gained: float,
    before: Floats,
    rows: Floats,
    whole: Floats,
) -> Experiment:
    inner = before @ rows[place].T
    after = before - inner @ np.linalg.solve(whole[place], inner.T)
    best = ("", 1.0, 1.0)
    for name, direction in _quantities(problem, len(before)):
        old = float(np.sqrt(direction @ before @ direction))
        new = float(np.sqrt(max(direction @ after @ direction, 0.0)))
        if new / old < best[2] / best[1] or not best[0]:
            best = (name, old, new)
    return Experiment(
        elements=elements,
        feed=float(flasks.feed[place].sum()),
        acidity=float(flasks.acidity[place]),
        extractant=2.0 * float(flasks.extractant[place]),
        oa_ratio=float(flasks.oa_ratio[place]),
        information=float(gained),
        improved=best[0],
        deviation_before=best[1],
        deviation_after=best[2],
    )


def _quantities(problem: Problem, size: int) -> list[tuple[str, Floats]]:
    unit = np.eye(size)
    found = list(zip(problem.elements, unit, strict=False))
    for low, high in pairwise(range(len(problem.elements))):
        name = f"{problem.elements[high]}/{problem.elements[low]}"
        found.append((name, unit[high] - unit[low]))
    return found


def _candidates(problem: Problem) -> tuple[Flasks, list[tuple[str, ...]]]:
    names = problem.elements
    sets: list[tuple[str, ...]] = [*((name,) for name in names), *pairwise(names)]
    sets += [names] if len(names) > 2 else []
    grid = list(product(sets, FEEDS, ACIDITIES, EXTRACTANTS, OA_RATIOS))
    feed = np.zeros((len(grid), len(names)))
    for row, (chosen, amount, *_) in enumerate(grid):
        feed[row, [names.index(name) for name in chosen]] = amount / len(chosen)
    zero = np.zeros(len(grid))
    flasks = Flasks(
        feed=feed,
        acidity=np.array([item[2] for item in grid]),
        at_end=zero > 0.0,
        extractant=np.array([0.5 * item[3] for item in grid]),
        saponified=zero,
        oa_ratio=np.array([item[4] for item in grid]),
        exchange_constant=problem.flasks.exchange_constant,
    )
    return flasks, [tuple(item[0]) for item in grid]


def _candidate_rows(problem: Problem, best: Estimate, flasks: Flasks) -> tuple[Floats, Floats]:
    """Return slopes on the shared unknowns and the covariance of the rows of each candidate."""
    width, shared = len(problem.elements), problem.shared
    unknowns = np.concatenate([best.unknowns[:shared], np.zeros(1 + width)])
    predicted, slopes = predict_flasks(flasks, unknowns, problem.reference)
    readable = (predicted > np.log10(READABLE[0])) & (predicted < np.log10(READABLE[1]))
    held = (flasks.feed > 0.0) & readable
    slopes = np.where(held[:, :, None], slopes, 0.0)
    carried = flasks.oa_ratio[:, None] * 10.0**predicted
    assay = np.sqrt(2.0) * ASSUMED_ASSAY_DEVIATION * (1.0 + carried) / carried / np.log(10.0)
    assay = assay * problem.effects.assay.root_mean_square
    both = held[:, :, None] & held[:, None, :]
    noise = np.where(both, best.scales.flask**2, 0.0)
    place = np.arange(width)
    noise[:, place, place] += np.where(held, assay, 1.0) ** 2
    offsets = np.array([best.scales.laboratory] + [best.scales.series] * width)
    own = slopes[:, :, shared:] * offsets
    return slopes[:, :, :shared], noise + own @ np.swapaxes(own, 1, 2)


def _data_covariance(problem: Problem, best: Estimate) -> Floats:
    """Return the covariance of the unknowns had no separation factor been known."""
    _, known = problem.separation_rows(best.unknowns)
    return invert(invert(best.covariance) - known.T @ known)


def _free(problem: Problem) -> NDArray[np.intp]:
    """Return the places of the shared unknowns that the fit was free to move."""
    seen = (problem.present & problem.keep[:, None]).any(axis=0)
    terms = [problem.loading is not None] * 2
    return np.flatnonzero(np.concatenate([seen, terms]))


def _names(problem: Problem) -> tuple[str, ...]:
    return (*(f"log K({name})" for name in problem.elements), "level a0", "spread a1")


def _combination(names: list[str], vector: Floats) -> str:
    """Return a direction in words."""
    strong = [place for place in np.argsort(-np.abs(vector)) if abs(vector[place]) > 0.25]
    signs = {bool(vector[place] > 0.0) for place in np.flatnonzero(np.abs(vector) > 0.1)}
    if len(signs) == 1 and np.sum(np.abs(vector) > 0.1) >= 0.7 * len(vector):
        return "the common level of all constants: it shifts pH, not separation"
    if len(strong) == 1:
        return f"{names[strong[0]]} by itself"
    up = [names[place] for place in strong if vector[place] * vector[strong[0]] > 0.0]
    down = [names[place] for place in strong if vector[place] * vector[strong[0]] < 0.0]
    return " and ".join(up) + (f" against {' and '.join(down)}" if down else " together")
