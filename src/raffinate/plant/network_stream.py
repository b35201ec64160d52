"""What flows between the units of a plant, as amounts of what is conserved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.elements import metal
from raffinate.chemistry.species import FREE_SPECIES

Array = NDArray[np.float64]

AMMONIUM, ANION, OXALATE, CARBON = "ammonium", "anion", "oxalate", "carbon"


@dataclass(frozen=True, slots=True)
class StreamAxis:
    """Components of a stream: metals, then ammonium, anion, oxalate and carbon.

    Attributes:
        elements: Metals.
        medium: Name of the anion.
    """

    elements: tuple[str, ...]
    medium: str

    @property
    def components(self) -> tuple[str, ...]:
        """Names along the axis; the anion by its own name."""
        return (*self.elements, AMMONIUM, self.medium, OXALATE, CARBON)

    @property
    def charge(self) -> Array:
        """Charge of each metal in acid liquor, (element,), [-]."""
        return np.array([float(metal(symbol).charge) for symbol in self.elements])

    @property
    def anion_charge(self) -> float:
        """Charge of one anion, without its sign, [-]."""
        return -float(FREE_SPECIES[self.medium].charge)

    @property
    def size(self) -> int:
        """Number of components."""
        return len(self.elements) + 4

    def place(self, component: str) -> int:
        """Return the index of ammonium, anion, oxalate or carbon."""
        return len(self.elements) + (AMMONIUM, ANION, OXALATE, CARBON).index(component)

    def acid(self, amount: Array) -> float:
        """Return the acid of a liquor by electroneutrality: protons, bound or free, [mol/s]."""
        count = len(self.elements)
        positive = float(self.charge @ amount[:count]) + float(amount[count])
        return self.anion_charge * float(amount[count + 1]) - positive


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stream:
    """A liquor or a wet solid on its way.

    Attributes:
        flow: Volume of liquor, [m³/s]; 0 of a solid.
        amount: Along the `StreamAxis`, (component,), [mol/s].
        solid: Whether it is a precipitate.
    """

    flow: float
    amount: Array
    solid: bool = False

    def metals(self, axis: StreamAxis) -> Array:
        """Return its metals, (element,), [mol/s]."""
        metals: Array = self.amount[: len(axis.elements)]
        return metals


def liquor_stream(axis: StreamAxis, flow: float, metals: Array, acid: float) -> Stream:
    """Return a liquor of metals and acid, its anion by electroneutrality.

    Args:
        axis: Components.
        flow: [m³/s].
        metals: (element,), [mol/s].
        acid: [mol/s].
    """
    amount = np.zeros(axis.size)
    amount[: len(axis.elements)] = metals
    amount[axis.place(ANION)] = (float(axis.charge @ metals) + acid) / axis.anion_charge
    return Stream(flow=flow, amount=amount)


def nothing(axis: StreamAxis) -> Stream:
    """Return a stream of no flow."""
    return Stream(flow=0.0, amount=np.zeros(axis.size))
