"""Design files: what a circuit must do, before anybody knows its stages and flows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, ValidationError

from raffinate.chemistry.elements import molar_masses, oxide_molar_masses
from raffinate.chemistry.system import ExtractionSystem
from raffinate.chemistry.system_file import load_system
from raffinate.data_files import read_named, shipped_names
from raffinate.errors import DataError, nearest_name
from raffinate.sources import Source
from raffinate.yaml_files import (
    SourceEntry,
    StrictEntry,
    first_complaint,
    read_yaml,
    require_sources,
)

FORMAT = "raffinate-design/1"

Positive = Annotated[FiniteFloat, Field(gt=0)]
NotNegative = Annotated[FiniteFloat, Field(ge=0)]
Fraction = Annotated[FiniteFloat, Field(gt=0, lt=1)]


class _FeedFile(StrictEntry):
    total_mol_per_L: Positive
    mass_fraction: dict[str, NotNegative]
    free_acid_mol_per_L: NotNegative
    flow_m3_per_h: Positive
    source: str


class _ProductFile(StrictEntry):
    name: str
    title: str
    elements: Annotated[list[str], Field(min_length=1)]
    purity: Fraction


class _OrganicFile(StrictEntry):
    extractant_mol_per_L: Positive
    saponification_degree: Annotated[FiniteFloat, Field(gt=0, lt=0.5)]
    source: str


class _AcidFile(StrictEntry):
    hcl_mol_per_L: Positive
    organic_to_acid_ratio: Positive
    source: str


class _MixerSettlerFile(StrictEntry):
    efficiency: Annotated[FiniteFloat, Field(gt=0, le=1)]
    strip_stages: Annotated[int, Field(ge=1, le=200)]
    mixer_residence_s: Positive
    settler_residence_s: Positive
    mixer_ratio: Annotated[FiniteFloat, Field(ge=1.0 / 3.0, le=3.0)]
    source: str


class _DesignFile(StrictEntry):
    format: Literal["raffinate-design/1"]
    name: str
    title: str
    system: str
    sources: dict[str, SourceEntry]
    feed: _FeedFile
    extracted: _ProductFile
    raffinate: _ProductFile
    middle: _ProductFile | None = None
    organic: _OrganicFile
    acid: _AcidFile
    mixer_settlers: _MixerSettlerFile
    excess: Annotated[FiniteFloat, Field(gt=1.0)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignedProduct:
    """One of the two or three products of a circuit.

    Attributes:
        name: Short name.
        title: What it is, in words.
        elements: What counts as product.
        purity: Mass fraction of REO, [-].
    """

    name: str
    title: str
    elements: tuple[str, ...]
    purity: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DesignSpecification:
    """What a circuit of extraction, scrub and strip must do, at the units of its file.

    Attributes:
        name: Short name of the design and of the plant it becomes.
        title: What it is, in words.
        system: The constants, for the elements of the feed.
        system_name: As the file names them.
        mass_fraction: Of metal in the feed, by symbol, [-].
        total_mol_per_L: Rare earths in the feed.
        free_acid_mol_per_L: Acid of the feed.
        feed_m3_per_h: Flow of the feed.
        extracted: Product stripped from the organic.
        raffinate: Product left in the aqueous.
        middle: Product drawn from the scrub section by a third outlet; None if there is none.
        extractant_mol_per_L: Total HA.
        saponification_degree: [-].
        hcl_mol_per_L: Strip acid.
        organic_to_acid_ratio: Volumes in the strip, [-].
        efficiency: Murphree efficiency of every stage, [-].
        strip_stages: Stages of the strip.
        mixer_residence: Of both phases in a mixer, [s].
        settler_residence: Of each phase in a settler, [s].
        mixer_ratio: Organic over aqueous in a mixer, recycle included, [-].
        excess: Extraction amount over the least one, [-]; None lets the design choose.
        sources: By the file's own keys.
        source_keys: Which source stands behind feed, organic, acid and mixer_settlers.
    """

    name: str
    title: str
    system: ExtractionSystem
    system_name: str
    mass_fraction: dict[str, float]
    total_mol_per_L: float
    free_acid_mol_per_L: float
    feed_m3_per_h: float
    extracted: DesignedProduct
    raffinate: DesignedProduct
    middle: DesignedProduct | None
    extractant_mol_per_L: float
    saponification_degree: float
    hcl_mol_per_L: float
    organic_to_acid_ratio: float
    efficiency: float
    strip_stages: int
    mixer_residence: float
    settler_residence: float
    mixer_ratio: float
    excess: float | None
    sources: dict[str, Source]
    source_keys: dict[str, str]

    @property
    def mole_fraction(self) -> dict[str, float]:
        """Of the rare earths in the feed, by symbol, [-]."""
        masses = molar_masses(tuple(self.mass_fraction))
        moles = [
            mass / molar for mass, molar in zip(self.mass_fraction.values(), masses, strict=True)
        ]
        return {e: m / sum(moles) for e, m in zip(self.mass_fraction, moles, strict=True)}

    def mole_purity(self, product: DesignedProduct, impurity: str) -> float:
        """Return the purity of a product in moles, [-].

        What counts as product is taken in the proportions of the feed, the rest as `impurity`, the
        neighbour across the cut.
        """
        feed = self.mole_fraction
        oxide = dict(zip(feed, oxide_molar_masses(tuple(feed)), strict=True))
        share = sum(feed[e] for e in product.elements)
        mass = sum(feed[e] * oxide[e] for e in product.elements) / share
        good, bad = product.purity / mass, (1.0 - product.purity) / oxide[impurity]
        return good / (good + bad)


def load_design(name_or_path: str | Path) -> DesignSpecification:
    """Return a shipped design, such as "design_ceprnd", or one read from a YAML file.

    Raises:
        DataError: No such design, or the file cannot be read as one.
    """
    content, where = read_named(name_or_path, "design", shipped_designs())
    return parse_design(content, where=where)


def shipped_designs() -> tuple[str, ...]:
    """Return the names of the designs that come with the package."""
    return shipped_names(FORMAT)


def parse_design(content: str | bytes, *, where: str = "design") -> DesignSpecification:
    """Read the text of a design file.

    Raises:
        DataError: The text is no design file; says where, what and the mend.
        SpecificationError: The system has no constant for an element of the feed.
    """
    document = read_yaml(content, where, FORMAT)
    try:
        read = _DesignFile.model_validate(document)
    except ValidationError as error:
        raise first_complaint(error, where, _DesignFile) from error
    keys = {
        part: getattr(read, part).source for part in ("feed", "organic", "acid", "mixer_settlers")
    }
    named = {f"{part}.source": key for part, key in keys.items()}
    require_sources(named, read.sources, where)
    _check_feed(read, where)
    return DesignSpecification(
        name=read.name,
        title=read.title,
        system=load_system(read.system).subset(tuple(read.feed.mass_fraction)),
        system_name=read.system,
        mass_fraction=dict(read.feed.mass_fraction),
        total_mol_per_L=read.feed.total_mol_per_L,
        free_acid_mol_per_L=read.feed.free_acid_mol_per_L,
        feed_m3_per_h=read.feed.flow_m3_per_h,
        extracted=_product(read.extracted),
        raffinate=_product(read.raffinate),
        middle=None if read.middle is None else _product(read.middle),
        extractant_mol_per_L=read.organic.extractant_mol_per_L,
        saponification_degree=read.organic.saponification_degree,
        hcl_mol_per_L=read.acid.hcl_mol_per_L,
        organic_to_acid_ratio=read.acid.organic_to_acid_ratio,
        efficiency=read.mixer_settlers.efficiency,
        strip_stages=read.mixer_settlers.strip_stages,
        mixer_residence=read.mixer_settlers.mixer_residence_s,
        settler_residence=read.mixer_settlers.settler_residence_s,
        mixer_ratio=read.mixer_settlers.mixer_ratio,
        excess=read.excess,
        sources={key: entry.source() for key, entry in read.sources.items()},
        source_keys=keys,
    )


def _product(entry: _ProductFile) -> DesignedProduct:
    return DesignedProduct(
        name=entry.name,
        title=entry.title,
        elements=tuple(entry.elements),
        purity=entry.purity,
    )


def _check_feed(read: _DesignFile, where: str) -> None:
    fractions = read.feed.mass_fraction
    total = sum(fractions.values())
    if abs(total - 1.0) > 1e-3:
        raise DataError(
            f"mass fractions add up to {total:.4g}.",
            where=f"{where}: feed.mass_fraction",
            allowed="1 within 0.001",
        )
    parts = {"extracted": read.extracted, "middle": read.middle, "raffinate": read.raffinate}
    products = {part: product for part, product in parts.items() if product is not None}
    named = [symbol for product in products.values() for symbol in product.elements]
    for part, product in products.items():
        for symbol in product.elements:
            if symbol not in fractions:
                raise DataError(
                    f"{symbol!r} is not in the feed.",
                    where=f"{where}: {part}.elements",
                    mend=nearest_name(symbol, tuple(fractions)),
                )
    if sorted(named) != sorted(fractions):
        lost = sorted(set(fractions) - set(named))
        twice = sorted({symbol for symbol in named if named.count(symbol) > 1})
        raise DataError(
            f"{', '.join(twice)} belong to both products."
            if twice
            else f"{', '.join(lost)} belong to neither product.",
            where=f"{where}: {', '.join(products)}",
            allowed="each element of the feed in one product",
        )
    for part, product in products.items():
        if not sum(fractions[symbol] for symbol in product.elements) > 0.0:
            raise DataError(
                f"the feed holds no {', '.join(product.elements)}.",
                where=f"{where}: {part}",
                allowed="products of which the feed brings some",
                mend=f"Leave {product.name} out and give its elements to a neighbour.",
            )
    names = [product.name for product in products.values()]
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"both products are named {name!r}.", where=f"{where}: raffinate.name")
