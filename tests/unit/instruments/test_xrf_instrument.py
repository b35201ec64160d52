import math

import pytest

from raffinate.errors import DataError, SpecificationError
from raffinate.instruments.xrf_instrument import Geometry, Optic
from raffinate.instruments.xrf_instrument_file import (
    load_instrument,
    parse_instrument,
    shipped_instruments,
)

FILE = """
format: raffinate-instrument/1
name: small
title: A small analyzer
sources:
  all: {title: Made up for a test, evidence: assumed}
tube: {anode: W, voltage_kV: 40.0, current_uA: 100.0, incidence_deg: 70.0, take_off_deg: 20.0,
  layers: [{formula: Be, thickness_um: 125.0}], source: all}
geometry: {incidence_deg: 45.0, take_off_deg: 45.0, scattering_angle_deg: 90.0,
  source_solid_angle_sr: 1.0e-3, detector_solid_angle_sr: 1.0e-3, depth_mm: 5.0, source: all}
detector: {crystal: Si, thickness_um: 450.0, resolution_eV: 140.0, source: all}
channels: {gain_eV: 40.0, count: 1000, lowest_energy_keV: 1.0, source: all}
"""


def test_shipped_instruments_load_and_name_every_source():
    assert "online_rh_40kv" in shipped_instruments()
    for name in shipped_instruments():
        instrument = load_instrument(name)
        assert instrument.name == name
        assert {part for part, _ in instrument.sources} == {
            "tube",
            "geometry",
            "detector",
            "channels",
        }


def test_a_file_is_read_in_si_units(tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(FILE, encoding="utf-8")
    instrument = load_instrument(path)
    assert instrument.tube.voltage == 40e3
    assert instrument.tube.current == pytest.approx(1e-4)
    assert instrument.tube.layers[0].areal_density == pytest.approx(1848.0 * 125e-6, rel=1e-3)
    assert instrument.geometry.depth == pytest.approx(5e-3)
    assert instrument.geometry.scattering_angle == pytest.approx(math.pi / 2)
    assert instrument.energies[-1] == 999 * 40.0
    assert len(instrument.edges) == 1001


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("crystal: Si", "crystal: Ge", "detector.crystal"),
        ("anode: W", "anode: Xx", "anode"),
        ("voltage_kV: 40.0", "voltage: 40.0", "voltage_kV"),
        ("voltage_kV: 40.0", "voltage_kV: 400.0", "voltage"),
        ("count: 1000", "count: 4", "count"),
        ("formula: Be, ", "", "formula"),
        ("formula: Be", "formula: C3H6", "density"),
        ("scattering_angle_deg: 90.0", "scattering_angle_deg: 30.0", "scattering angle"),
        ("resolution_eV: 140.0, source: all", "resolution_eV: 140.0, source: al", "all"),
        ("resolution_eV: 140.0", "resolution_eV: 90.0", "resolution"),
        ("raffinate-instrument/1", "raffinate-plant/1", "raffinate-instrument/1"),
        ("depth_mm: 5.0", "depth_mm: .nan", "depth_mm"),
    ],
)
def test_a_wrong_file_says_where_it_is_wrong(old, new, said):
    assert old in FILE
    with pytest.raises(DataError, match=said):
        parse_instrument(FILE.replace(old, new, 1))


def test_an_unknown_name_lists_what_is_shipped():
    with pytest.raises(DataError, match="online_rh_40kv"):
        load_instrument("online_rh_45kv")


def test_geometry_allows_only_angles_that_close():
    good = {
        "incidence": 0.8,
        "take_off": 0.6,
        "scattering_angle": 1.5,
        "source_solid_angle": 1e-3,
        "detector_solid_angle": 1e-3,
    }
    assert Geometry(**good).scattering_range == pytest.approx((1.4, math.pi - 0.2))
    for change in ({"scattering_angle": 1.3}, {"incidence": 0.0}, {"depth": 0.0}):
        with pytest.raises(SpecificationError, match="geometry"):
            Geometry(**{**good, **change})


def test_optic_passes_through_its_points_and_is_straight_in_logarithms():
    optic = Optic(energy=(1e3, 1e4), transmission=(1e-2, 1e-4))
    assert optic([1e3, 1e4, 10**3.5, 5e4]) == pytest.approx([1e-2, 1e-4, 1e-3, 1e-4])
    for energy, transmission in (((1e4, 1e3), (1.0, 1.0)), ((1e3, 1e4), (1.0, 0.0))):
        with pytest.raises(SpecificationError, match="optic"):
            Optic(energy=energy, transmission=transmission)
