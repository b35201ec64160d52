"""How well a distribution ratio is known, from assays, differences and printed digits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from raffinate.lab.shake_out import ASSUMED_ASSAY_DEVIATION, ShakeOutTable, parse_shake_outs

TOLD = {"extractant": "P507", "medium": "HCl", "O/A": "2"}


def read(columns: str, cells: str, **more: str) -> ShakeOutTable:
    head = f"pH feed,HA (mol/L),{columns}"
    lines = "\n".join(f"2,1,{line}" for line in cells.split("\n"))
    return parse_shake_outs(f"{head}\n{lines}\n", constants={**TOLD, **more})


def simulated(feed: float, aqueous: float, organic: float, measured: str, sd: float) -> float:
    """Return the scatter of log₁₀ D over assays drawn with a relative deviation sd, at O/A 2."""
    rng = np.random.default_rng(7)
    f, a, o = (v * np.exp(sd * rng.normal(size=200_000)) for v in (feed, aqueous, organic))
    ratio = {"aqueous": (f - a) / 2 / a, "organic": o / (f - 2 * o), "both": o / a}[measured]
    return float(np.std(np.log10(ratio)))


@pytest.mark.parametrize(
    ("columns", "cells", "measured"),
    [
        ("Nd feed (mM),Nd aq (mM)", "100,60", "aqueous"),
        ("Nd feed (mM),Nd org (mM)", "100,20", "organic"),
        ("Nd aq (mM),Nd org (mM)", "60,20", "both"),
    ],
)
def test_deviation_is_that_of_drawn_assays(columns: str, cells: str, measured: str) -> None:
    table = read(columns, cells, RSD="0.5 %")
    assert table.assayed == (measured,)
    expected = simulated(100.0, 60.0, 20.0, measured, 0.005)
    assert table.log10_ratio_deviation()[0] == pytest.approx(expected, rel=0.01)


def test_low_ratio_by_difference_carries_a_large_error() -> None:
    table = read("Nd feed (mM),Nd aq (mM)", "100,60\n100,98")
    low, high = table.log10_ratio_deviation()[::-1]
    assert high == pytest.approx(math.sqrt(2) * 0.02 * 100 / 40 / math.log(10))
    assert low == pytest.approx(20 * high)


def test_assumed_deviation_is_labelled() -> None:
    table = read("Nd feed (mM),Nd aq (mM)", "100,60")
    assert table.assay_deviation.tolist() == [ASSUMED_ASSAY_DEVIATION]
    assert "standard deviation of assays not stated: 2% assumed" in table.assumptions
    stated = read("Nd feed (mM),Nd aq (mM)", "100,60", RSD="3 %")
    assert stated.assay_deviation.tolist() == [0.03]
    assert not any("assays" in text for text in stated.assumptions)


def test_absolute_and_relative_deviations_of_two_phases_are_combined() -> None:
    table = read("Nd feed (mM),Nd aq (mM),sd Nd feed (%),sd Nd aq (mM)", "100,60,1,1.8")
    assert table.assay_deviation[0] == pytest.approx(math.hypot(0.01, 0.03) / math.sqrt(2))


def test_printed_digits_of_a_ratio_count() -> None:
    table = read("Nd feed (mM),Nd D", "100,0.02\n100,0.87\n100,1.4\n100,2.01")
    expected = 0.01 / math.sqrt(12) / np.array([0.02, 0.87, 1.4, 2.01])
    np.testing.assert_allclose(table.ratio_rounding, expected)
    alone = read("Nd feed (mM),Nd D", "100,1.4")
    assert alone.ratio_rounding[0] == pytest.approx(0.1 / math.sqrt(12) / 1.4)


def test_printed_digits_of_an_extraction_count_most_near_its_ends() -> None:
    table = read("Nd feed (mM),Nd extraction (%)", "100,50\n100,99")
    digit = 0.01 / math.sqrt(12)
    np.testing.assert_allclose(table.ratio_rounding, [digit / 0.25, digit / 0.0099])


def test_pooled_flasks_are_known_better() -> None:
    table = read("Nd feed (mM),Nd aq (mM)", "100,60")
    single = table.log10_ratio_deviation()[0]
    table.replicates[0] = 4.0
    assert table.log10_ratio_deviation()[0] == pytest.approx(single / 2)
