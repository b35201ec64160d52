"""Published Pitzer parameters at 25 °C: one file per source, earlier files take precedence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from raffinate.sources import Evidence, Source
from raffinate.yaml_files import first_complaint, read_yaml

FORMAT = "raffinate-pitzer/1"

SHIPPED = ("light_lanthanides", "may2011", "kim1974", "roy2001", "mayorga1973", "phreeqc")
"""Files of the shipped library in order of precedence."""

SERIES = ("La", "Ce", "Pr", "Nd", "Sm", "Eu", "Gd", "Tb", "Dy", "Ho", "Er", "Tm", "Yb", "Lu")

BETWEEN = {"Tb": 0.23, "Dy": 0.46, "Ho": 0.70, "Er": 0.93, "Tm": 1.0, "Yb": 1.0, "Lu": 1.0}
"""Place of a trichloride between GdCl3 (0) and YCl3 (1), [-]: that of ln γ± of Dy (5.539) and Er
(6.372) between Gd (4.836) and Y (6.504), measured isopiestically at 3.4 mol/kg (Ames Laboratory
thesis after Spedding and Saeger), linear in atomic number between, and held past Er."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryParameters:
    """One cation with one anion.

    Attributes:
        beta0: β⁽⁰⁾, [kg/mol].
        beta1: β⁽¹⁾, [kg/mol].
        beta2: β⁽²⁾, [kg/mol].
        c_phi: C^φ, [kg²/mol²].
        highest_molality: To which the data reach, [mol/kg]; 0 where the source does not say.
        source: Who says so.
    """

    beta0: float
    beta1: float
    beta2: float
    c_phi: float
    highest_molality: float
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class PitzerLibrary:
    """Parameters by the names of the ions; the names of like ions stand in alphabetical order.

    Attributes:
        binary: By (cation, anion).
        theta: By (ion, ion) of like sign, [kg/mol].
        psi: By (ion, ion, ion), [kg²/mol²].
    """

    binary: Mapping[tuple[str, str], BinaryParameters]
    theta: Mapping[tuple[str, ...], tuple[float, Source]]
    psi: Mapping[tuple[str, ...], tuple[float, Source]]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _SourceRow(_Strict):
    title: str
    reference: str
    evidence: Evidence
    licence: str = ""
    note: str = ""


_Place = Annotated[FiniteFloat, Field(ge=0.0)]


class _File(_Strict):
    format: Literal["raffinate-pitzer/1"]
    source: _SourceRow
    pairs: tuple[
        tuple[str, str, FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat, _Place], ...
    ] = ()
    theta: tuple[tuple[str, str, FiniteFloat], ...] = ()
    psi: tuple[tuple[str, str, str, FiniteFloat], ...] = ()


def load_pitzer(names: Sequence[str] = SHIPPED, *, interpolate: bool = True) -> PitzerLibrary:
    """Return the shipped parameters of these files, earlier ones taking precedence.

    Args:
        names: Of files `pitzer_<name>.yaml`.
        interpolate: Fill in rare earths between measured neighbours, with evidence "interpolated".

    Raises:
        DataError: A file cannot be read as Pitzer parameters.
    """
    binary: dict[tuple[str, str], BinaryParameters] = {}
    theta: dict[tuple[str, ...], tuple[float, Source]] = {}
    psi: dict[tuple[str, ...], tuple[float, Source]] = {}
    for name in names:
        content = _read(name)
        source = Source(**content.source.model_dump())
        for cation, anion, beta0, beta1, beta2, c_phi, highest in content.pairs:
            parameters = BinaryParameters(
                beta0=beta0,
                beta1=beta1,
                beta2=beta2,
                c_phi=c_phi,
                highest_molality=highest,
                source=source,
            )
            binary.setdefault((cation, anion), parameters)
        for *pair, value in content.theta:
            theta.setdefault(tuple(sorted(map(str, pair))), (float(value), source))
        for *triple, value in content.psi:
            psi.setdefault(tuple(sorted(map(str, triple))), (float(value), source))
    if interpolate:
        _interpolate_chlorides(binary)
        _spread_acid_mixing(theta, psi)
    return PitzerLibrary(binary=binary, theta=theta, psi=psi)


def _read(name: str) -> _File:
    file = f"pitzer_{name}.yaml"
    document = read_yaml(
        resources.files("raffinate.data").joinpath(file).read_bytes(), file, FORMAT
    )
    try:
        return _File.model_validate(document)
    except ValidationError as error:
        raise first_complaint(error, file, _File) from error


def _interpolate_chlorides(binary: dict[tuple[str, str], BinaryParameters]) -> None:
    """Give the heavy rare earths values between Gd and Y."""
    light, heavy = binary.get(("Gd+3", "Cl-")), binary.get(("Y+3", "Cl-"))
    if light is None or heavy is None:
        return
    source = replace(
        heavy.source,
        evidence="interpolated",
        note="Between GdCl3 and YCl3 by activity coefficients measured at 3.4 mol/kg.",
    )
    for symbol, share in BETWEEN.items():
        between = {
            name: (1.0 - share) * getattr(light, name) + share * getattr(heavy, name)
            for name in ("beta0", "beta1", "beta2", "c_phi", "highest_molality")
        }
        binary.setdefault((f"{symbol}+3", "Cl-"), BinaryParameters(**between, source=source))


def _spread_acid_mixing(
    theta: dict[tuple[str, ...], tuple[float, Source]],
    psi: dict[tuple[str, ...], tuple[float, Source]],
) -> None:
    """Give every rare earth the mixing with H⁺ that was measured on Sm and Eu alike."""
    if ("H+", "Sm+3") not in theta:
        return
    for symbol in (*SERIES, "Y", "Sc"):
        for table, key, model in (
            (theta, (f"{symbol}+3", "H+"), ("H+", "Sm+3")),
            (psi, (f"{symbol}+3", "H+", "Cl-"), ("Cl-", "H+", "Sm+3")),
        ):
            value, source = table[model]
            flagged = replace(
                source, evidence="interpolated", note="The value measured on Sm and Eu."
            )
            table.setdefault(tuple(sorted(key)), (value, flagged))
