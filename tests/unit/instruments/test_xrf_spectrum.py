from dataclasses import replace

import numpy as np
import pytest

from raffinate.errors import SpecificationError
from raffinate.instruments.quantify_model import TOLERANCE
from raffinate.instruments.xrf_atomic import AtomicAdjustment
from raffinate.instruments.xrf_drift import Drift
from raffinate.instruments.xrf_instrument_file import load_instrument
from raffinate.instruments.xrf_matrix import liquor, organic
from raffinate.instruments.xrf_spectrum_build import build_forward_model

INSTRUMENT = replace(load_instrument("online_rh_40kv"), gain=40.0, channels=1000)
STREAM = liquor(("Ce", "Nd"))
MASSES = STREAM.masses([400.0, 150.0], 100.0)


@pytest.fixture(scope="module")
def model():
    return build_forward_model(INSTRUMENT, STREAM.components)


def _near(energies, energy, width=120.0):
    return np.abs(energies - energy) < width


def test_lines_stand_where_the_tables_put_them_and_grow_with_the_metal(model):
    few, more = (model.spectrum(STREAM.masses([0.0, c], 100.0)) for c in (50.0, 100.0))
    energies = INSTRUMENT.energies
    rise = more - few
    assert energies[np.argmax(rise)] == pytest.approx(5230.0, abs=40.0)
    for line in (5722.0, 6090.0):
        assert np.sum(rise[_near(energies, line)]) > 0.0


def test_parts_add_up_to_the_whole(model):
    parts = model.contributions(MASSES)
    assert parts.total == pytest.approx(model.spectrum(MASSES), rel=1e-9, abs=1e-9)
    assert ("Nd", "L3") in parts.groups
    assert ("Cl", "K") in parts.groups
    assert parts.fluorescence.shape == (1000, len(parts.groups))
    nd = parts.fluorescence[:, parts.groups.index(("Nd", "L3"))]
    assert parts.energies[np.argmax(nd)] == pytest.approx(5230.0, abs=40.0)


def test_rate_is_what_an_on_line_analyzer_counts(model):
    """About 1e5 counts/s on a strong liquor; the instrument's solid angles are chosen so."""
    assert 3e4 < np.sum(model.spectrum(STREAM.masses([600.0, 300.0], 100.0))) < 2e5


def test_enhancement_adds_and_can_be_left_out(model):
    bare = replace(model, enhancement=False, scatter_enhancement=False)
    one = replace(model, scatter_enhancement=False)
    primary, secondary = bare.line_intensities(MASSES)
    assert np.all(secondary == 0.0)
    first, second = one.line_intensities(MASSES)
    assert first == pytest.approx(primary)
    assert np.all(second >= 0.0)
    ce = [place for place, group in enumerate(one.groups) if group[0] == "Ce"]
    own = np.isin(one.tables.group, ce)
    assert 0.0 < np.sum(second[own]) < 0.05 * np.sum(first[own])
    assert np.all(model.line_intensities(MASSES)[1] > second)


def test_acid_absorbs_the_lines_and_weakens_the_scatter(model):
    weak = model.contributions(STREAM.masses([400.0, 150.0], 0.0))
    strong = model.contributions(STREAM.masses([400.0, 150.0], 3000.0))
    assert np.sum(strong.fluorescence) < np.sum(weak.fluorescence)
    assert np.sum(strong.compton) < np.sum(weak.compton)


def test_water_scatters_more_than_liquor_and_a_thin_cell_scatters_less(model):
    water = STREAM.masses([0.0, 0.0])
    assert np.sum(model.scattered(water)[1]) > np.sum(model.scattered(MASSES)[1])
    thin = replace(model, beam=replace(model.beam, depth=1e-4))
    assert np.sum(thin.scattered(water)[1]) < 0.2 * np.sum(model.scattered(water)[1])
    assert np.sum(thin.spectrum(MASSES)) < np.sum(model.spectrum(MASSES))


def test_pruning_loses_no_more_than_its_tolerance():
    exact = build_forward_model(INSTRUMENT, STREAM.components, tolerance=1e-6).spectrum(MASSES)
    for tolerance in (1e-3, 1e-2):
        rough = build_forward_model(INSTRUMENT, STREAM.components, tolerance=tolerance)
        lost = 1.0 - np.sum(rough.spectrum(MASSES)) / np.sum(exact)
        assert 0.0 <= lost < 1.5 * tolerance
        assert len(rough.emission.lines) < 130


def test_a_simulated_spectrum_lacks_no_line_that_a_fit_expects(model):
    """Nd L3M3 beside Ce Lα is 1e-4 of Nd: expected and missing, it reads as too little cerium."""
    fitted = build_forward_model(INSTRUMENT, STREAM.components, tolerance=TOLERANCE)
    names = [
        set(zip(one.emission.lines.component.tolist(), one.emission.lines.name, strict=True))
        for one in (fitted, model)
    ]
    assert names[0] < names[1]
    assert (STREAM.components.index("Nd"), "L3M3") in names[0]


