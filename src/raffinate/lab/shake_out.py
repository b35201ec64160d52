"""Batch shake-out tests: reading a table of them into SI numbers grouped by test."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import DataError, nearest_name
from raffinate.lab.shake_out_assays import (
    ASSUMED_ASSAY_DEVIATION as ASSUMED_ASSAY_DEVIATION,
)
from raffinate.lab.shake_out_convert import Flask, convert_flask
from raffinate.lab.shake_out_elements import ELEMENTS
from raffinate.lab.shake_out_excel import EXCEL_SIGNATURE, read_excel
from raffinate.lab.shake_out_facts import TableFacts, gather, ratio_rounding
from raffinate.lab.shake_out_flasks import read_flasks, understand
from raffinate.lab.shake_out_grid import Grid, read_csv
from raffinate.lab.shake_out_layout import (
    Layout,
    check_choice,
    layout_of_remarks,
    load_layout,
)
from raffinate.lab.shake_out_phases import spread_phases
from raffinate.sources import Source

AcidityReading = Literal["feed", "equilibrium"]
"""Which liquor the acidity of a test belongs to: the one put in, or the one found at the end."""

Assayed = Literal["aqueous", "organic", "both"]
"""Which phase was assayed after shaking."""

Mechanism = Literal["exchange", "solvation"]
"""How an extractant takes a metal: for its protons, or together with the anions."""

ExtractantForm = Literal["dimer", "monomer"]
"""In which form an extractant exists freely in its diluent."""

OLD_EXCEL_SIGNATURE = b"\xd0\xcf\x11\xe0"
"""First bytes of an .xls file, and of an .xlsx with a password."""

_TEST_VALUES = {
    "oa_ratio": 1.0,
    "saponification_degree": 0.0,
    "temperature": math.nan,
    "acidity_after": math.nan,
    "replicates": 1.0,
}
_ROW_VALUES = {"assay_deviation": ASSUMED_ASSAY_DEVIATION, "ratio_rounding": 0.0}

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
"""Columns of the long form in which the package ships its own table, in mol/L at O/A 1."""


def _left_out() -> NDArray[np.float64]:
    """Return the mark of a field that was left out; `__post_init__` knows the right length."""
    return np.empty(0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShakeOutTable:
    """Batch tests of one extractant against one kind of liquor.

    A test is one flask; a row is one element measured in it. Fields left out take the value that
    a table which does not mention them implies.

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
        distribution_ratio: D as reported, or found from the phases, (row,), [-].
        oa_ratio: Volume of organic over volume of aqueous, (test,), [-]; 1 if left out.
        saponification_degree: Part of the extractant, counted as HA, that carried the cation
            before shaking, (test,), [-]; 0 if left out.
        saponifying_cation: Component name of that cation, (test,); empty where nothing was
            saponified.
        background: Ions of salts added to the liquor, by component name, each (test,), [mol/m³];
            those of the acid and of the metal salts are not among them.
        temperature: (test,), [K]; NaN where not stated.
        acidity_after: H⁺ found after shaking where the table gives it besides that of the feed,
            (test,), [mol/m³]; NaN where it does not.
        replicates: Number of flasks pooled into each test, (test,); 1 if left out.
        assayed: Which phases were assayed after shaking, (row,); the other is by difference.
        assay_deviation: Relative standard deviation of one assay, (row,), [-]: root mean square
            over the assays that D rests on. `ASSUMED_ASSAY_DEVIATION` if left out.
        ratio_rounding: Relative standard deviation of D from the digits it is printed with,
            (row,), [-]; 0 if left out.
        mechanism: Whether the extractant exchanges protons for the metal or only solvates it.
        extractant_form: In which form the extractant exists freely.
        assumptions: What the reader had to take for granted, in words.
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
    oa_ratio: NDArray[np.float64] = field(default_factory=_left_out)
    saponification_degree: NDArray[np.float64] = field(default_factory=_left_out)
    saponifying_cation: tuple[str, ...] = ()
    background: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    temperature: NDArray[np.float64] = field(default_factory=_left_out)
    acidity_after: NDArray[np.float64] = field(default_factory=_left_out)
    replicates: NDArray[np.float64] = field(default_factory=_left_out)
    assayed: tuple[Assayed, ...] = ()
    assay_deviation: NDArray[np.float64] = field(default_factory=_left_out)
    ratio_rounding: NDArray[np.float64] = field(default_factory=_left_out)
    mechanism: Mechanism = "exchange"
    extractant_form: ExtractantForm = "dimer"
    assumptions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Fill what was left out; a frozen value can only be completed this way."""
        for values, size in ((_TEST_VALUES, len(self.test_id)), (_ROW_VALUES, len(self.element))):
            for name, value in values.items():
                if not len(getattr(self, name)):
                    object.__setattr__(self, name, np.full(size, value))
        if not self.saponifying_cation:
            object.__setattr__(self, "saponifying_cation", ("",) * len(self.test_id))
        if not self.assayed:
            object.__setattr__(self, "assayed", ("aqueous",) * len(self.element))

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
    def charge(self) -> NDArray[np.float64]:
        """Charge of the ion of each row, (row,), [-]: protons an acid extractant gives for it."""
        return np.array([ELEMENTS[symbol].charge for symbol in self.element], dtype=np.float64)

    @property
    def total_organic(self) -> NDArray[np.float64]:
        """Sum of all elements in the organic, (test,), [mol/m³]."""
        total = np.zeros(len(self.test_id))
        np.add.at(total, self.test, self.organic)
        return total

    def background_of(self, component: str) -> NDArray[np.float64]:
        """Return the ion of added salts by component name, (test,), [mol/m³]; 0 if none."""
        return self.background.get(component, np.zeros(len(self.test_id)))

    def log10_ratio_deviation(self) -> NDArray[np.float64]:
        """Return the standard deviation of log₁₀ D that the assays cause, (row,), [-].

        With s the relative deviation of each of two assays, D = y/x of two assayed phases has
        s √2. By difference y = (x₀ - x)/r, r the O/A, so that d ln D =
        x₀/(x₀ - x)·(d ln x₀ - d ln x): the less was extracted, the larger the error. With the
        organic assayed and x = x₀ - r y the factor is x₀/x. The digits with which D is printed
        count too, and the mean of n flasks has 1/√n.
        """
        carried = self.oa_ratio[self.test] * self.distribution_ratio
        factors = {
            "both": np.ones_like(carried),
            "aqueous": (1.0 + carried) / carried,
            "organic": 1.0 + carried,
        }
        chosen = np.array([factors[phase][row] for row, phase in enumerate(self.assayed)])
        assays = np.sqrt(2.0) * self.assay_deviation * chosen
        spread = np.hypot(assays, self.ratio_rounding) / np.sqrt(self.replicates[self.test])
        return np.asarray(spread / np.log(10.0), dtype=np.float64)

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
            saponifying_cation=tuple(self.saponifying_cation[index] for index in chosen),
            background={ion: amount[keep] for ion, amount in self.background.items()},
            assayed=tuple(self.assayed[index] for index in np.flatnonzero(rows)),
            **{name: getattr(self, name)[keep] for name in _TEST_VALUES},
            **{name: getattr(self, name)[rows] for name in _ROW_VALUES},
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


def load_shake_outs(
    name_or_path: str | Path,
    *,
    acidity: AcidityReading | None = None,
    columns: Mapping[str, str] | None = None,
    constants: Mapping[str, str] | None = None,
    layout: str | Path | None = None,
    sheet: str | None = None,
) -> ShakeOutTable:
    """Read a shipped table, such as "pc88a_hcl_batch_tests", or a CSV or Excel file.

    Args:
        name_or_path: A bare name is looked up among the shipped tables, anything else is a path.
        acidity: See `parse_shake_outs`.
        columns: See `parse_shake_outs`.
        constants: See `parse_shake_outs`.
        layout: Path of a layout file, which says the same as the arguments.
        sheet: See `parse_shake_outs`.

    Raises:
        DataError: No such table, or it cannot be read as one.
    """
    told = load_layout(layout) if layout is not None else Layout()
    path = Path(name_or_path)
    shipped = files("raffinate.data") / f"{name_or_path}.csv"
    if isinstance(name_or_path, str) and path.name == name_or_path and shipped.is_file():
        name, content = name_or_path, shipped.read_bytes()
    else:
        name = str(path)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DataError(
                f"cannot be read ({error.strerror}), and no shipped table has this name.",
                where=str(name_or_path),
                mend="Give the path of a CSV or Excel file, or the name pc88a_hcl_batch_tests.",
            ) from error
    return parse_shake_outs(
        content,
        name=name,
        acidity=acidity,
        columns=columns,
        constants=constants,
        layout=told,
        sheet=sheet,
    )


def parse_shake_outs(
    content: str | bytes,
    *,
    name: str = "shake-outs",
    acidity: AcidityReading | None = None,
    columns: Mapping[str, str] | None = None,
    constants: Mapping[str, str] | None = None,
    layout: Layout | None = None,
    sheet: str | None = None,
) -> ShakeOutTable:
    """Read the content of a shake-out table.

    The table is CSV or an Excel workbook, with one line for each element of each flask and a
    column `element`, or with one line for each flask and columns named after elements. Headings
    such as "Nd aq (g/L)", "pH feed" or "O/A" are understood; docs/guide/lab-tables.md lists them.
    Lines above the headings may read `# key: value`, see `layout_of_remarks`.

    Args:
        content: Text, bytes in UTF-8, or the bytes of an .xlsx file.
        name: What to call the table in messages.
        acidity: Whether acidities are those of the liquor put in ("feed") or found at the end
            ("equilibrium"). Left out, the table's `# acidity:` line or the headings decide; if
            they do not say, the table is refused.
        columns: A heading we know for each heading we do not.
        constants: What holds for every flask, by heading: {"O/A": "2", "extractant": "P507"}.
        layout: The same, and more, together; arguments come before it.
        sheet: Of a workbook; left out, the only one that is not empty.

    Raises:
        DataError: A column is missing or unknown, a cell is not a number in its range, the
            acidity is not declared, or the lines of one test contradict each other; the place,
            what is allowed and the mend are named.
    """
    asked = Layout(
        acidity=acidity or "", columns=columns or {}, constants=constants or {}, sheet=sheet
    ).over(layout or Layout())
    if asked.acidity:
        check_choice("acidity", asked.acidity, name)
    grid = _read_grid(content, name, asked.sheet)
    grid, told = spread_phases(grid, asked.over(layout_of_remarks(grid.remarks)))
    reading = understand(grid, told)
    raw = read_flasks(grid, told, reading)
    flasks = tuple(convert_flask(flask, told.decimal) for flask in raw)
    facts = gather(flasks, told, name)
    return _build(flasks, facts, told, grid)


def _read_grid(content: str | bytes, name: str, sheet: str | None) -> Grid:
    if isinstance(content, bytes) and content.startswith(EXCEL_SIGNATURE):
        return read_excel(content, name, sheet)
    if isinstance(content, bytes) and content.startswith(OLD_EXCEL_SIGNATURE):
        raise DataError(
            "this is a workbook of the old .xls kind, or one with a password.",
            where=name,
            allowed=".xlsx or UTF-8 CSV",
            mend="Save it as .xlsx without a password.",
        )
    if sheet is not None:
        raise DataError(
            f"only workbooks have sheets, such as {sheet!r}.", where=name, mend="Leave sheet out."
        )
    return read_csv(content, name)


def _build(flasks: tuple[Flask, ...], facts: TableFacts, told: Layout, grid: Grid) -> ShakeOutTable:
    rows = [(index, entry) for index, flask in enumerate(flasks) for entry in flask.entries]

    def of_rows(name: str) -> NDArray[np.float64]:
        return np.array([getattr(entry, name) for _, entry in rows], dtype=np.float64)

    ions = dict.fromkeys(ion for flask in flasks for ion in flask.background)
    rounding = np.hypot(of_rows("rounding"), ratio_rounding(flasks, facts.laboratory))
    return ShakeOutTable(
        name=grid.name.partition(", sheet ")[0],
        source=Source(
            title=told.title or grid.title or f"Shake-out tests in {grid.name}",
            reference=told.reference,
            licence=told.licence,
            note=told.note,
        ),
        extractant=facts.extractant,
        medium=facts.medium,
        acidity_reading=cast("AcidityReading", facts.acidity_reading),
        test_id=tuple(flask.test_id for flask in flasks),
        laboratory=facts.laboratory,
        acidity=np.array(facts.acidity),
        extractant_concentration=np.array([flask.extractant for flask in flasks], dtype=np.float64),
        co_elements=tuple(flask.co_elements for flask in flasks),
        test=np.array([index for index, _ in rows], dtype=np.intp),
        element=tuple(entry.element for _, entry in rows),
        aqueous_feed=of_rows("aqueous_feed"),
        aqueous=of_rows("aqueous"),
        organic=of_rows("organic"),
        distribution_ratio=of_rows("distribution_ratio"),
        oa_ratio=_or_else([flask.oa_ratio for flask in flasks], 1.0),
        saponification_degree=_or_else([flask.saponification_degree for flask in flasks], 0.0),
        saponifying_cation=tuple(flask.texts.get("saponifying_cation", "") for flask in flasks),
        background={
            ion: np.array([flask.background.get(ion, 0.0) for flask in flasks]) for ion in ions
        },
        temperature=_or_else([flask.temperature for flask in flasks], math.nan),
        acidity_after=_or_else(facts.acidity_after, math.nan),
        assayed=tuple(entry.assayed for _, entry in rows),
        assay_deviation=_or_else([entry.deviation for _, entry in rows], ASSUMED_ASSAY_DEVIATION),
        ratio_rounding=rounding,
        mechanism=facts.mechanism,
        extractant_form=facts.extractant_form,
        assumptions=facts.assumptions,
    )


def _or_else(values: Sequence[float | None], other: float) -> NDArray[np.float64]:
    return np.array([other if value is None else value for value in values], dtype=np.float64)
