"""The spectrum itself: energies, rates, and another calibration."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

import spectrum_files as made
from raffinate.errors import DataError, SpecificationError
from raffinate.instruments.spectrum import Spectrum, describe_spectrum
from raffinate.instruments.spectrum_checks import calibrate_spectrum, check_spectrum

TAKEN = Spectrum(counts=made.counts(), zero=-50.0, gain=100.0, live_time=90.0, real_time=100.0)


def test_energies_rise_from_zero_by_the_gain():
    np.testing.assert_allclose(TAKEN.energy, -50.0 + 100.0 * np.arange(256))
    assert TAKEN.count_rate == pytest.approx(made.counts().sum() / 90.0)
    assert TAKEN.zero_peak_counts == made.counts()[:3].sum()


def test_without_calibration_there_are_no_energies_and_no_rates():
    bare = Spectrum(counts=made.counts())
    with pytest.raises(DataError, match="no energy calibration"):
        _ = bare.energy
    assert math.isnan(bare.count_rate)
    assert math.isnan(bare.dead_time_fraction)
    found = describe_spectrum(bare)
    assert math.isnan(found["highest_channel_keV"])
    assert found["highest_channel_counts"] == made.counts().max()


def test_a_spectrum_cannot_be_changed_and_does_not_share_its_counts():
    values = made.counts()
    spectrum = Spectrum(counts=values)
    values[0] = 1e6
    assert spectrum.counts[0] == made.counts()[0]
    with pytest.raises(ValueError, match="read-only"):
        spectrum.counts[0] = 1.0
    with pytest.raises(FrozenInstanceError):
        spectrum.gain = 1.0
    with pytest.raises(SpecificationError, match="2 axes"):
        Spectrum(counts=np.ones((2, 3)))


def test_another_calibration_replaces_the_flags_that_belong_to_the_old():
    bare = check_spectrum(Spectrum(counts=made.counts()))
    assert (bare.has("uncalibrated"), bare.has("live_time_missing")) == (True, True)
    known = calibrate_spectrum(bare, zero=0.0, gain=100.0)
    assert [flag.name for flag in known.flags] == ["live_time_missing"]
    assert calibrate_spectrum(known, zero=0.0, gain=1e-3).has("calibration_implausible")
    for zero, gain in ((math.nan, 1.0), (0.0, math.inf), (0.0, -1.0)):
        with pytest.raises(DataError):
            calibrate_spectrum(bare, zero=zero, gain=gain)


def test_checking_twice_flags_once():
    once = check_spectrum(Spectrum(counts=made.counts()))
    assert check_spectrum(once).flags == once.flags


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e16])
def test_counts_no_counter_gives_are_refused(bad):
    values = made.counts()
    values[7] = bad
    with pytest.raises(DataError, match="counts"):
        check_spectrum(Spectrum(counts=values))
