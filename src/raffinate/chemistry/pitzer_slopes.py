"""How the activity coefficients of Pitzer's model change with the molalities, written out.

Asked by forward differentiation, a liquor of n ions costs n times its coefficients. Written out,
with B the matrices of the model (2β⁽⁰⁾ or 2θ, C, and 2β of each decay), ψ as one of three ions, and
Z = Σ|z|m, one product with constant matrices and a few outer products do it:

    ∂ln γ_i/∂m_j = B⁰ + Z C + Σ g_d B_d + Σ_k ψ_ijk m_k + |z_i| (C m)_j + (C m)_i |z_j|
                   + Σ_d g_d' [(B_d m)_i z_j² + z_i² (B_d m)_j]/2 + z_i² z_j² Σ_d g_d" (m·B_d m)/8
                   + what the charges alone make

g_d(I) is the decay of a term. The last part is the Debye-Hückel term and Eθ of unlike charges: it
depends on the molalities of the charge numbers only, so that few tangents give it.

Source: the equations of `pitzer`, differentiated; water by Gibbs and Duhem.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.pitzer import (
    DECAYS,
    TINY,
    WATER_MOLAR_MASS,
    PitzerModel,
    PitzerParameters,
    decay,
)
from raffinate.numerics.jax_setup import Array, jax, jnp


def log_molal_slopes(
    model: PitzerModel, molality: Array, parameters: PitzerParameters
) -> tuple[Array, Array]:
    """Return ∂ln γ_i/∂m_j, (ion, ion, batch), and ∂ln a_w/∂m_j, (ion, batch), [kg/mol].

    Args:
        model: Which terms are present.
        molality: Of every aqueous species, (ion, batch), [mol/kg].
        parameters: See `PitzerParameters`.
    """
    charge, count = np.asarray(model.charges, np.float64), len(model.charges)
    size, square = np.abs(charge)[:, None], (charge * charge)[:, None]
    strength = 0.5 * jnp.sum(square * molality, axis=0) + TINY
    moments = jnp.tensordot(parameters.virial, molality, axes=1).reshape(-1, count, len(strength))
    weights = [jnp.ones_like(strength), jnp.sum(size * molality, axis=0)]
    by_strength, of_squares = jnp.zeros_like(molality), jnp.zeros_like(strength)
    for place, moment in zip(model.decays, moments[2:], strict=True):
        value, slope, curve = _decay_slopes(place, strength)
        weights.append(value)
        by_strength = by_strength + slope * moment
        of_squares = of_squares + curve * jnp.sum(moment * molality, axis=0)
    third = molality[: count if model.pairs else 0]
    charges = _of_charges(model, molality, parameters)
    rows = [jnp.stack(weights), third, moments[1], by_strength, of_squares[None], charges]
    blocks = jnp.concatenate([_virial_columns(model, parameters), _charge_columns(model)], axis=1)
    # One product: of sums the compiler would ask for each row again for every pair of ions.
    found = (blocks @ jnp.concatenate(rows)).reshape(count, count, -1)
    water = -WATER_MOLAR_MASS * (1.0 + jnp.sum(molality[:, None] * found, axis=0))
    return found, water


def _virial_columns(model: PitzerModel, parameters: PitzerParameters) -> Array:
    """Return the matrices, and ψ with each third ion if there is any, (ion · ion, row)."""
    count = len(model.charges)
    blocks = parameters.virial.reshape(-1, count * count).T
    if not model.pairs:
        return blocks
    left, right = np.asarray(model.pairs).T
    place = np.full((count, count), len(left))
    place[left, right] = place[right, left] = np.arange(len(left))
    triple = jnp.pad(parameters.triple, ((0, 0), (0, 1)))[:, place]
    return jnp.concatenate([blocks, triple.reshape(count * count, count)], axis=1)


def _charge_columns(model: PitzerModel) -> NDArray[np.float64]:
    """Return what multiplies C m, Σ g' B m, Σ g" (m·B m) and the slopes by charge numbers.

    That is (ion · ion, row), symmetric in the ions.
    """
    charge, count = np.asarray(model.charges, np.float64), len(model.charges)
    kinds, unit = _kinds(model), np.eye(count)

    def both(factor: NDArray[np.float64]) -> NDArray[np.float64]:
        one = factor[:, None, None] * unit[None]
        return one + one.swapaxes(0, 1)

    member = (charge[:, None] == np.array(kinds)).astype(np.float64)
    square = charge * charge
    columns = [
        both(np.abs(charge)),
        both(0.5 * square),
        0.125 * np.multiply.outer(square, square)[:, :, None],
        np.einsum("ia,jb->ijab", member, member).reshape(count, count, -1),
    ]
    return np.concatenate(columns, axis=2).reshape(count * count, -1)


def _kinds(model: PitzerModel) -> tuple[int, ...]:
    return tuple(sorted({charge for charge in model.charges if charge}))


def _decay_slopes(place: int, strength: Array) -> tuple[Array, Array, Array]:
    """Return g of a decay and its first and second derivatives by ionic strength, (batch,)."""

    def both(at: Array) -> tuple[Array, Array]:
        value, exponential = decay(DECAYS[place] * jnp.sqrt(at))
        slope = (exponential - value) / at
        return slope, value

    slope, curve, value = jax.jvp(both, (strength,), (jnp.ones_like(strength),), has_aux=True)
    return value, slope, curve


def _of_charges(model: PitzerModel, molality: Array, parameters: PitzerParameters) -> Array:
    """Return the slopes of Debye-Hückel and Eθ by charge numbers, (kind · kind, batch).

    They are those of a liquor with one ion of each charge number and no matrices.
    """
    kinds = _kinds(model)
    bare = PitzerModel(charges=kinds, decays=(), pairs=(), charge_pairs=model.charge_pairs)
    number = len(kinds)
    blank = jnp.zeros((2 * number, number))
    numbers = parameters._replace(virial=blank, triple=jnp.zeros((number, 0)))
    member = np.array([[charge == kind for charge in model.charges] for kind in kinds], np.float64)
    total = jnp.tensordot(member, molality, axes=1)

    def along(unit: Array) -> Array:
        tangent = jnp.broadcast_to(unit[:, None], total.shape)
        slope: Array = jax.jvp(lambda at: bare.log_molal(at, numbers)[0], (total,), (tangent,))[1]
        return slope

    slopes = jax.vmap(along, out_axes=1)(jnp.eye(number))
    return slopes.reshape(number * number, -1)
