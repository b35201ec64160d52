"""Every example of the guide to plant files is read."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from raffinate.plant.network_file import load_network, parse_network, shipped_networks
from raffinate.plant.network_file_model import NetworkFile

GUIDE = Path(__file__).parents[3] / "docs" / "guide" / "plant-files.md"


def examples() -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_whole_file_is_a_plant():
    (whole,) = [text for text in examples() if text.startswith("format:")]
    assert [circuit.name for circuit in parse_network(whole).circuits] == ["ce_nd", "la_ce"]


def test_the_parts_are_parts_of_a_plant():
    (whole,) = [text for text in examples() if text.startswith("format:")]
    parts = [text for text in examples() if not text.startswith("format:")]
    assert len(parts) == 3
    for text in parts:
        document = yaml.safe_load(whole)
        document.update(yaml.safe_load(text))
        NetworkFile.model_validate(document)


def test_the_table_of_shipped_plants_is_true():
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\d+) \|", GUIDE.read_text(encoding="utf-8"), re.M)
    assert {name for name, *_ in rows} == set(shipped_networks())
    for name, circuits, stages in rows:
        network = load_network(name)
        assert (len(network.circuits), network.stages) == (int(circuits), int(stages)), name
