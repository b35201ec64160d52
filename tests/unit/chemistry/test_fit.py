from __future__ import annotations

import csv
import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raffinate.chemistry.fit import fit_system
from raffinate.chemistry.fit_model import contact_flasks
from raffinate.chemistry.fit_priors import (
    P507_CHLORIDE_PRIORS,
    LoadingPrior,
    SeparationPrior,
    default_priors,
)
from raffinate.chemistry.fit_report import FitResult
from raffinate.chemistry.system_file import load_system, write_system
from raffinate.errors import DataError, SpecificationError
from raffinate.lab.shake_out import (
    AcidityReading,
    ShakeOutTable,
    load_shake_outs,
    parse_shake_outs,
)
from raffinate.sources import Source
from shake_out_tables import FLASKS, TRUE_LOG10_K, table_text

FITTED = "p507_hcl"
SHIPPED = "pc88a_hcl_batch_tests"
LI_1987 = Path(__file__).parents[2] / "literature" / "pc88a_hcl_log_k_li1987.csv"


@cache
def flask_table() -> ShakeOutTable:
    """One table for every example, which hypothesis cannot take from a fixture."""
    return parse_shake_outs(table_text(FLASKS))


@pytest.fixture(scope="module")
def shipped_fit() -> FitResult:
    return fit_system(load_shake_outs(SHIPPED), name="p507_hcl")


@pytest.mark.parametrize("write_equilibrium", [False, True])
def test_constants_behind_perfect_data_are_found(write_equilibrium: bool) -> None:
    reading: AcidityReading = "equilibrium" if write_equilibrium else "feed"
    text = table_text(FLASKS, write_equilibrium=write_equilibrium)
    result = fit_system(parse_shake_outs(text, acidity=reading), priors=())
    assert result.system.elements == ("Ce", "Pr", "Nd")
    assert result.system.log10_extraction_constant == pytest.approx(
        list(TRUE_LOG10_K.values()), abs=1e-6
    )
    assert result.rows_used == 3 * len(FLASKS)
    assert result.excluded == ()
    assert result.laboratory_offsets == pytest.approx({"Here (2024)": 0.0}, abs=1e-7)


def test_one_wild_flask_hardly_moves_the_constants() -> None:
    table = flask_table()
    acidity = table.acidity.copy()
    acidity[0] *= 30.0
    result = fit_system(replace(table, acidity=acidity), priors=())
    assert result.excluded == ()
    assert np.abs(result.residual[table.test == 0]).min() > 0.5
    assert result.system.log10_extraction_constant == pytest.approx(
        list(TRUE_LOG10_K.values()), abs=0.02
    )


def test_deviations_cover_the_truth_under_noise() -> None:
    rng = np.random.default_rng(7)
    table = flask_table()
    truth = np.array(list(TRUE_LOG10_K.values()))
    off = []
    for _ in range(8):
        off_level = rng.normal(0.0, 0.15) + rng.normal(0.0, 0.05, len(table.element))
        ratio = table.distribution_ratio * 10.0**off_level
        noisy = replace(
            table,
            distribution_ratio=ratio,
            aqueous=table.aqueous_feed / (1.0 + ratio),
            organic=table.aqueous_feed * ratio / (1.0 + ratio),
        )
        system = fit_system(noisy, priors=()).system
        off.append((system.log10_extraction_constant - truth) / system.log10_standard_deviation)
    assert 0.3 < float(np.sqrt(np.mean(np.square(off)))) < 1.6


@given(
    log10_k=st.lists(st.floats(-8.0, 6.0), min_size=3, max_size=3),
    reading=st.sampled_from(["feed", "equilibrium"]),
)
def test_contact_of_flasks_obeys_mass_action_and_balances(
    log10_k: list[float], reading: AcidityReading
) -> None:
    table = replace(flask_table(), acidity_reading=reading)
    contact = contact_flasks(table, ("Ce", "Pr", "Nd"), np.array(log10_k))
    ratio = 10.0**contact.log10_ratio
    organic = table.aqueous_feed * ratio / (1.0 + ratio)
    bound = np.bincount(table.test, weights=3.0 * organic)
    dimer = 0.5 * table.extractant_concentration
    np.testing.assert_allclose(contact.free_dimer + bound, dimer, rtol=1e-9)
    proton = table.acidity + bound if reading == "feed" else table.acidity
    np.testing.assert_allclose(contact.proton, proton, rtol=1e-9)
    drive = np.log10(contact.free_dimer / contact.proton)[table.test]
    expected = np.tile(log10_k, len(FLASKS)) + 3.0 * drive
    np.testing.assert_allclose(contact.log10_ratio, expected, atol=1e-9)


