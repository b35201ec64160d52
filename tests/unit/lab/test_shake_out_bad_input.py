"""What a table may not say: each complaint names the place, what is allowed and the mend."""

from __future__ import annotations

import pytest

from raffinate.errors import DataError
from raffinate.lab.shake_out import parse_shake_outs

HEAD = "test,pH feed,HA (mol/L),O/A,Nd feed (g/L),Nd aq (g/L)"
LINE = "1,2,1,1,10,6"
TOLD = {"extractant": "P507", "medium": "HCl/chloride"}


def complaint(head: str = HEAD, line: str = LINE, **told: str) -> DataError:
    with pytest.raises(DataError) as caught:
        parse_shake_outs(f"{head}\n{line}\n", name="ours.csv", constants={**TOLD, **told})
    return caught.value


def test_the_table_that_is_spoilt_below_is_sound() -> None:
    assert parse_shake_outs(f"{HEAD}\n{LINE}\n", constants=TOLD).element == ("Nd",)


@pytest.mark.parametrize(
    ("line", "column", "what"),
    [
        ("1,2,1,1,10,-6", "Nd aq (g/L)", "-6"),
        ("1,2,1,1,nan,6", "Nd feed (g/L)", "nan"),
        ("1,2,1,1,inf,6", "Nd feed (g/L)", "inf"),
        ("1,2,1,1,10,0", "Nd aq (g/L)", "0"),
        ("1,2,1,1,10,6 g", "Nd aq (g/L)", "6 g"),
        ("1,2,1,1,10,<0.01", "Nd aq (g/L)", "<0.01"),
        ("1,2,1,1,10,#DIV/0!", "Nd aq (g/L)", "#DIV/0!"),
        ("1,2,1,0,10,6", "O/A", "0"),
        ("1,2,1,1:0,10,6", "O/A", "1:0"),
        ("1,24,1,1,10,6", "pH feed", "24"),
        ("1,2,0,1,10,6", "HA (mol/L)", "0"),
        ("1,2,500,1,10,6", "HA (mol/L)", "500"),
        ("1,2,1,1,10000,6", "Nd feed (g/L)", "10000"),
        ("1,2,1,1,10,11", "Nd aq (g/L)", "is not less than Nd fed"),
    ],
)
def test_bad_cell_is_refused_with_its_place_and_a_mend(line: str, column: str, what: str) -> None:
    error = complaint(line=line)
    assert error.where == f"ours.csv, line 2, column {column}"
    assert what in error.what
    assert error.mend or error.allowed


@pytest.mark.parametrize(
    ("heading", "cell", "what"),
    [
        ("log D Nd", "400", "log D is 400"),
        ("D Nd", "1e-30", "D of Nd would be 1e-30"),
        ("Nd extraction (%)", "100", "the extraction is 100"),
        ("Nd extraction (%)", "101", "the value is 101"),
    ],
)
def test_ratio_that_nobody_can_measure_is_refused(heading: str, cell: str, what: str) -> None:
    error = complaint(HEAD.replace("Nd aq (g/L)", heading), f"1,2,1,1,10,{cell}")
    assert error.where == f"ours.csv, line 2, column {heading}"
    assert what in error.what
    assert error.allowed


def test_decimal_comma_is_read_only_where_it_is_declared() -> None:
    text = HEAD.replace(",", ";") + "\n1;2,5;1;1;10,5;6\n"
    with pytest.raises(DataError, match="decimal: comma"):
        parse_shake_outs(text, constants=TOLD)
    table = parse_shake_outs("# decimal: comma\n" + text, constants=TOLD)
    assert table.aqueous_feed[0] == pytest.approx(10.5 / 0.14424)


@pytest.mark.parametrize("head", [HEAD.replace(" feed,", ","), HEAD.replace("pH feed", "[H+] (M)")])
def test_undeclared_acidity_is_refused(head: str) -> None:
    error = complaint(head)
    assert "not declared" in error.what
    assert error.allowed == "feed or equilibrium"
    assert "pH feed" in error.mend


