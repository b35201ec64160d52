"""Reports: their figures add up by hand, and nothing written by others gets loose in the page."""

from __future__ import annotations

import math
import re
from contextlib import closing
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from historian_records import EPOCH, at, reading, record
from raffinate.errors import DataError, SpecificationError
from raffinate.plant.lots import booked, open_account
from raffinate.runtime.historian import StoredNote, open_historian
from raffinate.runtime.history_report import build_report, mean_of
from raffinate.runtime.history_report_charts import lever_chart, purity_chart
from raffinate.runtime.history_report_html import report_to_html
from raffinate.runtime.history_report_periods import (
    closed_lot,
    lot_period,
    shift_period,
    span_period,
)
from raffinate.runtime.messages import Note
from raffinate.runtime.twin import Twin

HOUR = 3600.0
HOURS = 30
PURE = (0.3, 0.15, 999.0)
"""Ce, Pr, Nd of a Nd liquor inside its limit, [mol/m³]."""


def hourly(n: int) -> dict[str, float]:
    """What the plant tells after n hours: Nd is off specification from 10 h to 13 h."""
    off = min(max(n - 10, 0), 3)
    return {
        "Truth/Products/nd/Purity": 0.998 if 10 < n <= 13 else 0.9995,
        "Truth/Products/nd/OffSpecHours": float(off),
        "Truth/Products/nd/OffSpecTonnes": 0.1 * off,
        "Truth/Products/nd/MadeTonnes": 0.1 * n,
        "Truth/Products/cepr/Purity": 0.9999,
        "Truth/Products/cepr/MadeTonnes": 0.2 * n,
        # 0.6 t per t until 8 h, and twice that from then on.
        "Truth/Reagents/NH3": (0.6 * min(n, 8) + 1.2 * max(n - 8, 0)) / n,
        "Levers/organic_flow/Measured": 18.0 + 0.1 * n,
        "Levers/organic_flow/InForce": 18.0,
    }


def notes_of(n: int) -> tuple[Note, ...]:
    told = {
        1: ("run", "Run begins in fuzzy, seed 1", "info"),
        9: ("mode", "Mode: manual (Anna)", "info"),
        10: ("mode", "Organic set to 18.6 m³/h (Anna)", "info"),
        12: ("mode", "Mode: fuzzy (Anna)", "info"),
        11: ("alarm", "Purity <low> & falling", "high"),
        13: ("alarm", "Cleared: Purity <low> & falling", "info"),
        14: ("lot", "nd lot 1 closed at 99.9400%", "info"),
        15: ("alarm", "xrf is stale", "medium"),
        20: ("upset", "Upset: Scrub pump trip", "medium"),
        22: ("lot", "nd lot 2 closed at 99.8000%, below its limit", "high"),
    }
    kind, text, priority = told.get(n, ("", "", ""))
    return (Note(time=n * HOUR, kind=kind, text=text, priority=priority),) if kind else ()


def changes_of(n: int) -> tuple[dict, ...]:
    if n != 9:
        return ()
    common = {"plant_time": 9 * HOUR, "user": "<b>Anna</b>", "role": "operator", "source": "web"}
    return (
        {**common, "what": "Mode/Request", "old": "fuzzy", "new": "manual", "accepted": True},
        {
            **common, "what": "Levers/scrub_flow/Request", "old": 1.123456789, "new": 99.0,
            "accepted": False, "reason": "Allowed: 0.2 to 1.2 m³/h.",
        },
    )  # fmt: skip


@pytest.fixture
def historian(tmp_path):
    with closing(open_historian(tmp_path / "history.sqlite")) as opened:
        records = [
            record(
                n, time=n * HOUR, values=hourly(n), notes=notes_of(n), changes=changes_of(n),
                samples=(
                    reading("nd", n * HOUR - 600.0, PURE),
                    *([reading("nd", n * HOUR, PURE, "assay", 4 * HOUR)] if n % 8 == 0 else ()),
                ),
            )
            for n in range(1, HOURS + 1)
            if n != 17
        ]  # fmt: skip
        opened.take("plant", records, EPOCH)
        yield opened


@pytest.fixture
def shift(historian, default_plant):
    """The second shift, from 8 h to 16 h."""
    return build_report(historian, default_plant, shift_period(historian, 8.0, 10.0))


