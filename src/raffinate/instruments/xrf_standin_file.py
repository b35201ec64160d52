"""Stand-in files: what was fitted to an analyzer's chain, by `benchmarks/xrf_standin.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, FiniteFloat, ValidationError

from raffinate.data_files import read_named, shipped_names
from raffinate.errors import DataError
from raffinate.instruments.xrf_standin import StandIn
from raffinate.yaml_files import SourceEntry, StrictEntry, first_complaint, read_yaml

Array = NDArray[np.float64]

FORMAT = "raffinate-standin/1"
PREFIX = "standin_"

_NotNegative = Annotated[FiniteFloat, Field(ge=0)]


class _StandInFile(StrictEntry):
    format: Literal["raffinate-standin/1"]
    name: str
    source: SourceEntry
    elements: list[str]
    count_s: Annotated[FiniteFloat, Field(gt=0)]
    variance: list[list[_NotNegative]]
    correlation: list[list[FiniteFloat]]
    limit: list[list[_NotNegative]]
    bias_sd: list[list[_NotNegative]]
    scatter: list[_NotNegative]
    chi2_sd: _NotNegative


def shipped_standins() -> tuple[str, ...]:
    """Return the names of the stand-ins that come with the package."""
    return shipped_names(FORMAT, PREFIX)


def load_standin(name_or_path: str | Path) -> StandIn:
    """Return a shipped stand-in, such as "online_rh_40kv_ceprnd", or one read from a file.

    Raises:
        DataError: No such stand-in, or the file cannot be read as one.
    """
    content, where = read_named(name_or_path, "stand-in", shipped_standins(), prefix=PREFIX)
    return parse_standin(content, where=where)


def parse_standin(content: str | bytes, *, where: str = "stand-in") -> StandIn:
    """Return a stand-in from the text of its file.

    Raises:
        DataError: The text cannot be read as one.
    """
    try:
        read = _StandInFile.model_validate(read_yaml(content, where, FORMAT))
    except ValidationError as error:
        raise first_complaint(error, where, _StandInFile) from error
    count = len(read.elements)
    pairs, terms = count * (count - 1) // 2, 2 + count + count * (count + 1) // 2
    return StandIn(
        elements=tuple(read.elements),
        variance=_table(read.variance, (count, terms), f"{where}: variance"),
        correlation=_table(read.correlation, (pairs, terms), f"{where}: correlation"),
        limit=_table(read.limit, (count, terms), f"{where}: limit"),
        bias_sd=_table(read.bias_sd, (count, count), f"{where}: bias_sd"),
        scatter=_table([read.scatter], (1, count), f"{where}: scatter")[0],
        chi2_sd=read.chi2_sd,
        count_time=read.count_s,
        source=read.source.source(),
    )


def _table(rows: list[list[float]], shape: tuple[int, int], where: str) -> Array:
    if len(rows) != shape[0] or any(len(row) != shape[1] for row in rows):
        raise DataError(
            f"there are {len(rows)} rows of {sorted({len(row) for row in rows})}.",
            where=where,
            allowed=f"{shape[0]} rows of {shape[1]}",
        )
    return np.array(rows, dtype=np.float64).reshape(shape)
