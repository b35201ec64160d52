"""How what a plant of many circuits does changes with everything its circuits are made of.

With s all streams between units and p the inputs, every unit is a map s = F(s, p). At rest

    ds/dp = (1 - ∂F/∂s)⁻¹ ∂F/∂p

so that recycles are in the derivative as they are in the plant. ∂F of a circuit comes from the
adjoint of its bank, that of the other units in closed form; one transposed solve serves every
outcome g: dg/dp = ∂g/∂p + λᵀ ∂F/∂p with (1 - ∂F/∂s)ᵀ λ = ∂g/∂s.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import BalanceError
from raffinate.plant.network import CircuitUnit, Network, NetworkFeed
from raffinate.plant.network_gradients_circuit import (
    circuit_frame,
    circuit_inputs,
    circuit_jacobian,
)
from raffinate.plant.network_gradients_layout import USES, CircuitLayout, circuit_layout
from raffinate.plant.network_gradients_units import unit_slopes
from raffinate.plant.network_inputs import feed_names, input_name, input_names
from raffinate.plant.network_state import NetworkState
from raffinate.plant.network_stream import ANION, Stream, StreamAxis

Array = NDArray[np.float64]

SAME = 1e-6
"""Relative difference up to which a differentiated circuit makes the streams of the solved one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkDerivative:
    """A network at rest, and how it answers.

    Attributes:
        network: Which.
        state: At rest.
        streams: Names of the streams that units make, in order.
        inputs: Names, (input,).
        values: (input,), SI.
        answer: 1 - ∂F/∂s, (stream · width, stream · width).
        direct: ∂F/∂p, (stream · width, input).
        uses: What all units use, (use,), in the order of `USES`.
        use_by_stream: (use, stream · width).
        use_by_input: (use, input).
    """

    network: Network
    state: NetworkState
    streams: tuple[str, ...]
    inputs: tuple[str, ...]
    values: Array
    answer: Array
    direct: Array
    uses: Array
    use_by_stream: Array
    use_by_input: Array

    @property
    def width(self) -> int:
        """Numbers of a stream: components and flow."""
        return self.network.axis.size + 1

    def block(self, stream: str) -> slice:
        """Return the places of a stream that a unit makes."""
        place = self.streams.index(stream)
        return slice(place * self.width, (place + 1) * self.width)

    def total(self, by_stream: Array, by_use: Array) -> Array:
        """Return derivatives by the inputs, (outcome, input).

        Args:
            by_stream: Of the outcomes by the streams, (outcome, stream · width).
            by_use: Of the outcomes by `USES`, (outcome, use).
        """
        seen = by_stream + by_use @ self.use_by_stream
        multipliers = np.linalg.solve(self.answer.T, seen.T)
        found: Array = multipliers.T @ self.direct + by_use @ self.use_by_input
        return found


@dataclass(slots=True)
class _Assembly:
    """Derivatives as they are gathered."""

    axis: StreamAxis
    state: NetworkState
    feeds: dict[str, NetworkFeed]
    streams: list[str]
    inputs: list[str]
    values: Array
    answer: Array
    direct: Array
    uses: Array
    use_by_stream: Array
    use_by_input: Array

    def block(self, stream: str) -> slice:
        place, width = self.streams.index(stream), self.axis.size + 1
        return slice(place * width, (place + 1) * width)

    def add(self, outlets: tuple[str, ...], inlets: tuple[str, ...], slopes: Array) -> None:
        """Add how outlets, then `USES`, answer to inlets, (outlet · width + use, inlet · width)."""
        width = self.axis.size + 1
        made = len(outlets) * width
        for k, inlet in enumerate(inlets):
            columns = slopes[:, k * width : (k + 1) * width]
            if inlet in self.feeds:
                names, rows = feed_slopes(self.axis, self.feeds[inlet])
                self._by_input(outlets, names, columns @ rows.T)
                continue
            for n, outlet in enumerate(outlets):
                self.answer[self.block(outlet), self.block(inlet)] -= columns[
                    n * width : (n + 1) * width
                ]
            self.use_by_stream[:, self.block(inlet)] += columns[made:]

    def add_inputs(self, outlets: tuple[str, ...], names: list[str], slopes: Array) -> None:
        """Add how outlets, then `USES`, answer to inputs, (outlet · width + use, input)."""
        self._by_input(outlets, names, slopes)

    def _by_input(self, outlets: tuple[str, ...], names: list[str], slopes: Array) -> None:
        width = self.axis.size + 1
        places = [self.inputs.index(name) for name in names]
        for n, outlet in enumerate(outlets):
            rows = slopes[n * width : (n + 1) * width]
            self.direct[self.block(outlet), places] += rows
        self.use_by_input[:, places] += slopes[len(outlets) * width :]


