from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from raffinate.errors import BalanceError, SpecificationError
from raffinate.plots.flow_links import FlowLink, check_links, circuit_links
from raffinate.plots.sankey import (
    KMOL_PER_H,
    area_colours,
    circuit_sankey_figure,
    sankey_figure,
    save_circuit_sankey,
    save_sankey,
)
from raffinate.plots.sankey_layout import lay_out
from solved_plants import nominal_state, shipped_plant


def links(*ways: tuple[str, str, float]) -> list[FlowLink]:
    return [FlowLink(source=a, target=b, element="Nd", flow=flow) for a, b, flow in ways]


RECYCLE = links(
    ("feed", "one", 1.0), ("one", "two", 1.5), ("two", "three", 1.2), ("three", "one", 0.5),
    ("two", "cake", 0.3), ("three", "liquor", 0.7),
)  # fmt: skip


def test_every_element_that_enters_a_circuit_leaves_it_as_a_product() -> None:
    plant, state = shipped_plant(), nominal_state()
    found = circuit_links(plant, state)
    assert state.operation is not None
    for index, symbol in enumerate(state.elements):
        flow = {(link.source, link.target): link.flow for link in found if link.element == symbol}
        fed = state.operation.feed_flow * state.operation.feed_concentration(state.elements)
        assert flow[("feed", "extraction")] == pytest.approx(float(fed[index]), rel=1e-9)
        assert flow[("extraction", "raffinate")] == pytest.approx(float(state.raffinate[index]))
        assert flow[("strip", "strip liquor")] == pytest.approx(float(state.drawn[index]))
        gone = flow[("extraction", "raffinate")] + flow[("strip", "strip liquor")]
        assert gone == pytest.approx(flow[("feed", "extraction")], rel=1e-6)
        assert flow[("strip", "scrub")] > 0.0  # the reflux
    drawn = {link.source for link in found if link.target == "strip liquor"}
    assert drawn == {"strip"}
    assert "acid" not in {link.source for link in found}


def test_metal_that_appears_or_vanishes_is_not_drawn() -> None:
    with pytest.raises(BalanceError, match="flows: one"):
        check_links(links(("feed", "one", 1.0), ("one", "out", 0.9)))
    plant, state = shipped_plant(), nominal_state()
    wrong = np.array(state.organic)
    wrong[25] *= 1.01
    with pytest.raises(BalanceError, match=r"flows: (extraction|scrub)"):
        circuit_links(plant, replace(state, organic=wrong))


@pytest.mark.parametrize(
    "wrong",
    [links(("a", "b", -1.0)), links(("a", "b", float("nan"))), links(("a", "a", 1.0)),
     links(("a", "b", 0.0))],
)  # fmt: skip
def test_what_is_no_flow_is_refused(wrong: list[FlowLink]) -> None:
    with pytest.raises(SpecificationError, match="flows"):
        sankey_figure(wrong)


def test_parts_stand_behind_what_feeds_them_and_the_way_back_runs_to_the_left() -> None:
    layout = lay_out(RECYCLE)
    columns = [layout.column[part] for part in ("feed", "one", "two", "three", "cake", "liquor")]
    assert columns == [0, 1, 2, 3, 3, 4]
    (back,) = [bundle for bundle in layout.bundles if bundle.target == "one" != bundle.source
               and bundle.source == "three"]  # fmt: skip
    assert len(back.path) == 3  # it has a lane past the part between
    assert layout.height["two"] == pytest.approx(1.5)
    assert layout.height["one"] == pytest.approx(2.0)  # what leaves and returns on its right


def test_nothing_in_a_column_overlaps() -> None:
    layout = lay_out(RECYCLE)
    for place in set(layout.column.values()):
        boxes = sorted(
            (layout.low[box], layout.low[box] + layout.height[box])
            for box, column in layout.column.items()
            if column == place
        )
        for (_, top), (bottom, _) in pairwise(boxes):
            assert bottom > top


def test_two_parts_in_one_column_cannot_be_linked() -> None:
    with pytest.raises(SpecificationError, match="one column"):
        sankey_figure(links(("a", "b", 1.0)), columns={"a": 0, "b": 0})
    with pytest.raises(SpecificationError, match="b has no column"):
        sankey_figure(links(("a", "b", 1.0)), columns={"a": 0})


def test_a_circuit_is_drawn_with_names_and_amounts(tmp_path: Path) -> None:
    plant, state = shipped_plant(), nominal_state()
    (axes,) = circuit_sankey_figure(plant, state).axes
    texts = {text.get_text() for text in axes.texts}
    for name in ("feed", "extraction", "scrub", "strip", "raffinate", "strip liquor"):
        assert name in texts
    assert f"{state.drawn.sum() * KMOL_PER_H:.3g} →" in texts
    assert f"← {state.raffinate.sum() * KMOL_PER_H:.3g}" in texts
    save_circuit_sankey(plant, state, tmp_path / "flows.html")
    page = (tmp_path / "flows.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 1
    assert "<?xml" not in page
    assert "http-equiv" not in page
    assert "src=" not in page
    save_sankey(RECYCLE, tmp_path / "flows.png")
    assert (tmp_path / "flows.png").stat().st_size > 10_000
    with pytest.raises(SpecificationError, match=r"\.html"):
        save_sankey(RECYCLE, tmp_path / "flows.gif")


def test_fifteen_elements_have_fifteen_colours() -> None:
    names = tuple("abcdefghijklmno")
    assert len(set(area_colours(names).values())) == 15
