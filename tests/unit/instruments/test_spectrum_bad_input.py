"""Spectrum files that are damaged, contradict themselves, or hold no spectrum."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import spectrum_files as made
from raffinate.errors import DataError, RaffinateError
from raffinate.instruments.spectrum import describe_spectrum
from raffinate.instruments.spectrum_file import LARGEST_FILE, load_spectrum, parse_spectrum

WHOLE = {
    "msa": made.emsa(),
    "spx": made.bruker(),
    "mca": made.amptek(),
    "spe": made.spe(),
    "spec": made.spec(),
    "csv": made.table(head=("# live time: 90 s", "Energy (keV),Counts")),
}
ZERO = np.zeros(made.CHANNELS)


def energies(values):
    rows = [f"{energy:g}, {count:g}" for energy, count in zip(values, made.counts(), strict=True)]
    return made.emsa(made.counts(), rows, DATATYPE="XY", XPERCHAN=None, OFFSET=None)


def outcome(content):
    """Return the spectrum or the deliberate error; anything else fails the test."""
    try:
        return parse_spectrum(content)
    except RaffinateError as error:
        return error


LINE = np.arange(made.CHANNELS) * 100.0


def test_decimal_commas_all_through_are_no_second_detector():
    rows = [f"{value:.0f},0" for value in made.counts()]
    stated = {"XPERCHAN": "20,05", "OFFSET": "-0,5", "LIVETIME": "91,9", "REALTIME": "100,0"}
    with pytest.raises(DataError, match="decimal point"):
        parse_spectrum(made.emsa(made.counts(), rows, **stated))


@pytest.mark.parametrize("mark", [".", ","])
def test_thousands_set_off_are_no_decimals(mark):
    counts = np.linspace(0.0, 200_000.0, made.CHANNELS).round()
    counts[: made.CHANNELS // 4] = 56.0
    written = [f"{value:,.0f}".replace(",", mark) for value in counts]
    lines = [f"{0.1 * place:.3f}\t{cell}" for place, cell in enumerate(written)]
    with pytest.raises(DataError, match="thousands"):
        parse_spectrum("\n".join(["# live time: 90 s", "Energy (keV)\tCounts", *lines]).encode())
    if mark == ".":
        with pytest.raises(DataError, match="thousands"):
            parse_spectrum(made.emsa(counts, written))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b" \n\r\n\t", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (bytes(range(256)) * 40, "not text"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 500, "not text"),
        (b"PK\x03\x04" + b"\0\x01\x02" * 500, "not text"),
        (b"a letter to a friend\nabout spectra\n", "in no form known"),
        (b"<html><body>not found</body></html>", "holds no Bruker spectrum"),
        (b"<?xml version='1.0'?><TRTSpectrum>", "not whole XML"),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "entities"),
        (b"1 2\n", "in no form known"),
    ],
)
def test_what_is_no_spectrum_is_refused(content, message):
    with pytest.raises(DataError, match=message):
        parse_spectrum(content)


@pytest.mark.parametrize("kind", ["emsa", "bruker", "amptek", "spe", "spec", "table"])
def test_all_zero_is_an_error_in_every_kind(kind):
    with pytest.raises(DataError, match="all 256 channels are zero") as caught:
        parse_spectrum(getattr(made, kind)(ZERO))
    assert caught.value.mend


def test_one_number_throughout_is_no_spectrum():
    with pytest.raises(DataError, match="every channel holds 7"):
        parse_spectrum(made.emsa(ZERO + 7.0))


@pytest.mark.parametrize("kind", ["msa", "spx", "mca", "spe", "spec"])
@pytest.mark.parametrize("part", [0.5, 0.8])
def test_a_file_cut_off_in_its_counts_is_an_error(kind, part):
    text = WHOLE[kind]
    data = {"msa": "#SPECTRUM", "spx": "<Channels>", "mca": "<<DATA>>", "spe": "$DATA"}
    after = {"msa": "#ENDOFDATA", "spx": "</Channels>", "mca": "<<END>>", "spe": "$ROI"}
    start = text.index(data.get(kind, "@A"))
    end = text.index(after[kind]) if kind in after else len(text)
    with pytest.raises(DataError):
        parse_spectrum(text[: start + int(part * (end - start))])


@pytest.mark.parametrize("kind", WHOLE)
def test_wherever_a_file_is_cut_the_counts_are_whole_or_it_is_said(kind):
    text = WHOLE[kind]
    whole = parse_spectrum(text)
    for end in range(1, len(text), 7):
        found = outcome(text[:end])
        if isinstance(found, RaffinateError) or found.has("length_not_stated"):
            continue
        # The last digits of the last number cannot be missed where nothing follows them.
        np.testing.assert_array_equal(found.counts[:-1], whole.counts[:-1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (made.emsa(NPOINTS="300"), "256 values, fewer than the 300"),
        (made.emsa(NPOINTS="200"), "256 values, more than the 200"),
        (made.emsa(NPOINTS="many"), "'many' is not a number"),
        (made.bruker(channels=255), "more than the 255"),
        (made.amptek().replace("MCAC=256", "MCAC=512"), "fewer than the 512"),
        (made.spe(last=511), "fewer than the 512"),
        (made.spe().replace("0 255", "0 255 1"), "first and the last channel"),
        (made.spec().replace("#@CHANN 256", "#@CHANN 300"), "fewer than the 300"),
        (made.emsa([], []), "no data"),
        (made.emsa().replace("#SPECTRUM", "#COMMENT"), "before the line #SPECTRUM"),
    ],
)
def test_a_length_other_than_the_file_says_is_an_error(text, message):
    with pytest.raises(DataError, match=message):
        parse_spectrum(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (made.emsa(XPERCHAN="-100"), "-100 eV wide"),
        (made.emsa(XPERCHAN="0", OFFSET="5"), "0 eV wide"),
        (made.emsa(XPERCHAN="1e300"), "not a number"),
        (made.emsa(XPERCHAN="nan"), "not a number"),
        (made.emsa(XPERCHAN="0,1", OFFSET="-0,05"), "NCOLUMNS says one column"),
        (made.emsa(OFFSET="-0,05"), "2 numbers for 1 detectors"),
        (made.emsa(OFFSET=None), "OFFSET is missing"),
        (made.emsa(XUNITS="nm"), "'nm' is not known"),
        (made.emsa(XUNITS="", XPERCHAN="0.7"), "a unit the file does not give"),
        (made.emsa(YUNITS="furlongs"), "YUNITS is 'furlongs'"),
        (made.emsa(DATATYPE="ZZ"), "DATATYPE is 'ZZ'"),
        (made.emsa(LIVETIME="-3"), "live time is -3 s"),
        (made.emsa(REALTIME="1e12"), "real time is 1e"),
        (energies(LINE[::-1]), "energies fall from 25500"),
        (energies(np.where(np.arange(256) == 100, 0.0, LINE)), "after 9900"),
        (energies(LINE + 1e-2 * LINE**1.5), "equal steps"),
        (made.bruker(gain="-0.1"), "-100 eV wide"),
        (made.amptek(calibration=("0 20", "100 10", "200 0")), "do not rise"),
        (made.amptek(calibration=("0 0", "100 10", "200 30")), "off the line"),
        (made.amptek(calibration=("9 0", "9 1")), "all of one channel"),
        (made.spe(calibration="0.0 -0.1 0.0"), "energies fall"),
        (made.spe(calibration="0.0 0.1 0.0 parsec"), "'parsec' is not known"),
        (made.table(energies=LINE[::-1] / 1e3), "energies fall"),
        (made.table(head=("Energy (keV),Counts",)) + "1,2,3\n", "3 columns, and 2 above"),
        (made.table() + "end of table\n", "'end of table' stands among"),
    ],
)
def test_impossible_energies_units_and_times_are_errors(text, message):
    with pytest.raises(DataError, match=message):
        parse_spectrum(text)


def flagged(text):
    return [flag.name for flag in parse_spectrum(text).flags]


def ceiling(level):
    return np.minimum(made.counts(height=1e5), level)


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        (made.emsa(LIVETIME="130"), ["live_above_real"]),
        (made.emsa(LIVETIME="5"), ["dead_time_high"]),
        (made.emsa(LIVETIME=None), ["live_time_missing"]),
        (made.emsa(LIVETIME="0"), ["live_time_missing"]),
        (made.emsa(ceiling(65535.0)), ["saturated"]),
        (made.emsa(ceiling(50000.0)), ["saturated"]),
        (made.emsa(made.counts() - 5.0 * (np.arange(256) == 3)), ["negative_counts"]),
        (made.emsa(0.7 * made.counts()), ["fractional_counts"]),
        (made.emsa(made.counts(height=2.0) * (np.arange(256) % 16 == 0)), ["few_counts"]),
        (made.emsa(made.counts() + 900.0 * (np.arange(256) == 255)), ["overflow_channel"]),
        (made.emsa(made.counts(64)), ["few_channels"]),
        (made.emsa(XUNITS="keV"), ["calibration_implausible"]),
        (made.emsa(XPERCHAN="0.1", OFFSET="-0.05"), ["calibration_implausible"]),
        (made.emsa(OFFSET="-9000"), ["calibration_implausible"]),
        (made.emsa(XUNITS=""), ["energy_unit_assumed"]),
        (made.emsa(XUNITS="channel"), ["uncalibrated"]),
        (made.emsa(XPERCHAN=None, OFFSET=None), ["uncalibrated"]),
        (made.emsa(BEAMKV="10"), ["counts_above_tube_voltage"]),
        (made.emsa(BEAMKV="40000"), ["tube_voltage_implausible"]),
        (made.emsa(BEAMKV="0"), []),
        (made.emsa(SIGNALTYPE="ELS"), ["other_signal"]),
        (made.emsa(made.counts(200), NPOINTS=None), ["length_not_stated"]),
        (made.emsa().replace("#ENDOFDATA   : ", ""), ["no_end_mark"]),
        (made.amptek().replace("<<END>>\n", ""), ["no_end_mark"]),
        (made.spec(made.counts(200), chann=False), ["length_not_stated"]),
    ],
)
def test_what_is_doubtful_is_read_and_flagged(text, flags):
    found = flagged(text)
    assert [name for name in found if name != "energy_unit_assumed" or name in flags] == flags


def test_a_subtracted_background_is_refused():
    with pytest.raises(DataError, match="channels are negative"):
        parse_spectrum(made.emsa(made.counts() - 5.0))


def test_a_huge_file_is_refused_without_reading_it_all(tmp_path):
    file = tmp_path / "huge.msa"
    with file.open("wb") as stream:
        stream.seek(50 * LARGEST_FILE)
        stream.write(b"0")
    with pytest.raises(DataError, match="larger than 16 MB"):
        load_spectrum(file)


def test_an_error_names_the_file_and_the_line(tmp_path):
    file = tmp_path / "broken.msa"
    file.write_text(made.emsa().replace("\n5, \n", "\n5x, \n", 1))
    with pytest.raises(DataError, match="'5x' is not a number") as caught:
        load_spectrum(file)
    assert caught.value.where == "broken.msa, line 17"


damage = st.lists(
    st.tuples(st.floats(0.0, 1.0, exclude_max=True), st.binary(max_size=6), st.integers(0, 40)),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize("kind", WHOLE)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(damage=damage, keep=st.floats(0.0, 1.0))
@example(damage=[(0.0, b"", 0)], keep=1.0)
def test_damaged_files_give_a_spectrum_with_counts_or_a_clear_error(kind, damage, keep):
    content = bytearray(WHOLE[kind].encode("latin-1"))
    for place, put, cut in damage:
        start = int(place * len(content))
        content[start : start + cut] = put
    found = outcome(bytes(content[: int(keep * len(content)) + 1]))
    if isinstance(found, RaffinateError):
        assert found.what
        assert found.where
        return
    assert found.total > 0.0
    assert np.all(np.isfinite(found.counts))
    assert describe_spectrum(found)["channels"] == found.counts.size


words = st.sampled_from(
    [
        *("#FORMAT : EMSA/MAS\n", "#NPOINTS : 4\n", "#SPECTRUM :\n", "#DATATYPE : YY\n"),
        *("#DATATYPE : XY\n", "#NCOLUMNS : 0\n", "#XPERCHAN : 1e17, 1e17\n", "#OFFSET : -1e18\n"),
        *("#XUNITS : keV\n", "1e18, 2\n", "-1e18\n", "1\n", "2 3\n", "0\n", "$DATA:\n", "0 1\n"),
        *("$MCA_CAL:\n", "3\n", "1e18 1e18 1e18\n", "<<DATA>>\n", "<<CALIBRATION>>\n"),
        *("<<END>>\n", "LABEL - x\n", "#S 1 x\n", "@A 1 2 \\\n", "#@CALIB 0 1e17 1e17\n"),
        *("#@CHANN 2 0 1 1\n", "#@CTIME 1\n", "a;b\n", "1;2,5\n", "2;3,5\n", '"\n', "$:\n"),
        *("<TRTSpectrum>", "<ClassInstance Type='TRTSpectrum'>", "<Channels>1,2</Channels>"),
        *("</ClassInstance>", "</TRTSpectrum>", "#LIVETIME : 1e18\n", "#TRIGGERS : 1\n"),
    ]
)


@settings(max_examples=400, deadline=None)
@given(parts=st.lists(words, max_size=25))
def test_pieces_of_files_in_any_order_give_a_spectrum_or_a_clear_error(parts):
    found = outcome("".join(parts))
    assert found.what if isinstance(found, RaffinateError) else found.total > 0.0
