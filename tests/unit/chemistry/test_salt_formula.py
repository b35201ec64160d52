from __future__ import annotations

import pytest

from raffinate.chemistry.salt_formula import components_of
from raffinate.errors import SpecificationError


@pytest.mark.parametrize(
    ("formula", "components"),
    [
        ("Nd", {"Nd": 1.0}),
        ("chloride", {"chloride": 1.0}),
        ("NdCl3", {"Nd": 1.0, "chloride": 3.0}),
        ("Nd2(SO4)3", {"Nd": 2.0, "sulfate": 3.0}),
        ("(NH4)2SO4", {"ammonium": 2.0, "sulfate": 1.0}),
        ("NH4Cl", {"ammonium": 1.0, "chloride": 1.0}),
        ("HNO3", {"proton": 1.0, "nitrate": 1.0}),
        ("H2SO4", {"proton": 2.0, "sulfate": 1.0}),
        ("NaHSO4", {"sodium": 1.0, "proton": 1.0, "sulfate": 1.0}),
        ("NaOH", {"sodium": 1.0, "proton": -1.0}),
        ("Ca(OH)2", {"Ca": 1.0, "proton": -2.0}),
        ("CH3COOH", {"acetate": 1.0, "proton": 1.0}),
        ("CH3COONa", {"acetate": 1.0, "sodium": 1.0}),
        ("UO2(NO3)2", {"U": 1.0, "nitrate": 2.0}),
        ("H2C2O4", {"proton": 2.0, "oxalate": 1.0}),
    ],
)
def test_formulae_are_read_as_components(formula, components):
    assert components_of(formula) == components


@pytest.mark.parametrize("formula", ["NdCl2", "NaSO4", "NH4"])
def test_formulae_that_carry_charge_are_refused_with_the_charges(formula):
    with pytest.raises(SpecificationError, match="carries a charge") as caught:
        components_of(formula)
    assert " is " in caught.value.mend


@pytest.mark.parametrize("formula", ["Xx", "ndcl3", "Nd-Cl3", "Nd2(SO4", "", "chlorid"])
def test_what_is_no_formula_is_refused(formula):
    with pytest.raises(SpecificationError, match="neither a component nor a formula"):
        components_of(formula)
