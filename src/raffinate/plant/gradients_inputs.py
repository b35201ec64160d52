"""The numbers that make a plant what it is, by name, and the bank they make, differentiable.

At free flows the four flows are inputs. Where flows are solved for to meet purities, the
logarithms of the impurities and the ratio of organic to acid take their place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from raffinate.cascade.bank import Specification, Streams
from raffinate.cascade.equations import Problem
from raffinate.chemistry.elements import molar_masses, oxide_molar_masses
from raffinate.chemistry.exchange import FLOOR, ExchangeParameters
from raffinate.chemistry.species import FREE_SPECIES
from raffinate.chemistry.stage_chemistry import Parameters
from raffinate.chemistry.system import ExtractionSystem
from raffinate.chemistry.system_tableau import extractant_units
from raffinate.errors import SpecificationError, nearest_name
from raffinate.numerics.jax_setup import Array as Traced
from raffinate.numerics.jax_setup import given, jnp
from raffinate.plant.arrays import is_simple_exchange, plant_tableau, problem_of
from raffinate.plant.model import Operation, Plant

Array = NDArray[np.float64]

FLOWS = ("organic_flow", "acid_flow", "scrub_flow")
"""Inputs at free flows, [m³/s]."""

RATIO = "organic_to_acid_ratio"
"""Input where purities are met, by volume, [-]."""

IMPURITY = "log_impurity."
"""Begins the name of the wanted log₁₀ of an impurity mass fraction, [-]."""

CONSTANT = "log10_K."
"""Begins the name of a constant of the chemistry."""

FEED = "feed."
"""Begins the name of a concentration of the feed, [mol/m³]."""

VOLUMES = ("mixer", "settler_organic", "settler_aqueous")
"""Volumes of a section, [m³]."""

_UNITS = {
    "feed_flow": "m³/s",
    "organic_flow": "m³/s",
    "acid_flow": "m³/s",
    "scrub_flow": "m³/s",
    "feed_acid": "mol/m³",
    "acid_concentration": "mol/m³",
    "extractant_concentration": "mol/m³",
    "organic_tank": "m³",
    "recycle": "m³/s",
    "mixer": "m³",
    "settler_organic": "m³",
    "settler_aqueous": "m³",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InputLayout:
    """Which inputs a plant has, and where they go; hashable, so that kernels compile once for it.

    Attributes:
        names: Of the inputs, in order.
        elements: Symbols on the element axis.
        sections: Their names.
        products: Whose impurities are met; empty at free flows.
        constant_places: Where the constants stand among those of the chemistry.
        charge: Of the metals, (element,), [-].
        anion_charge: Of one anion, without its sign, [-].
        dimer_units: Molecules in a unit of free extractant, [-].
        simple: Whether the chemistry is ideal exchange.
    """

    names: tuple[str, ...]
    elements: tuple[str, ...]
    sections: tuple[str, ...]
    products: tuple[str, ...]
    constant_places: tuple[int, ...]
    charge: tuple[float, ...]
    anion_charge: float
    dimer_units: float
    simple: bool

    def place(self, name: str) -> int:
        """Return the place of an input.

        Raises:
            SpecificationError: There is no such input.
        """
        if name not in self.names:
            raise SpecificationError(
                f"{name!r} is no input of this plant.",
                where="inputs",
                allowed=", ".join(self.names),
                mend=nearest_name(name, self.names),
            )
        return self.names.index(name)

    def places(self, names: tuple[str, ...]) -> list[int]:
        """Return the places of several inputs."""
        return [self.place(name) for name in names]

    def by_section(self, quantity: str) -> list[int]:
        """Return the places of one quantity of every section."""
        return [self.names.index(f"{section}.{quantity}") for section in self.sections]

    @property
    def feed(self) -> list[int]:
        """Places of the feed concentrations, in the order of the elements."""
        return [self.names.index(f"{FEED}{element}") for element in self.elements]

    @property
    def constants(self) -> list[int]:
        """Places of the constants of the chemistry."""
        return [k for k, name in enumerate(self.names) if name.startswith(CONSTANT)]


def unit_of(name: str) -> str:
    """Return the SI unit of an input by name, "-" if it has none."""
    if name.startswith(FEED):
        return "mol/m³"
    return _UNITS.get(name.rpartition(".")[2], "-")


def layout_of(plant: Plant, products: tuple[str, ...] = ()) -> InputLayout:
    """Return the inputs of a plant; those with `products` where their purities are met.

    Raises:
        SpecificationError: Not one feed, one acid and one draw.
    """
    plant.operation()
    circuit = plant.circuit
    sections = tuple(section.name for section in circuit.sections)
    draws = sum(bool(section.draw) for section in circuit.sections)
    if draws != 1:
        raise SpecificationError(
            f"{draws} sections are drawn from.", where=f"inputs of {plant.name}", allowed="1"
        )
    constants, places = system_constants(plant.circuit.system)
    flows = (RATIO, *(f"{IMPURITY}{name}" for name in products)) if products else FLOWS
    names = (
        "feed_flow",
        *flows,
        *(f"{FEED}{element}" for element in circuit.elements),
        *("feed_acid", "acid_concentration", "extractant_concentration", "saponification_degree"),
        "organic_tank",
        *(f"{s}.{q}" for s in sections for q in ("efficiency", "recycle", *VOLUMES)),
        *(f"{CONSTANT}{name}" for name in constants),
    )
    return InputLayout(
        names=names,
        elements=circuit.elements,
        sections=sections,
        products=products,
        constant_places=places,
        charge=tuple(float(each) for each in circuit.system.charge),
        anion_charge=-float(FREE_SPECIES[circuit.system.medium].charge),
        dimer_units=extractant_units(circuit.system),
        simple=is_simple_exchange(circuit.system),
    )


def system_constants(system: ExtractionSystem) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return names and places of the constants: metals by symbol, the rest by species."""
    if is_simple_exchange(system):
        simple = (*system.elements, system.saponifying_cation)
        return simple, tuple(range(len(simple)))
    species = plant_tableau(system).tableau.species
    own = {one.name for one in system.organic_species}
    names: list[str] = []
    places: list[int] = []
    for place, one in enumerate(species):
        components = dict(one.composition)
        if len(components) == 1 and next(iter(components.values())) == 1.0:
            continue
        metals = [e for e in system.elements if e in components]
        extracted = one.phase == "organic" and one.name not in own and bool(metals)
        names.append(metals[0] if extracted else one.name)
        places.append(place)
    return tuple(names), tuple(places)


