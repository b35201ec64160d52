"""Hyperlinked cuts (A₁ … Aₜ₋₁)/(A₂ … Aₜ): least flows against what is known of them in closed form.

The tables of Cheng et al., Adv. Mater. Phys. Chem. 5 (2015), doi:10.4236/ampc.2015.58032, could not
be had; these are the limits that any such theory must have, and a solved bank.
"""

from __future__ import annotations

import pytest

from raffinate.cascade.constant_beta_outlets import solve_outlets
from raffinate.cascade.constant_beta_traffic import BankPlan
from raffinate.cascade.theory_minimum import minimum_overlapping_amount

pytestmark = pytest.mark.literature

FEED = {"Nd": 0.25, "Pr": 0.15, "Ce": 0.35, "La": 0.25}
BETA = {"Nd": 8.0, "Pr": 5.0, "Ce": 2.5, "La": 1.0}


@pytest.mark.parametrize(("phase", "amount"), [("aqueous", 0.3 + 1 / 0.55), ("organic", 1 / 0.55)])
def test_two_elements_take_what_the_theory_of_two_says(phase, amount):
    """Source: S = f_A + 1/(β - 1), or 1/(β - 1): Cheng et al., AMPC 4 (2014) 275."""
    least = minimum_overlapping_amount(
        {"Nd": 0.3, "Pr": 0.7},
        {"Nd": 1.55, "Pr": 1.0},
        extracted="Nd",
        rejected="Pr",
        feed_phase=phase,
    )
    assert least.extraction_amount == pytest.approx(amount, rel=1e-9)


def test_the_widest_cut_takes_the_reflux_of_its_ends_alone():
    """W = 1/(β(A₁/Aₜ) - 1) with aqueous feed, S with organic feed, whatever lies between."""
    aqueous = minimum_overlapping_amount(FEED, BETA, extracted="Nd", rejected="La")
    organic = minimum_overlapping_amount(
        FEED, BETA, extracted="Nd", rejected="La", feed_phase="organic"
    )
    assert aqueous.scrub_amount == pytest.approx(1.0 / 7.0, rel=1e-6)
    assert organic.extraction_amount == pytest.approx(1.0 / 7.0, rel=1e-6)


def test_a_long_bank_keeps_both_ends_clean_at_the_least_flow_and_the_middle_goes_both_ways():
    least = minimum_overlapping_amount(FEED, BETA, extracted="Nd", rejected="La")
    leaks = []
    for factor in (1.03, 0.97):
        amount = factor * least.extraction_amount
        plan = BankPlan(
            extraction_stages=60,
            scrub_stages=60,
            extraction_amount=amount,
            scrub_amount=least.scrub_amount + amount - least.extraction_amount,
        )
        found = solve_outlets(FEED, BETA, plan)
        leaks.append(found.products["raffinate"][0] + found.products["loaded_organic"][3])
        shared = found.products["loaded_organic"][1:3]
        assert (shared > 0.01).all()
    assert leaks[0] < 1e-6
    assert leaks[1] > 1e-3
