"""Studies of a plant so small that a case takes milliseconds, as files."""

from __future__ import annotations

from pathlib import Path

from plant_variants import default_text
from raffinate.studies.study_file import StudyText, load_study

_CHANGES = (
    ("stages: 26", "stages: 3"),
    ("stages: 34", "stages: 3"),
    ("stages: 8,", "stages: 2,"),
    ("purity: {cepr: 0.9994, nd: 0.9994}", "purity: {cepr: 0.76, nd: 0.6}"),
    ("monitored_stages: [5, 10, 18, 38, 46, 55]", "monitored_stages: [2, 5]"),
)

SWEEP = """
method: grid
inputs:
  organic_flow: {how: factor, values: [0.98, 1.0, 1.02]}
  feed.nd_mass_fraction: {low: 0.36, high: 0.38, points: 2}
"""

DRAWN = """
method: monte_carlo
count: 6
seed: 3
sources: {us: {title: made up for tests, evidence: assumed}}
inputs:
  feed.nd_mass_fraction: {distribution: normal, mean: 0.37, deviation: 0.01, source: us}
  efficiency: {distribution: uniform, low: 0.8, high: 1.0, source: us}
constants: {log10_covariance: fitted}
"""


def write_plant(folder: Path) -> Path:
    """Write the file of the small plant."""
    text = default_text()
    for old, new in _CHANGES:
        assert old in text
        text = text.replace(old, new)
    path = folder / "small_plant.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def study_text(folder: Path, body: str, *, name: str = "small") -> str:
    """Return a study of the small plant as text."""
    head = f"format: raffinate-study/1\nname: {name}\nplant: {write_plant(folder)}\n"
    return head + body.lstrip()


def write_study(folder: Path, body: str, *, name: str = "small") -> Path:
    """Write a study of the small plant to a file."""
    path = folder / f"{name}.yaml"
    path.write_text(study_text(folder, body, name=name), encoding="utf-8")
    return path


def small_study(folder: Path, body: str, *, name: str = "small") -> StudyText:
    """Return a study of the small plant."""
    return load_study(write_study(folder, body, name=name))
