"""The past as the page gets it: rows once each, notes once each, frames of what was known then."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fake_page import FLOWS, assay, plant_values, reading
from raffinate.errors import DataError
from raffinate.instruments.reading import Reading
from raffinate.plant.plant_file import load_plant
from raffinate.runtime.historian import Historian, open_historian
from raffinate.runtime.messages import CHECK, Note
from raffinate.runtime.page_history import MOST_NOTES, PageHistory
from raffinate.runtime.records import Record

EPOCH = 1_700_000_000_000_000
PLANT = load_plant("ceprnd_p507")
VALUES = {
    path: float(value)
    for path, value in plant_values(PLANT).items()
    if isinstance(value, (int, float)) and not path.startswith(("PLC", "Pace", "Interlocks"))
}
PROFILE = {
    path: tuple(value) for path, value in plant_values(PLANT).items() if isinstance(value, tuple)
}


def record(
    sequence: int,
    scan: int,
    samples: tuple[Reading, ...] = (),
    notes: tuple[Note, ...] = (),
    **values: float,
) -> Record:
    """Return what a plant's server says after a scan; its measured organic flow counts scans."""
    own = {"Levers/organic_flow/Measured": float(scan), **VALUES, **values}
    own["Levers/organic_flow/Measured"] = float(scan)
    return Record(
        sequence=sequence,
        time=60.0 * scan,
        wall=EPOCH + sequence,
        values=own,
        arrays=PROFILE if scan % 10 == 0 else {},
        samples=samples,
        notes=notes,
    )


@pytest.fixture
def historian(tmp_path: Path) -> Iterator[Historian]:
    found = open_historian(tmp_path / "history.sqlite")
    yield found
    found.close()


@pytest.fixture
def history(historian: Historian, tmp_path: Path) -> Iterator[PageHistory]:
    found = PageHistory(str(tmp_path / "history.sqlite"), PLANT, EPOCH, virtual=True)
    yield found
    found.close()


@pytest.fixture
def take(historian: Historian) -> Callable[..., None]:
    return lambda source, *records: historian.take(source, records, EPOCH)


def test_before_there_is_a_history_it_is_told(tmp_path):
    history = PageHistory(str(tmp_path / "none.sqlite"), PLANT, EPOCH, virtual=True)
    with pytest.raises(DataError):
        history.news()


def test_an_empty_history_has_no_news(history):
    news = history.news()
    assert not news.rows["t_h"]
    assert news.span is None
    with pytest.raises(DataError, match="no history yet"):
        history.frame(0.0)


def test_rows_come_once_at_control_periods(history, take):
    take("plant", *(record(n, n) for n in range(1, 26)))
    news = history.news()
    assert news.rows["t_h"] == pytest.approx([1 / 6, 2 / 6])
    assert news.rows["organic_flow"] == [10.0, 20.0]
    assert news.rows["organic_flow_sp"] == [FLOWS["organic_flow"]] * 2
    assert news.rows["cepr_impurity"] == pytest.approx([0.0005] * 2)
    assert news.rows["feed_nd_mass_fraction"] == [0.3] * 2
    assert news.span == (60.0, 1500.0)
    assert not history.news().rows["t_h"]
    take("plant", *(record(n, n) for n in range(26, 31)))
    news = history.news()
    assert news.rows["t_h"] == pytest.approx([0.5])
    assert news.rows["organic_flow"] == [30.0]


def test_a_long_history_is_read_in_buckets_of_a_period(history, take):
    periods = 300
    take("plant", *(record(n, 10 * n) for n in range(1, periods + 1)))
    rows = history.news().rows
    assert rows["t_h"] == pytest.approx([n / 6 for n in range(1, periods + 1)])
    assert rows["organic_flow"] == [10.0 * n for n in range(1, periods + 1)]


def test_a_bad_value_is_an_empty_place(history, take):
    bad = {"Truth/Products/nd/Purity": math.nan}
    take("plant", *(record(n, n, **(bad if n > 10 else {})) for n in range(1, 21)))
    assert history.news().rows["nd_impurity"] == [pytest.approx(0.0005), None]


def test_an_assay_stands_in_the_row_in_which_it_was_known(history, take):
    """Sampled at 0.1 h, known at 4.1 h: in the row of 4 h 10 min."""
    sample = assay("nd", 0.1, (0.1, 0.1, 900.0))
    early = [record(n, 10 * n) for n in range(1, 25)]
    take("plant", *early)
    assert set(history.news().rows["nd_lab_impurity"]) == {None}
    take("plant", record(25, 250, samples=(sample, reading("nd", 4.0))), record(26, 260))
    rows = history.news().rows
    assert rows["t_h"] == pytest.approx([25 / 6, 26 / 6])
    assert rows["nd_lab_impurity"] == [pytest.approx(sample.impurity(("Nd",))[0]), None]


