"""Derivatives of spectra along energy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def derivatives(values: Array, step: float) -> tuple[Array, Array]:
    """Return first and second derivative along the first axis, of fourth order, 0 at the ends.

    Args:
        values: (channel, ...).
        step: Between channels, [eV].
    """
    first, second = np.zeros_like(values), np.zeros_like(values)
    first[2:-2] = (values[:-4] - values[4:] + 8.0 * (values[3:-1] - values[1:-3])) / (12.0 * step)
    second[2:-2] = (
        16.0 * (values[3:-1] + values[1:-3]) - values[4:] - values[:-4] - 30.0 * values[2:-2]
    ) / (12.0 * step**2)
    return first, second
