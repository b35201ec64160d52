"""Calibration from standards: factors found, stated uncertainty honest, other analyzers refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from raffinate.errors import DataError, SpecificationError
from raffinate.instruments.calibrate import calibrate
from raffinate.instruments.calibrate_factors import (
    COMMON,
    corrected,
    factor_map,
    line_family,
    line_names,
)
from raffinate.instruments.calibrate_file import calibration_text, parse_calibration
from raffinate.instruments.calibrate_fingerprint import fingerprint
from raffinate.instruments.calibrate_prior import prior_covariance
from raffinate.instruments.calibrate_result import calibration_flags
from raffinate.instruments.calibrate_standard import Standard
from raffinate.instruments.quantify import build_quantifier, quantify
from raffinate.instruments.quantify_factors import factor_spread
from raffinate.instruments.quantify_fit import LEAST_EXPECTED
from raffinate.instruments.quantify_model import FitModel
from raffinate.instruments.quantify_sample import sample_of
from raffinate.instruments.quantify_simulate import simulate_spectrum
from raffinate.instruments.xrf_atomic import AtomicAdjustment
from raffinate.instruments.xrf_drift import Drift
from raffinate.instruments.xrf_instrument_file import load_instrument
from raffinate.instruments.xrf_spectrum_build import build_forward_model

METALS = ("Ce", "Nd")
INSTRUMENT = load_instrument("online_rh_40kv")
ATOMS = AtomicAdjustment(
    fluorescence_yield=(
        *(("Ce", "L1", 1.12), ("Ce", "L2", 0.95), ("Ce", "L3", 1.04)),
        *(("Nd", "L1", 0.90), ("Nd", "L2", 1.06), ("Nd", "L3", 0.97)),
    ),
    radiative_rate=(("Ce", "L2M4", 0.95), ("Nd", "L3N5", 1.08)),
)
VOLTAGE = 39.7e3
AMOUNTS = ((0.0, 0.0), (600.0, 0.0), (0.0, 600.0), (500.0, 200.0), (150.0, 500.0))


def counted(model, metals, acid, seed, drift):
    return simulate_spectrum(
        model, np.asarray(metals, dtype=float), acid, real_time=100.0,
        generator=np.random.default_rng(seed), drift=drift,
    )  # fmt: skip


@pytest.fixture(scope="module")
def real():
    """An analyzer of other atoms and another voltage than its description."""
    sample = sample_of(METALS)
    forward = build_forward_model(INSTRUMENT, sample.components, voltage=VOLTAGE, adjustment=ATOMS)
    return FitModel(forward=forward, sample=sample)


@pytest.fixture(scope="module")
def standards(real):
    return [
        Standard(
            spectrum=counted(real, amounts, 500.0, seed, Drift(flux=1.0 + 0.01 * seed, zero=2.0)),
            metals=np.array(amounts),
            uncertainty=5e-4 * np.array(amounts),
            unknown=500.0,
            unknown_uncertainty=2.5,
            name=f"standard {seed}",
        )
        for seed, amounts in enumerate(AMOUNTS)
    ]


@pytest.fixture(scope="module")
def calibration(standards):
    return calibrate(INSTRUMENT, METALS, standards)


@pytest.fixture(scope="module")
def quantifier(calibration):
    return build_quantifier(INSTRUMENT, METALS, calibration=calibration)


def test_the_voltage_of_the_tube_is_found(calibration):
    assert calibration.voltage_factor * 40e3 == pytest.approx(VOLTAGE, abs=30.0)


def test_each_subshell_has_its_own_factor_and_none_vanishes(calibration):
    place = {name: at for at, name in enumerate(calibration.names)}
    for name, factor in (("Ce L1", 1.12), ("Ce L3", 1.04), ("Nd L1", 0.90), ("Nd L3", 0.97)):
        away = calibration.logs[place[name]] - np.log(factor)
        assert abs(away) < 4.0 * calibration.sigma[place[name]] + 0.01
        assert calibration.sigma[place[name]] < 0.2 * calibration.prior_sigma[place[name]]
    assert np.all(np.exp(calibration.logs) > 0.5)


def test_a_left_out_standard_reads_within_its_stated_uncertainty(calibration):
    errors = [
        (one.found - one.certified) / np.hypot(one.sigma, one.certified_sigma)
        for one in calibration.standards
    ]
    assert np.sqrt(np.mean(np.square(errors))) < 2.0
    assert all(one.chi2_per_dof < 1.2 for one in calibration.standards)


def test_uncalibrated_is_wrong_and_calibrated_is_right(real, quantifier):
    truth = np.array([400.0, 300.0])
    spectrum = counted(real, truth, 800.0, 77, Drift(zero=-3.0))
    found = quantify(spectrum, quantifier)
    plain = quantify(spectrum, build_quantifier(INSTRUMENT, METALS))
    assert np.max(np.abs(plain.concentration / truth - 1.0)) > 0.01
    assert np.all(np.abs(found.concentration - truth) < 4.0 * found.sigma)
    assert np.max(np.abs(found.concentration / truth - 1.0)) < 0.005
    assert found.factor_covariance is not None
    counting = np.sqrt(np.diag(found.fit.covariance)[:2])
    assert np.all(found.sigma > counting)
    assert (found.flags, found.to_dict()["calibrated"]) == ((), True)


def test_an_absent_metal_stays_below_a_limit_that_knows_of_the_factors(real, quantifier):
    found = quantify(counted(real, [600.0, 0.0], 500.0, 78, Drift()), quantifier)
    assert found.below_limit.tolist() == [False, True]
    _, absent = factor_spread(found.model, found.fit, found.live_time)
    assert found.detection[1] > 3.29 * absent[1] > 0.0


def test_slopes_of_factors_are_difference_quotients_of_the_model(quantifier):
    model = quantifier.model
    values = np.array([300.0, 250.0, 500.0, 1.02, 4.0, 3e-4, 0.0])
    slopes = model.slopes(values)
    columns = model.factor_slopes(values, slopes, 100.0)
    correction = model.correction
    for name in ("Ce L3", "Nd L2", "Nd L3-N45", *COMMON):
        place = correction.acting.names.index(name)
        logs = correction.logs.copy()
        logs[place] += 1e-3
        moved = replace(correction, logs=logs)
        there = replace(model, forward=moved.forward(), correction=moved)
        # Without pile-up, as the columns are.
        both = [one.expected(values, 100.0, slopes).recorded for one in (there, model)]
        quotient = 100.0 * (both[0] - both[1])[model.channels] / 1e-3
        assert columns[:, place] == pytest.approx(quotient, abs=0.015 * np.abs(quotient).max())
    rows = 1.0 / np.maximum(model.expected(values, 100.0, slopes).counts, LEAST_EXPECTED)[None, :]
    pulled = model.factor_slopes(values, slopes, 100.0, rows)
    assert pulled == pytest.approx(rows @ columns, rel=1e-6)


def test_factors_of_one_leave_the_model_as_it_is(real):
    acting = factor_map(real.forward, line_names(real.forward))
    masses = real.sample.masses(np.array([300.0, 100.0]), 500.0)
    same = corrected(real.forward, acting, np.zeros(len(acting.names)))
    assert same.spectrum(masses) == pytest.approx(real.forward.spectrum(masses), rel=1e-12)
    double = np.zeros(len(acting.names))
    double[acting.names.index("Nd L3")] = np.log(2.0)
    ratio = (
        corrected(real.forward, acting, double).line_intensities(masses)[0]
        / real.forward.line_intensities(masses)[0]
    )
    lines = real.forward.emission.lines
    for place, (component, name) in enumerate(zip(lines.component, lines.name, strict=True)):
        own = real.forward.components[component] == "Nd" and name.startswith("L3")
        assert ratio[place] == pytest.approx(2.0 if own else 1.0)


def test_line_families_do_not_depend_on_which_line_of_a_multiplet_is_stronger():
    assert line_family("L3M4") == line_family("L3M5") == ("L3", "M45")
    assert line_family("KL2") == line_family("KL3") == ("K", "L")
    assert line_family("L1M2") != line_family("L1M3")


def test_the_prior_binds_subshells_more_tightly_than_elements():
    names = ("Nd L1", "Nd L2", "Nd L3", "Ce L3", "Nd L3-N45", *COMMON)
    prior = prior_covariance(names)
    assert np.all(np.linalg.eigvalsh(prior) > 0.0)
    ratio = prior[1, 1] + prior[2, 2] - 2.0 * prior[1, 2]
    assert ratio < prior[2, 2]
    assert prior[2, 3] == prior[2, 4] == 0.0


def test_a_calibration_file_reads_back_to_the_same_calibration(calibration):
    again = parse_calibration(calibration_text(calibration))
    assert again.logs == pytest.approx(calibration.logs, rel=1e-9, abs=1e-12)
    assert again.covariance == pytest.approx(calibration.covariance, rel=1e-9, abs=1e-18)
    assert (again.names, again.metals) == (calibration.names, calibration.metals)
    assert again.to_dict()["unresolved"] == calibration.to_dict()["unresolved"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("matrix: chloride", "matrixx: chloride", "matrixx"),
        ("fingerprint: ", "fingerprint: zz", "zz"),
        ("name: tube voltage", "name: tube current", "end as they must"),
        ("covariance_of_logarithms:", "covariance_of_logarithms:\n- [0.1, 0.2]", "lengths"),
    ],
)
def test_a_damaged_calibration_file_is_refused(calibration, old, new, said):
    text = calibration_text(calibration)
    assert old in text
    with pytest.raises(DataError) as caught:
        parse_calibration(text.replace(old, new, 1))
    assert said in str(caught.value)


def test_a_covariance_that_is_none_is_refused(calibration):
    broken = replace(calibration, covariance=-calibration.covariance)
    with pytest.raises(DataError, match="eigenvalue"):
        parse_calibration(calibration_text(broken))


def test_another_instruments_calibration_is_refused(calibration):
    other = replace(INSTRUMENT, detector=replace(INSTRUMENT.detector, resolution=150.0))
    assert fingerprint(other) != fingerprint(INSTRUMENT)
    assert fingerprint(replace(INSTRUMENT, name="renamed")) == fingerprint(INSTRUMENT)
    with pytest.raises(DataError, match="fingerprint"):
        build_quantifier(other, METALS, calibration=calibration)


def test_drift_range_and_matrix_beyond_the_standards_are_flagged(calibration):
    inside = np.array([300.0, 300.0, 500.0, *calibration.drift])
    assert calibration_flags(calibration, METALS, "chloride", inside) == ()
    moved = inside.copy()
    moved[3:5] += [0.2, 30.0]
    (flag,) = calibration_flags(calibration, METALS, "chloride", moved)
    assert flag.name == "drift_since_calibration"
    assert "flux" in flag.text
    assert "zero" in flag.text
    high = inside.copy()
    high[0] = 2000.0
    (flag,) = calibration_flags(calibration, METALS, "chloride", high)
    assert (flag.name, flag.text.split()[0]) == ("outside_standards", "Ce")
    (flag,) = calibration_flags(calibration, METALS, "P507", inside)
    assert flag.name == "other_matrix_than_standards"
    (flag,) = calibration_flags(calibration, ("Ce", "La"), "chloride", inside)
    assert (flag.name, "La" in flag.text) == ("not_calibrated", True)


def test_standards_that_cannot_calibrate_are_refused(standards):
    with pytest.raises(SpecificationError, match="0 standards"):
        calibrate(INSTRUMENT, METALS, [])
    with pytest.raises(SpecificationError, match="concentrations"):
        calibrate(INSTRUMENT, METALS, [replace(standards[0], metals=np.zeros(3))])
    with pytest.raises(SpecificationError, match="concentrations"):
        calibrate(INSTRUMENT, METALS, [replace(standards[0], metals=np.array([-1.0, 0.0]))])
    foreign = replace(standards[0].spectrum, tube_voltage=30e3)
    with pytest.raises(DataError, match="kV"):
        calibrate(INSTRUMENT, METALS, [replace(standards[0], spectrum=foreign)])