def test_lines_of_another_beam_are_sums_over_its_nodes(model):
    flux = model.beam.flux
    upper = np.where(np.arange(len(flux)) > len(flux) // 2, flux, 0.0)
    sums = model.line_sums(MASSES, np.array([flux, upper, flux - upper]))
    primary, secondary = model.line_intensities(MASSES)
    assert sums[:, 0] == pytest.approx(primary + secondary, rel=1e-12)
    assert sums[:, 1] + sums[:, 2] == pytest.approx(sums[:, 0], rel=1e-12)
    assert 0.0 < np.sum(sums[:, 1]) < np.sum(sums[:, 0])


def test_scatter_is_a_sum_over_the_beam_and_mostly_of_one_turn(model):
    flux = model.beam.flux
    counts, once = model.scattered_by(MASSES, np.array([flux, 0.5 * flux]))
    coherent, compton = model.scattered(MASSES)
    assert counts[:, 0] == pytest.approx(coherent + compton, rel=1e-9, abs=1e-12)
    assert counts[:, 1] == pytest.approx(0.5 * counts[:, 0], rel=1e-12)
    assert np.all(once <= compton + 1e-9 * np.max(compton))
    assert 0.7 < np.sum(once) / np.sum(compton) < 1.0


def test_drifts_do_what_they_say(model):
    nominal = model.spectrum(MASSES)
    assert model.spectrum(MASSES, Drift(flux=1.02)) == pytest.approx(1.02 * nominal)
    fouled = model.spectrum(MASSES, Drift(fouling=0.01))
    energies = INSTRUMENT.energies
    soft = np.sum(fouled[_near(energies, 2622.0)]) / np.sum(nominal[_near(energies, 2622.0)])
    hard = np.sum(fouled[energies > 15e3]) / np.sum(nominal[energies > 15e3])
    assert soft < hard < 1.0
    moved = model.spectrum(MASSES, Drift(zero=40.0))
    assert moved[100:900] == pytest.approx(nominal[99:899], rel=1e-6, abs=1e-6)
    parts = model.contributions(MASSES, Drift(zero=13.0, gain=1e-3, variance=50.0, flux=0.9))
    whole = model.spectrum(MASSES, Drift(zero=13.0, gain=1e-3, variance=50.0, flux=0.9))
    assert parts.total == pytest.approx(whole, rel=1e-9, abs=1e-9)


def test_voltage_changes_hard_excitation_most(model):
    lower = build_forward_model(INSTRUMENT, STREAM.components, voltage=39.7e3)
    ratio = lower.spectrum(MASSES) / np.maximum(model.spectrum(MASSES), 1e-30)
    energies = INSTRUMENT.energies
    assert 0.95 < np.median(ratio[_near(energies, 5230.0)]) < 1.0
    assert np.median(ratio[_near(energies, 30e3)]) < np.median(ratio[_near(energies, 5230.0)])


def test_adjusted_atoms_change_one_group_only(model):
    changed = build_forward_model(
        INSTRUMENT,
        STREAM.components,
        adjustment=AtomicAdjustment(fluorescence_yield=(("Nd", "L3", 1.05),)),
    )
    before, after = (
        np.sum(one.contributions(MASSES).fluorescence, axis=0) for one in (model, changed)
    )
    ratio = dict(zip(model.groups, after / before, strict=True))
    assert ratio["Nd", "L3"] == pytest.approx(1.05, abs=2e-3)
    assert ratio["Nd", "L2"] == pytest.approx(1.0, abs=2e-3)
    assert ratio["Ce", "L3"] == pytest.approx(1.0, abs=2e-3)


def test_counting_is_poisson_and_repeats_with_its_generator(model):
    first, live = model.count(MASSES, 10.0, np.random.default_rng(1))
    again, _ = model.count(MASSES, 10.0, np.random.default_rng(1))
    other, _ = model.count(MASSES, 10.0, np.random.default_rng(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert 0.8 * 10.0 < live < 10.0
    expected = model.recorded(MASSES) * live
    seen = expected > 20.0
    chi2 = np.mean((first[seen] - expected[seen]) ** 2 / expected[seen])
    assert chi2 == pytest.approx(1.0, abs=5.0 * np.sqrt(2.0 / np.sum(seen)))


def test_an_organic_is_seen_too():
    masses = organic({"Nd": 150.0}, "P507", 0.5)
    model = build_forward_model(INSTRUMENT, tuple(masses))
    spectrum = model.spectrum(model.masses(masses))
    assert INSTRUMENT.energies[np.argmax(spectrum)] == pytest.approx(5230.0, abs=40.0)


def test_what_cannot_be_measured_is_refused(model):
    with pytest.raises(SpecificationError, match="Fe"):
        model.masses({"Fe": 1.0})
    for wrong in (np.zeros(len(MASSES)), -MASSES, np.full(len(MASSES), np.nan), MASSES[:-1]):
        with pytest.raises(SpecificationError, match="XRF model"):
            model.spectrum(wrong)
    with pytest.raises(SpecificationError, match="time"):
        model.count(MASSES, 0.0, np.random.default_rng(1))
    with pytest.raises(SpecificationError, match="each once"):
        build_forward_model(INSTRUMENT, ("Nd", "Nd"))