def input_values(
    plant: Plant, layout: InputLayout, log_impurity: Mapping[str, float] | None = None
) -> Array:
    """Return the inputs of a plant as it is written, (input,), in SI.

    Args:
        plant: The plant at its flows.
        layout: Its inputs.
        log_impurity: log₁₀ of the impurity mass fractions by product, where they are met.
    """
    operation, circuit = plant.operation(), plant.circuit
    found: dict[str, float] = {name: getattr(operation, name) for name in ("feed_flow", *FLOWS)}
    found[RATIO] = operation.organic_flow / operation.acid_flow
    for name, value in (log_impurity or {}).items():
        found[f"{IMPURITY}{name}"] = value
    for name in ("feed_acid", "acid_concentration", "saponification_degree"):
        found[name] = getattr(operation, name)
    concentration = operation.feed_concentration(layout.elements)
    for element, value in zip(layout.elements, concentration.tolist(), strict=True):
        found[f"{FEED}{element}"] = value
    found["extractant_concentration"] = circuit.extractant_concentration
    found["organic_tank"] = circuit.organic_tank
    for section in circuit.sections:
        for quantity in ("efficiency", "recycle", *VOLUMES):
            found[f"{section.name}.{quantity}"] = getattr(section, quantity)
    constants = constants_of(plant.circuit.system)
    for place, name in zip(layout.constant_places, _constant_names(layout), strict=True):
        found[name] = float(constants[place])
    return np.array([found[name] for name in layout.names])


def _constant_names(layout: InputLayout) -> list[str]:
    return [layout.names[place] for place in layout.constants]


def constants_of(system: ExtractionSystem) -> Array:
    """Return the log₁₀ of the constants of a chemistry, in its own order, [-]."""
    if is_simple_exchange(system):
        constants = np.asarray(system.log10_extraction_constant)
        return np.append(constants, system.log10_saponification_constant)
    return np.asarray(plant_tableau(system).log10_constants)


class Frame(NamedTuple):
    """What of a bank does not follow from its inputs; an array-only pytree.

    Stage counts are here and not in the layout, so that changing one inside a size bucket does
    not compile anything again.

    Attributes:
        template: The plant as `problem_of` gives it: indices, holdups, scale of the organic.
        section: Place of the section of every stage, (stage,); 0 for padding.
        first: First stage of every section, (section,).
        stages: Stages of every section, (section,).
    """

    template: Problem
    section: Traced
    first: Traced
    stages: Traced


def frame_of(plant: Plant, specification: Specification | None = None) -> Frame:
    """Return the frame of a plant."""
    template = problem_of(plant.circuit, specification)
    counts = [section.stages for section in plant.circuit.sections]
    section = np.zeros(len(np.asarray(template.vessels.active)), dtype=np.int64)
    section[: sum(counts)] = np.repeat(np.arange(len(counts)), counts)
    return Frame(
        template,
        given(section),
        given(np.cumsum([0, *counts[:-1]])),
        given(np.array(counts, dtype=np.float64)),
    )


