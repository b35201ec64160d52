"""Activity models of both phases on one concentration basis."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from raffinate.chemistry.activity_bdot import DEFAULT_SIZE, build_bdot
from raffinate.chemistry.activity_davies import DAVIES_SLOPE
from raffinate.chemistry.liquor_density import liquor_volumes, water_content
from raffinate.chemistry.loading import LoadingModel
from raffinate.chemistry.nonideality import ACTIVITY_KINDS, IDEAL, build_nonideality
from raffinate.chemistry.species import Species, free_species
from raffinate.chemistry.system_parts import ApparentSlope
from raffinate.errors import SpecificationError
from raffinate.numerics.jax_setup import jax, jnp
from raffinate.sources import Source

MADE_UP = Source(title="made up for a test", evidence="assumed")
COMPONENTS = ("La", "Nd", "proton", "ammonium", "chloride")
LIQUOR = np.array([300.0, 200.0, 150.0, 1000.0, 2650.0])


_compiled = jax.jit(lambda model, *amounts: model.log_coefficients(*amounts), static_argnums=0)


def evaluate(built, aqueous, organic):
    return _compiled(built.model, jnp.asarray(aqueous), jnp.asarray(organic), built.parameters)


def aqueous_species():
    return [free_species(name) for name in COMPONENTS]


def loaded(metal, log10_constant):
    return Species(
        name=f"{metal}(HA2)3",
        phase="organic",
        charge=0,
        composition=((metal, 1.0), ("extractant", 3.0), ("proton", -3.0)),
        log10_constant=log10_constant,
        source=MADE_UP,
    )


def all_species():
    return [
        *aqueous_species(),
        free_species("extractant"),
        loaded("La", -3.1),
        loaded("Nd", -1.9),
    ]


def test_ideal_phases_have_no_coefficients():
    built = build_nonideality("ideal", all_species())
    assert built.model is IDEAL
    aqueous, organic, water = evaluate(built, LIQUOR, np.zeros(0))
    assert not np.any(aqueous)
    assert not np.any(organic)
    assert float(water) == 0.0


@pytest.mark.parametrize("kind", ACTIVITY_KINDS)
def test_models_hash_and_batch_alike(kind):
    built, again = build_nonideality(kind, all_species()), build_nonideality(kind, all_species())
    assert built.model == again.model
    assert hash(built.model) == hash(again.model)
    organic = np.array([400.0, 20.0, 30.0])
    shape = (1, 3, 2)
    one = evaluate(built, LIQUOR, organic)
    many = evaluate(
        built, np.tile(LIQUOR[:, None, None], shape), np.tile(organic[:, None, None], shape)
    )
    for single, batch in zip(one, many, strict=True):
        assert_allclose(batch, np.broadcast_to(single[..., None, None], batch.shape), rtol=1e-13)


@pytest.mark.parametrize("kind", ["davies", "bdot", "pitzer"])
@pytest.mark.parametrize("liquor", [np.zeros(5), LIQUOR, np.array([0.0, 0.0, 1e-9, 0.0, 1e-9])])
def test_no_coefficient_and_no_derivative_is_nan(kind, liquor):
    loading = LoadingModel(level=0.2, spread=0.1, reference=-2.0, source=MADE_UP)
    slope = ApparentSlope(element="Nd", slope=1.4, extractant_slope=1.1, source=MADE_UP)
    built = build_nonideality(kind, all_species(), loading=loading, apparent=[slope])

    here = jnp.asarray(liquor), jnp.zeros(3)
    for value in evaluate(built, *here):
        assert np.isfinite(value).all()

    @jax.jit
    def slopes(aqueous, organic):
        def values(*amounts):
            return built.model.log_coefficients(*amounts, built.parameters)

        return jax.jacfwd(values, argnums=(0, 1))(aqueous, organic)

    for derivatives in slopes(*here):
        assert all(np.isfinite(each).all() for each in derivatives)


@pytest.mark.parametrize("kind", ["davies", "bdot", "pitzer"])
def test_molar_coefficients_are_molal_ones_per_kilogram_of_water_in_a_litre(kind):
    molar = build_nonideality(kind, aqueous_species())
    molal = build_nonideality(kind, aqueous_species(), molal=True)
    found, _, water = evaluate(molar, LIQUOR, np.zeros(0))
    volumes = liquor_volumes(aqueous_species())
    kilograms = float(water_content(LIQUOR, volumes.volumes, molar.model.charges)) / 1000.0
    by_water, _, activity = evaluate(molal, LIQUOR / kilograms, np.zeros(0))
    assert 0.90 < kilograms < 0.97
    assert_allclose(found, by_water - math.log(kilograms), rtol=0, atol=1e-12)
    assert float(water) == pytest.approx(float(activity), abs=1e-12)


def test_davies_is_davies():
    built = build_nonideality("davies", aqueous_species(), molal=True)
    concentration = np.array([0.0, 0.0, 100.0, 0.0, 100.0])
    found, _, water = evaluate(built, concentration, np.zeros(0))
    law = -DAVIES_SLOPE * (math.sqrt(0.1) / (1 + math.sqrt(0.1)) - 0.03)
    assert_allclose(np.asarray(found) / math.log(10.0), law * np.array([9, 9, 1, 1, 1]), rtol=1e-12)
    assert float(water) == pytest.approx(math.log(1 - 0.017 * 0.2))


def test_an_ion_without_a_size_is_named():
    odd = Species(
        name="X+2",
        phase="aqueous",
        charge=2,
        composition=(("Zn", 1.0),),
        log10_constant=0.0,
        source=MADE_UP,
    )
    _, parameters, warnings, _ = build_bdot([free_species("proton"), odd])
    assert "X+2" in warnings[0]
    assert "H+" not in warnings[0]
    assert float(parameters.shield[1]) == pytest.approx(DEFAULT_SIZE * 1e10 * 0.3288)


def test_loading_term_is_that_of_the_loading_model():
    loading = LoadingModel(level=0.3, spread=0.15, reference=-2.5, source=MADE_UP)
    built = build_nonideality("ideal", all_species(), loading=loading)
    organic = np.array([200.0, 40.0, 60.0])
    _, found, _ = evaluate(built, LIQUOR, organic)
    share = 3.0 * organic[1:] / (200.0 + 300.0)
    expected = loading.log10_coefficients([-3.1, -1.9], share)
    assert_allclose(found[1:], math.log(10.0) * expected, rtol=1e-12)
    assert float(found[0]) == 0.0
    assert MADE_UP in built.sources


@pytest.mark.parametrize("kind", ACTIVITY_KINDS)
def test_apparent_slopes_are_kept_whatever_the_liquor(kind):
    """log₁₀ D of the free ion = log₁₀ K + slope pH + extractant_slope log₁₀ f, in mol/L."""
    slope = ApparentSlope(
        element="Nd",
        slope=1.4,
        extractant_slope=1.1,
        slope_per_extractant=0.3,
        source=MADE_UP,
    )
    built = build_nonideality(kind, all_species(), apparent=[slope])
    organic = np.array([250.0, 20.0, 30.0])
    aqueous, bound, _ = evaluate(built, LIQUOR, organic)
    mass_action = (
        -1.9 * math.log(10.0)
        + float(aqueous[1])
        - 3.0 * (math.log(0.150) + float(aqueous[2]))
        + 3.0 * math.log(0.250)
        - float(bound[2])
    )
    free = 250.0 / 1000.0
    measured = -1.9 + (1.4 + 0.3 * free) * -math.log10(0.150) + 1.1 * math.log10(0.250)
    assert mass_action / math.log(10.0) == pytest.approx(measured, abs=1e-10)
    assert float(bound[1]) == 0.0


def test_slopes_without_an_organic_species_are_refused():
    slope = ApparentSlope(element="Nd", slope=1.0, extractant_slope=1.0, source=MADE_UP)
    with pytest.raises(SpecificationError, match="apparent slopes of Nd"):
        build_nonideality("ideal", aqueous_species(), apparent=[slope])


def test_unknown_model_is_refused_with_the_nearest_name():
    with pytest.raises(SpecificationError, match="pitzer"):
        build_nonideality("pizter", all_species())
