"""A complete set of prices and coefficients, made up for tests, and ways to change it."""

from __future__ import annotations

from dataclasses import replace

from raffinate.plant.economics_prices import COEFFICIENTS, PRICES, Figure, Prices
from raffinate.sources import Source

MADE_UP = Source(title="Made up for tests", evidence="assumed")

AS_WRITTEN = {
    "feed_per_kg_reo": 8.0,
    "acid_per_kg": 0.3,
    "base_per_kg": 0.5,
    "water_per_m3": 1.2,
    "electricity_per_kWh": 0.1,
    "extractant_per_kg": 9.0,
    "diluent_per_m3": 900.0,
    "salt_disposal_per_kg": 0.05,
    "ammonia_nitrogen_per_kg": 2.0,
    "labour_per_h": 60.0,
    "acid_strength": 0.31,
    "mixer_power_W_per_m3": 500.0,
    "pump_head_m": 10.0,
    "pump_efficiency": 0.5,
    "aqueous_density_kg_per_m3": 1150.0,
    "organic_density_kg_per_m3": 860.0,
    "entrainment_ppm": 100.0,
    "extractant_solubility_mg_per_L": 10.0,
    "extractant_molar_mass_g_per_mol": 306.4,
    "extractant_density_kg_per_m3": 950.0,
    "settler_depth_m": 0.6,
    "settler_flow_limit_m3_per_m2_h": 4.0,
    "mixer_residence_least_s": 180.0,
    "reference_stage_cost": 20000.0,
    "reference_stage_volume_m3": 10.0,
    "cost_exponent": 0.6,
    "installation_factor": 3.0,
    "operating_hours_per_year": 8000.0,
    "capital_charge_per_year": 0.15,
    "maintenance_per_year": 0.04,
    "interest_per_year": 0.08,
}


def figure(key: str, value: float) -> Figure:
    """Return a made-up figure; `value` as files write it."""
    known = {**PRICES, **COEFFICIENTS}
    scale = known[key].si if key in known else 1.0
    return Figure(value=value * scale, source=MADE_UP, date="2026")


def made_up_prices(**changed: float | None) -> Prices:
    """Return every price and coefficient, with some changed or, if None, left out."""
    values = {key: value for key, value in (AS_WRITTEN | changed).items() if value is not None}
    return Prices(
        name="made_up",
        currency="USD",
        oxides={s: figure(s, v) for s, v in (("Ce", 1.0), ("Pr", 54.0), ("Nd", 56.0))},
        prices={key: figure(key, value) for key, value in values.items() if key in PRICES},
        coefficients={
            key: figure(key, value) for key, value in values.items() if key in COEFFICIENTS
        },
    )


def without_oxide(prices: Prices, symbol: str) -> Prices:
    """Return the prices without that of one oxide."""
    return replace(prices, oxides={k: v for k, v in prices.oxides.items() if k != symbol})
