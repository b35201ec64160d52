"""What every historian promises, in SQLite and, where a server is named, in PostgreSQL."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
import time
from contextlib import closing

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from historian_records import EPOCH, SECOND, at, postgres_schema, reading, record
from raffinate.errors import DataError, SpecificationError
from raffinate.instruments.reading import Reading
from raffinate.runtime.historian import locate_history, open_historian
from raffinate.runtime.historian_answers import plan_trend
from raffinate.runtime.messages import Note
from raffinate.runtime.records import Record

END = 2**62


@pytest.fixture(params=["sqlite", "postgres"])
def place(request, tmp_path):
    """Where a history may be begun."""
    if request.param == "sqlite":
        yield str(tmp_path / "history.sqlite")
    else:
        with postgres_schema() as url:
            yield url


@pytest.fixture
def historian(place):
    with closing(open_historian(place)) as opened:
        yield opened


def counted(historian, tag="A") -> list[int]:
    return historian.rows(tag, 0, END).sequence.tolist()


def test_a_text_that_no_database_holds_does_not_stop_the_history(historian):
    note = Note(time=60.0, kind="alarm", text="P-12 \ud800\x00 leaks")
    odd = reading(time=60.0, flags=("\udcff",))
    historian.take("plant", [record(1, notes=(note,), samples=(odd,))], EPOCH)
    assert historian.cursor("plant") == 1
    assert historian.notes(0, END)[0].text == "P-12 \\ud800  leaks"
    assert historian.samples("nd", 0, END)[0].reading.flags == ("\udcff",)


def test_a_value_is_found_under_its_tag_time_and_sequence(historian):
    historian.take("plant", [record(1, values={"Levers/a/Measured": 2.5})], EPOCH)
    rows = historian.rows("Levers/a/Measured", 0, END)
    assert rows.source_time.tolist() == [at(60.0)]
    assert rows.sequence.tolist() == [1]
    assert rows.value.tolist() == [2.5]
    assert rows.result_time.tolist() == [at(60.0)]
    assert rows.wall_time.tolist() == [EPOCH + 1_000]
    assert historian.latest(["Levers/a/Measured"], END) == {
        "Levers/a/Measured": (at(60.0), 2.5, "good")
    }


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_kept_as_bad(historian, broken):
    historian.take("plant", [record(1, values={"A": broken, "B": 1.0})], EPOCH)
    _, value, quality = historian.latest(["A"], END)["A"]
    assert math.isnan(value)
    assert quality == "bad"
    assert historian.bad(0, END) == {"plant:A": (0, 1), "plant:B": (1, 0)}


def test_taking_the_same_records_again_changes_nothing(historian):
    records = [record(n, values={"A": float(n)}) for n in range(1, 6)]
    historian.take("plant", records, EPOCH)
    historian.take("plant", records[2:], EPOCH)
    historian.take("plant", [*records[3:], record(6, values={"A": 6.0})], EPOCH)
    assert counted(historian) == [1, 2, 3, 4, 5, 6]
    assert historian.cursor("plant") == 6
    assert historian.trend("A", 0, END, 1).count.tolist() == [6]
    assert historian.days() == {EPOCH // (86_400 * SECOND): 6}


def test_records_may_come_in_any_order_and_twice_in_one_call(historian):
    records = [record(n, values={"A": float(n)}) for n in (3, 1, 2, 3, 1)]
    historian.take("plant", records, EPOCH)
    assert counted(historian) == [1, 2, 3]
    assert historian.gaps(0, END) == []


def test_records_that_never_came_are_named(historian):
    historian.take("plant", [record(1), record(4)], EPOCH)
    historian.take("plant", [record(6)], EPOCH)
    assert [(gap.first, gap.last) for gap in historian.gaps(0, END)] == [(2, 3), (5, 5)]


def test_every_server_has_its_own_cursor_and_its_own_tags(historian):
    historian.take("operate", [record(1, values={"Levers/a/InForce": 1.0})], EPOCH)
    assert historian.latest(["Levers/a/InForce"], END)["Levers/a/InForce"][1] == 1.0
    historian.take("plant", [record(1, values={"Levers/a/InForce": 2.0}), record(2)], EPOCH)
    names = ["Levers/a/InForce", "plant:Levers/a/InForce", "operate:Levers/a/InForce"]
    assert [value for _, value, _ in historian.latest(names, END).values()] == [2.0, 2.0, 1.0]
    assert (historian.cursor("plant"), historian.cursor("operate")) == (2, 1)
    assert [tag.name for tag in historian.tags()] == [
        "operate:Levers/a/InForce",
        "plant:Levers/a/InForce",
    ]


def test_an_empty_history_answers_with_nothing(historian):
    assert historian.cursor("plant") == 0
    assert historian.span() == (0, 0)
    assert historian.epoch() == 0
    assert historian.latest(["A"], END) == {}
    assert historian.profile(["A"], END) == {}
    assert historian.tags() == ()
    assert historian.notes(0, END) == []
    assert historian.trend("A", 0, END, 100).t_us.size == 0
    assert historian.rows("A", 0, END).value.size == 0
    historian.take("plant", [], EPOCH)
    assert historian.days() == {}


def test_the_span_reaches_from_the_first_to_the_last_source_time(historian):
    historian.take("plant", [record(5, values={"A": 1.0})], EPOCH)
    historian.take("operate", [record(9)], EPOCH)
    historian.take("plant", [record(7, samples=(reading(time=120.0),))], EPOCH)
    assert historian.span() == (at(120.0), at(540.0))
    assert historian.epoch() == EPOCH


def test_a_profile_is_the_newest_at_or_before_a_time(historian):
    records = [record(n, arrays={"Truth/pH": (float(n), math.nan, 1e-300)}) for n in (1, 2, 3)]
    historian.take("plant", records, EPOCH)
    found = historian.profile(["Truth/pH", "Truth/none"], at(179.0))
    assert set(found) == {"Truth/pH"}
    time_us, row = found["Truth/pH"]
    assert time_us == at(120.0)
    np.testing.assert_array_equal(row, [2.0, math.nan, 1e-300])
    row[0] = 1.0
    assert historian.profile(["Truth/pH"], at(59.0)) == {}


def test_a_sample_is_kept_whole_and_element_by_element(historian):
    sample = reading(
        "stage 5", 30.0, (0.2, math.nan, 500.0), delay=7_200.0,
        covariance=np.array([[2.0, 0.1, 0.0], [0.1, 3.0, 0.2], [0.0, 0.2, 1e-9]]),
        chi2_per_dof=1.25, flags=("frozen",), quality="below_limit", instrument="assay",
    )  # fmt: skip
    historian.take("plant", [record(121, samples=(sample, reading("nd", 40.0)))], EPOCH)
    stored = historian.samples("stage 5", 0, END)
    assert [(s.t_us, s.result_us, s.sequence) for s in stored] == [(at(30.0), at(7_230.0), 121)]
    same_reading(stored[0].reading, sample)
    assert len(historian.samples("", 0, END)) == 2
    rows = historian.rows("assay/stage 5/Ce", 0, END)
    assert (rows.source_time[0], rows.result_time[0]) == (at(30.0), at(7_230.0))
    assert historian.latest(["assay/stage 5/Ce"], END)["assay/stage 5/Ce"][2] == "below_limit"
    assert historian.latest(["assay/stage 5/Pr"], END)["assay/stage 5/Pr"][2] == "bad"


def same_reading(found: Reading, expected: Reading) -> None:
    for name in ("values", "covariance", "detection_limit"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    for name in ("place", "elements", "quality", "instrument", "flags", "chi2_per_dof"):
        assert getattr(found, name) == getattr(expected, name)


def test_notes_are_the_newest_of_a_span_and_kind_in_order(historian):
    notes = [
        Note(time=10.0 * n, kind="alarm" if n % 2 else "lot", text=f"{n} “µ”", priority="high")
        for n in range(8)
    ]
    historian.take("plant", [record(1, notes=tuple(notes[:5]))], EPOCH)
    historian.take("operate", [record(1, notes=tuple(notes[5:]))], EPOCH)
    assert [n.text[0] for n in historian.notes(0, END)] == list("01234567")
    assert [n.text[0] for n in historian.notes(at(20.0), at(60.0))] == list("23456")
    assert [n.text[0] for n in historian.notes(0, END, ["alarm"], most=2)] == ["5", "7"]
    assert historian.notes(0, END, most=1)[0].t_us == at(70.0)


def test_changes_keep_every_field_of_the_audit_trail(historian):
    entry = {
        "n": 7, "wall": EPOCH, "plant_time": 30.5, "user": "Åse", "role": "operator",
        "what": "Mode", "old": "fuzzy", "new": 1.25, "accepted": False, "reason": None,
    }  # fmt: skip
    historian.take("operate", [record(1, changes=(entry, {"what": "untimed"}))], EPOCH)
    first, second = historian.changes(0, END)
    assert (first.t_us, first.entry) == (at(30.5), entry)
    assert (second.t_us, second.entry) == (at(60.0), {"what": "untimed"})
    assert historian.changes(at(31.0), at(59.0)) == []


def brute_force(values: dict[int, float], begin: int, end: int, bucket: int) -> list[tuple]:
    rows: dict[int, list[tuple[int, float]]] = {}
    for t, value in sorted(values.items()):
        if begin <= t <= end:
            rows.setdefault(t // bucket, []).append((t, value))
    found = []
    for number, members in sorted(rows.items()):
        good = [(t, v) for t, v in members if not math.isnan(v)]
        v = [value for _, value in good] or [math.nan]
        last = good[-1] if good else (number * bucket, math.nan)
        found.append((last[0], min(v), max(v), sum(v) / len(v), last[1], len(good)))
    return found


@pytest.fixture
def month(historian):
    """Thirty days of one tag at scans of a minute, one value in seven bad, in several takes."""
    rng = np.random.default_rng(1)
    values = {at(60.0 * n): float(v) for n, v in enumerate(rng.standard_normal(43_200), 1)}
    times = list(values)
    for t in times[::7]:
        values[t] = math.nan
    for t in times[1_000:2_000]:
        values[t] = math.nan
    for first in range(0, len(times), 9_999):
        records = [
            record(n + 1, values={"A": values[times[n]], "B": 0.0})
            for n in range(first, min(first + 9_999, len(times)))
        ]
        historian.take("plant", records, EPOCH)
    return historian, values


@pytest.mark.slow
def test_a_trend_is_what_adding_up_the_rows_gives(month):
    historian, values = month
    hours = [(0, 720), (1.01, 719.7), (3, 8), (13.3, 14.9), (10.005, 370.1), (16, 34), (700, 900)]
    for begin, end in [(at(3600 * a), at(3600 * b)) for a, b in hours]:
        for points in (1, 2, 7, 100, 800):
            trend = historian.trend("A", begin, end, points)
            expected = brute_force(values, begin, end, trend.bucket_us)
            assert 0 < len(expected) <= points
            found = (trend.t_us, trend.low, trend.high, trend.mean, trend.last, trend.count)
            for got, wanted in zip(found, zip(*expected, strict=True), strict=True):
                np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-12)


def test_rows_that_come_late_are_in_the_trend_as_well(historian):
    times = [float(t) for t in (100, 90_000, 5_000, 200_000, 4_000, 90_001)]
    for n, t in enumerate(times, 1):
        values = (float(n), 0.0, 1.0)
        historian.take(
            "plant", [record(3_400 + n, samples=(reading(time=t, values=values),))], EPOCH
        )
    trend = historian.trend("xrf/nd/Ce", at(0), at(250_000), 3)
    assert trend.bucket_us >= 86_400 * SECOND
    assert trend.count.sum() == 6
    assert (trend.low.min(), trend.high.max()) == (1.0, 6.0)
    # The last in the order of time, not of arrival.
    assert trend.last.tolist() == [3.0, 4.0]


@given(
    begin=st.integers(0, 2**52),
    span=st.integers(0, 2**50),
    points=st.integers(1, 2_000),
)
def test_no_more_buckets_than_points_touch_a_span(begin, span, points):
    plan = plan_trend(begin, begin + span, points)
    assert (begin + span) // plan.bucket - begin // plan.bucket + 1 <= points
    assert plan.begin <= plan.inner_begin <= plan.inner_end <= plan.end + 1
    if plan.level:
        for edge in (plan.bucket, plan.inner_end):
            assert edge % plan.level == 0 or plan.inner_begin == plan.inner_end


def test_a_reader_sees_what_is_committed_while_the_writer_goes_on(place):
    with closing(open_historian(place)) as writer:
        writer.take("plant", [record(1, values={"A": 1.0})], EPOCH)
        with closing(open_historian(place, read_only=True)) as reader:
            for n in range(2, 30):
                writer.take("plant", [record(n, values={"A": float(n)})], EPOCH)
                assert reader.latest(["A"], END)["A"][1] == n
            with pytest.raises(DataError):
                reader.take("plant", [record(99, values={"A": 0.0})], EPOCH)
    with closing(open_historian(place, read_only=True)) as reader:
        assert counted(reader) == list(range(1, 30))


def test_two_writers_at_once_lose_nothing_and_double_nothing(place):
    with closing(open_historian(place)) as first, closing(open_historian(place)) as second:
        failures: list[BaseException] = []

        def write(historian) -> None:
            try:
                for n in range(1, 41):
                    paths = {"A": float(n), f"T{n}": 0.0}
                    historian.take("plant", [record(n, values=paths)], EPOCH)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=write, args=(each,)) for each in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures
        assert counted(first) == list(range(1, 41))
        assert historian_is_whole(first, 40)


def historian_is_whole(historian, last: int) -> bool:
    """Whether sums, days and rows agree, and nothing is missing."""
    return (
        historian.gaps(0, END) == []
        and historian.cursor("plant") == last
        and sum(good for good, _ in historian.bad(0, END).values())
        == sum(historian.days().values())
    )


def test_a_take_that_fails_leaves_no_trace(historian):
    historian.take("plant", [record(1, values={"A": 1.0})], EPOCH)
    broken = Record(sequence=3, time=180.0, wall=EPOCH, values={"A": 3.0}, arrays={"P": ("x",)})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="x"):
        historian.take("plant", [record(2, values={"A": 2.0, "New": 1.0}), broken], EPOCH)
    assert counted(historian) == [1]
    assert historian.cursor("plant") == 1
    historian.take("plant", [record(2, values={"A": 2.0, "New": 1.0})], EPOCH)
    assert counted(historian) == [1, 2]
    assert counted(historian, "New") == [2]


WRITER = """
import sys
sys.path.insert(0, sys.argv[2])
from historian_records import EPOCH, record
from raffinate.runtime.historian import open_historian
historian = open_historian(sys.argv[1])
print("ready", flush=True)
last = historian.cursor("plant")
while True:
    records = [
        record(n, values={f"T{k}": float(n) for k in range(40)}, arrays={"P": (1.0,) * 68})
        for n in range(last + 1, last + 4)
    ]
    historian.take("plant", records, EPOCH)
    last += 3
