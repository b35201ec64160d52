"""What a file of a plant of many circuits may say, key by key."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from raffinate.yaml_files import SourceEntry, StrictEntry

Positive = Annotated[FiniteFloat, Field(gt=0)]
NotNegative = Annotated[FiniteFloat, Field(ge=0)]
Fraction = Annotated[FiniteFloat, Field(gt=0, lt=1)]
Share = Annotated[FiniteFloat, Field(ge=0, le=1)]
EntrainedShare = Annotated[FiniteFloat, Field(ge=0, lt=0.5)]
Stages = Annotated[int, Field(ge=1, le=2000)]


class FeedEntry(StrictEntry):
    """A liquor that enters: strength and composition by mass of metal or of oxide, or moles."""

    flow_m3_per_h: Positive
    free_acid_mol_per_L: NotNegative
    total_mol_per_L: Positive | None = None
    mass_fraction: dict[str, NotNegative] | None = None
    oxide_fraction: dict[str, NotNegative] | None = None
    metals_mol_per_L: dict[str, NotNegative] | None = None
    source: str


class StuckEntry(StrictEntry):
    """A metal that the strip leaves on the organic."""

    extracted: Share
    stripped: Share
    limit_mol_per_L: Positive
    extractant_per_metal: NotNegative
    source: str


class LossEntry(StrictEntry):
    """Extractant that leaves with the aqueous."""

    extractant_mg_per_L: NotNegative
    extractant_g_per_mol: Positive
    source: str


class OrganicEntry(StrictEntry):
    """An organic, as every loop that names it holds it."""

    extractant_mol_per_L: Positive
    saponification_degree: Annotated[FiniteFloat, Field(gt=0, lt=0.5)]
    bleed_fraction: Share = 0.0
    stuck: dict[str, StuckEntry] = Field(default_factory=dict)
    loss: LossEntry | None = None
    source: str


class AcidEntry(StrictEntry):
    """An acid that is bought; of sulfuric acid, moles of protons."""

    mol_per_L: Positive
    source: str


class MixerSettlersEntry(StrictEntry):
    """How vessels are sized, and the efficiency of a stage."""

    efficiency: Annotated[FiniteFloat, Field(gt=0, le=1)]
    mixer_residence_s: Positive
    settler_residence_s: Positive
    mixer_ratio: Positive
    entrained_organic: EntrainedShare = 0.0
    entrained_aqueous: EntrainedShare = 0.0
    source: str


class CutEntry(StrictEntry):
    """What a circuit parts."""

    extracted: Annotated[list[str], Field(min_length=1)]
    raffinate_purity: Fraction
    extract_purity: Fraction
    excess: Annotated[FiniteFloat, Field(gt=1)]


class FlowsEntry(StrictEntry):
    """Flows of a circuit with a cut, once they were solved for."""

    organic_m3_per_h: Positive
    acid_m3_per_h: Positive
    draw_m3_per_h: Positive


class CutStagesEntry(StrictEntry):
    """Stages of a circuit with a cut."""

    extraction: Stages
    scrub: Stages
    strip: Stages


class OrganicFeedEntry(StrictEntry):
    """Organic from outside the plant that enters a section."""

    flow_m3_per_h: Positive
    metals_mol_per_L: dict[str, NotNegative]
    saponified_mol_per_L: NotNegative = 0.0
    source: str


class SectionEntry(StrictEntry):
    """A section of a circuit at stated flow ratios, in volumes per volume of liquor fed to it."""

    name: str
    stages: Stages
    liquor: str = ""
    acid: str = ""
    acid_per_feed: NotNegative = 0.0
    draw: str = ""
    draw_per_feed: NotNegative = 0.0
    entrained_organic: EntrainedShare | None = None
    entrained_aqueous: EntrainedShare | None = None
    organic_feed: OrganicFeedEntry | None = None


class CircuitEntry(StrictEntry):
    """A bank with its organic loop: with a cut, or with sections at stated ratios."""

    title: str
    organic: str
    system: str = ""
    feed: str = ""
    acid: str = ""
    cut: CutEntry | None = None
    stages: CutStagesEntry | None = None
    organic_to_acid_ratio: Positive | None = None
    flows: FlowsEntry | None = None
    organic_per_feed: Positive | None = None
    sections: list[SectionEntry] = Field(default_factory=list)
    source: str


class TankEntry(StrictEntry):
    """Streams run together."""

    kind: Literal["tank"]
    takes: Annotated[list[str], Field(min_length=1)]
    residence_h: Positive | None = None


class SplitterEntry(StrictEntry):
    """A stream parted."""

    kind: Literal["splitter"]
    takes: str
    fractions: dict[str, NotNegative]


class ConditionerEntry(StrictEntry):
    """A liquor brought to a strength and an acidity."""

    kind: Literal["conditioner"]
    takes: str
    total_mol_per_L: Positive
    free_acid_mol_per_L: NotNegative


class PrecipitationEntry(StrictEntry):
    """Rare earths taken out of a liquor."""

    kind: Literal["precipitation"]
    takes: str
    precipitant: Literal["oxalate", "carbonate"]
    excess: NotNegative = 0.0
    dissolved_mol_per_L: NotNegative
    source: str


class RedissolutionEntry(StrictEntry):
    """Carbonate dissolved in acid."""

    kind: Literal["redissolution"]
    takes: str
    total_mol_per_L: Positive
    free_acid_mol_per_L: NotNegative


UnitEntry = Annotated[
    TankEntry | SplitterEntry | ConditionerEntry | PrecipitationEntry | RedissolutionEntry,
    Field(discriminator="kind"),
]


class ProductEntry(StrictEntry):
    """A stream that is sold."""

    title: str
    stream: str
    elements: Annotated[list[str], Field(min_length=1)]
    purity_limit: Fraction


class NetworkFile(StrictEntry):
    """The whole file."""

    format: Literal["raffinate-plant/1"]
    name: str
    title: str
    system: str
    sources: dict[str, SourceEntry]
    feeds: Annotated[dict[str, FeedEntry], Field(min_length=1)]
    organics: Annotated[dict[str, OrganicEntry], Field(min_length=1)]
    acids: Annotated[dict[str, AcidEntry], Field(min_length=1)]
    mixer_settlers: MixerSettlersEntry
    circuits: Annotated[dict[str, CircuitEntry], Field(min_length=1)]
    units: dict[str, UnitEntry] = Field(default_factory=dict)
    products: Annotated[dict[str, ProductEntry], Field(min_length=1)]
    waste: list[str] = Field(default_factory=list)
