"""Equilibrium of acidic extraction with a saponifying cation, as the engine sees it.

RE³⁺ + 3(HA)₂ ⇌ RE(HA₂)₃ + 3H⁺        K_i  = y_i h³ / (x_i f³)
NH₄⁺ + (HA)₂ ⇌ NH₄(HA₂) + H⁺           K_c  = s h / (a f)

with x, h, a, c the aqueous concentrations of rare earth, proton, saponifying cation and anion, y
and s the organic ones, f the free dimer. Concentrations are [mol/m³]; both constants are
dimensionless and activities are ideal. The dimer total f + 3Σy + s is the hard loading limit: no
y can exceed a third of it, because f stays positive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from raffinate.numerics.jax_setup import Array, jnp, lax

FLOOR = 1e-9
"""Smallest concentration a stream is given, [mol/m³]: logarithms need one; 1e-12 mol/L."""


class ExchangeParameters(NamedTuple):
    """Numbers of an acidic-exchange chemistry.

    Attributes:
        log_extraction_constant: ln K of the rare earths, (element,), [-].
        log_cation_constant: ln K_c of the saponifying cation, [-].
    """

    log_extraction_constant: Array
    log_cation_constant: Array


@dataclass(frozen=True, slots=True)
class AcidicExchange:
    """Competitive mass action of rare earths and one saponifying cation for a dimeric acid.

    Components: the rare earths, then the cation, the anion and the extractant (as dimer). The
    proton is not balanced: electroneutrality of the aqueous phase fixes it, and every organic
    species is neutral, so the two statements are the same.

    Attributes:
        elements: Symbols of the rare earths.
        cation: Name of the saponifying cation.
        anion: Name of the anion.
    """

    elements: tuple[str, ...]
    cation: str = "NH4"
    anion: str = "chloride"

    @property
    def components(self) -> tuple[str, ...]:
        """Names of the balanced components."""
        return (*self.elements, self.cation, self.anion, "extractant")

    @property
    def organic_components(self) -> tuple[int, ...]:
        """Rare earths, cation and extractant; the anion stays aqueous."""
        count = len(self.elements)
        return (*range(count + 1), count + 2)

    @property
    def element_count(self) -> int:
        """Number of rare earths."""
        return len(self.elements)

    @property
    def unknown_count(self) -> int:
        """Logarithms of x (element,), a, c, f and h."""
        return len(self.elements) + 4

    def residual(
        self,
        unknowns: Array,
        totals: Array,
        organic_fraction: Array,
        parameters: ExchangeParameters,
    ) -> Array:
        """Return balances, then electroneutrality, each relative to what is present, [-]."""
        aqueous, organic = self.phases(unknowns, parameters)
        held = (1.0 - organic_fraction) * aqueous + organic_fraction * organic
        scale = lax.stop_gradient(held)
        return jnp.append((held - totals) / scale, self.charge(unknowns))

    def charge(self, unknowns: Array) -> Array:
        """Return the charge excess of the aqueous phase over its anion, relative, [-]."""
        count = len(self.elements)
        log_anion = unknowns[count + 1]
        relative = jnp.exp(unknowns - log_anion)
        positive = 3.0 * jnp.sum(relative[:count]) + relative[count] + relative[count + 3]
        return (positive - 1.0) / (positive + 1.0)

    def moved(self, unknowns: Array, step: Array, bound: float) -> Array:
        """Return unknowns (..., unknown) after a Newton step that cannot leave the positive.

        Balances are linear in x, a and c once f/h is known, so those take the step as a relative
        change of the concentration; f and h, which enter as cubes, take it in the logarithm.
        """
        count = len(self.elements) + 2
        factor = 1.0 + step[..., :count]
        linear = jnp.log(jnp.clip(factor, jnp.exp(-4.0 * bound), jnp.exp(4.0 * bound)))
        logarithmic = jnp.clip(step[..., count:], -bound, bound)
        return unknowns + jnp.concatenate([linear, logarithmic], axis=-1)

    def phases(self, unknowns: Array, parameters: ExchangeParameters) -> tuple[Array, Array]:
        """Return aqueous and organic concentrations of the components, [mol/m³]."""
        count = len(self.elements)
        log_ratio = unknowns[count + 2] - unknowns[count + 3]
        organic_re = jnp.exp(
            parameters.log_extraction_constant + 3.0 * log_ratio + unknowns[:count]
        )
        organic_cation = jnp.exp(parameters.log_cation_constant + log_ratio + unknowns[count])
        dimer = jnp.exp(unknowns[count + 2]) + 3.0 * jnp.sum(organic_re) + organic_cation
        zero = jnp.zeros((1,))
        aqueous = jnp.concatenate([jnp.exp(unknowns[: count + 2]), zero])
        organic = jnp.concatenate([organic_re, organic_cation[None], zero, dimer[None]])
        return aqueous, organic

    def distribution(self, unknowns: Array, parameters: ExchangeParameters) -> Array:
        """Return organic over aqueous of every component, (component,); 0 where one-sided."""
        log_ratio = unknowns[len(self.elements) + 2] - unknowns[len(self.elements) + 3]
        rare_earths = jnp.exp(parameters.log_extraction_constant + 3.0 * log_ratio)
        cation = jnp.exp(parameters.log_cation_constant + log_ratio)
        return jnp.concatenate([rare_earths, cation[None], jnp.zeros((2,))])

    @property
    def acidity(self) -> tuple[int, int]:
        """Places of ln h and ln f among the unknowns."""
        return (len(self.elements) + 3, len(self.elements) + 2)

    def proton(self, unknowns: Array) -> Array:
        """Return the free proton of contacts (..., unknown), [mol/m³]."""
        return jnp.exp(unknowns[..., len(self.elements) + 3])

    def free_extractant(self, unknowns: Array) -> Array:
        """Return the free dimer of contacts (..., unknown), [mol/m³]."""
        return jnp.exp(unknowns[..., len(self.elements) + 2])

    def contact(
        self, totals: Array, organic_fraction: Array, parameters: ExchangeParameters
    ) -> Array:
        """Return the unknowns at equilibrium for `totals`, (component,), [mol/m³ of both phases].

        With q = f/h every concentration follows from its total; what remains is one equation in
        q, the free dimer left by the loading against q times the proton left by the charges,
        which falls steadily with q. Bisection in ln q therefore finds the one root from any
        start. Totals whose charges leave no proton at any q (an organic saponified beyond what
        the liquor can take up) give NaN.
        """
        count = len(self.elements)
        aqueous_fraction = 1.0 - organic_fraction
        totals = jnp.maximum(totals, 1e-100)
        anion = totals[count + 1] / aqueous_fraction
        dimer = totals[count + 2] / organic_fraction
        exponent = jnp.concatenate([jnp.full((count,), 3.0), jnp.ones((1,))])
        log_constant = jnp.append(
            parameters.log_extraction_constant, parameters.log_cation_constant
        )

        def state(log_q: Array) -> tuple[Array, Array, Array]:
            ratio = jnp.exp(log_constant + exponent * log_q)
            aqueous = totals[: count + 1] / (aqueous_fraction + organic_fraction * ratio)
            proton = anion - jnp.sum(exponent * aqueous)
            free = dimer - jnp.sum(exponent * ratio * aqueous)
            return aqueous, proton, free

        def halve(_: int, bounds: tuple[Array, Array]) -> tuple[Array, Array]:
            low, high = bounds
            middle = 0.5 * (low + high)
            proton, free = state(middle)[1:]
            too_low = (proton <= 0.0) | (free > jnp.exp(middle) * proton)
            return jnp.where(too_low, middle, low), jnp.where(too_low, high, middle)

        low, high = lax.fori_loop(0, 70, halve, (jnp.array(-60.0), jnp.array(60.0)))
        log_q = 0.5 * (low + high)
        aqueous, proton, free = state(log_q)
        log_proton = jnp.log(jnp.where((free > 0.0) & (proton > 0.0), proton, jnp.nan))
        return jnp.concatenate(
            [jnp.log(aqueous), jnp.stack([jnp.log(anion), log_q + log_proton, log_proton])]
        )
