"""The account of a plant closes against its steady state, and tells what is missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plant_variants import enlarged
from priced_plants import AS_WRITTEN, figure, made_up_prices, without_oxide
from raffinate.errors import SpecificationError
from raffinate.plant.economics import plant_economics
from raffinate.plant.economics_account import Economics
from raffinate.plant.economics_prices import Prices
from raffinate.plant.economics_sizing import capital, section_sizes
from raffinate.plant.model import Plant
from raffinate.plant.steady import SteadyState, solve_steady
from solved_plants import nominal_state, shipped_plant


def account(prices: Prices, allocation: str = "revenue") -> Economics:
    return plant_economics(shipped_plant(), nominal_state(), prices, allocation=allocation)


def line_cost(found: Economics, title: str) -> float | None:
    return next(line.cost for line in found.lines if line.title.startswith(title))


@pytest.mark.parametrize("rule", ["revenue", "mass"])
def test_cost_per_kilogram_times_kilograms_is_the_whole_cost(rule: str) -> None:
    found = account(made_up_prices(), rule)
    assert found.complete
    assert found.missing == ()
    shares = [each.cost_per_kg * each.flow for each in found.oxides if each.cost_per_kg]
    assert len(shares) == 3
    assert sum(shares) == pytest.approx(found.cost, rel=1e-12)
    assert sum(line.cost for line in found.lines if line.cost) == pytest.approx(found.cost)
    assert found.margin == pytest.approx((found.revenue or 0.0) - (found.cost or 0.0))


def test_mass_charges_every_kilogram_alike_and_revenue_every_dollar() -> None:
    by_mass = account(made_up_prices(), "mass")
    each = [oxide.cost_per_kg for oxide in by_mass.oxides]
    assert each == pytest.approx([each[0]] * 3)
    by_revenue = account(made_up_prices(), "revenue")
    ratios = [(oxide.cost or 0.0) / (oxide.revenue or 1.0) for oxide in by_revenue.oxides]
    assert ratios == pytest.approx([ratios[0]] * 3)


def test_every_cost_is_what_a_hand_makes_of_it() -> None:
    found, state = account(made_up_prices()), nominal_state()
    reo_per_h = found.reo_flow * 3600.0
    operation = state.operation
    assert operation is not None
    per_h = {line.title: (line.cost or 0.0) * 3600.0 for line in found.lines}
    assert per_h["HCl, as 100 %"] == pytest.approx(0.3 * state.reagents["HCl"] * reo_per_h)
    assert per_h["NH3, as 100 %"] == pytest.approx(0.5 * state.reagents["NH3"] * reo_per_h)
    fed = operation.feed_reo * operation.feed_flow * 3600.0
    assert per_h["Rare-earth oxide fed"] == pytest.approx(8.0 * fed)
    assert per_h["Mixers"] == pytest.approx(68 * 1.5 * 0.5 * 0.1)
    moved = 1150.0 * (operation.feed_flow + operation.acid_flow) + 860.0 * operation.organic_flow
    assert per_h["Pumps of feed, organic and acid"] == pytest.approx(
        moved * 9.80665 * 10.0 / 0.5 / 1000.0 * 0.1
    )
    liquor = (operation.feed_flow + operation.acid_flow) * 3600.0
    assert per_h["Extractant lost"] == pytest.approx(
        9.0 * liquor * (1e-4 * 1500.0 * 0.3064 + 0.010), rel=1e-9
    )
    share = 1.0 - 1500.0 * 0.3064 / 950.0
    assert per_h["Diluent lost"] == pytest.approx(900.0 * liquor * 1e-4 * share)
    assert per_h["Labour"] == pytest.approx(60.0)
    invested = 3.0 * 68 * 20000.0 * 0.66**0.6
    assert found.invested == pytest.approx(invested)
    assert per_h["Capital charge"] == pytest.approx(invested * 0.15 / 8000.0)
    assert per_h["Maintenance"] == pytest.approx(invested * 0.04 / 8000.0)
    assert per_h["Interest on what the plant holds"] == pytest.approx(
        (found.locked.value or 0.0) * 0.08 / 8000.0
    )


@pytest.mark.parametrize(
    "key", ["acid_per_kg", "electricity_per_kWh", "mixer_power_W_per_m3", "entrainment_ppm"]
)
def test_what_is_missing_is_named_and_never_counted_as_nothing(key: str) -> None:
    whole, part = account(made_up_prices()), account(made_up_prices(**{key: None}))
    assert not part.complete
    assert part.margin is None
    lacking = [line for line in part.lines if key in line.missing]
    assert lacking
    assert all(line.cost is None for line in lacking)
    assert sum(key in sentence for sentence in part.missing) >= len(lacking)
    others = [line for line in part.lines if key not in line.missing]
    lost = sum(line_cost(whole, line.title) or 0.0 for line in lacking)
    assert sum(line.cost or 0.0 for line in others) + lost == pytest.approx(whole.cost)


def test_the_missing_price_tells_what_each_dollar_would_add() -> None:
    found = account(made_up_prices(acid_per_kg=None))
    sentence = next(each for each in found.missing if each.startswith("HCl"))
    added = nominal_state().reagents["HCl"]
    assert f"each USD 1 per kg adds {added:.4g} USD per kg REO" in sentence


def test_without_any_price_there_is_no_cost_rather_than_none_to_pay() -> None:
    found = account(Prices(name="empty", currency="USD"))
    assert found.cost is None
    assert found.revenue is None
    assert all(each.cost_per_kg is None for each in found.oxides)
    assert all(line.cost is None or line.missing == () for line in found.lines)


def test_an_oxide_without_a_price_has_no_share_of_the_revenue_but_one_by_mass() -> None:
    prices = without_oxide(made_up_prices(), "Pr")
    by_revenue, by_mass = account(prices), account(prices, "mass")
    assert all(each.cost is None for each in by_revenue.oxides)
    assert any("Share by mass" in sentence for sentence in by_revenue.missing)
    assert any("oxides.Pr" in sentence for sentence in by_revenue.missing)
    assert all(each.cost is not None for each in by_mass.oxides)
    # What is held of it cannot be priced either, so the interest is not counted.
    assert by_revenue.locked.value is None
    assert line_cost(by_revenue, "Interest") is None


def test_the_price_of_a_product_takes_the_place_of_its_oxides() -> None:
    prices = replace(made_up_prices(), products={"cepr": figure("cepr", 10.0)})
    found = account(prices)
    brought = sum(each.revenue or 0.0 for each in found.oxides if each.product == "cepr")
    assert brought == pytest.approx(10.0 * nominal_state().products["cepr"].reo_flow)


def test_impurities_are_sold_as_nothing() -> None:
    found = account(made_up_prices())
    nd = nominal_state().products["nd"]
    sold = next(each for each in found.oxides if each.product == "nd")
    assert sold.flow == pytest.approx(nd.reo_flow * nd.purity, rel=1e-12)


def test_six_tenths_rule_scales_capital_with_volume() -> None:
    prices = made_up_prices()
    plant = shipped_plant()
    larger = enlarged(plant, mixers=2.0, settlers=2.0)
    costs = [capital(section_sizes(each.circuit, prices), prices) for each in (plant, larger)]
    assert costs[1] == pytest.approx((costs[0] or 0.0) * 2.0**0.6)


def test_vessels_too_small_are_told_with_the_size_that_would_do() -> None:
    found = account(
        made_up_prices(mixer_residence_least_s=600.0, settler_flow_limit_m3_per_m2_h=1.0)
    )
    sizes = {size.name: size for size in found.sizes}
    assert len(found.warnings) == 2 * len(sizes)
    needed = 600.0 * sizes["extraction"].throughput
    assert any(w.startswith("extraction") and f"{needed:.3g} m³" in w for w in found.warnings)
    assert account(made_up_prices()).warnings == ()


def test_residence_is_volume_over_both_flows_with_recycle() -> None:
    found = account(made_up_prices())
    operation = nominal_state().operation
    assert operation is not None
    size = next(each for each in found.sizes if each.name == "extraction")
    flow = operation.organic_flow + operation.feed_flow + operation.scrub_flow + 5.6 / 3600.0
    assert size.mixer_residence == pytest.approx(1.5 / flow)
    assert size.settler_flux == pytest.approx(flow / ((3.6 + 1.5) / 0.6))


def test_water_added_depends_on_the_strength_of_the_acid_bought() -> None:
    pure = account(made_up_prices(acid_strength=1.0))
    bought = account(made_up_prices(acid_strength=0.31))
    water = [
        next(line.rate or 0.0 for line in each.lines if line.title.startswith("Water"))
        for each in (pure, bought)
    ]
    carried = pure.ions.acid_mass * (1.0 - 0.31) / 0.31 / 997.047
    assert water[0] - water[1] == pytest.approx(carried)
    assert water[1] > 0.0
    with pytest.raises(SpecificationError, match="weaker than the strip acid"):
        account(made_up_prices(acid_strength=0.1))


def test_another_plants_state_and_an_unknown_rule_are_refused() -> None:
    prices, plant, state = made_up_prices(), shipped_plant(), nominal_state()
    with pytest.raises(SpecificationError, match="ceprnd_p507"):
        plant_economics(replace(plant, name="other"), state, prices)
    with pytest.raises(SpecificationError, match="no rule"):
        plant_economics(plant, state, prices, allocation="volume")
    alone = solve_alone(plant)
    with pytest.raises(SpecificationError, match="circuit"):
        plant_economics(plant, alone, prices)
    unsold = replace(prices, products={"ndpr": figure("ndpr", 1.0)})
    with pytest.raises(SpecificationError, match="no product"):
        plant_economics(plant, state, unsold)


def solve_alone(plant: Plant) -> SteadyState:
    operation = nominal_state().operation
    assert operation is not None
    return solve_steady(plant.operated(operation).circuit)


def test_an_account_names_its_sources_and_turns_into_rows_and_plain_values() -> None:
    found = account(made_up_prices())
    assert any(source.title == "Made up for tests" for source in found.sources)
    assert {source.title for source in nominal_state().sources} <= {
        source.title for source in found.sources
    }
    table = found.to_dataframe()
    assert table["cost_per_h"].sum() == pytest.approx((found.cost or 0.0) * 3600.0)
    assert np.allclose(
        table["cost_per_t_reo"] * found.reo_flow * 3.6, table["cost_per_h"], rtol=1e-12
    )
    told = found.to_dict()
    assert {row["key"] for row in told["coefficients"]} >= set(AS_WRITTEN)
    written = {row["key"]: row["value"] for row in told["coefficients"]}
    assert all(written[key] == pytest.approx(value) for key, value in AS_WRITTEN.items())
    assert all(row["evidence"] == "assumed" for row in told["coefficients"])
