"""The picture of a calibration: factors with intervals, a point for each left-out metal."""

from __future__ import annotations

import numpy as np

from raffinate.instruments.calibrate_factors import COMMON
from raffinate.instruments.calibrate_result import Calibration, StandardFit
from raffinate.plots.xrf_calibration import calibration_figure, save_calibration_picture

NAMES = ("Ce L3", "Nd L3", "Nd L3-N45", *COMMON)


def made():
    standards = tuple(
        StandardFit(
            name=f"s{place}", certified=np.array([100.0 * place, 50.0]),
            certified_sigma=np.array([0.1, 0.1]), found=np.array([100.0 * place, 51.0]),
            sigma=np.array([0.2, 0.1]), chi2_per_dof=1.0, nuisances=np.array([1.0, 0.0, 0.0, 0.0]),
        )
        for place in range(3)
    )  # fmt: skip
    return Calibration(
        instrument="test", fingerprint="0" * 16, matrix="chloride", metals=("Ce", "Nd"),
        names=NAMES, logs=np.zeros(len(NAMES)), covariance=1e-4 * np.eye(len(NAMES)),
        widening=1.0, standards=standards,
    )  # fmt: skip


def test_group_and_common_factors_are_drawn_and_single_lines_are_not():
    above, below = calibration_figure(made()).axes
    labels = [label.get_text() for label in above.get_xticklabels()]
    assert labels == ["Ce L3", "Nd L3", *COMMON]
    points = [line for line in below.lines if line.get_label() in ("Ce", "Nd")]
    assert [len(line.get_xdata()) for line in points] == [3, 3]
    # An error of 7 sigma stays inside the axes.
    assert below.get_ylim()[1] > 1.0 / np.hypot(0.1, 0.1)


def test_the_picture_is_written(tmp_path):
    save_calibration_picture(made(), tmp_path / "c.svg")
    assert "<svg" in (tmp_path / "c.svg").read_text("utf-8")