def test_a_shift_counts_what_happened_in_it(shift):
    nd = next(product for product in shift.products if product.name == "nd")
    assert nd.off_spec_h == pytest.approx(3.0)
    assert nd.off_spec_t == pytest.approx(0.3)
    assert nd.made_t == pytest.approx(0.8)
    assert shift.reagents["NH3"] == pytest.approx(1.2)
    assert math.isnan(shift.reagents["HCl"])
    assert nd.worst == (at(11 * HOUR), 0.998)
    assert nd.mean == pytest.approx((5 * 0.9995 + 3 * 0.998) / 8)
    assert nd.margin == pytest.approx(math.log10(0.001 / (1.0 - nd.mean)))
    assert not nd.on_spec
    assert [(lot.number, lot.purity) for lot in nd.lots] == [(1, pytest.approx(0.9994))]
    assert shift.alarm_count == {"high": 1, "medium": 1, "low": 0}


def test_shifts_add_up_to_the_whole(historian, default_plant):
    shifts = [
        build_report(historian, default_plant, shift_period(historian, 8.0, at_h))
        for at_h in (0.0, 8.0, 16.0, 24.0)
    ]
    whole = build_report(historian, default_plant, span_period(historian, 0.0))
    for name in ("made_t", "off_spec_h", "off_spec_t"):
        parts = sum(getattr(shift.products[1], name) for shift in shifts)
        assert parts == pytest.approx(getattr(whole.products[1], name))
    for name in ("alarms", "upsets", "changes"):
        assert sum(len(getattr(shift, name)) for shift in shifts) == len(getattr(whole, name)) > 0
    counted = sum(point for shift in shifts for point in shift.products[1].outlet.count)
    assert counted == HOURS - 1


def test_laboratory_and_outlet_are_compared_at_the_time_of_the_sample(shift):
    nd = next(product for product in shift.products if product.name == "nd")
    measured = 1.0 - reading("nd", 0.0, PURE).impurity(("Nd",))[0]
    assert len(nd.lab) == 1
    assert mean_of(nd.lab)[0] == pytest.approx(measured)
    assert nd.lab_bias[0] == pytest.approx(measured - 0.9995)
    assert len(nd.analyzer) == 8
    assert mean_of(nd.analyzer)[1] == pytest.approx(nd.analyzer[0].sigma / math.sqrt(8))


def test_modes_follow_each_other_without_a_gap(shift):
    hours = [(shift.period.plant_hour(b), shift.period.plant_hour(e), m) for b, e, m in shift.modes]
    assert [mode for *_, mode in hours] == ["fuzzy", "manual", "fuzzy"]
    assert [begin for begin, *_ in hours] == pytest.approx([8.0, 9.0, 12.0])
    assert [end for _, end, _ in hours] == pytest.approx([9.0, 12.0, 16.0])


def test_missing_records_and_bad_values_are_named(historian, default_plant):
    broken = reading("stage 5", 29 * HOUR, (math.nan,) * 3)
    historian.take("plant", [record(31, time=30.5 * HOUR, samples=(broken,))], EPOCH)
    report = build_report(historian, default_plant, span_period(historian))
    assert [(gap.first, gap.last) for gap in report.gaps] == [(17, 17)]
    assert report.values[1] == 3
    assert [name for name, *_ in report.worst_tags] == [
        f"plant:xrf/stage 5/{element}" for element in ("Ce", "Nd", "Pr")
    ]
    stage = next(s for s in report.streams if s.place == "stage 5")
    assert (stage.count, stage.bad) == (1, 1)
    page = report_to_html(report)
    assert "plant 17 to 17" in page
    assert "No record is missing" not in page


def test_a_lot_is_filled_from_the_close_of_the_one_before(historian, default_plant):
    period = lot_period(historian, "nd", 2)
    assert period.plant_hour(period.begin_us) == pytest.approx(14.0)
    assert period.plant_hour(period.end_us) == pytest.approx(22.0)
    report = build_report(historian, default_plant, period)
    nd = next(product for product in report.products if product.name == "nd")
    assert [lot.number for lot in nd.lots] == [2]
    assert "▲ below its limit" in report_to_html(report)
    assert lot_period(historian, "nd", 1).plant_hour(lot_period(historian, "nd", 1).end_us) == 14.0
    with pytest.raises(SpecificationError, match="lots closed: 1, 2"):
        lot_period(historian, "nd", 3)


def test_the_words_in_which_the_twin_closes_a_lot_are_understood(default_plant):
    product = replace(default_plant.products["nd"], lot_mass=1.0)
    elements = default_plant.circuit.elements
    left = np.array([10.0 if symbol == "Nd" else 0.001 for symbol in elements])
    _, (purity, *_) = booked(open_account(elements), product, elements, left, 0.0, 60.0)
    twin = object.__new__(Twin)
    twin.plant = replace(default_plant, products={"nd": product})
    twin.accounts = {"nd": open_account(elements)}
    twin._elements = elements
    note = twin._book(left, left, 0.0, 60.0)[0]
    lot = closed_lot(
        StoredNote(
            t_us=5, source="plant", sequence=1, kind=note.kind, text=note.text,
            priority=note.priority,
        )
    )  # fmt: skip
    assert lot is not None
    assert (lot.product, lot.number, lot.t_us) == ("nd", 1, 5)
    assert lot.purity == pytest.approx(purity, abs=1e-6)


