"""Readings: what follows from values and covariance, faults, and the receiver's judgement."""

from __future__ import annotations

import math

import numpy as np
import pytest

from raffinate.errors import SpecificationError
from raffinate.instruments.reading import Reading, judge_reading, with_fault

ELEMENTS = ("Ce", "Pr", "Nd")


def reading(values=(500.0, 200.0, 400.0), covariance=None, **changes) -> Reading:
    settings = {
        "place": "stage 12",
        "sample_time": 100.0,
        "result_time": 200.0,
        "elements": ELEMENTS,
        "values": np.array(values, dtype=float),
        "covariance": np.diag([4.0, 1.0, 9.0]) if covariance is None else np.array(covariance),
        "detection_limit": np.array([1.0, 1.0, 1.0]),
        "quality": "good",
        "instrument": "xrf",
    }
    return Reading(**(settings | changes))


def test_fractions_by_mole_metal_and_oxide():
    """Molar masses: IUPAC 2021; oxides CeO2, Pr6O11, Nd2O3."""
    for basis, weights in {
        "mole": (1.0, 1.0, 1.0),
        "metal": (140.12, 140.91, 144.24),
        "oxide": (140.12 + 2 * 15.999, 140.91 + 11 / 6 * 15.999, 144.24 + 1.5 * 15.999),
    }.items():
        fractions, _ = reading().fractions(basis)
        mass = np.array(weights) * [500.0, 200.0, 400.0]
        assert fractions == pytest.approx(mass / mass.sum(), rel=1e-9)


def test_propagated_covariances_match_a_sample():
    covariance = np.array([[25.0, 8.0, 5.0], [8.0, 9.0, 3.0], [5.0, 3.0, 16.0]])
    one = reading(covariance=covariance)
    drawn = np.random.default_rng(11).multivariate_normal(one.values, covariance, 40000)
    fractions = drawn / drawn.sum(axis=1, keepdims=True)
    expected = np.cov(fractions.T)
    _, found = one.fractions()
    assert found == pytest.approx(expected, rel=0.05, abs=0.03 * expected.max())
    logs = np.log10(drawn[:, 2] / drawn[:, :2].sum(axis=1))
    ratio = one.log_ratio(("Nd",), ("Ce", "Pr"))
    assert ratio.value == pytest.approx(math.log10(400 / 700))
    assert ratio.sigma == pytest.approx(logs.std(), rel=0.03)
    assert not ratio.censored


def test_an_error_shared_by_all_elements_drops_out_of_fractions():
    values = np.array([500.0, 200.0, 400.0])
    shared = reading(covariance=1e-4 * np.outer(values, values))
    _, covariance = shared.fractions("oxide")
    assert np.abs(covariance).max() < 1e-20
    assert shared.log_ratio(("Nd",), ("Ce", "Pr")).sigma < 1e-9


@pytest.mark.parametrize("nd", [-0.5, 0.0, 0.9])
def test_a_sum_below_its_limit_is_censored_at_the_limit(nd):
    ratio = reading(values=(500.0, 200.0, nd)).log_ratio(("Nd",), ("Ce", "Pr"))
    assert ratio.censored
    assert ratio.value == pytest.approx(math.log10(1.0 / 700.0))
    assert math.isfinite(ratio.sigma)


def test_below_limit_names_the_elements():
    assert reading(values=(500.0, 0.4, math.nan)).below_limit == ("Pr", "Nd")
    assert reading().sigma == pytest.approx([2.0, 1.0, 3.0])


def test_ratios_and_fractions_of_nonsense_are_refused():
    with pytest.raises(SpecificationError, match="Nd"):
        reading().log_ratio(("Ndd",), ("Ce",))
    with pytest.raises(SpecificationError, match="finite"):
        reading(values=(math.nan, 1.0, 1.0)).log_ratio(("Nd",), ("Ce",))
    for values in ((math.nan, 1.0, 1.0), (-1.0, 0.0, 0.0)):
        with pytest.raises(SpecificationError, match="add up"):
            reading(values=values).fractions()


def test_readings_that_contradict_themselves_are_refused():
    with pytest.raises(SpecificationError, match="shapes"):
        reading(values=(1.0, 2.0))
    with pytest.raises(SpecificationError, match="precedes"):
        reading(result_time=99.0)


def test_faults_change_what_arrives_but_not_what_is_claimed():
    old, new = reading(values=(1.0, 2.0, 3.0)), reading(sample_time=150.0)
    assert with_fault(new, None, old) is new
    assert with_fault(new, "missing", old) is None
    broken = with_fault(new, "nan", old)
    assert broken is not None
    assert np.isnan(broken.values).all()
    assert broken.quality == "good"
    stuck = with_fault(new, "frozen", old)
    assert stuck is not None
    assert stuck.values.tolist() == [1.0, 2.0, 3.0]
    assert stuck.sample_time == 150.0
    with pytest.raises(SpecificationError, match="frozen"):
        with_fault(new, "frosen", old)  # type: ignore[arg-type]


def test_the_receiver_notices_every_fault():
    old, new = reading(values=(1.0, 2.0, 3.0)), reading(sample_time=150.0)

    def judged(fault, time=300.0):
        return judge_reading(with_fault(new, fault, old), old, time, 1000.0)

    assert judged(None) == ("good", ())
    assert judged("missing") == ("missing", ("missing",))
    assert judged("nan") == ("bad", ("not_finite",))
    assert judged("frozen") == ("bad", ("frozen",))
    assert judged(None, time=1150.5) == ("stale", ("stale",))
    assert judged(None, time=1150.0) == ("good", ())


def test_the_receiver_lets_noise_pass_and_refuses_what_noise_cannot_do():
    assert judge_reading(reading(values=(-3.0, 1.0, 1.0)), None, 200.0, 1e3)[0] == "good"
    assert judge_reading(reading(values=(-13.0, 1.0, 1.0)), None, 200.0, 1e3) == (
        "bad",
        ("negative",),
    )


def test_the_same_reading_seen_twice_is_not_frozen():
    one = reading()
    assert judge_reading(one, one, 200.0, 1e3) == ("good", ())
