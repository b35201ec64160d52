"""The simulated analyzer: spectrum, calibration, fit, reading."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from raffinate.errors import SpecificationError
from raffinate.instruments.quantify import quantify
from raffinate.instruments.quantify_fit import Fit
from raffinate.instruments.xrf_atomic import atom
from raffinate.instruments.xrf_chain import NO_LAW, DriftLaw, XrfChain
from raffinate.instruments.xrf_chain_build import (
    MOST_STANDARDS,
    ChainSpec,
    build_simulator,
    standard_liquors,
)
from raffinate.instruments.xrf_chain_mismatch import RATE_SD, YIELD_SD, draw_physics
from raffinate.instruments.xrf_chain_view import MOST_POINTS, spectrum_view
from raffinate.instruments.xrf_drift import NO_DRIFT, Drift

ELEMENTS = ("Ce", "Nd")
LIQUOR = np.array([450.0, 270.0])
SPEC = ChainSpec(elements=ELEMENTS, seed=1, matched=True)
MATCHED = XrfChain(spec=SPEC, calibration=None, law=NO_LAW)


@cache
def measured(place="stage 5", count=6):
    generator, state, found = np.random.default_rng(7), MATCHED.start(0.0), []
    for number in range(count):
        state, one = MATCHED.measure(state, LIQUOR, 70.0, 180.0 * number, generator, place=place)
        found.append(one)
    return state, found


def test_a_matched_analyzer_reads_what_is_there_within_its_uncertainty():
    readings = [one.reading for one in measured()[1]]
    away = np.array([(r.values - LIQUOR) / r.sigma for r in readings])
    assert np.all(np.abs(away) < 4.0)
    assert np.all(np.array([r.sigma for r in readings]) < 0.01 * LIQUOR)
    assert [r.quality for r in readings] == ["good"] * len(readings)
    assert all(0.8 < r.chi2_per_dof < 1.2 for r in readings)
    assert readings[1].result_time - readings[1].sample_time == MATCHED.count_time


def test_fits_of_a_place_begin_at_one_composition_until_it_moves_and_at_the_last_drift():
    state, found = measured()
    first, last = (found[place].result.fit.values for place in (0, -1))
    assert state.starts["stage 5"] == tuple(first[:3])
    assert state.nuisances == tuple(last[3:])
    noise = np.random.default_rng(8)
    after, moved = MATCHED.measure(state, 1.02 * LIQUOR, 70.0, 2000.0, noise, place="stage 5")
    assert after.starts["stage 5"] == tuple(moved.result.fit.values[:3])


def test_a_kept_start_reads_as_one_at_the_last_result_does():
    _, found = measured()
    quantifier, result = MATCHED.machine.quantifier, found[-1].result
    for share in (0.991, 1.009):
        begin = result.fit.values.copy()
        begin[:2] *= share
        again = quantify(found[-1].spectrum, quantifier, start=begin)
        away = (again.concentration - result.concentration) / result.sigma
        assert np.all(np.abs(away) < 0.02)
        np.testing.assert_allclose(again.sigma, result.sigma, rtol=0.02)


def test_the_same_state_and_generator_give_the_same_reading():
    state, _ = measured()
    first, second = (
        MATCHED.measure(state, LIQUOR, 70.0, 2000.0, np.random.default_rng(3), place="stage 5")
        for _ in range(2)
    )
    np.testing.assert_array_equal(first[1].reading.values, second[1].reading.values)


def test_a_spectrum_nothing_explains_gives_no_number(monkeypatch):
    from raffinate.errors import ConvergenceError
    from raffinate.instruments import xrf_chain

    def fails(*_, **__):
        raise ConvergenceError("no end", history=[1.0], where="XRF fit")

    monkeypatch.setattr(xrf_chain, "quantify", fails)
    _, one = MATCHED.measure(MATCHED.start(0.0), LIQUOR, 70.0, 0.0, np.random.default_rng(1))
    assert one.result is None
    assert one.reading.quality == "bad"
    assert one.reading.flags == ("no_fit",)
    assert np.isnan(one.reading.values).all()
    view = spectrum_view(one)
    assert view["fit"] == []
    assert len(view["counts"]) <= MOST_POINTS


def test_a_drift_beyond_range_is_a_bad_reading_with_its_flag():
    state = replace(MATCHED.start(0.0), drift=Drift(zero=90.0))
    still = replace(MATCHED, law=DriftLaw(zero_sd=0.0, gain_sd=0.0, flux_sd=0.0, flicker=0.0))
    _, one = still.measure(state, LIQUOR, 70.0, 0.0, np.random.default_rng(2))
    assert one.reading.quality == "bad"
    assert one.reading.flags


def test_the_spectrum_states_the_voltage_of_the_display_not_the_true_one():
    _, found = measured()
    assert found[0].spectrum.tube_voltage == build_simulator(SPEC).voltage


def test_drift_walks_about_nothing_with_its_stated_spread():
    law, generator, drift, seen = DriftLaw(), np.random.default_rng(5), NO_DRIFT, []
    for _ in range(4000):
        drift = law.moved(drift, 2.0 * law.memory, generator)
        seen.append((drift.zero, drift.gain, drift.flux - 1.0))
    np.testing.assert_allclose(
        np.std(seen, axis=0), (law.zero_sd, law.gain_sd, law.flux_sd), rtol=0.1
    )
    near = law.moved(Drift(zero=3.0), 1e-6, generator)
    assert near.zero == pytest.approx(3.0, abs=1e-3)


def test_physics_is_drawn_per_seed_with_the_stated_spread():
    drawn = [draw_physics(("Nd",), np.random.default_rng(seed)) for seed in range(300)]
    logs = {
        shell: np.log([{s: f for _, s, f in d.adjustment.fluorescence_yield}[shell] for d in drawn])
        for shell in YIELD_SD
    }
    for shell, sd in YIELD_SD.items():
        # Cut at two standard deviations, a normal draw keeps 0.96 of its spread.
        assert np.std(logs[shell]) == pytest.approx(0.96 * sd, rel=0.15)
    rates = np.log([f for d in drawn for _, _, f in d.adjustment.radiative_rate])
    assert np.std(rates) == pytest.approx(0.96 * RATE_SD, rel=0.05)
    assert draw_physics(("Nd",), np.random.default_rng(3)) == drawn[3]


@pytest.mark.parametrize("symbol", ["La", "Ce", "Nd", "Dy", "Yb"])
def test_no_drawn_atom_loses_more_vacancies_than_it_has(symbol):
    for seed in range(40):
        adjustment = draw_physics((symbol,), np.random.default_rng(seed)).adjustment
        one = atom(symbol, adjustment.of(symbol))
        assert np.all(one.cascade >= -1e-12)
        assert np.all(one.fluorescence_yield <= 1.0)


def test_standards_are_few_and_hold_each_metal_alone():
    liquors = standard_liquors(("Ce", "Pr", "Nd"))
    assert len(liquors) <= MOST_STANDARDS
    alone = [np.flatnonzero(metals) for metals, _ in liquors if np.count_nonzero(metals) == 1]
    assert {int(place[0]) for place in alone} == {0, 1, 2}
    assert len(standard_liquors([f"m{k}" for k in range(15)])) == MOST_STANDARDS


def test_an_analyzer_travels_without_its_machinery():
    assert len(pickle.dumps(MATCHED)) < 10_000


def test_impossible_liquors_are_refused():
    with pytest.raises(SpecificationError, match="concentration is"):
        MATCHED.measure(MATCHED.start(0.0), [-1.0, 2.0], 70.0, 0.0, np.random.default_rng(1))


def test_a_view_adds_channels_up_and_loses_no_count():
    one = measured()[1][0]
    view = spectrum_view(one)
    fit = one.result.fit
    assert isinstance(fit, Fit)
    assert len(view["counts"]) == len(view["fit"]) == len(view["residual"]) <= MOST_POINTS
    assert sum(view["counts"]) == one.spectrum.counts[one.result.model.channels].sum()
    assert sum(view["fit"]) == pytest.approx(fit.expected.counts.sum(), rel=1e-3)
    assert {"Ce", "Nd", "Cl", "Compton scatter"} <= set(view["parts"])
    assert all(len(part) == len(view["counts"]) for part in view["parts"].values())
    assert len(json.dumps(view, allow_nan=False)) < 100_000
    step, first = view["energy"]["step"], view["energy"]["first"]
    peak = first + step * int(np.argmax(view["parts"]["Nd"]))
    assert peak == pytest.approx(5.23, abs=0.06)


def test_parts_add_up_to_the_fit_but_for_pile_up():
    view = spectrum_view(measured()[1][0])
    total = np.sum(list(view["parts"].values()))
    assert total == pytest.approx(sum(view["fit"]), rel=0.03)
