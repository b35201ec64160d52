"""How much water a cubic metre of liquor holds, and what the liquor weighs, at 25 °C.

The volume of a liquor is that of its water and of its ions, V_i = v0 + v1 √I + v2 I with the ionic
strength I in mol/L: apparent molar volumes of single salts added at equal ionic strength (Young's
rule). A complex counts as the ions it is made of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError

from raffinate.chemistry.species import FREE_SPECIES, Species
from raffinate.numerics.jax_setup import Array, jnp
from raffinate.sources import Evidence, Source
from raffinate.yaml_files import first_complaint, read_yaml

FORMAT = "raffinate-volumes/1"

SHIPPED = ("laliberte2009", "krumgalz1996")

WATER_DENSITY = 997.047
"""Of pure water at 25 °C and 1 atm, [kg/m³]; W. Wagner and A. Pruß, J. Phys. Chem. Ref. Data 31
(2002) 387."""

LEAST_WATER = 0.05
"""Share of the volume at which the law is cut off, so that wild iterates stay finite, [-]."""

_NEIGHBOURS = {"Ce+3": ("La+3", "Pr+3"), "Eu+3": ("Sm+3", "Gd+3"), "Sc+3": ("Y+3", "Y+3")} | {
    f"{symbol}+3": ("Gd+3", "Y+3") for symbol in ("Tb", "Dy", "Ho", "Er", "Tm", "Yb", "Lu")
}
"""Between which measured rare earths another one's volume is taken."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LiquorVolumes:
    """Apparent molar volumes of the aqueous species of a liquor.

    Attributes:
        volumes: v0, v1, v2 of every species, (3, ion), [m³/mol], with I in [mol/L].
        charges: (ion,), [-].
        warnings: Species whose volume is interpolated or unknown and taken as 0.
        sources: Who says so.
    """

    volumes: NDArray[np.float64]
    charges: NDArray[np.float64]
    warnings: tuple[str, ...]
    sources: tuple[Source, ...]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _SourceRow(_Strict):
    title: str
    reference: str
    evidence: Evidence
    licence: str
    note: str


class _File(_Strict):
    format: Literal["raffinate-volumes/1"]
    source: _SourceRow
    volumes: tuple[tuple[str, FiniteFloat, FiniteFloat, FiniteFloat], ...]


def liquor_volumes(species: Sequence[Species]) -> LiquorVolumes:
    """Return the volumes of these aqueous species."""
    table = _load()
    warnings: list[str] = []
    sources: list[Source] = []
    columns = [_volume(one, table, warnings, sources) for one in species]
    return LiquorVolumes(
        volumes=np.array(columns).reshape(-1, 3).T * 1e-6,
        charges=np.array([float(one.charge) for one in species]),
        warnings=tuple(dict.fromkeys(warnings)),
        sources=tuple(dict.fromkeys(sources)),
    )


def water_content(concentration: Array, volumes: Array, charges: tuple[int, ...]) -> Array:
    """Return the water in a liquor, (...), [kg/m³].

    Args:
        concentration: Of every aqueous species, (ion, ...), [mol/m³].
        volumes: v0, v1, v2, (3, ion), [m³/mol]; see `LiquorVolumes`.
        charges: (ion,).
    """
    charge = np.asarray(charges, np.float64)
    moments = jnp.tensordot(volumes, concentration, axes=1)
    square = jnp.asarray(charge * charge * 0.5e-3)
    strength = jnp.tensordot(square, concentration, axes=1) + 1e-20
    occupied = moments[0] + jnp.sqrt(strength) * moments[1] + strength * moments[2]
    return WATER_DENSITY * jnp.maximum(1.0 - occupied, LEAST_WATER)


def _load() -> dict[str, tuple[NDArray[np.float64], Source]]:
    """Return v0, v1, v2 of each ion, [cm³/mol], measured or between measured neighbours."""
    table: dict[str, tuple[NDArray[np.float64], Source]] = {}
    for name in SHIPPED:
        file = f"volumes_{name}.yaml"
        content = resources.files("raffinate.data").joinpath(file).read_bytes()
        try:
            read = _File.model_validate(read_yaml(content, file, FORMAT))
        except ValidationError as error:
            raise first_complaint(error, file, _File) from error
        source = Source(**read.source.model_dump())
        table |= {ion: (np.array(values), source) for ion, *values in read.volumes}
    for ion, (one, other) in _NEIGHBOURS.items():
        source = replace(table[one][1], evidence="interpolated", note=f"Mean of {one}, {other}.")
        table.setdefault(ion, (0.5 * (table[one][0] + table[other][0]), source))
    return table


def _volume(
    species: Species,
    table: dict[str, tuple[NDArray[np.float64], Source]],
    warnings: list[str],
    sources: list[Source],
) -> NDArray[np.float64]:
    """Return v0, v1, v2 of one species, its own or the sum of its free ions', [cm³/mol]."""
    if species.name in table:
        parts = [(species.name, 1.0)]
    else:
        parts = [
            (FREE_SPECIES[name].name if name in FREE_SPECIES else name, moles)
            for name, moles in species.composition
        ]
    total = np.zeros(3)
    for ion, moles in parts:
        if ion not in table:
            warnings.append(f"Liquor volume: none known for {ion}, taken as zero.")
            continue
        values, source = table[ion]
        sources.append(source)
        if source.evidence == "interpolated":
            warnings.append(f"Liquor volume: that of {ion} is interpolated.")
        total = total + moles * values
    return np.asarray(total)
