from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raffinate.chemistry.fit_model import contact_flasks
from raffinate.chemistry.fit_priors import EffectPriors, LoadingPrior
from raffinate.chemistry.fit_problem import Problem, build_problem
from raffinate.chemistry.loading import LoadingModel
from raffinate.errors import ConvergenceError, SpecificationError
from raffinate.lab.shake_out import (
    AcidityReading,
    ShakeOutTable,
    load_shake_outs,
    parse_shake_outs,
)
from raffinate.sources import Source
from shake_out_tables import FLASKS, TRUE_LOG10_K, table_text

ELEMENTS = tuple(TRUE_LOG10_K)
TRUTH = np.array(list(TRUE_LOG10_K.values()))


@cache
def flask_table() -> ShakeOutTable:
    """One table for every example, which hypothesis cannot take from a fixture."""
    return parse_shake_outs(table_text(FLASKS))


def problem_of(reading: AcidityReading) -> Problem:
    table = replace(load_shake_outs("pc88a_hcl_batch_tests"), acidity_reading=reading)
    return build_problem(
        table,
        table.elements,
        keep=np.ones(len(table.test_id), dtype=bool),
        separations=(),
        loading=LoadingPrior(),
        effects=EffectPriors(),
        log10_exchange_constant=-4.5,
    )


@pytest.mark.parametrize("reading", ["feed", "equilibrium"])
def test_slopes_agree_with_differences(reading: AcidityReading) -> None:
    problem = problem_of(reading)
    unknowns = np.zeros(problem.size)
    unknowns[:9] = -2.1, -2.4, -2.7, -3.6, 0.6, -1.0, 1.0, 0.3, 0.2
    _, slopes = problem.predict(unknowns)
    for place in (0, 4, 7, 8, 10, 20):
        step = 1e-5 * (np.arange(problem.size) == place)
        above, below = problem.predict(unknowns + step)[0], problem.predict(unknowns - step)[0]
        np.testing.assert_allclose((above - below) / 2e-5, slopes[:, :, place], atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(
    oa_ratio=st.floats(0.05, 20.0),
    degree=st.floats(0.0, 0.45),
    level=st.floats(0.0, 1.0),
    spread=st.floats(-0.2, 0.4),
)
def test_saponified_flasks_at_any_ratio_balance(
    oa_ratio: float, degree: float, level: float, spread: float
) -> None:
    table = flask_table()
    tests = np.ones(len(table.test_id))
    table = replace(table, oa_ratio=oa_ratio * tests, saponification_degree=degree * tests)
    kappa = TRUTH + 1.0
    contact = contact_flasks(table, ELEMENTS, TRUTH, kappa=kappa, terms=(level, spread))
    ratio = 10.0**contact.log10_ratio
    organic = table.aqueous_feed * ratio / (1.0 + oa_ratio * ratio)
    bound = np.bincount(table.test, weights=3.0 * organic)
    dimer = 0.5 * table.extractant_concentration
    np.testing.assert_allclose(contact.loading, bound / dimer, rtol=1e-8)
    put_in = degree * table.extractant_concentration
    salt = dimer - contact.free_dimer - bound
    in_liquor = put_in - salt
    expected = table.acidity + oa_ratio * (bound - in_liquor)
    np.testing.assert_allclose(contact.proton, expected, rtol=1e-6, atol=1e-6)
    exchange = salt * contact.proton / (oa_ratio * in_liquor * contact.free_dimer + 1e-300)
    if degree > 0.01:
        np.testing.assert_allclose(np.log10(exchange), -4.5, atol=1e-3)
    model = LoadingModel(
        level=level, spread=spread, reference=-1.0, source=Source(title="made up for this test")
    )
    share = (3.0 * organic / dimer[table.test]).reshape(-1, 3)
    gamma = model.log10_coefficients(TRUTH, share).reshape(-1)
    drive = 3.0 * np.log10(contact.free_dimer / contact.proton)[table.test]
    constants = np.tile(TRUTH, len(FLASKS))
    np.testing.assert_allclose(contact.log10_ratio, constants + drive - gamma, atol=1e-8)


def test_loading_model_is_symmetric_and_lowers_separation() -> None:
    model = LoadingModel(
        level=0.2, spread=0.3, reference=-1.0, source=Source(title="made up for this test")
    )
    constants = np.array([-2.6, -2.1])
    unit = np.eye(2)
    cross = [model.log10_coefficients(constants, unit[place]) for place in (0, 1)]
    assert cross[0][1] == pytest.approx(cross[1][0])
    trace, full = (model.separation_factor(-2.1, -2.6, share) for share in (0.0, 1.0))
    assert np.log10(full) == pytest.approx(0.7 * np.log10(trace))
    with pytest.raises(SpecificationError, match="finite"):
        replace(model, level=float("nan"))


def test_over_saponified_flasks_are_refused() -> None:
    table = flask_table()
    table = replace(table, saponification_degree=np.full(len(table.test_id), 0.9))
    with pytest.raises(SpecificationError, match="leaves no acid"):
        contact_flasks(table, ELEMENTS, TRUTH)


def test_constants_beyond_the_bracket_are_told() -> None:
    with pytest.raises(ConvergenceError, match="balances are open"):
        contact_flasks(flask_table(), ELEMENTS, TRUTH + 400.0)
