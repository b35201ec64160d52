"""An energy-dispersive X-ray analyzer, described."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raffinate.errors import SpecificationError
from raffinate.instruments.xrf_detector import Detector
from raffinate.instruments.xrf_tube import Layer, Tube
from raffinate.sources import Source

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Optic:
    """A polycapillary lens or another element that weakens the beam by energy.

    Transmission is interpolated between the points, its logarithm linear in the energy's.

    Attributes:
        energy: Rising, (point,), [eV].
        transmission: (point,), [-].
    """

    energy: tuple[float, ...]
    transmission: tuple[float, ...]

    def __post_init__(self) -> None:
        rising = all(b > a > 0.0 for a, b in zip(self.energy, self.energy[1:], strict=False))
        if len(self.energy) != len(self.transmission) or len(self.energy) < 2 or not rising:
            raise SpecificationError(
                f"energies are {self.energy}, transmissions {self.transmission}.",
                where="optic",
                allowed="two or more of each, energies rising and above 0",
            )
        if not min(self.transmission) > 0.0:
            raise SpecificationError(
                f"a transmission is {min(self.transmission):g}.", where="optic", allowed="above 0"
            )

    def __call__(self, energies: ArrayLike) -> Array:
        """Return the transmission, (energy,), [-]; constant outside the points."""
        logarithm = np.interp(
            np.log(np.asarray(energies, dtype=np.float64)),
            np.log(self.energy),
            np.log(self.transmission),
        )
        return np.asarray(np.exp(logarithm), dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """Angles, solid angles and what lies in the way.

    Attributes:
        incidence: Between the beam and the sample's surface, [rad].
        take_off: Between the detector's axis and the sample's surface, [rad].
        scattering_angle: Between the beam and the way to the detector, [rad].
        source_solid_angle: Of the beam, seen from the anode, [sr].
        detector_solid_angle: Of the detector, seen from the sample, [sr].
        depth: Of the sample, [m]; infinite if thick.
        entrance: Layers between tube and sample, at right angles to the surface.
        exit: Layers between sample and detector, likewise.
        optic: Between tube and sample; None for a plain collimator.
    """

    incidence: float
    take_off: float
    scattering_angle: float
    source_solid_angle: float
    detector_solid_angle: float
    depth: float = math.inf
    entrance: tuple[Layer, ...] = ()
    exit: tuple[Layer, ...] = ()
    optic: Optic | None = None

    def __post_init__(self) -> None:
        for name, angle in (("incidence", self.incidence), ("take-off", self.take_off)):
            if not 0.0 < angle <= math.pi / 2.0:
                raise SpecificationError(
                    f"the {name} angle is {math.degrees(angle):g}°.",
                    where="geometry",
                    allowed="above 0° to 90°, from the sample's surface",
                )
        least, most = self.scattering_range
        if not least - 1.0e-9 <= self.scattering_angle <= most + 1.0e-9:
            raise SpecificationError(
                f"the scattering angle is {math.degrees(self.scattering_angle):.1f}°.",
                where="geometry",
                allowed=(
                    f"{math.degrees(least):.1f}° to {math.degrees(most):.1f}°, with these angles "
                    "of incidence and take-off"
                ),
            )
        if not min(self.source_solid_angle, self.detector_solid_angle, self.depth) > 0.0:
            raise SpecificationError(
                f"solid angles are {self.source_solid_angle:g} and {self.detector_solid_angle:g} "
                f"sr, the depth {self.depth:g} m.",
                where="geometry",
                allowed="all above 0",
            )

    @property
    def scattering_range(self) -> tuple[float, float]:
        """Least and largest scattering angle that both slopes allow, [rad]."""
        least = self.incidence + self.take_off
        return least, math.pi - abs(self.incidence - self.take_off)


@dataclass(frozen=True, slots=True, kw_only=True)
class XrfInstrument:
    """An analyzer: tube, geometry, detector and channels.

    Attributes:
        name: Short name.
        title: What it is.
        tube: Source of the beam.
        geometry: Of beam, sample and detector.
        detector: And its electronics.
        zero: Energy at the middle of channel 0, [eV].
        gain: Width of a channel, [eV].
        channels: How many.
        lowest_energy: Below it nothing is recorded, [eV].
        sources: (what, who says so).
    """

    name: str
    title: str
    tube: Tube
    geometry: Geometry
    detector: Detector
    zero: float = 0.0
    gain: float = 20.0
    channels: int = 2048
    lowest_energy: float = 1000.0
    sources: tuple[tuple[str, Source], ...] = ()

    def __post_init__(self) -> None:
        if not (self.gain > 0.0 and self.channels >= 16 and self.lowest_energy >= 500.0):
            raise SpecificationError(
                f"gain is {self.gain:g} eV, channels {self.channels}, lowest energy "
                f"{self.lowest_energy:g} eV.",
                where=f"instrument {self.name}",
                allowed="gain above 0, 16 channels or more, lowest energy 500 eV or more",
            )

    @property
    def energies(self) -> Array:
        """Middles of the channels, (channel,), [eV]."""
        return _scale(self.zero, self.gain, self.channels)

    @property
    def edges(self) -> Array:
        """Edges of the channels, (channel + 1,), [eV]."""
        return _scale(self.zero - 0.5 * self.gain, self.gain, self.channels + 1)


@lru_cache(maxsize=32)
def _scale(first: float, step: float, count: int) -> Array:
    """Return equidistant energies, read only: every reading asks for them many times."""
    energies = np.asarray(first + step * np.arange(count), dtype=np.float64)
    energies.setflags(write=False)
    return energies
