"""The online analyzer of the virtual plant: line, cell, model of the readings."""

from __future__ import annotations

import pickle
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from raffinate.errors import DataError
from raffinate.instruments.schedule import Slot
from raffinate.instruments.xrf_chain import XrfChain
from raffinate.instruments.xrf_chain_build import ChainSpec
from raffinate.plant.analyzer_file import MODEL_VARIABLE
from raffinate.plant.analyzer_plan import CheckPlan
from raffinate.plant.plant_file import load_plant
from raffinate.runtime import twin_analyzer
from raffinate.runtime.loop import PlantRun
from raffinate.runtime.twin_analyzer import TwinAnalyzer, kept_calibration
from raffinate.units import HOUR

LIGHT, HEAVY = np.array([268.0, 110.0, 0.2]), np.array([1e-6, 0.5, 861.0])
LINE = {"sample_flow": 2e-5, "line_volume": 3e-4, "cell_volume": 2e-4}


@cache
def plant(model="statistical", *, line=False):
    found = load_plant("ceprnd_p507")
    clean = dict.fromkeys(LINE, 0.0)
    plan = replace(found.analyzer, model=model, **(LINE if line else clean))
    return replace(found, analyzer=plan)


def slot(number, stream="stage 5", purge=80.0):
    begins = 180.0 * number
    return Slot(
        index=number,
        stream=stream,
        purge_time=begins,
        sample_time=begins + purge,
        result_time=begins + purge + 100.0,
    )


def test_an_analyzer_of_a_seed_keeps_its_bias_and_a_matched_one_has_none():
    def mean(seed, *, matched):
        gain = None if matched else np.random.default_rng(seed)
        one = TwinAnalyzer(plant(), seed, gain, matched=matched)
        noise = np.random.default_rng(9)
        read = [one.measure(slot(k), LIGHT, 40.0, noise).values for k in range(300)]
        return np.mean(read, axis=0)

    np.testing.assert_allclose(mean(1, matched=True)[:2], LIGHT[:2], rtol=5e-4)
    assert not np.allclose(mean(1, matched=False)[:2], mean(2, matched=False)[:2], rtol=1e-4)


def test_what_was_in_the_cell_is_corrected_for_and_widens_the_uncertainty():
    carried, clean = [], []
    for seed in range(40):
        for line, kept in ((True, carried), (False, clean)):
            one = TwinAnalyzer(plant(line=line), seed, None, matched=False)
            noise = np.random.default_rng(seed)
            one.measure(slot(0, "nd"), HEAVY, 2900.0, noise)
            kept.append(one.measure(slot(1, "cepr", 60.0), LIGHT, 40.0, noise))
    away = np.array([(r.values[2] - LIGHT[2]) / r.sigma[2] for r in carried])
    assert np.mean([r.sigma[2] for r in carried]) > 3.0 * np.mean([r.sigma[2] for r in clean])
    # A time constant off by a tenth is no small change of an exponential: hence the tail.
    assert np.mean(np.abs(away) < 2.0) > 0.85
    assert all("carry_over" in reading.flags for reading in carried)


def test_a_matched_analyzer_has_a_clean_cell():
    one = TwinAnalyzer(plant(line=True), 3, None, matched=True)
    noise = np.random.default_rng(1)
    one.measure(slot(0, "nd"), HEAVY, 2900.0, noise)
    assert one.measure(slot(1, "cepr", 60.0), LIGHT, 40.0, noise).flags == ()


def test_readings_without_spectra_show_none():
    one = TwinAnalyzer(plant(), 1, None, matched=True)
    one.measure(slot(0), LIGHT, 40.0, np.random.default_rng(1))
    assert one.shown() is None


def test_the_chain_reads_the_liquor_shows_its_spectrum_and_travels_light():
    one = TwinAnalyzer(plant("chain"), 1, None, matched=True)
    one.prepare()
    reading = one.measure(slot(0), LIGHT, 40.0, np.random.default_rng(1))
    assert np.all(np.abs(reading.values - LIGHT) < 4.0 * reading.sigma)
    assert reading.quality == "good"
    assert one.shown()["place"] == "stage 5"
    text = pickle.dumps(one)
    assert len(text) < 50_000
    again = pickle.loads(text)
    assert again.shown() is None
    first, second = (
        each.measure(slot(1), LIGHT, 40.0, np.random.default_rng(2)) for each in (one, again)
    )
    np.testing.assert_array_equal(first.values, second.values)


def test_a_calibration_is_made_once_and_kept(tmp_path, monkeypatch):
    made = []

    class Stands:
        pass

    def make(spec):
        made.append(spec)
        return Stands()

    monkeypatch.setattr(twin_analyzer, "cache_directory", lambda: tmp_path)
    monkeypatch.setattr(twin_analyzer, "commissioned", make)
    monkeypatch.setattr(twin_analyzer, "Calibration", Stands)
    monkeypatch.setattr(twin_analyzer, "save_checkpoint", lambda file, _: file.write_bytes(b"x"))
    monkeypatch.setattr(twin_analyzer, "load_checkpoint", lambda file: _found(file, Stands))
    spec = ChainSpec(elements=("Ce",), seed=1)
    assert isinstance(kept_calibration(spec), Stands)
    assert isinstance(kept_calibration(spec), Stands)
    kept_calibration(replace(spec, seed=2))
    assert made == [spec, replace(spec, seed=2)]
    assert kept_calibration(replace(spec, matched=True)) is None


