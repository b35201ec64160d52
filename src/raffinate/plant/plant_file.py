"""Plant files: YAML at the door, values inside."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat, ValidationError

from raffinate.chemistry.elements import molar_masses
from raffinate.chemistry.system_file import load_system
from raffinate.data_files import read_named, shipped_names
from raffinate.errors import DataError, nearest_name
from raffinate.plant.analyzer_file import AnalyzerFile, analyzer_plan, check_analyzer
from raffinate.plant.check_feed import check_fractions, check_order, subset_for
from raffinate.plant.model import (
    LARGEST_ENTRAINMENT,
    MOST_CELLS,
    RAFFINATE,
    STRIP_LIQUOR,
    Circuit,
    LeverLimits,
    Liquor,
    OrganicFeed,
    Plant,
    Product,
    Section,
)
from raffinate.plant.settler_hydraulics_file import HydraulicsFile
from raffinate.plant.strip_acid import acid_need, refuse_short_acid
from raffinate.units import HOUR, PER_LITRE
from raffinate.yaml_files import (
    SourceEntry,
    StrictEntry,
    first_complaint,
    read_yaml,
    require_sources,
)

FORMAT = "raffinate-plant/1"

Positive = Annotated[FiniteFloat, Field(gt=0)]
NotNegative = Annotated[FiniteFloat, Field(ge=0)]
Fraction = Annotated[FiniteFloat, Field(gt=0, lt=1)]
EntrainedShare = Annotated[FiniteFloat, Field(ge=0, lt=LARGEST_ENTRAINMENT)]


class _FeedFile(StrictEntry):
    total_mol_per_L: Positive
    mass_fraction: dict[str, NotNegative]
    free_acid_mol_per_L: NotNegative
    flow_m3_per_h: Positive
    source: str


class _OrganicFile(StrictEntry):
    extractant_mol_per_L: Positive
    saponification_degree: Annotated[FiniteFloat, Field(gt=0, lt=0.5)]
    tank_m3: Positive
    source: str


class _AcidFile(StrictEntry):
    hcl_mol_per_L: Positive
    organic_to_acid_ratio: Positive
    source: str


class _OrganicFeedFile(StrictEntry):
    flow_m3_per_h: Positive
    metals_mol_per_L: dict[str, NotNegative]
    saponified_mol_per_L: NotNegative = 0.0
    source: str

    def feed(self) -> OrganicFeed:
        """Return it as the section takes it."""
        metals = {symbol: value * PER_LITRE for symbol, value in self.metals_mol_per_L.items()}
        return OrganicFeed(
            name="organic_feed",
            flow=self.flow_m3_per_h / HOUR,
            concentration=metals,
            cation=self.saponified_mol_per_L * PER_LITRE,
        )


class _SectionFile(StrictEntry):
    name: Literal["extraction", "scrub", "strip"]
    stages: Annotated[int, Field(ge=1, le=2000)]
    efficiency: Annotated[FiniteFloat, Field(gt=0, le=1)]
    mixer_m3: Positive
    settler_organic_m3: Positive
    settler_aqueous_m3: Positive
    recycle_m3_per_h: NotNegative
    entrained_organic: EntrainedShare = 0.0
    entrained_aqueous: EntrainedShare = 0.0
    organic_feed: _OrganicFeedFile | None = None
    settler_cells: Annotated[int, Field(ge=1, le=MOST_CELLS)] = 1


class _ProductFile(StrictEntry):
    title: str
    outlet: Literal["raffinate", "strip_liquor"]
    elements: list[str]
    purity_limit: Fraction
    lot_t_reo: Positive


class _NominalFile(StrictEntry):
    purity: dict[str, Fraction]
    first_extraction_ratio: Positive
    source: str


class _LeverFile(StrictEntry):
    title: str
    low: NotNegative
    high: Positive
    rate_per_h: Positive


class _LeversFile(StrictEntry):
    organic_flow: _LeverFile
    scrub_flow: _LeverFile
    acid_flow: _LeverFile


class _PlantFile(StrictEntry):
    format: Literal["raffinate-plant/1"]
    name: str
    title: str
    system: str
    sources: dict[str, SourceEntry]
    feed: _FeedFile
    organic: _OrganicFile
    acid: _AcidFile
    sections: list[_SectionFile]
    sections_source: str
    products: dict[str, _ProductFile]
    nominal: _NominalFile
    levers: _LeversFile
    analyzer: AnalyzerFile
    hydraulics: HydraulicsFile | None = None


def load_plant(name_or_path: str | Path) -> Plant:
    """Return a shipped plant, such as "ceprnd_p507", or one read from a YAML file.

    Raises:
        DataError: No such plant, or the file cannot be read as one.
        SpecificationError: The plant cannot be run as written.
    """
    content, where = read_named(name_or_path, "plant", shipped_plants())
    return parse_plant(content, where=where)


def shipped_plants() -> tuple[str, ...]:
    """Return the names of the plants of one circuit that come with the package."""
    return tuple(
        name
        for name in shipped_names(FORMAT)
        if b"\ncircuits:" not in read_named(name, "plant", ())[0]
    )


def _refuse_circuits(document: Mapping[str, Any], where: str) -> None:
    if "circuits" in document:
        raise DataError(
            "the plant is written as many circuits.",
            where=f"{where}: circuits",
            allowed="a plant of one circuit, without this key",
            mend="`raffinate check`, `solve`, `sensitivity`, `cost`, `optimise`, `probability` and "
            "`study` take it; in Python load_network reads it and solve_network solves it.",
        )


def parse_plant(content: str | bytes, *, where: str = "plant") -> Plant:
    """Read the text of a plant file; its system is loaded by name or path.

    Raises:
        DataError: The text is no plant file; says where, what and the mend.
        SpecificationError: Its acid cannot strip its organic.
    """
    document = read_yaml(content, where, FORMAT)
    _refuse_circuits(document, where)
    try:
        read = _PlantFile.model_validate(document)
    except ValidationError as error:
        raise first_complaint(error, where, _PlantFile) from error
    _check_sources(read, where)
    elements = tuple(read.feed.mass_fraction)
    _check_sections(read, where)
    _check_products(read, elements, where)
    _check_levers(read, where)
    circuit = _circuit(read, elements, where)
    kept, taken = (
        next(entry.elements for entry in read.products.values() if entry.outlet == outlet)
        for outlet in (RAFFINATE, STRIP_LIQUOR)
    )
    check_order(circuit.system, kept, taken, f"{where}: products")
    refuse_short_acid(acid_need(circuit), f"{where}: acid")
    return Plant(
        name=read.name,
        title=read.title,
        circuit=circuit,
        products={
            name: Product(
                name=name,
                title=entry.title,
                outlet=entry.outlet,
                elements=tuple(entry.elements),
                purity_limit=entry.purity_limit,
                lot_mass=entry.lot_t_reo * 1000.0,
            )
            for name, entry in read.products.items()
        },
        levers={
            name: LeverLimits(
                name=name,
                title=entry.title,
                low=entry.low,
                high=entry.high,
                rate=entry.rate_per_h / HOUR,
            )
            for name, entry in (
                ("organic_flow", read.levers.organic_flow),
                ("scrub_flow", read.levers.scrub_flow),
                ("acid_flow", read.levers.acid_flow),
            )
        },
        analyzer=analyzer_plan(read.analyzer, elements),
        nominal_purity=dict(read.nominal.purity),
        sources=tuple(entry.source() for entry in read.sources.values()),
    )


def _circuit(read: _PlantFile, elements: tuple[str, ...], where: str) -> Circuit:
    feed = _feed(read, elements, where)
    extractant = read.organic.extractant_mol_per_L * PER_LITRE
    degree = read.organic.saponification_degree
    # Saponified extractant takes up a third of its amount in rare earths.
    capacity = degree * extractant / 3.0
    fed = read.feed.total_mol_per_L * PER_LITRE * feed.flow
    organic_flow = read.nominal.first_extraction_ratio * fed / capacity
    return Circuit(
        system=subset_for(
            load_system(read.system),
            elements,
            where=f"{where}: feed.mass_fraction",
            mend="Leave it out, or name a system with a constant for it.",
        ),
        sections=_sections(read, feed, organic_flow),
        organic_flow=organic_flow,
        extractant_concentration=extractant,
        saponification_degree=degree,
        organic_tank=read.organic.tank_m3,
        hydraulics=None if read.hydraulics is None else read.hydraulics.hydraulics(),
    )


def _feed(read: _PlantFile, elements: tuple[str, ...], where: str) -> Liquor:
    fractions = read.feed.mass_fraction
    check_fractions(fractions, "mass fractions", f"{where}: feed.mass_fraction")
    masses = dict(zip(elements, molar_masses(elements), strict=True))
    moles = {symbol: fraction / masses[symbol] for symbol, fraction in fractions.items()}
    scale = read.feed.total_mol_per_L * PER_LITRE / sum(moles.values())
    return Liquor(
        name="feed",
        flow=read.feed.flow_m3_per_h / HOUR,
        concentration={symbol: amount * scale for symbol, amount in moles.items()},
        proton=read.feed.free_acid_mol_per_L * PER_LITRE,
    )


def _sections(read: _PlantFile, feed: Liquor, organic_flow: float) -> tuple[Section, ...]:
    acid = Liquor(
        name="acid",
        flow=organic_flow / read.acid.organic_to_acid_ratio,
        proton=read.acid.hcl_mol_per_L * PER_LITRE,
    )
    stripped = next(p for p in read.products.values() if p.outlet == STRIP_LIQUOR)
    wanted = sum(feed.concentration[symbol] for symbol in stripped.elements)
    share = wanted / sum(feed.concentration.values())
    draw_flow = acid.flow * share / read.nominal.first_extraction_ratio
    supplied = {"extraction": feed, "strip": acid}
    return tuple(
        Section(
            name=entry.name,
            stages=entry.stages,
            aqueous=supplied.get(entry.name),
            draw=STRIP_LIQUOR if entry.name == "strip" else "",
            draw_flow=draw_flow if entry.name == "strip" else 0.0,
            efficiency=entry.efficiency,
            mixer=entry.mixer_m3,
            settler_organic=entry.settler_organic_m3,
            settler_aqueous=entry.settler_aqueous_m3,
            recycle=entry.recycle_m3_per_h / HOUR,
            entrained_organic=entry.entrained_organic,
            entrained_aqueous=entry.entrained_aqueous,
            organic=None if entry.organic_feed is None else entry.organic_feed.feed(),
            settler_cells=entry.settler_cells,
        )
        for entry in read.sections
    )


def _check_sections(read: _PlantFile, where: str) -> None:
    names = [entry.name for entry in read.sections]
    if names != ["extraction", "scrub", "strip"]:
        raise DataError(
            f"the sections are {', '.join(names) or 'none'}.",
            where=f"{where}: sections",
            allowed="extraction, scrub, strip, in the order the organic meets them",
        )
    for entry in read.sections:
        for symbol in entry.organic_feed.metals_mol_per_L if entry.organic_feed else ():
            if symbol not in read.feed.mass_fraction:
                raise DataError(
                    f"{symbol!r} is not in the feed.",
                    where=f"{where}: sections.{entry.name}.organic_feed.metals_mol_per_L",
                    mend=nearest_name(symbol, tuple(read.feed.mass_fraction)),
                )
    check_analyzer(
        read.analyzer,
        stages=sum(entry.stages for entry in read.sections),
        elements=tuple(read.feed.mass_fraction),
        products=len(read.products),
        where=where,
    )


def _check_products(read: _PlantFile, elements: tuple[str, ...], where: str) -> None:
    outlets = sorted(entry.outlet for entry in read.products.values())
    if outlets != sorted((RAFFINATE, STRIP_LIQUOR)):
        raise DataError(
            f"the outlets are {', '.join(outlets) or 'none'}.",
            where=f"{where}: products",
            allowed=f"one {RAFFINATE} and one {STRIP_LIQUOR}",
            mend="A product nobody draws cannot be made.",
        )
    for name, entry in read.products.items():
        for symbol in entry.elements:
            if symbol not in elements:
                raise DataError(
                    f"{symbol!r} is not in the feed.",
                    where=f"{where}: products.{name}.elements",
                    mend=nearest_name(symbol, elements),
                )
        if not entry.elements:
            raise DataError(
                "no element counts as product.", where=f"{where}: products.{name}.elements"
            )
    for name in read.nominal.purity:
        if name not in read.products:
            raise DataError(
                f"{name!r} is no product.",
                where=f"{where}: nominal.purity",
                mend=nearest_name(name, tuple(read.products)),
            )
    if len(read.nominal.purity) != len(read.products):
        raise DataError(
            f"a purity is given for {', '.join(read.nominal.purity) or 'no product'} only.",
            where=f"{where}: nominal.purity",
            allowed=f"one for each of {', '.join(read.products)}",
        )


def _check_levers(read: _PlantFile, where: str) -> None:
    for name in _LeversFile.model_fields:
        lever: _LeverFile = getattr(read.levers, name)
        if not lever.low <= 1.0 <= lever.high:
            raise DataError(
                f"the range is {lever.low:g} to {lever.high:g} of the nominal flow.",
                where=f"{where}: levers.{name}",
                allowed="low at most 1 and high at least 1, so that the nominal flow is inside",
            )


def _check_sources(read: _PlantFile, where: str) -> None:
    named = {
        "feed.source": read.feed.source,
        "organic.source": read.organic.source,
        "acid.source": read.acid.source,
        "nominal.source": read.nominal.source,
        "sections_source": read.sections_source,
    }
    if read.hydraulics is not None:
        named["hydraulics.source"] = read.hydraulics.source
    for entry in read.sections:
        if entry.organic_feed is not None:
            named[f"sections.{entry.name}.organic_feed.source"] = entry.organic_feed.source
    require_sources(named | read.analyzer.named_sources(), read.sources, where)
