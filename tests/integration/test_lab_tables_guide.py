from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from raffinate.lab.shake_out_columns import recognise
from raffinate.lab.shake_out_layout import parse_layout

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "guide" / "lab-tables.md").read_text(encoding="utf-8")


def test_python_of_the_guide_runs_from_top_to_bottom(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    assert len(blocks) == 4
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "lab-tables.md", "exec"), names)
    printed = capsys.readouterr().out
    assert "6 tests, 24 distribution ratios" in printed
    assert "not declared whether the acidities" in printed


def test_layout_of_the_guide_is_one() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    assert parse_layout(block).columns["Nd start"] == "Nd feed"


def test_headings_of_the_guide_are_understood() -> None:
    section = GUIDE.partition("## Headings that are understood")[2].partition("\nIn the long")[0]
    headings = re.findall(r"`([^`]+)`", section)
    assert len(headings) > 40
    assert [heading for heading in headings if recognise(heading) is None] == []
