"""Constants per stage that mass action and activities make, and how they change with the liquor.

    ln K_k = ln D_k - ν_k u

is a number of the stage: with activities of the liquor alone it depends on the liquor alone. Where
every component of the liquor is its own free ion and the organic is ideal, the activity model is
asked at once, Pitzer's for its slopes as well; otherwise the liquor is speciated, and the
derivative is that of the speciation.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.equilibrium_contact import standard_constants
from raffinate.chemistry.equilibrium_plan import plan_of
from raffinate.chemistry.exchange import AcidicExchange
from raffinate.chemistry.liquor_density import water_content
from raffinate.chemistry.nonideality import NonIdealPhases
from raffinate.chemistry.pitzer import PitzerModel
from raffinate.chemistry.pitzer_slopes import log_molal_slopes
from raffinate.chemistry.stage_chemistry import Parameters, StageChemistry
from raffinate.chemistry.tableau_chemistry import TableauChemistry
from raffinate.numerics.jax_setup import Array, jax, jnp

Floats = NDArray[np.float64]

TRACE = 1e-9
"""Part of the anion below which a component of a speciated liquor counts as moving nothing, [-]."""


class Constants(NamedTuple):
    """Constants at a composition and their derivatives.

    Attributes:
        value: ln K of carried species, (stage, carried), [-].
        by_aqueous: By the concentrations of carried species and proton, (stage, carried, species),
            [m³/mol].
        by_log_q: By ln q, (stage, carried), [-].
    """

    value: Array
    by_aqueous: Array
    by_log_q: Array


class Liquors(NamedTuple):
    """Composition of the stages.

    Attributes:
        log_q: ln q, (stage,), [-].
        aqueous: Carried species and the proton, (stage, species), [mol/m³].
        anion: (stage,), [mol/m³].
        active: Whether the stage exists, (stage,).
    """

    log_q: Array
    aqueous: Array
    anion: Array
    active: Array


def stand_in(chemistry: StageChemistry) -> AcidicExchange:
    """Return the ideal exchange of the same components."""
    count = chemistry.element_count
    names = chemistry.components
    return AcidicExchange(names[:count], cation=names[count], anion=names[count + 1])


def constants_of(chemistry: StageChemistry, parameters: Parameters, liquors: Liquors) -> Array:
    """Return ln K of what the organic carries, (stage, carried), [-]; 0 where no stage is.

    Args:
        chemistry: One for which `is_exchange` holds.
        parameters: Its numbers.
        liquors: Where to ask.
    """
    if is_plain(chemistry):
        found = _plain(chemistry, parameters, liquors.aqueous, liquors.anion)
    else:
        found = jax.vmap(lambda one: _speciated(chemistry, parameters, one))(_contacts(liquors))
    return jnp.where(liquors.active[:, None], found, 0.0)


def constants_with_slopes(
    chemistry: StageChemistry, parameters: Parameters, liquors: Liquors
) -> Constants:
    """Return ln K and its derivatives, 0 where no stage is; arguments as of `constants_of`."""
    if is_plain(chemistry):
        found = _plain_slopes(chemistry, parameters, liquors)
    else:
        found = _speciated_slopes(chemistry, parameters, liquors)
    value, by_aqueous, by_log_q = found
    active = liquors.active[:, None]
    return Constants(
        jnp.where(active, value, 0.0),
        jnp.where(active[..., None], by_aqueous, 0.0),
        jnp.where(active, by_log_q, 0.0),
    )


def is_plain(chemistry: StageChemistry) -> bool:
    """Return whether the liquor holds free ions alone and the organic is ideal."""
    if not isinstance(chemistry, TableauChemistry) or not isinstance(
        chemistry.model, NonIdealPhases
    ):
        return False
    organic = chemistry.model.organic
    free = chemistry.tableau.aqueous_count == chemistry.element_count + 3
    return free and not organic.loaded and not organic.carriers


class _PlainRows(NamedTuple):
    """Where a plain liquor's ln K come from: ln K⁰ + ln γ + protons · ln γ_H + water · ln a_w.

    Attributes:
        places: Of the carried species, the anion and the proton among the aqueous, (ion,).
        species: Row in the organic of what carries each, (carried,).
        protons: That it takes up, (carried,), [-].
        water: Likewise, (carried,), [-].
    """

    places: NDArray[np.intp]
    species: NDArray[np.intp]
    protons: Floats
    water: Floats


def _plain_rows(chemistry: TableauChemistry) -> _PlainRows:
    tableau, count = chemistry.tableau, chemistry.element_count
    matrix, names = tableau.stoichiometry, tableau.components
    ions = (*chemistry.components[: count + 2], "proton")
    places = np.array([tableau.free[names.index(name)] for name in ions], dtype=np.intp)
    species = []
    for name in ions[: count + 1]:
        held = matrix[:, names.index(name)] > 0.0
        held[: tableau.aqueous_count] = False
        species.append(int(np.flatnonzero(held)[0]))
    return _PlainRows(
        places=places,
        species=np.array(species, dtype=np.intp),
        protons=np.asarray(matrix[species, names.index("proton")], np.float64),
        water=np.asarray(tableau.water, np.float64)[species],
    )


def _liquor(rows: _PlainRows, aqueous: Array, anion: Array) -> Array:
    """Return the concentrations in the order of the tableau, (ion, stage), [mol/m³]."""
    order = np.argsort(rows.places)
    return jnp.concatenate([aqueous[:, :-1], anion[:, None], aqueous[:, -1:]], axis=1).T[order]


def _plain(
    chemistry: StageChemistry, parameters: Parameters, aqueous: Array, anion: Array
) -> Array:
    assert isinstance(chemistry, TableauChemistry)
    tableau, rows = chemistry.tableau, _plain_rows(chemistry)
    nothing = jnp.zeros((len(tableau.stoichiometry) - tableau.aqueous_count, len(anion)))
    liquor = _liquor(rows, aqueous, anion)
    ion, _, water = chemistry.model.log_coefficients(liquor, nothing, parameters.nonideal)
    standard = standard_constants(plan_of(tableau), parameters.log10_constants[:, None])
    own = ion[rows.places[:-2]] + rows.protons[:, None] * ion[rows.places[-1]]
    found: Array = (standard[rows.species] + own + rows.water[:, None] * water).T
    return found


def _plain_slopes(chemistry: StageChemistry, parameters: Parameters, liquors: Liquors) -> Constants:
    assert isinstance(chemistry, TableauChemistry)
    model = chemistry.model
    if isinstance(model, NonIdealPhases) and isinstance(model.aqueous, PitzerModel):
        value = _plain(chemistry, parameters, liquors.aqueous, liquors.anion)
        slopes = _pitzer_slopes(chemistry, model, model.aqueous, parameters, liquors)
        return Constants(value, slopes, jnp.zeros_like(value))

    def at(aqueous: Array) -> Array:
        return _plain(chemistry, parameters, aqueous, liquors.anion)

    def along(unit: Array) -> tuple[Array, Array]:
        tangent = jnp.broadcast_to(unit, liquors.aqueous.shape)
        found: tuple[Array, Array] = jax.jvp(at, (liquors.aqueous,), (tangent,))
        return found

    units = jnp.eye(liquors.aqueous.shape[1])
    value, slopes = jax.vmap(along, out_axes=(None, -1))(units)
    return Constants(value, slopes, jnp.zeros_like(value))


def _pitzer_slopes(
    chemistry: TableauChemistry,
    model: NonIdealPhases,
    pitzer: PitzerModel,
    parameters: Parameters,
    liquors: Liquors,
) -> Array:
    """Return ∂ln K/∂x, (stage, carried, species), [m³/mol], by the chain from molalities m = x/w.

    With D the slopes by m, w the water and ∂ln K/∂ln w = -(1 + protons) on the molar scale:
    ∂ln K/∂x_j = [D_j - (D·m + 1 + protons) ∂w/∂x_j]/w.
    """
    rows, numbers = _plain_rows(chemistry), parameters.nonideal
    liquor = _liquor(rows, liquors.aqueous, liquors.anion)

    def water_in(at: Array) -> Array:
        if not model.by_volume:
            return jnp.full_like(at[0], 1000.0)
        return water_content(at, numbers.volumes, model.charges)

    water, backwards = jax.vjp(water_in, liquor)
    (by_liquor,) = backwards(jnp.ones_like(water))
    molality = liquor / water
    ion, activity = log_molal_slopes(pitzer, molality, numbers.aqueous)
    protons = rows.protons[:, None, None]
    slopes = ion[rows.places[:-2]] + protons * ion[rows.places[-1]]
    slopes = slopes + rows.water[:, None, None] * activity
    along = jnp.sum(slopes * molality, axis=1) + model.by_volume * (1.0 + protons[:, 0])
    slopes = (slopes - along[:, None] * by_liquor) / water
    asked = np.array([*rows.places[:-2], rows.places[-1]])
    found: Array = slopes[:, asked].transpose(2, 0, 1)
    return found


def _contacts(liquors: Liquors) -> Array:
    """Return the unknowns of the contacts, (stage, unknown)."""
    log_aqueous = jnp.log(liquors.aqueous)
    proton = log_aqueous[:, -1:]
    anion = jnp.log(liquors.anion)[:, None]
    free = liquors.log_q[:, None] + proton
    return jnp.concatenate([log_aqueous[:, :-1], anion, free, proton], axis=1)


def _speciated(chemistry: StageChemistry, parameters: Parameters, contact: Array) -> Array:
    """Return ln K of one contact, (carried,), [-]."""
    count = chemistry.element_count
    ratio = chemistry.distribution(contact, parameters)[: count + 1]
    valence = jnp.array([3.0] * count + [1.0])
    return jnp.log(ratio) - valence * (contact[count + 2] - contact[count + 3])


def _speciated_slopes(
    chemistry: StageChemistry, parameters: Parameters, liquors: Liquors
) -> Constants:
    def one(contact: Array) -> tuple[Array, Array]:
        found = _speciated(chemistry, parameters, contact)
        return found, found

    slopes, value = jax.vmap(jax.jacfwd(one, has_aux=True))(_contacts(liquors))
    by_free = slopes[:, :, -2]
    by_log = jnp.concatenate([slopes[:, :, :-3], (slopes[:, :, -1] + by_free)[..., None]], axis=2)
    aqueous = liquors.aqueous
    # The derivative by the logarithm of a trace is rounding, which a division would blow up.
    present = aqueous > TRACE * liquors.anion[:, None]
    inverse = jnp.where(present, 1.0 / jnp.where(present, aqueous, 1.0), 0.0)
    return Constants(value, by_log * inverse[:, None, :], by_free)
