"""A table of standards: CSV with one row for each spectrum file."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from raffinate.errors import DataError
from raffinate.instruments.calibrate_standard import Standard
from raffinate.instruments.quantify_sample import Unknown
from raffinate.instruments.spectrum_file import load_spectrum
from raffinate.instruments.xrf_atomic import SYMBOLS, atomic_mass

SIGMA = "_sigma"
SUFFIX = "_g_per_L"
ROLES = ("standard", "check")


@dataclass(frozen=True, slots=True, kw_only=True)
class StandardRow:
    """One row of a table of standards.

    Attributes:
        file: Name of the spectrum's file, as written.
        role: "standard" calibrates, "check" is only read.
        metals: Symbol to certified concentration, [mol/m³].
        uncertainty: Symbol to its standard deviation, [mol/m³].
        unknown: Of the matrix in the unit of its name; NaN where not certified.
        unknown_uncertainty: Likewise; 0 where not stated.
    """

    file: str
    role: str
    metals: Mapping[str, float]
    uncertainty: Mapping[str, float]
    unknown: float
    unknown_uncertainty: float


def parse_standards(content: str | bytes, *, where: str = "standards") -> list[StandardRow]:
    """Read a table of standards.

    Args:
        content: CSV, or bytes in UTF-8. Columns: `file`; `role` (standard or check; left out, all
            are standards); `Nd_g_per_L` for each element and, if wanted, `Nd_g_per_L_sigma`;
            `acid_mol_per_L` or `extractant_volume_fraction` and its `_sigma`. An empty cell of an
            element is 0.
        where: Name of the file, for messages.

    Raises:
        DataError: A column is unknown or missing, or a cell is no number.
    """
    try:
        text = content.decode("utf-8-sig") if isinstance(content, bytes) else content
    except UnicodeDecodeError as error:
        raise DataError(
            f"byte {error.start} is not UTF-8 text.", where=where, mend="Save it as UTF-8."
        ) from error
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    reader = csv.DictReader(io.StringIO("\n".join(lines)))
    columns = list(reader.fieldnames or [])
    symbols = _check_columns(columns, where)
    rows = [_row(cells, symbols, f"{where}, row {place}") for place, cells in enumerate(reader, 2)]
    if not rows:
        raise DataError("the table has no rows.", where=where, mend="Add one for each spectrum.")
    return rows


def _check_columns(columns: list[str], where: str) -> tuple[str, ...]:
    symbols = []
    known = {"file", "role", *_MATRIX, *(f"{name}{SIGMA}" for name in _MATRIX)}
    for column in columns:
        stem = column.removesuffix(SIGMA)
        symbol = stem.removesuffix(SUFFIX)
        if stem.endswith(SUFFIX) and symbol in SYMBOLS:
            symbols.append(symbol)
        elif column not in known:
            raise DataError(
                f"column {column!r} is unknown.",
                where=where,
                allowed="file, role, Nd_g_per_L, Nd_g_per_L_sigma (any element), "
                "acid_mol_per_L or extractant_volume_fraction and their _sigma",
            )
    certified = tuple(dict.fromkeys(symbols))
    for symbol in certified:
        if f"{symbol}{SUFFIX}" not in columns:
            raise DataError(
                f"{symbol} has an uncertainty and no concentration.",
                where=where,
                mend=f"Add the column {symbol}{SUFFIX}.",
            )
    if "file" not in columns or not certified or len(set(columns)) < len(columns):
        raise DataError(
            f"the columns are {', '.join(columns) or 'none'}.",
            where=where,
            allowed="'file' and at least one like Nd_g_per_L, each once",
        )
    return certified


_MATRIX = ("acid_mol_per_L", "extractant_volume_fraction")


def _row(cells: dict[str, str | None], symbols: tuple[str, ...], where: str) -> StandardRow:
    if None in cells or None in cells.values():
        raise DataError("the row has too many or too few cells.", where=where)
    role = (cells.get("role") or "standard").strip()
    if role not in ROLES:
        raise DataError(f"role is {role!r}.", where=where, allowed=" or ".join(ROLES))
    stated = [name for name in _MATRIX if (cells.get(name) or "").strip()]
    unknown = math.nan if not stated else _number(cells, stated[0], where)
    spread = _number(cells, f"{stated[0]}{SIGMA}", where) if stated else 0.0
    mass = {symbol: atomic_mass(symbol) for symbol in symbols}
    return StandardRow(
        file=(cells["file"] or "").strip(),
        role=role,
        metals={s: _number(cells, f"{s}{SUFFIX}", where) / mass[s] for s in symbols},
        uncertainty={s: _number(cells, f"{s}{SUFFIX}{SIGMA}", where) / mass[s] for s in symbols},
        unknown=unknown,
        unknown_uncertainty=spread,
    )


def _number(cells: Mapping[str, str | None], column: str, where: str) -> float:
    text = (cells.get(column) or "").strip()
    try:
        value = float(text) if text else 0.0
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0.0):
        raise DataError(f"{column} is {text!r}.", where=where, allowed="a number of 0 or more")
    return value


def table_metals(rows: list[StandardRow]) -> tuple[str, ...]:
    """Return the elements a table certifies, in the order of its columns."""
    return tuple(rows[0].metals)


def load_standards(
    rows: list[StandardRow], folder: Path, unknown: Unknown
) -> list[tuple[str, Standard]]:
    """Return role and standard of every row, spectra read.

    Args:
        rows: From `parse_standards`.
        folder: Where file names begin.
        unknown: Of the matrix.

    Raises:
        DataError: A spectrum cannot be read.
    """
    found = []
    for row in rows:
        known = math.isfinite(row.unknown)
        standard = Standard(
            spectrum=load_spectrum(folder / row.file),
            metals=np.array(list(row.metals.values())),
            uncertainty=np.array(list(row.uncertainty.values())),
            unknown=row.unknown * unknown.scale if known else None,
            unknown_uncertainty=row.unknown_uncertainty * unknown.scale,
            name=Path(row.file).stem,
        )
        found.append((row.role, standard))
    return found