def test_notes_of_both_servers_come_once_whatever_their_times(history, take):
    def note(time: float, text: str) -> Note:
        return Note(time=time, kind="run", text=text)

    take("plant", record(1, 10, notes=(note(600.0, "a"),)))
    assert [event["text"] for event in history.news().events] == ["a"]
    take("operate", Record(sequence=1, time=540.0, wall=0, notes=(note(540.0, "b"),)))
    take("plant", record(2, 20, notes=(note(600.0, "c"),)))
    assert sorted(event["text"] for event in history.news().events) == ["b", "c"]
    assert history.news().events == ()


def test_no_more_notes_come_than_the_page_keeps(history, take):
    notes = tuple(Note(time=float(n), kind="run", text=str(n)) for n in range(MOST_NOTES + 50))
    take("plant", record(1, 10, notes=notes))
    events = history.news().events
    assert len(events) == MOST_NOTES
    assert events[-1]["text"] == notes[-1].text


def test_a_frame_shows_what_was_known_then(history, take):
    take(
        "plant",
        record(1, 10, samples=(reading("stage 5", 0.05), assay("nd", 0.0, (0.1, 0.1, 900.0)))),
        record(2, 20, samples=(reading("stage 5", 0.25),)),
        record(3, 30, **{"Truth/Products/nd/Purity": 0.99}),
    )
    values = {"Mode/Index": 2.0, "Levers/organic_flow/Request": 15.0}
    take("operate", Record(sequence=1, time=600.0, wall=0, values=values))
    frame = history.frame(1300.0)
    assert frame["t_h"] == pytest.approx(1300.0 / 3600.0)
    assert frame["mode"] == "fuzzy"
    assert frame["products"]["nd"]["purity"] == 0.9995
    assert frame["products"]["nd"]["lab"] is None, "the assay is known four hours later"
    assert frame["levers"]["organic_flow"]["measured"] == 20.0
    assert frame["levers"]["organic_flow"]["requested"] == 15.0
    (seen,) = frame["readings"]
    assert seen["age_h"] == pytest.approx(1300.0 / 3600.0 - 0.25)
    assert seen["quality"] == "bad", "the same values twice: frozen"
    assert len(frame["profile"]["aqueous"]["Nd"]) == PLANT.circuit.stages
    assert history.frame(1e9)["t_h"] == pytest.approx(0.5)
    assert history.frame(1e9)["products"]["nd"]["purity"] == 0.99


def test_a_frame_of_a_time_without_profile_has_none(history, take):
    take("plant", record(1, 1))
    assert history.frame(60.0)["profile"] is None


def test_a_check_of_the_analyzer_is_kept_and_is_no_reading_of_the_plant(history, historian, take):
    check = reading("standard", 0.05, (400.0, 200.0, 400.0), instrument=CHECK)
    take("plant", record(1, 10, samples=(check, reading("stage 5", 0.05))))
    assert [row["place"] for row in history.frame(600.0)["readings"]] == ["stage 5"]
    (kept,) = historian.samples("standard", EPOCH, EPOCH + 10**10)
    assert kept.reading.instrument == CHECK


def test_tags_are_told_with_their_extremes(history, take):
    take("plant", *(record(n, n) for n in range(1, 61)))
    columns = history.columns(["Levers/organic_flow/Measured", "none"], 0.0, 3600.0, 3)
    tag = "Levers/organic_flow/Measured"
    assert set(columns) == {"t_h"} | {
        f"{t}{e}" for t in (tag, "none") for e in ("", "_low", "_high")
    }
    assert 1 <= len(columns["t_h"]) <= 3
    assert min(v for v in columns[f"{tag}_low"] if v) == 1.0
    assert max(v for v in columns[f"{tag}_high"] if v) == 60.0
    assert set(columns["none"]) <= {None}


def test_a_real_plant_shows_the_impurities_its_analyzer_saw(historian, take, tmp_path):
    history = PageHistory(str(tmp_path / "history.sqlite"), PLANT, EPOCH, virtual=False)
    seen = reading("cepr", 0.1)
    take("plant", record(1, 10), record(2, 20, samples=(seen,)), record(3, 30))
    rows = history.news().rows
    history.close()
    assert "saponification_degree" not in rows
    assert (
        rows["cepr_impurity"]
        == [
            pytest.approx(seen.impurity(("Ce", "Pr"))[0]),
        ]
        * 3
    )
