"""Shake-out tables made from known constants, for the tests of reader, checks and fit."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np

from raffinate.lab.shake_out import REQUIRED_COLUMNS, ShakeOutTable
from raffinate.lab.shake_out_elements import ELEMENTS

TRUE_LOG10_K = {"Ce": -2.6, "Pr": -2.3, "Nd": -2.1}


def shake(
    feed: Mapping[str, float], acidity: float, extractant: float, log10_k: Mapping[str, float]
) -> tuple[dict[str, float], float]:
    """Return organic concentrations and acidity after shaking, [mol/L], found by bisection on h."""
    low, high = acidity, acidity + 3.0 * sum(feed.values())
    for _ in range(200):
        proton = 0.5 * (low + high)
        free = 0.5 * extractant - (proton - acidity)
        ratios = {s: 10.0 ** log10_k[s] * (max(free, 0.0) / proton) ** 3 for s in feed}
        organic = {s: feed[s] * ratios[s] / (1.0 + ratios[s]) for s in feed}
        if acidity + 3.0 * sum(organic.values()) > proton:
            low = proton
        else:
            high = proton
    return organic, proton


def table_text(
    flasks: Sequence[tuple[Mapping[str, float], float, float]],
    *,
    write_equilibrium: bool = False,
    laboratory: str = "Here (2024)",
    log10_k: Mapping[str, float] = TRUE_LOG10_K,
) -> str:
    """Return the CSV of flasks (feed, feed acidity, extractant), [mol/L]."""
    lines = [",".join(REQUIRED_COLUMNS)]
    for number, (feed, acidity, extractant) in enumerate(flasks, start=1):
        organic, proton = shake(feed, acidity, extractant, log10_k)
        written = proton if write_equilibrium else acidity
        for symbol, fed in feed.items():
            left = fed - organic[symbol]
            cells = [str(number), laboratory, symbol, repr(written), "PC-88A", repr(extractant)]
            cells += ["HCl/chloride", repr(fed), repr(left), repr(organic[symbol])]
            cells.append(repr(organic[symbol] / left))
            lines.append(",".join(cells))
    return "\n".join(lines) + "\n"


FLASKS = tuple(
    ({"Ce": 0.05 * size, "Pr": 0.02 * size, "Nd": 0.04 * size}, acidity, extractant)
    for size in (0.5, 1.0, 2.0)
    for acidity in (0.01, 0.05, 0.2)
    for extractant in (1.0, 1.5)
)


def _digits(value: float) -> str:
    return f"{value:.6g}"


def _rows_of(table: ShakeOutTable, test: int) -> dict[str, int]:
    return {table.element[row]: int(row) for row in np.flatnonzero(table.test == test)}


def wide_workbook(table: ShakeOutTable, *, oa_ratio: float = 1.0) -> bytes:
    """Return an .xlsx: a flask to a line, g/L, headings of two merged lines, a second sheet."""
    from openpyxl import Workbook

    book = Workbook()
    page = book.active
    page.title = "Shake-outs"
    symbols = table.elements
    page["A1"] = f"Shake-outs with {table.extractant}"
    for line, (key, value) in enumerate(
        [
            ("# extractant:", table.extractant),
            ("# medium:", table.medium),
            ("# O/A:", oa_ratio),
        ],
        start=2,
    ):
        page.cell(line, 1, key)
        page.cell(line, 2, value)
    groups = [("Feed (g/L)", 5), ("Raffinate (g/L)", 5 + len(symbols))]
    for column, heading in enumerate(
        ["Test no.", "Laboratory", "[H+] feed, mol/L", "[HA], mol/L"], 1
    ):
        page.cell(6, column, heading)
        page.merge_cells(start_row=6, end_row=7, start_column=column, end_column=column)
    for heading, start in groups:
        page.cell(6, start, heading)
        page.merge_cells(
            start_row=6, end_row=6, start_column=start, end_column=start + len(symbols) - 1
        )
        for place, symbol in enumerate(symbols):
            page.cell(7, start + place, symbol)
    for test in range(len(table.test_id)):
        # An empty line now and then, as people leave them.
        line = 8 + test + test // 3
        page.cell(line, 1, int(table.test_id[test]))
        page.cell(line, 2, table.laboratory[test])
        page.cell(line, 3, float(table.acidity[test]) / 1e3)
        page.cell(line, 4, float(table.extractant_concentration[test]) / 1e3)
        for symbol, row in _rows_of(table, test).items():
            place, molar = symbols.index(symbol), ELEMENTS[symbol].molar_mass
            page.cell(line, 5 + place, float(table.aqueous_feed[row]) * molar)
            page.cell(line, 5 + len(symbols) + place, float(table.aqueous[row]) * molar)
    notes = book.create_sheet("Notes")
    notes["A1"] = "Shaken for 30 min"
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def oxide_text(table: ShakeOutTable) -> str:
    """Return a semicolon CSV with decimal commas: feed pH, oxides in g/L, the dimer in mmol/L."""
    symbols = table.elements
    head = ["Probe", "Labor", "pH feed", "(HA)2 (mmol/L)"]
    head += [f"{ELEMENTS[s].oxide} feed (g/L)" for s in symbols]
    head += [f"{ELEMENTS[s].oxide} aq eq (g/L)" for s in symbols]
    lines = [
        "# decimal: comma",
        "# column: Probe -> test_id",
        "# column: Labor -> laboratory",
        f"# extractant: {table.extractant}",
        f"# medium: {table.medium}",
        "# O/A: 1",
        ";".join(head),
    ]
    for test in range(len(table.test_id)):
        rows = _rows_of(table, test)
        cells = [_digits(-np.log10(table.acidity[test] / 1e3))]
        cells.append(_digits(0.5 * table.extractant_concentration[test]))
        for values in (table.aqueous_feed, table.aqueous):
            cells += [
                _digits(values[rows[s]] * ELEMENTS[s].oxide_molar_mass) if s in rows else ""
                for s in symbols
            ]
        numbers = ";".join(cells).replace(".", ",")
        lines.append(f"{table.test_id[test]};{table.laboratory[test]};{numbers}")
    return "\n".join(lines) + "\n"


def ppm_text(table: ShakeOutTable, *, density: float = 1.043, dilution: float = 50.0) -> str:
    """Return a long CSV as a spectrometer prints it: ppm of diluted samples, phases as volumes."""
    lines = [
        f"# density aqueous: {density} g/mL",
        f"# dilution aqueous: {dilution}",
        f"# dilution feed: {2 * dilution}",
        "# acidity: feed",
        "Run,Lab,Analyte,V_org (mL),V_aq (mL),HCl (M),Extractant,P507 (mol/L),Medium,"
        '"C_feed (ppm)","C_aq (ppm)"',
    ]
    for test in range(len(table.test_id)):
        for symbol, row in _rows_of(table, test).items():
            ppm = 1e6 * ELEMENTS[symbol].molar_mass / (1e3 * density * dilution)
            cells = [table.test_id[test], table.laboratory[test], symbol, "25", "25"]
            cells += [_digits(table.acidity[test] / 1e3), table.extractant]
            cells += [_digits(table.extractant_concentration[test] / 1e3), table.medium]
            cells += [_digits(table.aqueous_feed[row] * ppm / 2), _digits(table.aqueous[row] * ppm)]
            lines.append(",".join(cells))
    return "\n".join(lines) + "\n"


def extraction_text(table: ShakeOutTable) -> str:
    """Return a tab-separated table of extractions in %, feeds in mmol/L, acid in mol/m³."""
    symbols = table.elements
    head = ["#", "source", "H+ initial, mol/m3", "extractant conc. [mol/m3]", "A/O"]
    head += [f"C0 {s} / mmol/L" for s in symbols] + [f"%E {s}" for s in symbols]
    lines = [f"# extractant: {table.extractant}", f"# medium: {table.medium}", "\t".join(head)]
    for test in range(len(table.test_id)):
        rows = _rows_of(table, test)
        cells = [table.test_id[test], table.laboratory[test], repr(float(table.acidity[test]))]
        cells += [repr(float(table.extractant_concentration[test])), "1:1"]
        cells += [_digits(table.aqueous_feed[rows[s]]) if s in rows else "" for s in symbols]
        for s in symbols:
            taken = 1.0 - table.aqueous[rows[s]] / table.aqueous_feed[rows[s]] if s in rows else 0
            cells.append(f"{100.0 * taken:.8g}" if s in rows else "")
        lines.append("\t".join(cells))
    return "\n".join(lines) + "\n"
