"""The shipped plant stays the plant the documents describe.

Wide enough for a better constant, too narrow for a lost factor: flows and reagents as designed.
"""

from __future__ import annotations

import numpy as np
import pytest


def test_nominal_operation_is_that_of_the_design(nominal_state):
    operation = nominal_state.operation
    organic, acid, scrub, feed = (
        getattr(operation, name) * 3600.0
        for name in ("organic_flow", "acid_flow", "scrub_flow", "feed_flow")
    )
    assert feed == pytest.approx(1.22)
    assert 12.0 < organic < 17.0
    assert 8.0 < organic / acid < 9.5, "volumes in the strip"
    assert 0.5 < scrub / acid < 0.8
    fed = operation.feed_flow * operation.feed_concentration(nominal_state.elements).sum()
    extraction_ratio = nominal_state.organic_flow * nominal_state.organic[25].sum() / fed
    assert 1.46 < extraction_ratio < 2.2, "mol per mol of feed; 1.46 is the least possible"


def test_profile_is_that_of_an_industrial_bank(nominal_state):
    extraction = slice(0, 26)
    assert nominal_state.pH[extraction].min() > 0.9
    assert nominal_state.pH[extraction].max() < 2.0
    loading = nominal_state.organic[20].sum()
    assert 150.0 < loading < 220.0, "mol/m³ of rare earths in the organic"
    nd = nominal_state.aqueous[:, 2] / nominal_state.aqueous.sum(axis=1)
    assert nd[0] < 1e-3
    assert nd[60] > 0.999
    assert (np.diff(nd[26:60]) > 0.0).all(), "Nd rises along the scrub"


def test_reagents_per_tonne_are_of_the_right_size(nominal_state):
    assert 0.4 < nominal_state.reagents["NH3"] < 0.8
    assert 1.0 < nominal_state.reagents["HCl"] < 2.0
    assert sum(p.reo_flow for p in nominal_state.products.values()) * 3600 * 8000 == pytest.approx(
        2.0e6, rel=0.05
    )
