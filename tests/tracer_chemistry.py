"""A chemistry of one solute that distributes itself at a constant ratio."""

from __future__ import annotations

from dataclasses import dataclass

from raffinate.numerics.jax_setup import jnp


@dataclass(frozen=True)
class Tracer:
    """One solute; the parameter is its distribution ratio."""

    components = ("tracer", "extractant")
    element_count = 1
    organic_components = (0, 1)
    unknown_count = 2
    acidity = (1, 1)

    def phases(self, unknowns, parameters):
        solute, dimer = jnp.exp(unknowns)
        return jnp.array([solute, 0.0]), jnp.array([parameters * solute, dimer])

    def residual(self, unknowns, totals, organic_fraction, parameters):
        aqueous, organic = self.phases(unknowns, parameters)
        held = (1.0 - organic_fraction) * aqueous + organic_fraction * organic
        return (held - totals) / held

    def moved(self, unknowns, step, bound):
        return unknowns + jnp.clip(step, -bound, bound)
