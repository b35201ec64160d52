"""Figures of the alarm system against counts made by hand."""

from __future__ import annotations

import json

import pytest

from raffinate.runtime.alarm_figures import DAY, PERIOD, WINDOW, AlarmBook
from raffinate.runtime.alarms import AlarmList, Finding
from raffinate.units import HOUR


def one(tag: str, priority: str = "low") -> dict[str, Finding]:
    return {tag: (f"{tag} is wrong", priority)}  # type: ignore[dict-item]


def pulse(alarms: AlarmList, tag: str, time: float, life: float = 60.0) -> None:
    alarms.update(one(tag), time)
    alarms.update({}, time + life)


def test_rates_are_means_over_the_time_that_has_passed() -> None:
    alarms = AlarmList()
    alarms.update({}, 0.0)
    for hour in range(48):
        pulse(alarms, f"tag {hour % 5}", hour * HOUR + 120.0)
    figures = alarms.figures(48.0 * HOUR)
    assert figures["per_10_min"] == pytest.approx(24 / 144)
    assert figures["per_hour"] == pytest.approx(1.0)
    assert figures["per_day"] == pytest.approx(24.0)
    assert figures["peak_10_min"] == 1


def test_the_first_minutes_are_not_blown_up_to_a_day() -> None:
    alarms = AlarmList()
    alarms.update({}, 0.0)
    pulse(alarms, "a", 60.0)
    figures = alarms.figures(120.0)
    assert (figures["per_10_min"], figures["per_hour"], figures["per_day"]) == (1.0, 1.0, 1.0)


def test_a_flood_begins_above_ten_calls_in_ten_minutes_and_ends_below_five() -> None:
    book = AlarmBook()
    book.look(0.0)
    for n in range(10):
        book.call(f"tag {n}", "low", 30.0 + n, raised=True)
    assert not book.look(60.0)
    book.call("one more", "low", 70.0, raised=True)
    assert book.look(70.0)
    assert book.flood
    for n in range(5):
        book.call(f"again {n}", "low", 500.0, raised=True)
    assert not book.look(1000.0)
    assert book.look(1101.0)
    assert not book.flood
    rates = book.rates(6000.0)
    assert rates["peak_10_min"] == 16
    assert rates["flood_percent"] == pytest.approx(10.0)


def test_three_times_in_an_hour_is_chattering_and_twice_is_not() -> None:
    alarms = AlarmList()
    pulse(alarms, "a", 0.0)
    pulse(alarms, "a", 1200.0)
    assert alarms.figures(1260.0)["chattering"] == []
    pulse(alarms, "a", 2400.0)
    assert alarms.figures(2460.0)["chattering"] == ["a"]
    alarms.update({}, 3700.0)
    assert alarms.figures(3700.0)["chattering"] == []


def test_what_goes_before_anybody_could_act_is_fleeting() -> None:
    alarms = AlarmList()
    pulse(alarms, "short", 0.0, life=600.0)
    pulse(alarms, "long", 2000.0, life=660.0)
    alarms.update(one("seen"), 4000.0)
    alarms.act("acknowledge", "seen", 4010.0, "anna")
    alarms.update({}, 4060.0)
    assert alarms.figures(5000.0)["fleeting"] == {"short": 1}


def test_what_stands_longer_than_a_day_is_stale_unless_put_aside() -> None:
    alarms = AlarmList()
    alarms.update(one("a") | one("b"), 0.0)
    assert alarms.figures(DAY)["stale"] == []
    assert alarms.figures(DAY + 60.0)["stale"] == ["a", "b"]
    alarms.act("suppress", "b", DAY, "eva")
    assert alarms.figures(DAY + 60.0)["stale"] == ["a"]


def test_the_most_frequent_alarms_and_priorities_have_their_shares() -> None:
    book = AlarmBook()
    book.look(0.0)
    for n in range(12):
        for _ in range(12 - n):
            book.call(f"tag {n:02}", "high" if n == 0 else "low", 60.0, raised=True)
    found = book.frequent()
    assert [each["tag"] for each in found["top"]] == [f"tag {n:02}" for n in range(10)]
    assert found["top"][0] == {"tag": "tag 00", "count": 12, "share": pytest.approx(12 / 78)}
    assert found["top_10_percent"] == pytest.approx(100 * 75 / 78)
    assert found["by_priority"] == {"high": 12, "medium": 0, "low": 66}


def test_the_book_looks_back_thirty_days_and_does_not_grow() -> None:
    book = AlarmBook()
    sizes = []
    for day in range(90):
        for period in range(0, 144, 7):
            time = day * DAY + period * PERIOD
            book.call(f"tag {period % 3}", "low", time, raised=True)
            book.look(time)
        sizes.append(json.dumps(book.state()).count(","))
    assert max(sizes[60:]) == max(sizes[32:60])
    rates = book.rates(90.0 * DAY)
    assert rates["per_day"] == pytest.approx(21.0, rel=0.04)
    assert book.count == 90 * 21
    assert WINDOW == 30.0 * DAY


def test_calls_from_a_future_that_was_taken_back_make_no_flood() -> None:
    book = AlarmBook()
    book.look(0.0)
    for n in range(12):
        book.call(f"tag {n}", "low", 9000.0, raised=True)
    assert book.look(9000.0)
    book.go_back(600.0)
    book.look(600.0)
    assert not book.flood


def test_a_book_goes_on_where_it_was_written_down() -> None:
    book = AlarmBook()
    book.look(0.0)
    for n in range(4):
        book.call("a", "medium", 600.0 * n, raised=True)
    again = AlarmBook()
    again.restore(json.loads(json.dumps(book.state())))
    assert again.state() == book.state()
    assert again.chatters("a")
    assert again.rates(2400.0) == book.rates(2400.0)
