"""Files of plants of many circuits: YAML at the door, values inside."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from raffinate.chemistry.elements import RARE_EARTHS, metal, molar_masses, oxide_molar_masses
from raffinate.chemistry.system import ExtractionSystem
from raffinate.chemistry.system_file import load_system
from raffinate.data_files import read_named, shipped_names
from raffinate.errors import DataError, RaffinateError, nearest_name
from raffinate.plant.check_feed import check_fractions, subset_for
from raffinate.plant.network import (
    Conditioner,
    Network,
    NetworkFeed,
    NetworkProduct,
    Precipitation,
    Redissolution,
    Splitter,
    Tank,
    Unit,
)
from raffinate.plant.network_file_circuit import circuit_unit
from raffinate.plant.network_file_model import (
    ConditionerEntry,
    FeedEntry,
    NetworkFile,
    PrecipitationEntry,
    RedissolutionEntry,
    SplitterEntry,
    TankEntry,
    UnitEntry,
)
from raffinate.plant.network_order import calculation_order
from raffinate.plant.network_wrap import network_of_plant
from raffinate.plant.plant_file import FORMAT, parse_plant
from raffinate.units import HOUR, PER_LITRE
from raffinate.yaml_files import first_complaint, read_yaml, require_sources


def load_network(name_or_path: str | Path) -> Network:
    """Return a shipped plant, such as "lree_baotou", or one read from a YAML file.

    A file of one circuit is read as a network of that one circuit.

    Raises:
        DataError: No such plant, or the file cannot be read as one.
        SpecificationError: The plant cannot be run as written.
    """
    content, where = read_named(name_or_path, "plant", shipped_networks())
    return parse_network(content, where=where)


def shipped_networks() -> tuple[str, ...]:
    """Return the names of all plants that come with the package, of one circuit and of many."""
    return shipped_names(FORMAT)


def is_network(name_or_path: str | Path) -> bool:
    """Return whether a plant file holds many circuits: whether it has the key `circuits`.

    Raises:
        DataError: No such plant, or no plant file.
    """
    content, where = read_named(name_or_path, "plant", shipped_networks())
    return "circuits" in read_yaml(content, where, FORMAT)


def parse_network(content: str | bytes, *, where: str = "plant") -> Network:
    """Read the text of a plant file; its systems are loaded by name or path.

    Raises:
        DataError: The text is no plant file; says where, what and the mend.
        SpecificationError: Its units do not join.
    """
    document = read_yaml(content, where, FORMAT)
    if "circuits" not in document:
        return network_of_plant(parse_plant(content, where=where))
    try:
        read = NetworkFile.model_validate(document)
    except ValidationError as error:
        raise first_complaint(error, where, NetworkFile) from error
    _check_sources(read, where)
    feeds = tuple(_feed(name, entry, where) for name, entry in read.feeds.items())
    elements = _elements(feeds)
    _check_names(read, where)
    systems = _systems(read, elements, where)
    media = {system.medium for system in systems.values()}
    if len(media) > 1:
        raise DataError(
            f"the systems are of {' and '.join(sorted(media))}.",
            where=f"{where}: circuits",
            allowed="one medium in the whole plant",
        )
    circuits = [circuit_unit(name, read, systems[name], where) for name in read.circuits]
    network = Network(
        name=read.name,
        title=read.title,
        elements=elements,
        medium=media.pop(),
        feeds=feeds,
        units=(*circuits, *(_unit(name, entry, where) for name, entry in read.units.items())),
        products=_products(read, elements, where),
        waste=tuple(read.waste),
        sources=tuple(entry.source() for entry in read.sources.values()),
    )
    calculation_order(network)
    return network


def _check_sources(read: NetworkFile, where: str) -> None:
    named = {f"feeds.{name}.source": entry.source for name, entry in read.feeds.items()}
    for name, organic in read.organics.items():
        named[f"organics.{name}.source"] = organic.source
        named |= {f"organics.{name}.stuck.{k}.source": e.source for k, e in organic.stuck.items()}
        if organic.loss is not None:
            named[f"organics.{name}.loss.source"] = organic.loss.source
    named |= {f"acids.{name}.source": entry.source for name, entry in read.acids.items()}
    named["mixer_settlers.source"] = read.mixer_settlers.source
    for name, circuit in read.circuits.items():
        named[f"circuits.{name}.source"] = circuit.source
        named |= {
            f"circuits.{name}.sections.{section.name}.organic_feed.source": fed.source
            for section in circuit.sections
            if (fed := section.organic_feed) is not None
        }
    for name, unit in read.units.items():
        if isinstance(unit, PrecipitationEntry):
            named[f"units.{name}.source"] = unit.source
    require_sources(named, read.sources, where)


def _check_names(read: NetworkFile, where: str) -> None:
    names = [*read.feeds, *read.circuits, *read.units]
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"two things are named {name!r}.", where=where, mend="Rename one.")
        if "." in name:
            raise DataError(
                f"{name!r} holds a dot.",
                where=where,
                mend="Dots part a unit from its outlet; use an underscore.",
            )


def _elements(feeds: tuple[NetworkFeed, ...]) -> tuple[str, ...]:
    found = dict.fromkeys(symbol for feed in feeds for symbol in feed.concentration)
    return tuple(found)


def _feed(name: str, entry: FeedEntry, where: str) -> NetworkFeed:
    place = f"{where}: feeds.{name}"
    concentration = _strengths(entry, place)
    for symbol, value in (entry.metals_mol_per_L or {}).items():
        try:
            metal(symbol)
        except RaffinateError as error:
            raise DataError(
                error.what, where=f"{place}.metals_mol_per_L", mend=error.mend
            ) from None
        concentration[symbol] = concentration.get(symbol, 0.0) + value * PER_LITRE
    if not sum(concentration.values()) > 0.0:
        raise DataError(
            "the feed holds no metal.",
            where=place,
            mend="Give total_mol_per_L with mass_fraction or oxide_fraction, or metals_mol_per_L.",
        )
    return NetworkFeed(
        name=name,
        flow=entry.flow_m3_per_h / HOUR,
        concentration=concentration,
        proton=entry.free_acid_mol_per_L * PER_LITRE,
    )


def _strengths(entry: FeedEntry, place: str) -> dict[str, float]:
    """Return the rare earths given as fractions, by symbol, [mol/m³]."""
    given = [key for key in ("mass_fraction", "oxide_fraction") if getattr(entry, key) is not None]
    if (entry.total_mol_per_L is None) != (not given) or len(given) > 1:
        raise DataError(
            f"{' and '.join(given) or 'no composition'} with "
            f"{'a' if entry.total_mol_per_L is not None else 'no'} total_mol_per_L.",
            where=place,
            allowed="total_mol_per_L with either mass_fraction or oxide_fraction, or neither",
        )
    if not given:
        return {}
    fractions: dict[str, float] = getattr(entry, given[0])
    check_fractions(fractions, "fractions", f"{place}.{given[0]}")
    symbols = tuple(fractions)
    for symbol in symbols:
        if symbol not in RARE_EARTHS:
            raise DataError(
                f"{symbol!r} is no rare earth.",
                where=f"{place}.{given[0]}",
                mend="Give other metals under metals_mol_per_L.",
            )
    masses = molar_masses(symbols) if given[0] == "mass_fraction" else oxide_molar_masses(symbols)
    moles = {s: fractions[s] / mass for s, mass in zip(symbols, masses, strict=True)}
    assert entry.total_mol_per_L is not None
    scale = entry.total_mol_per_L * PER_LITRE / sum(moles.values())
    return {symbol: amount * scale for symbol, amount in moles.items()}


def _systems(
    read: NetworkFile, elements: tuple[str, ...], where: str
) -> dict[str, ExtractionSystem]:
    """Return the chemistry of each circuit, of the metals that are not stuck in its loop."""
    loaded: dict[str, ExtractionSystem] = {}
    found = {}
    for name, entry in read.circuits.items():
        key = entry.system or read.system
        if key not in loaded:
            loaded[key] = load_system(key)
        if entry.organic not in read.organics:
            raise DataError(
                f"{entry.organic!r} is no organic.",
                where=f"{where}: circuits.{name}.organic",
                mend=nearest_name(entry.organic, tuple(read.organics)),
            )
        stuck = read.organics[entry.organic].stuck
        found[name] = subset_for(
            loaded[key],
            [symbol for symbol in elements if symbol not in stuck],
            where=f"{where}: feeds",
            mend=f"Leave it out, put it among `stuck` of the organic {entry.organic}, or name a "
            "system with a constant for it.",
        )
    return found


def _unit(name: str, entry: UnitEntry, where: str) -> Unit:
    match entry:
        case TankEntry():
            residence = None if entry.residence_h is None else entry.residence_h * HOUR
            return Tank(name=name, inlets=tuple(entry.takes), residence=residence)
        case SplitterEntry():
            return _splitter(name, entry, where)
        case ConditionerEntry():
            return Conditioner(
                name=name,
                inlet=entry.takes,
                strength=entry.total_mol_per_L * PER_LITRE,
                proton=entry.free_acid_mol_per_L * PER_LITRE,
            )
        case PrecipitationEntry():
            return _precipitation(name, entry, where)
        case RedissolutionEntry():
            return Redissolution(
                name=name,
                inlet=entry.takes,
                strength=entry.total_mol_per_L * PER_LITRE,
                proton=entry.free_acid_mol_per_L * PER_LITRE,
            )


def _splitter(name: str, entry: SplitterEntry, where: str) -> Splitter:
    total = sum(entry.fractions.values())
    if len(entry.fractions) < 2 or abs(total - 1.0) > 1e-9:
        raise DataError(
            f"{len(entry.fractions)} fractions add up to {total:.6g}.",
            where=f"{where}: units.{name}.fractions",
            allowed="two or more that add up to 1",
        )
    return Splitter(name=name, inlet=entry.takes, fractions=dict(entry.fractions))


def _precipitation(name: str, entry: PrecipitationEntry, where: str) -> Precipitation:
    if entry.precipitant == "carbonate" and entry.excess > 0.0:
        raise DataError(
            f"the excess is {entry.excess:g}.",
            where=f"{where}: units.{name}.excess",
            allowed="0: bicarbonate left over would need its own equilibrium",
        )
    return Precipitation(
        name=name,
        inlet=entry.takes,
        precipitant=entry.precipitant,
        excess=entry.excess,
        solubility=entry.dissolved_mol_per_L * PER_LITRE,
    )


def _products(
    read: NetworkFile, elements: tuple[str, ...], where: str
) -> dict[str, NetworkProduct]:
    rare = tuple(symbol for symbol in elements if symbol in RARE_EARTHS)
    for name, entry in read.products.items():
        for symbol in entry.elements:
            if symbol not in rare:
                raise DataError(
                    f"{symbol!r} is no rare earth of the feeds.",
                    where=f"{where}: products.{name}.elements",
                    mend=nearest_name(symbol, rare),
                )
    return {
        name: NetworkProduct(
            name=name,
            title=entry.title,
            stream=entry.stream,
            elements=tuple(entry.elements),
            purity_limit=entry.purity_limit,
        )
        for name, entry in read.products.items()
    }
