"""Calibrations as YAML files, `format: raffinate-calibration/1`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import Field, FiniteFloat, ValidationError

from raffinate.data_files import read_named
from raffinate.errors import DataError
from raffinate.instruments.calibrate_factors import COMMON
from raffinate.instruments.calibrate_prior import PRIOR_SOURCE
from raffinate.instruments.calibrate_result import Calibration, StandardFit
from raffinate.yaml_files import SourceEntry, StrictEntry, first_complaint, read_yaml

Array = NDArray[np.float64]

FORMAT = "raffinate-calibration/1"

_Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
_NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
LEAST_EIGENVALUE = -1e-6
"""Of a covariance scaled to ones, for what rounding of a file may do to it, [-]."""


class _Factor(StrictEntry):
    name: str
    factor: _Positive


class _Standard(StrictEntry):
    name: str
    certified_mol_per_m3: tuple[_NotNegative, ...]
    certified_sigma_mol_per_m3: tuple[_NotNegative, ...]
    left_out_mol_per_m3: tuple[FiniteFloat, ...]
    left_out_sigma_mol_per_m3: tuple[_Positive, ...]
    chi2_per_dof: _NotNegative
    flux: _Positive
    zero_eV: FiniteFloat
    gain: FiniteFloat
    width_eV2: FiniteFloat


class _File(StrictEntry):
    format: Literal["raffinate-calibration/1"]
    instrument: str
    fingerprint: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
    matrix: str
    elements: Annotated[tuple[str, ...], Field(min_length=1)]
    source: SourceEntry
    widening: Annotated[float, Field(ge=1.0, allow_inf_nan=False)]
    factors: Annotated[tuple[_Factor, ...], Field(min_length=len(COMMON))]
    covariance_of_logarithms: tuple[tuple[FiniteFloat, ...], ...]
    standards: Annotated[tuple[_Standard, ...], Field(min_length=1)]


def load_calibration(path: str | Path) -> Calibration:
    """Return a calibration read from a YAML file.

    Args:
        path: The file.

    Raises:
        DataError: It cannot be read as a calibration.
    """
    content, where = read_named(path, "calibration", (), prefix="calibration_")
    return parse_calibration(content, where=where)


def parse_calibration(content: str | bytes, *, where: str = "calibration") -> Calibration:
    """Read the text of a calibration file.

    Args:
        content: YAML text, or bytes in UTF-8.
        where: What to call the file in messages.

    Raises:
        DataError: The text is no YAML, a key is unknown or missing, a value is out of range, or
            axes differ in length.
    """
    document = read_yaml(content, where, FORMAT)
    try:
        read = _File.model_validate(document)
    except ValidationError as error:
        raise first_complaint(error, where, _File) from error
    names = tuple(entry.name for entry in read.factors)
    if names[-len(COMMON) :] != COMMON or len(set(names)) < len(names):
        raise DataError(
            "the factors do not end as they must, or one stands twice.",
            where=f"{where}: factors",
            allowed=f"each once, last {', '.join(COMMON)}",
        )
    _check_lengths(read, where)
    return Calibration(
        instrument=read.instrument,
        fingerprint=read.fingerprint,
        matrix=read.matrix,
        metals=read.elements,
        names=names,
        logs=np.array([math.log(entry.factor) for entry in read.factors]),
        covariance=_covariance(read.covariance_of_logarithms, len(names), where),
        widening=read.widening,
        standards=tuple(_standard(entry) for entry in read.standards),
    )


def _check_lengths(read: _File, where: str) -> None:
    count = len(read.elements)
    for place, entry in enumerate(read.standards):
        columns = (
            entry.certified_mol_per_m3, entry.certified_sigma_mol_per_m3,
            entry.left_out_mol_per_m3, entry.left_out_sigma_mol_per_m3,
        )  # fmt: skip
        if any(len(column) != count for column in columns):
            raise DataError(
                "a concentration is missing or too many.",
                where=f"{where}: standards.{place}",
                allowed=f"{count} in each list, of {', '.join(read.elements)}",
            )


def _covariance(rows: tuple[tuple[float, ...], ...], count: int, where: str) -> Array:
    place = f"{where}: covariance_of_logarithms"
    if [len(row) for row in rows] != list(range(1, count + 1)):
        raise DataError(
            "the rows have the wrong lengths.",
            where=place,
            allowed=f"{count} rows of 1 to {count} numbers: one triangle, diagonal included",
        )
    covariance = np.zeros((count, count))
    for row, values in enumerate(rows):
        covariance[row, : row + 1] = values
        covariance[: row + 1, row] = values
    diagonal = np.diag(covariance)
    if np.min(diagonal) > 0.0:
        scale = np.sqrt(diagonal)
        if np.min(np.linalg.eigvalsh(covariance / np.outer(scale, scale))) > LEAST_EIGENVALUE:
            return covariance
    raise DataError(
        "it is no covariance: an eigenvalue is negative.",
        where=place,
        mend="Do not edit it; calibrate again.",
    )


def _standard(entry: _Standard) -> StandardFit:
    return StandardFit(
        name=entry.name,
        certified=np.array(entry.certified_mol_per_m3),
        certified_sigma=np.array(entry.certified_sigma_mol_per_m3),
        found=np.array(entry.left_out_mol_per_m3),
        sigma=np.array(entry.left_out_sigma_mol_per_m3),
        chi2_per_dof=entry.chi2_per_dof,
        nuisances=np.array([entry.flux, entry.zero_eV, entry.gain, entry.width_eV2]),
    )


def calibration_text(calibration: Calibration) -> str:
    """Return a calibration as a YAML file that `parse_calibration` reads back."""
    standards = [
        {
            "name": one.name,
            "certified_mol_per_m3": one.certified.tolist(),
            "certified_sigma_mol_per_m3": one.certified_sigma.tolist(),
            "left_out_mol_per_m3": one.found.tolist(),
            "left_out_sigma_mol_per_m3": one.sigma.tolist(),
            "chi2_per_dof": one.chi2_per_dof,
            **dict(zip(("flux", "zero_eV", "gain", "width_eV2"), one.nuisances.tolist(),
                       strict=True)),
        }
        for one in calibration.standards
    ]  # fmt: skip
    document: dict[str, Any] = {
        "format": FORMAT,
        "instrument": calibration.instrument,
        "fingerprint": calibration.fingerprint,
        "matrix": calibration.matrix,
        "elements": list(calibration.metals),
        "source": {
            "title": f"{len(calibration.standards)} standards on {calibration.instrument}",
            "evidence": "fitted",
            "note": f"Prior: {PRIOR_SOURCE.reference}",
        },
        "widening": float(calibration.widening),
        "factors": [
            {"name": name, "factor": float(np.exp(log))}
            for name, log in zip(calibration.names, calibration.logs, strict=True)
        ],
        "standards": standards,
        "covariance_of_logarithms": [
            [float(f"{value:.10e}") for value in row[: place + 1]]
            for place, row in enumerate(calibration.covariance.tolist())
        ],
    }
    return yaml.safe_dump(
        document, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100
    )


def save_calibration(calibration: Calibration, path: str | Path) -> None:
    """Write a calibration as a YAML file.

    Raises:
        OSError: The file cannot be written.
    """
    Path(path).write_text(calibration_text(calibration), encoding="utf-8")
