"""How far a liquor lies beyond the salts that Pitzer parameters were measured on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from raffinate.chemistry.liquor_density import water_content
from raffinate.chemistry.nonideality import BuiltNonIdeality, NonIdealPhases
from raffinate.chemistry.pitzer import PitzerModel
from raffinate.chemistry.pitzer_data import load_pitzer
from raffinate.chemistry.tableau import Tableau
from raffinate.numerics.jax_setup import given

MAIN_SHARE = 0.5
"""Share of the anions' charge from which an anion is the one salts are counted with, [-]."""


def beyond_pitzer(
    tableau: Tableau, built: BuiltNonIdeality, species: Mapping[str, float]
) -> list[str]:
    """Return a sentence if a liquor is stronger than the salts measured; none for other models.

    Each cation with the main anion uses up the share m/m(highest) of what was measured of its
    salt. The shares add up, as salts of one anion replace one another in a liquor; above 1 the
    parameters are extrapolated. Cations whose source states no highest molality do not count.

    Args:
        tableau: Its species, aqueous first.
        built: Activity model with its numbers.
        species: Concentrations by name, [mol/m³], or per 1000 kg of water if the model says so.
    """
    model = built.model
    if not isinstance(model, NonIdealPhases) or not isinstance(model.aqueous, PitzerModel):
        return []
    liquor = tableau.species[: tableau.aqueous_count]
    amounts = np.array([species[one.name] for one in liquor])
    water = 1000.0
    if model.by_volume:
        volumes = built.parameters.volumes
        water = float(water_content(given(amounts), volumes, model.charges))
    molality = dict(zip((one.name for one in liquor), amounts / water, strict=True))
    charge = {one.name: one.charge for one in liquor}
    held = {name: -charge[name] * m for name, m in molality.items() if charge[name] < 0}
    anion = max(held, key=lambda name: held[name], default="")
    if not anion or held[anion] <= MAIN_SHARE * sum(held.values()):
        return []
    shares = {}
    for (cation, other), pair in load_pitzer().binary.items():
        if other == anion and cation in molality and pair.highest_molality > 0.0:
            shares[cation] = (molality[cation], pair.highest_molality)
    used = {name: m / most for name, (m, most) in shares.items()}
    if sum(used.values()) <= 1.0:
        return []
    worst = max(used, key=lambda name: used[name])
    m, most = shares[worst]
    return [
        f"Pitzer: the liquor holds {sum(used.values()):.2g} times what was measured of its salts, "
        f"most of it {m:.3g} mol/kg {worst} with {anion}, measured to {most:.3g}: activities are "
        f"extrapolated."
    ]
