"""Spectrum files of every kind, as their programs write them."""

from __future__ import annotations

import math

import numpy as np
import pytest

import spectrum_files as made
from raffinate.errors import DataError, SpecificationError
from raffinate.instruments.spectrum_file import count_spectra, load_spectrum, parse_spectrum
from raffinate.instruments.spectrum_file_table import SpectrumColumns

KINDS = {
    "EMSA/MAS": made.emsa(),
    "Bruker SPX": made.bruker(),
    "Amptek MCA": made.amptek(),
    "SPE sections": made.spe(),
    "SPEC": made.spec(),
    "table": made.table(head=("# live time: 90 s", "# real time (s), 100", "Energy (keV),Counts")),
}


def names(spectrum):
    return [flag.name for flag in spectrum.flags]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_every_kind_gives_the_same_counts_energies_and_times(kind, ends):
    spectrum = parse_spectrum(KINDS[kind].replace("\n", ends).encode("latin-1"))
    assert spectrum.format == kind
    np.testing.assert_array_equal(spectrum.counts, made.counts())
    assert (spectrum.zero, spectrum.gain) == pytest.approx((-50.0, 100.0), rel=1e-9)
    assert (spectrum.live_time, spectrum.real_time) == pytest.approx((90.0, 100.0))
    assert spectrum.dead_time_fraction == pytest.approx(0.1)
    assert set(names(spectrum)) <= {"energy_unit_assumed"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_kind_is_told_by_what_is_in_the_file(kind, tmp_path):
    file = tmp_path / "spectrum.dat"
    file.write_text(KINDS[kind], encoding="latin-1")
    assert load_spectrum(file).format == kind
    wide = KINDS[kind].replace("encoding='WINDOWS-1252'", "encoding='UTF-16'").encode("utf-16")
    assert parse_spectrum(wide).format == kind


def test_a_file_that_is_not_there_is_an_error_with_its_path(tmp_path):
    with pytest.raises(DataError, match="cannot be read") as caught:
        load_spectrum(tmp_path / "absent.msa")
    assert "absent.msa" in caught.value.where
    with pytest.raises(DataError, match="cannot be read"):
        load_spectrum(tmp_path)


# --- EMSA/MAS


@pytest.mark.parametrize(
    ("fields", "zero", "gain"),
    [
        ({"XUNITS": "keV", "XPERCHAN": "0.1", "OFFSET": "-0.05"}, -50.0, 100.0),
        ({"XUNITS": "  eV", "XPERCHAN": "100.0 eV per channel"}, -50.0, 100.0),
        ({"XUNITS": "KEV", "XPERCHAN": "1e-1", "OFFSET": "-5.0E-2"}, -50.0, 100.0),
    ],
)
def test_energies_come_in_ev_and_kev(fields, zero, gain):
    spectrum = parse_spectrum(made.emsa(**fields))
    assert (spectrum.zero, spectrum.gain) == pytest.approx((zero, gain))
    assert spectrum.flags == ()


def test_units_in_the_keyword_count():
    text = made.emsa(LIVETIME=None, REALTIME=None, BEAMKV=None)
    more = "#LIVETIME -ms: 90000\n#REALTIME  -s: 100\n#BEAMKV   -kV: 40\n#PROBECUR -uA: 700\n"
    spectrum = parse_spectrum(more.join(text.split("#VERSION", 1)[0:1]) + more + "#VERSION"
                              + text.split("#VERSION", 1)[1])  # fmt: skip
    assert (spectrum.live_time, spectrum.real_time) == (90.0, 100.0)
    assert (spectrum.tube_voltage, spectrum.tube_current) == pytest.approx((4e4, 7e-4))


@pytest.mark.parametrize("columns", [1, 4, 5])
def test_rows_of_several_columns_are_one_spectrum(columns):
    values = made.counts()
    padded = [*values, *[0.0] * (-len(values) % columns)]
    rows = [
        ", ".join(f"{value:.1f}" for value in padded[place : place + columns])
        for place in range(0, len(padded), columns)
    ]
    spectrum = parse_spectrum(made.emsa(values, rows, NCOLUMNS=f"{columns}.0", NPOINTS="256.0"))
    np.testing.assert_array_equal(spectrum.counts, values)


def test_energies_beside_the_counts_are_used_and_compared():
    values = made.counts()
    rows = [f"{-0.05 + 0.1 * place:.5f}, {value:.0f}." for place, value in enumerate(values)]
    fields = {"DATATYPE": "XY", "XUNITS": "keV", "XPERCHAN": "0.1", "OFFSET": "-0.05"}
    spectrum = parse_spectrum(made.emsa(values, rows, **fields))
    np.testing.assert_array_equal(spectrum.counts, values)
    assert (spectrum.zero, spectrum.gain) == pytest.approx((-50.0, 100.0))
    assert spectrum.flags == ()
    other = parse_spectrum(made.emsa(values, rows, **{**fields, "XPERCHAN": "0.11"}))
    assert names(other) == ["calibration_disagrees"]
    assert other.gain == pytest.approx(100.0)


def two_detectors(**fields):
    values = made.counts()
    rows = [f"{value:.0f}, {2.0 * value:.0f}" for value in values]
    stated = {
        "NCOLUMNS": "2",
        "DATATYPE": "YY",
        "XPERCHAN": "100.0, 101.0    eV per channel",
        "OFFSET": "-50.0, -40.0 eV of first channel",
        "LIVETIME": "90.0, 80.0",
        "REALTIME": "100.0, 100.0",
    }
    return made.emsa(values, rows, **{**stated, **fields})


@pytest.mark.parametrize("kind", ["YY", "Y"])
def test_each_of_several_detectors_has_its_own_calibration_and_times(kind):
    text = two_detectors(DATATYPE=kind)
    assert count_spectra(text) == 2
    first, second = (parse_spectrum(text, which=which) for which in (1, 2))
    np.testing.assert_array_equal(first.counts, made.counts())
    np.testing.assert_array_equal(second.counts, 2.0 * made.counts())
    assert (first.gain, second.gain, second.zero) == (100.0, 101.0, -40.0)
    assert (first.live_time, second.live_time) == (90.0, 80.0)
    assert (first.detector, second.detector) == ("1 of 2", "2 of 2")


def test_without_a_choice_the_first_detector_is_read_and_said_so():
    spectrum = parse_spectrum(two_detectors())
    assert names(spectrum) == ["one_of_several"]
    np.testing.assert_array_equal(spectrum.counts, made.counts())
    with pytest.raises(SpecificationError, match="number 3"):
        parse_spectrum(two_detectors(), which=3)


def test_two_columns_of_data_type_y_with_one_calibration_are_two_detectors():
    text = two_detectors(DATATYPE="Y", XPERCHAN="100", OFFSET="-50", LIVETIME="9", REALTIME="10")
    np.testing.assert_array_equal(parse_spectrum(text, which=2).counts, 2.0 * made.counts())


def test_pixl_live_times_are_corrected_by_its_counters():
    text = two_detectors().replace(
        "#SPECTRUM", "##TRIGGERS   : 200000, 100000\n##EVENTS     : 190000, 98000\n#SPECTRUM"
    )
    spectrum = parse_spectrum(text, which=2)
    assert spectrum.live_time == pytest.approx(80.0 * 0.98)
    assert names(spectrum) == ["live_time_corrected"]


def test_pixl_flight_files_without_a_colon_and_calibration_are_read():
    text = made.emsa(XPERCHAN=None, OFFSET=None, DATATYPE="Y ", XUNITS="eV ")
    spectrum = parse_spectrum(text.replace("#SPECTRUM    : ", "#SPECTRUM"))
    np.testing.assert_array_equal(spectrum.counts, made.counts())
    assert names(spectrum) == ["uncalibrated"]


def test_count_rates_become_counts_by_the_live_time():
    rows = [f"{value / 90.0:.17g}" for value in made.counts()]
    spectrum = parse_spectrum(made.emsa(made.counts(), rows, YUNITS="counts/s"))
    np.testing.assert_allclose(spectrum.counts, made.counts(), rtol=1e-12)
    assert "rate_converted" in names(spectrum)
    with pytest.raises(DataError, match="no live time"):
        parse_spectrum(made.emsa(made.counts(), rows, YUNITS="counts/s", LIVETIME=None))


def test_files_joined_into_one_are_told_apart():
    text = made.emsa() + made.emsa(2.0 * made.counts())
    assert count_spectra(text) == 2
    np.testing.assert_array_equal(parse_spectrum(text, which=2).counts, 2.0 * made.counts())


def test_fields_no_one_knows_are_kept():
    text = made.emsa(OWNER="the plant").replace("#SPECTRUM", "##RECIPE     : 7: b\n#SPECTRUM")
    header = parse_spectrum(text).header
    assert (header["OWNER"], header["RECIPE"]) == ("the plant", "7: b")


# --- Bruker, Amptek, SPE, SPEC


def test_bruker_gives_tube_and_anode_and_leaves_computed_spectra_out():
    spectrum = parse_spectrum(made.bruker())
    assert (spectrum.anode, spectrum.tube_voltage) == (45, 4e4)
    assert spectrum.tube_current == pytest.approx(2e-4)
    assert (spectrum.title, count_spectra(made.bruker())) == ("measured", 1)
    spectrum = parse_spectrum(made.bruker(zero="0", gain="0"))
    assert names(spectrum) == ["uncalibrated"]


@pytest.mark.parametrize(
    ("label", "scale", "flags"),
    [("Channel", 1.0, ["energy_unit_assumed"]), ("keV", 1.0, []), ("eV", 1e3, [])],
)
def test_amptek_points_become_a_line_in_their_unit(label, scale, flags):
    points = [f"{channel} {scale * (-0.05 + 0.1 * channel)}" for channel in (0, 100, 200)]
    spectrum = parse_spectrum(made.amptek(label=label, calibration=points))
    assert (spectrum.zero, spectrum.gain) == pytest.approx((-50.0, 100.0))
    assert names(spectrum) == flags
    assert spectrum.detector == "DP5"


def test_decimal_commas_of_amptek_and_spe_are_read():
    text = made.amptek(calibration=("0 -0,05", "200 19,95")).replace("90.000000", "90,000000")
    spectrum = parse_spectrum(text)
    assert (spectrum.zero, spectrum.gain) == pytest.approx((-50.0, 100.0))
    assert spectrum.live_time == 90.0
    spectrum = parse_spectrum(made.spe(calibration="-5,0E-002 1,0E-001 0,0 keV"))
    assert (spectrum.zero, spectrum.gain) == pytest.approx((-50.0, 100.0))


def test_amptek_without_calibration_is_uncalibrated():
    text = made.amptek(calibration=())
    assert names(parse_spectrum(text)) == ["uncalibrated"]
    assert names(parse_spectrum(text.replace("<<CALIBRATION>>\nLABEL - Channel\n", ""))) == [
        "uncalibrated"
    ]


def test_spe_counts_channels_from_where_its_data_begins():
    spectrum = parse_spectrum(made.spe(first=10))
    assert spectrum.zero == pytest.approx(-50.0 + 10.0 * 100.0)
    assert parse_spectrum(made.spe(last=256)).counts.size == 256


def test_spe_falls_back_to_the_energy_fit_and_knows_zeros_for_no_calibration():
    none = "0.0 0.0 0.0"
    spectrum = parse_spectrum(made.spe(calibration=none))
    assert (spectrum.zero, spectrum.gain) == pytest.approx((-50.0, 100.0))
    assert names(spectrum) == ["energy_unit_assumed"]
    text = made.spe(calibration=none).replace("-0.050000 0.100000", "0.0 0.0")
    assert names(parse_spectrum(text)) == ["uncalibrated"]


def test_a_slightly_bent_calibration_is_straightened_and_said_and_a_bent_one_refused():
    slight = parse_spectrum(made.spe(calibration="-0.05 0.1 3.0E-6 keV"))
    assert names(slight) == ["energy_not_linear"]
    with pytest.raises(DataError, match="equal steps"):
        parse_spectrum(made.spe(calibration="-0.05 0.1 1.0E-4 keV"))


def test_spec_files_hold_several_scans():
    text = made.spec(made.counts(), 2.0 * made.counts())
    assert count_spectra(text) == 2
    second = parse_spectrum(text, which=2)
    np.testing.assert_array_equal(second.counts, 2.0 * made.counts())
    assert second.title == "2 made for a test"
    assert "uncalibrated" in names(parse_spectrum(made.spec(calibration="0 1 0")))


# --- tables


@pytest.mark.parametrize(
    ("head", "between"),
    [
        (("Energy (keV),Counts",), ","),
        (("Energy [keV];Counts",), ";"),
        (("energy_keV\tcounts",), "\t"),
        (("# E/keV   intensity",), "   "),
    ],
)
def test_tables_are_read_by_their_headings(head, between):
    spectrum = parse_spectrum(made.table(head=head, between=between))
    assert (spectrum.zero, spectrum.gain) == pytest.approx((-50.0, 100.0))
    np.testing.assert_array_equal(spectrum.counts, made.counts())


def test_decimal_commas_are_read_where_something_else_separates_columns():
    text = made.table(head=("Energie;x", "Energy (keV);Counts"), between=";").replace(".", ",")
    spectrum = parse_spectrum(text)
    assert (spectrum.zero, spectrum.gain) == pytest.approx((-50.0, 100.0))


def test_columns_may_be_named_or_counted():
    rows = [f"{p},{-50 + 100 * p},{y:.0f},{2 * y:.0f}" for p, y in enumerate(made.counts())]
    text = "\n".join(["no,position,lamp on,lamp off", *rows])
    with pytest.raises(DataError, match="not clear which"):
        parse_spectrum(text)
    named = SpectrumColumns(counts="lamp off", energy="position", unit="eV")
    counted = SpectrumColumns(counts=4, energy="2", unit="eV")
    for columns in (named, counted):
        spectrum = parse_spectrum(text, columns=columns)
        np.testing.assert_array_equal(spectrum.counts, 2.0 * made.counts())
        assert (spectrum.zero, spectrum.gain) == pytest.approx((-50.0, 100.0))
    with pytest.raises(SpecificationError, match="Did you mean 'lamp off'"):
        parse_spectrum(text, columns=SpectrumColumns(counts="lamp of"))
    with pytest.raises(SpecificationError, match="column 5 of 4"):
        parse_spectrum(text, columns=SpectrumColumns(counts=5))


def test_two_columns_without_headings_are_channels_or_energies_in_a_unit_that_is_assumed():
    values = made.counts()
    channels = "\n".join(f"{place} {value:.0f}" for place, value in enumerate(values))
    assert names(parse_spectrum(channels)) == ["uncalibrated", "live_time_missing"]
    kev = parse_spectrum(made.table(head=()))
    assert kev.gain == pytest.approx(100.0)
    assert names(kev) == ["energy_unit_assumed", "live_time_missing"]


def test_quantities_before_a_table_are_understood_and_the_rest_is_kept():
    head = (
        *("# Sample: pregnant liquor", "# Live time (ms): 90000", "# tube voltage: 40 kV"),
        *("# tube current: 700 uA", "# operator: nobody", "# Energy (keV), Counts"),
    )
    spectrum = parse_spectrum(made.table(head=head))
    assert spectrum.title == "pregnant liquor"
    assert (spectrum.live_time, spectrum.tube_voltage) == (90.0, 4e4)
    assert spectrum.tube_current == pytest.approx(7e-4)
    assert math.isnan(spectrum.real_time)
    assert spectrum.header["operator"] == "nobody"
