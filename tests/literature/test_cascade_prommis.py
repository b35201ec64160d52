"""The cascade against another simulator's steady profiles, with just its chemistry.

Source: PrOMMiS, solvent extraction of coal leach with D2EHPA/TBP; output of a model, not a plant.
"""

from __future__ import annotations

import numpy as np
import pytest

from prommis_bank import ELEMENTS, MASS, profile, solved

pytestmark = pytest.mark.literature


def found_profile(stages):
    """Return pH, aqueous and organic of the bank, [mg/L]."""
    chemistry, _, bank = solved(stages)
    part, metals = slice(0, stages), slice(0, len(ELEMENTS))
    acidity = 3.0 - np.log10(np.asarray(chemistry.proton(bank.unknowns[part])))
    return acidity, bank.aqueous[part, metals] * MASS, bank.organic[part, metals] * MASS


@pytest.mark.parametrize("stages", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_the_cascade_returns_the_profile_of_every_metal(stages):
    acidity, aqueous, organic = profile(stages)
    found = found_profile(stages)
    assert found[0] == pytest.approx(acidity, abs=1e-6)
    # Its solver stops where yttrium, down to 6 ng/L, is right to four digits or 0.02 ng/L.
    exact = [place for place, element in enumerate(ELEMENTS) if element != "Y"]
    for here, there in ((found[1], aqueous), (found[2], organic)):
        assert here[:, exact] == pytest.approx(there[:, exact], rel=1e-5, abs=1e-8)
        assert here == pytest.approx(there, rel=2e-4, abs=2e-8)
