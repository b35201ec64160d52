"""Constant-β cascades against the worked examples of countercurrent-extraction theory."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from raffinate.cascade.constant_beta import minimum_extraction_amount, solve_constant_beta
from raffinate.chemistry.elements import molar_masses

DATA = Path(__file__).parent / "data"
PHASES = {"aq": "aqueous", "org": "organic"}

CEPRND_MASS = {"Ce": 0.4445, "Pr": 0.1842, "Nd": 0.3713}
CEPRND_BETA = {"Ce": 1.0, "Pr": 2.03, "Nd": 2.03 * 1.55}


def rows(name):
    lines = (DATA / name).read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


EXAMPLES = rows("xu_cascade_worked_examples.csv")
MINIMA = rows("minimum_extraction_amount.csv")


def exact_flows(row):
    """Return S and W, which the table rounds, checked against what it prints."""
    large, small = 1.0 + 1.0 / math.sqrt(2.0), 0.5 + 1.0 / math.sqrt(2.0)
    s, w = (large, small) if row["feed_phase"] == "aq" else (small, large)
    assert (s, w) == pytest.approx((float(row["S"]), float(row["W"])), abs=5e-5)
    return s, w


def binary(row):
    fraction = float(row["fA"])
    return {"A": fraction, "B": 1.0 - fraction}, {"A": float(row["beta"]), "B": 1.0}


@pytest.mark.literature
@pytest.mark.parametrize("row", EXAMPLES, ids=lambda r: f"{r['feed_phase']}-{r['n_sim']}")
def test_raffinate_purity_is_that_of_the_exact_stage_by_stage_solution(row):
    """Source: xu_cascade_worked_examples.csv, column P_B_sim; computed independently."""
    s, w = exact_flows(row)
    cascade = solve_constant_beta(
        *binary(row),
        extraction_stages=int(row["n_sim"]),
        scrub_stages=int(row["m_sim"]),
        extraction_amount=s,
        scrub_amount=w,
        feed_phase=PHASES[row["feed_phase"]],
    )
    assert cascade.raffinate_purity("B") == pytest.approx(float(row["P_B_sim"]), abs=1e-6)
    # Half of the feed leaves on either side, so what A lacks on one side it shows on the other.
    assert cascade.organic_purity("A") == pytest.approx(cascade.raffinate_purity("B"), abs=1e-10)


@pytest.mark.literature
@pytest.mark.parametrize("row", EXAMPLES, ids=lambda r: f"{r['feed_phase']}-{r['n_sim']}")
def test_classic_ratios_and_stage_counts_are_those_of_these_flows(row):
    """Source: mixed extraction ratios and logarithmic stage counts of Xu's theory."""
    s, w = exact_flows(row)
    q = 1.0 if row["feed_phase"] == "org" else 0.0
    extraction_ratio, scrub_ratio = s / (w + 1.0 - q), (s + q) / w
    assert extraction_ratio == pytest.approx(float(row["Em"]), abs=1e-4)
    assert scrub_ratio == pytest.approx(float(row["Emprime"]), abs=1e-4)
    beta, purity = float(row["beta"]), float(row["P_B_spec"])
    enrichment = math.log(purity / (1.0 - purity))
    n = enrichment / math.log(beta * extraction_ratio)
    m = enrichment / math.log(beta / scrub_ratio) - 1.0
    assert n == pytest.approx(float(row["n_simple"]), abs=0.01)
    assert m == pytest.approx(float(row["m_simple"]), abs=0.01)


@pytest.mark.literature
@pytest.mark.parametrize("row", MINIMA, ids=lambda r: r["case"] + " " + r["feed_phase"])
def test_minimum_amounts_of_two_elements(row):
    """Source: minimum_extraction_amount.csv; S = f_A + 1/(β-1) or 1/(β-1)."""
    words = row["case"].split()
    beta, fraction = float(words[2]), float(words[4])
    least = minimum_extraction_amount(
        {"A": fraction, "B": 1.0 - fraction},
        {"A": beta, "B": 1.0},
        extracted=["A"],
        feed_phase=PHASES[row["feed_phase"]],
    )
    assert least.extraction_amount == pytest.approx(float(row["S_min"]), abs=1e-9)
    assert least.underwood_root == pytest.approx(float(row["theta"]), abs=5e-5)


@pytest.mark.literature
def test_minimum_amounts_of_cerium_praseodymium_from_neodymium():
    """Source: feed and β of CIESC J. 71 (2020) 3180; minima computed independently.

    The paper normalises its flows by mass fractions. Read as they stand, they give the 0.9909 that
    makes its S = 0.99 a minimum; as moles the same feed needs 1.46 (aqueous feed).
    """
    masses = dict(zip(CEPRND_MASS, molar_masses(tuple(CEPRND_MASS)), strict=True))
    moles = {element: mass / masses[element] for element, mass in CEPRND_MASS.items()}
    feed = {element: amount / sum(moles.values()) for element, amount in moles.items()}
    aqueous = minimum_extraction_amount(feed, CEPRND_BETA, extracted=["Nd"])
    as_printed = minimum_extraction_amount(
        CEPRND_MASS, CEPRND_BETA, extracted=["Nd"], feed_phase="organic"
    )
    assert aqueous.extraction_amount == pytest.approx(1.46, abs=0.005)
    assert as_printed.extraction_amount == pytest.approx(0.9909, abs=5e-5)


@pytest.mark.literature
def test_replay_of_the_published_cerium_praseodymium_neodymium_cascade():
    """Source: inputs of CIESC J. 71 (2020) 3180; purities .99405/.99027 computed independently.

    The flows follow from the .9995 specified for both products, which this cascade misses.
    """
    extracted = (CEPRND_MASS["Nd"] - 0.0005) / (0.9995 - 0.0005)
    cascade = solve_constant_beta(
        CEPRND_MASS,
        CEPRND_BETA,
        extraction_stages=26,
        scrub_stages=34,
        extraction_amount=0.99,
        scrub_amount=0.99 + 1.0 - extracted,
        feed_phase="organic",
    )
    assert cascade.raffinate_purity("Ce", "Pr") == pytest.approx(0.99405, abs=6e-6)
    assert cascade.organic_purity("Nd") == pytest.approx(0.99027, abs=6e-6)
