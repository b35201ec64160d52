"""Which columns of a table hold a spectrum, where its headings do not say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from raffinate.errors import SpecificationError

if TYPE_CHECKING:
    from raffinate.instruments.spectrum_file_table import SpectrumColumns

CountsColumn = Annotated[
    str | None, typer.Option(help="CSV: heading of the counts, or their place from 1.")
]
EnergyColumn = Annotated[
    str | None, typer.Option(help="CSV: heading of the energies, or their place.")
]
EnergyUnit = Annotated[str, typer.Option(help="CSV: eV or keV.")]


def table_columns(counts: str | None, energy: str | None, unit: str) -> SpectrumColumns | None:
    """Return the columns named; None where none is.

    Raises:
        SpecificationError: That of the energies is named and that of the counts is not.
    """
    from raffinate.instruments.spectrum_file_table import SpectrumColumns

    if counts is None:
        if energy is not None or unit:
            raise SpecificationError(
                "the column of the counts is not given.",
                where="columns of the spectrum",
                mend="Add --counts-column.",
            )
        return None
    return SpectrumColumns(counts=counts, energy=energy, unit=unit)
