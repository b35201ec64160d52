"""One contact or many at equilibrium: convergence, conservation, derivatives."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raffinate.chemistry.equilibrium import Equilibrium, equilibrium
from raffinate.chemistry.equilibrium_batch import equilibrium_batch
from raffinate.chemistry.equilibrium_compile import FEW_CONTACTS
from raffinate.chemistry.species import Phase, Species
from raffinate.chemistry.tableau import Tableau, build_tableau
from raffinate.errors import SpecificationError
from raffinate.numerics.jax_setup import Array, jax, jnp
from raffinate.sources import Source

ASSUMED = Source(title="Numbers of a test", evidence="assumed")
METALS = ("La", "Nd", "Y")
CONTACTS = 64


def species(
    name: str, phase: Phase, charge: int, log10: float, water: float = 0.0, **made_of: float
) -> Species:
    return Species(
        name=name,
        phase=phase,
        charge=charge,
        composition=tuple(made_of.items()),
        log10_constant=log10,
        source=ASSUMED,
        water=water,
    )


def metal_species(e: str, shift: float) -> list[Species]:
    return [
        species(f"{e}Cl+2", "aqueous", 2, 0.3 + shift / 5, **{e: 1, "chloride": 1}),
        species(f"{e}SO4+", "aqueous", 1, 3.6, **{e: 1, "sulfate": 1}),
        species(f"{e}(SO4)2-", "aqueous", -1, 5.0, **{e: 1, "sulfate": 2}),
        species(f"{e}OH+2", "aqueous", 2, -8.0 + shift / 5, 1.0, **{e: 1, "proton": -1}),
        species(f"{e}A", "organic", 0, shift, **{e: 1, "extractant": 3, "proton": -3}),
        species(f"{e}Cl3(TBP)3", "organic", 0, -2.0, **{e: 1, "chloride": 3, "modifier": 3}),
    ]


@lru_cache
def full_tableau() -> Tableau:
    """Two ligands, hydrolysis, three exchange cations, solvation with anion and acid uptake."""
    found = [one for k, e in enumerate(METALS) for one in metal_species(e, 2.0 * k - 2.0)]
    found += [
        species("HSO4-", "aqueous", -1, 1.99, proton=1, sulfate=1),
        species("OH-", "aqueous", -1, -14.0, 1.0, proton=-1),
        species("NaSO4-", "aqueous", -1, 0.7, sodium=1, sulfate=1),
        species("HCl(TBP)", "organic", 0, -1.0, proton=1, chloride=1, modifier=1),
        species("NH4A", "organic", 0, -3.0, ammonium=1, extractant=1, proton=-1),
        species("NaA", "organic", 0, -3.3, sodium=1, extractant=1, proton=-1),
        species("CaA2", "organic", 0, -5.0, Ca=1, extractant=2, proton=-2),
    ]
    components = (*METALS, "ammonium", "sodium", "Ca", "proton", "chloride", "sulfate")
    return build_tableau((*components, "extractant", "modifier"), found)


def mixed(tableau: Tableau, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return totals of neutral liquors and organics over the whole domain, and fractions."""
    draw = np.random.default_rng(seed)
    organic = 1.0 / (1.0 + 10.0 ** draw.uniform(-2.0, 2.0, CONTACTS))
    totals = np.zeros((len(tableau.components), CONTACTS))
    # 1e-12 to 6 mol/L, one in six exactly absent
    strength = 10.0 ** draw.uniform(-9.0, np.log10(6000.0), totals.shape)
    strength[draw.random(totals.shape) < 1.0 / 6.0] = 0.0
    charge, names = tableau.component_charge, tableau.components
    for k, name in enumerate(names):
        share = organic if name in ("extractant", "modifier") else 1.0 - organic
        totals[k] = share * strength[k] * (name not in ("chloride", "sulfate"))
    positive = charge @ totals
    split = draw.uniform(0.0, 1.0, CONTACTS) * (draw.random(CONTACTS) < 0.7)
    totals[names.index("sulfate")] = 0.5 * split * positive
    totals[names.index("chloride")] = (1.0 - split) * positive
    # Saponified to more than all of its acid: what is too much stays as hydroxide.
    soap = draw.uniform(0.0, 1.3, CONTACTS) * totals[names.index("extractant")]
    soap[draw.random(CONTACTS) < 0.3] = 0.0
    totals[names.index("ammonium")] += soap
    totals[names.index("proton")] -= soap
    return totals, organic


compiled = partial(jax.jit, compiler_options=FEW_CONTACTS)
solve = compiled(equilibrium, static_argnums=(0, 4))


