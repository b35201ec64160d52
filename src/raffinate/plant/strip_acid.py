"""Whether the acids of a circuit can strip what its saponified organic loads, and what would.

Organic that returns to stage 1 barren was saponified with n moles of base per volume; on its way it
gave them up for metals, and in the strip the metals for protons. At rest the acids and the free
acid of the liquors therefore bring at least the protons

    organic flow · n + charges of organic fed on the way

A hand-breadth above that the strip ends clean; below it there is no steady state to be found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from raffinate.errors import SpecificationError
from raffinate.plant.model import Circuit, Liquor
from raffinate.units import HOUR, PER_LITRE

ENOUGH = 1.05
"""Protons over the least that strip, [-], that a mend names; with less the strip hardly ends clean.
A choice: plants with 1.02 times the least were still found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcidNeed:
    """Protons of a circuit.

    Attributes:
        acid: The last acid along the organic.
        brought: By that acid, [mol/s].
        others: By everything else that is fed, [mol/s].
        needed: To strip the organic, [mol/s].
        organic_flow: [m³/s].
    """

    acid: Liquor
    brought: float
    others: float
    needed: float
    organic_flow: float

    @property
    def factor(self) -> float:
        """How many times the acid strips with something to spare, rounded up, [-]."""
        return math.ceil(100.0 * ENOUGH * (self.needed - self.others) / self.brought) / 100.0

    @property
    def short(self) -> bool:
        """Whether there are fewer protons than strip."""
        return self.brought + self.others <= self.needed

    @property
    def scarce(self) -> bool:
        """Whether there are fewer than strip with something to spare."""
        return self.factor > 1.0

    @property
    def most_organic(self) -> float:
        """Volumes of organic per volume of acid at `factor`, rounded down, [-]."""
        most = self.organic_flow / (self.factor * self.acid.flow)
        return math.floor(1e3 * most) / 1e3

    def what(self) -> str:
        """Return the shortage in a sentence."""
        return (
            f"the acids and the free acid of the liquors bring "
            f"{(self.brought + self.others) * HOUR:.4g} mol/h of protons; to strip the saponified "
            f"organic takes {self.needed * HOUR:.4g} mol/h"
        )

    def mend(self) -> str:
        """Return the change of the last acid that mends it."""
        flow, strength = self.acid.flow * HOUR, self.acid.proton / PER_LITRE
        name = self.acid.name if "acid" in self.acid.name else f"acid {self.acid.name}"
        return (
            f"Give {self.factor:.2f} times the {name}: {self.factor * flow:.4g} m³/h, now "
            f"{flow:.4g} m³/h, which is 1 volume for {self.most_organic:.4g} of organic; or, if it "
            f"can be had so strong, {self.factor * strength:.4g} mol/L, now {strength:.4g} mol/L."
        )


def acid_need(circuit: Circuit) -> AcidNeed | None:
    """Return the protons of a circuit; None if no acid is fed to it.

    Args:
        circuit: At its flows.
    """
    fed = [section.aqueous for section in circuit.sections if section.aqueous is not None]
    acids = [liquor for liquor in fed if not liquor.concentration and liquor.proton > 0.0]
    if not acids or not acids[-1].flow > 0.0:
        return None
    charge = dict(zip(circuit.elements, circuit.system.charge.tolist(), strict=True))
    base = circuit.saponification_degree * circuit.extractant_concentration
    needed = circuit.organic_flow * base
    for section in circuit.sections:
        if section.organic is not None:
            held = section.organic.concentration
            bound = sum(charge[symbol] * value for symbol, value in held.items())
            needed += section.organic.flow * (bound + section.organic.cation)
    brought = acids[-1].flow * acids[-1].proton
    return AcidNeed(
        acid=acids[-1],
        brought=brought,
        others=sum(liquor.flow * liquor.proton for liquor in fed) - brought,
        needed=needed,
        organic_flow=circuit.organic_flow,
    )


def refuse_short_acid(need: AcidNeed | None, where: str) -> None:
    """Refuse a circuit that is to make purities with too few protons to strip its organic.

    Args:
        need: Of the circuit at its first flows; None refuses nothing.
        where: For the error, such as "cut of ce_nd".

    Raises:
        SpecificationError: With the least acid that does.
    """
    if need is not None and need.short:
        most = need.organic_flow * need.acid.proton / (need.needed - need.others)
        raise SpecificationError(
            f"{need.what()}: no reflux flows and nothing is left to draw.",
            where=where,
            allowed=f"organic_to_acid_ratio below {most:.4g} at this strength",
            mend=need.mend(),
        )
