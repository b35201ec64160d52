"""What an integration leaves behind for times between the ends of its steps.

Settled concentrations follow the cubic that has the values and the slopes of both ends of a step
(error of fourth order in the step), free acid and extractant the parabola of their logarithms
through both ends and the middle.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from raffinate.cascade.bank import Inventory, Unknowns
from raffinate.cascade.dynamic_cells import settled, settled_rates
from raffinate.chemistry.stage_chemistry import StageChemistry
from raffinate.numerics.jax_setup import Array, jnp

Numbers = NDArray[np.float64]


class Record(NamedTuple):
    """Ends of the steps of a call; row 0 is its beginning.

    Attributes:
        filled: Rows that are filled beside row 0.
        time: (row,), [s].
        aqueous: Rare earths in the settled aqueous, (row, stage, element), [mol/m³].
        organic: Rare earths in the settled organic, (row, stage, element), [mol/m³].
        aqueous_rate: d(aqueous)/dt, (row, stage, element), [mol/m³/s].
        organic_rate: d(organic)/dt, (row, stage, element), [mol/m³/s].
        acidity: Logarithms of free proton and free extractant, (row, stage, 2).
        middle: The same in the middle of the step that ends there, (row, stage, 2).
        volumes: Where volumes move, aqueous in the mixer, then aqueous and organic in one cell of
            the settler, (row, stage, 3), [m³].
        volume_rate: d(volumes)/dt, (row, stage, 3), [m³/s].
    """

    filled: Array
    time: Array
    aqueous: Array
    organic: Array
    aqueous_rate: Array
    organic_rate: Array
    acidity: Array
    middle: Array
    volumes: Array | None = None
    volume_rate: Array | None = None


class Instant(NamedTuple):
    """A bank at the end of a step.

    Attributes:
        time: [s].
        held: Inventory.
        rates: d(held)/dt.
        unknowns: Algebraic unknowns.
    """

    time: Array
    held: Inventory
    rates: Inventory
    unknowns: Unknowns


def _row(chemistry: StageChemistry, now: Instant) -> tuple[Array, ...]:
    elements = chemistry.element_count
    aqueous, organic = settled(now.held)
    aqueous_rate, organic_rate = settled_rates(now.held, now.rates)
    return (
        now.time,
        aqueous[:, :elements],
        organic[:, :elements],
        aqueous_rate[:, :elements],
        organic_rate[:, :elements],
        now.unknowns.stage[:, jnp.array(chemistry.acidity)],
    )


def blank_record(chemistry: StageChemistry, now: Instant, rows: int) -> Record:
    """Return a record with room for `rows` steps that begins `now`."""
    first = _row(chemistry, now)
    tables = [_table(rows, row) for row in (*first, first[-1])]
    volumes = [_table(rows, row) for row in _volumes(now)]
    return Record(jnp.array(0), *tables, *volumes)


def _table(rows: int, row: Array) -> Array:
    return jnp.zeros((rows + 1, *row.shape)).at[0].set(row)


def _volumes(now: Instant) -> tuple[Array, ...]:
    """Return volumes and their rates, (stage, 3) each; nothing where volumes stay."""
    if now.held.volumes is None or now.rates.volumes is None:
        return ()
    return tuple(jnp.stack(each[:3], axis=-1) for each in (now.held.volumes, now.rates.volumes))


def recorded(
    chemistry: StageChemistry, record: Record, now: Instant, middle: Unknowns, good: Array
) -> Record:
    """Return the record with one more step, if it was good.

    Args:
        chemistry: Equations of one contact.
        record: The steps before it.
        now: Where it led.
        middle: Unknowns in the middle of it.
        good: Whether it counts.
    """
    row = (*_row(chemistry, now), middle.stage[:, jnp.array(chemistry.acidity)], *_volumes(now))
    # A rejected step is overwritten by the next one.
    index = record.filled + 1
    kept = [table for table in record[1:] if table is not None]
    tables = [table.at[index].set(value) for table, value in zip(kept, row, strict=True)]
    return Record(record.filled + good, *tables)


class Between(NamedTuple):
    """A bank at chosen times.

    Attributes:
        aqueous: (time, stage, element), [mol/m³].
        organic: (time, stage, element), [mol/m³].
        acidity: Free proton and free extractant, (time, stage, 2), [mol/m³].
        volumes: As in the record, (time, stage, 3), [m³]; None where they stay.
    """

    aqueous: Numbers
    organic: Numbers
    acidity: Numbers
    volumes: Numbers | None = None


def interpolated(record: Record, times: Numbers) -> Between:
    """Return the bank at `times`, (time,), [s], inside a record of NumPy arrays."""
    ends = np.asarray(record.time)[: int(record.filled) + 1]
    right = np.clip(np.searchsorted(ends, times), 1, len(ends) - 1)
    step = (ends[right] - ends[right - 1])[:, None, None]
    share = (times - ends[right - 1])[:, None, None] / step
    low, high, middle = record.acidity[right - 1], record.acidity[right], record.middle[right]
    parabola = (
        (2.0 * share - 1.0) * (share - 1.0) * low
        + 4.0 * share * (1.0 - share) * middle
        + share * (2.0 * share - 1.0) * high
    )
    volumes = None
    if record.volumes is not None:
        volumes = _cubic(record.volumes, record.volume_rate, right, step, share)
    return Between(
        volumes=volumes,
        aqueous=_cubic(record.aqueous, record.aqueous_rate, right, step, share),
        organic=_cubic(record.organic, record.organic_rate, right, step, share),
        acidity=np.exp(parabola),
    )


def _cubic(
    table: Any, slope: Any, right: NDArray[np.int64], step: Numbers, share: Numbers
) -> Numbers:
    low, high = table[right - 1], table[right]
    rest = 1.0 - share
    value: Numbers = (
        rest**2 * (1.0 + 2.0 * share) * low
        + share * rest**2 * step * slope[right - 1]
        + share**2 * (3.0 - 2.0 * share) * high
        - share**2 * rest * step * slope[right]
    )
    # A trace that falls by decades within a step would be swung below zero by the cubic.
    swung = value < 0.5 * np.minimum(low, high)
    with np.errstate(divide="ignore", invalid="ignore"):
        straight = np.exp(rest * np.log(low) + share * np.log(high))
    return np.where(swung, straight, value)
