from __future__ import annotations

import numpy as np
import pytest

from raffinate.lab.shake_out import load_shake_outs, parse_shake_outs
from raffinate.lab.shake_out_checks import (
    equilibrium_acidity,
    find_exclusions,
    measured_free_dimer,
    score_readings,
)
from shake_out_tables import FLASKS, TRUE_LOG10_K, shake, table_text


@pytest.mark.parametrize("write_equilibrium", [False, True])
def test_only_the_true_reading_closes(write_equilibrium: bool) -> None:
    table = parse_shake_outs(table_text(FLASKS, write_equilibrium=write_equilibrium))
    feed, equilibrium = score_readings(table)
    true, false = (equilibrium, feed) if write_equilibrium else (feed, equilibrium)
    assert true.spread == pytest.approx(0.0, abs=1e-9)
    assert true.slope == pytest.approx(3.0, abs=1e-9)
    assert true.impossible == 0
    assert false.spread is not None
    assert false.spread > 0.25


def test_equilibrium_acidity_and_free_dimer_follow_the_stoichiometry() -> None:
    feed, acidity, extractant = FLASKS[3]
    organic, proton = shake(feed, acidity, extractant, TRUE_LOG10_K)
    table = parse_shake_outs(table_text([FLASKS[3]]))
    assert equilibrium_acidity(table)[0] == pytest.approx(1e3 * proton, rel=1e-9)
    bound = 3.0 * sum(organic.values())
    assert measured_free_dimer(table)[0] == pytest.approx(1e3 * (0.5 * extractant - bound))


def test_shipped_table_is_of_feed_acidities() -> None:
    table = load_shake_outs("pc88a_hcl_batch_tests")
    scores = {(score.laboratory, score.reading): score for score in score_readings(table)}
    for laboratory in ("Li (1987)", "Lee (2005)", "Kim (2012)"):
        assert scores[laboratory, "feed"].closes
        assert not scores[laboratory, "equilibrium"].closes
        assert scores[laboratory, "equilibrium"].impossible > 0
    assert scores["Li (1987)", "feed"].slope == pytest.approx(3.0, abs=0.1)


def test_only_formiga_is_left_out_of_the_shipped_table() -> None:
    table = load_shake_outs("pc88a_hcl_batch_tests")
    excluded = find_exclusions(table)
    assert [item.test_id for item in excluded] == ["1", "2", "3"]
    assert {item.laboratory for item in excluded} == {"Formiga (2016)"}
    assert all("1.24 read as feed (2.10 read as equilibrium)" in item.reason for item in excluded)


def test_wrong_reading_leaves_nothing_of_the_shipped_table() -> None:
    table = load_shake_outs("pc88a_hcl_batch_tests", acidity="equilibrium")
    assert len(find_exclusions(table)) == len(table.test_id)


def test_good_tests_are_all_kept() -> None:
    assert find_exclusions(parse_shake_outs(table_text(FLASKS))) == ()


def edit(line: int, column: str, factor: float) -> str:
    lines = table_text(FLASKS).splitlines()
    place = lines[0].split(",").index(column)
    cells = lines[line - 1].split(",")
    cells[place] = repr(float(cells[place]) * factor)
    lines[line - 1] = ",".join(cells)
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (edit(2, "D_reported", 1.2), "D of Ce from the two phases"),
        (edit(2, "C_aq_initial_mol_L", 1.2), "Ce found differs from Ce fed"),
    ],
)
def test_unbalanced_test_is_left_out(text: str, reason: str) -> None:
    excluded = find_exclusions(parse_shake_outs(text))
    assert [item.test_id for item in excluded] == ["1"]
    assert reason in excluded[0].reason


def test_small_imbalance_is_tolerated() -> None:
    assert find_exclusions(parse_shake_outs(edit(2, "D_reported", 1.04))) == ()


def test_test_that_lacks_a_named_element_is_left_out() -> None:
    header, *rows = table_text(FLASKS).splitlines()
    lines = [header + ",co_elements"]
    lines += [row + (",La;Pr" if row.startswith("4,Here (2024),Nd") else ",") for row in rows]
    excluded = find_exclusions(parse_shake_outs("\n".join(lines)))
    assert [item.test_id for item in excluded] == ["4"]
    assert "La was in the flask" in excluded[0].reason


def test_overloaded_organic_is_left_out() -> None:
    lines = table_text(FLASKS).splitlines()
    place = lines[0].split(",").index("extractant_mol_L")
    for number in (1, 2, 3):
        cells = lines[number].split(",")
        cells[place] = "0.01"
        lines[number] = ",".join(cells)
    excluded = find_exclusions(parse_shake_outs("\n".join(lines)))
    assert [item.test_id for item in excluded] == ["1"]
    assert "three dimers" in excluded[0].reason


