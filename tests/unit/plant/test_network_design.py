"""Stages of the circuits of a network, by theory."""

from __future__ import annotations

from tests.network_plants import CUTS, bent

from raffinate.plant.network_design import design_network
from raffinate.plant.network_file import load_network


def test_rows_are_filled_up_and_keep_at_least_the_stages_of_the_theory():
    network = bent(CUTS)
    for name, design in design_network(network, row=8).items():
        strip = network.circuit(name).sections[-1].stages
        assert (design.extraction + design.scrub + strip) % 8 == 0
        n, m = design.bank.stages
        assert design.extraction >= n / 0.9
        assert design.scrub >= m / 0.9


def test_shipped_stages_are_those_of_the_theory():
    network = load_network("lree_baotou")
    for name, design in design_network(network, row=24).items():
        stages = [section.stages for section in network.circuit(name).sections]
        assert stages[:2] == [design.extraction, design.scrub]
