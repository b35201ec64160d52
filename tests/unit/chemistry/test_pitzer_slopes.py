"""Slopes of Pitzer's coefficients, against differentiation of the coefficients themselves."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from raffinate.chemistry.pitzer_build import build_pitzer
from raffinate.chemistry.pitzer_slopes import log_molal_slopes
from raffinate.chemistry.species import free_species
from raffinate.numerics.jax_setup import jax, jnp

MIXED = "Nd Y Ca Mg proton sodium ammonium chloride sulfate"
MOLALITY = np.array([0.5, 0.2, 0.1, 0.3, 1.0, 0.4, 0.6, 4.4, 0.15])
CHLORIDE = "La Ce Lu proton ammonium chloride"
CHLORIDE_MOLALITY = np.array([0.3, 0.9, 0.01, 0.2, 1.5, 5.33])


@pytest.mark.parametrize(
    ("names", "molality"),
    [(MIXED, MOLALITY), (CHLORIDE, CHLORIDE_MOLALITY)],
    ids=["mixed", "chloride"],
)
def test_slopes_are_those_of_the_coefficients(names, molality):
    """The mixed liquor has every decay and triple terms, the chlorides have none of these."""
    model, parameters, _, _ = build_pitzer([free_species(name) for name in names.split()])
    assert bool(model.pairs) == (names == MIXED)
    batch = jnp.asarray(np.outer(molality, [1e-3, 0.1, 1.0, 2.0]))
    found, water = jax.jit(lambda m: log_molal_slopes(model, m, parameters))(batch)
    asked = jax.vmap(jax.jacfwd(lambda m: model.log_molal(m, parameters)), -1, -1)
    wanted, wanted_water = jax.jit(asked)(batch)
    scale = np.abs(wanted).max(axis=(0, 1))
    assert_allclose(found / scale, wanted / scale, rtol=0, atol=1e-13)
    assert_allclose(water, wanted_water, rtol=1e-12)
