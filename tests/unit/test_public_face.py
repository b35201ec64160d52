"""`import raffinate as rf`: the names it offers, each resolved when first asked for."""

from __future__ import annotations

import pytest

import raffinate as rf

CONTRACT = {
    "BalanceError",
    "Circuit",
    "ConvergenceError",
    "DataError",
    "Plant",
    "RaffinateError",
    "Section",
    "Source",
    "SpecificationError",
    "equilibrate",
    "fit_system",
    "load_plant",
    "load_system",
    "simulate",
    "solve_steady",
    "to_si",
}


def test_every_name_of_the_contract_is_offered():
    assert set(rf.__all__) >= CONTRACT


def test_no_name_is_offered_twice_and_the_face_stays_small():
    assert len(rf.__all__) == len(set(rf.__all__))
    assert len(rf.__all__) <= 30


def test_each_name_resolves_and_has_a_docstring():
    for name in rf.__all__:
        assert name.startswith("__") or getattr(rf, name).__doc__, name


def test_names_are_listed_before_they_are_loaded():
    assert set(rf.__all__) <= set(dir(rf))


def test_an_unknown_name_is_an_attribute_error():
    missing = "no_such_name"
    with pytest.raises(AttributeError, match=missing):
        getattr(rf, missing)
