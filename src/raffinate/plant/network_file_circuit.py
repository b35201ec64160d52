"""A circuit of a plant file, from what the file says to a value."""

from __future__ import annotations

from dataclasses import replace

from raffinate.chemistry.system import ExtractionSystem
from raffinate.errors import DataError, nearest_name
from raffinate.plant.model import OrganicFeed
from raffinate.plant.network import (
    EXTRACT_OUTLET,
    CircuitUnit,
    Cut,
    CutFlows,
    MixerSettlers,
    NetworkSection,
    OrganicLoop,
    StuckMetal,
    SuppliedAcid,
)
from raffinate.plant.network_file_model import (
    CircuitEntry,
    FlowsEntry,
    NetworkFile,
    OrganicEntry,
    OrganicFeedEntry,
    SectionEntry,
)
from raffinate.plant.network_theory import cut_group
from raffinate.units import HOUR, PER_LITRE

CUT_KEYS = ("feed", "acid", "cut", "stages", "organic_to_acid_ratio")
"""What a circuit with a cut must say."""

RATIO_KEYS = ("sections", "organic_per_feed")
"""What a circuit at stated ratios must say."""


def circuit_unit(name: str, read: NetworkFile, system: ExtractionSystem, where: str) -> CircuitUnit:
    """Return a circuit of a file.

    Args:
        name: Of the circuit.
        read: The file.
        system: Its chemistry.
        where: Name of the file, for errors.

    Raises:
        DataError: Keys that are missing or do not go together.
        SpecificationError: A cut that the chemistry does not make.
    """
    entry = read.circuits[name]
    place = f"{where}: circuits.{name}"
    with_cut = entry.cut is not None
    _check_keys(entry, with_cut, place)
    vessels = read.mixer_settlers
    unit = CircuitUnit(
        name=name,
        title=entry.title,
        system=system,
        organic=_loop(read.organics[entry.organic]),
        sections=_cut_sections(entry, read, place) if with_cut else _sections(entry, read, place),
        vessels=MixerSettlers(
            mixer_residence=vessels.mixer_residence_s,
            settler_residence=vessels.settler_residence_s,
            mixer_ratio=vessels.mixer_ratio,
        ),
        cut=_cut(entry, system, place),
        organic_to_acid=entry.organic_to_acid_ratio or 0.0,
        organic_per_feed=entry.organic_per_feed or 0.0,
        flows=_flows(entry.flows),
    )
    if unit.cut is not None:
        cut_group(unit, unit.cut)
    _check_organic(unit, place)
    return unit


def _check_organic(unit: CircuitUnit, place: str) -> None:
    """Refuse entrainment that cannot be accounted for, and metals nobody knows."""
    if any(s.entrained_organic > 0.0 for s in unit.sections) and not (
        unit.organic.extractant_molar_mass > 0.0
    ):
        raise DataError(
            "its settlers entrain organic, and the mass of the extractant lost cannot be told.",
            where=f"{place}.organic",
            mend="Give the organic a loss, with extractant_g_per_mol and the extractant dissolved "
            "as extractant_mg_per_L.",
        )
    for section in unit.sections:
        for symbol in section.organic.concentration if section.organic is not None else ():
            if symbol not in unit.system.elements:
                raise DataError(
                    f"{symbol!r} is not in the plant.",
                    where=f"{place}.sections.{section.name}.organic_feed.metals_mol_per_L",
                    mend=nearest_name(symbol, unit.system.elements),
                )


def _check_keys(entry: CircuitEntry, with_cut: bool, place: str) -> None:
    needed, other = (CUT_KEYS, RATIO_KEYS) if with_cut else (RATIO_KEYS, (*CUT_KEYS, "flows"))
    lacking = [key for key in needed if not getattr(entry, key)]
    stray = [key for key in other if getattr(entry, key)]
    kind = "with a cut" if with_cut else "without a cut"
    if lacking:
        raise DataError(
            f"{', '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} missing.",
            where=place,
            allowed=f"a circuit {kind} needs {', '.join(needed)}",
            mend=f"Add {', '.join(lacking)}."
            + (f" Leave out {', '.join(stray)}, which it does not take." if stray else ""),
        )
    if stray:
        raise DataError(
            f"{', '.join(stray)} {'has' if len(stray) == 1 else 'have'} no meaning in a circuit "
            f"{kind}.",
            where=place,
            allowed=", ".join(needed),
            mend=f"Leave {', '.join(stray)} out.",
        )


def _loop(entry: OrganicEntry) -> OrganicLoop:
    loss = entry.loss
    return OrganicLoop(
        extractant_concentration=entry.extractant_mol_per_L * PER_LITRE,
        saponification_degree=entry.saponification_degree,
        # mg/L over g/mol is mmol/L, which is mol/m³.
        loss=loss.extractant_mg_per_L / loss.extractant_g_per_mol if loss is not None else 0.0,
        extractant_molar_mass=loss.extractant_g_per_mol * 1e-3 if loss is not None else 0.0,
        bleed=entry.bleed_fraction,
        stuck=tuple(
            StuckMetal(
                symbol=symbol,
                extracted=metal.extracted,
                stripped=metal.stripped,
                limit=metal.limit_mol_per_L * PER_LITRE,
                extractant_number=metal.extractant_per_metal,
            )
            for symbol, metal in entry.stuck.items()
        ),
    )


