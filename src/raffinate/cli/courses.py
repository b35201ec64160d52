"""The course of a purity in time, as `simulate` prints it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


def purity_course(hours: Array, impurity: Array, limit: float) -> dict[str, float]:
    """Return purities, fractions, and when a product was off specification, [h].

    Args:
        hours: Of the rows, (time,), [h].
        impurity: Of REO, (time,), [-].
        limit: Least purity, [-].
    """
    import numpy as np

    off = impurity > 1.0 - limit
    return {
        "purity_limit": limit,
        "first_purity": float(1.0 - impurity[0]),
        "lowest_purity": float(1.0 - impurity.max()),
        "last_purity": float(1.0 - impurity[-1]),
        "hours_to_off_spec": float(hours[int(np.argmax(off))]) if off.any() else math.inf,
        "hours_off_spec": float(np.diff(hours)[off[1:]].sum()),
    }


def course_cells(course: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return the cells of purities in percent, and those of the hours off specification."""
    since = course["hours_to_off_spec"]
    purities = [f"{100.0 * course['purity_limit']:.3f}"]
    purities += [f"{100.0 * course[f'{key}_purity']:.4f}" for key in ("first", "lowest", "last")]
    hours = [f"{since:.1f}" if math.isfinite(since) else "never"]
    return purities, [*hours, f"{course['hours_off_spec']:.1f}"]