def test_refit_of_the_shipped_table_gives_the_shipped_system(shipped_fit: FitResult) -> None:
    shipped = load_system(FITTED)
    fitted = shipped_fit.system
    assert shipped.elements == fitted.elements == ("La", "Ce", "Pr", "Nd", "Sm", "Dy", "Y")
    np.testing.assert_allclose(
        shipped.log10_extraction_constant, fitted.log10_extraction_constant, atol=1e-6, rtol=0.0
    )
    np.testing.assert_allclose(shipped.log10_covariance, fitted.log10_covariance, atol=1e-6)
    assert shipped.sources == fitted.sources
    assert shipped.validity == fitted.validity
    assert set(shipped.evidence) == {"fitted"}
    assert shipped.saponification_source.evidence == "assumed"


def test_priors_set_the_differences_of_the_shipped_system(shipped_fit: FitResult) -> None:
    system = shipped_fit.system
    assert np.log10(system.separation_factor("Pr", "Ce")) == pytest.approx(np.log10(2.03), abs=0.01)
    assert np.log10(system.separation_factor("Nd", "Pr")) == pytest.approx(np.log10(1.55), abs=0.01)
    pairs = {(report.first, report.second): report for report in shipped_fit.separations}
    report = pairs["Nd", "Pr"]
    assert report.prior is not None
    assert report.prior.source.reference.startswith("Yang")
    assert report.data > 1.8
    assert report.posterior_deviation < 0.01 < 0.1 < report.data_deviation
    assert pairs["Sm", "Nd"].prior is None


def test_shipped_fit_predicts_the_laboratories(shipped_fit: FitResult) -> None:
    scores = {score.laboratory: score for score in shipped_fit.scores}
    assert shipped_fit.rows_used == 182
    assert scores["all"].rms < 0.17
    assert scores["all"].median_error < 0.08
    assert "Formiga (2016)" not in scores
    unfiltered = {score.laboratory: score for score in shipped_fit.unfiltered_scores}
    assert unfiltered["all"].rows == 194
    assert unfiltered["Formiga (2016)"].rms > 0.4


def test_disagreement_of_laboratories_is_part_of_the_deviation(shipped_fit: FitResult) -> None:
    """One laboratory cannot know how far it is off; the prior says how far it may be."""
    li = fit_system(load_shake_outs(SHIPPED).from_laboratory("Li (1987)"), priors=())
    assert li.laboratory_offsets == pytest.approx({"Li (1987)": 0.0}, abs=1e-6)
    assert li.level_deviation > shipped_fit.level_deviation > 0.05
    assert shipped_fit.system.log10_standard_deviation.min() > shipped_fit.level_deviation
    offsets = list(shipped_fit.laboratory_offsets.values())
    assert len(offsets) == 3
    assert sum(offsets) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.literature
def test_li_1987_alone_gives_the_constants_of_an_independent_reduction() -> None:
    """Means and scatter of log K reduced row by row from the measured phases of Li (1987).

    That reduction averages; ours predicts from the feed and is robust, so the two may differ by
    as much as the rows scatter.
    """
    rows = list(csv.DictReader(LI_1987.read_text(encoding="utf-8").splitlines()))
    system = fit_system(load_shake_outs(SHIPPED).from_laboratory("Li (1987)"), priors=()).system
    for row in rows:
        fitted = system.log10_extraction_constant[system.index(row["element"])]
        deviation = float(row["standard_deviation"])
        assert fitted == pytest.approx(float(row["log10_k_mean"]), abs=min(deviation, 0.15))
    for pair, known in ((("Pr", "Ce"), 1.19), (("Nd", "Pr"), 2.69)):
        assert np.log10(system.separation_factor(*pair)) == pytest.approx(np.log10(known), abs=0.1)


def test_elements_not_asked_for_leave_their_tests_out() -> None:
    result = fit_system(load_shake_outs(SHIPPED), elements=["Nd", "Ce"])
    assert result.system.elements == ("Ce", "Nd")
    reasons = {item.laboratory: item.reason for item in result.excluded}
    assert reasons["Kim (2012)"] == "holds an element not to be fitted"
    assert set(result.table.element) == {"Ce", "Nd"}


