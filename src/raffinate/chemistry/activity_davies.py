"""The Davies equation, for ionic strengths to about 0.5 mol/kg.

Source: C. W. Davies, Ion Association, Butterworths 1962: log₁₀ γ = -A z² [√I/(1 + √I) - 0.3 I];
neutral species log₁₀ γ = 0.1 I and the activity of water 1 - 0.017 Σm, as in PHREEQC 3 (Parkhurst
and Appelo 2013, U.S. Geological Survey Techniques and Methods 6-A43).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from raffinate.chemistry.pitzer import A_PHI, TINY
from raffinate.numerics.jax_setup import Array, jnp
from raffinate.sources import Source

DAVIES_SLOPE = 3.0 * A_PHI / math.log(10.0)
"""A at 25 °C, [kg^½/mol^½], from the slope of the osmotic coefficient."""

SMALLEST_WATER_ACTIVITY = 1e-2
"""[-], where the linear law for the activity of water is cut off."""

DAVIES_SOURCE = Source(
    title="Davies equation",
    reference="C. W. Davies, Ion Association, Butterworths, London 1962; neutral species and water"
    " as in PHREEQC 3, U.S. Geological Survey Techniques and Methods 6-A43 (2013)",
)


@dataclass(frozen=True, slots=True)
class DaviesModel:
    """Davies equation for species of these charges.

    Attributes:
        charges: Of every aqueous species, (ion,).
    """

    charges: tuple[int, ...]

    def log_molal(self, molality: Array, parameters: tuple[()]) -> tuple[Array, Array]:
        """Return ln γ, (ion, ...), on the molal scale, and ln of the activity of water, (...), [-].

        Args:
            molality: Of every aqueous species, (ion, ...), [mol/kg].
            parameters: None.
        """
        charge = np.asarray(self.charges, np.float64)[(slice(None), *(None,) * (molality.ndim - 1))]
        square = charge * charge
        strength = 0.5 * jnp.sum(square * molality, axis=0) + TINY
        root = jnp.sqrt(strength)
        law = -DAVIES_SLOPE * (root / (1.0 + root) - 0.3 * strength)
        log10_gamma = square * law + (square == 0.0) * (0.1 * strength)
        return math.log(10.0) * log10_gamma, log_dilute_water_activity(molality)


def log_dilute_water_activity(molality: Array) -> Array:
    """Return ln of the activity of water, (...), [-], as PHREEQC takes it outside Pitzer.

    Args:
        molality: Of every aqueous species, (ion, ...), [mol/kg].
    """
    solutes = jnp.sum(molality, axis=0)
    return jnp.log(jnp.maximum(1.0 - 0.017 * solutes, SMALLEST_WATER_ACTIVITY))
