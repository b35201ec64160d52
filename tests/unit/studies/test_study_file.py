from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from raffinate.errors import DataError, RaffinateError, SpecificationError
from raffinate.studies.study_file import load_study, parse_study, shipped_studies
from raffinate.studies.study_inputs import symmetric_root
from study_files import DRAWN, SWEEP, small_study, study_text, write_plant


def test_every_shipped_study_can_be_read() -> None:
    assert set(shipped_studies()) >= {"ceprnd_feed", "ceprnd_constants"}
    for name in shipped_studies():
        text = load_study(name)
        assert text.study.name == name
        assert text.study.sources
        assert text.study.title


def test_the_study_of_the_guide_can_be_read() -> None:
    guide = Path(__file__).parents[3] / "docs" / "guide" / "studies.md"
    text = guide.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    study = parse_study(text)
    assert (study.name, study.count, len(study.inputs)) == ("my_feed", 500, 2)


def test_a_study_says_who_says_that_something_varies(tmp_path: Path) -> None:
    study = small_study(tmp_path, DRAWN).study
    assert study.inputs[0].source is not None
    assert study.inputs[0].source.evidence == "assumed"
    assert study.constants is not None
    assert {source.evidence for source in study.constants.sources} == {"fitted"}
    with pytest.raises(DataError, match="names no source"):
        small_study(tmp_path, DRAWN.replace(", source: us", ""))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("method: grid", "method: gird", "method"),
        ("organic_flow", "organic_flwo", "Did you mean 'organic_flow'"),
        ("organic_flow", "purity.nd", "flows: purities"),
        ("points: 2", "points: 1", "2 or more"),
        ("points: 2", "mean: 2", "means nothing here"),
        ("method: grid", "method: grid\ncount: 7", "belong to what is drawn"),
        ("method: grid", "method: monte_carlo\ncount: 7", "is not drawn"),
        ("method: grid", "method: list", "no cases"),
        ("method: grid", "method: grid\nflows: purities", "solved for at once"),
        ("method: grid", "method: grid\noutcomes: [cost]", "cost is asked for"),
        ("inputs:\n  organic_flow", "flows: cheapest\ninputs:\n  efficiency", "what is cheap"),
        ("method: grid", "method: grid\npurity: {ndd: 0.5}", "Did you mean 'nd'"),
        ("method: grid", "method: grid\nplant_file: x", "unknown key"),
        ("method: grid", "method: grid\nsimulate: {hours: 0}", "hours"),
        ("method: grid", "method: grid\nsimulate: {hours: 1, events: [a@1h]}", "is no event"),
        ("values: [0.98, 1.0, 1.02]", "values: [.nan]", "finite"),
        ("name: small", "name: a/b", "name"),
    ],
)
def test_a_study_that_cannot_be_is_refused_with_the_mend(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    text = study_text(tmp_path, SWEEP)
    assert old in text
    with pytest.raises(RaffinateError, match=complaint):
        parse_study(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("mean: 0.37, ", "", "mean is missing"),
        ("deviation: 0.01", "deviation: -0.01", "inputs.feed.nd_mass_fraction"),
        ("count: 6", "count: 0", "count is 0"),
        ("source: us", "source: them", "among the sources"),
        ("fitted}", "[[1.0]]}", "names no source"),
        ("fitted}", "[[1.0]], source: us}", "3 rows of 3"),
        ("fitted}", "fitted, elements: [Ne]}", "no extraction constant"),
        ("  efficiency:", "  log10_k.Nd:", "is drawn twice"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    text = study_text(tmp_path, DRAWN)
    assert old in text
    with pytest.raises(RaffinateError, match=complaint):
        parse_study(text.replace(old, new))


def test_the_digest_changes_with_the_study_and_with_the_plant_behind_it(tmp_path: Path) -> None:
    text = study_text(tmp_path, SWEEP)
    first = parse_study(text).digest
    assert parse_study(text).digest == first
    assert parse_study(text.replace("0.98", "0.981")).digest != first
    plant = write_plant(tmp_path)
    plant.write_text(plant.read_text().replace("efficiency: 0.90", "efficiency: 0.91"))
    assert parse_study(text).digest != first


def test_the_root_of_a_singular_covariance_gives_it_back() -> None:
    covariance = np.array([[4.0, 2.0, 2.0], [2.0, 1.0, 1.0], [2.0, 1.0, 1.0]])
    root = symmetric_root(covariance)
    np.testing.assert_allclose(root @ root, covariance, atol=1e-12)
    for wrong in ([[1.0, 2.0], [2.0, 1.0]], [[1.0, 0.5], [0.0, 1.0]]):
        with pytest.raises(SpecificationError, match="no covariance"):
            symmetric_root(np.array(wrong))
