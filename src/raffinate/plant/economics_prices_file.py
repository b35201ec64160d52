"""Price files: YAML at the door, `Prices` inside."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from raffinate.chemistry.elements import RARE_EARTHS
from raffinate.errors import DataError, nearest_name
from raffinate.plant.economics_prices import COEFFICIENTS, PRICES, Figure, Prices, Quantity
from raffinate.sources import Evidence, Source
from raffinate.yaml_files import first_complaint, read_yaml

FORMAT = "raffinate-prices/1"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _SourceFile(_Strict):
    title: str
    reference: str = ""
    evidence: Evidence = "sourced"
    licence: str = ""
    note: str = ""


class _FigureFile(_Strict):
    value: FiniteFloat
    source: str


class _PriceFile(_FigureFile):
    date: str


class _PricesFile(_Strict):
    format: Literal["raffinate-prices/1"]
    name: str
    title: str = ""
    currency: str = Field(min_length=1, max_length=12)
    sources: dict[str, _SourceFile]
    oxides: dict[str, _PriceFile] = {}
    products: dict[str, _PriceFile] = {}
    prices: dict[str, _PriceFile] = {}
    coefficients: dict[str, _FigureFile] = {}


def load_prices(name_or_path: str | Path) -> Prices:
    """Return the shipped "prices_example", or prices read from a YAML file.

    Raises:
        DataError: No such file, or it cannot be read as one.
        SpecificationError: A value that cannot be.
    """
    path = Path(name_or_path)
    shipped = files("raffinate.data") / f"{name_or_path}.yaml"
    if isinstance(name_or_path, str) and path.name == name_or_path and shipped.is_file():
        return parse_prices(shipped.read_bytes(), where=f"{name_or_path}.yaml")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"cannot be read ({error.strerror}), and no shipped prices have this name.",
            where=str(name_or_path),
            mend="Shipped as an example: prices_example.",
        ) from error
    return parse_prices(content, where=str(path))


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
    sources = {key: Source(**entry.model_dump()) for key, entry in read.sources.items()}
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
    made = {}
    for key, entry in given.items():
        if entry.source not in sources:
            raise DataError(
                f"{entry.source!r} is not among the sources.",
                where=f"{where}.{key}.source",
                mend=nearest_name(entry.source, tuple(sources)),
            )
        factor = quantities[key].si if key in quantities else 1.0
        date = entry.date if isinstance(entry, _PriceFile) else ""
        made[key] = Figure(value=entry.value * factor, source=sources[entry.source], date=date)
    return made
