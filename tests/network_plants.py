"""Small plants of two circuits, to be bent by tests."""

from __future__ import annotations

from raffinate.plant.network import Network
from raffinate.plant.network_file import parse_network

TWO_BANKS = """
format: raffinate-plant/1
name: two_banks
title: Nd taken from Ce, washed of it in a second bank whose raffinate comes back
system: p507_hcl
sources:
  made_up: {title: numbers of a test, evidence: assumed}
feeds:
  chloride:
    total_mol_per_L: 0.6
    mass_fraction: {Ce: 0.6, Nd: 0.4}
    free_acid_mol_per_L: 0.01
    flow_m3_per_h: 2.0
    source: made_up
organics:
  p507: {extractant_mol_per_L: 1.5, saponification_degree: 0.36, source: made_up}
acids:
  strip: {mol_per_L: 5.0, source: made_up}
mixer_settlers:
  {efficiency: 0.9, mixer_residence_s: 240, settler_residence_s: 900, mixer_ratio: 1.8,
   source: made_up}
circuits:
  first:
    title: Ce / Nd, roughly
    organic: p507
    organic_per_feed: 2.0
    sections:
      - {name: extraction, stages: 4, liquor: tank}
      - {name: strip, stages: 4, acid: strip, acid_per_feed: 0.4, draw: nd, draw_per_feed: 0.3}
    source: made_up
  second:
    title: Nd washed of Ce
    organic: p507
    organic_per_feed: 4.0
    sections:
      - {name: extraction, stages: 4, liquor: liquor}
      - {name: strip, stages: 4, acid: strip, acid_per_feed: 1.0, draw: nd, draw_per_feed: 0.5}
    source: made_up
units:
  tank: {kind: tank, takes: [chloride, second.raffinate]}
  carbonate:
    {kind: precipitation, takes: first.nd, precipitant: carbonate, dissolved_mol_per_L: 0.001,
     source: made_up}
  liquor: {kind: redissolution, takes: carbonate.solid, total_mol_per_L: 0.9,
           free_acid_mol_per_L: 0.02}
products:
  ce: {title: Ce liquor, stream: first.raffinate, elements: [Ce], purity_limit: 0.6}
  nd: {title: Nd liquor, stream: second.nd, elements: [Nd], purity_limit: 0.6}
waste: [carbonate.mother_liquor]
"""

CUTS = """
format: raffinate-plant/1
name: cuts
title: La, Ce and Nd in two cuts
system: p507_hcl
sources:
  made_up: {title: numbers of a test, evidence: assumed}
feeds:
  chloride:
    total_mol_per_L: 1.0
    oxide_fraction: {La: 0.3, Ce: 0.5, Nd: 0.2}
    metals_mol_per_L: {Fe: 0.001}
    free_acid_mol_per_L: 0.01
    flow_m3_per_h: 2.0
    source: made_up
organics:
  p507:
    extractant_mol_per_L: 1.5
    saponification_degree: 0.36
    bleed_fraction: 0.1
    stuck:
      Fe: {extracted: 1.0, stripped: 0.0, limit_mol_per_L: 0.02, extractant_per_metal: 3,
           source: made_up}
    loss: {extractant_mg_per_L: 50, extractant_g_per_mol: 306.4, source: made_up}
    source: made_up
acids:
  strip: {mol_per_L: 5.0, source: made_up}
mixer_settlers:
  {efficiency: 0.9, mixer_residence_s: 240, settler_residence_s: 900, mixer_ratio: 1.8,
   source: made_up}
circuits:
  ce_nd:
    title: LaCe / Nd
    organic: p507
    feed: chloride
    acid: strip
    cut: {extracted: [Nd], raffinate_purity: 0.999, extract_purity: 0.999, excess: 1.3}
    stages: {extraction: 14, scrub: 12, strip: 6}
    organic_to_acid_ratio: 7.0
    source: made_up
  la_ce:
    title: La / Ce
    organic: p507
    feed: ce_nd.raffinate
    acid: strip
    cut: {extracted: [Ce], raffinate_purity: 0.999, extract_purity: 0.999, excess: 1.3}
    stages: {extraction: 13, scrub: 13, strip: 6}
    organic_to_acid_ratio: 7.0
    source: made_up
products:
  la: {title: La liquor, stream: la_ce.raffinate, elements: [La], purity_limit: 0.99}
  ce: {title: Ce liquor, stream: la_ce.strip_liquor, elements: [Ce], purity_limit: 0.99}
  nd: {title: Nd liquor, stream: ce_nd.strip_liquor, elements: [Nd], purity_limit: 0.99}
"""


def bent(text: str, *changes: tuple[str, str]) -> Network:
    """Return the network of a text with parts of it replaced; each part must be there."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return parse_network(text, where="test")
