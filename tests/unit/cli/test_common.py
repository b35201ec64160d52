from __future__ import annotations

import json
import math

import pytest
import typer

from raffinate.cli.common import amount, failing_politely, progress, to_json
from raffinate.errors import BalanceError, DataError


def test_a_deliberate_error_ends_politely(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught, failing_politely():
        raise DataError("it is wrong.", where="there", allowed="right", mend="Mend it.")
    assert caught.value.exit_code == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "error: there: it is wrong.\n  allowed: right\n  mend: Mend it.\n"


def test_the_same_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught, failing_politely(as_json=True):
        raise BalanceError("metal appears.", where="stage 3")
    assert caught.value.exit_code == 1
    error = json.loads(capsys.readouterr().err)["error"]
    assert error == {"where": "stage 3", "what": "metal appears.", "allowed": "", "mend": ""}


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), failing_politely():
        raise ZeroDivisionError


def test_progress_says_nothing_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with progress("Solving", 3) as advance:
        advance()
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "")


def test_json_has_null_for_what_is_not_finite() -> None:
    assert json.loads(to_json({"a": [math.inf, math.nan, 1.5], "b": (-math.inf,)})) == {
        "a": [None, None, 1.5],
        "b": [None],
    }


@pytest.mark.parametrize(
    ("value", "text"), [(1.23456, "1.2346"), (0.001, "0.0010"), (9e-4, "9.0e-04"), (0.0, "0.0000")]
)
def test_traces_are_shown_in_powers_of_ten(value: float, text: str) -> None:
    assert amount(value) == text
