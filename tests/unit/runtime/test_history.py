"""The record of a run: rows and notes since a page last looked."""

from __future__ import annotations

import pytest

from raffinate.runtime.history import History
from raffinate.runtime.messages import Note


def note(text: str) -> Note:
    return Note(time=0.0, kind="run", text=text)


def test_a_column_that_is_not_given_holds_none():
    history = History(("a", "b"))
    history.append({"a": 1.0})
    assert history.columns() == {"a": [1.0], "b": [None]}


@pytest.mark.parametrize(("since", "expected"), [(0, [0.0, 1.0, 2.0]), (2, [2.0]), (3, [])])
def test_rows_since_are_those_written_after(since, expected):
    history = History(("a",))
    for value in range(3):
        history.append({"a": float(value)})
    assert history.columns(since)["a"] == expected


def test_the_oldest_rows_are_dropped_and_the_count_goes_on():
    history = History(("a",), longest=2)
    for value in range(5):
        history.append({"a": float(value)})
    assert history.written == 5
    assert history.columns(0)["a"] == [3.0, 4.0]
    assert history.columns(4)["a"] == [4.0]


def test_notes_since_are_those_written_after():
    history = History(("a",))
    history.note(note("first"), note("second"))
    seen = history.noted
    history.note(note("third"))
    assert [each.text for each in history.notes_since(seen)] == ["third"]
    assert history.notes_since(history.noted) == []
    assert len(history.notes_since(0)) == 3


def test_the_record_becomes_a_table():
    history = History(("t_h", "a"))
    history.append({"t_h": 0.5, "a": 2.0})
    table = history.to_dataframe()
    assert list(table.columns) == ["t_h", "a"]
    assert table["a"].tolist() == [2.0]
