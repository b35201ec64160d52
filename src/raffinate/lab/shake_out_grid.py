"""A table as rows of texts, whichever file it came from, each cell knowing its place."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

from raffinate.errors import DataError

_REMARK = re.compile(r"#+\s*([^:,;\t]+):\s*(.*)", re.DOTALL)
_NUMBER = re.compile(r"[<>~≈]?\s*[-+]?\d*[.,]?\d+(e[-+]?\d+)?\s*%?|nan|[-+]?inf", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Remark:
    """A `# key: value` line above the table.

    Attributes:
        key: Before the colon.
        value: After it.
        place: File and line or cell.
    """

    key: str
    value: str
    place: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of cells as a file gives it.

    Attributes:
        cells: Texts, stripped.
        place: File and line or sheet and row, for messages.
        addresses: Name of each cell, such as "B4"; empty where only headings name columns.
        places: Of each cell in full, where the cells come from several lines.
    """

    cells: tuple[str, ...]
    place: str
    addresses: tuple[str, ...] = ()
    places: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Grid:
    """A table with its headings found.

    Attributes:
        name: Of the file.
        title: A line of text above the headings, if there is one.
        remarks: The `# key: value` lines.
        headings: One for each column; several lines of headings are joined.
        heading_place: Where they stand.
        lines: Those with values, as long as `headings`.
    """

    name: str
    title: str
    remarks: tuple[Remark, ...]
    headings: tuple[str, ...]
    heading_place: str
    lines: tuple[Line, ...]

    def place(self, line: Line, column: int) -> str:
        """Return the place of a cell in words."""
        if line.places:
            return line.places[column]
        if line.addresses:
            file = line.place.rpartition(", row ")[0]
            return f"{file}, cell {line.addresses[column]} ({self.headings[column]})"
        return f"{line.place}, column {self.headings[column]}"


def read_csv(content: str | bytes, name: str) -> Grid:
    """Return the grid of a CSV text, separated by commas, semicolons or tabs.

    Raises:
        DataError: Not UTF-8, or a line does not fit the headings.
    """
    try:
        text = content.decode("utf-8-sig") if isinstance(content, bytes) else content
    except UnicodeDecodeError as error:
        raise DataError(
            f"byte {error.start} is not UTF-8 text.",
            where=name,
            allowed="UTF-8 CSV or .xlsx",
            mend="Save it as UTF-8 CSV.",
        ) from error
    raw = text.splitlines()
    lines = [Line(cells, f"{name}, line {number}") for cells, number in _split(raw)]
    return build_grid(lines, name)


def _split(raw: Sequence[str]) -> list[tuple[tuple[str, ...], int]]:
    """Return cells and line number of every line; a remark is one cell, commas or not."""
    start = next((i for i, line in enumerate(raw) if line.strip() and not _is_remark(line)), 0)
    start = start if any(not _is_remark(line) for line in raw) else len(raw)
    made: list[tuple[tuple[str, ...], int]] = [
        ((_unquote(line),), number) for number, line in enumerate(raw[:start], start=1)
    ]
    reader = csv.reader(raw[start:], delimiter=_delimiter(raw[start:]))
    for cells in reader:
        made.append((tuple(cell.strip() for cell in cells), start + reader.line_num))
    return made


def _is_remark(line: str) -> bool:
    """Tell a remark from a heading line that begins with the column "#"."""
    bare = _unquote(line)
    if not bare.startswith("#"):
        return not bare
    return bool(_REMARK.match(bare)) or not re.search(r"[,;\t]", bare)


def _unquote(line: str) -> str:
    """Return a line without the quotes and empty cells that spreadsheets add to a remark."""
    bare = line.strip().rstrip(",;\t").strip()
    return bare.strip('"').strip() if bare.startswith('"#') else bare


def _delimiter(lines: Sequence[str]) -> str:
    heading = lines[0] if lines else ""
    outside = re.sub(r'"[^"]*"', "", heading)
    return max(",;\t", key=outside.count)


