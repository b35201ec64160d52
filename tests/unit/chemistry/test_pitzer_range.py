import pytest

from raffinate.chemistry.contact import equilibrate
from raffinate.chemistry.pitzer_data import load_pitzer
from raffinate.chemistry.speciation import speciate
from raffinate.chemistry.system_file import load_system


def beyond(warnings):
    return [sentence for sentence in warnings if "measured of its salts" in sentence]


@pytest.mark.parametrize(("share", "count"), [(0.99, 0), (1.01, 1)])
def test_a_single_salt_warns_from_its_highest_molality(share, count):
    highest = load_pitzer().binary["NH4+", "Cl-"].highest_molality
    amount = share * highest
    found = speciate(
        {"ammonium": amount, "chloride": amount}, activity="pitzer", complexes=(), molal=True
    )
    assert len(beyond(found.warnings)) == count


def test_salts_of_one_anion_add_up():
    pairs = load_pitzer().binary
    half = {"NH4+": "ammonium", "Na+": "sodium"}
    amounts = {name: 0.51 * pairs[ion, "Cl-"].highest_molality for ion, name in half.items()}
    for name, amount in amounts.items():
        alone = speciate(
            {name: amount, "chloride": amount}, activity="pitzer", complexes=(), molal=True
        )
        assert beyond(alone.warnings) == []
    both = {**amounts, "chloride": sum(amounts.values())}
    found = speciate(both, activity="pitzer", complexes=(), molal=True)
    assert len(beyond(found.warnings)) == 1


def test_a_contact_counts_per_kilogram_of_water():
    system = load_system("p507_hcl")
    liquor = {"Nd": 2350.0, "proton": 10.0}
    found = equilibrate(system, liquor, {"extractant": 100.0}, 0.1, "pitzer")
    # 2.35 mol/L stand in less than a kilogram of water: above the 2.4 mol/kg measured.
    assert len(beyond(found.warnings)) == 1
    assert beyond(equilibrate(system, liquor, {"extractant": 100.0}, 0.1).warnings) == []