def closure(tableau: Tableau, totals: np.ndarray, organic: np.ndarray, log: Array) -> np.ndarray:
    """Return the worst imbalance of mass or charge, relative to what there is, (contact,)."""
    volume = np.where(
        (np.arange(len(tableau.species)) < tableau.aqueous_count)[:, None], 1.0 - organic, organic
    )
    held = np.exp(np.asarray(log)) * volume
    excess = np.abs(tableau.stoichiometry.T @ held - totals)
    present = np.abs(tableau.stoichiometry.T) @ held + np.abs(totals)
    mass = (excess / np.where(present > 0.0, present, 1.0)).max(axis=0)
    charge = np.abs(tableau.charge @ held) / (np.abs(tableau.component_charge) @ present + 1e-300)
    return np.maximum(mass, charge)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32 - 1))
def test_every_non_negative_contact_converges_and_closes_mass_and_charge(seed):
    tableau = full_tableau()
    totals, organic = mixed(tableau, seed)
    noise = np.random.default_rng(seed).normal(0.0, 1.5, len(tableau.species))
    constants = tableau.log10_constants + np.where(tableau.log10_constants == 0.0, 0.0, noise)
    found = solve(tableau, totals, organic, constants)
    assert np.asarray(found.converged).all()
    assert closure(tableau, totals, organic, found.log_concentration).max() <= 1e-12


@lru_cache
def exchange_tableau() -> Tableau:
    soap = species("NH4A", "organic", 0, -3.0, ammonium=1, extractant=1, proton=-1)
    bound = [
        species(f"{e}A", "organic", 0, k, **{e: 1, "extractant": 3, "proton": -3})
        for e, k in zip(METALS, (-2.0, -0.5, 2.0), strict=True)
    ]
    return build_tableau((*METALS, "ammonium", "proton", "chloride", "extractant"), [*bound, soap])


PLAIN = np.array([30.0, 20.0, 5.0, 40.0, -10.0, 195.0, 250.0])


def changed(**by_component: float) -> np.ndarray:
    names = exchange_tableau().components
    totals = PLAIN.copy()
    for name, value in by_component.items():
        totals[names.index(name)] = value
    return totals


def plain(totals: np.ndarray, fraction: float = 0.5) -> Equilibrium:
    tableau = exchange_tableau()
    return solve(tableau, totals, fraction, tableau.log10_constants)


def test_mass_action_holds_in_the_units_of_the_constants():
    tableau = exchange_tableau()
    c = dict(zip(tableau.names, np.exp(np.asarray(plain(PLAIN).log_concentration)), strict=True))
    ratio = c["YA"] / c["Y+3"] * (c["H+"] / c["(HA)2"]) ** 3
    assert np.log10(ratio) == pytest.approx(2.0, abs=1e-12)


def test_step_across_a_narrow_valley_does_not_stall():
    """Traces of a metal and of extractant in sulfate: one of its contacts once never converged."""
    tableau = full_tableau()
    totals, organic = mixed(tableau, 1857)
    noise = np.random.default_rng(1857).normal(0.0, 1.5, len(tableau.species))
    constants = tableau.log10_constants + np.where(tableau.log10_constants == 0.0, 0.0, noise)
    found = solve(tableau, totals, organic, constants)
    assert np.asarray(found.converged).all()
    assert np.asarray(found.iterations).max() < 120


def test_organic_saponified_beyond_what_the_liquor_takes_is_reported():
    found = plain(changed(ammonium=400.0, proton=-370.0))
    assert not bool(found.converged)
    assert np.isnan(np.asarray(found.log_concentration)).all()


@pytest.mark.parametrize("totals", [changed(Nd=-1.0), changed(Nd=np.nan), changed(La=np.inf)])
def test_totals_that_cannot_be_are_reported(totals):
    assert not bool(plain(totals).converged)


def test_extractant_without_an_organic_is_reported():
    assert not bool(plain(PLAIN, 0.0).converged)


def test_liquor_alone_is_solved():
    found = plain(changed(ammonium=0.0, proton=10.0, extractant=0.0, chloride=175.0), 0.0)
    assert bool(found.converged)
    assert float(np.exp(found.log_activity[4])) == pytest.approx(0.01, rel=1e-12)


def test_known_pH_takes_the_place_of_the_proton_balance():
    tableau = exchange_tableau()
    at_pH = compiled(equilibrium, static_argnums=0, static_argnames="known")
    found = at_pH(
        tableau,
        changed(proton=1000.0 * 10.0**-2.5),
        0.5,
        tableau.log10_constants,
        known=(("proton", "activity"),),
    )
    assert bool(found.converged)
    assert float(found.log_activity[4]) == pytest.approx(-2.5 * np.log(10.0), abs=1e-12)


