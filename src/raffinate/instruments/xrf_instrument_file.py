"""Reading analyzers from YAML, `format: raffinate-instrument/1`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, ValidationError

from raffinate.data_files import read_named, shipped_names
from raffinate.errors import DataError, SpecificationError
from raffinate.instruments.xrf_atomic import element_density
from raffinate.instruments.xrf_detector import Detector
from raffinate.instruments.xrf_instrument import Geometry, Optic, XrfInstrument
from raffinate.instruments.xrf_matrix import mass_fractions
from raffinate.instruments.xrf_tube import Layer, Tube
from raffinate.yaml_files import (
    SourceEntry,
    StrictEntry,
    first_complaint,
    read_yaml,
    require_sources,
)

FORMAT = "raffinate-instrument/1"

_Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
_NotNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


class _Layer(StrictEntry):
    formula: str | None = None
    fractions: dict[str, _Positive] | None = None
    thickness_um: _Positive
    density_g_per_cm3: _Positive | None = None

    def layer(self) -> Layer:
        if (self.formula is None) == (self.fractions is None):
            raise SpecificationError(
                "a layer needs one of 'formula' and 'fractions'.", where="layer"
            )
        if self.formula is not None:
            composition = mass_fractions(self.formula)
        else:
            given = self.fractions or {}
            total = sum(given.values())
            composition = tuple((symbol, share / total) for symbol, share in given.items())
        if self.density_g_per_cm3 is not None:
            density = self.density_g_per_cm3 * 1.0e3
        elif len(composition) == 1:
            density = element_density(composition[0][0])
        else:
            raise SpecificationError(
                f"no density of {self.formula or 'the mixture'}.",
                where="layer",
                mend="Add density_g_per_cm3.",
            )
        return Layer(composition=composition, areal_density=density * self.thickness_um * 1.0e-6)


class _Part(StrictEntry):
    source: str


class _Tube(_Part):
    anode: str
    voltage_kV: _Positive
    current_uA: _Positive
    incidence_deg: _Positive
    take_off_deg: _Positive
    line_factor: _Positive = 1.0
    layers: tuple[_Layer, ...] = ()


class _Optic(StrictEntry):
    energy_keV: tuple[_Positive, ...]
    transmission: tuple[_Positive, ...]


class _Geometry(_Part):
    incidence_deg: _Positive
    take_off_deg: _Positive
    scattering_angle_deg: _Positive
    source_solid_angle_sr: _Positive
    detector_solid_angle_sr: _Positive
    depth_mm: _Positive | None = None
    entrance: tuple[_Layer, ...] = ()
    exit: tuple[_Layer, ...] = ()
    optic: _Optic | None = None


class _Detector(_Part):
    crystal: Literal["Si", "CdTe"] = "Si"
    thickness_um: _Positive
    resolution_eV: _Positive
    fano_factor: _Positive = 0.115
    dead_layer_nm: _NotNegative = 0.0
    tail_layer_nm: _NotNegative = 0.0
    tail_decay_eV: _Positive = 100.0
    shelf: _NotNegative = 0.0
    escape: bool = True
    window: tuple[_Layer, ...] = ()
    pulse_pair_resolution_ns: _NotNegative = 0.0
    dead_time_us: _NotNegative = 0.0


class _Channels(_Part):
    zero_eV: FiniteFloat = 0.0
    gain_eV: _Positive
    count: Annotated[int, Field(ge=16, le=65536)]
    lowest_energy_keV: _Positive


class _File(StrictEntry):
    format: Literal["raffinate-instrument/1"]
    name: str
    title: str
    sources: dict[str, SourceEntry]
    tube: _Tube
    geometry: _Geometry
    detector: _Detector
    channels: _Channels


def load_instrument(name_or_path: str | Path) -> XrfInstrument:
    """Return a shipped analyzer, such as "online_rh_40kv", or one read from a YAML file.

    Args:
        name_or_path: A bare name is looked up among the shipped ones, anything else is a path.

    Raises:
        DataError: No such instrument, or the file cannot be read as one.
    """
    known = shipped_instruments()
    content, where = read_named(name_or_path, "instrument", known, prefix="instrument_")
    return parse_instrument(content, where=where)


def shipped_instruments() -> tuple[str, ...]:
    """Return the names of the analyzers that come with the package, in order."""
    return shipped_names(FORMAT, prefix="instrument_")


def parse_instrument(content: str | bytes, *, where: str = "instrument") -> XrfInstrument:
    """Read the text of an instrument file.

    Args:
        content: YAML text, or bytes in UTF-8.
        where: What to call the file in messages.

    Raises:
        DataError: The text is no YAML, a key is unknown or missing, a value is out of range, or a
            part names a source that is not there.
    """
    document = read_yaml(content, where, FORMAT)
    try:
        read = _File.model_validate(document)
    except ValidationError as error:
        raise first_complaint(error, where, _File) from error
    parts: dict[str, _Part] = {
        "tube": read.tube,
        "geometry": read.geometry,
        "detector": read.detector,
        "channels": read.channels,
    }
    named = {f"{part}.source": entry.source for part, entry in parts.items()}
    require_sources(named, read.sources, where)
    sources = {key: entry.source() for key, entry in read.sources.items()}
    try:
        return XrfInstrument(
            name=read.name,
            title=read.title,
            tube=_tube(read.tube),
            geometry=_geometry(read.geometry),
            detector=_detector(read.detector),
            zero=read.channels.zero_eV,
            gain=read.channels.gain_eV,
            channels=read.channels.count,
            lowest_energy=read.channels.lowest_energy_keV * 1.0e3,
            sources=tuple((part, sources[entry.source]) for part, entry in parts.items()),
        )
    except SpecificationError as error:
        raise DataError(
            error.what, where=f"{where}: {error.where}", allowed=error.allowed, mend=error.mend
        ) from error


def _tube(read: _Tube) -> Tube:
    return Tube(
        anode=read.anode,
        voltage=read.voltage_kV * 1.0e3,
        current=read.current_uA * 1.0e-6,
        incidence=math.radians(read.incidence_deg),
        take_off=math.radians(read.take_off_deg),
        layers=tuple(layer.layer() for layer in read.layers),
        line_factor=read.line_factor,
    )


def _geometry(read: _Geometry) -> Geometry:
    optic = None
    if read.optic is not None:
        optic = Optic(
            energy=tuple(value * 1.0e3 for value in read.optic.energy_keV),
            transmission=read.optic.transmission,
        )
    return Geometry(
        incidence=math.radians(read.incidence_deg),
        take_off=math.radians(read.take_off_deg),
        scattering_angle=math.radians(read.scattering_angle_deg),
        source_solid_angle=read.source_solid_angle_sr,
        detector_solid_angle=read.detector_solid_angle_sr,
        depth=math.inf if read.depth_mm is None else read.depth_mm * 1.0e-3,
        entrance=tuple(layer.layer() for layer in read.entrance),
        exit=tuple(layer.layer() for layer in read.exit),
        optic=optic,
    )


def _detector(read: _Detector) -> Detector:
    return Detector(
        crystal=read.crystal,
        thickness=read.thickness_um * 1.0e-6,
        dead_layer=read.dead_layer_nm * 1.0e-9,
        tail_layer=read.tail_layer_nm * 1.0e-9,
        tail_decay=read.tail_decay_eV,
        shelf=read.shelf,
        resolution=read.resolution_eV,
        fano_factor=read.fano_factor,
        escape=read.escape,
        window=tuple(layer.layer() for layer in read.window),
        pulse_pair_resolution=read.pulse_pair_resolution_ns * 1.0e-9,
        dead_time=read.dead_time_us * 1.0e-6,
    )
