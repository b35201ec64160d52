"""Errors say where, what, what is allowed, and the mend."""

from __future__ import annotations

import pytest

from raffinate.errors import (
    BalanceError,
    ConvergenceError,
    DataError,
    RaffinateError,
    SpecificationError,
    nearest_name,
)


def test_an_error_reads_as_place_matter_range_and_mend():
    error = SpecificationError(
        "O/A in the mixer is 5.2.", where="strip", allowed="0.333 to 3", mend="Add recycle."
    )
    assert str(error) == "strip: O/A in the mixer is 5.2. Allowed: 0.333 to 3. Add recycle."


def test_parts_that_are_not_given_leave_no_trace():
    assert str(DataError("No rows.")) == "No rows."


@pytest.mark.parametrize(
    ("kind", "exit_code"),
    [(SpecificationError, 2), (DataError, 2), (ConvergenceError, 1), (BalanceError, 1)],
)
def test_the_command_line_exits_as_the_contract_says(kind, exit_code):
    error = kind("wrong", where="here", allowed="right", mend="Mend it.")
    assert isinstance(error, RaffinateError)
    assert error.exit_code == exit_code
    printed = error.to_dict()
    assert {key: printed[key] for key in ("where", "what", "allowed", "mend")} == {
        "where": "here",
        "what": printed["what"],
        "allowed": "right",
        "mend": "Mend it.",
    }
    assert printed["what"].startswith("wrong")


def test_a_convergence_error_carries_its_history_and_worst_place():
    history = [10.0**-power for power in range(8)]
    error = ConvergenceError("Not solved.", history=history, worst_stage=12, worst_element="Nd")
    assert error.history == tuple(history)
    assert error.to_dict()["worst_stage"] == 12
    assert error.to_dict()["worst_element"] == "Nd"
    text = str(error)
    assert "stage 12, Nd" in text
    assert "1.0e-02, 1.0e-03, 1.0e-04, 1.0e-05, 1.0e-06, 1.0e-07" in text
    assert "1.0e-01" not in text  # the last six only


def test_the_nearest_known_name_is_offered():
    known = ("organic_flow", "scrub_acid", "feed")
    assert nearest_name("organic_flwo", known) == "Did you mean 'organic_flow'?"
    assert nearest_name("zzz", known) == "Known: organic_flow, scrub_acid, feed."
