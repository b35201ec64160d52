"""The laboratory assay."""

from __future__ import annotations

import math

import numpy as np
import pytest

from raffinate.errors import SpecificationError
from raffinate.instruments.assay import LaboratoryAssay
from raffinate.units import HOUR

ASSAY = LaboratoryAssay(elements=("Ce", "Pr", "Nd"))
TRUE = np.array([850.0, 350.0, 1.2])


def test_scans_see_every_sample_once():
    minutes = np.arange(0, 3 * 24 * 60 + 1)
    hits = [float(m) / 60.0 for m in minutes if ASSAY.due(60.0 * m)]
    assert hits == [0.0, 8.0, 16.0, 24.0, 32.0, 40.0, 48.0, 56.0, 64.0, 72.0]


@pytest.mark.parametrize("scan", [60.0, 77.0, 3600.0, 50000.0])
def test_no_scan_length_loses_or_repeats_a_sample(scan):
    shifted = LaboratoryAssay(elements=("Nd",), first_sample=1000.0)
    ends = np.arange(0.0, 200 * HOUR, scan)
    found = [t for end in ends for t in shifted.sample_times(end - scan, end)]
    assert found == [1000.0 + 8 * HOUR * k for k in range(len(found))]
    assert len(found) >= 24


def test_the_result_comes_late():
    reading = ASSAY.take(TRUE, 8 * HOUR, np.random.default_rng(0), place="nd")
    assert (reading.sample_time, reading.result_time) == (8 * HOUR, 12 * HOUR)
    assert (reading.place, reading.instrument, reading.quality) == ("nd", "assay", "good")


def test_scatter_is_lognormal_independent_and_as_declared():
    generator = np.random.default_rng(40)
    readings = [ASSAY.take(TRUE, 0.0, generator) for _ in range(4000)]
    values = np.array([reading.values for reading in readings])
    assert values.mean(axis=0) == pytest.approx(TRUE, rel=0.0015)
    assert values.std(axis=0) / TRUE == pytest.approx(0.02, rel=0.05)
    assert np.abs(np.corrcoef(values.T) - np.eye(3)).max() < 0.06
    sigma = np.array([reading.sigma for reading in readings])
    inside = np.mean(np.abs(values - TRUE) < 1.96 * sigma, axis=0)
    assert inside == pytest.approx(0.95, abs=0.015)


def test_even_wide_scatter_has_the_true_mean():
    wide = LaboratoryAssay(elements=("Nd",), relative_sd=0.3)
    generator = np.random.default_rng(43)
    values = np.array([wide.take([500.0], 0.0, generator).values[0] for _ in range(4000)])
    assert values.mean() == pytest.approx(500.0, rel=0.02)
    assert values.std() == pytest.approx(150.0, rel=0.06)


def test_impurities_come_at_two_to_three_percent():
    generator = np.random.default_rng(41)
    readings = [ASSAY.take(TRUE, 0.0, generator) for _ in range(2000)]
    impurity = np.array([reading.fractions("oxide")[0][2] for reading in readings])
    spread = impurity.std() / impurity.mean()
    assert 0.02 < spread < 0.03
    claimed = np.mean([math.sqrt(r.fractions("oxide")[1][2, 2]) for r in readings])
    assert claimed == pytest.approx(impurity.std(), rel=0.06)


def test_a_blank_is_below_its_limit():
    generator = np.random.default_rng(42)
    readings = [ASSAY.take(np.zeros(3), 0.0, generator) for _ in range(300)]
    assert np.mean([reading.quality == "below_limit" for reading in readings]) > 0.98
    blank = np.array([reading.values for reading in readings])
    expected = 1e-3 / 0.14012 / 3.29
    assert blank[:, 0].std() == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("wrong", [[math.nan, 1, 1], [-1, 1, 1], [1, 1]])
def test_liquors_that_cannot_be_are_refused(wrong):
    with pytest.raises(SpecificationError, match="laboratory assay"):
        ASSAY.take(wrong, 0.0, np.random.default_rng(0))


@pytest.mark.parametrize(
    "changes",
    [
        {"period": 0.0},
        {"delay": -1.0},
        {"relative_sd": math.nan},
        {"first_sample": math.inf},
        {"elements": ("Xx",)},
    ],
)
def test_laboratories_that_cannot_be_are_refused(changes):
    with pytest.raises(SpecificationError):
        LaboratoryAssay(**({"elements": ("Nd",)} | changes))
