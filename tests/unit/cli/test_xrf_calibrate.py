"""`raffinate xrf calibrate`: a table of standards in, a calibration, a table and a picture out."""

from __future__ import annotations

import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from raffinate.cli.xrf_calibrate import calibrate_file
from raffinate.cli.xrf_quantify import quantify_file
from raffinate.instruments.quantify import build_quantifier
from raffinate.instruments.quantify_simulate import emsa_text, simulate_spectrum
from raffinate.instruments.xrf_atomic import atomic_mass
from raffinate.instruments.xrf_drift import NO_DRIFT
from raffinate.instruments.xrf_instrument_file import load_instrument

ROWS = (("blank", "standard", 0.0), ("mid", "standard", 40.0), ("high", "standard", 90.0),
        ("check", "check", 60.0))  # fmt: skip


def run(*arguments):
    app = typer.Typer()
    app.command("calibrate")(calibrate_file)
    app.command("quantify")(quantify_file)
    return CliRunner().invoke(app, [str(each) for each in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    here = tmp_path_factory.mktemp("standards")
    model = build_quantifier(load_instrument("online_rh_40kv"), ("Nd",)).model
    lines = ["file,role,Nd_g_per_L,Nd_g_per_L_sigma,acid_mol_per_L,acid_mol_per_L_sigma"]
    for seed, (name, role, grams) in enumerate(ROWS):
        spectrum = simulate_spectrum(
            model, np.array([grams / atomic_mass("Nd")]), 500.0, real_time=100.0,
            generator=np.random.default_rng(seed), drift=NO_DRIFT, title=name,
        )  # fmt: skip
        (here / f"{name}.msa").write_text(emsa_text(spectrum), "utf-8")
        lines.append(f"{name}.msa,{role},{grams},{0.001 * grams},0.5,0.005")
    (here / "standards.csv").write_text("\n".join(lines) + "\n", "utf-8")
    return here


@pytest.fixture(scope="module")
def answer(folder):
    made = run("calibrate", folder / "standards.csv", "--json", "-o", folder / "c.yaml",
               "--picture", folder / "c.png")  # fmt: skip
    assert made.exit_code == 0, made.output
    return json.loads(made.stdout)


def test_a_table_of_standards_gives_factors_errors_and_a_check(folder, answer):
    factors = {row["name"]: row for row in answer["factors"]}
    assert abs(factors["Nd L3"]["factor"] - 1.0) < 5.0 * factors["Nd L3"]["relative_sigma"]
    assert [one["name"] for one in answer["standards"]] == ["blank", "mid", "high"]
    (check,) = answer["checks"]
    found = check["elements"]["Nd"]
    assert abs(found["g_per_L"] - 60.0) < 5.0 * found["sigma"]
    assert (folder / "c.png").stat().st_size > 10_000


def test_quantify_takes_the_calibration_and_says_so(folder, answer):
    shown = run("quantify", folder / "check.msa", "--elements", "Nd",
                "--calibration", folder / "c.yaml")  # fmt: skip
    assert shown.exit_code == 0, shown.output
    assert "of counting and of the calibration" in shown.stdout
    assert answer["fingerprint"] in (folder / "c.yaml").read_text("utf-8")


def test_another_analyzers_calibration_exits_with_2(folder, answer):
    text = (folder / "c.yaml").read_text("utf-8")
    (folder / "other.yaml").write_text(text.replace(answer["fingerprint"], "0" * 16), "utf-8")
    refused = run("quantify", folder / "check.msa", "--elements", "Nd",
                  "--calibration", folder / "other.yaml")  # fmt: skip
    assert refused.exit_code == 2
    assert "fingerprint" in refused.output


def test_a_missing_table_or_spectrum_exits_with_2(folder):
    assert run("calibrate", folder / "none.csv").exit_code == 2
    (folder / "lost.csv").write_text("file,Nd_g_per_L\nnowhere.msa,1\n", "utf-8")
    assert run("calibrate", folder / "lost.csv").exit_code == 2
    assert run("calibrate", folder / "standards.csv", "-o", folder / "c.doc").exit_code == 2