def test_equilibrium_acidity_below_what_was_released_is_left_out() -> None:
    lines = table_text(FLASKS, write_equilibrium=True).splitlines()
    first = [line for line in lines if line.startswith("1,")]
    proton = first[0].split(",")[3]
    lines = [line.replace(proton, repr(0.8 * float(proton) - 0.01)) for line in lines]
    table = parse_shake_outs("\n".join(lines), acidity="equilibrium")
    excluded = find_exclusions(table)
    assert [item.test_id for item in excluded] == ["1"]
    assert "negative acidity" in excluded[0].reason


def test_scattered_acidities_of_one_laboratory_do_not_spoil_another() -> None:
    good = table_text(FLASKS, laboratory="Good").splitlines()
    rng = np.random.default_rng(1)
    bad = []
    for number, flask in enumerate(FLASKS):
        row = table_text([flask], laboratory="Bad").splitlines()[1:]
        wrong = repr(flask[1] * 10 ** rng.normal(0.0, 1.5))
        bad += [f"b{number}{line[1:]}".replace(f",{flask[1]!r},PC", f",{wrong},PC") for line in row]
    excluded = find_exclusions(parse_shake_outs("\n".join([*good, *bad])))
    assert {item.laboratory for item in excluded} == {"Bad"}
    assert len(excluded) == len(FLASKS)


def test_one_test_alone_cannot_be_judged_and_is_kept() -> None:
    table = parse_shake_outs(table_text(FLASKS[:1]))
    assert {score.spread for score in score_readings(table)} == {None}
    assert find_exclusions(table) == ()


def closing(found: float, *, extra: str = "", cells: str = "") -> str:
    """Return two flasks of which acidity was measured before and after; the first finds `found`."""
    organic, proton = shake({"Nd": 0.05}, 0.01, 1.0, TRUE_LOG10_K)
    left = 0.05 - organic["Nd"]
    head = "# extractant: P507\n# medium: HCl\n# saponified with: ammonium\n"
    head += f"[H+] feed (M),[H+] eq (M),HA (M),Nd feed (M),Nd aq (M){extra}\n"
    lines = [f"0.01,{proton * f!r},1,0.05,{left!r}{cells}" for f in (found, 1.0)]
    return head + "\n".join(lines) + "\n"


def test_acid_found_after_shaking_must_follow_from_the_feed() -> None:
    assert find_exclusions(parse_shake_outs(closing(1.5))) == ()
    excluded = find_exclusions(parse_shake_outs(closing(0.1)))
    assert [item.test_id for item in excluded] == ["1"]
    assert "the acid does not close" in excluded[0].reason
    assert "-1.00 in log₁₀" in excluded[0].reason


def test_acid_of_saponified_extractant_is_not_judged_by_the_feed() -> None:
    table = parse_shake_outs(closing(0.1, extra=",saponification (%)", cells=",30"))
    assert find_exclusions(table) == ()
    assert np.isnan(equilibrium_acidity(table)).all()


def test_organic_counts_with_its_volume_in_the_balances() -> None:
    text = (
        "# extractant: P507\n# medium: HCl\n# O/A: 2\npH feed,HA (M),Nd feed (mM),Nd aq (mM),"
        "Nd org (mM)\n2,1,100,60,20\n2,1,100,60,40\n"
    )
    table = parse_shake_outs(text)
    assert equilibrium_acidity(table)[0] == pytest.approx(10.0 + 3 * 2 * 20.0)
    (excluded,) = find_exclusions(table)
    assert excluded.test_id == "2"
    assert "Nd found differs from Nd fed by +40.0%" in excluded.reason


def test_ions_release_as_many_protons_as_they_have_charges() -> None:
    text = (
        "# extractant: naphthenic acid\n# medium: HCl\npH feed,HA (M),Ca feed (mM),Ca aq (mM),"
        "Y feed (mM),Y aq (mM)\n2,1,100,90,50,30\n"
    )
    table = parse_shake_outs(text)
    assert table.extractant_form == "monomer"
    assert equilibrium_acidity(table)[0] == pytest.approx(10.0 + 2 * 10.0 + 3 * 20.0)
    assert measured_free_dimer(table)[0] == pytest.approx(1000.0 - 2 * 10.0 - 3 * 20.0)


def test_solvating_extractant_has_no_acidity_trap() -> None:
    text = (
        "# extractant: TBP\n# medium: HNO3/nitrate\n[H+] feed (M),TBP (M),Nd feed (mM),"
        "Nd aq (mM)\n1,1.8,100,60\n3,1.8,100,70\n"
    )
    table = parse_shake_outs(text)
    assert table.mechanism == "solvation"
    assert score_readings(table) == ()
    assert equilibrium_acidity(table).tolist() == [1000.0, 3000.0]
    assert find_exclusions(table) == ()
