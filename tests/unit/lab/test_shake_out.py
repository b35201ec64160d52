from __future__ import annotations

import numpy as np
import pytest

from raffinate.errors import DataError
from raffinate.lab.shake_out import ShakeOutTable, load_shake_outs, parse_shake_outs
from shake_out_tables import FLASKS, table_text

GOOD = table_text(FLASKS[:2])


def change(column: str, cell: str, line: int = 2) -> str:
    """Return the good table with one cell replaced; lines count from 1."""
    lines = GOOD.splitlines()
    cells = lines[line - 1].split(",")
    cells[lines[0].split(",").index(column)] = cell
    lines[line - 1] = ",".join(cells)
    return "\n".join(lines)


def test_shipped_table_reads_in_si_and_groups_by_test() -> None:
    table = load_shake_outs("pc88a_hcl_batch_tests")
    assert len(table.test_id) == 167
    assert len(table.element) == 194
    assert table.acidity_reading == "feed"
    assert "LLEPE" in table.source.reference
    assert "BSD" in table.source.licence
    kim = table.from_laboratory("Kim (2012)")
    assert kim.test_id[0] == "22"
    assert kim.acidity[0] == pytest.approx(10.2329)
    assert kim.extractant_concentration[0] == pytest.approx(100.0)
    assert [kim.element[row] for row in np.flatnonzero(kim.test == 0)] == ["Nd", "Pr", "Ce", "La"]
    assert kim.total_organic[0] == pytest.approx(
        1.35991 + 0.306455 + 0.755677 + 0.440418, rel=1e-12
    )


def test_metal_of_shipped_table_balances() -> None:
    table = load_shake_outs("pc88a_hcl_batch_tests")
    np.testing.assert_allclose(table.aqueous + table.organic, table.aqueous_feed, rtol=1e-3)
    np.testing.assert_allclose(table.organic / table.aqueous, table.distribution_ratio, rtol=5e-3)


def test_bytes_with_byte_order_mark_and_crlf_read_alike() -> None:
    plain = parse_shake_outs(GOOD)
    foreign = parse_shake_outs(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    np.testing.assert_array_equal(plain.organic, foreign.organic)
    assert plain.test_id == foreign.test_id


def test_header_lines_name_source_and_acidity_and_the_argument_overrides() -> None:
    text = "# title: Ours\n# acidity: equilibrium\n" + GOOD
    assert parse_shake_outs(text).source.title == "Ours"
    assert parse_shake_outs(text).acidity_reading == "equilibrium"
    assert parse_shake_outs(text, acidity="feed").acidity_reading == "feed"
    assert parse_shake_outs(GOOD).acidity_reading == "feed"


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("C_aq_eq_mol_L", "-0.1"),
        ("C_aq_eq_mol_L", "nan"),
        ("C_aq_eq_mol_L", "n.d."),
        ("C_aq_eq_mol_L", ""),
        ("D_reported", "0"),
        ("H_initial_mol_L", "-1e-9"),
        ("H_initial_mol_L", "inf"),
        ("extractant_mol_L", "0.0"),
        ("element", " "),
    ],
)
def test_bad_cell_is_refused_with_line_and_column(column: str, cell: str) -> None:
    with pytest.raises(DataError) as caught:
        parse_shake_outs(change(column, cell, line=3), name="ours.csv")
    assert caught.value.where == f"ours.csv, line 3, column {column}"
    assert cell.strip() in caught.value.what


def test_line_numbers_count_header_and_blank_lines() -> None:
    lines = change("D_reported", "x", line=3).splitlines()
    text = "\n".join(["# title: t", lines[0], lines[1], "", *lines[2:]])
    with pytest.raises(DataError, match="line 5, column D_reported"):
        parse_shake_outs(text)


def test_zero_feed_acidity_is_allowed() -> None:
    text = table_text([({"Nd": 0.05}, 0.0, 1.0)])
    assert parse_shake_outs(text).acidity[0] == 0.0


def test_unknown_column_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(DataError, match=r"D_reportd.*Did you mean 'D_reported'"):
        parse_shake_outs(GOOD.replace("D_reported", "D_reportd"))


def without(column: str) -> str:
    rows = [line.split(",") for line in GOOD.splitlines()]
    place = rows[0].index(column)
    return "\n".join(",".join(row[:place] + row[place + 1 :]) for row in rows)


@pytest.mark.parametrize(
    ("column", "complaint"),
    [
        ("test_id", "missing columns: test_id"),
        ("element", "missing columns: the table has neither"),
        ("H_initial_mol_L", "missing columns: no acidity"),
        ("extractant_mol_L", "missing columns: test 1 has no concentration of the extractant"),
        ("extractant", "missing columns: extractant is not stated"),
        ("aqueous_medium", "missing columns: medium is not stated"),
    ],
)
def test_missing_column_is_named(column: str, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint) as caught:
        parse_shake_outs(without(column))
    assert caught.value.mend


@pytest.mark.parametrize(
    "column", ["D_reported", "C_org_eq_mol_L_by_difference_OA1", "C_aq_initial_mol_L"]
)
def test_what_follows_from_other_columns_may_be_missing(column: str) -> None:
    whole, part = parse_shake_outs(GOOD), parse_shake_outs(without(column))
    for name in ("aqueous_feed", "aqueous", "organic", "distribution_ratio"):
        np.testing.assert_allclose(getattr(part, name), getattr(whole, name), rtol=1e-9)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "table is empty"),
        (GOOD.splitlines()[0], "no rows"),
        (GOOD + "1,2\n", "2 cells"),
        (GOOD + GOOD.splitlines()[1] + "\n", "stands already on line 2"),
        (change("H_initial_mol_L", "0.5", line=3), "line 2 of test 1 says"),
        (change("source_label", "Elsewhere", line=3), "line 2 of test 1 says"),
        ("# acidity: middling\n" + GOOD, "middling"),
        ("# titel: x\n" + GOOD, "Did you mean 'title'"),
        (GOOD.replace("D_reported", "element"), "stands twice"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_contradictory_table_is_refused(text: str | bytes, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        parse_shake_outs(text)


def test_second_extractant_is_refused() -> None:
    lines = GOOD.splitlines()
    lines[4:] = [line.replace("PC-88A", "D2EHPA") for line in lines[4:]]
    with pytest.raises(DataError, match="one table for each extractant"):
        parse_shake_outs("\n".join(lines))


def test_absent_file_is_refused() -> None:
    with pytest.raises(DataError, match="cannot be read"):
        load_shake_outs("no_such_table.csv")


def test_select_keeps_rows_with_their_tests() -> None:
    table = parse_shake_outs(table_text(FLASKS))
    keep = np.zeros(len(table.test_id), dtype=bool)
    keep[[1, 4]] = True
    part = table.select(keep)
    assert part.test_id == ("2", "5")
    assert part.test.tolist() == [0, 0, 0, 1, 1, 1]
    assert_rows_are_from(table, part)


def assert_rows_are_from(whole: ShakeOutTable, part: ShakeOutTable) -> None:
    for row, index in enumerate(part.test):
        test = whole.test_id.index(part.test_id[index])
        same = (whole.test == test) & (np.array(whole.element) == part.element[row])
        assert whole.organic[same].tolist() == [part.organic[row]]
        assert whole.acidity[test] == part.acidity[index]


def test_unknown_laboratory_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(DataError, match=r"Did you mean 'Lee \(2005\)'"):
        load_shake_outs("pc88a_hcl_batch_tests").from_laboratory("Lee (2006)")