def _cut(entry: CircuitEntry, system: ExtractionSystem, place: str) -> Cut | None:
    if entry.cut is None:
        return None
    for symbol in entry.cut.extracted:
        if symbol not in system.elements:
            raise DataError(
                f"{symbol!r} is not in the plant.",
                where=f"{place}.cut.extracted",
                mend=nearest_name(symbol, system.elements),
            )
    return Cut(
        extracted=tuple(entry.cut.extracted),
        raffinate_purity=entry.cut.raffinate_purity,
        extract_purity=entry.cut.extract_purity,
        excess=entry.cut.excess,
    )


def _flows(entry: FlowsEntry | None) -> CutFlows | None:
    if entry is None:
        return None
    return CutFlows(
        organic=entry.organic_m3_per_h / HOUR,
        acid=entry.acid_m3_per_h / HOUR,
        draw=entry.draw_m3_per_h / HOUR,
    )


def _cut_sections(entry: CircuitEntry, read: NetworkFile, place: str) -> tuple[NetworkSection, ...]:
    assert entry.stages is not None
    vessels = read.mixer_settlers
    extraction = NetworkSection(
        name="extraction",
        stages=entry.stages.extraction,
        efficiency=vessels.efficiency,
        liquor=entry.feed,
        entrained_organic=vessels.entrained_organic,
        entrained_aqueous=vessels.entrained_aqueous,
    )
    return (
        extraction,
        replace(extraction, name="scrub", stages=entry.stages.scrub, liquor=""),
        replace(
            extraction,
            name="strip",
            stages=entry.stages.strip,
            liquor="",
            acid=_acid(entry.acid, 0.0, read, f"{place}.acid"),
            draw=EXTRACT_OUTLET,
        ),
    )


def _sections(entry: CircuitEntry, read: NetworkFile, place: str) -> tuple[NetworkSection, ...]:
    names = [section.name for section in entry.sections]
    if len(set(names)) < len(names):
        raise DataError(
            f"the sections are {', '.join(names)}.",
            where=f"{place}.sections",
            allowed="each name once",
        )
    if not any(section.liquor for section in entry.sections):
        raise DataError(
            "no liquor enters.", where=f"{place}.sections", mend="Give one section a liquor."
        )
    return tuple(_section(section, read, f"{place}.sections") for section in entry.sections)


def _section(entry: SectionEntry, read: NetworkFile, place: str) -> NetworkSection:
    if entry.liquor and entry.acid:
        raise DataError(
            f"{entry.liquor} and {entry.acid} enter section {entry.name}.",
            where=place,
            allowed="one of them",
            mend="Part the section in two.",
        )
    if bool(entry.acid) != (entry.acid_per_feed > 0.0):
        raise DataError(
            f"section {entry.name} has acid {entry.acid!r} at {entry.acid_per_feed:g} per feed.",
            where=place,
            allowed="both an acid and its flow above 0, or neither",
        )
    if bool(entry.draw) != (entry.draw_per_feed > 0.0):
        raise DataError(
            f"section {entry.name} draws {entry.draw or 'nothing named'} at "
            f"{entry.draw_per_feed:g} per feed.",
            where=place,
            allowed="both a draw and its flow above 0, or neither",
            mend="A product nobody draws cannot be made.",
        )
    return NetworkSection(
        name=entry.name,
        stages=entry.stages,
        efficiency=read.mixer_settlers.efficiency,
        liquor=entry.liquor,
        acid=_acid(entry.acid, entry.acid_per_feed, read, place) if entry.acid else None,
        draw=entry.draw,
        draw_per_feed=entry.draw_per_feed,
        entrained_organic=_stated(entry.entrained_organic, read.mixer_settlers.entrained_organic),
        entrained_aqueous=_stated(entry.entrained_aqueous, read.mixer_settlers.entrained_aqueous),
        organic=None if entry.organic_feed is None else _organic_feed(entry.organic_feed),
    )


def _stated(own: float | None, of_all: float) -> float:
    return of_all if own is None else own


def _organic_feed(entry: OrganicFeedEntry) -> OrganicFeed:
    return OrganicFeed(
        name="organic_feed",
        flow=entry.flow_m3_per_h / HOUR,
        concentration={s: value * PER_LITRE for s, value in entry.metals_mol_per_L.items()},
        cation=entry.saponified_mol_per_L * PER_LITRE,
    )


def _acid(name: str, per_feed: float, read: NetworkFile, place: str) -> SuppliedAcid:
    if name not in read.acids:
        raise DataError(
            f"{name!r} is no acid.", where=place, mend=nearest_name(name, tuple(read.acids))
        )
    return SuppliedAcid(name=name, proton=read.acids[name].mol_per_L * PER_LITRE, per_feed=per_feed)