"""


@pytest.mark.slow
def test_a_writer_killed_at_any_moment_loses_and_doubles_nothing(place, pytestconfig):
    helpers = str(pytestconfig.rootpath / "tests")
    rng = np.random.default_rng(7)
    reached = []
    for _ in range(6):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, place, helpers], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        with writer.stdout:
            assert writer.stdout.readline() == "ready\n"
            time.sleep(0.02 + 0.3 * rng.random())
            writer.kill()
            writer.wait()
        with closing(open_historian(place)) as historian:
            last = historian.cursor("plant")
            reached.append(last)
            for tag in ("T0", "T39"):
                assert counted(historian, tag) == list(range(1, last + 1))
            assert historian_is_whole(historian, last)
            if last:
                time_us, _ = historian.profile(["P"], END)["P"]
                assert time_us == at(60.0 * last)
    assert reached == sorted(reached)
    assert reached[-1] > reached[0]


def test_reading_what_is_not_there_says_so(tmp_path):
    with pytest.raises(DataError, match="no history yet"):
        open_historian(tmp_path / "none.sqlite", read_only=True)
    assert not list(tmp_path.iterdir())
    (tmp_path / "empty.sqlite").touch()
    with pytest.raises(DataError, match="no history in it yet"):
        open_historian(tmp_path / "empty.sqlite", read_only=True)


@pytest.mark.parametrize("read_only", [False, True])
def test_another_kind_of_file_is_refused_and_left_alone(tmp_path, read_only):
    import sqlite3

    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE mine (x)")
        other.commit()
    before = path.read_bytes()
    with pytest.raises(DataError, match="version 0"):
        open_historian(path, read_only=read_only)
    assert path.read_bytes() == before
    text = tmp_path / "text.sqlite"
    text.write_text("not a database at all, but long enough to be read as one" * 30)
    with pytest.raises(DataError, match="not a database"):
        open_historian(text, read_only=read_only)


def test_a_file_of_a_later_version_is_refused(tmp_path):
    import sqlite3

    path = tmp_path / "history.sqlite"
    open_historian(path).close()
    with closing(sqlite3.connect(path)) as later:
        later.execute("PRAGMA user_version = 99")
    with pytest.raises(DataError, match="version 99"):
        open_historian(path)


def test_a_closed_history_says_so(place):
    historian = open_historian(place)
    historian.close()
    with pytest.raises(DataError):
        historian.span()


def test_a_run_directory_holds_its_history_or_names_it(tmp_path):
    open_historian(tmp_path).close()
    found = locate_history(str(tmp_path))
    assert found.database == tmp_path / "history.sqlite"
    assert found.settings == {}
    (tmp_path / "run.json").write_text('{"plant": "ceprnd_p507"}')
    assert locate_history(str(tmp_path / "history.sqlite")).settings["plant"] == "ceprnd_p507"
    (tmp_path / "run.json").write_text('{"history_url": "postgresql://there/db"}')
    assert locate_history(str(tmp_path)).database == "postgresql://there/db"
    assert locate_history("postgres://there/db").folder is None


def test_a_place_without_history_is_an_error_that_says_what_would_do(tmp_path):
    with pytest.raises(DataError, match="a run directory"):
        locate_history(str(tmp_path / "none"))
    with pytest.raises(SpecificationError, match="mysql"):
        open_historian("mysql://there/db")
    (tmp_path / "run.json").write_text("[1]")
    with pytest.raises(DataError, match="settings"):
        locate_history(str(tmp_path))
