from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from raffinate.studies.store import table_of
from raffinate.studies.summary import summarise, wilson_interval


def results() -> pd.DataFrame:
    good = pd.DataFrame(
        {
            "case": range(10),
            "seed": range(10),
            "purity.nd": np.linspace(0.990, 0.999, 10),
            "within_limit.nd": [0.0] * 7 + [1.0] * 3,
            "within_limit": [0.0] * 8 + [1.0] * 2,
            "hours_to_off_spec.nd": [1.0] * 4 + [math.inf] * 6,
            "error": "",
            "error_kind": "",
        }
    )
    bad = pd.DataFrame({"case": [10, 11], "error": "no", "error_kind": ["Other", "Convergence"]})
    return pd.concat([good, bad], ignore_index=True)


def test_spread_and_chance_are_told_of_what_was_solved_and_failures_are_counted() -> None:
    found = summarise(results(), 20)
    assert (found.cases, found.done) == (20, 12)
    assert found.failed == {"Convergence": 1, "Other": 1}
    purity = found.outcomes["purity.nd"]
    assert purity.cases == 10
    assert purity.mean == pytest.approx(0.9945)
    assert purity.deviation == pytest.approx(np.std(np.linspace(0.990, 0.999, 10), ddof=1))
    assert purity.low_5 < purity.median < purity.high_95
    assert found.outcomes["hours_to_off_spec.nd"].cases == 4
    assert found.within_limit["nd"].share == 0.3
    assert found.within_limit["all"].share == 0.2
    assert set(found.outcomes) == {"purity.nd", "hours_to_off_spec.nd"}
    json.dumps(found.to_dict())


def test_nothing_done_is_no_error() -> None:
    found = summarise(table_of(()), 5)
    assert (found.done, dict(found.outcomes), dict(found.within_limit)) == (0, {}, {})


@pytest.mark.parametrize(("met", "cases"), [(0, 20), (3, 10), (199, 200), (7, 7)])
def test_the_interval_is_wilsons(met: int, cases: int) -> None:
    expected = stats.binomtest(met, cases).proportion_ci(method="wilson")
    assert wilson_interval(met, cases) == pytest.approx((expected.low, expected.high), abs=1e-12)
