"""Tanks, splitters, conditioning, precipitation and redissolution keep what is conserved."""

from __future__ import annotations

import numpy as np
import pytest

from raffinate.errors import SpecificationError
from raffinate.plant.network import Conditioner, Precipitation, Redissolution, Splitter, Tank
from raffinate.plant.network_stream import (
    AMMONIUM,
    CARBON,
    OXALATE,
    Stream,
    StreamAxis,
    liquor_stream,
)
from raffinate.plant.network_units import (
    UnitOutcome,
    run_conditioner,
    run_precipitation,
    run_redissolution,
    run_splitter,
    run_tank,
)

AXIS = StreamAxis(("La", "Nd", "Al"), "chloride")


def liquor(acid: float = 2.0) -> Stream:
    return liquor_stream(AXIS, 0.01, np.array([3.0, 5.0, 1.0]), acid)


def assert_balanced(taken: list[Stream], made: UnitOutcome) -> None:
    entered = np.sum([stream.amount for stream in taken], axis=0) + made.supplied
    left = np.sum([stream.amount for stream in made.streams.values()], axis=0) + made.removed
    assert left == pytest.approx(entered, rel=1e-13, abs=1e-13)
    volume = sum(stream.flow for stream in taken) + made.water
    assert sum(stream.flow for stream in made.streams.values()) == pytest.approx(volume)


def precipitation(precipitant: str, excess: float = 0.0, solubility: float = 10.0) -> Precipitation:
    return Precipitation(
        name="p", inlet="x", precipitant=precipitant, excess=excess, solubility=solubility
    )


def test_a_liquor_has_the_acid_it_was_given():
    assert AXIS.acid(liquor(2.0).amount) == pytest.approx(2.0, rel=1e-12)


def test_a_tank_adds_and_a_splitter_parts():
    one, other = liquor(), liquor(0.5)
    tank = run_tank(AXIS, Tank(name="t", inlets=("a", "b")), [one, other])
    assert_balanced([one, other], tank)
    parted = run_splitter(
        AXIS, Splitter(name="s", inlet="t", fractions={"a": 0.25, "b": 0.75}), tank.streams["t"]
    )
    assert_balanced([tank.streams["t"]], parted)
    assert parted.streams["s.a"].flow == pytest.approx(0.25 * 0.02)


@pytest.mark.parametrize(("acid", "reagent"), [(2.0, "NH3"), (0.1, "acid")])
def test_conditioning_reaches_strength_and_acid_with_ammonia_or_acid(acid, reagent):
    unit = Conditioner(name="c", inlet="x", strength=450.0, proton=50.0)
    taken = liquor(acid)
    made = run_conditioner(AXIS, unit, taken)
    assert_balanced([taken], made)
    stream = made.streams["c"]
    assert stream.metals(AXIS).sum() / stream.flow == pytest.approx(450.0)
    assert AXIS.acid(stream.amount) / stream.flow == pytest.approx(50.0)
    assert made.reagents[reagent] == pytest.approx(abs(acid - 50.0 * stream.flow))


def test_oxalate_releases_three_protons_a_metal_and_leaves_what_dissolves():
    taken = liquor()
    made = run_precipitation(AXIS, precipitation("oxalate", excess=0.2), taken)
    assert_balanced([taken], made)
    solid, mother = made.streams["p.solid"], made.streams["p.mother_liquor"]
    precipitated = 8.0 - 10.0 * 0.01
    assert solid.metals(AXIS) == pytest.approx(np.array([3.0, 5.0, 0.0]) * precipitated / 8.0)
    assert solid.amount[AXIS.place(OXALATE)] == pytest.approx(1.5 * precipitated)
    assert mother.amount[AXIS.place(OXALATE)] == pytest.approx(0.2 * 1.5 * precipitated)
    assert AXIS.acid(mother.amount) == pytest.approx(2.0 + 3.0 * precipitated)


def test_carbonate_takes_the_acid_first_and_dissolves_again():
    taken = liquor()
    made = run_precipitation(AXIS, precipitation("carbonate"), taken)
    assert_balanced([taken], made)
    solid, mother = made.streams["p.solid"], made.streams["p.mother_liquor"]
    precipitated = 8.0 - 10.0 * 0.01
    assert made.supplied[AXIS.place(AMMONIUM)] == pytest.approx(2.0 + 3.0 * precipitated)
    assert AXIS.acid(mother.amount) == pytest.approx(0.0, abs=1e-12)
    assert made.removed[AXIS.place(CARBON)] == pytest.approx(2.0 + 1.5 * precipitated)
    again = run_redissolution(
        AXIS, Redissolution(name="r", inlet="p.solid", strength=1000.0, proton=20.0), solid
    )
    assert_balanced([solid], again)
    assert again.streams["r"].flow == pytest.approx(precipitated / 1000.0)
    assert AXIS.acid(again.streams["r"].amount) == pytest.approx(20.0 * precipitated / 1000.0)


def test_a_liquor_weaker_than_the_solubility_is_refused():
    with pytest.raises(SpecificationError, match="nothing precipitates"):
        run_precipitation(AXIS, precipitation("oxalate", solubility=1000.0), liquor())


def test_oxalate_and_liquors_are_not_redissolved():
    unit = Redissolution(name="r", inlet="x", strength=1000.0, proton=20.0)
    made = run_precipitation(AXIS, precipitation("oxalate"), liquor())
    with pytest.raises(SpecificationError, match="Precipitate as carbonate"):
        run_redissolution(AXIS, unit, made.streams["p.solid"])
    with pytest.raises(SpecificationError, match="a liquor enters"):
        run_redissolution(AXIS, unit, liquor())


def test_a_solid_enters_no_tank():
    made = run_precipitation(AXIS, precipitation("carbonate"), liquor())
    with pytest.raises(SpecificationError, match="Dissolve it first"):
        run_tank(AXIS, Tank(name="t", inlets=("p.solid",)), [made.streams["p.solid"]])
