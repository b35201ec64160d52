from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from raffinate.errors import SpecificationError
from raffinate.plant.simulate import Trajectory
from raffinate.plots.film_strip import LOWEST, film_strip_figure, frame_times, save_film_strip

Array = NDArray[np.float64]

TIME = np.arange(0.0, 10_801.0, 600.0)


def moving(heavy: Array) -> Trajectory:
    """Return a bank of six stages whose heavy element is `heavy`, (time,), beside a light 1."""
    stage = np.linspace(0.5, 1.5, 6)
    amount = np.stack(
        [np.ones((len(TIME), 6)), heavy[:, None] * stage[None, :], np.full((len(TIME), 6), 1e-20)],
        axis=-1,
    )
    found = SimpleNamespace(
        plant_name="made up",
        elements=("Ce", "Nd", "Sm"),
        sections=("extraction",) * 4 + ("scrub",) * 2,
        time=TIME,
        aqueous=amount,
    )
    return cast(Trajectory, found)


STEADY_RISE = np.linspace(0.1, 1.0, len(TIME))


def test_each_frame_is_the_profile_of_its_moment() -> None:
    trajectory = moving(STEADY_RISE)
    figure = film_strip_figure(trajectory, times=(0.0, 3600.0, 10_400.0))
    frames = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in frames] == ["0 h", "1 h", "2.83 h"]
    for axes, moment in zip(frames, (0.0, 3600.0, 10_200.0), strict=True):
        row = int(np.flatnonzero(moment == TIME)[0])
        amount = trajectory.aqueous[row]
        share = np.maximum(amount / amount.sum(axis=1, keepdims=True), LOWEST)
        bold = [line for line in axes.lines if line.get_linewidth() > 1.0]
        assert len(bold) == 3
        for index, line in enumerate(bold):
            np.testing.assert_allclose(np.asarray(line.get_ydata()), share[:, index], rtol=1e-6)
        thin = [line for line in axes.lines if line.get_linewidth() < 1.0]
        final = trajectory.aqueous[-1, :, 1] / trajectory.aqueous[-1].sum(axis=1)
        np.testing.assert_allclose(np.asarray(thin[1].get_ydata()), final, rtol=1e-6)


def test_frames_are_chosen_where_the_profile_moves() -> None:
    # All that happens, happens in the first half hour.
    early = np.append([0.1, 0.4, 0.7], np.full(len(TIME) - 3, 1.0))
    moments = frame_times(moving(early), 6)
    assert (moments[0], moments[-1]) == (0.0, TIME[-1])
    assert np.all(np.diff(moments) > 0.0)
    assert np.sum(moments <= TIME[3]) == 5
    with pytest.raises(SpecificationError, match="2 or more"):
        frame_times(moving(early), 1)


def test_a_bank_that_stands_still_has_frames_too() -> None:
    still = moving(np.ones(len(TIME)))
    np.testing.assert_allclose(frame_times(still, 3), [0.0, 5400.0, 10_800.0])


def test_a_moment_outside_is_refused_and_a_page_is_written(tmp_path: Path) -> None:
    trajectory = moving(STEADY_RISE)
    with pytest.raises(SpecificationError, match="5 h is not in the trajectory"):
        film_strip_figure(trajectory, times=(5 * 3600.0,))
    save_film_strip(trajectory, tmp_path / "strip.html", title="three hours")
    assert "<title>three hours</title>" in (tmp_path / "strip.html").read_text(encoding="utf-8")
