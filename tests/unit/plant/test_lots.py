"""Books of a product: outlet and lots."""

from __future__ import annotations

import numpy as np
import pytest

from raffinate.chemistry.elements import oxide_molar_masses
from raffinate.plant.lots import booked, open_account
from raffinate.plant.model import RAFFINATE, Product

ELEMENTS = ("Ce", "Nd")
PRODUCT = Product(
    name="ce",
    title="Ce",
    outlet=RAFFINATE,
    elements=("Ce",),
    purity_limit=0.99,
    lot_mass=100.0,
)
OXIDES = np.array(oxide_molar_masses(ELEMENTS))


def book(account, kilograms, begin=0.0):
    return booked(account, PRODUCT, ELEMENTS, np.array(kilograms) / OXIDES, begin, 600.0)


def test_off_spec_is_counted_at_the_outlet():
    account, _ = book(open_account(ELEMENTS), [29.9, 0.1])
    account, _ = book(account, [27.0, 3.0], 600.0)
    account, _ = book(account, [28.0, 2.0], 1800.0)
    assert account.off_spec == pytest.approx(60.0)
    assert account.off_spec_time == pytest.approx(1200.0)
    assert (account.first_off_spec, account.last_off_spec) == (600.0, 2400.0)
    assert account.made.sum() == pytest.approx(90.0)
    assert account.purity == pytest.approx(28.0 / 30.0)
    assert account.mean_purity(PRODUCT, ELEMENTS) == pytest.approx(84.9 / 90.0)


def test_a_lot_mixes_good_and_bad():
    account, closed = book(open_account(ELEMENTS), [59.4, 0.6])
    assert closed == ()
    account, closed = book(account, [57.0, 3.0], 600.0)
    assert closed == (pytest.approx(116.4 / 120.0),)
    assert (account.lots, account.lots_off_spec) == (1, 1)
    assert account.in_tank.sum() == pytest.approx(20.0)
    account, closed = book(account, [81.0, 0.0], 1200.0)
    assert (account.lots, account.lots_off_spec) == (2, 1)
    assert closed[0] == pytest.approx((20.0 * 116.4 / 120.0 + 81.0) / 101.0)


def test_an_interval_may_close_several_lots():
    account, closed = book(open_account(ELEMENTS), [250.0, 0.0])
    assert len(closed) == account.lots == 2
    assert account.in_tank.sum() == pytest.approx(50.0)


def test_nothing_leaving_is_no_product_and_not_off_spec():
    account, closed = book(open_account(ELEMENTS), [0.0, 0.0])
    assert np.isnan(account.purity)
    assert account.off_spec == 0.0
    assert closed == ()
