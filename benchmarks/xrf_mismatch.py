"""The analyzer against spectra of other atoms and another voltage than it knows, calibrated.

Each seed draws its own atoms: yields, Coster-Kronig transfers and line ratios, from uncertainties
stated here and read by nobody else, and a tube 0.3 kV below its display. Thirteen standards and
twenty-five mixtures (xrf_cases/mixtures.csv) are counted and the mixtures read.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.elements import oxide_molar_masses
from raffinate.instruments.calibrate import calibrate
from raffinate.instruments.calibrate_result import Calibration
from raffinate.instruments.calibrate_standard import Standard
from raffinate.instruments.quantify import Quantifier, build_quantifier, quantify
from raffinate.instruments.quantify_model import FitModel
from raffinate.instruments.quantify_result import Quantification
from raffinate.instruments.quantify_sample import sample_of
from raffinate.instruments.quantify_simulate import simulate_spectrum
from raffinate.instruments.xrf_atomic import AtomicAdjustment, atom
from raffinate.instruments.xrf_drift import Drift
from raffinate.instruments.xrf_instrument import XrfInstrument
from raffinate.instruments.xrf_instrument_file import load_instrument
from raffinate.instruments.xrf_spectrum_build import build_forward_model

Array = NDArray[np.float64]

CASES = Path(__file__).parent / "xrf_cases" / "mixtures.csv"
METALS = ("La", "Ce", "Pr", "Nd", "Sm")
YIELD = {"K": 0.02, "L1": 0.08, "L2": 0.062, "L3": 0.044}
"""Relative standard deviations: of Ru as measured, N. Wauschkuhn et al., arXiv 2303.07965 (2023);
K assumed."""
TRANSFER = {"L2-L3": 0.18, "L1-L3": 0.17, "L1-L2": 0.42}
"""Likewise."""
RATIO = 0.05
"""Of each line over the others of its shell; assumed."""
VOLTAGE = -300.0
"""Of the tube less what it displays, [V]."""
CERTIFICATE = 0.0005
"""Relative standard deviation of each certified metal, weighed as oxide; assumed."""
ACID = 0.005
"""Likewise of its free acid: titrated; assumed."""
SECONDS = 100.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """One row of the file.

    Attributes:
        name: Short name.
        standard: Whether it calibrates.
        metals: (metal,), [mol/m³].
        acid: [mol/m³].
    """

    name: str
    standard: bool
    metals: Array
    acid: float


def cases() -> list[Case]:
    """Return standards and mixtures of the committed file."""
    text = CASES.read_text("utf-8").splitlines()
    oxides = np.array(oxide_molar_masses(METALS))
    return [
        Case(
            name=row["name"],
            standard=row["role"] == "standard",
            metals=np.array([float(row[m]) for m in METALS])
            / 100.0 * float(row["reo_g_per_L"]) / oxides,
            acid=1e3 * float(row["acid_mol_per_L"]),
        )
        for row in csv.DictReader(line for line in text if not line.startswith("#"))
    ]  # fmt: skip


def other_atoms(symbols: tuple[str, ...], generator: np.random.Generator) -> AtomicAdjustment:
    """Return atoms drawn from the uncertainties above, each factor lognormal."""
    yields, transfers, rates = [], [], []
    for symbol in symbols:
        one = atom(symbol)
        for shell, sigma in YIELD.items():
            yields.append((symbol, shell, float(np.exp(sigma * generator.standard_normal()))))
        for pair, sigma in TRANSFER.items():
            transfers.append((symbol, pair, float(np.exp(sigma * generator.standard_normal()))))
        for name in one.line_name:
            rates.append((symbol, name, float(np.exp(RATIO * generator.standard_normal()))))
    return AtomicAdjustment(
        fluorescence_yield=tuple(yields),
        coster_kronig=tuple(transfers),
        radiative_rate=tuple(rates),
    )


def other_analyzer(instrument: XrfInstrument, generator: np.random.Generator) -> FitModel:
    """Return the simulator: other atoms and voltage."""
    sample = sample_of(METALS, "chloride")
    symbols = (*METALS, "Cl")
    forward = build_forward_model(
        instrument,
        sample.components,
        voltage=instrument.tube.voltage + VOLTAGE,
        adjustment=other_atoms(symbols, generator),
    )
    return FitModel(forward=forward, sample=sample)


def calibrated(
    instrument: XrfInstrument, real: FitModel, generator: np.random.Generator
) -> Calibration:
    """Return a calibration from the thirteen standards, certificates slightly wrong."""
    standards = []
    for case in cases():
        if not case.standard:
            continue
        spectrum = simulate_spectrum(
            real, case.metals, case.acid, real_time=SECONDS, generator=generator,
            drift=wandered(generator), title=case.name,
        )  # fmt: skip
        sigma = CERTIFICATE * case.metals
        standards.append(
            Standard(
                spectrum=spectrum,
                metals=case.metals + sigma * generator.standard_normal(len(sigma)),
                uncertainty=sigma,
                unknown=case.acid * (1.0 + ACID * generator.standard_normal()),
                unknown_uncertainty=ACID * case.acid,
                name=case.name,
            )
        )
    return calibrate(instrument, METALS, standards)


def wandered(generator: np.random.Generator) -> Drift:
    """Return a small drift: flux by 1 %, zero by 3 eV, gain by 0.02 %."""
    flux, zero, gain = generator.standard_normal(3).tolist()
    return Drift(flux=1.0 + 0.01 * flux, zero=3.0 * zero, gain=2e-4 * gain)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seed:
    """Everything of one seed.

    Attributes:
        real: The simulator.
        calibration: Made from its standards.
        quantifier: Calibrated.
    """

    real: FitModel
    calibration: Calibration
    quantifier: Quantifier


def seeded(seed: int) -> Seed:
    """Return simulator and calibrated quantifier of a seed."""
    generator = np.random.default_rng(seed)
    instrument = load_instrument("online_rh_40kv")
    real = other_analyzer(instrument, generator)
    calibration = calibrated(instrument, real, generator)
    return Seed(
        real=real,
        calibration=calibration,
        quantifier=build_quantifier(instrument, METALS, calibration=calibration),
    )


def read(
    one: Seed, case: Case, generator: np.random.Generator, drift: Drift | None = None
) -> Quantification:
    """Return one reading of a case."""
    spectrum = simulate_spectrum(
        one.real, case.metals, case.acid, real_time=SECONDS, generator=generator,
        drift=wandered(generator) if drift is None else drift, title=case.name,
    )  # fmt: skip
    return quantify(spectrum, one.quantifier)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Readings:
    """What a seed's analyzer made of the mixtures.

    Attributes:
        share_error: Found less true share of the oxides, (reading, metal), [-].
        share_inside: Whether the stated 95 % interval holds the truth, (reading, metal).
        inside: Likewise of concentrations, (reading, metal).
        chi2: Per degree of freedom, (reading,).
        flagged: Share of the readings with a flag, [-].
        disturbed: Total oxides found over true, less 1, of the worst disturbance, [-].
        voltage: Found tube voltage, [V].
        widening: Of the calibration, [-].
        limits: (product, stranger, limit [mol/m³], share of readings at a quarter of it that gave a
            number).
    """

    share_error: Array
    share_inside: NDArray[np.bool_]
    inside: NDArray[np.bool_]
    chi2: Array
    flagged: float
    disturbed: float
    voltage: float
    widening: float
    limits: tuple[tuple[str, str, float, float], ...]


NORMAL = 1.959964
PRODUCTS = (("CePr", "m11", "Nd"), ("Nd", "m16", "Ce"), ("Nd", "m16", "Pr"))
"""Product, its row in the file, and what leaks into it from the other side."""


def readings(seed: int, repeats: int) -> Readings:
    """Return every mixture read `repeats` times by the analyzer of a seed."""
    one, generator = seeded(seed), np.random.default_rng([seed, 1])
    oxides = np.array(oxide_molar_masses(METALS))
    errors, share_inside, inside, chi2, flagged = [], [], [], [], []
    mixtures = {case.name: case for case in cases() if not case.standard}
    for case in list(mixtures.values()) * repeats:
        found = read(one, case, generator)
        share, spread = found.reo_fraction
        error = share - oxides * case.metals / (oxides @ case.metals)
        errors.append(error)
        share_inside.append(np.abs(error) <= NORMAL * spread)
        inside.append(np.abs(found.concentration - case.metals) <= NORMAL * found.sigma)
        chi2.append(found.misfit.chi2_per_dof)
        flagged.append(bool(found.flags))
    return Readings(
        share_error=np.array(errors),
        share_inside=np.array(share_inside),
        inside=np.array(inside),
        chi2=np.array(chi2),
        flagged=float(np.mean(flagged)),
        disturbed=_disturbed(one, mixtures["m01"], generator),
        voltage=one.calibration.voltage_factor * one.quantifier.model.instrument.tube.voltage,
        widening=one.calibration.widening,
        limits=tuple(
            (product, stranger, *_limit(one, mixtures[row], stranger, generator, repeats))
            for product, row, stranger in PRODUCTS
        ),
    )


def _disturbed(one: Seed, case: Case, generator: np.random.Generator) -> float:
    """Worst error of total oxides under flux, acid, zero and gain; one noisy reading each."""
    true = float(np.array(oxide_molar_masses(METALS)) @ case.metals)
    worst = 0.0
    for flux in (0.98, 1.02):
        for acid in (0.0, 1500.0, 3000.0):
            for zero, gain in ((10.0, 1e-3), (-10.0, -1e-3), (10.0, -1e-3), (-10.0, 1e-3)):
                drift = Drift(flux=flux, zero=zero, gain=gain)
                there = Case(name=case.name, standard=False, metals=case.metals, acid=acid)
                bias = read(one, there, generator, drift).total_reo[0] / true - 1.0
                worst = bias if abs(bias) > abs(worst) else worst
    return worst


def _limit(
    one: Seed, case: Case, stranger: str, generator: np.random.Generator, repeats: int
) -> tuple[float, float]:
    place = METALS.index(stranger)
    metals = case.metals.copy()
    metals[place] = 0.0
    pure = Case(name=case.name, standard=False, metals=metals, acid=case.acid)
    limit = float(read(one, pure, generator).detection[place])
    metals = metals.copy()
    metals[place] = 0.25 * limit
    faint = Case(name=case.name, standard=False, metals=metals, acid=case.acid)
    numbers = [not read(one, faint, generator).below_limit[place] for _ in range(repeats)]
    return limit, float(np.mean(numbers))
