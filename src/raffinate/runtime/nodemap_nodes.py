"""What the nodes of a plant's server hold: a flow controller, a sampled stream, a state, in SI.

Values are turned into SI here and nowhere else, so that whoever reads and writes the nodes handles
one kind of number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.elements import molar_masses, oxide_molar_masses
from raffinate.instruments.reading import Quality, Reading
from raffinate.units import to_si

Array = NDArray[np.float64]

ConcentrationBasis = Literal["metal", "oxide"]
"""What a mass concentration is the mass of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRef:
    """A node, named so that it is found whatever index the server gives its namespaces.

    Attributes:
        namespace: URI of the namespace.
        identifier: As OPC UA writes it: "s=FIC101.SP", "i=2258", "g=…" or "b=…".
    """

    namespace: str
    identifier: str

    def __str__(self) -> str:
        return f"nsu={self.namespace};{self.identifier}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeverNodes:
    """The nodes of one flow controller.

    Attributes:
        name: Lever of the plant file.
        setpoint: Written with every plan.
        measured: Flow as measured.
        trajectory: Written with the setpoints of the scans covered; None where there is none.
        in_force: Setpoint the controller works to; None: `setpoint` is read back.
        output: Output to the actuator, [%]; None where there is none.
        limits: "low", "high", "rate" and "safe", where the server tells them.
        unit: Of the flows on the server, such as "m³/h".
        factor: Server value times factor is the flow in `unit`, [-].
    """

    name: str
    setpoint: NodeRef
    measured: NodeRef
    trajectory: NodeRef | None = None
    in_force: NodeRef | None = None
    output: NodeRef | None = None
    limits: Mapping[str, NodeRef] = field(default_factory=dict)
    unit: str = "m³/h"
    factor: float = 1.0

    def to_si(self, value: float) -> float:
        """Return a flow of the server in [m³/s]."""
        return value * self.factor * to_si(f"1 {self.unit}", "m³/s")

    def from_si(self, flow: float) -> float:
        """Return a flow, [m³/s], as the server wants it."""
        return flow / self.to_si(1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamNodes:
    """The nodes of one sampled stream.

    Attributes:
        place: Stage as in "stage 12", or a product.
        instrument: "xrf" for the online analyzer, "assay" for the laboratory.
        elements: Symbols, in the order of the values.
        values: One node per element, or one array node.
        unit: Of the concentrations, such as "g/L" or "mol/m³".
        basis: What a mass concentration is the mass of; None for moles.
        factor: Server value times factor is the concentration in `unit`, [-].
        sigma_relative: Declared standard deviation over the value, [-]; not read with `covariance`.
        sigma_absolute: Declared standard deviation at zero, [unit]; adds in squares.
        covariance: Array node, row by row, [unit²]; None: the declared sigma.
        detection_limit: Node of an array, [unit], or one declared number, [unit].
        sample_time: Number: plant time, [s]; DateTime: UTC. None: source time of the values.
        result_time: The same of the result; None: the moment the client sees it.
        sequence: Changes with every result; None: a new sample time makes a new result.
        quality: As the instrument judges itself; None: only by the status of the values.
        quality_words: The server's words for each quality; empty if it uses ours.
        chi2_per_dof: Of the fitted spectrum.
        flags: Array of remarks.
    """

    place: str
    instrument: Literal["xrf", "assay"]
    elements: tuple[str, ...]
    values: tuple[NodeRef, ...]
    unit: str
    basis: ConcentrationBasis | None = None
    factor: float = 1.0
    sigma_relative: float = math.nan
    sigma_absolute: float = math.nan
    covariance: NodeRef | None = None
    detection_limit: NodeRef | float = math.nan
    sample_time: NodeRef | None = None
    result_time: NodeRef | None = None
    sequence: NodeRef | None = None
    quality: NodeRef | None = None
    quality_words: Mapping[str, Quality] = field(default_factory=dict)
    chi2_per_dof: NodeRef | None = None
    flags: NodeRef | None = None

    @property
    def nodes(self) -> tuple[NodeRef, ...]:
        """Every node that makes up a result."""
        single = (
            self.covariance,
            self.detection_limit,
            self.sample_time,
            self.result_time,
            self.sequence,
            self.quality,
            self.chi2_per_dof,
            self.flags,
        )
        return (*self.values, *(node for node in single if isinstance(node, NodeRef)))

    @property
    def scale(self) -> Array:
        """Concentration, [mol/m³], of one on the server, (element,)."""
        count = len(self.elements)
        if self.basis is None:
            return np.full(count, self.factor * to_si(f"1 {self.unit}", "mol/m³"))
        masses = molar_masses if self.basis == "metal" else oxide_molar_masses
        density = self.factor * to_si(f"1 {self.unit}", "kg/m³")
        return density / np.array(masses(self.elements))

    def reading(
        self,
        found: Mapping[NodeRef, Any],
        elements: tuple[str, ...],
        *,
        sample_time: float,
        result_time: float,
    ) -> Reading:
        """Return what the nodes hold as a reading.

        Args:
            found: Value of each of `nodes`; None where the server calls a value bad.
            elements: The same symbols in the order wanted, such as the plant's.
            sample_time: Plant time, [s].
            result_time: Plant time, [s]; moved up to `sample_time` where clocks disagree.
        """
        scale = self.scale
        values = self._numbers(found, self.values) * scale
        order = [self.elements.index(symbol) for symbol in elements]
        return Reading(
            place=self.place,
            sample_time=sample_time,
            result_time=max(sample_time, result_time),
            elements=elements,
            values=values[order],
            covariance=self._covariance(found, values, scale)[np.ix_(order, order)],
            detection_limit=self._detection_limit(found, scale)[order],
            quality=self._quality(found, values),
            instrument=self.instrument,
            chi2_per_dof=_number(found.get(self.chi2_per_dof)) if self.chi2_per_dof else math.nan,
            flags=tuple(str(flag) for flag in found.get(self.flags) or ()) if self.flags else (),
        )

    def _numbers(self, found: Mapping[NodeRef, Any], nodes: tuple[NodeRef, ...]) -> Array:
        count = len(self.elements)
        if len(nodes) == count and count > 1:
            return np.array([_number(found.get(node)) for node in nodes])
        return _array(found.get(nodes[0]), count)

    def _covariance(self, found: Mapping[NodeRef, Any], values: Array, scale: Array) -> Array:
        count = len(self.elements)
        if self.covariance is None:
            variance = (self.sigma_relative * values) ** 2 + (self.sigma_absolute * scale) ** 2
            return np.diag(variance)
        rows = _array(found.get(self.covariance), count * count)
        return np.asarray(rows.reshape(count, count) * np.outer(scale, scale))

    def _detection_limit(self, found: Mapping[NodeRef, Any], scale: Array) -> Array:
        if isinstance(self.detection_limit, NodeRef):
            return _array(found.get(self.detection_limit), len(self.elements)) * scale
        return self.detection_limit * scale

    def _quality(self, found: Mapping[NodeRef, Any], values: Array) -> Quality:
        if not np.isfinite(values).all():
            return "bad"
        if self.quality is None:
            return "good"
        word = str(found.get(self.quality))
        judged = self.quality_words.get(word, word)
        # A word nobody declared is no reason to trust the values.
        return next((known for known in get_args(Quality) if known == judged), "bad")


@dataclass(frozen=True, slots=True, kw_only=True)
class StateNode:
    """A Boolean node that says something is wrong.

    Attributes:
        tag: Its name here.
        node: The node.
        text: What to tell people.
        priority: "low", "medium" or "high".
        when: Value at which it is wrong.
    """

    tag: str
    node: NodeRef
    text: str
    priority: Literal["low", "medium", "high"] = "high"
    when: bool = True


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _array(value: Any, count: int) -> Array:
    try:
        found = np.array(value, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError):
        return np.full(count, math.nan)
    return found if len(found) == count else np.full(count, math.nan)
