"""Options and arguments that several commands share, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

PlantName: TypeAlias = Annotated[
    str, typer.Argument(help="A shipped plant, or the path of a plant file.")
]
"""Which plant."""

SystemName: TypeAlias = Annotated[
    str, typer.Argument(help="A shipped system, or the path of a system file.")
]
"""Which extraction system."""

SpectrumFile: TypeAlias = Annotated[
    Path, typer.Argument(help="A spectrum: .msa, .spx, .mca, .spe, CSV.")
]
"""Which spectrum."""

Detector: TypeAlias = Annotated[
    int | None, typer.Option(help="Of several detectors or spectra in it, from 1.")
]
"""Which spectrum of a file that has several."""

Purities: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--spec",
        help="Purity to solve for, such as nd_purity=0.999; one left out is the nominal one.",
    ),
]
"""Purities by product."""

PictureOrData: TypeAlias = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Write .png, .svg, .pdf, .csv or .json here."),
]
"""Where a picture or a table goes."""

ResultFile: TypeAlias = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Write picture or data: .png, .svg, .pdf, .csv or .json."),
]
"""Where the result of a plant goes, as a picture or as data."""

Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]
"""Whether to print JSON where nothing more need be said of it."""


def json_option(text: str) -> Any:
    """Return the option `--json` with its own help."""
    return typer.Option("--json", help=text)


def csv_option(text: str) -> Any:
    """Return the option `--csv` with its own help."""
    return typer.Option("--csv", help=text)


def output_option(text: str) -> Any:
    """Return the option `--output` with its own help."""
    return typer.Option("--output", "-o", help=text)
