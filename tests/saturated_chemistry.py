"""A chemistry with exactly constant separation factors, to hold the engine against theory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from raffinate.cascade.bank import no_specification
from raffinate.cascade.equations import Problem
from raffinate.numerics.jax_setup import Array, given, jax, jnp, lax
from raffinate.plant.arrays import streams_of, vessels_of
from raffinate.plant.model import Circuit

LEFT_OVER = 1e-7
"""Acid where the metals of both phases are alike, [mol/m³]: as good as none."""

KEPT_CATION = 1e-12
"""Organic over aqueous of the saponifying cation, [-]: as good as none."""


class SaturatedParameters(NamedTuple):
    """ln β over a common reference, (element,), [-]."""

    log_separation_factor: Array


@dataclass(frozen=True, slots=True)
class SaturatedExchange:
    """Organic that gives its saponifying cation, or acid its protons, for metal to the last mole.

    y_i = r β_i x_i, with r such that the charges of the aqueous phase balance. Acid is what
    r leaves of it, `LEFT_OVER`/r^(1/3): nothing, until there is no metal left to take.
    """

    elements: tuple[str, ...]

    @property
    def components(self) -> tuple[str, ...]:
        return (*self.elements, "cation", "anion", "extractant")

    @property
    def organic_components(self) -> tuple[int, ...]:
        count = len(self.elements)
        return (*range(count + 1), count + 2)

    @property
    def element_count(self) -> int:
        return len(self.elements)

    @property
    def unknown_count(self) -> int:
        return len(self.elements) + 4

    @property
    def acidity(self) -> tuple[int, int]:
        return (len(self.elements) + 3, len(self.elements) + 2)

    def _charge(self, unknowns: Array) -> Array:
        count = len(self.elements)
        relative = jnp.exp(unknowns[: count + 1] - unknowns[count + 1])
        acid = LEFT_OVER * jnp.exp(-unknowns[count + 3] / 3.0 - unknowns[count + 1])
        positive = 3.0 * jnp.sum(relative[:count]) + relative[count] + acid
        return (positive - 1.0) / (positive + 1.0)

    def residual(
        self,
        unknowns: Array,
        totals: Array,
        organic_fraction: Array,
        parameters: SaturatedParameters,
    ) -> Array:
        aqueous, organic = self.phases(unknowns, parameters)
        held = (1.0 - organic_fraction) * aqueous + organic_fraction * organic
        balances = (held - totals) / lax.stop_gradient(held)
        return jnp.append(balances, self._charge(unknowns))

    def phases(self, unknowns: Array, parameters: SaturatedParameters) -> tuple[Array, Array]:
        count = len(self.elements)
        zero = jnp.zeros((1,))
        soluble = jnp.exp(unknowns[: count + 2])
        ratio = self.distribution(unknowns, parameters)
        aqueous = jnp.concatenate([soluble, zero])
        organic = ratio * aqueous
        return aqueous, organic.at[count + 2].set(jnp.exp(unknowns[count + 2]))

    def distribution(self, unknowns: Array, parameters: SaturatedParameters) -> Array:
        log_ratio = parameters.log_separation_factor + unknowns[len(self.elements) + 3]
        return jnp.concatenate([jnp.exp(log_ratio), jnp.array([KEPT_CATION, 0.0, 0.0])])

    def moved(self, unknowns: Array, step: Array, bound: float) -> Array:
        count = len(self.elements) + 3
        factor = jnp.clip(1.0 + step[..., :count], jnp.exp(-4.0 * bound), jnp.exp(4.0 * bound))
        last = jnp.clip(step[..., count:], -bound, bound)
        return unknowns + jnp.concatenate([jnp.log(factor), last], axis=-1)

    def contact(
        self, totals: Array, organic_fraction: Array, parameters: SaturatedParameters
    ) -> Array:
        count = len(self.elements)
        totals = jnp.maximum(totals, 1e-100)
        rest = 1.0 - organic_fraction
        anion, dimer = totals[count + 1] / rest, totals[count + 2] / organic_fraction

        def state(log_r: Array) -> Array:
            ratio = jnp.exp(parameters.log_separation_factor + log_r)
            metal = totals[:count] / (rest + organic_fraction * ratio)
            cation = totals[count] / (rest + organic_fraction * KEPT_CATION)
            return jnp.concatenate(
                [jnp.log(metal), jnp.log(jnp.stack([cation, anion, dimer])), log_r[None]]
            )

        def halve(_: int, bounds: tuple[Array, Array]) -> tuple[Array, Array]:
            low, high = bounds
            middle = 0.5 * (low + high)
            too_low = self._charge(state(middle)) > 0.0
            return jnp.where(too_low, middle, low), jnp.where(too_low, high, middle)

        low, high = lax.fori_loop(0, 80, halve, (jnp.array(-120.0), jnp.array(60.0)))
        return state(0.5 * (low + high))

    def proton(self, unknowns: Array) -> Array:
        return LEFT_OVER * jnp.exp(-unknowns[..., len(self.elements) + 3] / 3.0)

    def free_extractant(self, unknowns: Array) -> Array:
        return jnp.exp(unknowns[..., len(self.elements) + 2])


def saturated_problem(circuit: Circuit, beta: dict[str, float]) -> Problem:
    """Return a circuit's bank with constant separation factors in place of its constants."""
    streams = streams_of(circuit)
    flows = 1 + len(streams.feed_flow) + len(streams.draw_flow)
    logs = jnp.log(jnp.array([beta[e] for e in circuit.elements]))
    parameters = SaturatedParameters(given(jax.device_get(logs)))
    nothing = no_specification(len(circuit.elements) + 3, flows)
    return Problem(vessels_of(circuit), streams, nothing, parameters)
