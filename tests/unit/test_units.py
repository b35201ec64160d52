"""Units are converted once, at the door."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raffinate.errors import SpecificationError
from raffinate.units import HOUR, LITRE, MINUTE, PER_LITRE, to_si


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("3 m³/h", "m³/s", 3 / 3600),
        ("3 m**3/h", "m³/s", 3 / 3600),
        ("1.5 mol/L", "mol/m³", 1500.0),
        ("36 g/L", "kg/m³", 36.0),
        ("5 min", "s", 300.0),
        ("0.5 m²", "m²", 0.5),
        ("25 degC", "K", 298.15),
    ],
)
def test_text_becomes_si(text, unit, value):
    assert to_si(text, unit) == pytest.approx(value, rel=1e-12)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_bare_number_is_taken_to_be_si(value):
    assert to_si(value, "m³/s") == value


@pytest.mark.parametrize(
    "text", ["3 m³/h", "3 m", "three litres", "3 kg/", "(3 kg", "3 kg/0", "nan kg", "1e400 kg", ""]
)
def test_another_kind_of_quantity_or_no_quantity_is_refused(text):
    with pytest.raises(SpecificationError, match="cannot be read as a quantity in kg") as caught:
        to_si(text, "kg")
    assert "Write a number" in caught.value.mend


def test_constants_agree_with_the_converter():
    assert to_si("1 h", "s") == HOUR
    assert to_si("1 min", "s") == MINUTE
    assert to_si("1 L", "m³") == pytest.approx(LITRE, rel=1e-15)
    assert to_si("1 mol/L", "mol/m³") == pytest.approx(PER_LITRE, rel=1e-15)


@pytest.mark.parametrize("text", ["9**9**9**9 kg", "3 kg**9**9**9", "3 kg**(9**9**9)", "3 kg^99"])
def test_a_line_of_text_cannot_keep_the_converter_busy(text):
    with pytest.raises(SpecificationError):
        to_si(text, "kg")
