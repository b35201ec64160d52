"""What a steady state means: products, warnings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from raffinate.chemistry.elements import molar_masses, oxide_molar_masses
from raffinate.plant.outcome import (
    BARREN_LIMIT,
    BankStreams,
    is_below_limit,
    product_state,
    warnings_of,
)

ELEMENTS = ("Ce", "Pr", "Nd")


def bank(barren):
    organic = np.full((2, 5), 1.0)
    organic[-1, :3] = barren
    nothing = np.zeros(5)
    return BankStreams(
        unknowns=np.zeros((2, 7)),
        aqueous=np.ones((2, 5)),
        organic=organic,
        raffinate=nothing,
        drawn=nothing,
        organic_flow=1.0,
        organic_passed=np.ones(2),
    )


def test_purity_counts_oxides_and_recovery_metal():
    flow, fed = np.array([2.0, 1.0, 0.1]), np.array([2.5, 1.0, 3.0])
    state = product_state(flow, fed, ELEMENTS, ("Ce", "Pr"))
    mass = flow * np.array(oxide_molar_masses(ELEMENTS))
    assert state.purity == pytest.approx(mass[:2].sum() / mass.sum())
    assert state.recovery == pytest.approx(3.0 / 3.5)
    assert state.reo_flow == pytest.approx(mass.sum())
    assert sum(state.reo_fraction.values()) == pytest.approx(1.0)


def test_barren_organic_above_five_milligrams_is_warned_of(default_plant, nominal_state):
    per_mole = molar_masses(("Nd",))[0]
    for share, expected in ((0.99, 0), (1.01, 1)):
        barren = [0.0, 0.0, share * BARREN_LIMIT / per_mole]
        found = warnings_of(default_plant, bank(barren), nominal_state.products)
        assert len(found) == expected
    assert "mg/L Nd, above 5 mg/L" in found[0]


def test_a_product_below_its_limit_is_warned_of(default_plant, nominal_state):
    products = dict(nominal_state.products)
    products["nd"] = replace(products["nd"], purity=0.9985)
    (warning,) = warnings_of(default_plant, bank([0.0, 0.0, 0.0]), products)
    assert warning == "nd is 99.85000% of REO, below its limit 99.900%."


def test_a_purity_solved_for_at_its_limit_is_not_below_it(default_plant, nominal_state):
    """A solve leaves up to 1e-8 decades of impurity; 1e-5 decades are a miss."""
    limit = default_plant.products["nd"].purity_limit
    for decades, below in ((-1e-8, False), (1e-8, False), (1e-5, True)):
        purity = 1.0 - (1.0 - limit) * 10.0**decades
        assert is_below_limit(purity, limit) is below
        products = {"nd": replace(nominal_state.products["nd"], purity=purity)}
        assert bool(warnings_of(default_plant, bank([0.0, 0.0, 0.0]), products)) is below
    assert is_below_limit(float("nan"), limit)
    assert not is_below_limit(1.0, limit)
