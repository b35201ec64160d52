"""Spectra and the files they would be in, written by hand for the tests of the readers."""

from __future__ import annotations

import numpy as np

CHANNELS = 256


def counts(channels=CHANNELS, height=900.0):
    """Return whole counts with two peaks on a slope, (channel,)."""
    channel = np.arange(channels, dtype=np.float64)
    peaks = np.exp(-0.5 * ((channel - 0.3 * channels) / 4.0) ** 2)
    peaks += 0.4 * np.exp(-0.5 * ((channel - 0.6 * channels) / 5.0) ** 2)
    return np.round(3.0 + height * peaks + channel % 3)


def emsa(values=None, rows=None, **fields):
    """Return an EMSA/MAS file; fields given as None are left out."""
    values = counts() if values is None else values
    stated = {
        "FORMAT": "EMSA/MAS Spectral Data File",
        "VERSION": "1.0",
        "TITLE": "made for a test",
        "NPOINTS": f"{len(values)}",
        "NCOLUMNS": "1",
        "XUNITS": "eV",
        "YUNITS": "counts",
        "DATATYPE": "Y",
        "XPERCHAN": "100.0",
        "OFFSET": "-50.0",
        "LIVETIME": "90.0",
        "REALTIME": "100.0",
        "BEAMKV": "40",
        **fields,
    }
    head = [f"#{name:<12}: {value}" for name, value in stated.items() if value is not None]
    rows = [f"{value:g}, " for value in values] if rows is None else rows
    return "\n".join([*head, "#SPECTRUM    : ", *rows, "#ENDOFDATA   : ", ""])


def bruker(values=None, *, live="90000", real="100000", channels=None, zero="-0.05", gain="0.1"):
    """Return a Bruker file with a computed spectrum inside the measured one."""
    values = counts() if values is None else values
    text = ",".join(f"{value:g}" for value in values)
    length = len(values) if channels is None else channels
    header = (
        f"<ClassInstance Type='TRTSpectrumHeader'><ChannelCount>{length}</ChannelCount>"
        f"<CalibAbs>{zero}</CalibAbs><CalibLin>{gain}</CalibLin></ClassInstance>"
    )
    inner = header.replace(str(length), "2", 1) + "<Channels>7,8</Channels>"
    return (
        "<?xml version='1.0' encoding='WINDOWS-1252' standalone='yes'?><TRTSpectrum>"
        "<ClassInstance Type='TRTSpectrum' Name='measured'><TRTHeaderedClass>"
        "<ClassInstance Type='TRTSpectrumHardwareHeader'>"
        f"<RealTime>{real}</RealTime><LifeTime>{live}</LifeTime></ClassInstance>"
        "<ClassInstance Type='TRTXrfHeader'><Voltage>40</Voltage><Current>200</Current>"
        f"<Anode>45</Anode></ClassInstance></TRTHeaderedClass>{header}"
        f"<Channels>{text}</Channels><ChildClassInstances>"
        f"<ClassInstance Type='TRTSpectrum' Name='computed'>{inner}</ClassInstance>"
        "</ChildClassInstances></ClassInstance></TRTSpectrum>"
    )


def amptek(values=None, *, label="Channel", calibration=("0 -0.05", "100 9.95", "200 19.95")):
    """Return an Amptek file."""
    values = counts() if values is None else values
    return "\n".join(
        [
            *("<<PMCA SPECTRUM>>", "TAG - live_data", "DESCRIPTION - made for a test"),
            *("LIVE_TIME - 90.000000", "REAL_TIME - 100.000000", "SERIAL_NUMBER - 1668"),
            *("<<CALIBRATION>>", f"LABEL - {label}", *calibration),
            *("<<DATA>>", *(f"{value:.0f}" for value in values), "<<END>>"),
            *("<<DP5 CONFIGURATION>>", f"MCAC={len(values)};    MCA/MCS Channels"),
            *("<<DP5 CONFIGURATION END>>", "<<DPP STATUS>>", "Device Type: DP5"),
            *("Real Time: 100.0", "<<DPP STATUS END>>", ""),
        ]
    )


def spe(values=None, *, calibration="-5.0E-002 1.0E-001 0.0E+000 keV", first=0, last=None):
    """Return a file of Ortec's kind."""
    values = counts() if values is None else values
    last = first + len(values) - 1 if last is None else last
    return "\n".join(
        [
            *("$SPEC_ID:", "made for a test", "$SPEC_REM:", "DET# 1"),
            *("$DATE_MEA:", "03/06/2026 13:19:43", "$MEAS_TIM:", "90 100"),
            *("$DATA:", f"{first} {last}", *(f"{value:8.0f}" for value in values)),
            *("$ROI:", "0", "$ENER_FIT:", "-0.050000 0.100000"),
            *("$MCA_CAL:", "3", calibration, "$SHAPE_CAL:", "3", "0 0 0", ""),
        ]
    )


def spec(*spectra, calibration="-0.05 0.1 0", chann=True):
    """Return a SPEC file with one scan of each spectrum."""
    lines = ["#F made", "#D Thu Feb 11 10:00:32 2016", ""]
    for number, values in enumerate(spectra or (counts(),), start=1):
        words = [f"{value:g}" for value in values]
        parts = [" ".join(words[place : place + 16]) for place in range(0, len(words), 16)]
        limits = f"#@CHANN {len(values)} 0 {len(values) - 1} 1"
        lines += [f"#S {number} made for a test", "#@MCA %16C", *([limits] if chann else [])]
        lines += [f"#@CALIB {calibration}", "#@CTIME 100 90 100", "@A " + "\\\n ".join(parts), ""]
    return "\n".join(lines)


def table(values=None, *, head=("Energy (keV),Counts",), between=",", energies=None):
    """Return a table of energies and counts."""
    values = counts() if values is None else values
    if energies is None:
        energies = [-0.05 + 0.1 * place for place in range(len(values))]
    rows = [f"{e:.4f}{between}{y:g}" for e, y in zip(energies, values, strict=True)]
    return "\n".join([*head, *rows, ""])
