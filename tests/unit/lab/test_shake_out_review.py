from __future__ import annotations

import numpy as np

from raffinate.lab.shake_out import load_shake_outs, parse_shake_outs
from raffinate.lab.shake_out_review import review_shake_outs
from shake_out_tables import FLASKS, table_text


def test_sound_table_has_nothing_but_assumptions() -> None:
    review = review_shake_outs(parse_shake_outs(table_text(FLASKS)))
    assert review.excluded == ()
    assert {finding.kind for finding in review.findings} <= {"assumption", "imprecise"}
    assert "18 tests, 54 distribution ratios" in review.to_text()


def test_outlier_is_told_with_its_distance_and_not_left_out() -> None:
    lines = table_text(FLASKS).splitlines()
    head = lines[0].split(",")
    cells = lines[5].split(",")
    taken = float(cells[head.index("C_org_eq_mol_L_by_difference_OA1")])
    fed = float(cells[head.index("C_aq_initial_mol_L")])
    # A flask whose raffinate was diluted tenfold and the factor forgotten.
    left = (fed - taken) / 10
    cells[head.index("C_aq_eq_mol_L")] = repr(left)
    cells[head.index("C_org_eq_mol_L_by_difference_OA1")] = repr(fed - left)
    cells[head.index("D_reported")] = repr((fed - left) / left)
    lines[5] = ",".join(cells)
    review = review_shake_outs(parse_shake_outs("\n".join(lines)))
    (outlier,) = [finding for finding in review.findings if finding.kind == "outlier"]
    assert (outlier.test_id, outlier.element) == ("2", "Pr")
    assert "from the median of 18 by Here (2024)" in outlier.reason
    assert review.excluded == ()


def test_review_of_the_shipped_table_names_formiga_and_the_stray_samarium() -> None:
    review = review_shake_outs(load_shake_outs("pc88a_hcl_batch_tests"))
    assert {item.laboratory for item in review.excluded} == {"Formiga (2016)"}
    outliers = [(each.test_id, each.element) for each in review.findings if each.kind == "outlier"]
    assert outliers == [("184", "Sm")]
    imprecise = [each for each in review.findings if each.kind == "imprecise"]
    assert ("22", "La") in {(each.test_id, each.element) for each in imprecise}
    text = review.to_text()
    assert "left out: test 1 (Formiga (2016)): acidities do not close" in text
    assert "pooled: tests 184, 185" in text


def test_table_of_which_nothing_remains_is_still_reviewed() -> None:
    table = load_shake_outs("pc88a_hcl_batch_tests", acidity="equilibrium")
    review = review_shake_outs(table)
    assert len(review.excluded) == len(table.test_id)
    assert len(review.pooled.table.test_id) == 0


def test_temperatures_that_differ_are_told() -> None:
    text = "pH feed,HA (M),T (°C),Nd feed (mM),Nd aq (mM)\n2,1,25,100,60\n2,1,45,100,55\n"
    table = parse_shake_outs(text, constants={"extractant": "P507", "medium": "HCl"})
    reasons = [f.reason for f in review_shake_outs(table).findings if f.kind == "temperature"]
    assert len(reasons) == 1
    assert "25 to 45 °C" in reasons[0]
    assert np.isfinite(table.temperature).all()
