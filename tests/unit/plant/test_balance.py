"""The check that metal in equals metal out."""

from __future__ import annotations

import numpy as np
import pytest

from raffinate.errors import BalanceError
from raffinate.plant.balance import check_balance

NAMES = ("Ce", "Nd")


def check(entered, left, gained=(0.0, 0.0), **more):
    arrays = (np.array(values) for values in (entered, left, gained))
    return check_balance(*arrays, NAMES, tolerance=1e-9, where="test", **more)


def test_the_worst_error_is_returned():
    assert check([1.0, 2.0], [1.0, 2.0 + 1e-9]) == pytest.approx(5e-10, rel=1e-3)


def test_what_is_gained_counts():
    assert check([3.0, 2.0], [1.0, 2.0], [2.0, 0.0]) == 0.0


@pytest.mark.parametrize("left", [[1.0, 2.0 + 1e-8], [1.0, np.nan], [np.inf, 2.0]])
def test_an_imbalance_is_raised_with_component_and_amounts(left):
    name = "Ce" if left[0] != 1.0 else "Nd"
    with pytest.raises(BalanceError, match=rf"test: {name}: .* entered"):
        check([1.0, 2.0], left)


def test_a_trace_is_judged_against_what_passes():
    assert check([1.0, 1e-30], [1.0, 3e-30]) < 1e-9


def test_what_was_held_gives_the_scale_of_a_trajectory():
    held = np.array([1e3, 1e3])
    assert check([1.0, 2.0], [1.0, 2.0 + 1e-8], held=held) < 1e-10
