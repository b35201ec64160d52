from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from raffinate.chemistry.fit import fit_system
from raffinate.chemistry.fit_assess import assess
from raffinate.chemistry.fit_report import FitResult
from raffinate.errors import SpecificationError
from raffinate.lab.shake_out import load_shake_outs
from raffinate.plots.fit_html import fit_report, save_fit_report


@pytest.fixture(scope="module")
def result() -> FitResult:
    return fit_system(load_shake_outs("pc88a_hcl_batch_tests"), elements=["Ce", "Pr", "Nd", "La"])


@pytest.fixture(scope="module")
def page(result: FitResult) -> str:
    return fit_report(result, assess(result))


def test_report_needs_nothing_else(page: str) -> None:
    assert not re.search(r"(src|href)=[\"']https?:", page)
    assert "<script" not in page
    assert "@import" not in page


def test_every_picture_is_sound_and_takes_the_colours_of_the_page(page: str) -> None:
    pictures = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(pictures) >= 12
    for picture in pictures:
        ElementTree.fromstring(picture)
        assert "var(--ink)" in picture
        assert "#0a0b0" not in picture
    names = re.findall(r'\bid="([^"]+)"', page)
    assert len(names) == len(set(names))


def test_report_says_what_it_must(page: str) -> None:
    for words in (
        "Separation factors",
        "Laboratories not seen",
        "Nothing excluded",
        "Formiga (2016) (excluded)",
        "acidities do not close",
        "What the tests cannot tell",
        "shake next",
        "Yang et al.",
        "Against share of extractant loaded",
    ):
        assert words in page


def test_other_endings_are_refused(result: FitResult, tmp_path: Path) -> None:
    with pytest.raises(SpecificationError, match="html"):
        save_fit_report(result, tmp_path / "report.pdf")
