from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from raffinate.errors import SpecificationError
from raffinate.plots.study import MOST_PANELS, save_study, study_figure


def results(inputs: dict[str, list[float]], **outcomes: list[float]) -> pd.DataFrame:
    count = len(next(iter(inputs.values())))
    columns: dict[str, object] = {"case": range(count), "seed": range(count)}
    columns |= {f"input.{name}": values for name, values in inputs.items()} | outcomes
    return pd.DataFrame(columns | {"error": "", "error_kind": ""})


def drawn(count: int = 100) -> pd.DataFrame:
    generator = np.random.default_rng(2)
    a = generator.normal(size=count)
    return results(
        {"efficiency": a.tolist()},
        **{"recovery.nd": (0.99 + 0.001 * a).tolist(), "feed_flow_m3_per_h": [1.22] * count},
    )


def test_what_was_drawn_is_a_histogram_of_every_outcome_that_varies() -> None:
    figure = study_figure(drawn(), title="spread")
    (panel,) = [axes for axes in figure.axes if axes.get_visible()]
    assert panel.get_xlabel() == "recovery of nd, -"
    assert sum(bar.get_height() for bar in panel.patches) == 100  # type: ignore[attr-defined]
    lines = sorted(float(line.get_xdata()[0]) for line in panel.lines)  # type: ignore[index]
    np.testing.assert_allclose(lines, np.quantile(drawn()["recovery.nd"], (0.05, 0.5, 0.95)))
    assert "100 cases" in figure.get_suptitle()


def test_what_was_swept_is_a_line_for_each_value_of_the_second_input() -> None:
    table = results(
        {"organic_flow": [3.0, 1.0, 2.0] * 2, "efficiency": [0.8] * 3 + [0.9] * 3},
        **{"recovery.nd": [0.3, 0.1, 0.2, 0.6, 0.4, 0.5]},
    )
    figure = study_figure(table)
    panel = figure.axes[0]
    found = [
        (line.get_label(), list(line.get_xdata()), list(line.get_ydata())) for line in panel.lines
    ]  # type: ignore[arg-type]
    assert found == [
        ("0.8", [1.0, 2.0, 3.0], [0.1, 0.2, 0.3]),
        ("0.9", [1.0, 2.0, 3.0], [0.4, 0.5, 0.6]),
    ]
    assert panel.get_xlabel() == "organic_flow"
    assert figure.legends[0].get_title().get_text() == "efficiency"


def test_failed_cases_are_counted_and_not_drawn(tmp_path: Path) -> None:
    table = drawn()
    table.loc[:9, "error"] = "no"
    assert "90 cases, 10 more failed" in study_figure(table).get_suptitle()
    save_study(table, tmp_path / "study.svg")
    assert (tmp_path / "study.svg").read_text(encoding="utf-8").startswith("<?xml")
    table["error"] = "no"
    with pytest.raises(SpecificationError, match="0 were solved"):
        study_figure(table)


def test_many_outcomes_leave_the_picture_readable() -> None:
    a = np.linspace(0.0, 1.0, 30).tolist()
    table = results({"x": a}, **{f"outcome_{place}": a for place in range(20)})
    shown = [axes for axes in study_figure(table).axes if axes.get_visible()]
    assert len(shown) == MOST_PANELS


def test_flows_of_circuits_bear_their_names_and_come_last() -> None:
    table = drawn().assign(
        **{"first.organic_flow_m3_per_h": np.linspace(1.0, 2.0, 100), "purity_of": 1.0}
    )
    figure = study_figure(table)
    labels = [axes.get_xlabel() for axes in figure.axes if axes.get_visible()]
    assert labels == ["recovery of nd, -", "first: organic, m³/h"]
