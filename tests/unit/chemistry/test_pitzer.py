"""Pitzer's model: its parts, its thermodynamic consistency, and its gaps."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from raffinate.chemistry.pitzer import A_PHI, WATER_MOLAR_MASS, _electrostatic, decay
from raffinate.chemistry.pitzer_build import build_pitzer
from raffinate.chemistry.pitzer_data import load_pitzer
from raffinate.chemistry.pitzer_electrostatic import (
    electrostatic_polynomial,
    electrostatic_theta,
    pitzer_j,
)
from raffinate.chemistry.species import Species, free_species
from raffinate.numerics.jax_setup import jax, jnp
from raffinate.sources import Source

evaluate = jax.jit(lambda model, *amounts: model.log_molal(*amounts), static_argnums=0)


@functools.partial(jax.jit, static_argnums=0)
def slopes_of(model, molality, parameters):
    return jax.jacfwd(lambda m: model.log_molal(m, parameters))(molality)


def build(names, **options):
    return build_pitzer([free_species(name) for name in names.split()], **options)


MIXED = "Nd Y Ca Mg proton sodium ammonium chloride sulfate"
MOLALITY = np.array([0.5, 0.2, 0.1, 0.3, 1.0, 0.4, 0.6, 4.4, 0.15])


@pytest.mark.parametrize("factor", [1e-3, 0.1, 1.0, 2.0])
def test_coefficients_derive_from_one_gibbs_energy(factor):
    model, parameters, _, _ = build(MIXED)
    molality = jnp.asarray(MOLALITY * factor)
    slopes, _ = slopes_of(model, molality, parameters)
    assert_allclose(slopes, slopes.T, rtol=0, atol=1e-9 * float(jnp.abs(slopes).max()))


@pytest.mark.parametrize("factor", [1e-3, 0.1, 1.0, 2.0])
def test_water_follows_gibbs_and_duhem(factor):
    model, parameters, _, _ = build(MIXED)
    molality = jnp.asarray(MOLALITY * factor)
    slopes, water = slopes_of(model, molality, parameters)
    # Σ m d ln(γ m) + d ln(a_w)/M_w = 0
    balance = molality @ slopes + 1.0 + water / WATER_MOLAR_MASS
    assert_allclose(balance, 0.0, rtol=0, atol=1e-9)


@pytest.mark.parametrize(("metal", "charge"), [("sodium", 1), ("Ca", 2), ("La", 3)])
def test_a_lone_salt_follows_the_two_ion_equations(metal, charge):
    """K. S. Pitzer and G. Mayorga, J. Phys. Chem. 77 (1973) 2300, eqs 1-7."""
    model, parameters, _, _ = build(f"{metal} chloride")
    one = load_pitzer().binary[free_species(metal).name, "Cl-"]
    m = 0.7
    log_gamma, log_water = evaluate(model, jnp.array([m, charge * m]), parameters)
    strength = 0.5 * m * charge * (charge + 1)
    root, nu = math.sqrt(strength), 1 + charge
    f = -A_PHI * (root / (1 + 1.2 * root) + 2 / 1.2 * math.log(1 + 1.2 * root))
    b = 2 * one.beta0 + one.beta1 * (1 - (1 + 2 * root - 2 * strength) * math.exp(-2 * root)) / (
        2 * strength
    )
    b_phi = one.beta0 + one.beta1 * math.exp(-2 * root)
    mean = charge * f + m * 2 * charge / nu * b + 3 * m**2 * charge**1.5 / nu * one.c_phi
    phi = (
        1
        - charge * A_PHI * root / (1 + 1.2 * root)
        + m * 2 * charge / nu * b_phi
        + m**2 * 2 * charge**1.5 / nu * one.c_phi
    )
    found = (float(log_gamma[0]) + charge * float(log_gamma[1])) / nu
    assert found == pytest.approx(mean, abs=1e-12)
    assert -float(log_water) / (WATER_MOLAR_MASS * nu * m) == pytest.approx(phi, abs=1e-12)


def test_j_is_that_of_harvie():
    """Chebyshev coefficients: K. S. Pitzer (1991), Activity Coefficients, table B-1, p. 125."""
    low = """1.925154014814667 -.060076477753119 -.029779077456514 -.007299499690937
        .000388260636404 .000636874599598 .000036583601823 -.000045036975204 -.000004537895710
        .000002937706971 .000000396566462 -.000000202099617 -.000000025267769 .000000013522610
        .000000001229405 -.000000000821969 -.000000000050847 .000000000046333 .000000000001943
        -.000000000002563 -.000000000010991"""
    high = """.628023320520852 .462762985338493 .150044637187895 -.028796057604906
        -.036552745910311 -.001668087945272 .006519840398744 .001130378079086 -.000887171310131
        -.000242107641309 .000087294451594 .000034682122751 -.000004583768938 -.000003548684306
        -.000000250453880 .000000216991779 .000000080779570 .000000004558555 -.000000006944757
        -.000000002849257 .000000000237816"""

    def harvie(x):
        table = low if x < 1.0 else high
        z = 4.0 * x**0.2 - 2.0 if x < 1.0 else 40.0 / 9.0 * x**-0.1 - 22.0 / 9.0
        series = [float(value) for value in table.split()]
        series[0] *= 0.5
        return 0.25 * x - 1.0 + np.polynomial.chebyshev.chebval(0.5 * z, series)

    x = np.array([0.01, 0.1, 0.5, 0.99, 1.01, 5.0, 20.0, 100.0])
    assert_allclose(pitzer_j(x), [harvie(each) for each in x], rtol=0, atol=2e-9)


@pytest.mark.parametrize("charges", [(1, 2), (1, 3), (2, 3), (-1, -2), (1, 4)])
def test_polynomial_of_electrostatic_theta(charges):
    strength = np.geomspace(1e-4, 50.0, 60)
    coefficients = jnp.asarray([electrostatic_polynomial(*charges, A_PHI)])
    (product,), (slope,) = jax.jit(_electrostatic)(coefficients, jnp.sqrt(jnp.asarray(strength)))
    exact = electrostatic_theta(strength, *charges, A_PHI)
    assert_allclose(product, exact * strength, rtol=2e-6, atol=2e-5)
    step = 1e-4
    up = electrostatic_theta(strength * (1 + step), *charges, A_PHI)
    down = electrostatic_theta(strength * (1 - step), *charges, A_PHI)
    assert_allclose(slope, strength * (up - down) / (2 * step), rtol=0, atol=2e-3)


def test_decay_joins_its_series_smoothly():
    x = jnp.array([1e-9, 0.0999999, 0.1000001])
    value, _ = decay(x)
    assert float(value[0]) == pytest.approx(1.0)
    assert float(value[1]) == pytest.approx(float(value[2]), abs=2e-7)
    closed = 2.0 * (1.0 - (1.0 + 0.09) * math.exp(-0.09)) / 0.09**2
    assert float(decay(jnp.asarray(0.09))[0]) == pytest.approx(closed, rel=1e-12)


def test_every_gap_is_named():
    _, _, warnings, _ = build("Nd Tb proton ammonium chloride")
    text = " ".join(warnings)
    assert "θ, taken as zero, for rare earths among themselves, NH4+–Nd+3" in text
    interpolated = next(each for each in warnings if "interpolated" in each)
    named = interpolated.split(": ")[-1].rstrip(".").split(", ")
    assert {"Tb+3–Cl-", "mixing H+–Nd+3"} <= set(named)
    assert "Nd+3–Cl-" not in named


def test_missing_salts_are_named_and_measured_ones_are_not():
    _, _, warnings, _ = build("Nd sodium chloride sulfate")
    missing = next(each for each in warnings if "no published parameters" in each)
    assert "Nd+3–SO4-2" in missing
    assert "Na+–SO4-2" not in missing


def test_chloro_complexes_beside_pitzer_are_reported_as_counted_twice():
    complexed = Species(
        name="NdCl+2",
        phase="aqueous",
        charge=2,
        composition=(("Nd", 1.0), ("chloride", 1.0)),
        log10_constant=0.3,
        source=Source(title="made up for a test", evidence="assumed"),
    )
    species = [free_species("Nd"), free_species("chloride"), complexed]
    _, _, warnings, _ = build_pitzer(species)
    assert any("NdCl+2 counted twice" in each for each in warnings)


def test_order_of_the_ions_changes_nothing():
    names = MIXED.split()
    order = [8, 2, 0, 4, 7, 1, 3, 6, 5]
    model, parameters, _, _ = build(MIXED)
    turned, numbers, _, _ = build(" ".join(names[k] for k in order))
    straight, water = evaluate(model, jnp.asarray(MOLALITY), parameters)
    other, same = evaluate(turned, jnp.asarray(MOLALITY[order]), numbers)
    assert_allclose(other, np.asarray(straight)[order], rtol=1e-12)
    assert float(same) == pytest.approx(float(water), rel=1e-12)


def test_interpolated_salts_lie_between_their_neighbours():
    library = load_pitzer()
    light, heavy = library.binary["Gd+3", "Cl-"], library.binary["Y+3", "Cl-"]
    for symbol in ("Tb", "Dy", "Ho"):
        one = library.binary[f"{symbol}+3", "Cl-"]
        assert light.beta0 < one.beta0 < heavy.beta0
        assert one.source.evidence == "interpolated"
    assert library.binary["Lu+3", "Cl-"].beta0 == pytest.approx(heavy.beta0)
    assert ("Tb+3", "Cl-") not in load_pitzer(interpolate=False).binary
