"""What enters and leaves a bank as ions: reagents in, salt and acid out, and that they agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.elements import (
    AMMONIA_MOLAR_MASS,
    HYDROGEN_CHLORIDE_MOLAR_MASS,
    OXYGEN_MOLAR_MASS,
)
from raffinate.chemistry.liquor_density import liquor_volumes, water_content
from raffinate.chemistry.species import free_species
from raffinate.errors import BalanceError, SpecificationError
from raffinate.numerics.jax_setup import given
from raffinate.plant.arrays import aqueous_leaving, is_simple_exchange
from raffinate.plant.economics_organic import OrganicAccount, organic_account
from raffinate.plant.model import RAFFINATE, STRIP_LIQUOR, Circuit, Plant
from raffinate.plant.steady import SteadyState

Array = NDArray[np.float64]

CLOSURE = 1e-8
"""Largest share by which what enters and leaves may differ, [-]; the solver holds 1e-9."""

HYDROGEN = 1.008e-3
NITROGEN = 14.007e-3
_SULFUR = 32.06e-3
_SODIUM = 22.990e-3
_WATER = 2.0 * HYDROGEN + OXYGEN_MOLAR_MASS
"""[kg/mol]; IUPAC standard atomic weights 2021 (abridged), Prohaska et al., Pure Appl. Chem. 94
(2022) 573."""


@dataclass(frozen=True, slots=True)
class Acid:
    """The acid of a medium.

    Attributes:
        medium: Its anion as a component.
        formula: Such as "HCl".
        molar_mass: [kg/mol].
        protons: In one molecule.
        anion: Its formula, for salts.
    """

    medium: str
    formula: str
    molar_mass: float
    protons: int
    anion: str


@dataclass(frozen=True, slots=True)
class Base:
    """What saponifies the organic.

    Attributes:
        formula: Such as "NH3".
        molar_mass: [kg/mol].
        cation: Its formula in a salt.
        water: Water set free when it meets an acid, [kg/mol].
        nitrogen: In one mole, [kg/mol].
    """

    formula: str
    molar_mass: float
    cation: str
    water: float
    nitrogen: float


ACIDS: Mapping[str, Acid] = {
    "chloride": Acid("chloride", "HCl", HYDROGEN_CHLORIDE_MOLAR_MASS, 1, "Cl"),
    "nitrate": Acid("nitrate", "HNO3", HYDROGEN + NITROGEN + 3.0 * OXYGEN_MOLAR_MASS, 1, "NO3"),
    "sulfate": Acid(
        "sulfate", "H2SO4", 2.0 * HYDROGEN + _SULFUR + 4.0 * OXYGEN_MOLAR_MASS, 2, "SO4"
    ),
}
"""By medium."""

BASES: Mapping[str, Base] = {
    "NH4": Base("NH3", AMMONIA_MOLAR_MASS, "NH4", 0.0, NITROGEN),
    "Na": Base("NaOH", _SODIUM + OXYGEN_MOLAR_MASS + HYDROGEN, "Na", _WATER, 0.0),
}
"""By saponifying cation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outflow:
    """One liquor that leaves the bank, in [mol/s] but for its flow.

    Attributes:
        outlet: `RAFFINATE` or `STRIP_LIQUOR`.
        flow: [m³/s].
        anion: Of the medium.
        cation: Of the saponifier, in the liquor.
        metal_charge: Charge of the metals in the liquor.
        organic: Organic entrained with it, [m³/s].
        organic_cation: Of the saponifier in that organic.
    """

    outlet: str
    flow: float
    anion: float
    cation: float
    metal_charge: float
    organic: float = 0.0
    organic_cation: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IonBalance:
    """Ions across the boundary of a bank, [mol/s], and the masses that follow, [kg/s].

    Attributes:
        acid_kind: Acid of the medium.
        base_kind: Saponifier.
        anion_fed: With the feed.
        anion_in_acid: With the strip acid.
        base_used: Taken up by the organic and given to the liquors.
        acid_supplied: Molecules of strip acid.
        outflows: Liquors that leave.
        error: Worst relative difference between what enters and leaves, [-].
        cation_fed: Of the saponifier, with organic fed on the way.
        cation_in_surplus: Of it, with organic that leaves the loop behind the last stage.
        oxide_in_organic: Oxide in organic fed on the way, [kg/s].
        entrains: Whether the plant states what its settlers entrain.
    """

    acid_kind: Acid
    base_kind: Base
    anion_fed: float
    anion_in_acid: float
    base_used: float
    acid_supplied: float
    outflows: tuple[Outflow, ...]
    error: float
    cation_fed: float = 0.0
    cation_in_surplus: float = 0.0
    oxide_in_organic: float = 0.0
    entrains: bool = False

    @property
    def anion_out(self) -> float:
        """Anion that leaves, [mol/s]."""
        return sum(each.anion for each in self.outflows)

    @property
    def cation_out(self) -> float:
        """Cation of the saponifier that leaves with liquors and what they entrain, [mol/s]."""
        return sum(each.cation + each.organic_cation for each in self.outflows)

    @property
    def organic_lost(self) -> float:
        """Organic that the plant says leaves with the liquors, [m³/s]."""
        return sum(each.organic for each in self.outflows)

    @property
    def acid_mass(self) -> float:
        """Strip acid, 100 %, [kg/s]."""
        return self.acid_supplied * self.acid_kind.molar_mass

    @property
    def base_mass(self) -> float:
        """Saponifier, 100 %, [kg/s]."""
        return self.base_used * self.base_kind.molar_mass

    @property
    def salt(self) -> str:
        """Formula of the salt of saponifier and acid, such as "NH4Cl"."""
        cation, count = self.base_kind.cation, self.acid_kind.protons
        many = f"({cation}){count}" if cation != "Na" else f"{cation}{count}"
        return (cation if count == 1 else many) + self.acid_kind.anion

    @property
    def salt_mass(self) -> float:
        """That salt in the liquors that leave, [kg/s]."""
        base = self.base_kind.molar_mass - self.base_kind.water
        acid = self.acid_kind.molar_mass / self.acid_kind.protons
        return self.cation_out * (base + acid)

    @property
    def nitrogen_mass(self) -> float:
        """Ammonia nitrogen in the liquors that leave, [kg/s]."""
        return self.cation_out * self.base_kind.nitrogen

    @property
    def metal_anion(self) -> float:
        """Anion that leaves with the metals, [mol/s]; it turns to salt when they precipitate."""
        return sum(each.metal_charge for each in self.outflows) / self.acid_kind.protons

    @property
    def free_acid(self) -> float:
        """Molecules of acid that leave free, [mol/s]: the anion no metal or cation holds."""
        # What entrained organic carries holds no anion.
        dissolved = sum(each.cation for each in self.outflows)
        held = self.metal_anion + dissolved / self.acid_kind.protons
        return self.anion_out - held

    @property
    def free_acid_mass(self) -> float:
        """That acid, [kg/s]."""
        return self.free_acid * self.acid_kind.molar_mass


