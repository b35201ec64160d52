"""Plants of many circuits: banks joined by tanks, splitters, conditioning and precipitation.

A network is a list of units; each takes streams by name and makes streams by name. A unit with one
outlet gives the stream its own name, a unit with several gives `unit.outlet`. Every stream is taken
exactly once: by a unit, as a product, or as waste.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from raffinate.chemistry.elements import RARE_EARTHS
from raffinate.chemistry.system import ExtractionSystem
from raffinate.errors import SpecificationError, nearest_name
from raffinate.plant.model import OrganicFeed
from raffinate.plant.network_stream import StreamAxis
from raffinate.sources import Source

RAFFINATE_OUTLET = "raffinate"
"""Outlet of a circuit: the aqueous that leaves its first stage."""

EXTRACT_OUTLET = "strip_liquor"
"""Outlet of a circuit with a cut: what is drawn from the liquor that leaves its strip."""

Precipitant = Literal["oxalate", "carbonate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFeed:
    """A liquor that enters the plant.

    Attributes:
        name: Its stream.
        flow: [m³/s].
        concentration: Metals by symbol, [mol/m³].
        proton: Free acid, [mol/m³].
    """

    name: str
    flow: float
    concentration: Mapping[str, float]
    proton: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckMetal:
    """A metal that loads on the organic and that the strip does not, or hardly, take off.

    It has no constant here: it passes beside the equilibrium, and takes its share of extractant.

    Attributes:
        symbol: Such as "Fe".
        extracted: Share of what enters the circuit that goes to the organic, [-].
        stripped: Share of what the loaded organic carries that one pass of the strip removes, [-].
        limit: Most of it in the loaded organic, [mol/m³].
        extractant_number: HA bound by one atom, [-].
    """

    symbol: str
    extracted: float
    stripped: float
    limit: float
    extractant_number: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OrganicLoop:
    """The organic of one circuit: what it is, what it loses, what is bled.

    Attributes:
        extractant_concentration: Total HA, [mol/m³].
        saponification_degree: Share of HA neutralised with ammonia, [-].
        loss: HA lost with each volume of aqueous that leaves, [mol/m³]: dissolved, and entrained
            unless the sections state what they entrain.
        extractant_molar_mass: Of HA, [kg/mol].
        bleed: Organic sent to regeneration, as a share of the flow, [-]; stuck metals leave with
            it, everything else comes back.
        stuck: Metals that stay in the loop.
    """

    extractant_concentration: float
    saponification_degree: float
    loss: float = 0.0
    extractant_molar_mass: float = 0.0
    bleed: float = 0.0
    stuck: tuple[StuckMetal, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What a circuit parts, and how well.

    Attributes:
        extracted: Rare earths that leave with the strip liquor; all others are to stay.
        raffinate_purity: Mass fraction of REO of the others in the raffinate, [-].
        extract_purity: Of the extracted ones in the strip liquor, [-].
        excess: Extraction amount over the least one of the theory, [-].
    """

    extracted: tuple[str, ...]
    raffinate_purity: float
    extract_purity: float
    excess: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CutFlows:
    """Flows of a circuit with a cut, [m³/s].

    Attributes:
        organic: Organic.
        acid: Strip acid.
        draw: Strip liquor drawn as product; the rest of the acid goes on as scrub.
    """

    organic: float
    acid: float
    draw: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppliedAcid:
    """Acid bought for a section.

    Attributes:
        name: Such as "strip acid".
        proton: [mol/m³].
        per_feed: Volume per volume of liquor fed to the circuit, [-]; a circuit with a cut sets
            the flow itself.
    """

    name: str
    proton: float
    per_feed: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSection:
    """A run of equal stages of a circuit, in the order the organic meets them.

    Attributes:
        name: Such as "extraction".
        stages: How many.
        efficiency: Organic-phase Murphree, [-].
        liquor: Stream that enters its last stage; empty if none.
        acid: Acid that enters there instead.
        draw: Outlet through which liquor leaves between this section and the one before it.
        draw_per_feed: Volume drawn per volume of liquor fed to the circuit, [-].
        recycle: Settled aqueous returned to its own mixer, [m³/s]; None takes what makes
            `mixer_ratio`.
        entrained_organic: Share of the settled organic that goes down with the aqueous, [-].
        entrained_aqueous: Share of the settled aqueous that goes up with the organic, [-].
        organic: Organic entering its first stage, beside what comes from the section before.
    """

    name: str
    stages: int
    efficiency: float
    liquor: str = ""
    acid: SuppliedAcid | None = None
    draw: str = ""
    draw_per_feed: float = 0.0
    recycle: float | None = None
    entrained_organic: float = 0.0
    entrained_aqueous: float = 0.0
    organic: OrganicFeed | None = None

    def __post_init__(self) -> None:
        if self.stages < 1:
            raise SpecificationError(
                f"stages is {self.stages}.",
                where=f"section {self.name}",
                allowed="1 or more",
                mend="Give it 1 stage, or leave the section out.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class MixerSettlers:
    """How the vessels of a circuit are sized.

    Attributes:
        mixer_residence: [s].
        settler_residence: [s].
        mixer_ratio: Organic to aqueous in the mixers, made by internal recycle, [-].
    """

    mixer_residence: float
    settler_residence: float
    mixer_ratio: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CircuitUnit:
    """A bank with its closed organic loop.

    Attributes:
        name: Unit name.
        title: In words.
        system: Chemistry, of the rare earths and metals of the plant that equilibrate.
        organic: Its loop.
        sections: In the order the organic meets them.
        vessels: How they are sized.
        cut: What is parted; None for a bank run at stated flow ratios.
        organic_to_acid: Organic per volume of strip acid, [-]; read with a cut.
        organic_per_feed: Volumes per volume of liquor fed, [-]; read without a cut.
        flows: Flows with a cut; None solves for the purities.
    """

    name: str
    title: str
    system: ExtractionSystem
    organic: OrganicLoop
    sections: tuple[NetworkSection, ...]
    vessels: MixerSettlers
    cut: Cut | None = None
    organic_to_acid: float = 0.0
    organic_per_feed: float = 0.0
    flows: CutFlows | None = None

    @property
    def inlets(self) -> tuple[str, ...]:
        """Streams it takes."""
        return tuple(section.liquor for section in self.sections if section.liquor)

    @property
    def outlets(self) -> tuple[str, ...]:
        """Streams it makes."""
        drawn = tuple(f"{self.name}.{s.draw}" for s in self.sections if s.draw)
        return (f"{self.name}.{RAFFINATE_OUTLET}", *drawn)

    @property
    def stages(self) -> int:
        """Number of stages."""
        return sum(section.stages for section in self.sections)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tank:
    """Mixes streams.

    Attributes:
        name: Unit and stream name.
        inlets: Streams it takes.
        residence: What it holds of its usual stream, [s]; None where nobody said. Read in time.
    """

    name: str
    inlets: tuple[str, ...]
    residence: float | None = None

    @property
    def outlets(self) -> tuple[str, ...]:
        """Streams it makes."""
        return (self.name,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Splitter:
    """Parts a stream without changing it.

    Attributes:
        name: Unit name.
        inlet: Stream it takes.
        fractions: Share by outlet, [-]; they sum to 1.
    """

    name: str
    inlet: str
    fractions: Mapping[str, float]

    @property
    def inlets(self) -> tuple[str, ...]:
        """Streams it takes."""
        return (self.inlet,)

    @property
    def outlets(self) -> tuple[str, ...]:
        """Streams it makes."""
        return tuple(f"{self.name}.{outlet}" for outlet in self.fractions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditioner:
    """Brings a liquor to a strength and an acidity: ammonia or acid, water added or evaporated.

    Attributes:
        name: Unit and stream name.
        inlet: Stream it takes.
        strength: All metals of the equilibrium together, [mol/m³].
        proton: Free acid, [mol/m³].
    """

    name: str
    inlet: str
    strength: float
    proton: float

    @property
    def inlets(self) -> tuple[str, ...]:
        """Streams it takes."""
        return (self.inlet,)

    @property
    def outlets(self) -> tuple[str, ...]:
        """Streams it makes."""
        return (self.name,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Precipitation:
    """Takes rare earths out of a liquor as oxalate or carbonate.

    Attributes:
        name: Unit name; its outlets are `solid` and `mother_liquor`.
        inlet: Stream it takes.
        precipitant: What is added.
        excess: Oxalic acid over what the rare earths take, [-]; carbonate takes none.
        solubility: Rare earths left in the mother liquor, [mol/m³].
    """

    name: str
    inlet: str
    precipitant: Precipitant
    excess: float
    solubility: float

    @property
    def inlets(self) -> tuple[str, ...]:
        """Streams it takes."""
        return (self.inlet,)

    @property
    def outlets(self) -> tuple[str, ...]:
        """Streams it makes."""
        return (f"{self.name}.solid", f"{self.name}.mother_liquor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Redissolution:
    """Dissolves carbonate in acid.

    Attributes:
        name: Unit and stream name.
        inlet: Solid it takes.
        strength: Rare earths together in the liquor, [mol/m³].
        proton: Free acid, [mol/m³].
    """

    name: str
    inlet: str
    strength: float
    proton: float

    @property
    def inlets(self) -> tuple[str, ...]:
        """Streams it takes."""
        return (self.inlet,)

    @property
    def outlets(self) -> tuple[str, ...]:
        """Streams it makes."""
        return (self.name,)


Unit: TypeAlias = CircuitUnit | Tank | Splitter | Conditioner | Precipitation | Redissolution


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkProduct:
    """A stream that is sold.

    Attributes:
        name: Such as "la".
        title: In words.
        stream: Which one.
        elements: Symbols whose oxides count as product.
        purity_limit: Least mass fraction of REO, [-].
    """

    name: str
    title: str
    stream: str
    elements: tuple[str, ...]
    purity_limit: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Network:
    """A plant of circuits and the units between them.

    Attributes:
        name: Short name.
        title: In words.
        elements: Metals of the plant; they fix the element axis.
        medium: Anion of its liquors.
        feeds: What enters.
        units: In the order of the file.
        products: By name.
        waste: Streams that leave unsold.
        sources: Who says so.
    """

    name: str
    title: str
    elements: tuple[str, ...]
    medium: str
    feeds: tuple[NetworkFeed, ...]
    units: tuple[Unit, ...]
    products: Mapping[str, NetworkProduct]
    waste: tuple[str, ...] = ()
    sources: tuple[Source, ...] = field(default=())

    @property
    def circuits(self) -> tuple[CircuitUnit, ...]:
        """The banks."""
        return tuple(unit for unit in self.units if isinstance(unit, CircuitUnit))

    @property
    def stages(self) -> int:
        """Stages of all banks."""
        return sum(circuit.stages for circuit in self.circuits)

    @property
    def rare_earths(self) -> tuple[str, ...]:
        """Those of its metals that are rare earths."""
        return tuple(symbol for symbol in self.elements if symbol in RARE_EARTHS)

    @property
    def organic_feeds(self) -> tuple[OrganicFeed, ...]:
        """Organic that enters its banks from outside."""
        sections = (section for circuit in self.circuits for section in circuit.sections)
        return tuple(section.organic for section in sections if section.organic is not None)

    @property
    def axis(self) -> StreamAxis:
        """What the amounts of a stream are counted in."""
        return StreamAxis(self.elements, self.medium)

    def circuit(self, name: str) -> CircuitUnit:
        """Return a circuit by name.

        Raises:
            SpecificationError: There is no such circuit.
        """
        for circuit in self.circuits:
            if circuit.name == name:
                return circuit
        raise SpecificationError(
            f"{name!r} is no circuit of {self.name}.",
            where=self.name,
            mend=nearest_name(name, tuple(circuit.name for circuit in self.circuits)),
        )