def test_a_machine_is_kept_and_its_readings_are_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(twin_analyzer, "cache_directory", lambda: tmp_path)
    made, again = (TwinAnalyzer(plant("chain"), 1, None, matched=True) for _ in range(2))
    made.prepare()
    (file,) = (tmp_path / "calibrations").glob("*.machine")
    monkeypatch.setattr(twin_analyzer, "_kept", _never)
    again.prepare()
    first, second = (
        each.measure(slot(1), LIGHT, 40.0, np.random.default_rng(2)) for each in (made, again)
    )
    np.testing.assert_array_equal(first.values, second.values)
    np.testing.assert_array_equal(first.covariance, second.covariance)
    file.write_bytes(b"torn")
    with pytest.raises(AssertionError, match="made anew"):
        TwinAnalyzer(plant("chain"), 1, None, matched=True).prepare()


def _never(file, made):
    raise AssertionError("made anew")


@pytest.mark.slow
def test_the_default_plant_is_read_through_its_spectra(monkeypatch):
    monkeypatch.delenv(MODEL_VARIABLE)
    hours, taken = 2.0, []
    run = PlantRun(load_plant("ceprnd_p507"), matched=True, duration=hours * HOUR, story=())
    measure = XrfChain.measure

    def counted(*arguments, **options):
        state, measured = measure(*arguments, **options)
        taken.append(measured.reading)
        return state, measured

    monkeypatch.setattr(XrfChain, "measure", counted)
    summary = run.run_to_end()
    # 80 s of purge and 100 s of counting for each.
    assert len(taken) == round(hours * HOUR / 180.0)
    assert {reading.quality for reading in taken} == {"good"}
    assert all(0.8 < reading.chi2_per_dof < 1.2 for reading in taken)
    assert run.twin.analyzer.shown()["place"] == taken[-1].place
    assert summary["balance_error"] < 1e-9


def _found(file, kind):
    if not file.exists():
        raise DataError("none", where=str(file))
    return kind()


@pytest.mark.slow
def test_a_calibrated_analyzer_of_drawn_physics_reads_what_is_there():
    one = TwinAnalyzer(plant("chain"), 1, None, matched=False)
    noise, liquor = np.random.default_rng(1), np.array([449.0, 779.0, 269.0])
    read = [one.measure(slot(k), liquor, 71.0, noise) for k in range(6)]
    assert all(reading.quality == "good" for reading in read)
    found = np.mean([reading.fractions("oxide")[0] for reading in read], axis=0)
    true = replace(read[0], values=liquor).fractions("oxide")[0]
    np.testing.assert_allclose(found, true, atol=1e-3)


def test_the_chain_learns_its_bias_from_assays_and_shows_it():
    one = TwinAnalyzer(plant("chain"), 1, None, matched=True)
    one._bias = one._filter.start(0.0)
    noise = np.random.default_rng(1)
    for number in range(12):
        reading = one.measure(slot(number, "cepr"), LIGHT, 40.0, noise)
        assay = replace(
            reading,
            values=LIGHT * np.array([1.02, 1.0, 1.0]),
            covariance=np.diag((0.005 * LIGHT) ** 2),
            instrument="assay",
        )
        one.learn(assay)
        one.learn(replace(assay, place="nd"))
    shown = one.shown()
    assert shown["assays"] == 12
    cerium, praseodymium, neodymium = shown["bias"]
    assert cerium["percent"] > 0.5
    assert cerium["sigma_percent"] < 0.2
    assert abs(praseodymium["percent"]) < 0.3
    assert neodymium["percent"] == 0.0


def assayed(reading, values):
    return replace(
        reading,
        values=values,
        covariance=np.diag((0.005 * values) ** 2),
        instrument="assay",
    )


def test_a_statistical_analyzer_is_corrected_by_the_laboratory_only_where_asked_to():
    noise = np.random.default_rng(1)
    true = LIGHT * np.array([1.02, 1.0, 1.0])
    found = {}
    for wanted in (None, True):
        other = replace(plant().analyzer, laboratory_bias=wanted)
        gain = np.random.default_rng(1)
        one = TwinAnalyzer(replace(plant(), analyzer=other), 1, gain, matched=False)
        for number in range(30):
            reading = one.measure(slot(number, "cepr"), LIGHT, 40.0, noise)
            one.learn(assayed(reading, true))
        found[wanted] = one.measure(slot(31, "stage 5"), LIGHT, 40.0, noise).values[0] / LIGHT[0]
    assert found[None] == pytest.approx(1.0, abs=5e-3)
    assert found[True] > found[None] + 5e-3


def test_a_recalibration_leaves_less_for_the_laboratory_to_correct():
    checks = CheckPlan(
        blank_interval=86400.0,
        standard_interval=28800.0,
        standard=(400.0, 200.0, 400.0),
        acid=500.0,
        relative_sd=0.0,
        count_time=300.0,
        purge_time=120.0,
        repeats=1,
    )
    plan = replace(plant().analyzer, laboratory_bias=True, checks=checks)
    one = TwinAnalyzer(replace(plant(), analyzer=plan), 1, None, matched=False)
    one._bias = replace(one._bias, factor=np.array([0.03, 0.0, 0.0]))
    noise = np.random.default_rng(1)
    check = one.measure(slot(0, "standard"), np.array([400.0, 200.0, 400.0]), 500.0, noise)
    low = replace(check, values=check.values * np.array([0.97, 1.0, 1.0]))
    assert one.checked(low).verdict == "failed"
    assert one.checked(low).verdict == "recalibrated"
    assert one._bias.factor[0] == pytest.approx(0.0, abs=3e-3)
    reading = one.measure(slot(1), LIGHT, 40.0, noise)
    assert reading.values[0] == pytest.approx(LIGHT[0] / 0.97, rel=5e-3)
