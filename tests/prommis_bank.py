"""Another simulator's bank of D2EHPA/TBP mixer-settlers, as its files print it, solved here.

Source: PrOMMiS, solvent extraction of coal leach with D2EHPA/TBP; output of a model, not a plant.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from correlated_chemistry import CorrelatedExchange, CorrelatedParameters
from raffinate.cascade.bank import no_specification
from raffinate.cascade.equations import Problem
from raffinate.chemistry.elements import metal
from raffinate.chemistry.system_file import load_system
from raffinate.numerics.jax_setup import given
from raffinate.plant.arrays import streams_of, vessels_of
from raffinate.plant.model import Circuit, Liquor, Section
from raffinate.plant.outcome import bank_streams, check_steady
from raffinate.plant.search import solve_fixed

DATA = Path(__file__).parent / "literature" / "data"
ELEMENTS = ("La", "Ce", "Pr", "Nd", "Sm", "Gd", "Dy", "Y", "Sc", "Al", "Ca", "Fe")
EXTRACTANT_MASS, EXTRACTANT_DENSITY = 322.431, 975.8
FLOW = 1e-5
# The profiles conserve sulfur and protons to nine digits with these masses, in g/mol.
PROTON_MASS, BISULFATE_MASS, SULFATE_MASS = 1.0, 97.0, 96.0


def rows(name):
    lines = (DATA / name).read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


FED = {row["species"]: row for row in rows("prommis_mixer_settler_cases.csv")}
MASS = np.array([metal(e).molar_mass * 1e3 for e in ELEMENTS])
CHARGE = np.array([2.0 if e == "Ca" else 3.0 for e in ELEMENTS])


def profile(stages):
    """Return pH, aqueous and organic as printed, from where the organic enters, [mg/L]."""
    table = rows(f"prommis_d2ehpa_tbp_{stages}_stages.csv")
    shape = (stages, len(ELEMENTS))
    aqueous, organic, acidity = np.zeros(shape), np.zeros(shape), np.zeros(stages)
    for row in table:
        place = stages - int(row["stage"])
        aqueous[place, ELEMENTS.index(row["element"])] = float(row["aqueous"])
        organic[place, ELEMENTS.index(row["element"])] = float(row["organic"])
        acidity[place] = float(row["pH"])
    return acidity, aqueous, organic


def correlation():
    """Return the numbers of the correlation; the dissociation is that of the first stage."""
    table = {row["element"]: row for row in rows("prommis_d2ehpa_tbp_log_d.csv")}
    columns = ("m0_per_pH", "m1_per_pH_per_volpct", "B0", "B1")
    numbers = np.zeros((4, len(ELEMENTS)))
    for place, element in enumerate(ELEMENTS):
        row = table[element]
        if row["D_constant"]:
            numbers[2, place] = np.log10(float(row["D_constant"]))
        else:
            numbers[:, place] = [float(row[column]) for column in columns]
    dose_per_free = 0.1 * EXTRACTANT_MASS / EXTRACTANT_DENSITY
    raffinate = {s: float(FED[s]["steady_raffinate_mg_L"]) for s in ("H", "SO4", "HSO4")}
    sulfate = sum(
        float(FED[s]["aq_feed_mg_L"]) / m
        for s, m in (("SO4", SULFATE_MASS), ("HSO4", BISULFATE_MASS))
    )
    dissociation = (
        (raffinate["H"] / PROTON_MASS)
        * (raffinate["SO4"] / SULFATE_MASS)
        / (raffinate["HSO4"] / BISULFATE_MASS)
    )
    every = (*numbers, dose_per_free, CHARGE, sulfate, dissociation)
    return CorrelatedParameters(*(given(np.asarray(number)) for number in every))


def extractant(stages):
    """Return free and bound extractant of every stage, [mol/m³], in the order of the organic."""
    _, _, organic = profile(stages)
    table = rows(f"prommis_d2ehpa_tbp_{stages}_stages.csv")
    free = {int(row["stage"]): float(row["dehpa"]) / EXTRACTANT_MASS for row in table}
    bound = (organic / MASS * CHARGE).sum(axis=1)
    return np.array([free[stages - place] for place in range(stages)]) + bound


def solved(stages):
    """Return the chemistry, its numbers and the solved bank, of which the last stage strips."""
    fresh = {row["element"]: row for row in rows("prommis_d2ehpa_tbp_organic_feed.csv")}
    returned = np.array([float(fresh[e]["mg_per_L"]) for e in ELEMENTS])
    feed = np.array([float(FED[e]["aq_feed_mg_L"]) for e in ELEMENTS]) / MASS
    acid = float(FED["H"]["aq_feed_mg_L"]) / PROTON_MASS
    acid += float(FED["HSO4"]["aq_feed_mg_L"]) / BISULFATE_MASS
    liquor = Liquor(
        name="leach", flow=FLOW, concentration=dict(zip(ELEMENTS, feed, strict=True)), proton=acid
    )
    # So much strip liquor that it, and not what it strips, sets what the organic brings back.
    strip = Liquor(name="strip", flow=1e7 * FLOW, proton=1e3)
    system = load_system("d2ehpa_tbp_sulfate").subset(ELEMENTS)
    circuit = Circuit(
        system=system,
        sections=(
            Section(name="extraction", stages=stages, aqueous=liquor),
            Section(name="strip", stages=1, aqueous=strip, draw="strip", draw_flow=strip.flow),
        ),
        organic_flow=FLOW,
        # Circuits count HA and hand on dimers; here the component is HA itself.
        extractant_concentration=2.0 * float(np.mean(extractant(stages))),
        saponification_degree=0.0,
    )
    streams = streams_of(circuit)
    order = [system.elements.index(e) for e in ELEMENTS]
    assert order == list(range(len(ELEMENTS)))
    supplied = np.array(streams.feed_concentration)
    supplied[1, : len(ELEMENTS)] = returned / MASS
    supplied[1, len(ELEMENTS)] = 1e3
    streams = streams._replace(feed_concentration=given(supplied))
    flows = 1 + len(streams.feed_flow) + len(streams.draw_flow)
    problem = Problem(
        vessels_of(circuit),
        streams,
        no_specification(len(ELEMENTS) + 3, flows),
        correlation(),
    )
    chemistry = CorrelatedExchange(ELEMENTS)
    result = solve_fixed(chemistry, problem, circuit, None)
    bank = bank_streams(chemistry, problem, result, circuit.stages)
    check_steady(chemistry, problem, bank)
    return chemistry, problem, bank