def build_grid(lines: Sequence[Line], name: str) -> Grid:
    """Find remarks, title, headings and values among the lines of a file.

    Headings may take several lines: all those above the first line that holds a number.

    Raises:
        DataError: No headings or no values, or a line does not fit the headings.
    """
    remarks: list[Remark] = []
    title = ""
    wide = max((sum(map(bool, line.cells)) for line in lines), default=0) > 1
    rest = list(lines)
    while rest:
        first = rest[0]
        if any(first.cells) and _begins_remark(first):
            remarks.append(_remark(first))
        elif any(first.cells) and not (wide and _is_title(first)):
            break
        else:
            title = title or first.cells[0] if first.cells else title
        rest.pop(0)
    filled = [line for line in rest if any(line.cells)]
    if not filled:
        raise DataError(
            "the table is empty.", where=name, mend="Write headings and at least one test."
        )
    count = next(
        (i for i, line in enumerate(filled) if any(_NUMBER.fullmatch(c) for c in line.cells)),
        len(filled),
    )
    heads = filled[: max(count, 1)]
    width = max(len(line.cells) for line in heads)
    headings = tuple(_joined(heads, column) for column in range(width))
    body = [_fitted(line, width) for line in filled[max(count, 1) :]]
    if not body:
        raise DataError("the table has no rows.", where=name, mend="Add at least one test.")
    return _without_empty(Grid(name, title, tuple(remarks), headings, heads[-1].place, tuple(body)))


def _begins_remark(line: Line) -> bool:
    first = line.cells[0]
    if not first.startswith("#"):
        return False
    return bool(_REMARK.match(first)) or not any(line.cells[1:])


def _remark(line: Line) -> Remark:
    written = " ".join(dict.fromkeys(cell for cell in line.cells if cell))
    found = _REMARK.fullmatch(written)
    if not found:
        raise DataError(
            f"{written!r} is not a '# key: value' line.",
            where=line.place,
            mend="Write such as '# acidity: feed'.",
        )
    return Remark(found[1].strip(), found[2].strip(), line.place)


def _is_title(line: Line) -> bool:
    """Tell a title: one text in the first column alone, or merged over the whole line."""
    texts = {cell for cell in line.cells if cell}
    return len(texts) == 1 and bool(line.cells[0]) and not _NUMBER.fullmatch(line.cells[0])


def _joined(heads: Sequence[Line], column: int) -> str:
    parts = [line.cells[column] for line in heads if column < len(line.cells)]
    return " ".join(dict.fromkeys(part for part in parts if part))


def _fitted(line: Line, width: int) -> Line:
    """Return a line cut to the headings; what lies beyond them must be empty."""
    if len(line.cells) < width or any(line.cells[width:]):
        raise DataError(
            f"the line has {len(line.cells)} cells, the table has {width} columns.",
            where=line.place,
            mend="Give each column a heading, and quote cells that contain a comma.",
        )
    return Line(line.cells[:width], line.place, line.addresses[:width])


def _without_empty(grid: Grid) -> Grid:
    """Drop columns that hold nothing; refuse values without a heading."""
    keep = []
    for column, heading in enumerate(grid.headings):
        holder = next((line for line in grid.lines if line.cells[column]), None)
        if heading:
            keep.append(column)
        elif holder is not None:
            place = holder.addresses[column] if holder.addresses else f"column {column + 1}"
            raise DataError(
                f"{holder.cells[column]!r} stands under no heading.",
                where=f"{holder.place}, {place}",
                mend="Write a heading over it, or remove it.",
            )
    return Grid(
        grid.name,
        grid.title,
        grid.remarks,
        tuple(grid.headings[column] for column in keep),
        grid.heading_place,
        tuple(
            Line(
                tuple(line.cells[column] for column in keep),
                line.place,
                tuple(line.addresses[column] for column in keep) if line.addresses else (),
            )
            for line in grid.lines
        ),
    )
