"""Price files: YAML at the door, `Prices` inside."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, FiniteFloat, ValidationError

from raffinate.chemistry.elements import RARE_EARTHS
from raffinate.data_files import read_named, shipped_names
from raffinate.errors import DataError, nearest_name
from raffinate.plant.economics_prices import COEFFICIENTS, PRICES, Figure, Prices, Quantity
from raffinate.sources import Source
from raffinate.yaml_files import (
    SourceEntry,
    StrictEntry,
    first_complaint,
    read_yaml,
    require_sources,
)

FORMAT = "raffinate-prices/1"


class _FigureFile(StrictEntry):
    value: FiniteFloat
    source: str


class _PriceFile(_FigureFile):
    date: str


class _PricesFile(StrictEntry):
    format: Literal["raffinate-prices/1"]
    name: str
    title: str = ""
    currency: str = Field(min_length=1, max_length=12)
    sources: dict[str, SourceEntry]
    oxides: dict[str, _PriceFile] = Field(default_factory=dict)
    products: dict[str, _PriceFile] = Field(default_factory=dict)
    prices: dict[str, _PriceFile] = Field(default_factory=dict)
    coefficients: dict[str, _FigureFile] = Field(default_factory=dict)


def load_prices(name_or_path: str | Path) -> Prices:
    """Return the shipped "prices_example", or prices read from a YAML file.

    Raises:
        DataError: No such file, or it cannot be read as one.
        SpecificationError: A value that cannot be.
    """
    content, where = read_named(name_or_path, "price file", shipped_names(FORMAT))
    return parse_prices(content, where=where)


def parse_prices(content: str | bytes, *, where: str = "prices") -> Prices:
    """Read the text of a price file.

    Raises:
        DataError: The text is no price file; says where, what and the mend.
        SpecificationError: A value that cannot be.
    """
    document = read_yaml(content, where, FORMAT)
    try:
        read = _PricesFile.model_validate(document)
    except ValidationError as error:
        raise first_complaint(error, where, _PricesFile) from error
    sources = {key: entry.source() for key, entry in read.sources.items()}
    _known(read.oxides, tuple(RARE_EARTHS), f"{where}: oxides")
    _known(read.prices, tuple(PRICES), f"{where}: prices")
    _known(read.coefficients, tuple(COEFFICIENTS), f"{where}: coefficients")
    return Prices(
        name=read.name,
        currency=read.currency,
        oxides=_figures(read.oxides, {}, sources, f"{where}: oxides"),
        products=_figures(read.products, {}, sources, f"{where}: products"),
        prices=_figures(read.prices, PRICES, sources, f"{where}: prices"),
        coefficients=_figures(read.coefficients, COEFFICIENTS, sources, f"{where}: coefficients"),
    )


def _known(given: Mapping[str, _FigureFile], known: tuple[str, ...], where: str) -> None:
    for key in given:
        if key not in known:
            raise DataError(f"unknown key {key!r}.", where=where, mend=nearest_name(key, known))


def _figures(
    given: Mapping[str, _FigureFile],
    quantities: Mapping[str, Quantity],
    sources: Mapping[str, Source],
    where: str,
) -> dict[str, Figure]:
    require_sources({f"{key}.source": entry.source for key, entry in given.items()}, sources, where)
    made = {}
    for key, entry in given.items():
        factor = quantities[key].si if key in quantities else 1.0
        date = entry.date if isinstance(entry, _PriceFile) else ""
        made[key] = Figure(value=entry.value * factor, source=sources[entry.source], date=date)
    return made
