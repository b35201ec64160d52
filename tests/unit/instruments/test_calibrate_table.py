"""Tables of standards: read with their units, refused with a reason."""

from __future__ import annotations

import math

import pytest

from raffinate.errors import DataError
from raffinate.instruments.calibrate_table import parse_standards, table_metals
from raffinate.instruments.xrf_atomic import atomic_mass

GOOD = """# thirteen would be better
file,role,Nd_g_per_L,Nd_g_per_L_sigma,Ce_g_per_L,acid_mol_per_L,acid_mol_per_L_sigma
a.msa,standard,100,0.1,,0.5,0.01
b.msa,check,10,0.01,20,,
"""


def test_concentrations_uncertainty_and_acid_are_read():
    first, second = parse_standards(GOOD)
    assert table_metals([first, second]) == ("Nd", "Ce")
    assert first.metals["Nd"] == pytest.approx(100.0 / atomic_mass("Nd"))
    assert first.uncertainty["Nd"] == pytest.approx(0.1 / atomic_mass("Nd"))
    assert (first.metals["Ce"], first.unknown, first.unknown_uncertainty) == (0.0, 0.5, 0.01)
    assert (second.role, second.file) == ("check", "b.msa")
    assert math.isnan(second.unknown)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,Nd_g_per_L\n", "no rows"),
        ("", "columns"),
        ("name,Nd_g_per_L\na,1\n", "'name' is unknown"),
        ("file,Xx_g_per_L\na,1\n", "unknown"),
        ("file,Nd_g_per_L_sigma\na,1\n", "no concentration"),
        ("file,Nd_g_per_L\na.msa,-1\n", "Nd_g_per_L is '-1'"),
        ("file,Nd_g_per_L\na.msa,much\n", "row 2"),
        ("file,Nd_g_per_L\na.msa\n", "cells"),
        ("file,role,Nd_g_per_L\na.msa,boss,1\n", "boss"),
        (b"file,Nd_g_per_L\n\xff.msa,1\n", "UTF-8"),
    ],
)
def test_a_bad_table_says_what_is_wrong(text, said):
    with pytest.raises(DataError) as caught:
        parse_standards(text)
    assert said in str(caught.value)