def problem_at(layout: InputLayout, frame: Frame, inputs: Traced) -> Problem:
    """Return the bank that the inputs make; traceable.

    Args:
        layout: Which inputs there are.
        frame: The rest of the bank.
        inputs: (input,).
    """
    template = frame.template
    exists = template.vessels.active
    efficiency = jnp.where(exists, along_stages(layout, frame, inputs, "efficiency"), 1.0)
    recycle = jnp.where(exists, along_stages(layout, frame, inputs, "recycle"), 0.0)
    specification = template.specification
    if layout.products:
        names = tuple(f"{IMPURITY}{name}" for name in layout.products)
        wanted = inputs[jnp.array(layout.places(names))]
        specification = specification._replace(log_impurity=wanted)
    return Problem(
        template.vessels._replace(efficiency=efficiency),
        _streams_at(layout, template, inputs, recycle),
        specification,
        _parameters_at(layout, template.parameters, inputs),
    )


def along_stages(layout: InputLayout, frame: Frame, inputs: Traced, quantity: str) -> Traced:
    """Return a quantity of the sections for every stage, (stage,); padding has some value too."""
    return inputs[jnp.array(layout.by_section(quantity))][frame.section]


def _streams_at(layout: InputLayout, template: Problem, inputs: Traced, recycle: Traced) -> Streams:
    streams = template.streams

    def read(name: str) -> Traced:
        return inputs[layout.place(name)]

    if layout.products:
        # The scale of the organic is free; what is written for it and the draw cancels.
        organic = jnp.asarray(streams.organic_flow)
        acid, draw = organic / read(RATIO), jnp.asarray(streams.draw_flow)
    else:
        organic, acid = read("organic_flow"), read("acid_flow")
        draw = jnp.atleast_1d(acid - read("scrub_flow"))
    extractant = read("extractant_concentration")
    cation = jnp.maximum(read("saponification_degree") * extractant, FLOOR)
    count = len(layout.elements)
    inlet = jnp.stack([cation, jnp.zeros(()), extractant / layout.dimer_units])
    feed = inputs[jnp.array(layout.feed)]
    feeds = streams.organic_feeds
    if feeds is not None:
        # Organic fed on the way holds as much extractant as the loop.
        brought = jnp.asarray(feeds.concentration).at[:, -1].set(extractant / layout.dimer_units)
        feeds = feeds._replace(concentration=brought)
    return streams._replace(
        organic_flow=organic,
        organic_inlet=jnp.concatenate([jnp.zeros(count), inlet]),
        feed_flow=jnp.stack([read("feed_flow"), acid]),
        feed_concentration=jnp.stack(
            [
                _liquor(layout, feed, read("feed_acid")),
                _liquor(layout, jnp.zeros(count), read("acid_concentration")),
            ]
        ),
        draw_flow=draw,
        recycle=recycle,
        organic_feeds=feeds,
    )


def _liquor(layout: InputLayout, metals: Traced, proton: Traced) -> Traced:
    metals = jnp.maximum(metals, FLOOR)
    positive = jnp.array(layout.charge) @ metals + FLOOR + jnp.maximum(proton, FLOOR)
    rest = jnp.stack([jnp.asarray(FLOOR), positive / layout.anion_charge, jnp.zeros(())])
    return jnp.concatenate([metals, rest])


def _parameters_at(layout: InputLayout, parameters: Parameters, inputs: Traced) -> Parameters:
    constants = inputs[jnp.array(layout.constants)]
    if layout.simple:
        natural = constants * jnp.log(10.0)
        return ExchangeParameters(natural[:-1], natural[-1])
    places = jnp.array(layout.constant_places)
    known = jnp.asarray(parameters.log10_constants)
    return parameters._replace(log10_constants=known.at[places].set(constants))


def plant_at(plant: Plant, layout: InputLayout, inputs: Array, flows: Mapping[str, float]) -> Plant:
    """Return the plant that inputs and solved flows make, but for constants of the chemistry.

    Args:
        plant: Where everything else comes from.
        layout: Which inputs there are.
        inputs: (input,).
        flows: `FLOWS` by name, [m³/s].
    """

    def read(name: str) -> float:
        return float(inputs[layout.place(name)])

    feed = inputs[layout.feed]
    mass = feed * np.array(molar_masses(layout.elements))
    operation = Operation(
        organic_flow=flows["organic_flow"],
        acid_flow=flows["acid_flow"],
        scrub_flow=flows["scrub_flow"],
        feed_flow=read("feed_flow"),
        feed_mass_fraction=mass / mass.sum(),
        feed_reo=float(feed @ np.array(oxide_molar_masses(layout.elements))),
        feed_acid=read("feed_acid"),
        acid_concentration=read("acid_concentration"),
        saponification_degree=read("saponification_degree"),
    )
    operated = plant.operated(operation)
    sections = tuple(
        replace(
            section,
            efficiency=read(f"{section.name}.efficiency"),
            recycle=read(f"{section.name}.recycle"),
            mixer=read(f"{section.name}.mixer"),
            settler_organic=read(f"{section.name}.settler_organic"),
            settler_aqueous=read(f"{section.name}.settler_aqueous"),
        )
        for section in operated.circuit.sections
    )
    circuit = replace(
        operated.circuit,
        sections=sections,
        extractant_concentration=read("extractant_concentration"),
        organic_tank=read("organic_tank"),
    )
    return replace(operated, circuit=circuit)
