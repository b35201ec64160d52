"""Excel workbooks as grids. The only user of openpyxl, which is imported when a workbook comes."""

from __future__ import annotations

import datetime
import io
import warnings
import zipfile
from typing import TYPE_CHECKING

from raffinate.errors import DataError
from raffinate.lab.shake_out_grid import Grid, Line, build_grid

if TYPE_CHECKING:
    from openpyxl.workbook import Workbook
    from openpyxl.worksheet.worksheet import Worksheet

EXCEL_SIGNATURE = b"PK\x03\x04"
"""First bytes of an .xlsx file, which is a ZIP archive."""


def read_excel(content: bytes, name: str, sheet: str | None = None) -> Grid:
    """Return the grid of one sheet of a workbook.

    Formulas count with the result Excel stored beside them; merged cells all hold the value of
    their first; hidden rows count like others.

    Args:
        content: The bytes of an .xlsx file.
        name: What to call it in messages.
        sheet: Name of the sheet; left out, the only one that is not empty.

    Raises:
        DataError: No workbook, no such sheet, several to choose from, or a cell without a value.
    """
    values, formulas = _open(content, name, results=True), _open(content, name, results=False)
    chosen = _choose(values, formulas, name, sheet)
    return build_grid(_lines(values[chosen], formulas[chosen], name), f"{name}, sheet {chosen!r}")


def _open(content: bytes, name: str, *, results: bool) -> Workbook:
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with warnings.catch_warnings():
            # openpyxl warns of what it drops from a workbook: rules, pictures, styles; not values.
            warnings.simplefilter("ignore", UserWarning)
            return load_workbook(io.BytesIO(content), data_only=results)
    # openpyxl leaves the errors of archives and of XML within them as they are.
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, SyntaxError) as error:
        raise DataError(
            f"cannot be read as an Excel workbook ({error}).",
            where=name,
            allowed=".xlsx",
            mend="Save it again as .xlsx, or as UTF-8 CSV.",
        ) from error


def _choose(values: Workbook, formulas: Workbook, name: str, sheet: str | None) -> str:
    names = [page.title for page in formulas.worksheets]
    filled = [
        page.title
        for page in formulas.worksheets
        if any(cell is not None for row in page.iter_rows(values_only=True) for cell in row)
    ]
    if sheet is not None and sheet not in names:
        raise DataError(
            f"the workbook has no sheet {sheet!r}.", where=name, allowed=", ".join(names)
        )
    if sheet is None and len(filled) != 1:
        what = f"{len(filled)} sheets hold something" if filled else "every sheet is empty"
        raise DataError(
            f"{what}.",
            where=name,
            allowed=", ".join(filled or names),
            mend="Say which to read: --sheet on the command line, sheet=… in Python, or 'sheet:' "
            "in a layout file.",
        )
    return sheet if sheet is not None else filled[0]


def _lines(values: Worksheet, formulas: Worksheet, name: str) -> list[Line]:
    merged = {
        address: (area.min_row, area.min_col)
        for area in formulas.merged_cells.ranges
        for address in area.cells
    }
    lines = []
    # Formats alone may stretch a sheet to a million lines; only what holds something counts.
    filled = [
        (row, column)
        for row, cells in enumerate(formulas.iter_rows(values_only=True), start=1)
        for column, value in enumerate(cells, start=1)
        if value is not None
    ]
    height = max((row for row, _ in filled), default=0)
    width = max((column for _, column in filled), default=0)
    for row in range(1, height + 1):
        cells, addresses = [], []
        for column in range(1, width + 1):
            at = merged.get((row, column), (row, column))
            address = formulas.cell(*at).coordinate
            where = f"{name}, sheet {formulas.title!r}, cell {address}"
            cells.append(_text(values.cell(*at).value, formulas.cell(*at).value, where))
            addresses.append(formulas.cell(row, column).coordinate)
        place = f"{name}, sheet {formulas.title!r}, row {row}"
        lines.append(Line(tuple(cells), place, tuple(addresses)))
    return lines


def _text(value: object, formula: object, where: str) -> str:
    """Return a cell as text, with the digits Excel would show at most."""
    if value is None and formula is not None:
        raise DataError(
            f"the formula {formula} has no stored result.",
            where=where,
            mend="Open the file in a spreadsheet and save it, or paste values over formulas.",
        )
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, (int, float)):
        return format(value, ".15g")
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time, datetime.timedelta)):
        # A ratio typed as 1:2 becomes a time of day. Real dates stand in columns that are ignored,
        # so they must pass; as numbers they are refused by the column that meets them.
        return f"{value} (a date or time)"
    return "" if value is None else str(value).strip()
