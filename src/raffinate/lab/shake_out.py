"""Batch shake-out tests: reading a table of them into SI numbers grouped by test."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import DataError, nearest_name
from raffinate.sources import Source
from raffinate.units import PER_LITRE

AcidityReading = Literal["feed", "equilibrium"]
"""Which liquor the acidity of a test belongs to: the one put in, or the one found at the end."""

REQUIRED_COLUMNS = (
    "test_id",
    "source_label",
    "element",
    "H_initial_mol_L",
    "extractant",
    "extractant_mol_L",
    "aqueous_medium",
    "C_aq_initial_mol_L",
    "C_aq_eq_mol_L",
    "C_org_eq_mol_L_by_difference_OA1",
    "D_reported",
)
"""Columns a shake-out table must have."""

OPTIONAL_COLUMNS = ("co_elements", "D_from_difference_OA1", "D_consistency_ratio")
"""Columns a table may have; the last two can be recomputed and are not read."""

_NUMBERS = tuple(name for name in REQUIRED_COLUMNS if name.endswith(("_mol_L", "_OA1", "reported")))
_HEADER_KEYS = ("title", "reference", "licence", "note", "acidity")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShakeOutTable:
    """Batch tests of one extractant against one kind of liquor, phases shaken at equal volumes.

    A test is one flask; a row is one element measured in it.

    Attributes:
        name: File or shipped name the table was read from.
        source: Who collected the tests.
        extractant: Name of the extractant, as the table gives it.
        medium: Name of the aqueous medium, as the table gives it.
        acidity_reading: Which liquor `acidity` belongs to.
        test_id: Identifiers, (test,).
        laboratory: Who made each test, (test,).
        acidity: H⁺ as declared by `acidity_reading`, (test,), [mol/m³].
        extractant_concentration: Total extractant counted as monomer HA, (test,), [mol/m³].
        co_elements: Elements said to have been in the flask besides each row's own, (test,).
        test: Index of the test each row belongs to, (row,).
        element: Symbol, (row,).
        aqueous_feed: Concentration before shaking, (row,), [mol/m³].
        aqueous: Aqueous concentration after shaking, (row,), [mol/m³].
        organic: Organic concentration after shaking, (row,), [mol/m³].
        distribution_ratio: D as reported, (row,), [-].
    """

    name: str
    source: Source
    extractant: str
    medium: str
    acidity_reading: AcidityReading
    test_id: tuple[str, ...]
    laboratory: tuple[str, ...]
    acidity: NDArray[np.float64]
    extractant_concentration: NDArray[np.float64]
    co_elements: tuple[tuple[str, ...], ...]
    test: NDArray[np.intp]
    element: tuple[str, ...]
    aqueous_feed: NDArray[np.float64]
    aqueous: NDArray[np.float64]
    organic: NDArray[np.float64]
    distribution_ratio: NDArray[np.float64]

    @property
    def elements(self) -> tuple[str, ...]:
        """Symbols in the order of their first row."""
        return tuple(dict.fromkeys(self.element))

    @property
    def laboratories(self) -> tuple[str, ...]:
        """Laboratories in the order of their first test."""
        return tuple(dict.fromkeys(self.laboratory))

    @property
    def row_laboratory(self) -> tuple[str, ...]:
        """Laboratory of each row, (row,)."""
        return tuple(self.laboratory[index] for index in self.test)

    @property
    def total_organic(self) -> NDArray[np.float64]:
        """Sum of all elements in the organic, (test,), [mol/m³]."""
        total = np.zeros(len(self.test_id))
        np.add.at(total, self.test, self.organic)
        return total

    def select(self, keep: NDArray[np.bool_]) -> ShakeOutTable:
        """Return the table of the tests for which `keep`, (test,), is true."""
        rows = keep[self.test]
        renumbered = np.cumsum(keep) - 1
        chosen = np.flatnonzero(keep)
        return replace(
            self,
            test_id=tuple(self.test_id[index] for index in chosen),
            laboratory=tuple(self.laboratory[index] for index in chosen),
            acidity=self.acidity[keep],
            extractant_concentration=self.extractant_concentration[keep],
            co_elements=tuple(self.co_elements[index] for index in chosen),
            test=renumbered[self.test[rows]].astype(np.intp),
            element=tuple(self.element[index] for index in np.flatnonzero(rows)),
            aqueous_feed=self.aqueous_feed[rows],
            aqueous=self.aqueous[rows],
            organic=self.organic[rows],
            distribution_ratio=self.distribution_ratio[rows],
        )

    def from_laboratory(self, laboratory: str) -> ShakeOutTable:
        """Return the tests of one laboratory.

        Raises:
            DataError: The table has no such laboratory.
        """
        if laboratory not in self.laboratory:
            raise DataError(
                f"no tests by {laboratory!r}.",
                where=self.name,
                mend=nearest_name(laboratory, self.laboratories),
            )
        return self.select(np.array([label == laboratory for label in self.laboratory]))


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of the file, its texts stripped and its numbers checked."""

    line: int
    texts: Mapping[str, str]
    numbers: Mapping[str, float]


