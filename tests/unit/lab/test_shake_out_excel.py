from __future__ import annotations

import datetime
import io
import subprocess
import sys
from typing import Any

import pytest
from openpyxl import Workbook

from raffinate.errors import DataError
from raffinate.lab.shake_out import ShakeOutTable, load_shake_outs, parse_shake_outs

HEAD = ["test", "pH feed", "HA (mol/L)", "O/A", "Nd feed (g/L)", "Nd aq (g/L)"]
LINE: list[Any] = [1, 2.0, 1.0, 1.0, 10.0, 6.0]
TOLD = {"extractant": "P507", "medium": "HCl/chloride"}


def book(*lines: list[Any], sheets: tuple[str, ...] = ()) -> bytes:
    """Return a workbook with the lines on its first sheet, and a word on each other."""
    made = Workbook()
    page = made.active
    page.title = "Tests"
    for line in lines:
        page.append(line)
    for name in sheets:
        made.create_sheet(name)["A1"] = "something"
    return saved(made)


def saved(made: Workbook) -> bytes:
    stream = io.BytesIO()
    made.save(stream)
    return stream.getvalue()


def read(content: bytes, **told: Any) -> ShakeOutTable:
    return parse_shake_outs(content, name="ours.xlsx", constants=TOLD, **told)


def refusal(content: bytes, **told: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        read(content, **told)
    return caught.value


def test_empty_lines_and_columns_are_passed_over() -> None:
    table = read(book([None], HEAD, [None], LINE, [None, None], [2, *LINE[1:]], [None] * 8))
    assert table.test_id == ("1", "2")
    assert table.name == "ours.xlsx"


def test_bad_cell_is_named_by_sheet_and_address() -> None:
    error = refusal(book(HEAD, LINE, [None], [2, 2.0, 1.0, 1.0, 10.0, -6.0]))
    assert error.where == "ours.xlsx, sheet 'Tests', cell F4 (Nd aq (g/L))"


def test_sheet_must_be_named_where_several_hold_something() -> None:
    content = book(HEAD, LINE, sheets=("Notes",))
    error = refusal(content)
    assert error.allowed == "Tests, Notes"
    assert "sheet=" in error.mend
    assert read(content, sheet="Tests").test_id == ("1",)
    assert refusal(content, sheet="Test").allowed == "Tests, Notes"


def test_an_empty_second_sheet_does_no_harm() -> None:
    made = Workbook()
    made.active.append(HEAD)
    made.active.append(LINE)
    made.create_sheet("Sheet2")
    assert read(saved(made)).test_id == ("1",)


def test_formula_without_a_stored_result_is_refused() -> None:
    error = refusal(book(HEAD, [*LINE[:5], "=E2*0.6"]))
    assert error.where == "ours.xlsx, sheet 'Tests', cell F2"
    assert "=E2*0.6" in error.what
    assert "save it" in error.mend


def test_ratio_that_became_a_time_is_refused() -> None:
    error = refusal(book(HEAD, [*LINE[:3], datetime.time(1, 2), *LINE[4:]]))
    assert "cell D2 (O/A)" in error.where
    assert "taken 1:2 for a time" in error.mend


def test_dates_may_stand_in_columns_that_are_not_read() -> None:
    table = read(book([*HEAD, "date"], [*LINE, datetime.date(2024, 5, 1)]))
    assert table.test_id == ("1",)


def test_merged_cells_hold_the_value_of_their_first() -> None:
    made = Workbook()
    page = made.active
    page.append(["Test", "element", "pH feed", "HA (M)", "feed (g/L)", "aq (g/L)"])
    page.append([7, "Nd", 2.0, 1.0, 10.0, 6.0])
    page.append([None, "Pr", None, None, 5.0, 4.0])
    for column in "ACD":
        page.merge_cells(f"{column}2:{column}3")
    table = read(saved(made))
    assert table.test_id == ("7",)
    assert table.element == ("Nd", "Pr")


def test_numbers_that_a_spreadsheet_rounds_badly_are_read_as_shown() -> None:
    table = read(book([*HEAD, "D Nd"], [*LINE, 0.1 + 0.2]))
    assert table.distribution_ratio[0] == 0.3


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"PK\x03\x04 but no archive", "cannot be read as an Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "old .xls kind"),
        (book(), "every sheet is empty"),
        (book(HEAD), "no rows"),
    ],
)
def test_what_is_no_table_is_refused(content: bytes, what: str) -> None:
    assert what in refusal(content).what


def test_a_csv_has_no_sheets() -> None:
    with pytest.raises(DataError, match="only workbooks have sheets"):
        load_shake_outs("pc88a_hcl_batch_tests", sheet="Tests")


def test_openpyxl_is_imported_only_for_a_workbook() -> None:
    code = (
        "import sys, raffinate.lab.shake_out as s; s.load_shake_outs('pc88a_hcl_batch_tests');"
        "assert 'openpyxl' not in sys.modules; assert 'pydantic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
