"""A plant of one circuit as a network, so that everything that takes a network takes it too."""

from __future__ import annotations

from raffinate.errors import SpecificationError
from raffinate.plant.model import RAFFINATE, Plant, Product
from raffinate.plant.network import (
    EXTRACT_OUTLET,
    RAFFINATE_OUTLET,
    CircuitUnit,
    Cut,
    MixerSettlers,
    Network,
    NetworkFeed,
    NetworkProduct,
    NetworkSection,
    OrganicLoop,
    SuppliedAcid,
)
from raffinate.units import MINUTE

CIRCUIT = "circuit"
"""Name of the one circuit."""

EXCESS = 1.3
"""Extraction amount over the least one where the search for the purities begins, [-]; a choice."""


def network_of_plant(plant: Plant) -> Network:
    """Return a plant of one circuit as a network whose cut asks for the nominal purities.

    Raises:
        SpecificationError: The plant has not one product at either end.
    """
    ends: dict[bool, Product] = {p.outlet == RAFFINATE: p for p in plant.products.values()}
    if len(ends) != 2:
        raise SpecificationError(
            f"its products are {', '.join(plant.products)}.",
            where=plant.name,
            allowed="one raffinate and one strip liquor",
        )
    raffinate, extract = ends[True], ends[False]
    operation, circuit = plant.operation(), plant.circuit
    concentration = operation.feed_concentration(circuit.elements)
    unit = CircuitUnit(
        name=CIRCUIT,
        title=plant.title,
        system=circuit.system,
        organic=OrganicLoop(
            extractant_concentration=circuit.extractant_concentration,
            saponification_degree=circuit.saponification_degree,
        ),
        sections=_sections(plant),
        vessels=MixerSettlers(
            mixer_residence=4.0 * MINUTE, settler_residence=15.0 * MINUTE, mixer_ratio=1.8
        ),
        cut=Cut(
            extracted=extract.elements,
            raffinate_purity=plant.nominal_purity[raffinate.name],
            extract_purity=plant.nominal_purity[extract.name],
            excess=EXCESS,
        ),
        organic_to_acid=operation.organic_flow / operation.acid_flow,
    )
    return Network(
        name=plant.name,
        title=plant.title,
        elements=circuit.elements,
        medium=circuit.system.medium,
        feeds=(
            NetworkFeed(
                name="feed",
                flow=operation.feed_flow,
                concentration=dict(zip(circuit.elements, concentration.tolist(), strict=True)),
                proton=operation.feed_acid,
            ),
        ),
        units=(unit,),
        products=_products(ends),
        sources=plant.sources,
    )


def _products(ends: dict[bool, Product]) -> dict[str, NetworkProduct]:
    return {
        product.name: NetworkProduct(
            name=product.name,
            title=product.title,
            stream=f"{CIRCUIT}.{RAFFINATE_OUTLET if at_raffinate else EXTRACT_OUTLET}",
            elements=product.elements,
            purity_limit=product.purity_limit,
        )
        for at_raffinate, product in ends.items()
    }


def _sections(plant: Plant) -> tuple[NetworkSection, ...]:
    made = []
    for section in plant.circuit.sections:
        liquor = section.aqueous
        brings_metal = liquor is not None and sum(liquor.concentration.values()) > 0.0
        acid = None
        if liquor is not None and not brings_metal:
            acid = SuppliedAcid(name=liquor.name, proton=liquor.proton)
        made.append(
            NetworkSection(
                name=section.name,
                stages=section.stages,
                efficiency=section.efficiency,
                liquor="feed" if brings_metal else "",
                acid=acid,
                draw=EXTRACT_OUTLET if section.draw else "",
                recycle=section.recycle,
                entrained_organic=section.entrained_organic,
                entrained_aqueous=section.entrained_aqueous,
                organic=section.organic,
            )
        )
    return tuple(made)