@pytest.mark.parametrize(
    ("head", "what", "mend"),
    [
        (HEAD.replace("Nd aq (g/L)", "Nd aq"), "names no unit", "Nd aqueous (g/L)"),
        (HEAD.replace("aq (g/L)", "aq (%)"), "% of what", "wt%"),
        (HEAD.replace("aq (g/L)", "aq (ppm)"), "fraction of mass", "density"),
        (HEAD.replace("aq (g/L)", "aq (wt%)"), "fraction of mass", "density"),
        (HEAD.replace("Nd aq (g/L)", "Nd2O3 aq (mol/L)"), "moles of oxide", "moles of metal"),
        (HEAD.replace("aq (g/L)", "aq (oz/gal)"), "does not say", "map it"),
        (HEAD.replace("Nd aq (g/L)", "Nd (g/L)"), "does not say", "Say of which phase"),
        (HEAD.replace("HA (mol/L)", "HA (g/L)"), "g/L does not fit", "Convert"),
        (HEAD.replace("HA (mol/L)", "HA"), "names no unit", "Add it"),
        (HEAD.replace("HA (mol/L)", "HA (%)"), "% does not fit", "Convert"),
        (HEAD.replace("pH feed", "[H+] feed"), "names no unit", "Add it"),
        (HEAD.replace("Nd aq (g/L)", "Nd extraction"), "fraction or per cent", "%"),
        (HEAD.replace("Nd aq", "Pm aq"), "unknown column", "map it"),
        (HEAD.replace("O/A", "phase ratio"), "unknown column", "ignore"),
        (HEAD.replace("Nd feed", "Nd aqueous"), "stands twice", "Remove one"),
        (HEAD.replace("test,", ","), "under no heading", "Write a heading"),
    ],
)
def test_bad_heading_is_refused_with_a_mend(head: str, what: str, mend: str) -> None:
    error = complaint(head)
    assert error.where.startswith("ours.csv, line")
    assert what in error.what
    assert mend in error.mend


@pytest.mark.parametrize(
    ("told", "what"),
    [
        ({"O/A": "2"}, "stands twice"),
        ({"temperature": "25"}, "names no unit"),
        ({"temperature": "200 °C"}, "temperature is 473"),
        ({"saponification": "36 %"}, "not said with what"),
        ({"saponification degree": "36"}, "fraction or per cent"),
        ({"saponified with": "coffee"}, "no base known"),
        ({"density aqueous": "1.05"}, "names no unit"),
        ({"density aqueous": "10 g/mL"}, "density is 1e+04"),
        ({"dilution aqueous": "0.1"}, "dilution factor is 0.1"),
        ({"mechanism": "magic"}, "mechanism is 'magic'"),
        ({"Xx": "2"}, "nothing that can hold"),
        ({"RSD": "0.9"}, "standard deviation is 90%"),
        ({"RSD": "0 %"}, "standard deviation is 0%"),
    ],
)
def test_bad_constant_is_refused(told: dict[str, str], what: str) -> None:
    assert what in complaint(**told).what


def test_elements_unknown_in_the_long_form_are_refused_with_the_nearest_name() -> None:
    head = "test,element,pH feed,HA (M),feed (g/L),aq (g/L)"
    error = complaint(head, "1,Ndx,2,1,10,6")
    assert error.where == "ours.csv, line 2, column element"
    assert "Did you mean 'Nd'?" in error.mend


def test_two_extractants_in_one_table_are_refused() -> None:
    with pytest.raises(DataError, match="one table for each extractant") as caught:
        parse_shake_outs(
            f"{HEAD},extractant\n{LINE},P507\n2,2,1,1,10,6,D2EHPA\n",
            constants={"medium": "HCl"},
            name="ours.csv",
        )
    assert caught.value.where == "ours.csv, line 3, column extractant"


def test_two_spellings_of_one_extractant_are_one() -> None:
    text = f"{HEAD},extractant\n{LINE},PC-88A\n2,2,1,1,10,6,pc88a\n"
    assert parse_shake_outs(text, constants={"medium": "HCl"}).extractant == "PC-88A"


def test_an_element_of_which_too_little_is_known_is_refused() -> None:
    error = complaint(HEAD.replace("Nd feed", "Pr feed"))
    assert "of Nd the table tells only aqueous" in error.what


def test_a_flask_twice_is_refused() -> None:
    error = complaint(line=f"{LINE}\n{LINE}")
    assert "Nd of test 1 stands already on line 2" in error.what


def test_cells_below_detection_are_left_out_where_that_is_declared() -> None:
    text = (
        "# below detection: leave out\npH feed,HA (M),Nd feed (g/L),Nd aq (g/L),Lu feed (g/L),"
        "Lu aq (g/L)\n2,1,10,6,0.1,<0.001\n2,1,10,6,,\n"
    )
    table = parse_shake_outs(text, constants=TOLD)
    assert table.element == ("Nd", "Nd")
    assert table.co_elements == (("Lu",), ())
