"""What holds for every contact, whatever the system and the activity model."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from raffinate.chemistry.contact import equilibrate
from raffinate.chemistry.contact_phases import charge_of
from raffinate.chemistry.contact_solve import solve_contact
from raffinate.chemistry.system_file import load_system
from raffinate.chemistry.system_tableau import exchange_constants, extractant_units, system_tableau
from raffinate.errors import ConvergenceError

ELEMENTS = {
    "p507_hcl": ("Ce", "Nd", "Y"),
    "d2ehpa_chloride": ("La", "Nd", "Dy"),
    "d2ehpa_tbp_sulfate": ("La", "Y", "Fe"),
    "cyanex272": ("Pr", "Nd", "Dy"),
    "naphthenic_acid": ("La", "Nd", "Y"),
    "pc88a_nitrate": ("La", "Nd", "Al"),
    "tbp_nitrate": ("La", "Nd", "Y"),
}
CASES = [(name, "ideal") for name in ELEMENTS] + [
    ("p507_hcl", "davies"),
    ("p507_hcl", "pitzer"),
    ("d2ehpa_tbp_sulfate", "bdot"),
    ("tbp_nitrate", "pitzer"),
]
MASS_ACTION = [("p507_hcl", "ideal"), ("p507_hcl", "pitzer"), ("naphthenic_acid", "davies")]
some = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])


@cache
def system_of(name):
    return load_system(name).subset(ELEMENTS[name])


def decades(low, high):
    return st.floats(low, high).map(lambda power: 10.0**power)


@st.composite
def contacts(draw, name, highest=3.0):
    """1e-9 to 1 mol/L of everything, and an organic that holds no more than it can."""
    system = system_of(name)
    aqueous = {symbol: draw(decades(-6.0, highest)) for symbol in system.elements}
    aqueous["proton"] = draw(decades(-3.0, highest))
    cations = tuple(exchange_constants(system))
    if cations:
        aqueous[cations[0]] = draw(decades(-6.0, highest))
    extractant = draw(decades(0.0, 3.5))
    load = draw(st.floats(0.0, 0.95))
    shares = np.array([draw(st.floats(1e-6, 1.0)) for _ in range(4)])
    bound = extractant / extractant_units(system) * load * shares / shares.sum()
    organic = dict(
        zip(system.elements, (bound[:3] / system.extractant_number).tolist(), strict=True)
    )
    organic["extractant"] = extractant
    if cations:
        organic[cations[0]] = float(bound[3])
    return aqueous, organic, draw(decades(-2.0, 2.0))


def shaken(system, *case):
    """Return the contact; one that follows apparent slopes may have none, and then says so.

    Slopes that are not those of mass action follow from no free energy: a heavily loaded organic
    need not have a state that satisfies them.
    """
    try:
        return equilibrate(system, *case)
    except ConvergenceError:
        assume(not system.apparent)
        raise


@pytest.mark.parametrize(("name", "activity"), CASES)
@given(data=st.data())
@some
def test_mass_and_charge_close_and_the_extractant_holds_no_more_than_it_can(name, activity, data):
    system = system_of(name)
    aqueous, organic, oa_ratio = data.draw(contacts(name))
    found = shaken(system, aqueous, organic, oa_ratio, activity)
    for symbol in (*system.elements, *exchange_constants(system)):
        before = aqueous.get(symbol, 0.0) + oa_ratio * organic.get(symbol, 0.0)
        after = found.aqueous[symbol] + oa_ratio * found.organic[symbol]
        assert after == pytest.approx(before, rel=1e-12)
    charges = [charge_of(component) * value for component, value in found.aqueous.items()]
    assert abs(sum(charges)) <= 1e-12 * sum(map(abs, charges))
    assert found.balance_error <= 1e-12
    assert 0.0 <= found.loading <= 1.0
    assert found.free_extractant > 0.0
    assert min(found.species.values()) >= 0.0


@pytest.mark.parametrize(("name", "activity"), CASES)
@given(data=st.data())
@some
def test_shaking_settled_phases_again_changes_nothing(name, activity, data):
    system = system_of(name)
    once = shaken(system, *data.draw(contacts(name)), activity)
    # Acid that is a trace of the anion is lost among the digits of the charge balance.
    assume(once.free_proton > 1e-5 * once.aqueous[system.medium])
    assume(once.free_extractant > 1e-5 * once.organic["extractant"])
    again = equilibrate(system, once.aqueous, once.organic, data.draw(decades(-2.0, 2.0)), activity)
    assert again.pH == pytest.approx(once.pH, abs=1e-7)
    for phase, same in ((once.aqueous, again.aqueous), (once.organic, again.organic)):
        for component, value in phase.items():
            assert same[component] == pytest.approx(value, rel=1e-6, abs=1e-9 * max(phase.values()))


@pytest.mark.parametrize(("name", "activity"), [("p507_hcl", "pitzer"), ("cyanex272", "ideal")])
@given(data=st.data())
@settings(max_examples=10, deadline=None)
def test_the_order_of_the_elements_changes_nothing(name, activity, data):
    system = system_of(name)
    case = data.draw(contacts(name))
    found = equilibrate(system, *case, activity)
    turned = equilibrate(system.subset(tuple(reversed(system.elements))), *case, activity)
    for component, value in found.organic.items():
        assert turned.organic[component] == pytest.approx(value, rel=1e-9)
    assert turned.pH == pytest.approx(found.pH, abs=1e-10)


def fixed_ratios(system, activity, pH, free):
    """Return D of every element at given pH and free extractant, [-], in a trace contact.

    Traces of metal leave the acid and the free extractant as they were.
    """
    stated = system_tableau(replace(system, loading=None), activity=activity)
    names = stated.tableau.components
    amounts = dict.fromkeys(system.elements, 1e-09) | {"proton": 10.0 ** (3.0 - pH)}
    amounts[system.medium] = sum(charge_of(name) * value for name, value in amounts.items())
    amounts["extractant"] = free
    totals = np.array([0.5 * amounts.get(name, 0.0) for name in names])
    solution = solve_contact(stated, totals, 0.5)
    count = len(system.elements)
    return solution.organic[:count] / solution.aqueous[:count]


@pytest.mark.parametrize(("name", "activity"), MASS_ACTION)
@given(
    levels=st.lists(st.floats(0.0, 4.0), min_size=3, max_size=5, unique_by=lambda v: round(v, 2)),
    dimers=st.lists(st.floats(1.0, 1000.0), min_size=2, max_size=3, unique_by=round),
)
@settings(max_examples=10, deadline=None)
def test_at_fixed_free_extractant_D_rises_with_pH_and_with_extractant(
    name, activity, levels, dimers
):
    system = system_of(name)
    for less, more in pairwise(sorted(levels)):
        free = dimers[0]
        low, high = (fixed_ratios(system, activity, pH, free) for pH in (less, more))
        assert (high > low).all()
    for less, more in pairwise(sorted(dimers)):
        low, high = (fixed_ratios(system, activity, levels[0], free) for free in (less, more))
        assert (high > low).all()