def test_priors_apply_to_their_extractant_and_medium_only() -> None:
    assert default_priors("PC-88A", "HCl/chloride") == P507_CHLORIDE_PRIORS
    assert default_priors("P507", "chloride") == P507_CHLORIDE_PRIORS
    assert default_priors("D2EHPA", "HCl/chloride") == ()
    assert default_priors("PC-88A", "HNO3/nitrate") == ()


def test_wrong_reading_of_acidities_is_refused_with_the_mend() -> None:
    table = load_shake_outs(SHIPPED, acidity="equilibrium")
    with pytest.raises(DataError, match="Read the acidities as feed"):
        fit_system(table)


def test_unknown_elements_are_refused() -> None:
    table = load_shake_outs(SHIPPED)
    with pytest.raises(SpecificationError, match="no test of Gd"):
        fit_system(table, elements=["Nd", "Gd"])
    with pytest.raises(SpecificationError, match="no element"):
        fit_system(table, elements=[])
    with pytest.raises(DataError, match="'Fe' is not a rare earth"):
        fit_system(parse_shake_outs(table_text(FLASKS).replace(",Ce,", ",Fe,")))


def test_report_is_plain_json_and_one_line_for_each_row(shipped_fit: FitResult) -> None:
    report = json.loads(json.dumps(shipped_fit.to_dict()))
    assert report["elements"]["Nd"]["rows"] == 44
    assert report["excluded"][0]["laboratory"] == "Formiga (2016)"
    frame = shipped_fit.to_dataframe()
    assert len(frame) == 194
    assert frame.loc[~frame["used"], "laboratory"].unique().tolist() == ["Formiga (2016)"]
    used = frame.loc[frame["used"], "log10_residual"]
    score = next(item for item in shipped_fit.scores if item.laboratory == "all")
    assert float(np.sqrt(np.mean(used**2))) == pytest.approx(score.rms)


def test_fit_of_the_shipped_table_is_written_as_shipped(shipped_fit: FitResult) -> None:
    fresh = write_system(shipped_fit.system).splitlines()
    shipped = write_system(load_system(FITTED)).splitlines()
    assert len(fresh) == len(shipped)


def test_loading_terms_behind_perfect_data_are_found() -> None:
    table = flask_table()
    truth = np.array(list(TRUE_LOG10_K.values()))
    elements = tuple(TRUE_LOG10_K)
    contact = contact_flasks(table, elements, truth, kappa=truth + 1.0, terms=(0.4, 0.3))
    ratio = 10.0**contact.log10_ratio
    bent = replace(
        table,
        distribution_ratio=ratio,
        aqueous=table.aqueous_feed / (1.0 + ratio),
        organic=table.aqueous_feed * ratio / (1.0 + ratio),
    )
    loading = LoadingPrior(level_deviation=10.0, spread_deviation=10.0)
    result = fit_system(bent, priors=(), loading=loading)
    assert result.system.loading is not None
    assert result.system.loading.level == pytest.approx(0.4, abs=1e-2)
    assert result.system.loading.spread == pytest.approx(0.3, abs=1e-2)
    np.testing.assert_allclose(result.system.log10_extraction_constant, truth, atol=1e-2)


def test_separation_factor_of_a_process_counts_at_its_loading() -> None:
    """A shared spread makes the trace factor larger than the one met in a loaded plant."""
    source = Source(title="made up for this test")
    prior = SeparationPrior(
        first="Nd",
        second="Pr",
        separation_factor=1.5,
        log10_deviation=1e-4,
        source=source,
        loading=0.7,
    )
    table = flask_table()
    result = fit_system(table, priors=[prior], loading=True)
    loading = result.system.loading
    assert loading is not None
    constant = result.system.log10_extraction_constant
    at_loading = loading.separation_factor(constant[2], constant[1], 0.7)
    assert at_loading == pytest.approx(1.5, rel=1e-3)


@pytest.mark.slow
def test_pitzer_activities_move_the_level_and_leave_the_laboratories_predicted() -> None:
    result = fit_system(load_shake_outs(SHIPPED), activity="pitzer")
    assert result.system.activity == "pitzer"
    scores = {score.laboratory: score for score in result.scores}
    assert scores["all"].rms < 0.2
    assert np.abs(result.problem.shift).max() > 0.5


def test_only_acidic_dimers_are_fitted() -> None:
    table = replace(flask_table(), mechanism="solvation")
    with pytest.raises(SpecificationError, match="solvation"):
        fit_system(table)
