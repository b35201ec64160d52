"""Options of every command that reads a laboratory's table."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Acidity(StrEnum):
    """Which liquor the acidity column belongs to."""

    FEED = "feed"
    EQUILIBRIUM = "equilibrium"


AcidityOption = Annotated[
    Acidity | None,
    typer.Option(help="Which liquor the acidities belong to; else as the table says."),
]

LayoutOption = Annotated[
    Path | None,
    typer.Option(help="Layout file, `format: raffinate-columns/1`: what the columns mean."),
]

SheetOption = Annotated[
    str | None, typer.Option(help="Sheet of a workbook; else the only one that is not empty.")
]
