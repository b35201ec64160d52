"""Spectrum of an X-ray tube after Ebel: continuum and characteristic lines on one absolute scale.

H. Ebel, X-Ray Spectrom. 28 (1999) 255 (continuum, K lines) and 32 (2003) 46 (L lines). M lines of
the anode are left out: a window of 0.1 mm Be passes less than 1 % of them below 2 keV.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raffinate.errors import SpecificationError
from raffinate.instruments.xrf_atomic import (
    SHELLS,
    Atom,
    atom,
    atomic_mass,
    atomic_number,
    attenuation,
    element_density,
    photoelectric,
)
from raffinate.sources import Source

Array = NDArray[np.float64]

TUBE_SOURCE = Source(
    title="X-ray tube spectra",
    reference=(
        "H. Ebel, X-Ray Spectrom. 28 (1999) 255-266, doi 10.1002/(SICI)1097-4539(199907/08)28:4"
        "<255::AID-XRS347>3.0.CO;2-Y; L lines: H. Ebel, X-Ray Spectrom. 32 (2003) 46-51, "
        "doi 10.1002/xrs.610"
    ),
    evidence="sourced",
    note="Constants read from public implementations, which differ in places, not from the print",
)
"""Where the equations and constants of this module come from."""

ANODES = ("Rh", "W", "Ag", "Mo", "Pd", "Cu", "Cr")
"""Anodes accepted; Ebel's tests cover 5 to 50 kV."""

_CONTINUUM = 1.35e9
"""[1/(s sr mA keV)]"""
_LINE_CONSTANT = {"K": 5.0e13, "L1": 0.71e13, "L2": 2.70e13, "L3": 4.94e13}
"""[1/(s sr mA)]"""
_OCCUPATION = {"K": 2.0 * 0.35, "L": 8.0 * 0.25}
"""z·b of the shell, [-]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A foil, film or gas that a beam passes.

    Attributes:
        composition: (symbol, mass fraction), [-].
        areal_density: [kg/m²].
    """

    composition: tuple[tuple[str, float], ...]
    areal_density: float

    def transmission(self, energies: ArrayLike) -> Array:
        """Return the share that passes at right angles, (energy,), [-]."""
        symbols = [symbol for symbol, _ in self.composition]
        shares = np.array([share for _, share in self.composition])
        thickness: Array = shares @ attenuation(symbols, energies) * self.areal_density
        return np.asarray(np.exp(-thickness), dtype=np.float64)