def test_the_last_complete_shift_is_meant_where_none_is_named(historian):
    assert shift_period(historian).title == "Shift 3, 8 h"
    assert shift_period(historian, 24.0).title == "Shift 1, 24 h"
    running = shift_period(historian, 8.0, 29.0)
    assert (running.title, running.complete) == ("Shift 4, 8 h", False)
    with pytest.raises(SpecificationError, match=r"0\.8 to 30\.0"):
        shift_period(historian, 8.0, 99.0)
    with pytest.raises(SpecificationError, match="above 0 h"):
        shift_period(historian, -1.0)


def test_an_empty_history_has_no_period(tmp_path):
    with closing(open_historian(tmp_path / "h.sqlite")) as empty:
        for ask in (shift_period, span_period, lambda each: lot_period(each, "nd", 1)):
            with pytest.raises(DataError, match="empty"):
                ask(empty)


def test_a_real_plant_is_judged_by_its_measurements(tmp_path, default_plant):
    impure = (3.0, 1.5, 995.0)
    with closing(open_historian(tmp_path / "h.sqlite")) as historian:
        samples = [reading("nd", 600.0 * n, PURE if n < 5 else impure) for n in range(1, 9)]
        historian.take("operate", [record(1, time=6000.0, samples=tuple(samples))], EPOCH)
        report = build_report(historian, default_plant, span_period(historian))
    nd = next(product for product in report.products if product.name == "nd")
    lowest = 1.0 - samples[-1].impurity(("Nd",))[0]
    assert nd.worst == (at(3000.0), pytest.approx(lowest))
    assert not nd.on_spec
    assert math.isnan(nd.off_spec_h)
    assert math.isnan(nd.made_t)
    cepr = next(product for product in report.products if product.name == "cepr")
    assert math.isnan(cepr.mean)
    page = report_to_html(report)
    assert "no purity is known" in page
    assert "nan" not in page.lower()


def test_a_sample_that_cannot_tell_the_limit_from_nothing_does_not_count(tmp_path, default_plant):
    next_to_nothing = reading("nd", 600.0, (0.3, 0.2, 3.0), covariance=np.eye(3) * 0.25)
    with closing(open_historian(tmp_path / "h.sqlite")) as historian:
        records = [record(1, time=6000.0, samples=(next_to_nothing, reading("nd", 900.0, PURE)))]
        historian.take("plant", records, EPOCH)
        report = build_report(historian, default_plant, span_period(historian))
    nd = next(product for product in report.products if product.name == "nd")
    assert [point.t_us for point in nd.analyzer] == [at(900.0)]


def test_the_page_asks_nothing_of_a_network_and_escapes_what_others_wrote(shift):
    page = report_to_html(shift)
    assert not re.findall(r"https?:|//|src=|url\(|<script|@import", page)
    assert "<b>Anna</b>" not in page
    assert "&lt;b&gt;Anna&lt;/b&gt;" in page
    assert "Purity &lt;low&gt; &amp; falling" in page
    assert "1.12346 → 99" in page
    assert "✕ refused" in page
    assert "1 accepted, 1 refused." in page
    assert "default-src 'none'" in page


def test_the_page_is_well_formed(shift):
    body = report_to_html(shift).partition("<body>")[2].partition("</body>")[0]
    ElementTree.fromstring(f"<body>{body}</body>")


def test_every_point_of_a_chart_lies_on_the_paper(shift, historian, default_plant):
    for period in (shift.period, span_period(historian, 0.0, 1.0), span_period(historian)):
        report = build_report(historian, default_plant, period)
        pictures = [purity_chart(product, period) for product in report.products]
        pictures += [lever_chart(lever, period) for lever in report.levers]
        for picture in filter(None, pictures):
            width, height = (float(n) for n in re.findall(r'viewBox="0 0 (\S+) (\S+)"', picture)[0])
            for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", picture):
                assert 0.0 <= float(x) <= width
                assert 0.0 <= float(y) <= height
    assert lever_chart(shift.levers[0], shift.period).count('class="line"') == 1
    # Nobody told of the other levers.
    assert lever_chart(shift.levers[1], shift.period) == ""
