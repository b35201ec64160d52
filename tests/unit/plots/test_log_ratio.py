from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from raffinate.errors import SpecificationError
from raffinate.plots.log_ratio import cut_of, log_ratio_figure, ratio_of, save_log_ratio
from solved_plants import nominal_state, shipped_plant


def test_the_ratio_is_that_of_the_moles_and_unknown_where_there_is_only_a_trace() -> None:
    phase = np.array([[1.0, 10.0, 1000.0], [1e-20, 1e-20, 5.0]])
    found = ratio_of(phase, ("Ce", "Pr", "Nd"), ("Nd",), ("Ce", "Pr"))
    assert found[0] == pytest.approx(np.log10(1000.0 / 11.0))
    assert np.isnan(found[1])


def test_both_phases_and_the_steps_between_the_lines_are_drawn() -> None:
    plant, state = shipped_plant(), nominal_state()
    along, steps = log_ratio_figure(state, ("Nd",), ("Pr",), plant=plant).axes
    pr, nd = state.elements.index("Pr"), state.elements.index("Nd")
    x = np.log10(state.aqueous[:, nd] / state.aqueous[:, pr])
    y = np.log10(state.organic[:, nd] / state.organic[:, pr])
    for line, expected in zip(along.lines, (x, y), strict=True):
        shown = np.asarray(line.get_ydata())
        known = np.isfinite(shown)
        assert known.sum() > 60
        np.testing.assert_allclose(shown[known], expected[known], rtol=1e-9)
    lines = {str(line.get_label()): line for line in steps.lines}
    beta = plant.circuit.system.separation_factor("Nd", "Pr")
    level = lines[f"equilibrium, β = {beta:.3g}"]
    np.testing.assert_allclose(np.asarray(level.get_ydata()), np.log10(beta))
    operating = lines["operating line, extraction"]
    np.testing.assert_allclose(np.asarray(operating.get_ydata()), y[:26] - x[1:27], rtol=1e-9)
    # No stage separates more than equilibrium does, but the first, which barren organic enters.
    points = np.asarray(lines["stages, both phases as they leave"].get_ydata(), np.float64)
    assert np.nanmax(points[1:]) <= np.log10(beta) * (1 + 1e-9)
    assert "operating line, strip" not in lines


def test_groups_of_elements_have_no_one_equilibrium_line(tmp_path: Path) -> None:
    plant, state = shipped_plant(), nominal_state()
    assert cut_of(plant) == (("Nd",), ("Ce", "Pr"))
    heavy, light = cut_of(plant)
    _, steps = log_ratio_figure(state, heavy, light, plant=plant).axes
    assert not any(str(line.get_label()).startswith("equilibrium") for line in steps.lines)
    save_log_ratio(state, heavy, light, tmp_path / "ratio.svg", plant=plant)
    assert (tmp_path / "ratio.svg").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("heavy", "light", "complaint"),
    [(("Nd",), ("Nd",), "none on both"), ((), ("Nd",), "none on both"), (("Ne",), ("Pr",), "Nd")],
)
def test_elements_that_make_no_ratio_are_refused(
    heavy: tuple[str, ...], light: tuple[str, ...], complaint: str
) -> None:
    with pytest.raises(SpecificationError, match=complaint):
        log_ratio_figure(nominal_state(), heavy, light, plant=shipped_plant())
