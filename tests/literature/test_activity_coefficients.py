"""Activity coefficients against measured values and against other implementations."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from raffinate.chemistry.nonideality import build_nonideality
from raffinate.chemistry.pitzer import A_PHI
from raffinate.chemistry.pitzer_build import build_pitzer
from raffinate.chemistry.pitzer_data import load_pitzer
from raffinate.chemistry.species import Species, free_species
from raffinate.numerics.jax_setup import jax, jnp
from raffinate.sources import Source

DATA = Path(__file__).parent / "data"
_molal = jax.jit(lambda model, *amounts: model.log_molal(*amounts), static_argnums=0)
_phases = jax.jit(lambda model, *amounts: model.log_coefficients(*amounts), static_argnums=0)


def rows(name):
    lines = (DATA / name).read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def mean_coefficient(cation, valence, molality):
    model, parameters, _, _ = build_pitzer([free_species(cation), free_species("chloride")])
    amounts = jnp.array([molality, valence * molality])
    log_gamma, _ = _molal(model, amounts, parameters)
    return math.exp(float(log_gamma[0] + valence * log_gamma[1]) / (1 + valence))


MEASURED = rows("mean_activity_coefficients.csv")
FAR = {"CaCl2": 5.0}
"""Measured beyond the range to which the two virial coefficients of a 2-1 salt are trusted."""


@pytest.mark.literature
@pytest.mark.parametrize(
    "row",
    [row for row in MEASURED if row["valence"] != "3"],
    ids=lambda row: f"{row['salt']}-{row['molality']}",
)
def test_pitzer_follows_measured_mean_activity_coefficients(row):
    """Sources: see the head of data/mean_activity_coefficients.csv."""
    molality = float(row["molality"])
    found = mean_coefficient(row["cation"], int(row["valence"]), molality)
    allowed = 0.16 if molality >= FAR.get(row["salt"], math.inf) else 0.03
    assert found == pytest.approx(float(row["gamma"]), rel=allowed)


@pytest.mark.literature
@pytest.mark.parametrize(
    "row", [row for row in MEASURED if row["valence"] == "3"], ids=lambda row: row["salt"]
)
def test_pitzer_follows_rare_earth_chlorides_beyond_the_range_of_the_plant(row):
    """Isopiestic values at 3.4 mol/kg; source: see data/mean_activity_coefficients.csv."""
    found = mean_coefficient(row["cation"], 3, 3.4)
    allowed = 0.03 if row["salt"] in ("SmCl3", "GdCl3", "DyCl3") else 0.05
    assert found == pytest.approx(float(row["gamma"]), rel=allowed)


@pytest.mark.literature
@pytest.mark.parametrize("row", rows("pitzer_mayorga_1973.csv"), ids=lambda row: row["salt"])
def test_two_evaluations_of_one_salt_agree(row):
    """Model against model: ours and Pitzer and Mayorga (1973).

    They rest on the osmotic coefficients of different decades; of the rare earths these differ by
    up to 8 % in the activity coefficient, so that only a coarse agreement can be asked.
    """
    valence = int(row["valence"])
    scale = {1: (1.0, 1.0), 3: (2.0 / 3.0, 2.0 / 3.0**1.5)}[valence]
    beta0, beta1 = (scale[0] * float(row[name]) for name in ("beta0", "beta1"))
    c_phi, nu = scale[1] * float(row["cphi"]), 1 + valence
    for m in (0.1, 0.5, 1.0, 2.0) + ((3.0, 5.0) if valence == 1 else ()):
        strength = 0.5 * m * valence * nu
        root = math.sqrt(strength)
        f = -A_PHI * (root / (1 + 1.2 * root) + 2 / 1.2 * math.log(1 + 1.2 * root))
        decay = (1 - (1 + 2 * root - 2 * strength) * math.exp(-2 * root)) / (2 * strength)
        b = 2 * beta0 + beta1 * decay
        earlier = valence * f + m * 2 * valence / nu * b + 3 * m**2 * valence**1.5 / nu * c_phi
        found = mean_coefficient(row["cation"], valence, m)
        allowed = 0.01 if valence == 1 else 0.08
        assert found == pytest.approx(math.exp(earlier), rel=allowed), m


@pytest.mark.literature
@pytest.mark.parametrize("molality", [0.1, 0.5, 1.0, 2.0, 3.0])
def test_rare_earth_chlorides_run_smoothly_along_the_series(molality):
    """They were measured to rise across it: source of the values at 3.4 mol/kg."""
    series = ("La", "Ce", "Pr", "Nd", "Sm", "Eu", "Gd", "Tb", "Dy", "Ho", "Er")
    logs = np.log([mean_coefficient(name, 3, molality) for name in series])
    assert (np.diff(logs) > -0.01).all()
    assert (np.diff(logs) < 0.11 * max(1.0, molality / 2.0)).all()


def phreeqc_punch(database, block, names):
    phreeqc = pytest.importorskip("phreeqc")
    engine = phreeqc.Phreeqc()
    engine.LoadBuiltInDatabase(database)
    punched = ", ".join(f'MOL("{name}"), LG("{name}")' for name in names)
    headings = " ".join(f"m{k} g{k}" for k in range(len(names)))
    errors = engine.RunString(
        f"{block}\nUSER_PUNCH\n -headings {headings} aw A\n 10 PUNCH {punched}, "
        'ACT("H2O"), DH_A\nSELECTED_OUTPUT\n -reset false\n -high_precision true\nEND\n'
    )
    assert errors == 0, engine.GetErrorString()
    last = {key: values[-1] for key, values in engine.GetSelectedOutput().items()}
    molality = np.array([last[f"m{k}"] for k in range(len(names))])
    log10_gamma = np.array([last[f"g{k}"] for k in range(len(names))])
    return molality, log10_gamma, last["aw"], last["A"]


@pytest.mark.literature
@pytest.mark.parametrize(
    "salts",
    [
        {"Na": 1.0, "Ca": 0.5, "Mg": 0.5, "Cl": 4.0},
        {"Na": 0.1, "Ca": 0.01, "Mg": 0.01, "Cl": 1.1},
        {"Na": 3.0, "Ca": 0.2, "Mg": 1.0, "Cl": 6.0},
        {"Na": 1.0, "Mg": 0.3, "S(6)": 0.5, "Cl": 1.6},
    ],
    ids=lambda salts: "-".join(salts),
)
def test_mixing_is_that_of_phreeqc_with_its_own_parameters(salts):
    """pitzer.dat, electrostatic mixing terms included; chloride closes the charge balance."""
    components = {"Na": "sodium", "Ca": "Ca", "Mg": "Mg", "Cl": "chloride", "S(6)": "sulfate"}
    species = [free_species("proton"), *(free_species(components[name]) for name in salts)]
    if "S(6)" in salts:
        species.append(
            Species(
                name="HSO4-",
                phase="aqueous",
                charge=-1,
                composition=(("proton", 1.0), ("sulfate", 1.0)),
                log10_constant=1.98,
                source=Source(title="placeholder of a test", evidence="assumed"),
            )
        )
    amounts = "".join(
        f" {name} {moles}{' charge' if name == 'Cl' else ''}\n" for name, moles in salts.items()
    )
    block = f"PITZER\n -macinnes false\nSOLUTION 1\n units mol/kgw\n temp 25\n pH 0\n{amounts}"
    molality, expected, activity, slope = phreeqc_punch(
        "pitzer.dat", block, [one.name for one in species]
    )
    library = load_pitzer(("phreeqc",), interpolate=False)
    a_phi = slope * math.log(10.0) / 3.0
    model, parameters, _, _ = build_pitzer(species, library=library, a_phi=a_phi)
    found, water = _molal(model, jnp.asarray(molality), parameters)
    np.testing.assert_allclose(np.asarray(found) / math.log(10.0), expected, rtol=0, atol=1e-4)
    assert math.exp(float(water)) == pytest.approx(activity, abs=1e-5)


PRESENT = {
    "H+": (1, 9.0),
    "Na+": (1, 4.0),
    "Nd+3": (3, 9.0),
    "Cl-": (-1, 3.0),
    "SO4-2": (-2, 4.0),
    "NaCl": (0, 0.0),
    "HCl": (0, 0.0),
    "NaSO4-": (-1, 4.0),
    "HSO4-": (-1, 4.0),
    "NdCl+2": (2, 4.5),
    "NdCl2+": (1, 4.0),
    "NdCl3": (0, 0.0),
    "NdCl4-": (-1, 4.0),
    "NdSO4+": (1, 4.0),
    "Nd(SO4)2-": (-1, 4.0),
}
"""Charge and ion size [1e-10 m] of what llnl.dat finds in the solution."""


def placeholder(name, charge, size):
    return Species(
        name=name,
        phase="aqueous",
        charge=charge,
        composition=((name, 1.0),),
        log10_constant=0.0,
        source=Source(title="placeholder of a test", evidence="assumed"),
        ion_size=size * 1e-10,
    )


@pytest.mark.literature
@pytest.mark.parametrize("salt", [0.01, 0.1, 0.5, 1.0, 3.0])
def test_bdot_is_that_of_phreeqc(salt):
    """llnl.dat; neutral species keep γ = 1."""
    block = (
        f"SOLUTION 1\n units mol/kgw\n pH 2\n Na {salt}\n Nd 1e-3\n S(6) 1e-3\n Cl {salt} charge\n"
    )
    species = [placeholder(name, *numbers) for name, numbers in PRESENT.items()]
    assert_same_as_phreeqc("bdot", "llnl.dat", block, species)


@pytest.mark.literature
@pytest.mark.parametrize("salt", [0.01, 0.1, 0.5])
def test_davies_is_that_of_phreeqc(salt):
    """phreeqc.dat with Na⁺, Cl⁻ and Mg²⁺ stripped of their own parameters."""
    bare = "SOLUTION_SPECIES\nNa+ = Na+\nCl- = Cl-\nMg+2 = Mg+2\n"
    block = f"{bare}SOLUTION 1\n units mol/kgw\n pH 7\n Na {salt}\n Mg 1e-6\n Cl {salt} charge\n"
    species = [free_species(name) for name in ("sodium", "Mg", "chloride")]
    assert_same_as_phreeqc("davies", "phreeqc.dat", block, species)


def assert_same_as_phreeqc(kind, database, block, species):
    names = [one.name for one in species]
    molality, expected, activity, _ = phreeqc_punch(database, block, names)
    built = build_nonideality(kind, species, molal=True)
    found, _, water = _phases(
        built.model, jnp.asarray(1000.0 * molality), jnp.zeros(0), built.parameters
    )
    present = molality > 0.0
    log10_gamma = np.asarray(found)[present] / math.log(10.0)
    np.testing.assert_allclose(log10_gamma, expected[present], rtol=0, atol=1e-3)
    assert math.exp(float(water)) == pytest.approx(activity, abs=1e-4)
