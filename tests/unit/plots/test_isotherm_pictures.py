"""What the pictures of isotherms, stages and species show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes

from raffinate.cascade.mccabe_thiele import step_stages
from raffinate.chemistry.isotherm import compute_isotherm
from raffinate.chemistry.speciation_sweep import SpeciationSweep
from raffinate.chemistry.system_file import load_system
from raffinate.plots.isotherm import isotherm_figure, save_isotherm
from raffinate.plots.labels import line_styles, spread
from raffinate.plots.mccabe_thiele import mccabe_thiele_figure
from raffinate.plots.speciation import speciation_figure, written

FEED = {"La": 50.0, "Nd": 100.0, "Y": 30.0, "proton": 10.0}
FRESH = {"extractant": 1500.0}


def texts(axes: Axes) -> str:
    found = axes.findobj(lambda each: hasattr(each, "get_text"))
    return "\n".join(each.get_text() for each in found)


@pytest.mark.parametrize(
    ("vary", "left", "right"),
    [
        ("oa", "organic, mol/L", "separation factor β"),
        ("metal", "organic, mol/L", "separation factor β"),
        ("loading", "separation factor β", "distribution ratio D"),
        ("pH", "distribution ratio D", "extracted, %"),
        ("saponification", "distribution ratio D", "extracted, %"),
    ],
)
def test_panels_suit_what_was_varied_and_name_every_element(vary, left, right):
    found = compute_isotherm(load_system("p507_hcl"), FEED, FRESH, vary=vary, points=6)
    panels = isotherm_figure(found).axes
    assert [axes.get_ylabel() for axes in panels] == [left, right]
    for symbol in ("La", "Nd", "Y"):
        assert any(symbol in texts(axes) for axes in panels)


def test_points_beyond_the_data_are_drawn_apart_but_none_is_lost():
    found = compute_isotherm(load_system("p507_hcl"), FEED, FRESH, vary="pH", points=12)
    assert found.doubtful.any()
    assert not found.doubtful.all()
    lines = isotherm_figure(found).axes[0].lines[:2]
    drawn = np.array([np.isfinite(np.asarray(line.get_ydata(), float)) for line in lines])
    assert drawn.any(axis=0).all()
    assert drawn.all(axis=0).sum() >= 1


def test_a_picture_is_written_by_its_ending(tmp_path: Path):
    found = compute_isotherm(load_system("p507_hcl"), FEED, FRESH, points=4)
    for name, magic in (("i.png", b"\x89PNG"), ("i.svg", b"<?xml"), ("i.pdf", b"%PDF")):
        save_isotherm(found, tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(magic)


@pytest.mark.parametrize(("raffinate", "panels"), [(1.0, 2), (20.0, 1)])
def test_steps_touch_curve_and_line_and_a_low_raffinate_is_shown_logarithmically(raffinate, panels):
    made = step_stages(lambda x: 3.0 * x, feed=100.0, raffinate=raffinate, oa_ratio=0.6)
    figure = mccabe_thiele_figure(made, lambda x: 3.0 * x, name="Nd", title="stages")
    assert len(figure.axes) == panels
    axes = figure.axes[0]
    assert axes.get_xlabel() == "aqueous Nd, mol/L"
    corners = [line for line in axes.lines if len(line.get_xdata()) == 3]
    assert len(corners) == len(made.aqueous) - 1
    for line in corners:
        x, y = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
        assert y[1] == pytest.approx(3.0 * x[0])
        assert y[0] == pytest.approx(float(made.operating_line(1e3 * x[0])) / 1e3, abs=1e-12)
    legend = "\n".join(each.get_text() for each in figure.legends[0].get_texts())
    assert f"{made.stages:.2f} stages" in legend


def test_species_are_drawn_in_percent_with_solids_that_come_near():
    pH = np.array([1.0, 2.0, 3.0])
    sweep = SpeciationSweep(
        against="pH",
        value=pH,
        of="Nd",
        share={"Nd+3": np.array([0.9, 0.5, 0.1]), "NdSO4+": np.array([0.1, 0.5, 0.9])},
        pH=pH,
        saturation={"Nd(OH)3": np.array([-9.0, -2.0, 1.0]), "halite": np.full(3, -8.0)},
        molal=False,
        warnings=(),
        sources=(),
    )
    shares, solids = speciation_figure(sweep).axes
    np.testing.assert_allclose(np.asarray(shares.lines[0].get_ydata()), [90.0, 50.0, 10.0])
    assert "NdSO₄⁺" in texts(shares)
    assert "Nd(OH)₃" in texts(solids)
    assert "halite" not in texts(solids)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Nd+3", "Nd³⁺"),
        ("Nd(SO4)2-", "Nd(SO₄)₂⁻"),
        ("SO4-2", "SO₄²⁻"),
        ("H+", "H⁺"),
        ("(HA)2", "(HA)₂"),
        ("Nd2(SO4)3·8H2O", "Nd₂(SO₄)₃·8H₂O"),
        ("gypsum", "gypsum"),
        ("CH3COO-", "CH₃COO⁻"),
    ],
)
def test_species_are_written_as_chemists_do(name, shown):
    assert written(name) == shown


def test_twenty_four_lines_all_differ():
    assert len(set(line_styles([str(n) for n in range(24)]).values())) == 24


def test_names_are_kept_apart_in_order_and_near_their_lines():
    wanted = np.array([0.5, 0.51, 0.9, 0.0, 0.49])
    placed = spread(wanted, 0.05)
    assert np.diff(np.sort(placed)).min() >= 0.05 - 1e-12
    assert (np.argsort(placed) == np.argsort(wanted)).all()
    assert placed[[2, 3]] == pytest.approx([0.9, 0.0])
    assert spread(np.full(6, 1.0), 0.1).max() <= 1.0 + 1e-12
