"""A small version of the story: the same upset, left alone and under fuzzy control."""

from __future__ import annotations

from typing import Any

import pytest

from raffinate.plant.plant_file import load_plant
from raffinate.runtime.upsets import UPSETS
from raffinate.units import HOUR
from running_plants import new_run

BEGIN_H = 24.0


def ten_days(mode: str) -> tuple[dict[str, Any], list[float | None]]:
    """Return the summary, and whether each period was off specification."""
    upset = UPSETS["saponification_low"]
    run = new_run(240.0, seed=104, mode=mode, story=((upset.begun(BEGIN_H * HOUR), upset.title),))
    return run.run_to_end(), run.history.columns()["t_h"]


@pytest.mark.slow
def test_left_alone_the_plant_goes_off_and_fuzzy_control_holds_it():
    manual, _ = ten_days("manual")
    fuzzy, hours = ten_days("fuzzy")
    first = [p["hours_to_off_spec"] for p in manual["products"].values()]
    assert min(hour for hour in first if hour is not None) < BEGIN_H + 100.0
    assert sum(p["off_spec_t"] for p in manual["products"].values()) > 1.0
    limits = load_plant("ceprnd_p507").products
    for name, product in fuzzy["products"].items():
        assert product["off_spec_t"] == 0.0, name
        assert product["lots"] > 0
        assert product["lots_off_spec"] == 0
        assert product["mean_purity"] > limits[name].purity_limit
        assert product["recovery"] > 0.999
    assert len(hours) == 1440
    for summary in (manual, fuzzy):
        assert summary["balance_error"] < 1e-6
