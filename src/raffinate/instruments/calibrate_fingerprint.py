"""A short name for what an analyzer is, so that no other's calibration is applied to it."""

from __future__ import annotations

from hashlib import sha256

from raffinate.instruments.xrf_instrument import XrfInstrument


def fingerprint(instrument: XrfInstrument) -> str:
    """Return 16 hexadecimal digits that change with tube, geometry, detector and channels.

    Name, title and sources do not count: they do not change a spectrum.
    """
    parts = (
        instrument.tube, instrument.geometry, instrument.detector, instrument.zero,
        instrument.gain, instrument.channels, instrument.lowest_energy,
    )  # fmt: skip
    return sha256(repr(parts).encode("utf-8")).hexdigest()[:16]
