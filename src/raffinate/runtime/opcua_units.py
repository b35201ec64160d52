"""Engineering units as OPC UA tells them: codes of UNECE Recommendation 20 (OPC 10000-8, 5.6.3)."""

from __future__ import annotations

from typing import Any

from raffinate.runtime.opcua_types import LocalizedText, ua

UNECE = "http://www.opcfoundation.org/UA/units/un/cefact"
"""Namespace of the unit ids."""

CODES = {
    "m³/h": ("MQH", "cubic metre per hour"),
    "m³/s": ("MQS", "cubic metre per second"),
    "m³": ("MTQ", "cubic metre"),
    "mol/m³": ("C36", "mole per cubic metre"),
    "mol/L": ("C38", "mole per litre"),
    "g/L": ("GL", "gram per litre"),
    "s": ("SEC", "second [unit of time]"),
    "ms": ("C26", "millisecond"),
    "µs": ("B98", "microsecond"),
    "h": ("HUR", "hour"),
    "t": ("TNE", "tonne (metric ton)"),
    "kg/h": ("E93", "kilogram per hour"),
    "%": ("P1", "percent"),
    "°C": ("CEL", "degree Celsius"),
    "K": ("KEL", "kelvin"),
}
"""Common code and name by unit. Source: UNECE Recommendation 20, revision 17."""


def unit_information(unit: str) -> Any:
    """Return a unit as a property shows it; one without a code has id -1, as the standard asks.

    Args:
        unit: As tags write it, such as "m³/h".
    """
    code, name = CODES.get(unit, ("", unit))
    return ua.EUInformation(
        NamespaceUri=UNECE if code else "",
        UnitId=unit_id(code) if code else -1,
        DisplayName=LocalizedText(unit),
        Description=LocalizedText(name),
    )


def unit_id(code: str) -> int:
    """Return the number of a common code: its characters as the digits of a number to base 256."""
    return int.from_bytes(code.encode("ascii"), "big")
