from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from raffinate.chemistry.fit import fit_system
from raffinate.chemistry.fit_report import FitResult
from raffinate.errors import SpecificationError
from raffinate.lab.shake_out import load_shake_outs
from raffinate.plots.parity import parity_figure, save_parity


@pytest.fixture(scope="module")
def result() -> FitResult:
    return fit_system(load_shake_outs("pc88a_hcl_batch_tests"))


def test_every_row_is_drawn_where_it_lies(result: FitResult) -> None:
    upper, lower = parity_figure(result).axes
    for axes, height in ((upper, result.predicted), (lower, result.residual)):
        drawn = np.concatenate([np.asarray(group.get_offsets()) for group in axes.collections[1:]])
        expected = np.column_stack([result.measured, height])
        np.testing.assert_allclose(
            np.array(sorted(map(tuple, drawn))), np.array(sorted(map(tuple, expected)))
        )
        left, right = axes.get_xlim()
        low, high = axes.get_ylim()
        assert left <= result.measured.min() <= result.measured.max() <= right
        assert low <= height.min() <= height.max() <= high


def test_legend_names_elements_and_laboratories(result: FitResult) -> None:
    upper = parity_figure(result).axes[0]
    texts = {text.get_text() for text in upper.findobj(lambda artist: hasattr(artist, "get_text"))}
    assert {"La", "Y", "Formiga (2016), left out"} <= texts
    assert any(text.startswith("Li (1987), n = 140") for text in texts)


@pytest.mark.parametrize(("name", "magic"), [("p.png", b"\x89PNG"), ("p.svg", b"<?xml")])
def test_picture_is_written_by_its_ending(
    result: FitResult, tmp_path: Path, name: str, magic: bytes
) -> None:
    save_parity(result, tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(magic)


def test_other_endings_are_refused(result: FitResult, tmp_path: Path) -> None:
    with pytest.raises(SpecificationError, match=r"\.png or \.svg"):
        save_parity(result, tmp_path / "p.doc")
    with pytest.raises(SpecificationError, match="cannot be written"):
        save_parity(result, tmp_path / "absent" / "p.png")
