"""The extended Debye-Hückel law with B-dot, for ionic strengths to about 1 mol/kg.

Source: H. C. Helgeson, Am. J. Sci. 267 (1969) 729, as in the aqueous model of PHREEQC's llnl.dat:
log₁₀ γ = -A z² √I/(1 + B å √I) + Ḃ I for ions, and 0 for neutral species.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from raffinate.chemistry.activity_davies import log_dilute_water_activity
from raffinate.chemistry.pitzer import TINY
from raffinate.chemistry.species import Species
from raffinate.numerics.jax_setup import Array, jnp
from raffinate.sources import Source
from raffinate.yaml_files import first_complaint, read_yaml

FORMAT = "raffinate-ion-sizes/1"

DEFAULT_SIZE = 4e-10
"""[m], of ions without their own: the commonest in llnl.dat."""


class BdotParameters(NamedTuple):
    """Numbers of the model.

    Attributes:
        dh_a: A, (), [kg^½/mol^½].
        shield: B·å of every species, (ion,), [kg^½/mol^½].
        bdot: Ḃ, (), [kg/mol].
    """

    dh_a: Array
    shield: Array
    bdot: Array


@dataclass(frozen=True, slots=True)
class BdotModel:
    """B-dot law for species of these charges.

    Attributes:
        charges: Of every aqueous species, (ion,).
    """

    charges: tuple[int, ...]

    def log_molal(self, molality: Array, parameters: BdotParameters) -> tuple[Array, Array]:
        """Return ln γ, (ion, ...), on the molal scale, and ln of the activity of water, (...), [-].

        Args:
            molality: Of every aqueous species, (ion, ...), [mol/kg].
            parameters: See `BdotParameters`.
        """
        lift = (slice(None), *(None,) * (molality.ndim - 1))
        charge = np.asarray(self.charges, np.float64)[lift]
        square = charge * charge
        strength = 0.5 * jnp.sum(square * molality, axis=0) + TINY
        root = jnp.sqrt(strength)
        law = -parameters.dh_a * square * root / (1.0 + parameters.shield[lift] * root)
        log10_gamma = law + (square > 0.0) * (parameters.bdot * strength)
        return math.log(10.0) * log10_gamma, log_dilute_water_activity(molality)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _SourceRow(_Strict):
    title: str
    reference: str
    evidence: Literal["sourced"]
    licence: str
    note: str


class _File(_Strict):
    format: Literal["raffinate-ion-sizes/1"]
    source: _SourceRow
    dh_a: FiniteFloat
    dh_b: FiniteFloat
    bdot: FiniteFloat
    sizes: tuple[tuple[str, Annotated[FiniteFloat, Field(gt=0.0)]], ...]


def build_bdot(
    species: Sequence[Species],
) -> tuple[BdotModel, BdotParameters, tuple[str, ...], tuple[Source, ...]]:
    """Return the model of these aqueous species, its numbers, warnings, and sources.

    A species' own `ion_size` comes first, then that of llnl.dat, then `DEFAULT_SIZE`.
    """
    content = _read()
    known = {name: size * 1e-10 for name, size in content.sizes}
    charged = [one for one in species if one.charge]
    guessed = [one.name for one in charged if not one.ion_size and one.name not in known]
    sizes = [one.ion_size or known.get(one.name, DEFAULT_SIZE) for one in species]
    parameters = BdotParameters(
        dh_a=jnp.asarray(content.dh_a),
        shield=jnp.asarray(np.array(sizes) * 1e10 * content.dh_b),
        bdot=jnp.asarray(content.bdot),
    )
    warnings = (
        (f"B-dot: ion size of {', '.join(guessed)} taken as {DEFAULT_SIZE * 1e10:g}e-10 m.",)
        if guessed
        else ()
    )
    model = BdotModel(charges=tuple(one.charge for one in species))
    return model, parameters, warnings, (Source(**content.source.model_dump()),)


def _read() -> _File:
    file = "bdot_llnl.yaml"
    document = read_yaml(
        resources.files("raffinate.data").joinpath(file).read_bytes(), file, FORMAT
    )
    try:
        return _File.model_validate(document)
    except ValidationError as error:
        raise first_complaint(error, file, _File) from error
