from __future__ import annotations

import numpy as np
import pytest

from raffinate.errors import DataError
from raffinate.lab.shake_out import parse_shake_outs

TOLD = {"extractant": "P507", "medium": "HCl", "HA": "1 mol/L", "O/A": "2"}

WIDE = """\
Test,Phase,pH,Dilution,Nd (mmol/L),Pr (mmol/L)
1,feed,2.0,1,100,50
1,raffinate,1.2,10,6,4
2,feed,3.0,1,100,50
2,raffinate,1.4,10,5,3.5
2,org,,2,12.5,3.75
"""

LONG = """\
test_id,sample type,element,pH,concentration (mmol/L)
,feed,Nd,2.0,100
,feed,Pr,2.0,50
1,aq,Nd,1.2,60
1,aq,Pr,1.2,40
"""


def test_samples_of_one_flask_are_brought_together() -> None:
    table = parse_shake_outs(WIDE, constants=TOLD)
    assert table.test_id == ("1", "2")
    np.testing.assert_allclose(table.aqueous_feed, [100, 50, 100, 50])
    np.testing.assert_allclose(table.aqueous, [60, 40, 50, 35])
    np.testing.assert_allclose(table.organic, [20, 5, 25, 7.5])
    assert table.assayed == ("aqueous", "aqueous", "both", "both")


def test_acidity_of_a_sample_belongs_to_its_phase() -> None:
    table = parse_shake_outs(WIDE, constants=TOLD)
    assert table.acidity_reading == "feed"
    np.testing.assert_allclose(table.acidity, [10.0, 1.0])
    np.testing.assert_allclose(table.acidity_after, 1e3 * 10 ** np.array([-1.2, -1.4]))


def test_feed_without_a_flask_is_that_of_every_flask() -> None:
    more = LONG + "2,aq,Nd,1.3,70\n2,aq,Pr,1.3,45\n"
    table = parse_shake_outs(more, constants=TOLD)
    assert table.test_id == ("1", "2")
    assert table.element == ("Nd", "Pr", "Nd", "Pr")
    np.testing.assert_allclose(table.aqueous_feed, [100, 50, 100, 50])
    np.testing.assert_allclose(table.acidity, [10.0, 10.0])


def test_headings_may_be_mapped_before_samples_are_brought_together() -> None:
    text = WIDE.replace("Phase", "Probe").replace("Nd (mmol/L)", "Neodym")
    columns = {"Probe": "phase", "Neodym": "Nd (mmol/L)"}
    table = parse_shake_outs(text, constants=TOLD, columns=columns)
    np.testing.assert_allclose(table.aqueous, [60, 40, 50, 35])


@pytest.mark.parametrize(
    ("old", "new", "what", "place"),
    [
        ("2,org", "2,crud", "the phase is 'crud'", "line 6, column Phase"),
        ("1,raffinate", ",raffinate", "names no flask", "line 3, column Phase"),
        ("2,org,,2", "2,aq,,2", "but '10' stands at", "line 6, column Dilution"),
        ("12.5", "-12.5", "the value is -12.5", "line 6, column Nd (mmol/L)"),
        ("Test,", "Temperatur,", "none that says which flask", "line 1"),
    ],
)
def test_bad_sample_is_refused_with_its_own_place(
    old: str, new: str, what: str, place: str
) -> None:
    with pytest.raises(DataError) as caught:
        parse_shake_outs(WIDE.replace(old, new), constants=TOLD, name="ours.csv")
    assert what in caught.value.what
    assert caught.value.where == f"ours.csv, {place}"