@dataclass(frozen=True)
class Strong:
    """Coefficients that depend on every concentration, and steeply."""

    charge: tuple[float, ...]

    def log_coefficients(
        self, aqueous: Array, organic: Array, parameters: Array
    ) -> tuple[Array, Array, Array]:
        square = jnp.asarray(self.charge).reshape(-1, *[1] * (aqueous.ndim - 1)) ** 2
        strength = 0.5 * jnp.sum(square * aqueous, axis=0) / 1000.0
        root = jnp.sqrt(strength)
        loaded = jnp.sum(organic[1:], axis=0) / (jnp.sum(organic, axis=0) + 1e-30)
        rank = jnp.arange(len(organic), dtype=float).reshape(-1, *[1] * (aqueous.ndim - 1))
        return (
            -parameters * square * (root / (1.0 + root) - 0.3 * strength),
            0.4 * rank * loaded,
            -1.8e-5 * jnp.sum(aqueous, axis=0),
        )


def strong() -> Strong:
    tableau = exchange_tableau()
    return Strong(tuple(tableau.charge[: tableau.aqueous_count].tolist()))


def strongly(totals: Array, fraction: Array, constants: Array, number: Array) -> Equilibrium:
    return equilibrium(exchange_tableau(), totals, fraction, constants, strong(), number)


def test_coefficients_are_those_of_the_concentrations_they_lead_to():
    tableau = exchange_tableau()
    found = compiled(strongly)(PLAIN, 0.5, tableau.log10_constants, 1.17)
    assert bool(found.converged)
    concentration = jnp.exp(found.log_concentration)
    count = tableau.aqueous_count
    parts = strong().log_coefficients(concentration[:count], concentration[count:], 1.17)
    wanted = np.concatenate(parts[:2])
    assert np.asarray(found.log_coefficient) == pytest.approx(wanted, abs=1e-12)
    assert np.abs(wanted).max() > 0.5
    log_activity = found.log_concentration - np.log(1000.0) + wanted
    reaction = tableau.stoichiometry @ np.asarray(found.log_activity)
    reaction += tableau.log10_constants * np.log(10.0)
    assert np.asarray(log_activity) == pytest.approx(reaction, abs=1e-11)


def test_implicit_derivatives_agree_with_finite_differences_forward_and_back():
    tableau = exchange_tableau()
    draw = np.random.default_rng(3)
    at = (jnp.asarray(PLAIN), jnp.asarray(0.5), jnp.asarray(tableau.log10_constants), 1.17)
    along = (
        jnp.asarray(draw.normal(size=len(PLAIN)) * PLAIN),
        jnp.asarray(0.1),
        jnp.asarray(draw.normal(size=len(tableau.species))),
        0.3,
    )
    weight = jnp.asarray(draw.normal(size=len(tableau.species)))

    def outcome(*numbers: Array) -> Array:
        found = strongly(*numbers)
        return weight @ found.log_concentration + weight @ found.log_coefficient

    here = compiled(outcome)
    there = (
        here(*(a + sign * 1e-5 * b for a, b in zip(at, along, strict=True))) for sign in (1, -1)
    )
    numeric = (next(there) - next(there)) / 2e-5
    forward = compiled(lambda: jax.jvp(outcome, at, along)[1])()
    assert float(forward) == pytest.approx(float(numeric), rel=1e-7)
    gradient = compiled(jax.grad(outcome, argnums=(0, 1, 2, 3)))(*at)
    back = sum(float(jnp.sum(g * a)) for g, a in zip(gradient, along, strict=True))
    assert back == pytest.approx(float(forward), rel=1e-10)


def test_batch_agrees_with_contacts_one_by_one_and_flags_those_without_equilibrium():
    tableau = exchange_tableau()
    draw = np.random.default_rng(5)
    totals = PLAIN[:, None] * draw.uniform(0.5, 1.5, (len(PLAIN), 300))
    totals[4] = totals[5] - 3.0 * totals[:3].sum(axis=0) - totals[3]
    fraction = draw.uniform(0.3, 0.6, 300)
    found = equilibrium_batch(tableau, totals, fraction, tableau.log10_constants)
    apart = solve(tableau, totals, fraction, tableau.log10_constants)
    assert (found.converged == np.asarray(apart.converged)).all()
    assert 0.3 < found.converged.mean() < 1.0
    held = found.converged
    assert found.log_concentration[:, held] == pytest.approx(
        np.asarray(apart.log_concentration)[:, held], abs=1e-9
    )


def test_batch_of_the_wrong_shape_is_refused():
    tableau = exchange_tableau()
    with pytest.raises(SpecificationError, match="one row per component"):
        equilibrium_batch(tableau, PLAIN, 0.5, tableau.log10_constants)
