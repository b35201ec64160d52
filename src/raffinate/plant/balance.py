"""Metal in equals metal out, checked on boundary streams the solver does not normalise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import BalanceError

Array = NDArray[np.float64]

STEADY_TOLERANCE = 1e-9
"""Largest imbalance of a steady solve, relative to what enters, [-]."""

TRAJECTORY_TOLERANCE = 1e-6
"""Largest imbalance of a trajectory, relative to what was held and entered, [-]."""


def check_balance(
    entered: Array,
    left: Array,
    gained: Array,
    names: Sequence[str],
    *,
    tolerance: float,
    where: str,
    held: Array | None = None,
) -> float:
    """Compare what entered with what left and what was gained; return the worst relative error.

    Args:
        entered: By component, (component,), [mol] or [mol/s].
        left: Likewise.
        gained: Increase of what the vessels hold; zeros for a steady state.
        names: Component names.
        tolerance: Largest relative imbalance accepted, [-].
        where: Which solve.
        held: What the vessels held, for scale; nothing for a steady state.

    Raises:
        BalanceError: Names the worst component and its amounts.
    """
    scale = np.abs(entered) if held is None else np.abs(entered) + np.abs(held)
    # A component that only passes as a trace is judged against the total that passes.
    scale = np.maximum(scale, 1e-9 * float(np.abs(entered).sum() + scale.max()))
    error = np.abs(entered - left - gained) / scale
    worst = int(np.argmax(np.where(np.isfinite(error), error, np.inf)))
    if not error[worst] <= tolerance:
        raise BalanceError(
            f"{names[worst]}: {entered[worst]:.9g} entered, {left[worst]:.9g} left and "
            f"{gained[worst]:.9g} was gained; relative error {error[worst]:.2e}.",
            where=where,
            allowed=f"at most {tolerance:.0e}",
            mend="This is a defect of the solver or of the plant's arrays; please report it.",
        )
    return float(error[worst])
