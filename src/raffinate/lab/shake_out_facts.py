"""What holds for a table as a whole, and what had to be taken for granted in reading it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import DataError
from raffinate.lab.shake_out_assays import ASSUMED_ASSAY_DEVIATION
from raffinate.lab.shake_out_convert import Flask
from raffinate.lab.shake_out_elements import EXTRACTANTS, ExtractantKind, plain_name
from raffinate.lab.shake_out_layout import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """What the flasks have in common.

    Attributes:
        extractant: Its name.
        medium: Name of the aqueous medium.
        laboratory: Who made each test, (test,).
        acidity_reading: "feed" or "equilibrium".
        acidity: H⁺ by that reading, (test,), [mol/m³].
        acidity_after: H⁺ found after shaking besides, (test,), [mol/m³]; None where not given.
        mechanism: Of the extractant.
        extractant_form: Of the extractant.
        assumptions: What was taken for granted, in words.
    """

    extractant: str
    medium: str
    laboratory: tuple[str, ...]
    acidity_reading: str
    acidity: tuple[float, ...]
    acidity_after: tuple[float | None, ...]
    mechanism: Literal["exchange", "solvation"]
    extractant_form: Literal["dimer", "monomer"]
    assumptions: tuple[str, ...]


def gather(flasks: Sequence[Flask], layout: Layout, name: str) -> TableFacts:
    """Return what the flasks have in common.

    Raises:
        DataError: The acidity is not declared, the extractant's name or concentration is missing,
            or there are several extractants or media.
    """
    if not any(flask.entries for flask in flasks):
        raise DataError("the table has no rows with a result.", where=name)
    notes: list[str] = []
    extractant = _common(flasks, "extractant", name)
    medium = _common(flasks, "medium", name)
    for flask in flasks:
        if flask.extractant is None:
            raise DataError(
                f"missing columns: test {flask.test_id} has no concentration of the extractant.",
                where=flask.raw.place,
                mend="Add a column 'extractant (mol/L)', counted as HA, or one headed '(HA)2 "
                "(mol/L)'; or '# extractant concentration: 1 mol/L'.",
            )
    reading, acidity, after = _acidities(flasks, layout, name, notes)
    kind = _kind(flasks, extractant, notes)
    stem = PurePath(name).stem
    if any("laboratory" not in flask.texts for flask in flasks):
        notes.append(f"laboratory not stated: called {stem!r}")
    _note_defaults(flasks, notes)
    return TableFacts(
        extractant=extractant,
        medium=medium,
        laboratory=tuple(flask.texts.get("laboratory", stem) for flask in flasks),
        acidity_reading=reading,
        acidity=acidity,
        acidity_after=after,
        mechanism=kind.mechanism,
        extractant_form=kind.form,
        assumptions=tuple(notes),
    )


def _common(flasks: Sequence[Flask], role: str, name: str) -> str:
    """Return the text all flasks share."""
    first = next((flask.texts[role] for flask in flasks if role in flask.texts), None)
    if first is None:
        example = "P507" if role == "extractant" else "HCl/chloride"
        raise DataError(
            f"missing columns: {role} is not stated.",
            where=name,
            mend=f"Add a column '{role}', or a line '# {role}: {example}'.",
        )
    for flask in flasks:
        text = flask.texts.get(role, first)
        if plain_name(text) != plain_name(first):
            raise DataError(
                f"{text!r}, but the table begins with {first!r}.",
                where=flask.raw.cells[role, ""].place,
                mend="Make one table for each extractant and medium.",
            )
    return first


def _acidities(
    flasks: Sequence[Flask], layout: Layout, name: str, notes: list[str]
) -> tuple[str, tuple[float, ...], tuple[float | None, ...]]:
    """Return which reading the acidities have, and the acidities before and after."""
    present = dict.fromkeys(role for flask in flasks for role in flask.acidities)
    if not present:
        raise DataError(
            "missing columns: no acidity.",
            where=name,
            mend="Add a column 'pH feed', 'pH equilibrium', '[H+] feed (mol/L)' or such.",
        )
    if "acidity" in present and len(present) > 1:
        raise DataError(
            f"one column of acidities does not say of which liquor, beside {', '.join(present)}.",
            where=name,
            mend="Head it 'feed' or 'equilibrium', or leave it by '# ignore: …'.",
        )
    if list(present) == ["acidity"] and not layout.acidity:
        raise DataError(
            "it is not declared whether the acidities are those of the feed or at equilibrium.",
            where=name,
            allowed="feed or equilibrium",
            mend="Each trivalent ion extracted releases three protons, so the two differ. Head "
            "the column 'pH feed' or 'pH equilibrium', or declare '# acidity: feed'.",
        )
    reading = layout.acidity or ("feed" if "acidity_feed" in present else "equilibrium")
    role = f"acidity_{reading}" if f"acidity_{reading}" in present else next(iter(present))
    if role not in ("acidity", f"acidity_{reading}"):
        notes.append(
            f"acidities read as those of the {reading} as declared, against the heading, which "
            f"says {role.removeprefix('acidity_')}"
        )
    for flask in flasks:
        if role not in flask.acidities:
            raise DataError(
                f"test {flask.test_id} has no acidity of the kind the other tests have.",
                where=flask.raw.place,
                mend="Make one table for tests with feed acidities and one for the others.",
            )
    both = reading == "feed" and role == "acidity_feed"
    if any(cell.column.note == "pH" for flask in flasks for cell in flask.raw.cells.values()):
        notes.append("pH taken for -log₁₀ of H⁺ in mol/L")
    return (
        reading,
        tuple(flask.acidities[role] for flask in flasks),
        tuple(flask.acidities.get("acidity_equilibrium") if both else None for flask in flasks),
    )


def _kind(flasks: Sequence[Flask], extractant: str, notes: list[str]) -> ExtractantKind:
    known = EXTRACTANTS.get(plain_name(extractant))
    stated = flasks[0].texts
    if known is None and not {"mechanism", "extractant_form"} <= set(stated):
        notes.append(f"{extractant} is not known here: taken for an acid that exists as dimer")
    usual = known or ExtractantKind("exchange", "dimer")
    # The texts were checked against these words when they were read.
    return ExtractantKind(
        cast("Literal['exchange', 'solvation']", stated.get("mechanism", usual.mechanism)),
        cast("Literal['dimer', 'monomer']", stated.get("extractant_form", usual.form)),
    )


def _note_defaults(flasks: Sequence[Flask], notes: list[str]) -> None:
    if any(flask.oa_ratio is None for flask in flasks):
        notes.append("O/A not stated: taken for 1")
    if any(flask.temperature is None for flask in flasks):
        notes.append("temperature not stated")
    if any(entry.deviation is None for flask in flasks for entry in flask.entries):
        notes.append(
            f"standard deviation of assays not stated: {ASSUMED_ASSAY_DEVIATION:.0%} assumed"
        )


def ratio_rounding(flasks: Sequence[Flask], laboratories: Sequence[str]) -> NDArray[np.float64]:
    """Return the relative standard deviation of D from the digits it is printed with, (row,).

    A spreadsheet drops trailing zeros, so 1.4 among 2.01 and 0.87 was printed as 1.40. A table of
    fixed decimals or of fixed digits never gives a larger D more decimals than a smaller one, so
    the decimals of a row are taken for the most that its laboratory gives any D as large or larger.
    """
    rows = [
        (laboratory, entry.distribution_ratio, entry.resolution)
        for flask, laboratory in zip(flasks, laboratories, strict=True)
        for entry in flask.entries
    ]
    made = []
    for laboratory, ratio, resolution in rows:
        finest = min(
            (
                digit
                for other, value, digit in rows
                if other == laboratory and value >= ratio and digit > 0.0
            ),
            default=0.0,
        )
        made.append(finest / ratio / math.sqrt(12.0) if resolution > 0.0 else 0.0)
    return np.array(made, dtype=np.float64)