def foil(symbol: str, thickness: float) -> Layer:
    """Return a foil of a pure element, `thickness` in [m]."""
    return Layer(composition=((symbol, 1.0),), areal_density=element_density(symbol) * thickness)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tube:
    """An X-ray tube.

    Attributes:
        anode: One of `ANODES`.
        voltage: [V].
        current: [A].
        incidence: Of the electrons, from the anode's surface, [rad].
        take_off: Of the X-rays, from the anode's surface, [rad].
        layers: Window and filters, in any order.
        line_factor: Characteristic lines over Ebel's, [-]; fitted where a spectrum shows it.
    """

    anode: str
    voltage: float
    current: float
    incidence: float = math.pi / 2.0
    take_off: float = math.radians(20.0)
    layers: tuple[Layer, ...] = ()
    line_factor: float = 1.0

    def __post_init__(self) -> None:
        if self.anode not in ANODES:
            raise SpecificationError(
                f"the anode is {self.anode!r}.", where="X-ray tube", allowed=", ".join(ANODES)
            )
        if not 5.0e3 <= self.voltage <= 60.0e3:
            raise SpecificationError(
                f"the voltage is {self.voltage:g} V.",
                where="X-ray tube",
                allowed="5000 to 60000 V, where Ebel's spectra hold",
            )
        if not (self.current > 0.0 and self.line_factor > 0.0):
            raise SpecificationError(
                f"the current is {self.current:g} A, the line factor {self.line_factor:g}.",
                where="X-ray tube",
                allowed="both above 0",
            )
        for name, angle in (("incidence", self.incidence), ("take-off", self.take_off)):
            if not 0.0 < angle <= math.pi / 2.0:
                raise SpecificationError(
                    f"the {name} angle is {math.degrees(angle):g}°.",
                    where="X-ray tube",
                    allowed="above 0° to 90°, from the anode's surface",
                )

    def continuum(self, energies: ArrayLike) -> Array:
        """Return bremsstrahlung through all layers, (energy,), [1/(s sr eV)]."""
        kev = np.atleast_1d(np.asarray(energies, dtype=np.float64)) * 1.0e-3
        top = self.voltage * 1.0e-3
        number = atomic_number(self.anode)
        exponent = 1.109 - 0.00435 * number + 0.00175 * top
        ratio = np.maximum(top / kev, 1.0 + 1.0e-12)
        escape = self._escape(kev, np.log(ratio))
        made = _CONTINUUM * number * (ratio - 1.0) ** exponent * escape
        made = np.where(kev < top, made, 0.0) * self._milliampere * 1.0e-3
        return np.asarray(made * self.transmission(energies), dtype=np.float64)

    def lines(self, tolerance: float = 1.0e-4) -> tuple[Array, Array]:
        """Return the characteristic lines through all layers.

        Args:
            tolerance: Lines weaker than this share of the strongest are left out, [-].

        Returns:
            Energies (line,), [eV], and intensities (line,), [1/(s sr)].
        """
        anode = atom(self.anode)
        energies, strengths = [], []
        for place, shell in enumerate(SHELLS[:4]):
            own = anode.line_shell == place
            edge = float(anode.edge[place]) * 1.0e-3
            if edge >= self.voltage * 1.0e-3 or not np.any(own):
                continue
            energies.append(anode.line_energy[own])
            escape = self._escape(
                anode.line_energy[own] * 1.0e-3,
                np.full(int(np.sum(own)), math.log(self.voltage * 1.0e-3 / edge)),
            )
            strengths.append(
                self._shell_strength(anode, place, shell, edge) * escape * anode.line_rate[own]
            )
        if not energies:
            return np.zeros(0), np.zeros(0)
        energy = np.concatenate(energies)
        strength = np.concatenate(strengths) * self._milliampere * self.line_factor
        strength *= self.transmission(energy)
        kept = strength >= tolerance * np.max(strength)
        order = np.argsort(energy[kept])
        return energy[kept][order], strength[kept][order]

    def transmission(self, energies: ArrayLike) -> Array:
        """Return the share that passes window and filters, (energy,), [-]."""
        passed = np.ones(np.atleast_1d(np.asarray(energies)).shape)
        for layer in self.layers:
            passed = passed * layer.transmission(energies)
        return passed

    @property
    def _milliampere(self) -> float:
        return self.current * 1.0e3

    def _shell_strength(self, anode: Atom, place: int, shell: str, edge: float) -> float:
        """Photons of a shell per second, steradian and milliampere, before they leave the anode."""
        number = atomic_number(self.anode)
        top = self.voltage * 1.0e-3
        over = top / edge
        first = over * math.log(over) + 1.0 - over
        second = math.sqrt(over) * math.log(over) + 2.0 * (1.0 - math.sqrt(over))
        stopping = 1.0 + 16.05 * math.sqrt(0.0135 * number / edge) * second / first
        backscatter = (
            1.0
            - 0.0081517 * number
            + 3.613e-5 * number**2
            + 0.009583 * number * math.exp(-over)
            + 0.001141 * top
        )
        constant = _LINE_CONSTANT[shell]
        if shell in ("L1", "L2") and number < 80:
            constant *= max(-0.4814 + 0.03781 * number - 2.413e-4 * number**2, 0.0)
        occupation = _OCCUPATION[shell[0]] / number
        yielded = float(anode.fluorescence_yield[place])
        return constant * occupation * first * stopping * backscatter * yielded

    def _escape(self, kev: Array, log_over: Array) -> Array:
        """Share of the photons made at depth that leave the anode, (energy,), [-]."""
        number = atomic_number(self.anode)
        top = self.voltage * 1.0e-3
        log_number = math.log(number)
        deepest = (atomic_mass(self.anode) * 1.0e3 / number) * (
            0.787e-5 * math.sqrt(0.0135 * number) * top**1.5 + 0.735e-6 * top**2
        )
        scattered = top ** (0.1382 - 0.9211 / math.sqrt(number)) * (
            0.1904 - 0.2236 * log_number + 0.1292 * log_number**2 - 0.0149 * log_number**3
        )
        depth = (  # g/cm², as published
            deepest
            * log_over
            * (0.49269 - 1.0987 * scattered + 0.78557 * scattered**2)
            / (0.70256 - 1.09865 * scattered + 1.0046 * scattered**2 + log_over)
        )
        absorbed = photoelectric([self.anode], kev * 1.0e3)[0] * 10.0
        path = 2.0 * absorbed * depth * math.sin(self.incidence) / math.sin(self.take_off)
        path = np.maximum(path, 1.0e-12)
        return np.asarray(-np.expm1(-path) / path, dtype=np.float64)
