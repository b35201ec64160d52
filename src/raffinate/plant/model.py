"""A plant as values: what it is made of, and how it is operated at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.elements import molar_masses, oxide_molar_masses
from raffinate.chemistry.system import ExtractionSystem
from raffinate.errors import SpecificationError, nearest_name
from raffinate.plant.analyzer_plan import AnalyzerPlan
from raffinate.plant.settler_hydraulics import SettlerHydraulics
from raffinate.sources import Source

Array = NDArray[np.float64]

RAFFINATE = "raffinate"
"""Outlet: the aqueous that leaves stage 1."""

LARGEST_ENTRAINMENT = 0.5
"""Share of a settled phase at which as much of it goes the wrong way as the right way, [-]."""

STRIP_LIQUOR = "strip_liquor"
"""Outlet: what is drawn from the liquor that leaves the strip."""


MOST_CELLS = 50
"""Cells of a settler beyond which more would change nothing but the time it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Liquor:
    """An aqueous stream as it is supplied.

    Attributes:
        name: Such as "feed" or "acid".
        flow: [m³/s].
        concentration: Rare earths by symbol, [mol/m³]; those left out are absent.
        proton: Free acid, [mol/m³].
    """

    name: str
    flow: float
    concentration: Mapping[str, float] = field(default_factory=dict)
    proton: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganicFeed:
    """Loaded organic from elsewhere that enters a bank between its ends.

    It holds as much extractant as the organic of the circuit, and leaves the loop behind the last
    stage.

    Attributes:
        name: Such as "loaded_organic".
        flow: [m³/s].
        concentration: Rare earths by symbol, [mol/m³]; those left out are absent.
        cation: Saponifying cation, [mol/m³].
    """

    name: str
    flow: float
    concentration: Mapping[str, float] = field(default_factory=dict)
    cation: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A run of equal stages.

    Attributes:
        name: Such as "extraction".
        stages: How many.
        aqueous: Liquor entering its last stage, beside what comes from the next section.
        draw: Name of the outlet by which liquor leaves between this section and the one before
            it; empty if there is none.
        draw_flow: What leaves there, [m³/s].
        efficiency: Organic-phase Murphree efficiency of a stage, above 0 to 1, [-].
        mixer: Mixer volume, [m³].
        settler_organic: Organic held in a settler, [m³].
        settler_aqueous: Aqueous held in a settler, [m³].
        settler_cells: Well-mixed cells in a row that make up either layer of a settler, in time;
            a steady state does not depend on it.
        recycle: Settled aqueous returned to its own mixer, [m³/s].
        entrained_organic: Share of the settled organic that goes down with the aqueous, [-].
        entrained_aqueous: Share of the settled aqueous that goes up with the organic, [-]; of the
            last stage of a circuit it is washed out and returned.
        organic: Organic entering its first stage, beside what comes from the section before.
    """

    name: str
    stages: int
    aqueous: Liquor | None = None
    draw: str = ""
    draw_flow: float = 0.0
    efficiency: float = 1.0
    mixer: float = 1.5
    settler_organic: float = 3.6
    settler_aqueous: float = 1.5
    settler_cells: int = 1
    recycle: float = 0.0
    entrained_organic: float = 0.0
    entrained_aqueous: float = 0.0
    organic: OrganicFeed | None = None

    def __post_init__(self) -> None:
        where = f"section {self.name}"
        if self.stages < 1:
            raise SpecificationError(
                f"stages is {self.stages}.",
                where=where,
                allowed="1 or more",
                mend="Leave the section out if it has none.",
            )
        if not 0.0 < self.efficiency <= 1.0:
            raise SpecificationError(
                f"efficiency is {self.efficiency:g}.", where=where, allowed="above 0, to 1"
            )
        for name in ("mixer", "settler_organic", "settler_aqueous"):
            if not getattr(self, name) > 0.0:
                raise SpecificationError(
                    f"{name} is {getattr(self, name):g} m³.", where=where, allowed="above 0 m³"
                )
        if not 1 <= self.settler_cells <= MOST_CELLS:
            raise SpecificationError(
                f"settler_cells is {self.settler_cells}.",
                where=where,
                allowed=f"1, a well-mixed settler, to {MOST_CELLS}",
            )
        for name in ("entrained_organic", "entrained_aqueous"):
            share = getattr(self, name)
            if not 0.0 <= share < LARGEST_ENTRAINMENT:
                raise SpecificationError(
                    f"{name} is {share:g}.",
                    where=where,
                    allowed=f"0 to below {LARGEST_ENTRAINMENT:g}: beyond that a phase goes more "
                    "backward than forward",
                    mend="Give the share of the settled phase that leaves with the other one.",
                )
        for name in ("recycle", "draw_flow"):
            if not getattr(self, name) >= 0.0:
                raise SpecificationError(
                    f"{name} is {getattr(self, name):g} m³/s.", where=where, allowed="0 or more"
                )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Circuit:
    """One bank with its feeds, draws and closed organic loop.

    Attributes:
        system: Chemistry; its elements fix the element axis.
        sections: In the order the organic meets them.
        organic_flow: [m³/s].
        extractant_concentration: Total HA, [mol/m³]; free dimer is at most half of it.
        saponification_degree: Share of HA neutralised with ammonia, [-].
        organic_tank: Organic in the make-up tank of the loop, [m³].
        hydraulics: Lets the phase volumes follow the flows in time; None keeps them.
    """

    system: ExtractionSystem
    sections: tuple[Section, ...]
    organic_flow: float
    extractant_concentration: float = 1500.0
    saponification_degree: float = 0.36
    organic_tank: float = 7.5
    hydraulics: SettlerHydraulics | None = None

    def __post_init__(self) -> None:
        if not self.sections:
            raise SpecificationError("no sections.", where="circuit", mend="Give at least one.")
        if not self.organic_flow > 0.0:
            raise SpecificationError(
                f"organic_flow is {self.organic_flow:g} m³/s.", where="circuit", allowed="above 0"
            )
        if not 0.0 <= self.saponification_degree < 0.5:
            raise SpecificationError(
                f"saponification_degree is {self.saponification_degree:g}.",
                where="circuit",
                allowed="0 to below 0.5: ammonium takes one dimer, two HA, each",
                mend="Saponify less.",
            )
        if not self.extractant_concentration > 0.0:
            raise SpecificationError(
                f"extractant_concentration is {self.extractant_concentration:g} mol/m³.",
                where="circuit",
                allowed="above 0",
            )

    @property
    def stages(self) -> int:
        """Number of stages."""
        return sum(section.stages for section in self.sections)

    @property
    def elements(self) -> tuple[str, ...]:
        """Symbols on the element axis."""
        return self.system.elements

    @property
    def section_names(self) -> tuple[str, ...]:
        """Section of every stage, (stage,)."""
        return tuple(section.name for section in self.sections for _ in range(section.stages))

    def last_stage(self, name: str) -> int:
        """Return the index of the last stage of a section."""
        end = 0
        for section in self.sections:
            end += section.stages
            if section.name == name:
                return end - 1
        raise SpecificationError(
            f"{name!r} is no section.",
            where="circuit",
            mend=nearest_name(name, tuple(s.name for s in self.sections)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A stream that is sold.

    Attributes:
        name: Such as "nd".
        title: In words.
        outlet: `RAFFINATE` or `STRIP_LIQUOR`.
        elements: Symbols whose oxides count as product.
        purity_limit: Least mass fraction of REO, [-].
        lot_mass: REO in one lot, [kg].
    """

    name: str
    title: str
    outlet: str
    elements: tuple[str, ...]
    purity_limit: float
    lot_mass: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LeverLimits:
    """Range and speed of a lever, as multiples of its nominal flow.

    Attributes:
        name: "organic_flow", "scrub_flow" or "acid_flow".
        title: In words.
        low: Lowest, [-].
        high: Highest, [-].
        rate: Fastest change, [1/s].
    """

    name: str
    title: str
    low: float
    high: float
    rate: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Operation:
    """How a plant is run at one moment: levers, and what the world does to it.

    Attributes:
        organic_flow: [m³/s].
        acid_flow: Strip acid, [m³/s].
        scrub_flow: Strip liquor sent on as scrub, [m³/s]; the rest is drawn as product.
        feed_flow: [m³/s].
        feed_mass_fraction: Of metal, (element,), [-].
        feed_reo: Total rare-earth oxide in the feed, [kg/m³].
        feed_acid: Free acid of the feed, [mol/m³].
        acid_concentration: HCl of the strip acid, [mol/m³].
        saponification_degree: [-].
    """

    organic_flow: float
    acid_flow: float
    scrub_flow: float
    feed_flow: float
    feed_mass_fraction: Array
    feed_reo: float
    feed_acid: float
    acid_concentration: float
    saponification_degree: float

    def with_element(self, index: int, mass_fraction: float) -> Operation:
        """Return the operation with one mass fraction set, the others rescaled, REO kept."""
        if not 0.0 <= mass_fraction <= 1.0:
            raise SpecificationError(
                f"mass fraction is {mass_fraction:g}.", where="feed", allowed="0 to 1"
            )
        others = np.delete(self.feed_mass_fraction, index)
        if mass_fraction < 1.0 and not others.sum() > 0.0:
            raise SpecificationError(
                "the feed holds no other element to make up the rest.", where="feed"
            )
        scaled = others * (1.0 - mass_fraction) / others.sum()
        return replace(self, feed_mass_fraction=np.insert(scaled, index, mass_fraction))

    def feed_concentration(self, elements: tuple[str, ...]) -> Array:
        """Return the rare earths of the feed, (element,), [mol/m³]."""
        moles = self.feed_mass_fraction / np.array(molar_masses(elements))
        reo_per_mass = float(moles @ np.array(oxide_molar_masses(elements)))
        concentration: Array = moles * self.feed_reo / reo_per_mass
        return concentration


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plant:
    """A circuit with its products, levers, analyzer and nominal purities.

    Attributes:
        name: Short name.
        title: In words.
        circuit: The bank, at the flows where the search for nominal flows begins.
        products: By name.
        levers: By name.
        analyzer: Where it looks.
        nominal_purity: Purities that fix the nominal flows, by product, [-].
        sources: Who says so.
    """

    name: str
    title: str
    circuit: Circuit
    products: Mapping[str, Product]
    levers: Mapping[str, LeverLimits]
    analyzer: AnalyzerPlan
    nominal_purity: Mapping[str, float]
    sources: tuple[Source, ...] = ()

    def product(self, name: str) -> Product:
        """Return a product by name.

        Raises:
            SpecificationError: There is no such product.
        """
        if name not in self.products:
            raise SpecificationError(
                f"{name!r} is no product of {self.name}.",
                where=self.name,
                mend=nearest_name(name, tuple(self.products)),
            )
        return self.products[name]

    def stage_index(self, product: Product) -> int:
        """Return the index of the stage whose liquor is the product."""
        if product.outlet == RAFFINATE:
            return 0
        return self.circuit.last_stage(self._drawing().name) - self._drawing().stages + 1

    def _drawing(self) -> Section:
        for section in self.circuit.sections:
            if section.draw:
                return section
        raise SpecificationError("no section is drawn from.", where=self.name)

    def operation(self) -> Operation:
        """Return the operation written in the circuit."""
        feed, acid = self._liquors()
        elements = self.circuit.elements
        concentration = np.array([feed.concentration.get(e, 0.0) for e in elements])
        mass = concentration * np.array(molar_masses(elements))
        return Operation(
            organic_flow=self.circuit.organic_flow,
            acid_flow=acid.flow,
            scrub_flow=acid.flow - self._drawing().draw_flow,
            feed_flow=feed.flow,
            feed_mass_fraction=mass / mass.sum(),
            feed_reo=float(concentration @ np.array(oxide_molar_masses(elements))),
            feed_acid=feed.proton,
            acid_concentration=acid.proton,
            saponification_degree=self.circuit.saponification_degree,
        )

    def _liquors(self) -> tuple[Liquor, Liquor]:
        supplied = [s.aqueous for s in self.circuit.sections if s.aqueous is not None]
        if len(supplied) != 2:
            raise SpecificationError(
                f"{len(supplied)} liquors enter.",
                where=self.name,
                allowed="2: the feed and the strip acid",
            )
        return supplied[0], supplied[1]

    def operated(self, operation: Operation) -> Plant:
        """Return the plant with its circuit at `operation`."""
        feed, acid = self._liquors()
        elements = self.circuit.elements
        concentration = operation.feed_concentration(elements)
        scrub = min(operation.scrub_flow, operation.acid_flow)
        changed = []
        for section in self.circuit.sections:
            if section.aqueous is feed:
                liquor = replace(
                    feed,
                    flow=operation.feed_flow,
                    proton=operation.feed_acid,
                    concentration=dict(zip(elements, concentration.tolist(), strict=True)),
                )
                section = replace(section, aqueous=liquor)
            elif section.aqueous is acid:
                liquor = replace(
                    acid, flow=operation.acid_flow, proton=operation.acid_concentration
                )
                section = replace(section, aqueous=liquor)
            if section.name == self._drawing().name:
                section = replace(section, draw_flow=operation.acid_flow - scrub)
            changed.append(section)
        circuit = replace(
            self.circuit,
            sections=tuple(changed),
            organic_flow=operation.organic_flow,
            saponification_degree=operation.saponification_degree,
        )
        return replace(self, circuit=circuit)
