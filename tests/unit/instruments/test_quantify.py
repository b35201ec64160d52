"""Concentrations from spectra: right where the physics is, honest where something is wrong."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from raffinate.chemistry.elements import oxide_molar_masses
from raffinate.errors import ConvergenceError, DataError, SpecificationError
from raffinate.instruments.quantify import build_quantifier, quantify
from raffinate.instruments.quantify_fit import deviance, fisher_information, inverse
from raffinate.instruments.quantify_flags import line_significance, misfit
from raffinate.instruments.quantify_limits import counting_limits, parameters
from raffinate.instruments.quantify_sample import sample_of
from raffinate.instruments.quantify_simulate import emsa_text, simulate_spectrum
from raffinate.instruments.spectrum_checks import calibrate_spectrum, check_spectrum
from raffinate.instruments.spectrum_file import parse_spectrum
from raffinate.instruments.xrf_drift import NO_DRIFT, Drift
from raffinate.instruments.xrf_instrument_file import load_instrument
from raffinate.instruments.xrf_spectrum_build import build_forward_model

METALS = ("Ce", "Nd")
LIQUOR = np.array([0.75, 0.25]) * 100.0 / np.array(oxide_molar_masses(METALS))


@pytest.fixture(scope="module")
def analyzer():
    return build_quantifier(load_instrument("online_rh_40kv"), METALS)


def measured(one, metals=LIQUOR, acid=500.0, seconds=100.0, seed=1, drift=NO_DRIFT):
    return simulate_spectrum(
        one.model,
        np.asarray(metals, dtype=float),
        acid,
        real_time=seconds,
        generator=np.random.default_rng(seed),
        drift=drift,
    )


@pytest.fixture(scope="module")
def spectrum(analyzer):
    return measured(analyzer)


@pytest.fixture(scope="module")
def result(analyzer, spectrum):
    return quantify(spectrum, analyzer)


def test_concentrations_acid_and_shares_are_found_within_their_uncertainty(result):
    assert np.all(np.abs(result.concentration - LIQUOR) < 4.0 * result.sigma)
    assert np.all(result.sigma < 0.005 * LIQUOR)
    acid, spread = result.nuisances["acid_mol_per_L"]
    assert abs(acid - 0.5) < 4.0 * spread
    share, share_sigma = result.reo_fraction
    assert share.sum() == pytest.approx(1.0)
    assert abs(share[0] - 0.75) < 4.0 * share_sigma[0]
    # Shares of two add up to one: they err together, in opposite ways.
    assert share_sigma[0] == pytest.approx(share_sigma[1])
    assert (result.flags, result.trusted) == ((), True)
    assert result.misfit.chi2_per_dof == pytest.approx(1.0, abs=0.15)


def test_drift_flux_and_acid_do_not_bias_the_total(analyzer):
    disturbed = measured(
        analyzer, acid=3000.0, drift=Drift(flux=0.98, zero=10.0, gain=-1e-3, variance=50.0)
    )
    found = quantify(disturbed, analyzer)
    total, spread = found.total_reo
    assert abs(total - 100.0) < max(4.0 * spread, 0.5)
    for name, value in (("flux", 0.98), ("zero_eV", 10.0), ("gain", -1e-3), ("width_eV2", 50.0)):
        here, sigma = found.nuisances[name]
        assert abs(here - value) < 5.0 * sigma


def test_a_metal_that_is_not_there_is_below_its_limit_and_has_no_number(analyzer):
    found = quantify(measured(analyzer, metals=[LIQUOR[0], 0.0]), analyzer).to_dict()
    assert found["elements"]["Nd"]["below_limit"] is True
    assert found["elements"]["Nd"]["g_per_L"] is None
    assert found["elements"]["Nd"]["reo_fraction"] is None
    assert found["elements"]["Ce"]["below_limit"] is False


def test_a_blank_has_neither_metals_nor_shares(analyzer):
    found = quantify(measured(analyzer, metals=[0.0, 0.0], acid=1000.0), analyzer)
    assert found.below_limit.all()
    assert found.to_dict()["elements"]["Ce"]["reo_fraction"] is None


def test_short_counts_are_not_pulled_down(analyzer):
    """Weights from counts would lose about one count in every channel."""
    pulls = []
    for seed in range(12):
        found = quantify(measured(analyzer, seconds=0.2, seed=seed), analyzer)
        pulls.append((found.concentration - LIQUOR) / found.sigma)
    assert np.all(np.abs(np.mean(pulls, axis=0)) < 4.0 / math.sqrt(12))


def test_a_line_nobody_asked_for_is_flagged_with_its_likely_element(analyzer):
    both = build_quantifier(load_instrument("online_rh_40kv"), (*METALS, "Fe"))
    found = quantify(measured(both, metals=[*LIQUOR, 20.0]), analyzer)
    texts = [flag.text for flag in found.flags if flag.name == "unknown_line"]
    assert any("6.4" in text and "Fe" in text for text in texts)


def test_an_organic_is_quantified_with_its_extractant():
    one = build_quantifier(load_instrument("online_rh_40kv"), METALS, "P507")
    found = quantify(measured(one, metals=[150.0, 30.0], acid=0.5), one)
    assert np.all(np.abs(found.concentration - [150.0, 30.0]) < 4.0 * found.sigma)
    share, spread = found.nuisances["extractant_volume_fraction"]
    assert abs(share - 0.5) < 4.0 * spread


def test_a_simulated_file_reads_back_to_the_same_result(analyzer, spectrum, result):
    again = quantify(parse_spectrum(emsa_text(spectrum)), analyzer)
    assert again.concentration == pytest.approx(result.concentration, rel=1e-9)


@pytest.mark.parametrize(
    "change",
    [
        {"counts": np.ones(1024)},
        {"gain": 10.0},
        {"zero": 400.0},
        {"tube_voltage": 30e3},
        {"anode": 74},
        {"gain": math.nan},
        {"live_time": math.nan, "real_time": math.nan},
    ],
)
def test_a_spectrum_of_another_instrument_or_without_scale_is_refused(analyzer, spectrum, change):
    with pytest.raises(DataError):
        quantify(replace(spectrum, **change), analyzer)


def no_plausible_number(spectrum, analyzer):
    try:
        found = quantify(spectrum, analyzer)
    except (DataError, ConvergenceError):
        return True
    entries = found.to_dict()["elements"].values()
    return bool(found.flags) and all(entry["g_per_L"] is None for entry in entries)


def test_saturated_cut_reversed_and_shifted_spectra_give_no_number(analyzer, spectrum):
    counts = spectrum.counts
    full = check_spectrum(replace(spectrum, counts=np.minimum(counts, 2.0**15 - 1.0)))
    assert no_plausible_number(full, analyzer)
    cut = np.where(np.arange(counts.size) < counts.size // 8, counts, 0.0)
    assert no_plausible_number(replace(spectrum, counts=cut), analyzer)
    assert no_plausible_number(replace(spectrum, counts=counts[::-1].copy()), analyzer)
    assert no_plausible_number(replace(spectrum, counts=np.roll(counts, 20)), analyzer)


def test_all_zero_is_refused_on_reading(spectrum):
    with pytest.raises(DataError, match="zero"):
        check_spectrum(replace(spectrum, counts=np.zeros(2048)))


def test_a_stated_calibration_of_the_file_does_not_move_the_result(analyzer, spectrum, result):
    """Channels are the instrument's; a file's own slightly different scale is only compared."""
    near = calibrate_spectrum(spectrum, zero=5.0, gain=20.01)
    assert quantify(near, analyzer).concentration == pytest.approx(result.concentration)


def test_a_missing_live_time_is_assumed_aloud(analyzer, spectrum):
    found = quantify(replace(spectrum, live_time=math.nan), analyzer)
    assert "live_time_assumed" in [flag.name for flag in found.flags]


def test_the_jacobian_is_the_difference_quotient_of_the_model(analyzer):
    model = analyzer.model
    values = np.array([*LIQUOR, 800.0, 1.02, 6.0, 5e-4, 30.0])
    slopes = model.slopes(values)
    here = model.expected(values, 100.0, slopes)
    jacobian = model.jacobian(values, here, slopes, 100.0)
    steps = np.array([2.0, 2.0, 10.0, 1e-3, 0.3, 1e-5, 3.0])
    for place, step in enumerate(steps):
        move = np.eye(len(values))[place] * step
        up, down = (model.expected(values + s * move, 100.0, slopes).counts for s in (1.0, -1.0))
        quotient = (up - down) / (2.0 * step)
        assert jacobian[:, place] == pytest.approx(quotient, abs=0.01 * np.abs(quotient).max())


def test_the_bound_shrinks_with_the_root_of_time_and_holds_for_results(analyzer, result):
    values = parameters(analyzer.model, LIQUOR, 500.0)
    short, long = (counting_limits(analyzer.model, values, time) for time in (25.0, 100.0))
    assert short.sigma == pytest.approx(2.0 * long.sigma, rel=0.01)
    assert result.sigma == pytest.approx(long.sigma[:2], rel=0.1)
    assert np.all(long.detection < LIQUOR)
    with pytest.raises(SpecificationError):
        counting_limits(analyzer.model, values, 0.0)


def test_the_detection_limit_is_met_by_the_share_it_promises(analyzer):
    """Nd at Currie's limit is seen above the decision threshold in about 95 of 100 spectra."""
    values = parameters(analyzer.model, [LIQUOR[0], 0.0], 500.0)
    limits = counting_limits(analyzer.model, values, 100.0)
    limit, sigma = float(limits.detection[1]), float(limits.sigma[1])
    assert limit == pytest.approx(3.29 * sigma, rel=0.1)