def ion_balance(plant: Plant, state: SteadyState) -> IonBalance:
    """Return what enters and leaves a plant as ions.

    Args:
        plant: The plant as loaded.
        state: Its steady state.

    Raises:
        SpecificationError: A medium or saponifier whose reagent is unknown.
        BalanceError: What enters is not what leaves.
    """
    operation = state.operation
    if operation is None:
        raise SpecificationError(
            "a circuit has no products.", where="economics", mend="Solve a plant."
        )
    acid, base = _reagents(plant)
    circuit = plant.operated(operation).circuit
    organic = organic_account(circuit, state)
    outflows = _outflows(circuit, state, organic)
    charge = plant.circuit.system.charge
    fed = operation.feed_concentration(state.elements) @ charge + operation.feed_acid
    produced = sum(product.reo_flow for product in state.products.values())
    balance = IonBalance(
        acid_kind=acid,
        base_kind=base,
        anion_fed=operation.feed_flow * float(fed) / acid.protons,
        anion_in_acid=operation.acid_flow * operation.acid_concentration / acid.protons,
        # The steady state counts every saponifier in kilograms of ammonia.
        base_used=state.reagents["NH3"] * produced / AMMONIA_MOLAR_MASS,
        acid_supplied=operation.acid_flow * operation.acid_concentration / acid.protons,
        outflows=outflows,
        error=0.0,
        cation_fed=organic.fed_cation,
        cation_in_surplus=organic.surplus_cation,
        oxide_in_organic=organic.fed_oxide,
        entrains=organic.modelled,
    )
    return _closed(balance)


