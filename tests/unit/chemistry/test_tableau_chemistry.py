"""Any tableau behind the engine's protocol."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from raffinate.chemistry.equilibrium_compile import FEW_CONTACTS
from raffinate.chemistry.exchange import AcidicExchange, ExchangeParameters
from raffinate.chemistry.species import Species
from raffinate.chemistry.tableau import Tableau, build_tableau
from raffinate.chemistry.tableau_chemistry import TableauChemistry, TableauParameters
from raffinate.errors import SpecificationError
from raffinate.numerics.jax_setup import given, jax, jnp
from raffinate.sources import Source

ASSUMED = Source(title="Numbers of a test", evidence="assumed")
compiled = partial(jax.jit, compiler_options=FEW_CONTACTS)


def species(
    name: str, phase: str, charge: int, log10_constant: float, **composition: float
) -> Species:
    return Species(
        name=name,
        phase="organic" if phase == "organic" else "aqueous",
        charge=charge,
        composition=tuple(composition.items()),
        log10_constant=log10_constant,
        source=ASSUMED,
    )


def exchange_tableau(
    elements: tuple[str, ...],
    log10_constants: np.ndarray,
    log10_cation: float,
    *further: Species,
    anions: tuple[str, ...] = ("chloride",),
) -> Tableau:
    bound = [
        species(f"{e}(HA2)3", "organic", 0, float(k), **{e: 1.0, "extractant": 3.0, "proton": -3.0})
        for e, k in zip(elements, log10_constants, strict=True)
    ]
    soap = species(
        "NH4(HA2)", "organic", 0, log10_cation, ammonium=1.0, extractant=1.0, proton=-1.0
    )
    components = [*elements, "ammonium", *anions, "proton", "extractant"]
    return build_tableau(components, [*bound, soap, *further])


ELEMENTS = ("La", "Ce", "Pr", "Nd")
LOG10 = np.array([-2.5, -1.6, -1.1, -0.7])
TOTALS = np.array([20.0, 60.0, 8.0, 30.0, 90.0, 420.0, 250.0])


def pair() -> tuple[AcidicExchange, ExchangeParameters, TableauChemistry, TableauParameters]:
    ten = np.log(10.0)
    tableau = exchange_tableau(ELEMENTS, LOG10, -2.0)
    return (
        AcidicExchange(ELEMENTS),
        ExchangeParameters(given(LOG10 * ten), given(np.float64(-2.0 * ten))),
        TableauChemistry(tableau, ELEMENTS),
        TableauParameters(given(tableau.log10_constants)),
    )


def test_ideal_tableau_finds_the_contacts_of_acidic_exchange():
    old, old_numbers, new, new_numbers = pair()
    totals = given(TOTALS)
    expected = compiled(old.contact)(totals, 0.5, old_numbers)
    found = compiled(new.contact)(totals, 0.5, new_numbers)
    assert np.asarray(found) == pytest.approx(np.asarray(expected), abs=1e-11)


def test_ideal_tableau_has_the_residuals_and_jacobian_of_acidic_exchange():
    old, old_numbers, new, new_numbers = pair()
    place = old.contact(given(TOTALS), 0.5, old_numbers) + 0.1 * jnp.arange(8.0)
    for chemistry, numbers in ((old, old_numbers), (new, new_numbers)):
        assert chemistry.components == old.components or chemistry.components[:4] == ELEMENTS
        assert chemistry.acidity == old.acidity
        assert chemistry.organic_components == old.organic_components
        value = compiled(chemistry.residual)(place, given(TOTALS), 0.5, numbers)
        slope = compiled(jax.jacfwd(chemistry.residual))(place, given(TOTALS), 0.5, numbers)
        if chemistry is old:
            expected, expected_slope = value, slope
    assert np.asarray(value) == pytest.approx(np.asarray(expected), rel=1e-11, abs=1e-13)
    # The charge is scaled by all ions here and by the anion there: the same at neutrality.
    assert np.asarray(slope[:-1]) == pytest.approx(np.asarray(expected_slope[:-1]), abs=1e-10)


def test_over_saponified_organic_gives_nan():
    _, _, new, numbers = pair()
    totals = TOTALS.copy()
    totals[4] += 300.0
    assert np.isnan(np.asarray(compiled(new.contact)(given(totals), 0.5, numbers))).any()


def complexed() -> tuple[TableauChemistry, TableauParameters]:
    tableau = exchange_tableau(
        ELEMENTS,
        LOG10,
        -2.0,
        species("HSO4-", "aqueous", -1, 1.99, sulfate=1.0, proton=1.0),
        *(species(f"{e}Cl+2", "aqueous", 2, 0.3, **{e: 1.0, "chloride": 1.0}) for e in ELEMENTS),
        *(species(f"{e}SO4+", "aqueous", 1, 3.6, **{e: 1.0, "sulfate": 1.0}) for e in ELEMENTS),
        anions=("chloride", "sulfate"),
    )
    return TableauChemistry(tableau, ELEMENTS), TableauParameters(given(tableau.log10_constants))


def test_complexes_add_no_unknowns_and_the_contact_solves_the_residuals():
    chemistry, numbers = complexed()
    totals = given(np.array([20.0, 60.0, 8.0, 30.0, 90.0, 300.0, 60.0, 250.0]))
    place = compiled(chemistry.contact)(totals, 0.5, numbers)
    assert place.shape == (len(chemistry.components) + 1,)
    left = compiled(chemistry.residual)(place, totals, 0.5, numbers)
    assert np.abs(np.asarray(left)).max() < 1e-11


def test_jacobian_through_the_complexes_agrees_with_finite_differences():
    chemistry, numbers = complexed()
    totals = given(np.array([20.0, 60.0, 8.0, 30.0, 90.0, 300.0, 60.0, 250.0]))
    place = compiled(chemistry.contact)(totals, 0.5, numbers)
    phases = compiled(lambda u: jnp.log(chemistry.phases(u, numbers)[1][:5]))
    slope = jax.jacfwd(phases)(place)
    for k in range(len(place)):
        step = jnp.zeros_like(place).at[k].set(1e-5)
        numeric = (phases(place + step) - phases(place - step)) / 2e-5
        assert np.asarray(slope[:, k]) == pytest.approx(np.asarray(numeric), abs=1e-7)


def test_extractant_in_the_liquor_is_refused():
    tableau = exchange_tableau(
        ELEMENTS, LOG10, -2.0, species("(HA)2 aq", "aqueous", 0, -4.0, extractant=1.0)
    )
    with pytest.raises(SpecificationError, match="in the liquor"):
        TableauChemistry(tableau, ELEMENTS)


@pytest.mark.slow
def test_default_plant_on_a_tableau_is_the_plant_on_acidic_exchange(monkeypatch):
    from raffinate.plant import arrays, search, steady
    from raffinate.plant.plant_file import load_plant

    # Two cold starts that stop as soon as they may would differ by what they leave.
    monkeypatch.setattr(search, "TOLERANCE", 1e-12)
    plant = load_plant("ceprnd_p507")
    plant = plant.operated(steady.solve_nominal(plant).operation)
    expected = steady.solve_steady(plant)
    system = plant.circuit.system
    tableau = exchange_tableau(
        system.elements,
        np.asarray(system.log10_extraction_constant),
        float(system.log10_saponification_constant),
    )
    chemistry = TableauChemistry(tableau, system.elements)
    numbers = TableauParameters(given(tableau.log10_constants))
    monkeypatch.setattr(steady, "chemistry_of", lambda _: chemistry)
    monkeypatch.setattr(arrays, "parameters_of", lambda _: numbers)
    found = steady.solve_steady(plant)
    for name in ("aqueous", "organic", "proton", "free_extractant", "ammonium"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-9)