def test_weak_lines_of_much_neodymium_are_not_read_as_cerium(analyzer):
    """Nd L3M2 and L3M3, 1e-4 of Nd each, stand on both sides of Ce Lα; here without noise."""
    instrument, sample = analyzer.model.instrument, analyzer.model.sample
    finer = replace(analyzer.model, forward=build_forward_model(instrument, sample.components))
    spectrum = measured(replace(analyzer, model=finer), [0.0, 850.0])
    found = finer.forward.recorded(sample.masses(np.array([0.0, 850.0]), 500.0))
    result = quantify(replace(spectrum, counts=found * spectrum.live_time), analyzer)
    assert abs(result.concentration[0]) < 0.5 * result.sigma[0] < 1e-4 * 850.0


def test_small_linear_algebra():
    jacobian = np.array([[1.0, 0.0], [0.0, 1e6], [1.0, 1e6]])
    information = fisher_information(jacobian, np.array([4.0, 4.0, 4.0]))
    assert information == pytest.approx(np.array([[0.5, 0.25e6], [0.25e6, 0.5e12]]))
    assert inverse(information) @ information == pytest.approx(np.eye(2), abs=1e-6)
    singular = np.ones((2, 2))
    stacked = inverse(np.array([information, singular]))
    assert stacked[0] @ information == pytest.approx(np.eye(2), abs=1e-6)
    assert stacked[1] == pytest.approx(np.full((2, 2), 0.25))
    assert deviance(np.array([3.0, 0.0]), np.array([3.0, 2.0])) == pytest.approx(4.0)


