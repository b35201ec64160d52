"""A chemistry of distribution ratios by correlation, as another simulator's bank has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from raffinate.numerics.jax_setup import Array, jnp, lax

KEPT_CATION = 1e-12
"""Organic over aqueous of the marker of the strip, [-]: as good as none."""


class CorrelatedParameters(NamedTuple):
    """Numbers of the correlation.

    slope, slope_of_dose, intercept, dose_exponent: log10 D = (slope + slope_of_dose · dose) · pH
        + intercept + dose_exponent · log10 dose, (element,).
    dose_per_free: Volume per cent of free extractant per mol/m³ of it.
    charge: Protons set free, and extractant bound, by one metal atom, (element,).
    sulfate: SO₄ and HSO₄ together, [mol/m³].
    dissociation: h [SO₄]/[HSO₄], [mol/m³].
    """

    slope: Array
    slope_of_dose: Array
    intercept: Array
    dose_exponent: Array
    dose_per_free: Array
    charge: Array
    sulfate: Array
    dissociation: Array


@dataclass(frozen=True, slots=True)
class CorrelatedExchange:
    """D from pH and free extractant; acid, bisulfate included, from what the metals set free.

    The anion stands for half the metal charges plus acid, which extraction does not change. The
    cation marks the strip: where there is any, every D is 1, so that the strip liquor sets what the
    organic brings back.
    """

    elements: tuple[str, ...]

    @property
    def components(self) -> tuple[str, ...]:
        return (*self.elements, "marker", "anion", "extractant")

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

    def _ratio(
        self, log_proton: Array, free: Array, marker: Array, parameters: CorrelatedParameters
    ) -> Array:
        acidity = 3.0 - log_proton / jnp.log(10.0)
        dose = parameters.dose_per_free * free
        slope = parameters.slope + parameters.slope_of_dose * dose
        held = parameters.dose_exponent * jnp.log10(dose) + parameters.intercept
        correlated = 10.0 ** (slope * acidity + held)
        apart = jnp.exp(-marker)
        return correlated * apart + (1.0 - apart)

    def _charge(self, unknowns: Array, parameters: CorrelatedParameters) -> Array:
        count = len(self.elements)
        proton, held = jnp.exp(unknowns[count + 3]), 2.0 * jnp.exp(unknowns[count + 1])
        bound = parameters.sulfate * proton / (parameters.dissociation + proton)
        metal = jnp.sum(parameters.charge * jnp.exp(unknowns[:count]))
        return (metal + proton + bound) / held - 1.0

    def residual(
        self,
        unknowns: Array,
        totals: Array,
        organic_fraction: Array,
        parameters: CorrelatedParameters,
    ) -> Array:
        aqueous, organic = self.phases(unknowns, parameters)
        held = (1.0 - organic_fraction) * aqueous + organic_fraction * organic
        balances = (held - totals) / lax.stop_gradient(held)
        return jnp.append(balances, self._charge(unknowns, parameters))

    def phases(self, unknowns: Array, parameters: CorrelatedParameters) -> tuple[Array, Array]:
        count = len(self.elements)
        aqueous = jnp.concatenate([jnp.exp(unknowns[: count + 2]), jnp.zeros((1,))])
        organic = self.distribution(unknowns, parameters) * aqueous
        bound = jnp.sum(parameters.charge * organic[:count])
        return aqueous, organic.at[count + 2].set(jnp.exp(unknowns[count + 2]) + bound)

    def distribution(self, unknowns: Array, parameters: CorrelatedParameters) -> Array:
        count = len(self.elements)
        free, marker = jnp.exp(unknowns[count + 2]), jnp.exp(unknowns[count])
        ratio = self._ratio(unknowns[count + 3], free, marker, parameters)
        return jnp.concatenate([ratio, jnp.array([KEPT_CATION, 0.0, 0.0])])

    def moved(self, unknowns: Array, step: Array, bound: float) -> Array:
        count = len(self.elements) + 3
        factor = jnp.clip(1.0 + step[..., :count], jnp.exp(-4.0 * bound), jnp.exp(4.0 * bound))
        last = jnp.clip(step[..., count:], -bound, bound)
        return unknowns + jnp.concatenate([jnp.log(factor), last], axis=-1)

    def contact(
        self, totals: Array, organic_fraction: Array, parameters: CorrelatedParameters
    ) -> Array:
        count = len(self.elements)
        totals = jnp.maximum(totals, 1e-100)
        rest = 1.0 - organic_fraction
        marker = totals[count] / (rest + organic_fraction * KEPT_CATION)
        anion, extractant = totals[count + 1] / rest, totals[count + 2] / organic_fraction

        def state(log_proton: Array) -> Array:
            def metal(free: Array) -> tuple[Array, Array]:
                ratio = self._ratio(log_proton, free, marker, parameters)
                return totals[:count] / (rest + organic_fraction * ratio), ratio

            def less_bound(_: int, free: Array) -> Array:
                aqueous, ratio = metal(free)
                bound = jnp.sum(parameters.charge * ratio * aqueous)
                return jnp.maximum(extractant - bound, 1e-3 * extractant)

            # Most of what is bound has a constant D, so that this settles at once.
            free = lax.fori_loop(0, 25, less_bound, extractant)
            ends = jnp.log(jnp.stack([marker, anion, free]))
            return jnp.concatenate([jnp.log(metal(free)[0]), ends, log_proton[None]])

        def halve(_: int, bounds: tuple[Array, Array]) -> tuple[Array, Array]:
            low, high = bounds
            middle = 0.5 * (low + high)
            too_high = self._charge(state(middle), parameters) > 0.0
            return jnp.where(too_high, low, middle), jnp.where(too_high, middle, high)

        low, high = lax.fori_loop(0, 70, halve, (jnp.array(-20.0), jnp.array(20.0)))
        return state(0.5 * (low + high))

    def proton(self, unknowns: Array) -> Array:
        return jnp.exp(unknowns[..., len(self.elements) + 3])

    def free_extractant(self, unknowns: Array) -> Array:
        return jnp.exp(unknowns[..., len(self.elements) + 2])
