from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes

from raffinate.errors import SpecificationError
from raffinate.plots.canvas import element_colours, spans
from raffinate.plots.profile import LOWEST, profile_figure, save_profile
from solved_plants import nominal_state, shipped_plant


def texts(axes: Axes) -> set[str]:
    return {artist.get_text() for artist in axes.findobj(lambda found: hasattr(found, "get_text"))}


def test_both_phases_of_every_element_are_drawn_as_mole_fractions() -> None:
    state = nominal_state()
    upper = profile_figure(state, plant=shipped_plant()).axes[0]
    assert upper.get_yscale() == "log"
    assert upper.get_ylim()[0] == LOWEST
    colours = element_colours(state.elements)
    for phase, dashed in ((state.aqueous, False), (state.organic, True)):
        for index, symbol in enumerate(state.elements):
            (line,) = [
                each
                for each in upper.lines
                if each.get_color() == colours[symbol]
                and (each.get_linestyle() == "--") == dashed
                and len(np.asarray(each.get_xdata())) == len(state.sections)
            ]
            share = phase[:, index] / phase.sum(axis=1)
            drawn = np.asarray(line.get_ydata())
            shown = phase[:, index] > 1e-6  # mol/m³; less is the trace acid is given
            np.testing.assert_allclose(drawn[shown], share[shown])


def test_sections_feeds_products_and_analyzer_are_named() -> None:
    upper = profile_figure(nominal_state(), plant=shipped_plant()).axes[0]
    named = texts(upper)
    assert {"extraction · 26", "scrub · 34", "strip · 8", "feed", "acid", "online XRF"} <= named
    assert "Nd liquor\n99.940 % of REO\n≥ 99.90 % wanted" in named


def test_a_product_below_its_limit_says_so() -> None:
    state = nominal_state()
    poor = replace(state.products["nd"], purity=0.99)
    state = replace(state, products={**state.products, "nd": poor})
    upper = profile_figure(state, plant=shipped_plant()).axes[0]
    assert "Nd liquor\n99.000 % of REO\n< 99.90 % wanted" in texts(upper)


def test_lower_panel_shows_pH_and_total_rare_earths() -> None:
    state = nominal_state()
    _, lower, right = profile_figure(state).axes
    np.testing.assert_allclose(np.asarray(lower.lines[0].get_ydata()), state.aqueous.sum(1) / 1e3)
    np.testing.assert_allclose(np.asarray(right.lines[0].get_ydata()), state.pH)


def test_a_circuit_without_a_plant_is_drawn_too() -> None:
    named = texts(profile_figure(nominal_state()).axes[0])
    assert "scrub · 34" in named
    assert "feed" not in named


@pytest.mark.parametrize(
    ("name", "magic"), [("p.png", b"\x89PNG"), ("p.svg", b"<?xml"), ("p.PDF", b"%PDF")]
)
def test_picture_is_written_by_its_ending(tmp_path: Path, name: str, magic: bytes) -> None:
    save_profile(nominal_state(), tmp_path / name, plant=shipped_plant())
    assert (tmp_path / name).read_bytes().startswith(magic)


def test_the_same_state_gives_the_same_file(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        save_profile(nominal_state(), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecificationError, match=r"\.png, \.svg, \.pdf"):
        save_profile(nominal_state(), tmp_path / "p.doc")
    with pytest.raises(SpecificationError, match="cannot be written"):
        save_profile(nominal_state(), tmp_path / "absent" / "p.png")


def test_notes_hide_no_curve_and_stages_are_whole() -> None:
    """Also where the curve of a third element runs below a product, as in short banks."""
    state = nominal_state()
    low = np.array(state.aqueous)
    low[:, 0] = 0.02 * low.sum(axis=1)
    for bent in (state, replace(state, aqueous=low)):
        figure = profile_figure(bent, plant=shipped_plant())
        figure.canvas.draw()
        upper, lower = figure.axes[:2]
        notes = [each for each in upper.texts if "wanted" in each.get_text()]
        boxes = [each.get_bbox_patch().get_window_extent() for each in notes]  # type: ignore[union-attr]
        assert len(boxes) == 2
        assert not boxes[0].overlaps(boxes[1])
        for line in upper.lines[: 2 * len(state.elements)]:
            fine = np.linspace(1.0, len(state.sections), 4000)
            drawn = np.asarray(line.get_ydata(), dtype=float)
            height = 10.0 ** np.interp(fine, np.arange(1, len(drawn) + 1), np.log10(drawn))
            places = upper.transData.transform(np.stack([fine, height], axis=1))
            for box in boxes:
                assert not np.any(
                    np.isfinite(places).all(axis=1) & [box.contains(*p) for p in places]
                )
        assert all(float(tick).is_integer() for tick in lower.get_xticks())


def test_spans_count_stages_from_one() -> None:
    assert spans(("a", "a", "b", "c", "c")) == [("a", 1, 2), ("b", 3, 3), ("c", 4, 5)]
