"""Organic that becomes rare-earth soap before it enters the bank, as a plant file says it."""

from __future__ import annotations

import pytest

from network_plants import bent
from raffinate.plant.network_solve import solve_network
from raffinate.plant.network_stream import AMMONIUM, ANION

SOAPED = """
format: raffinate-plant/1
name: soaped
title: Ce from Nd with organic that has given its ammonium before the bank
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
  bank:
    title: Ce / Nd
    organic: p507
    organic_per_feed: 2.0
    sections:
      - {name: soap, stages: 3, liquor: parted.aside}
      - {name: extraction, stages: 4, liquor: parted.ahead, draw: ce, draw_per_feed: 0.6}
      - {name: strip, stages: 4, acid: strip, acid_per_feed: 0.4, draw: nd, draw_per_feed: 0.3}
    source: made_up
units:
  parted: {kind: splitter, takes: chloride, fractions: {aside: 0.5, ahead: 0.5}}
products:
  ce: {title: Ce liquor, stream: bank.ce, elements: [Ce], purity_limit: 0.6}
  nd: {title: Nd liquor, stream: bank.nd, elements: [Nd], purity_limit: 0.6}
waste: [bank.raffinate]
"""


@pytest.mark.slow
def test_ammonium_leaves_with_what_the_soap_stages_make_of_their_liquor_and_not_with_a_product():
    state = solve_network(bent(SOAPED))
    axis, streams = state.network.axis, state.streams
    place, anion = axis.place(AMMONIUM), axis.place(ANION)
    assert state.balance_error < 1e-10
    spent, liquor = streams["bank.raffinate"], streams["parted.aside"]
    # Stoichiometric: every metal and proton of the liquor is changed for ammonium.
    assert spent.metals(axis).sum() < 1e-12 * liquor.metals(axis).sum()
    assert spent.amount[place] == pytest.approx(spent.amount[anion], rel=1e-4)
    assert spent.amount[anion] == pytest.approx(liquor.amount[anion], rel=1e-12)
    # 0.54 mol/L of ammonium in the organic, twice the flow of the feed.
    supplied = 0.54e3 * 2.0 * streams["chloride"].flow
    assert streams["bank.ce"].amount[place] < 0.2 * supplied
    assert streams["bank.nd"].amount[place] < 1e-4 * supplied
    assert state.products["ce"].purity > 0.75
