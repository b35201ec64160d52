from __future__ import annotations

import pytest

from raffinate.lab.shake_out_units import find_unit


@pytest.mark.parametrize(
    ("written", "kind", "one"),
    [
        ("g/L", "mass", 1.0),
        ("g L-1", "mass", 1.0),
        ("g·L⁻¹", "mass", 1.0),
        ("mg/l", "mass", 1e-3),
        ("µg/mL", "mass", 1e-3),
        ("g/m³", "mass", 1e-3),
        ("kg/m3", "mass", 1.0),
        ("g/mL", "mass", 1e3),
        ("mol/L", "amount", 1e3),
        ("mol dm⁻³", "amount", 1e3),
        ("M", "amount", 1e3),
        ("mM", "amount", 1.0),
        ("mmol/L", "amount", 1.0),
        ("mol/m^3", "amount", 1.0),
        ("kmol/m³", "amount", 1e3),
        ("ppm", "mass_fraction", 1e-6),
        ("mg/kg", "mass_fraction", 1e-6),
        ("wt. %", "mass_fraction", 1e-2),
        ("%", "percent", 1e-2),
        ("% w/v", "mass", 10.0),
        ("mL", "volume", 1e-6),
    ],
)
def test_unit_is_found_with_its_kind_and_size(written: str, kind: str, one: float) -> None:
    unit = find_unit(written)
    assert unit is not None
    assert unit.kind == kind
    assert unit.to_si(1.0) == pytest.approx(one, rel=1e-12)


def test_degrees_are_counted_from_absolute_zero() -> None:
    celsius, kelvin = find_unit("°C"), find_unit("K")
    assert celsius is not None
    assert kelvin is not None
    assert celsius.to_si(25.0) == 298.15
    assert kelvin.to_si(298.15) == 298.15


@pytest.mark.parametrize("written", ["", "g", "oz/gal", "C", "m", "Nd", "HA", "mol/K", "L/g"])
def test_what_is_no_unit_of_a_table_is_none(written: str) -> None:
    assert find_unit(written) is None
