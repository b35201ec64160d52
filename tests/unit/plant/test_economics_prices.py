"""Price files: every number with its source, nothing from nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from priced_plants import MADE_UP
from raffinate.errors import DataError, SpecificationError
from raffinate.plant.economics_prices import COEFFICIENTS, PRICES, Figure, Prices, weakest
from raffinate.plant.economics_prices_file import load_prices, parse_prices
from raffinate.sources import Source

TEXT = """\
format: raffinate-prices/1
name: mine
currency: CNY
sources:
  quote: {title: A quotation, reference: letter 7}
  ours: {title: Choices of ours, evidence: assumed}
oxides:
  Nd: {value: 400.0, date: 2025-06-01, source: quote}
products:
  cepr: {value: 90.0, date: "2025", source: quote}
prices:
  electricity_per_kWh: {value: 0.72, date: "2025", source: quote}
coefficients:
  entrainment_ppm: {value: 80.0, source: ours}
  operating_hours_per_year: {value: 7200.0, source: ours}
""".replace("date: 2025-06-01", 'date: "2025-06-01"')


def test_a_price_file_is_read_into_si_with_its_sources() -> None:
    found = parse_prices(TEXT)
    assert found.currency == "CNY"
    assert found.oxides["Nd"] == Figure(
        value=400.0, source=Source(title="A quotation", reference="letter 7"), date="2025-06-01"
    )
    assert found.values("electricity_per_kWh") == pytest.approx((0.72 / 3.6e6,))
    assert found.values("entrainment_ppm") == pytest.approx((8e-5,))
    assert found.values("operating_hours_per_year") == pytest.approx((7200.0 * 3600.0,))
    assert found.as_written("electricity_per_kWh") == pytest.approx(0.72)
    assert found.unit("electricity_per_kWh") == "CNY/kWh"
    assert found.values("entrainment_ppm", "acid_per_kg") is None
    assert found.lacking("entrainment_ppm", "acid_per_kg") == ("acid_per_kg",)


def test_the_shipped_example_holds_sourced_oxide_prices_and_nothing_else() -> None:
    found = load_prices("prices_example")
    assert found.oxides
    assert not found.prices
    assert not found.coefficients
    for each in found.oxides.values():
        assert each.source.evidence == "sourced"
        assert each.source.reference
        assert each.date


@pytest.mark.literature
def test_the_shipped_example_repeats_the_annual_averages_of_2024() -> None:
    """Source: USGS, Mineral Commodity Summaries 2025, Rare Earths: prices of 2024, USD/kg."""
    found = load_prices("prices_example")
    printed = {"La": 1.0, "Ce": 1.0, "Nd": 56.0, "Eu": 27.0, "Tb": 810.0, "Dy": 260.0}
    assert {symbol: found.oxides[symbol].value for symbol in printed} == printed


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("electricity_per_kWh", "electricity_per_kwh", "Did you mean 'electricity_per_kWh'"),
        ("entrainment_ppm", "entrainment", "Did you mean 'entrainment_ppm'"),
        ("  Nd: {", "  Nb: {", "oxides: unknown key 'Nb'"),
        ("source: ours}", "source: hours}", "Did you mean 'ours'"),
        ('date: "2025", source: quote}\ncoef', "source: quote}\ncoef", "date"),
        ("currency: CNY", "curency: CNY", "Did you mean 'currency'"),
        ("value: 80.0", "value: much", "much"),
        ("raffinate-prices/1", "raffinate-plant/1", "raffinate-plant/1"),
    ],
)
def test_a_wrong_price_file_says_where_and_how_to_mend_it(old: str, new: str, words: str) -> None:
    assert old in TEXT
    with pytest.raises(DataError) as caught:
        parse_prices(TEXT.replace(old, new, 1), where="mine.yaml")
    assert words in str(caught.value)
    assert "mine.yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new"), [("value: 400.0", "value: -1.0"), ("value: 7200.0", "value: 9000.0")]
)
def test_values_that_cannot_be_are_refused(old: str, new: str) -> None:
    with pytest.raises(SpecificationError, match="Allowed"):
        parse_prices(TEXT.replace(old, new, 1))


def test_prices_made_in_python_are_checked_like_those_of_a_file() -> None:
    with pytest.raises(SpecificationError, match="acid_per_kg"):
        Prices(name="x", currency="USD", prices={"acid": Figure(value=1.0, source=MADE_UP)})
    bad = Figure(value=0.0, source=MADE_UP)
    with pytest.raises(SpecificationError, match="above 0"):
        Prices(name="x", currency="USD", coefficients={"pump_efficiency": bad})
    with pytest.raises(SpecificationError, match=r"oxides\.Nd"):
        Prices(name="x", currency="USD", oxides={"Nd": Figure(value=-1.0, source=MADE_UP)})


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="prices_example"):
        load_prices(tmp_path / "none.yaml")


def test_the_weakest_class_of_evidence_speaks_for_a_line() -> None:
    assert weakest(()) is None
    assert weakest((Source(title="a"), MADE_UP, Source(title="b", evidence="fitted"))) == "assumed"


def test_every_key_has_a_unit_and_none_is_both_price_and_coefficient() -> None:
    assert not set(PRICES) & set(COEFFICIENTS)
    assert all(each.unit for each in (*PRICES.values(), *COEFFICIENTS.values()))


def test_the_file_of_the_guide_leaves_nothing_missing() -> None:
    guide = Path(__file__).parents[3] / "docs" / "guide" / "cost-a-circuit.md"
    text = guide.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    found = parse_prices(text)
    assert set(found.prices) == set(PRICES)
    assert set(found.coefficients) == set(COEFFICIENTS)