def load_shake_outs(
    name_or_path: str | Path, *, acidity: AcidityReading | None = None
) -> ShakeOutTable:
    """Read a shipped table, such as "pc88a_hcl_batch_tests", or a CSV file.

    Args:
        name_or_path: A bare name is looked up among the shipped tables, anything else is a path.
        acidity: See `parse_shake_outs`.

    Raises:
        DataError: No such table, or it cannot be read as one.
    """
    path = Path(name_or_path)
    shipped = files("raffinate.data") / f"{name_or_path}.csv"
    if isinstance(name_or_path, str) and path.name == name_or_path and shipped.is_file():
        return parse_shake_outs(shipped.read_bytes(), name=name_or_path, acidity=acidity)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"cannot be read ({error.strerror}), and no shipped table has this name.",
            where=str(name_or_path),
            mend="Give the path of a CSV file, or the name pc88a_hcl_batch_tests.",
        ) from error
    return parse_shake_outs(content, name=str(path), acidity=acidity)


def parse_shake_outs(
    content: str | bytes, *, name: str = "shake-outs", acidity: AcidityReading | None = None
) -> ShakeOutTable:
    """Read the text of a shake-out table.

    The table is CSV with the columns of `REQUIRED_COLUMNS`, one row for each element of each test,
    concentrations in mol/L. Lines before the column names may read `# key: value` with the keys
    title, reference, licence, note and acidity.

    Args:
        content: Text, or bytes in UTF-8.
        name: What to call the table in messages.
        acidity: Whether H_initial_mol_L is the acidity of the liquor put in ("feed") or of the one
            found at the end ("equilibrium"). Left out, the table's own `# acidity:` line
            decides, and without one it is the feed, as the column's name says.

    Raises:
        DataError: A column is missing or unknown, a cell is not a number in its range, or the
            rows of one test contradict each other; line and column are named.
    """
    try:
        text = content.decode("utf-8-sig") if isinstance(content, bytes) else content
    except UnicodeDecodeError as error:
        raise DataError(
            f"byte {error.start} is not UTF-8 text.", where=name, mend="Save it as UTF-8 CSV."
        ) from error
    lines = text.splitlines()
    start = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    header = _parse_header(lines[:start], name)
    rows = list(_parse_rows(lines[start:], start, name))
    if not rows:
        raise DataError("the table has no rows.", where=name, mend="Add at least one test.")
    declared = acidity or header.get("acidity", "feed")
    if declared not in get_args(AcidityReading):
        raise DataError(
            f"acidity is {declared!r}.", where=name, allowed=" or ".join(get_args(AcidityReading))
        )
    source = Source(
        title=header.get("title", f"Shake-out tests in {name}"),
        reference=header.get("reference", ""),
        licence=header.get("licence", ""),
        note=header.get("note", ""),
    )
    return _assemble(rows, name, source, cast("AcidityReading", declared))


def _parse_header(lines: Sequence[str], name: str) -> dict[str, str]:
    header: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        key, colon, value = line.lstrip("# ").partition(":")
        if not colon or key.strip() not in _HEADER_KEYS:
            raise DataError(
                f"{line!r} is not a '# key: value' line.",
                where=f"{name}, line {number}",
                allowed=", ".join(_HEADER_KEYS),
                mend=nearest_name(key.strip(), _HEADER_KEYS),
            )
        header[key.strip()] = value.strip()
    return header


def _parse_rows(lines: Sequence[str], skipped: int, name: str) -> Iterator[_Row]:
    reader = csv.reader(lines)
    columns = [cell.strip() for cell in next(reader, [])]
    _check_columns(columns, f"{name}, line {skipped + 1}")
    for cells in reader:
        line = skipped + reader.line_num
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(columns):
            raise DataError(
                f"the line has {len(cells)} cells, the table has {len(columns)} columns.",
                where=f"{name}, line {line}",
                mend="Quote cells that contain a comma.",
            )
        texts = {column: cell.strip() for column, cell in zip(columns, cells, strict=True)}
        where = f"{name}, line {line}, column "
        for column in REQUIRED_COLUMNS:
            if not texts[column]:
                raise DataError("the cell is empty.", where=where + column, mend="Fill it.")
        numbers = {column: _parse_number(texts[column], where, column) for column in _NUMBERS}
        yield _Row(line, texts, numbers)