def _reagents(plant: Plant) -> tuple[Acid, Base]:
    system = plant.circuit.system
    if system.medium not in ACIDS:
        raise SpecificationError(
            f"the acid of a {system.medium} liquor is not known.",
            where="economics",
            allowed=", ".join(ACIDS),
        )
    # A bank on the tableau is saponified with ammonia, whatever else the extractant takes up.
    cation = system.saponifying_cation if is_simple_exchange(system) else "NH4"
    if cation not in BASES:
        raise SpecificationError(
            f"the saponifier that gives {cation} is not known.",
            where="economics",
            allowed=", ".join(BASES),
        )
    return ACIDS[system.medium], BASES[cation]


def _outflows(circuit: Circuit, state: SteadyState, organic: OrganicAccount) -> tuple[Outflow, ...]:
    count = len(state.sections)
    # The steady state tells rare earths and ammonium; the anion is the soluble component after.
    anion = np.exp(np.asarray(state.unknowns.stage)[:count, len(state.elements) + 1])
    passed = aqueous_leaving(circuit)
    leaving = [(RAFFINATE, float(passed[0]), 0)]
    start = 0
    for section in circuit.sections:
        if section.draw:
            leaving.append((STRIP_LIQUOR, section.draw_flow, start))
        start += section.stages
    charge = circuit.system.charge
    return tuple(
        Outflow(
            outlet=outlet,
            flow=flow,
            anion=flow * float(anion[stage]),
            cation=flow * float(state.ammonium[stage]),
            metal_charge=flow * float(state.aqueous[stage] @ charge),
            organic=flow * float(organic.carried[stage]),
            organic_cation=flow * float(organic.carried[stage] * organic.cation[stage]),
        )
        for outlet, flow, stage in leaving
    )


def _closed(balance: IonBalance) -> IonBalance:
    entered = balance.anion_fed + balance.anion_in_acid
    pairs = {
        f"anion of {balance.acid_kind.formula}": (entered, balance.anion_out),
        balance.base_kind.cation: (
            balance.base_used + balance.cation_fed,
            balance.cation_out + balance.cation_in_surplus,
        ),
    }
    worst = 0.0
    for name, (came, left) in pairs.items():
        error = abs(came - left) / max(abs(came), 1e-9 * entered)
        worst = max(worst, error)
        if not error <= CLOSURE:
            raise BalanceError(
                f"{name}: {came:.9g} mol/s entered and {left:.9g} mol/s left.",
                where="economics",
                allowed=f"a relative difference up to {CLOSURE:.0e}",
                mend="Solve the plant again, and give the plant that was solved.",
            )
    return replace(balance, error=worst)


def water_of_acid(balance: IonBalance, flow: float) -> float:
    """Return the water in the strip acid, [kg/s], at 25 °C.

    Args:
        balance: Of the plant.
        flow: Of strip acid, [m³/s].

    Source: apparent molar volumes, see `raffinate.chemistry.liquor_density`.
    """
    kind = balance.acid_kind
    anion = free_species(kind.medium)
    if kind.protons == 2:
        # The volumes of sulfuric acid were evaluated with the acid as H+ and HSO4-.
        anion = replace(anion, name="HSO4-", charge=-1)
    volumes = liquor_volumes((free_species("proton"), anion))
    concentration = balance.acid_supplied / flow
    charges = tuple(int(each) for each in volumes.charges)
    amounts = given(np.array([concentration, concentration]))
    return flow * float(water_content(amounts, given(volumes.volumes), charges))
