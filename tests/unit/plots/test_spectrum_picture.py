"""What the picture of a spectrum shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import spectrum_files as made
from raffinate.errors import SpecificationError
from raffinate.instruments.spectrum_file import load_spectrum, parse_spectrum
from raffinate.plots.spectrum import save_spectrum, spectrum_figure

DATA = Path(__file__).parents[2] / "literature" / "data" / "xrf"


def texts(figure):
    found = figure.findobj(lambda each: hasattr(each, "get_text"))
    return [each.get_text() for each in found if each.get_text()]


def test_energies_peaks_times_and_tube_are_on_the_picture():
    figure = spectrum_figure(load_spectrum(DATA / "NIST_2587_XGT7200.msa.txt"))
    axes = figure.axes[0]
    assert (axes.get_yscale(), axes.get_xlabel()) == ("log", "energy, keV")
    shown = texts(figure)
    for peak in ("6.40", "1.74"):
        assert peak in shown
    assert any("797,139 counts" in text and "dead time 24.0%" in text for text in shown)
    assert not any("flags" in text for text in shown)


def test_the_zero_peak_is_called_that_and_continuum_carries_no_energy():
    figure = spectrum_figure(load_spectrum(DATA / "20170510_D1_Rh_50kv_100mA_acryl_f1_0.spx"))
    shown = texts(figure)
    assert "zero peak" in shown
    assert not any(text.startswith(("10.", "11.", "12.", "13.")) for text in shown)


def test_every_flag_is_named_and_an_uncalibrated_spectrum_is_over_channels():
    figure = spectrum_figure(load_spectrum(DATA / "XRFSpectrum.mca"))
    assert figure.axes[0].get_xlabel() == "channel"
    assert "flags: uncalibrated, live time missing" in texts(figure)


def test_no_count_is_off_the_picture():
    spectrum = parse_spectrum(made.emsa(made.counts() * (np.arange(256) < 200)))
    low, high = spectrum_figure(spectrum).axes[0].get_xlim()
    assert low < spectrum.energy[0] / 1e3
    assert spectrum.energy[199] / 1e3 < high < spectrum.energy[210] / 1e3


@pytest.mark.parametrize("channels", [2, 3, 5, 64])
def test_few_channels_can_be_drawn(channels, tmp_path):
    values = made.counts(64)[:channels]
    save_spectrum(parse_spectrum(made.emsa(values)), tmp_path / "few.svg")
    assert (tmp_path / "few.svg").stat().st_size > 1000


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(SpecificationError, match="no picture format"):
        save_spectrum(parse_spectrum(made.emsa()), tmp_path / "spectrum.bmp")
