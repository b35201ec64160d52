"""Duplicates: flasks one laboratory shook under the same conditions, pooled with their scatter."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from raffinate.lab.shake_out import ShakeOutTable

SAME_WITHIN = 0.02
"""Largest relative difference between conditions that were meant to be the same, [-]: what two
weighings or assays of one feed differ by. Assumed."""

SAME_TEMPERATURE = 1.0
"""[K]. Largest difference between temperatures that were meant to be the same. Assumed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """Flasks that were pooled into one.

    Attributes:
        test_ids: The flasks; the first gives the pooled test its name.
        laboratory: Who made them.
        deviation: Standard deviation of log₁₀ D of one flask among them, by element, [-].
        expected: What the stated or assumed deviations of the assays lead one to expect, [-].
    """

    test_ids: tuple[str, ...]
    laboratory: str
    deviation: dict[str, float]
    expected: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PooledTable:
    """A table without duplicates.

    Attributes:
        table: Means of log₁₀ D and of concentrations; `replicates` counts the flasks.
        duplicates: What was pooled.
    """

    table: ShakeOutTable
    duplicates: tuple[Duplicate, ...]

    @property
    def scatter(self) -> float | None:
        """Standard deviation of log₁₀ D of one flask, over all duplicates, [-]; None if none."""
        freedom = sum((len(item.test_ids) - 1) * len(item.deviation) for item in self.duplicates)
        squares = sum(
            (len(item.test_ids) - 1) * deviation**2
            for item in self.duplicates
            for deviation in item.deviation.values()
        )
        return float(np.sqrt(squares / freedom)) if freedom else None


def pool_duplicates(table: ShakeOutTable) -> PooledTable:
    """Pool flasks of one laboratory with the same elements, feed, acidity, extractant and so on.

    Tests of different laboratories are never pooled: what they disagree by is systematic. Leave
    excluded tests out first, or they spoil the means.
    """
    groups = _groups(table)
    keep = np.zeros(len(table.test_id), dtype=bool)
    keep[[group[0] for group in groups]] = True
    if keep.all():
        return PooledTable(table=table, duplicates=())
    means = {
        name: np.array(getattr(table, name))
        for name in ("aqueous_feed", "aqueous", "organic", "distribution_ratio")
    }
    replicates = np.array(table.replicates)
    duplicates = []
    for group in groups:
        if len(group) > 1:
            duplicates.append(_pool(table, group, means))
            replicates[group[0]] = table.replicates[list(group)].sum()
    pooled = replace(
        table,
        replicates=replicates,
        aqueous_feed=means["aqueous_feed"],
        aqueous=means["aqueous"],
        organic=means["organic"],
        distribution_ratio=means["distribution_ratio"],
    )
    return PooledTable(table=pooled.select(keep), duplicates=tuple(duplicates))


def _pool(
    table: ShakeOutTable, group: tuple[int, ...], means: dict[str, NDArray[np.float64]]
) -> Duplicate:
    """Write the geometric means of a group into the rows of its first test."""
    deviation, expected = {}, {}
    errors = table.log10_ratio_deviation()
    for row in np.flatnonzero(table.test == group[0]):
        symbol = table.element[row]
        rows = [
            int(other)
            for other in np.flatnonzero(np.isin(table.test, group))
            if table.element[other] == symbol
        ]
        weights = table.replicates[table.test[rows]]
        for values in means.values():
            values[row] = np.exp(np.average(np.log(values[rows]), weights=weights))
        logs = np.log10(table.distribution_ratio[rows])
        deviation[symbol] = float(np.std(logs, ddof=1))
        expected[symbol] = float(np.sqrt(np.mean(errors[rows] ** 2)))
    return Duplicate(
        test_ids=tuple(table.test_id[index] for index in group),
        laboratory=table.laboratory[group[0]],
        deviation=deviation,
        expected=expected,
    )


def _groups(table: ShakeOutTable) -> tuple[tuple[int, ...], ...]:
    """Return the tests of each set of conditions, in the order of the table."""
    known: dict[tuple[object, ...], list[list[int]]] = {}
    rows = [np.flatnonzero(table.test == index) for index in range(len(table.test_id))]
    order: list[list[int]] = []
    for index in range(len(table.test_id)):
        names = (
            table.laboratory[index],
            table.saponifying_cation[index],
            frozenset(table.co_elements[index]),
            frozenset((table.element[row], table.assayed[row]) for row in rows[index]),
        )
        rivals = known.setdefault(names, [])
        mine = _conditions(table, rows[index], index)
        group = next(
            (
                rival
                for rival in rivals
                if _same(mine, _conditions(table, rows[rival[0]], rival[0]))
                and _same_temperature(table, index, rival[0])
            ),
            None,
        )
        if group is None:
            group = []
            rivals.append(group)
            order.append(group)
        group.append(index)
    return tuple(tuple(group) for group in order)


def _conditions(table: ShakeOutTable, rows: NDArray[np.intp], index: int) -> NDArray[np.float64]:
    """Return what was chosen for a flask, by size; feeds in alphabetical order of the elements."""
    feeds = sorted((table.element[row], table.aqueous_feed[row]) for row in rows)
    ions = [table.background[ion][index] for ion in table.background]
    chosen = (
        table.acidity[index],
        table.extractant_concentration[index],
        table.oa_ratio[index],
        table.saponification_degree[index],
    )
    return np.array([*chosen, *ions, *(amount for _, amount in feeds)])


def _same(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    return bool(np.allclose(one, other, rtol=SAME_WITHIN, atol=0.0))


def _same_temperature(table: ShakeOutTable, one: int, other: int) -> bool:
    first, second = table.temperature[one], table.temperature[other]
    if np.isnan(first) or np.isnan(second):
        return bool(np.isnan(first) and np.isnan(second))
    return bool(abs(first - second) <= SAME_TEMPERATURE)
