"""Spectra that an analyzer would record, and their file."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import SpecificationError
from raffinate.instruments.quantify_model import FitModel
from raffinate.instruments.spectrum import KILO, Spectrum
from raffinate.instruments.spectrum_checks import check_spectrum
from raffinate.instruments.xrf_atomic import atomic_number
from raffinate.instruments.xrf_drift import Drift

Array = NDArray[np.float64]


def simulate_spectrum(
    model: FitModel,
    metals: Array,
    unknown: float,
    *,
    real_time: float,
    generator: np.random.Generator,
    drift: Drift,
    title: str = "simulated",
) -> Spectrum:
    """Return a spectrum with counting noise, dead time and pile-up.

    Args:
        model: Analyzer and kind of sample.
        metals: (metal,), [mol/m³].
        unknown: Of the matrix, such as free acid [mol/m³].
        real_time: [s].
        generator: Source of the counting noise.
        drift: Of the analyzer.
        title: Of the spectrum.

    Raises:
        SpecificationError: The composition or the time is none.
    """
    if not real_time > 0.0:
        raise SpecificationError(
            f"the time is {real_time:g} s.", where="XRF simulation", allowed="above 0"
        )
    forward = model.forward
    masses = model.sample.masses(metals, unknown)
    # Interpolated for a drift, an empty channel may come out a hair below zero.
    true = np.maximum(forward.spectrum(masses, drift), 0.0)
    detector, tube = forward.instrument.detector, forward.instrument.tube
    live_time = real_time * detector.live_fraction(float(np.sum(true)))
    expected = live_time * detector.piled_up(true, forward.instrument.edges)
    counts = generator.poisson(np.maximum(expected, 0.0))
    return check_spectrum(
        Spectrum(
            counts=counts.astype(np.float64),
            zero=forward.instrument.zero,
            gain=forward.instrument.gain,
            live_time=live_time,
            real_time=real_time,
            tube_voltage=tube.voltage,
            tube_current=tube.current,
            anode=atomic_number(tube.anode),
            detector=forward.instrument.name,
            title=title,
            format="simulated",
            where=title,
        )
    )


def emsa_text(spectrum: Spectrum) -> str:
    """Return a spectrum as an EMSA/MAS file (ISO 22029)."""
    fields = {
        "FORMAT": "EMSA/MAS Spectral Data File",
        "VERSION": "1.0",
        "TITLE": spectrum.title,
        "NPOINTS": str(spectrum.counts.size),
        "NCOLUMNS": "1",
        "XUNITS": "eV",
        "YUNITS": "counts",
        "DATATYPE": "Y",
        "XPERCHAN": repr(float(spectrum.gain)),
        "OFFSET": repr(float(spectrum.zero)),
        "LIVETIME": repr(float(spectrum.live_time)),
        "REALTIME": repr(float(spectrum.real_time)),
        "BEAMKV": f"{spectrum.tube_voltage / KILO:g}",
    }
    head = [f"#{name:<12}: {value}" for name, value in fields.items()]
    rows = [f"{value:.0f}," for value in spectrum.counts]
    return "\n".join([*head, "#SPECTRUM    :", *rows, "#ENDOFDATA   :", ""])
