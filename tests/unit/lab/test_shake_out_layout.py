from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from raffinate.errors import DataError
from raffinate.lab.shake_out import load_shake_outs, parse_shake_outs
from raffinate.lab.shake_out_layout import Layout, parse_layout

STRANGE = "Probe,Saeure,Extr,Nd vor,Nd nach,Schicht\n1,0.01,1,100,60,früh\n"
YAML = """\
format: raffinate-columns/1
acidity: feed
title: Ours
unit: mmol/L
columns: {Probe: test_id, Saeure: "[H+] (mol/L)", Extr: HA (mol/L), Nd vor: Nd feed, Nd nach: Nd aq}
constants: {extractant: P507, medium: HCl, O/A: 2, temperature: 25 °C}
ignore: [Schicht]
"""


def test_layout_file_arguments_and_remarks_say_the_same(tmp_path: Path) -> None:
    layout, path = tmp_path / "ours.yaml", tmp_path / "ours.csv"
    layout.write_text(YAML, encoding="utf-8")
    path.write_text(STRANGE, encoding="utf-8")
    by_file = load_shake_outs(path, layout=layout)
    remarks = (
        "# acidity: feed\n# title: Ours\n# unit: mmol/L\n# column: Probe -> test_id\n"
        "# column: Saeure -> [H+] (mol/L)\n# column: Extr -> HA (mol/L)\n"
        "# column: Nd vor -> Nd feed\n# column: Nd nach -> Nd aq\n# extractant: P507\n"
        "# medium: HCl\n# O/A: 2\n# temperature: 25 °C\n# ignore: Schicht\n"
    )
    by_remarks = parse_shake_outs(remarks + STRANGE, name=str(path))
    for table in (by_file, by_remarks):
        assert table.source.title == "Ours"
        np.testing.assert_allclose(table.organic, [20.0])
        np.testing.assert_allclose(table.temperature, [298.15])
    assert by_file.assumptions == by_remarks.assumptions


def test_arguments_come_before_the_layout_and_the_layout_before_remarks() -> None:
    text = "# acidity: feed\n# title: remark\n" + STRANGE
    layout = parse_layout(YAML.replace("O/A: 2", "O/A: 4"))
    table = parse_shake_outs(text, layout=layout, acidity="equilibrium", constants={"O/A": "2"})
    assert table.acidity_reading == "equilibrium"
    assert table.source.title == "Ours"
    assert table.oa_ratio.tolist() == [2.0]


@pytest.mark.parametrize(
    ("old", "new", "what", "where"),
    [
        ("acidity: feed", "acidity: middling", "middling", "acidity"),
        ("unit: mmol/L", "unit: spoons", "spoons", "unit"),
        ("unit: mmol/L", "units: mmol/L", "unknown key 'units'", "units"),
        ("raffinate-columns/1", "raffinate-columns/2", "raffinate-columns/2", "format"),
        ("ignore: [Schicht]", "ignore: Schicht", "Schicht", "ignore"),
        ("ignore: [Schicht]", "basis: sulphide", "sulphide", "basis"),
    ],
)
def test_layout_file_with_a_mistake_is_refused(old: str, new: str, what: str, where: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_layout(YAML.replace(old, new), name="ours.yaml")
    assert what in caught.value.what
    assert caught.value.where == f"ours.yaml: {where}"


def test_absent_layout_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        load_shake_outs("pc88a_hcl_batch_tests", layout=tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("layout", "what"),
    [
        (Layout(columns={"Prob": "test_id"}), "columns names 'Prob'"),
        (Layout(ignore=("Schict",)), "ignore names 'Schict'"),
        (Layout(columns={"Probe": "whatever"}), "(mapped from 'Probe')"),
    ],
)
def test_mapping_that_fits_nothing_is_refused(layout: Layout, what: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_shake_outs(STRANGE, layout=layout)
    assert what in caught.value.what


@pytest.mark.parametrize(
    ("remark", "what"),
    [
        ("# column: Probe", "maps no column"),
        ("# acidity: perhaps", "perhaps"),
        ("# a sentence without a key", "is not a '# key: value' line"),
        ("# tittle: x", "unknown key 'tittle'"),
    ],
)
def test_remark_with_a_mistake_is_refused_with_its_line(remark: str, what: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_shake_outs(f"# title: t\n{remark}\n{STRANGE}", name="ours.csv")
    assert what in caught.value.what
    assert caught.value.where == "ours.csv, line 2"


def test_title_line_and_line_of_units_are_understood() -> None:
    text = (
        "Shake-outs of May\n# extractant: P507\n# medium: HCl\n"
        "Test,pH feed,HA,Nd feed,Nd aq\n,,mol/L,mmol/L,mmol/L\n1,2,1,100,60\n"
    )
    table = parse_shake_outs(text)
    assert table.source.title == "Shake-outs of May"
    np.testing.assert_allclose(table.organic, [40.0])
