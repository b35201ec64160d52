from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes

from raffinate.errors import SpecificationError
from raffinate.plots.trajectory import save_trajectory, trajectory_figure
from solved_plants import shipped_plant, short_trajectory


def panel(figure_axes: list[Axes], label: str) -> Axes:
    return next(axes for axes in figure_axes if axes.get_ylabel() == label)


def drawn(axes: Axes, begin: str) -> np.ndarray:
    line = next(each for each in axes.lines if str(each.get_label()).startswith(begin))
    return np.asarray(line.get_ydata())


def test_impurities_flows_and_disturbances_are_drawn() -> None:
    found = short_trajectory()
    axes = trajectory_figure(found, plant=shipped_plant()).axes
    impurities = panel(axes, "impurity / REO")
    assert impurities.get_yscale() == "log"
    for name in ("cepr", "nd"):
        np.testing.assert_allclose(drawn(impurities, name), found.impurity[name])
    limits = [line for line in impurities.lines if np.allclose(np.asarray(line.get_ydata()), 1e-3)]
    assert limits
    scrub = drawn(panel(axes, "flow / usual"), "scrub")
    assert scrub.min() == 0.0
    assert scrub[0] == pytest.approx(1.0)
    np.testing.assert_allclose(
        drawn(panel(axes, "fraction"), "Nd in feed"), found.feed_mass_fraction[:, 2]
    )


def test_heat_map_is_stage_against_time_of_the_molar_ratio() -> None:
    found = short_trajectory()
    bank = panel(trajectory_figure(found, plant=shipped_plant()).axes, "stage")
    shown = np.asarray(bank.images[0].get_array())
    assert shown.shape == (len(found.sections), len(found.time))
    ratio = np.log10(found.aqueous[3, 20, 2] / found.aqueous[3, 20, :2].sum())
    assert shown[20, 3] == pytest.approx(ratio)


def test_events_are_named_above_and_left_out_where_there_are_none() -> None:
    found = short_trajectory()
    with_events = trajectory_figure(found).axes
    named = {text.get_text() for text in with_events[0].texts}
    assert named == {"scrub_flow = 0", "feed.nd_mass_fraction = 0.4213"}
    without = trajectory_figure(replace(found, events=())).axes
    assert len(without) == len(with_events) - 1


@pytest.mark.parametrize(
    ("name", "magic"), [("t.png", b"\x89PNG"), ("t.svg", b"<?xml"), ("t.pdf", b"%PDF")]
)
def test_picture_is_written_by_its_ending(tmp_path: Path, name: str, magic: bytes) -> None:
    save_trajectory(short_trajectory(), tmp_path / name, plant=shipped_plant())
    assert (tmp_path / name).read_bytes().startswith(magic)


def test_other_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecificationError, match=r"\.png, \.svg, \.pdf"):
        save_trajectory(short_trajectory(), tmp_path / "t.gif")
