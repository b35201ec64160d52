"""Reagents in are salt, acid and metal out, or the account is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from raffinate.errors import BalanceError, SpecificationError
from raffinate.plant.economics_ions import (
    ACIDS,
    BASES,
    IonBalance,
    Outflow,
    ion_balance,
    water_of_acid,
)
from solved_plants import nominal_state, shipped_plant


def test_chloride_in_is_chloride_out_and_ammonia_in_is_ammonium_out() -> None:
    found = ion_balance(shipped_plant(), nominal_state())
    assert found.anion_fed + found.anion_in_acid == pytest.approx(found.anion_out, rel=1e-9)
    assert found.base_used == pytest.approx(found.cation_out, rel=1e-9)
    assert found.error < 1e-9
    held = found.metal_anion + found.cation_out + found.free_acid
    assert held == pytest.approx(found.anion_out, rel=1e-12)


def test_reagents_are_those_of_the_steady_state() -> None:
    state = nominal_state()
    found = ion_balance(shipped_plant(), state)
    produced = sum(product.reo_flow for product in state.products.values())
    assert found.acid_mass / produced == pytest.approx(state.reagents["HCl"], rel=1e-12)
    assert found.base_mass / produced == pytest.approx(state.reagents["NH3"], rel=1e-12)


def test_metals_leave_with_three_chlorides_each() -> None:
    state = nominal_state()
    found = ion_balance(shipped_plant(), state)
    metals = float((state.raffinate + state.drawn).sum())
    assert found.metal_anion == pytest.approx(3.0 * metals, rel=1e-9)


def test_the_free_acid_is_the_proton_of_the_liquors() -> None:
    """In an ideal chloride liquor what neither metal nor ammonium holds is free proton."""
    state = nominal_state()
    found = ion_balance(shipped_plant(), state)
    strip = next(n for n, name in enumerate(state.sections) if name == "strip")
    raffinate, drawn = found.outflows
    proton = raffinate.flow * state.proton[0] + drawn.flow * state.proton[strip]
    assert found.free_acid == pytest.approx(float(proton), rel=1e-6)


def test_a_state_that_does_not_close_is_refused() -> None:
    state = nominal_state()
    with pytest.raises(BalanceError, match="NH4"):
        ion_balance(shipped_plant(), replace(state, ammonium=state.ammonium * 1.01))


def test_a_medium_without_a_known_acid_is_refused() -> None:
    plant = shipped_plant()
    system = replace(plant.circuit.system, medium="acetate")
    other = replace(plant, circuit=replace(plant.circuit, system=system))
    with pytest.raises(SpecificationError, match="acetate"):
        ion_balance(other, nominal_state())


@pytest.mark.parametrize(
    ("medium", "cation", "salt", "molar_mass", "per_salt"),
    [
        ("chloride", "NH4", "NH4Cl", 53.489e-3, 1),
        ("nitrate", "NH4", "NH4NO3", 80.043e-3, 1),
        ("sulfate", "NH4", "(NH4)2SO4", 132.134e-3, 2),
        ("chloride", "Na", "NaCl", 58.440e-3, 1),
        ("sulfate", "Na", "Na2SO4", 142.036e-3, 2),
    ],
)
def test_salts_weigh_what_their_formulas_say(
    medium: str, cation: str, salt: str, molar_mass: float, per_salt: int
) -> None:
    found = balance(medium, cation)
    assert found.salt == salt
    assert found.salt_mass == pytest.approx(found.cation_out / per_salt * molar_mass, rel=1e-4)
    nitrogen = 14.007e-3 * found.cation_out if cation == "NH4" else 0.0
    assert found.nitrogen_mass == pytest.approx(nitrogen)


def balance(medium: str, cation: str) -> IonBalance:
    outflow = Outflow(outlet="raffinate", flow=1e-3, anion=5.0, cation=2.0, metal_charge=3.0)
    return IonBalance(
        acid_kind=ACIDS[medium],
        base_kind=BASES[cation],
        anion_fed=1.0,
        anion_in_acid=4.0,
        base_used=2.0,
        acid_supplied=4.0,
        outflows=(outflow,),
        error=0.0,
    )


@pytest.mark.parametrize(
    ("medium", "volumes"),
    [
        ("chloride", (18.8340, 0.1599, 0.1553)),
        ("nitrate", (28.7685, -0.2178, 0.4995)),
        ("sulfate", (32.3963, 2.6788, 0.4605)),
    ],
)
def test_acid_leaves_the_water_the_room_its_anion_does_not_take(
    medium: str, volumes: tuple[float, float, float]
) -> None:
    """Volumes in cm³/mol, v0 + v1 √I + v2 I; sulfuric acid counts as H+ and HSO4-."""
    found = balance(medium, "NH4")
    molar = 3.0
    flow = found.acid_supplied / (molar * 1e3)
    taken = molar * 1e-3 * (volumes[0] + volumes[1] * molar**0.5 + volumes[2] * molar)
    assert water_of_acid(found, flow) / flow == pytest.approx(997.047 * (1.0 - taken), rel=1e-9)
