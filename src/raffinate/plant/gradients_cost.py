"""The operating cost of a plant as an expression that can be differentiated.

It is the account of `raffinate.plant.economics` as one formula in what the bank does: each line is
an amount times its price, and a line that lacks a price or a coefficient counts nothing, as there.
Tests hold the two to the same number, and the optimiser compares them at every result.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.liquor_density import WATER_DENSITY, liquor_volumes, water_content
from raffinate.chemistry.species import free_species
from raffinate.errors import SpecificationError
from raffinate.numerics.jax_setup import Array as Traced
from raffinate.numerics.jax_setup import given, jnp
from raffinate.plant.economics_ions import IonBalance, ion_balance
from raffinate.plant.economics_prices import Prices
from raffinate.plant.economics_sizing import CAPITAL_KEYS, GRAVITY
from raffinate.plant.model import Plant
from raffinate.plant.steady import SteadyState

Array = NDArray[np.float64]

ACID_CHARGES = (1, -1)
"""Of proton and anion in the strip acid; that of sulfuric acid counts as HSO4-."""

_WORTH = (
    *("feed", "acid", "base", "water", "mixed", "pumped_aqueous", "pumped_organic", "dissolved"),
    *("cation", "time", "stage", "held_oxide"),
)


class CostNumbers(NamedTuple):
    """What each amount costs; 0 where the account counts nothing.

    Attributes:
        feed: Of oxide fed, [currency/kg].
        acid: Of strip acid, [currency/mol of molecules].
        base: Of ammonium taken up, [currency/mol].
        water: Of all water of the strip acid, [currency/kg].
        water_bought: Of the water that comes with the acid, [currency/mol of molecules].
        mixed: Of mixer volume, [currency/(m³ s)].
        pumped_aqueous, pumped_organic: Of feed and acid, and of organic, [currency/m³].
        dissolved: Of liquor that leaves: what dissolves and all diluent entrained,
            [currency/m³].
        carried: The same per extractant of the organic, [currency/mol].
        organic: Of organic that leaves as the plant entrains it, [currency/m³].
        organic_extractant: The same per extractant in it, [currency/mol].
        cation: Of saponifier that leaves, [currency/mol].
        time: Labour, [currency/s].
        stage: Of one stage of the reference volume, [currency/s].
        stage_volume: That volume, [m³].
        exponent: Of cost in volume, [-].
        held_oxide: Of oxides held, (element,), [currency/(kg s)].
        held_extractant: Of extractant held, [currency/(mol s)].
        held_organic: Of organic held, [currency/(m³ s)].
        acid_protons: In one molecule of acid, [-].
        ion_volumes: Of proton and anion in the acid, (3, 2), [m³/mol].
    """

    feed: float
    acid: float
    base: float
    water: float
    water_bought: float
    mixed: float
    pumped_aqueous: float
    pumped_organic: float
    dissolved: float
    carried: float
    organic: float
    organic_extractant: float
    cation: float
    time: float
    stage: float
    stage_volume: float
    exponent: float
    held_oxide: Array
    held_extractant: float
    held_organic: float
    acid_protons: float
    ion_volumes: Array


def no_cost(elements: int) -> CostNumbers:
    """Return the numbers with which nothing costs anything, in the shapes of those that do."""
    return CostNumbers(
        feed=0.0,
        acid=0.0,
        base=0.0,
        water=0.0,
        water_bought=0.0,
        mixed=0.0,
        pumped_aqueous=0.0,
        pumped_organic=0.0,
        dissolved=0.0,
        carried=0.0,
        organic=0.0,
        organic_extractant=0.0,
        cation=0.0,
        time=0.0,
        stage=0.0,
        stage_volume=1.0,
        exponent=0.0,
        held_oxide=np.zeros(elements),
        held_extractant=0.0,
        held_organic=0.0,
        acid_protons=1.0,
        ion_volumes=np.zeros((3, 2)),
    )


class CostAmounts(NamedTuple):
    """What a plant uses, moves, gives off and holds.

    Attributes:
        feed_oxide: Fed, [kg/s].
        feed_flow, acid_flow, organic_flow: [m³/s].
        acid_concentration: Of protons in the strip acid, [mol/m³].
        base: Cation taken up by the organic, [mol/s].
        cation: Of it leaving with the liquors, [mol/s].
        leaving: Liquors that leave, [m³/s].
        entrained: Organic that the plant says leaves with them, [m³/s].
        extractant: Total HA, [mol/m³].
        stages: Of each section, (section,).
        mixer: Mixer volume of a stage, (section,), [m³].
        stage_volume: Liquid in a stage, (section,), [m³].
        oxide: Held, (element,), [kg].
        organic_held: [m³].
    """

    feed_oxide: Traced
    feed_flow: Traced
    acid_flow: Traced
    organic_flow: Traced
    acid_concentration: Traced
    base: Traced
    cation: Traced
    leaving: Traced
    entrained: Traced
    extractant: Traced
    stages: Traced
    mixer: Traced
    stage_volume: Traced
    oxide: Traced
    organic_held: Traced


def running_cost(numbers: CostNumbers, amounts: CostAmounts) -> Traced:
    """Return what the account counts, [currency/s]."""
    acid = amounts.acid_flow * amounts.acid_concentration / numbers.acid_protons
    organic = amounts.organic_flow
    total: Traced = (
        numbers.feed * amounts.feed_oxide
        + (numbers.acid - numbers.water_bought) * acid
        + numbers.base * amounts.base
        + numbers.water * _acid_water(numbers, amounts, acid)
        + numbers.mixed * jnp.sum(amounts.stages * amounts.mixer)
        + numbers.pumped_aqueous * (amounts.feed_flow + amounts.acid_flow)
        + numbers.pumped_organic * organic
        + amounts.leaving * (numbers.dissolved + numbers.carried * amounts.extractant)
        + amounts.entrained * (numbers.organic + numbers.organic_extractant * amounts.extractant)
        + numbers.cation * amounts.cation
        + numbers.time
        + numbers.stage * _equipment(numbers, amounts)
        + jnp.sum(numbers.held_oxide * amounts.oxide)
        + amounts.organic_held
        * (numbers.held_extractant * amounts.extractant + numbers.held_organic)
    )
    return total


def _acid_water(numbers: CostNumbers, amounts: CostAmounts, acid: Traced) -> Traced:
    """Return the water in the strip acid, [kg/s], as `economics_ions.water_of_acid` does."""
    concentration = acid / amounts.acid_flow
    ions = jnp.stack([concentration, concentration])
    return amounts.acid_flow * water_content(ions, given(numbers.ion_volumes), ACID_CHARGES)


def _equipment(numbers: CostNumbers, amounts: CostAmounts) -> Traced:
    relative = amounts.stage_volume / numbers.stage_volume
    return jnp.sum(amounts.stages * relative**numbers.exponent)


def cost_numbers(plant: Plant, state: SteadyState, prices: Prices) -> CostNumbers:
    """Return what each amount costs at these prices.

    Args:
        plant: The plant.
        state: Any steady state of it: it tells the acid and the saponifier.
        prices: Of the account.

    Raises:
        SpecificationError: No cost can be counted.
    """
    ions = ion_balance(plant, state)

    def worth(*keys: str) -> float:
        """Return the product of prices and coefficients, 0 where one is missing."""
        found = prices.values(*keys)
        return float(np.prod(found)) if found else 0.0

    acid, base = ions.acid_kind, ions.base_kind
    strength, water = prices.values("acid_strength"), worth("water_per_m3") / WATER_DENSITY
    water = water if strength else 0.0
    bought = acid.molar_mass * (1.0 - strength[0]) / strength[0] if strength else 0.0
    stage, reference, exponent = _capital(prices)
    oxides, extractant, organic = _interest(plant, prices)
    numbers = CostNumbers(
        feed=worth("feed_per_kg_reo"),
        acid=worth("acid_per_kg") * acid.molar_mass,
        base=worth("base_per_kg") * base.molar_mass,
        water=water,
        water_bought=water * bought,
        mixed=worth("mixer_power_W_per_m3", "electricity_per_kWh"),
        pumped_aqueous=_pumping(prices, "aqueous_density_kg_per_m3"),
        pumped_organic=_pumping(prices, "organic_density_kg_per_m3"),
        **_solvent(prices, entrains=ions.entrains),
        cation=_effluent(ions, prices),
        time=worth("labour_per_h"),
        stage=stage,
        stage_volume=reference,
        exponent=exponent,
        held_oxide=oxides,
        held_extractant=extractant,
        held_organic=organic,
        acid_protons=float(acid.protons),
        ion_volumes=_ion_volumes(ions),
    )
    if not any(np.any(getattr(numbers, name) != 0.0) for name in _WORTH):
        raise SpecificationError(
            f"no cost can be counted with the prices {prices.name}.",
            where="cost",
            mend="Give prices of reagents at least; `raffinate cost` lists what is missing.",
        )
    return numbers


def _pumping(prices: Prices, density: str) -> float:
    """Return the cost of pumping one volume, [currency/m³]; 0 unless all of it can be told."""
    keys = ("pump_head_m", "pump_efficiency", "electricity_per_kWh")
    both = ("aqueous_density_kg_per_m3", "organic_density_kg_per_m3")
    found = prices.values(*keys, *both)
    if found is None:
        return 0.0
    head, efficiency, electricity = found[:3]
    return GRAVITY * head / efficiency * electricity * found[3 + both.index(density)]


def _solvent(prices: Prices, *, entrains: bool) -> dict[str, float]:
    """Return what lost solvent costs: by liquor that leaves, or by what the plant entrains."""
    mass, coefficient = "extractant_molar_mass_g_per_mol", "entrainment_ppm"
    needed = () if entrains else (coefficient,)
    share = 1.0 if entrains else (prices.values(coefficient) or (0.0,))[0]
    dissolved = organic = per_extractant = 0.0
    lost = (mass, "extractant_solubility_mg_per_L", "extractant_per_kg")
    if prices.values(*needed, *lost) and (found := prices.values(*lost)):
        molar_mass, solubility, price = found
        dissolved = solubility * price
        per_extractant += share * molar_mass * price
    thinned = (mass, "extractant_density_kg_per_m3", "diluent_per_m3")
    if prices.values(*needed, *thinned) and (found := prices.values(*thinned)):
        molar_mass, density, price = found
        organic = share * price
        per_extractant -= share * price * molar_mass / density
    if entrains:
        return {
            "dissolved": dissolved,
            "carried": 0.0,
            "organic": organic,
            "organic_extractant": per_extractant,
        }
    return {
        "dissolved": dissolved + organic,
        "carried": per_extractant,
        "organic": 0.0,
        "organic_extractant": 0.0,
    }


def _effluent(ions: IonBalance, prices: Prices) -> float:
    base = ions.base_kind
    salt = base.molar_mass - base.water + ions.acid_kind.molar_mass / ions.acid_kind.protons
    found, nitrogen = (
        prices.values("salt_disposal_per_kg"),
        prices.values("ammonia_nitrogen_per_kg"),
    )
    cost = salt * found[0] if found else 0.0
    return cost + (base.nitrogen * nitrogen[0] if nitrogen else 0.0)


def _capital(prices: Prices) -> tuple[float, float, float]:
    """Return the cost of a reference stage, [currency/s], its volume, [m³], and the exponent."""
    found = prices.values(*CAPITAL_KEYS)
    hours = prices.values("operating_hours_per_year")
    if found is None or hours is None:
        return 0.0, 1.0, 0.0
    cost, volume, exponent, factor = found
    yearly = [prices.values(key) for key in ("capital_charge_per_year", "maintenance_per_year")]
    share = sum(each[0] for each in yearly if each) / hours[0]
    return cost * factor * share, volume, exponent


def _interest(plant: Plant, prices: Prices) -> tuple[Array, float, float]:
    """Return the interest on each oxide, on extractant and on organic held; 0 unless on all."""
    elements = plant.circuit.elements
    oxides = [prices.oxides.get(symbol) for symbol in elements]
    mass, density = "extractant_molar_mass_g_per_mol", "extractant_density_kg_per_m3"
    found = prices.values(
        *("interest_per_year", "operating_hours_per_year", mass, density),
        *("extractant_per_kg", "diluent_per_m3"),
    )
    if found is None or any(each is None for each in oxides):
        return np.zeros(len(elements)), 0.0, 0.0
    interest, hours, molar_mass, kilograms, extractant, diluent = found
    rate = interest / hours
    each = molar_mass * (extractant - diluent / kilograms)
    worth = np.array([one.value for one in oxides if one])
    return rate * worth, rate * each, rate * diluent


def _ion_volumes(ions: IonBalance) -> Array:
    anion = free_species(ions.acid_kind.medium)
    if ions.acid_kind.protons == 2:
        # The volumes of sulfuric acid were evaluated with the acid as H+ and HSO4-.
        anion = replace(anion, name="HSO4-", charge=-1)
    return liquor_volumes((free_species("proton"), anion)).volumes
