"""Bruker spectra (.spx): XML with energies in keV, times in ms, voltage in kV, current in µA.

The current carries no unit in the file. Of the NIST spectra, taken with a 50 kV tube of at most
some tens of watts, only µA makes sense: 99 is 5 W.
"""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import numpy as np

from raffinate.errors import DataError
from raffinate.instruments.spectrum import Spectrum
from raffinate.instruments.spectrum_file_parts import (
    UNCALIBRATED,
    Axis,
    expected_count,
    one_number,
    row_numbers,
)

FORMAT = "Bruker SPX"
LONGEST_FIELD = 200
"""Longer fields are response functions and the like, which nobody reads as text."""

_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_EV, _SECOND, _VOLT, _AMPERE = 1e3, 1e-3, 1e3, 1e-6


def is_xml(text: str) -> bool:
    """Tell whether this is XML, of whatever kind."""
    return bool(re.match(r"\s*<(\?xml|!DOCTYPE|[A-Za-z])", text))


def read_bruker(text: str, where: str) -> tuple[Spectrum, ...]:
    """Return the measured spectra of a file; those computed in an evaluation are left out.

    Raises:
        DataError: It is no whole XML, of another kind, or contradicts itself.
    """
    # Entities can make a short file a huge one; Bruker's programs write none.
    if "<!DOCTYPE" in text.upper() or "<!ENTITY" in text.upper():
        raise DataError("the XML defines entities of its own.", where=where,
                        allowed="a spectrum as Bruker's programs write it")  # fmt: skip
    try:
        root = ElementTree.fromstring(_DECLARATION.sub("", text))
    except (ElementTree.ParseError, ValueError) as error:
        raise DataError(
            f"not whole XML: {error}.", where=where, mend="It was cut off or damaged."
        ) from error
    found: list[ElementTree.Element] = []
    inner: set[int] = set()
    for element in root.iter("ClassInstance"):
        if element.get("Type") == "TRTSpectrum" and id(element) not in inner:
            found.append(element)
            inner |= {id(child) for child in element.iter("ClassInstance")}
    if not found:
        raise DataError(
            f"the XML is of the kind {root.tag[:40]!r}, and holds no Bruker spectrum.",
            where=where,
            mend="Export the spectrum as .spx, .msa or CSV.",
        )
    return tuple(_read_one(element, where) for element in found)


def _read_one(element: ElementTree.Element, where: str) -> Spectrum:
    header = _header(element)
    channels = element.find("Channels")
    if channels is None or not (channels.text or "").strip():
        raise DataError("the spectrum holds no channels.", where=where)
    counts = row_numbers(channels.text or "", f"{where}, Channels")

    def stated(key: str, scale: float) -> float:
        text = header.get(key, "")
        return scale * one_number(text, f"{where}, {key}") if text else math.nan

    length = stated("TRTSpectrumHeader.ChannelCount", 1.0)
    if math.isnan(length):
        raise DataError("ChannelCount is missing.", where=where, mend="Export the file again.")
    expected_count(len(counts), length, where)
    zero = stated("TRTSpectrumHeader.CalibAbs", _EV)
    gain = stated("TRTSpectrumHeader.CalibLin", _EV)
    uncalibrated = math.isnan(zero) or math.isnan(gain) or zero == gain == 0.0
    axis = UNCALIBRATED if uncalibrated else Axis(zero, gain, ())
    anode = stated("TRTXrfHeader.Anode", 1.0)
    voltage = stated("TRTXrfHeader.Voltage", _VOLT)
    if math.isnan(voltage):
        voltage = stated("TRTESMAHeader.PrimaryEnergy", _VOLT)
    return Spectrum(
        counts=np.array(counts),
        zero=axis.zero,
        gain=axis.gain,
        live_time=stated("TRTSpectrumHardwareHeader.LifeTime", _SECOND),
        real_time=stated("TRTSpectrumHardwareHeader.RealTime", _SECOND),
        tube_voltage=voltage,
        tube_current=stated("TRTXrfHeader.Current", _AMPERE),
        anode=int(anode) if 1.0 <= anode <= 118.0 else 0,
        detector=header.get("TRTDetectorHeader.Type", ""),
        title=element.get("Name", ""),
        format=FORMAT,
        where=where,
        header=header,
    )


def _header(element: ElementTree.Element) -> dict[str, str]:
    """Return the short fields of the headers of this spectrum, as header.field."""
    found: dict[str, str] = {}
    headers = [*element.findall("TRTHeaderedClass/ClassInstance"), *element.findall(
        "ClassInstance[@Type='TRTSpectrumHeader']")]  # fmt: skip
    for header in headers:
        kind = header.get("Type", "")
        for child in header:
            inner = list(child)
            for leaf in inner or [child]:
                name = f"{kind}.{child.tag}" + (f".{leaf.tag}" if inner else "")
                text = (leaf.text or "").strip()
                if text and len(text) <= LONGEST_FIELD:
                    found.setdefault(name, text)
    return found