def test_samples_are_named_or_refused():
    assert sample_of(["Nd"], "P507").unknown.name == "extractant_volume_fraction"
    for metals, matrix in (([], "chloride"), (["Nd", "Nd"], "chloride"), (["Nd"], "beer")):
        with pytest.raises(SpecificationError):
            sample_of(metals, matrix)


def test_a_soil_is_silica_water_and_what_is_sought():
    sample = sample_of(["Fe", "Pb"], "soil")
    masses = dict(zip(sample.components, sample.masses(np.array([100.0, 1.0]), 0.7), strict=True))
    assert sum(masses.values()) == pytest.approx(1500.0)
    silica = masses["Si"] / (0.7 * (1500.0 - masses["Fe"] - masses["Pb"]))
    assert silica == pytest.approx(28.086 / 60.084, rel=1e-3)
    with pytest.raises(SpecificationError, match="Si"):
        sample_of(["Si", "Fe"], "soil")


def test_a_misfit_as_wide_as_a_line_widens_more_than_single_channels(analyzer):
    model = analyzer.model
    values = parameters(model, LIQUOR, 500.0)
    expected = model.expected(values, 100.0, model.slopes(values)).counts
    counts = np.random.default_rng(5).poisson(expected).astype(float)
    quiet = misfit(counts, expected, 7, line_significance(model, counts, expected))
    assert (quiet.poor, quiet.widening) == (False, 1.0)
    assert quiet.line_scatter == pytest.approx(1.0, abs=0.2)
    waves = counts + 2.0 * np.sqrt(expected) * np.sin(np.arange(len(counts)) / 4.0)
    rough = misfit(waves, expected, 7, line_significance(model, waves, expected))
    assert rough.poor
    assert rough.widening == rough.line_scatter > 1.2 * rough.chi2_per_dof**0.5


def test_the_covariance_is_that_of_slopes_where_the_fit_ends(analyzer):
    """A start of equal parts must not leave its own slopes behind."""
    truth = np.array([20.0, 600.0])
    found = quantify(measured(analyzer, metals=truth), analyzer)
    limits = counting_limits(analyzer.model, parameters(analyzer.model, truth, 500.0), 100.0)
    assert found.sigma == pytest.approx(limits.sigma[:2], rel=0.1)