def _check_columns(columns: Sequence[str], where: str) -> None:
    known = REQUIRED_COLUMNS + OPTIONAL_COLUMNS
    for column in columns:
        if column not in known:
            raise DataError(
                f"unknown column {column!r}.", where=where, mend=nearest_name(column, known)
            )
        if columns.count(column) > 1:
            raise DataError(f"column {column!r} stands twice.", where=where, mend="Remove one.")
    missing = [column for column in REQUIRED_COLUMNS if column not in columns]
    if missing:
        raise DataError(
            f"missing columns: {', '.join(missing)}.", where=where, mend="Add them, in mol/L."
        )


def _parse_number(cell: str, where: str, column: str) -> float:
    zero_allowed = column == "H_initial_mol_L"
    allowed = "a finite number, " + ("0 or more" if zero_allowed else "more than 0")
    try:
        value = float(cell)
    except ValueError:
        raise DataError(
            f"{cell!r} is not a number.", where=where + column, allowed=allowed
        ) from None
    if not math.isfinite(value) or value < 0.0 or (value == 0.0 and not zero_allowed):
        mend = "Leave out rows below the limit of detection." if value == 0.0 else ""
        raise DataError(f"the value is {cell}.", where=where + column, allowed=allowed, mend=mend)
    return value


def _assemble(
    rows: Sequence[_Row], name: str, source: Source, acidity: AcidityReading
) -> ShakeOutTable:
    first: dict[str, _Row] = {}
    for row in rows:
        _check_same(row, first.setdefault(row.texts["test_id"], row), name)
    _check_unique_elements(rows, name)
    _check_one_chemistry(rows, name)
    tests = list(first)
    index = {test: number for number, test in enumerate(tests)}
    named: dict[str, dict[str, None]] = {test: {} for test in tests}
    for row in rows:
        others = row.texts.get("co_elements", "").split(";")
        named[row.texts["test_id"]].update({other.strip(): None for other in others if other})

    def of_tests(column: str) -> NDArray[np.float64]:
        return np.array([first[test].numbers[column] for test in tests], dtype=np.float64)

    def of_rows(column: str) -> NDArray[np.float64]:
        return np.array([row.numbers[column] for row in rows], dtype=np.float64)

    return ShakeOutTable(
        name=name,
        source=source,
        extractant=rows[0].texts["extractant"],
        medium=rows[0].texts["aqueous_medium"],
        acidity_reading=acidity,
        test_id=tuple(tests),
        laboratory=tuple(first[test].texts["source_label"] for test in tests),
        acidity=of_tests("H_initial_mol_L") * PER_LITRE,
        extractant_concentration=of_tests("extractant_mol_L") * PER_LITRE,
        co_elements=tuple(tuple(named[test]) for test in tests),
        test=np.array([index[row.texts["test_id"]] for row in rows], dtype=np.intp),
        element=tuple(row.texts["element"] for row in rows),
        aqueous_feed=of_rows("C_aq_initial_mol_L") * PER_LITRE,
        aqueous=of_rows("C_aq_eq_mol_L") * PER_LITRE,
        organic=of_rows("C_org_eq_mol_L_by_difference_OA1") * PER_LITRE,
        distribution_ratio=of_rows("D_reported"),
    )


def _check_same(row: _Row, first: _Row, name: str) -> None:
    """Refuse a row that contradicts the first row of its test, or names another extractant."""
    for column in ("source_label", "extractant", "aqueous_medium"):
        if row.texts[column] != first.texts[column]:
            _contradict(row, first, column, name)
    for column in ("H_initial_mol_L", "extractant_mol_L"):
        if row.numbers[column] != first.numbers[column]:
            _contradict(row, first, column, name)


def _contradict(row: _Row, first: _Row, column: str, name: str) -> None:
    raise DataError(
        f"{row.texts[column]!r}, but line {first.line} of test {row.texts['test_id']} "
        f"says {first.texts[column]!r}.",
        where=f"{name}, line {row.line}, column {column}",
        mend="Give each flask its own test_id.",
    )


def _check_unique_elements(rows: Sequence[_Row], name: str) -> None:
    seen: dict[tuple[str, str], int] = {}
    for row in rows:
        key = (row.texts["test_id"], row.texts["element"])
        if key in seen:
            raise DataError(
                f"{key[1]} of test {key[0]} stands already on line {seen[key]}.",
                where=f"{name}, line {row.line}, column element",
                mend="Give each flask its own test_id.",
            )
        seen[key] = row.line


def _check_one_chemistry(rows: Sequence[_Row], name: str) -> None:
    for column in ("extractant", "aqueous_medium"):
        for row in rows:
            if row.texts[column] != rows[0].texts[column]:
                raise DataError(
                    f"{row.texts[column]!r}, but the table begins with {rows[0].texts[column]!r}.",
                    where=f"{name}, line {row.line}, column {column}",
                    mend="Make one table for each extractant and medium.",
                )
