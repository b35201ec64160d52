"""Nodemap files: YAML at the door, values inside."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat, ValidationError

from raffinate.data_files import read_named, shipped_names
from raffinate.errors import DataError, SpecificationError, nearest_name
from raffinate.instruments.reading import Quality
from raffinate.runtime.nodemap import ExpiryForm, NodeMap, Security, Trust
from raffinate.runtime.nodemap_nodes import (
    ConcentrationBasis,
    LeverNodes,
    NodeRef,
    StateNode,
    StreamNodes,
)
from raffinate.units import to_si
from raffinate.yaml_files import StrictEntry, first_complaint, read_yaml

FORMAT = "raffinate-nodemap/1"

Positive = Annotated[FiniteFloat, Field(gt=0)]
NotNegative = Annotated[FiniteFloat, Field(ge=0)]
Fingerprint = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")]

_NODE = re.compile(r"(?:(?P<alias>[A-Za-z_]\w*);|nsu=(?P<uri>[^;]+);)?(?P<identifier>[isgb]=.+)")


class _TrustFile(StrictEntry):
    fingerprint: Fingerprint | None = None
    certificate: str | None = None


class _GuardFile(StrictEntry):
    heartbeat: str
    sequence: str | None = None
    expires: str | None = None
    expires_as: ExpiryForm = "plant_time"
    requests: str | None = None


class _LimitsFile(StrictEntry):
    low: str | None = None
    high: str | None = None
    rate: str | None = None
    safe: str | None = None


class _LeverFile(StrictEntry):
    setpoint: str
    measured: str
    trajectory: str | None = None
    in_force: str | None = None
    output: str | None = None
    limits: _LimitsFile = _LimitsFile()
    unit: str = "m³/h"
    factor: Positive = 1.0


class _SigmaFile(StrictEntry):
    relative: NotNegative
    absolute: NotNegative


class _QualityFile(StrictEntry):
    node: str
    words: dict[str, Quality]


class _StreamFile(StrictEntry):
    values: dict[str, str] | str
    elements: list[str] | None = None
    unit: str
    basis: ConcentrationBasis | None = None
    factor: Positive = 1.0
    sigma: _SigmaFile | None = None
    covariance: str | None = None
    detection_limit: Positive | str
    sample_time: str | None = None
    result_time: str | None = None
    sequence: str | None = None
    quality: _QualityFile | str | None = None
    chi2_per_dof: str | None = None
    flags: str | None = None


class _StateFile(StrictEntry):
    node: str
    text: str
    priority: Literal["low", "medium", "high"] = "high"
    when: bool = True


class _PlantNodesFile(StrictEntry):
    time: str | None = None
    epoch: str | None = None
    scan: str | None = None
    acknowledged: str | None = None
    plc_mode: str | None = None
    watchdog: str | None = None
    plan_expires: str | None = None
    plc_alarms: str | None = None
    records_object: str | None = None
    records_last: str | None = None
    guard: _GuardFile
    levers: dict[str, _LeverFile]
    streams: dict[str, _StreamFile] = Field(default_factory=dict)
    laboratory: dict[str, _StreamFile] = Field(default_factory=dict)
    alarms: dict[str, _StateFile] = Field(default_factory=dict)
    interlocks: dict[str, _StateFile] = Field(default_factory=dict)


class _NodeMapFile(StrictEntry):
    format: Literal["raffinate-nodemap/1"]
    title: str
    endpoint: str = ""
    security: Security = "sign_and_encrypt"
    user: str = ""
    trust: _TrustFile | None = None
    namespaces: dict[str, str]
    plant: _PlantNodesFile


def load_nodemap(name_or_path: str | Path) -> NodeMap:
    """Return a shipped nodemap, such as "nodemap_twin", or one read from a YAML file.

    Raises:
        DataError: No such nodemap, or the file cannot be read as one.
    """
    content, where = read_named(name_or_path, "nodemap", shipped_names(FORMAT))
    return parse_nodemap(content, where=where, folder=Path(name_or_path).parent)


def parse_nodemap(
    content: str | bytes, *, where: str = "nodemap", folder: Path = Path()
) -> NodeMap:
    """Read the text of a nodemap file.

    Args:
        content: Text, or bytes in UTF-8.
        where: Name of the file, for errors.
        folder: Where a certificate with a relative name lies.

    Raises:
        DataError: The text is no nodemap; says where, what and the mend.
    """
    document = read_yaml(content, where, FORMAT)
    try:
        read = _NodeMapFile.model_validate(document)
    except ValidationError as error:
        raise first_complaint(error, where, _NodeMapFile) from error
    door = _Door(where, read.namespaces)
    plant = read.plant
    return NodeMap(
        title=read.title,
        endpoint=read.endpoint,
        security=read.security,
        user=read.user,
        trust=_trust(read.trust, where, folder),
        levers={name: door.lever(name, entry) for name, entry in plant.levers.items()},
        streams=(
            *(door.stream(place, "xrf", entry) for place, entry in plant.streams.items()),
            *(door.stream(place, "assay", entry) for place, entry in plant.laboratory.items()),
        ),
        heartbeat=door.node(plant.guard.heartbeat, "guard.heartbeat"),
        sequence=door.maybe(plant.guard.sequence, "guard.sequence"),
        expires=door.maybe(plant.guard.expires, "guard.expires"),
        expiry_form=plant.guard.expires_as,
        requests=door.maybe(plant.guard.requests, "guard.requests"),
        alarms=door.states(plant.alarms, "alarms"),
        interlocks=door.states(plant.interlocks, "interlocks"),
        **{name: door.maybe(getattr(plant, name), name) for name in _SINGLE},
    )


_SINGLE = (
    "time",
    "epoch",
    "scan",
    "acknowledged",
    "plc_mode",
    "watchdog",
    "plan_expires",
    "plc_alarms",
    "records_object",
    "records_last",
)
"""Nodes of the plant that stand alone."""


def _trust(read: _TrustFile | None, where: str, folder: Path) -> Trust | None:
    if read is None:
        return None
    if (read.fingerprint is None) == (read.certificate is None):
        raise DataError(
            "the certificate is given twice or not at all.",
            where=f"{where}: trust",
            allowed="one of fingerprint and certificate",
        )
    if read.certificate is not None:
        return Trust(certificate=folder / read.certificate)
    return Trust(fingerprint=(read.fingerprint or "").lower())


class _Door:
    """Turns the texts of one file into values.

    Args:
        where: Name of the file, for errors.
        namespaces: URI by alias.
    """

    def __init__(self, where: str, namespaces: dict[str, str]) -> None:
        self._where = where
        self._namespaces = namespaces

    def node(self, text: str, place: str) -> NodeRef:
        match = _NODE.fullmatch(text)
        if match is None:
            raise DataError(
                f"{text!r} names no node.",
                where=f"{self._where}: plant.{place}",
                allowed="ALIAS;s=NAME, ALIAS;i=NUMBER, or with nsu=URI in place of the alias",
            )
        alias = match["alias"]
        if match["uri"] is None and alias is None and len(self._namespaces) == 1:
            alias = next(iter(self._namespaces))
        if match["uri"] is None and alias not in self._namespaces:
            raise DataError(
                f"{alias or 'no alias'!r} is none of the namespaces.",
                where=f"{self._where}: plant.{place}",
                mend=nearest_name(alias or "", tuple(self._namespaces)),
            )
        namespace = match["uri"] or self._namespaces[alias]
        return NodeRef(namespace=namespace, identifier=match["identifier"])

    def maybe(self, text: str | None, place: str) -> NodeRef | None:
        return None if text is None else self.node(text, place)

    def states(self, read: dict[str, _StateFile], section: str) -> tuple[StateNode, ...]:
        return tuple(
            StateNode(
                tag=tag,
                node=self.node(entry.node, f"{section}.{tag}"),
                text=entry.text,
                priority=entry.priority,
                when=entry.when,
            )
            for tag, entry in read.items()
        )

    def lever(self, name: str, read: _LeverFile) -> LeverNodes:
        place = f"levers.{name}"
        self._convertible(read.unit, "m³/s", place)
        limits = {key: self.maybe(text, f"{place}.limits") for key, text in read.limits if text}
        return LeverNodes(
            name=name,
            setpoint=self.node(read.setpoint, place),
            measured=self.node(read.measured, place),
            trajectory=self.maybe(read.trajectory, place),
            in_force=self.maybe(read.in_force, place),
            output=self.maybe(read.output, place),
            limits={key: node for key, node in limits.items() if node is not None},
            unit=read.unit,
            factor=read.factor,
        )

    def stream(
        self, name: str, instrument: Literal["xrf", "assay"], read: _StreamFile
    ) -> StreamNodes:
        place = f"{'streams' if instrument == 'xrf' else 'laboratory'}.{name}"
        self._convertible(read.unit, "kg/m³" if read.basis else "mol/m³", place)
        elements, values = self._values(read, place)
        if (read.sigma is None) == (read.covariance is None):
            raise DataError(
                "its uncertainty is given twice or not at all.",
                where=f"{self._where}: plant.{place}",
                allowed="one of sigma (relative and absolute) and covariance (a node)",
            )
        found: dict[str, Any] = {
            key: self.maybe(getattr(read, key), place)
            for key in ("sample_time", "result_time", "sequence", "covariance", "flags")
        }
        if read.sigma is not None:
            found |= {
                "sigma_relative": read.sigma.relative,
                "sigma_absolute": read.sigma.absolute,
            }
        if isinstance(read.quality, _QualityFile):
            found |= {"quality_words": read.quality.words}
        quality = read.quality.node if isinstance(read.quality, _QualityFile) else read.quality
        limit = read.detection_limit
        return StreamNodes(
            place=name,
            instrument=instrument,
            elements=elements,
            values=values,
            unit=read.unit,
            basis=read.basis,
            factor=read.factor,
            detection_limit=self.node(limit, place) if isinstance(limit, str) else limit,
            quality=self.maybe(quality, place),
            chi2_per_dof=self.maybe(read.chi2_per_dof, place),
            **found,
        )

    def _values(self, read: _StreamFile, place: str) -> tuple[tuple[str, ...], tuple[NodeRef, ...]]:
        if isinstance(read.values, dict):
            if read.elements is not None:
                raise DataError(
                    "the values name their elements themselves.",
                    where=f"{self._where}: plant.{place}.elements",
                    mend="Leave elements out.",
                )
            nodes = tuple(self.node(text, place) for text in read.values.values())
            return tuple(read.values), nodes
        if not read.elements:
            raise DataError(
                "an array of values does not say whose they are.",
                where=f"{self._where}: plant.{place}",
                mend="Add elements, in the order of the array.",
            )
        return tuple(read.elements), (self.node(read.values, place),)

    def _convertible(self, unit: str, target: str, place: str) -> None:
        try:
            to_si(f"1 {unit}", target)
        except SpecificationError as error:
            mass = " A mass concentration needs basis: metal or oxide." if "mol" in target else ""
            raise DataError(
                f"{unit!r} is no unit of {target}.",
                where=f"{self._where}: plant.{place}.unit",
                mend=f"Write it such as {'m³/h' if target == 'm³/s' else 'g/L'}.{mass}",
            ) from error
