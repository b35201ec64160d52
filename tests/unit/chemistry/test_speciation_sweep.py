from __future__ import annotations

import numpy as np
import pytest

from raffinate.chemistry.speciation import speciate
from raffinate.chemistry.speciation_sweep import sweep_liquor
from raffinate.errors import SpecificationError

LIQUOR = {"Nd": 10.0, "sulfate": 15.0}


def test_shares_of_every_point_add_up_to_one_and_the_pH_is_met():
    found = sweep_liquor(LIQUOR, values=[1.0, 2.0, 4.0])
    assert found.of == "Nd"
    assert found.pH == pytest.approx([1.0, 2.0, 4.0], abs=1e-9)
    np.testing.assert_allclose(sum(found.share.values()), 1.0, rtol=1e-9)
    single = speciate(LIQUOR, pH=2.0)
    assert found.share["NdSO4+"][1] == pytest.approx(single.share["Nd"]["NdSO4+"])
    assert next(iter(found.share)) == "NdSO4+"
    table = found.to_dataframe()
    assert list(table.columns[:1]) == ["pH"]
    assert found.to_dict()["points"]["share_NdSO4+"] == table["share_NdSO4+"].tolist()


def test_more_ligand_binds_more_of_the_metal():
    found = sweep_liquor(
        {"Nd": 10.0, "chloride": 30.0}, against="sulfate", values=[1.0, 10.0, 50.0], pH=2.0
    )
    assert (np.diff(found.share["Nd+3"]) < 0.0).all()
    assert "sulfate_mol_per_m3" in found.to_dataframe()


def test_an_element_that_is_absent_is_refused():
    with pytest.raises(SpecificationError, match="'Fe' is not in the liquor"):
        sweep_liquor(LIQUOR, values=[1.0], of="Fe")


def test_an_unknown_component_is_refused_at_its_first_point():
    with pytest.raises(SpecificationError, match="Xx"):
        sweep_liquor({"Xx": 1.0}, values=[1.0])
