from __future__ import annotations

import numpy as np
import pytest

from raffinate.lab.shake_out import ShakeOutTable, load_shake_outs, parse_shake_outs
from raffinate.lab.shake_out_pool import pool_duplicates

HEAD = "Test,Lab,pH feed,HA (mol/L),T (°C),Nd feed (mM),Nd aq (mM),Pr feed (mM),Pr aq (mM)"


def read(*lines: str) -> ShakeOutTable:
    return parse_shake_outs(
        "\n".join([HEAD, *lines]), constants={"extractant": "P507", "medium": "HCl"}
    )


def test_flasks_of_one_laboratory_under_one_condition_are_pooled_with_their_scatter() -> None:
    table = read(
        "a,Here,2,1,25,100,60,50,40",
        "b,Here,3,1,25,100,50,50,35",
        "c,Here,2,1,25,101,62,50,41",
    )
    pooled = pool_duplicates(table)
    assert pooled.table.test_id == ("a", "b")
    assert pooled.table.replicates.tolist() == [2.0, 1.0]
    ratios = np.array([40 / 60, 39 / 62])
    assert pooled.table.distribution_ratio[0] == pytest.approx(np.sqrt(ratios.prod()))
    (duplicate,) = pooled.duplicates
    assert duplicate.test_ids == ("a", "c")
    assert duplicate.deviation["Nd"] == pytest.approx(np.std(np.log10(ratios), ddof=1))
    assert set(duplicate.deviation) == {"Nd", "Pr"}
    squares = [value**2 for value in duplicate.deviation.values()]
    assert pooled.scatter == pytest.approx(np.sqrt(np.mean(squares)))
    np.testing.assert_array_equal(table.distribution_ratio[:1], [40 / 60])


@pytest.mark.parametrize(
    "other",
    [
        "b,There,2,1,25,100,60,50,40",
        "b,Here,2.1,1,25,100,60,50,40",
        "b,Here,2,1.2,25,100,60,50,40",
        "b,Here,2,1,40,100,60,50,40",
        "b,Here,2,1,25,110,60,50,40",
        "b,Here,2,1,25,100,60,,",
    ],
)
def test_different_conditions_are_not_pooled(other: str) -> None:
    table = read("a,Here,2,1,25,100,60,50,40", other)
    pooled = pool_duplicates(table)
    assert pooled.table is table
    assert pooled.duplicates == ()
    assert pooled.scatter is None


def test_pooled_test_weighs_as_many_flasks_when_it_is_pooled_again() -> None:
    first = pool_duplicates(read("a,Here,2,1,25,100,60,50,40", "b,Here,2,1,25,100,62,50,40"))
    again = pool_duplicates(first.table)
    assert again.table is first.table


def test_shipped_table_has_two_pairs_and_one_disagrees() -> None:
    pooled = pool_duplicates(load_shake_outs("pc88a_hcl_batch_tests"))
    assert [item.test_ids for item in pooled.duplicates] == [("46", "47"), ("184", "185")]
    assert pooled.duplicates[1].deviation["Sm"] > 3 * pooled.duplicates[1].expected["Sm"]
    assert len(pooled.table.test_id) == 165
