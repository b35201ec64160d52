"""Separation factors as printed, one source a row: to compare systems with, never a constant."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib.resources import files

from raffinate.sources import EVIDENCE, Source

FILE = "separation_factors.csv"
"""Table in the package's data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeparationFactor:
    """β(first/second) = D(first)/D(second) as a source prints it.

    Attributes:
        extractant: Name of the extractant.
        first: Symbol of the element in the numerator.
        second: Symbol of the element in the denominator.
        beta: β, [-].
        conditions: Where it was found.
        source: Who says so.
    """

    extractant: str
    first: str
    second: str
    beta: float
    conditions: str
    source: Source


def load_separation_factors(extractant: str = "") -> tuple[SeparationFactor, ...]:
    """Return the shipped separation factors, in the order of the table.

    Args:
        extractant: Name as in the table; empty for all.
    """
    text = files("raffinate.data").joinpath(FILE).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return tuple(
        _separation_factor(row)
        for row in csv.DictReader(lines)
        if extractant in ("", row["extractant"])
    )


def _separation_factor(row: dict[str, str]) -> SeparationFactor:
    return SeparationFactor(
        extractant=row["extractant"],
        first=row["first"],
        second=row["second"],
        beta=float(row["beta"]),
        conditions=row["conditions"],
        source=Source(
            title=f"Separation factor {row['first']}/{row['second']} with {row['extractant']}",
            reference=row["reference"],
            evidence=EVIDENCE[row["evidence"]],
            note=row["note"],
        ),
    )
