import pytest

from raffinate.chemistry.contact import equilibrate
from raffinate.chemistry.liquor_limits import check_dissolved, concentrated
from raffinate.chemistry.speciation import speciate
from raffinate.chemistry.system_file import load_system
from raffinate.errors import SpecificationError

ORGANIC = {"extractant": 1500.0}


def test_grams_taken_for_moles_are_refused_in_a_contact_and_in_a_liquor():
    with pytest.raises(SpecificationError, match="400 of it Nd") as told:
        equilibrate(load_system("p507_hcl"), {"Nd": 400e3, "proton": 10.0}, ORGANIC)
    assert "molar mass" in told.value.mend
    with pytest.raises(SpecificationError, match=r"1.2e\+03 mol/L are dissolved"):
        speciate({"Nd": 300e3, "chloride": 900e3})


def test_a_liquor_stronger_than_any_saturated_chloride_is_flagged():
    assert concentrated(24.4e3) == []
    assert "29.7 mol/L" in concentrated(29.7e3)[0]
    strong = equilibrate(load_system("p507_hcl"), {"Nd": 5e3, "proton": 10.0}, ORGANIC)
    assert any("not grams" in sentence for sentence in strong.warnings)


def test_strong_acid_passes():
    check_dissolved({"proton": 12e3, "chloride": 12e3}, "liquor")


@pytest.mark.parametrize("pH", [-4.1, 16.1, float("nan"), float("inf")])
def test_a_pH_no_liquor_has_is_refused_before_anything_is_solved(pH):
    with pytest.raises(SpecificationError, match="pH is"):
        speciate({"Nd": 300.0, "chloride": 900.0}, pH=pH)