def network_derivative(
    network: Network,
    state: NetworkState,
    *,
    equipment: tuple[float, float] = (1.0, 0.0),
    metal_value: Array | None = None,
) -> NetworkDerivative:
    """Return how a network at rest answers to its inputs, at given flows.

    Inputs are flow, metals and free acid of the feeds, every circuit's settings, and the constants
    of each extraction system, shared by the circuits that use it.

    Args:
        network: The plant.
        state: Its steady state; its flows are taken.
        equipment: Reference volume of a stage, [m³], and exponent of its cost in volume, [-].
        metal_value: What a mole held is worth, (metal of the plant,), [currency/mol]; None takes
            nothing.

    Raises:
        BalanceError: The differentiated circuits do not make the streams of the state.
    """
    axis = network.axis
    layouts = {unit.name: circuit_layout(axis, unit) for unit in network.circuits}
    assembly = _assembly(network, state)
    streams = dict(state.streams)
    value = np.zeros(len(network.elements)) if metal_value is None else metal_value
    for unit in network.units:
        if isinstance(unit, CircuitUnit):
            _add_circuit(assembly, unit, layouts[unit.name], streams, (equipment, value))
            continue
        taken = [streams[name] for name in unit.inlets]
        made, used = unit_slopes(axis, unit, taken)
        assembly.add(unit.outlets, unit.inlets, np.concatenate([made, used]))
        # These units are homogeneous: what they use is its derivative times what enters.
        assembly.uses += used @ np.concatenate([_packed(stream) for stream in taken])
    return NetworkDerivative(
        network=network,
        state=state,
        streams=tuple(assembly.streams),
        inputs=tuple(assembly.inputs),
        values=assembly.values,
        answer=assembly.answer,
        direct=assembly.direct,
        uses=assembly.uses,
        use_by_stream=assembly.use_by_stream,
        use_by_input=assembly.use_by_input,
    )


def _assembly(network: Network, state: NetworkState) -> _Assembly:
    axis = network.axis
    streams = [outlet for unit in network.units for outlet in unit.outlets]
    inputs = list(input_names(network))
    size = len(streams) * (axis.size + 1)
    values = np.zeros(len(inputs))
    for feed in network.feeds:
        names, _ = feed_slopes(axis, feed)
        found = [feed.flow, *(feed.concentration.get(e, 0.0) for e in axis.elements), feed.proton]
        values[[inputs.index(name) for name in names]] = found
    return _Assembly(
        axis=axis,
        state=state,
        feeds={feed.name: feed for feed in network.feeds},
        streams=streams,
        inputs=inputs,
        values=values,
        answer=np.eye(size),
        direct=np.zeros((size, len(inputs))),
        uses=np.zeros(len(USES)),
        use_by_stream=np.zeros((len(USES), size)),
        use_by_input=np.zeros((len(USES), len(inputs))),
    )


def feed_slopes(axis: StreamAxis, feed: NetworkFeed) -> tuple[list[str], Array]:
    """Return the inputs of a feed, flow, metals and free acid, and d stream / d each of them."""
    anion, z = axis.place(ANION), axis.anion_charge
    metals = np.array([feed.concentration.get(symbol, 0.0) for symbol in axis.elements])
    count = len(metals)
    rows = np.zeros((count + 2, axis.size + 1))
    rows[0, :count] = metals
    rows[0, anion] = (axis.charge @ metals + feed.proton) / z
    rows[0, -1] = 1.0
    rows[1:-1, :count] = np.eye(count) * feed.flow
    rows[1:-1, anion] = axis.charge * feed.flow / z
    rows[-1, anion] = feed.flow / z
    return feed_names(axis.elements, feed), rows


def _add_circuit(
    assembly: _Assembly,
    unit: CircuitUnit,
    layout: CircuitLayout,
    streams: dict[str, Stream],
    weights: tuple[tuple[float, float], Array],
) -> None:
    state = assembly.state.circuits[unit.name]
    frame = circuit_frame(assembly.axis, unit, state, streams, *weights)
    inputs = circuit_inputs(layout, unit, state, streams)
    values, slopes = circuit_jacobian(unit, layout, frame, inputs, state.unknowns)
    taken = layout.width * len(layout.liquors)
    names = [input_name(unit, name) for name in layout.settings]
    assembly.add(unit.outlets, unit.inlets, slopes[:, :taken])
    assembly.add_inputs(unit.outlets, names, slopes[:, taken:])
    assembly.values[[assembly.inputs.index(name) for name in names]] = inputs[taken:]
    assembly.uses += values[-len(USES) :]
    _check_same(unit, values, [streams[name] for name in unit.outlets])


def _check_same(unit: CircuitUnit, values: Array, solved: list[Stream]) -> None:
    """Raise unless what is differentiated is what was solved."""
    expected = np.concatenate([_packed(stream) for stream in solved])
    error = np.abs(values[: len(expected)] - expected)
    width = len(expected) // len(solved)
    amounts = np.array([k % width != width - 1 for k in range(len(expected))])
    worst = float(
        (error / np.where(amounts, expected[amounts].max(), expected[~amounts].max())).max()
    )
    if not worst <= SAME:
        raise BalanceError(
            f"the differentiated circuit differs from the solved one by {worst:.1e}.",
            where=f"gradients of circuit {unit.name}",
            allowed=f"{SAME:.0e}",
            mend="This is a defect of the gradients of networks; please report it.",
        )


def _packed(stream: Stream) -> Array:
    return np.append(stream.amount, stream.flow)
