"""What the engine asks of a chemistry; everything it knows about one."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

from raffinate.numerics.jax_setup import Array

Parameters: TypeAlias = Any
"""Numbers of a chemistry, an array-only pytree: the engine hands it on and never looks inside."""


class StageChemistry(Protocol):
    """Equilibrium of one contact as residuals of its unknowns (count fixed per system).

    Components are what the engine balances: the rare earths first, the extractant last. Unknowns
    are logarithms. An implementation is a frozen, hashable value, because kernels are compiled
    for it; its numbers travel separately as `parameters`.
    """

    @property
    def components(self) -> tuple[str, ...]:
        """Names of the balanced components; they fix the last axis of totals and phases."""
        ...

    @property
    def element_count(self) -> int:
        """Number of rare earths, the components that the organic loop returns."""
        ...

    @property
    def organic_components(self) -> tuple[int, ...]:
        """Indices of the components that the organic phase carries."""
        ...

    @property
    def unknown_count(self) -> int:
        """Number of unknowns of one contact."""
        ...

    @property
    def acidity(self) -> tuple[int, int]:
        """Places of the logarithms of free proton and free extractant among the unknowns."""
        ...

    def __hash__(self) -> int: ...

    def residual(
        self, unknowns: Array, totals: Array, organic_fraction: Array, parameters: Parameters
    ) -> Array:
        """Return (unknown,) residuals, relative: balances of the components first.

        Args:
            unknowns: (unknown,).
            totals: (component,), [mol per m³ of both phases].
            organic_fraction: Volume of organic per volume of both phases, [-].
            parameters: Numbers of the chemistry.
        """
        ...

    def phases(self, unknowns: Array, parameters: Parameters) -> tuple[Array, Array]:
        """Return aqueous and organic concentrations, each (component,), [mol/m³]."""
        ...

    def distribution(self, unknowns: Array, parameters: Parameters) -> Array:
        """Return organic over aqueous of every component, (component,); 0 where one-sided."""
        ...

    def moved(self, unknowns: Array, step: Array, bound: float) -> Array:
        """Return unknowns (..., unknown) after a Newton step, kept where they have a meaning.

        Args:
            unknowns: (..., unknown).
            step: Newton step of each, (..., unknown).
            bound: Largest change of a logarithm that enters as a power.
        """
        ...

    def contact(self, totals: Array, organic_fraction: Array, parameters: Parameters) -> Array:
        """Return the unknowns at equilibrium for given totals, solved without a guess.

        Totals that have no equilibrium give NaN.
        """
        ...

    def proton(self, unknowns: Array) -> Array:
        """Return the free proton of contacts (..., unknown), [mol/m³]."""
        ...

    def free_extractant(self, unknowns: Array) -> Array:
        """Return the free dimer of contacts (..., unknown), [mol/m³]."""
        ...
