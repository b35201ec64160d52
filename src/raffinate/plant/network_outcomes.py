"""Purities, recoveries, reagents and cost of a plant of many circuits, and their derivatives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.elements import AMMONIA_MOLAR_MASS, oxide_molar_masses
from raffinate.errors import SpecificationError
from raffinate.plant.economics_prices import Prices
from raffinate.plant.gradients import PURITY, Gradients
from raffinate.plant.gradients_inputs import CONSTANT, IMPURITY, unit_of
from raffinate.plant.gradients_outcomes import COST, outcome_unit
from raffinate.plant.network import RAFFINATE_OUTLET, CircuitUnit, Network
from raffinate.plant.network_economics_lines import cost_weights, equipment_numbers, oxide_fed
from raffinate.plant.network_gradients import NetworkDerivative, network_derivative
from raffinate.plant.network_gradients_layout import FLOWS, USES
from raffinate.plant.network_inventory import metal_values
from raffinate.plant.network_state import NetworkState
from raffinate.plant.network_theory import cut_group

Array = NDArray[np.float64]

AMMONIA = "reagent.NH3"
"""Outcome: ammonia of all circuits and conditioners per oxide of all products, [kg/kg]."""


@dataclass(slots=True)
class _Rows:
    """Outcomes as they are gathered: values and derivatives by streams, uses and inputs."""

    derivative: NetworkDerivative
    names: list[str]
    values: list[float]
    by_stream: list[Array]
    by_use: list[Array]
    by_input: list[Array]

    def add(
        self,
        name: str,
        value: float,
        *,
        streams: dict[str, Array] | None = None,
        by_use: Array | None = None,
        by_input: Array | None = None,
    ) -> None:
        """Add an outcome; `streams` holds its derivatives by stream, (width,)."""
        row = np.zeros(self.derivative.answer.shape[0])
        for stream, part in (streams or {}).items():
            row[self.derivative.block(stream)] += part
        self.names.append(name)
        self.values.append(value)
        self.by_stream.append(row)
        self.by_use.append(np.zeros(len(USES)) if by_use is None else by_use)
        count = len(self.derivative.inputs)
        self.by_input.append(np.zeros(count) if by_input is None else by_input)

    def slopes(self) -> Array:
        """Return their derivatives, (outcome, input)."""
        found = self.derivative.total(np.array(self.by_stream), np.array(self.by_use))
        total: Array = found + np.array(self.by_input)
        return total


def network_gradients(
    network: Network, state: NetworkState, *, meet: bool = False, prices: Prices | None = None
) -> Gradients:
    """Return the derivatives of everything a plant of many circuits does, SI.

    Args:
        network: The plant.
        state: Its steady state.
        meet: Keep the purities that every cut has now by moving its organic, the acid with it, and
            its draw; flows of circuits with a cut are then outcomes and no inputs.
        prices: For the outcome "cost", [currency/kg of REO]; None leaves it out.

    Raises:
        SpecificationError: No cost can be counted, or a product is a feed.
        BalanceError: The differentiated circuits do not make the streams of the state.
    """
    equipment = equipment_numbers(prices) if prices is not None else (1.0, 0.0)
    worth = metal_values(network, prices) if prices is not None else None
    derivative = network_derivative(network, state, equipment=equipment, metal_value=worth)
    rows = _Rows(derivative, [], [], [], [], [])
    _product_rows(rows)
    _use_rows(rows, prices)
    slopes = rows.slopes()
    inputs, values = derivative.inputs, derivative.values
    names, found = list(rows.names), list(rows.values)
    met: tuple[str, ...] = ()
    if meet:
        slopes, names, found, kept = _met(derivative, slopes, names, found)
        met = tuple(unit.name for unit in network.circuits if unit.cut is not None)
        inputs, values = tuple(inputs[k] for k in kept), values[kept]
    return _told(network, met, (inputs, values), (names, found), slopes)


def _told(
    network: Network,
    met: tuple[str, ...],
    inputs: tuple[tuple[str, ...], Array],
    outcomes: tuple[list[str], list[float]],
    slopes: Array,
) -> Gradients:
    names, values = outcomes[0], np.array(outcomes[1])
    impure = [k for k, name in enumerate(names) if name.startswith(IMPURITY)]
    share = 10.0 ** values[impure]
    purity = -np.log(10.0) * share[:, None] * slopes[impure]
    told = (*(f"{PURITY}{names[k].removeprefix(IMPURITY)}" for k in impure), *names)
    return Gradients(
        plant_name=network.name,
        met=met,
        inputs=inputs[0],
        input_units=tuple(network_input_unit(name) for name in inputs[0]),
        input_values=inputs[1],
        outcomes=told,
        outcome_units=tuple(outcome_unit(name) for name in told),
        outcome_values=np.concatenate([1.0 - share, values]),
        slopes=np.concatenate([purity, slopes]),
    )


def network_input_unit(name: str) -> str:
    """Return the SI unit of an input of a network by name, "-" if it has none."""
    last = name.rpartition(".")[2]
    if name.startswith(CONSTANT):
        return "-"
    if last in (*FLOWS, "flow"):
        return "m³/s"
    return unit_of(name) if name.startswith("feed.") else unit_of(last)


def _oxide(network: Network) -> Array:
    """Return oxide per mole, zero for what is no rare earth, (width,), [kg/mol]."""
    found = np.zeros(network.axis.size + 1)
    masses = oxide_molar_masses(network.rare_earths)
    for symbol, mass in zip(network.rare_earths, masses, strict=True):
        found[network.elements.index(symbol)] = mass
    return found


def _chosen(network: Network, symbols: tuple[str, ...]) -> Array:
    found = np.zeros(network.axis.size + 1)
    found[[network.elements.index(symbol) for symbol in symbols]] = 1.0
    return found


def _impurity(
    derivative: NetworkDerivative, stream: str, wanted: tuple[str, ...]
) -> tuple[float, Array]:
    """Return log₁₀ of the mass fraction of other oxides in a stream, and its derivative."""
    network = derivative.network
    amount = np.append(derivative.state.streams[stream].amount, 0.0)
    oxide = _oxide(network)
    other = oxide * (1.0 - _chosen(network, wanted))
    mass, impure = float(oxide @ amount), float(other @ amount)
    return float(np.log10(impure / mass)), (other / impure - oxide / mass) / np.log(10.0)


def _product_rows(rows: _Rows) -> None:
    derivative = rows.derivative
    network, state = derivative.network, derivative.state
    oxide = _oxide(network)
    for name, product in network.products.items():
        if product.stream not in derivative.streams:
            raise SpecificationError(
                f"product {name} is {product.stream}, which no unit makes.",
                where="gradients",
                mend="Take it out of the products: nothing changes it.",
            )
        value, slope = _impurity(derivative, product.stream, product.elements)
        rows.add(f"{IMPURITY}{name}", value, streams={product.stream: slope})
    for name in network.products:
        _recovery_row(rows, name)
    for name, product in network.products.items():
        amount = float(oxide[:-1] @ state.streams[product.stream].amount)
        rows.add(f"reo.{name}", amount, streams={product.stream: oxide})


def _recovery_row(rows: _Rows, name: str) -> None:
    derivative = rows.derivative
    network = derivative.network
    product = network.products[name]
    chosen = _chosen(network, product.elements)
    recovery = derivative.state.products[name].recovery
    leaves = float(chosen[:-1] @ derivative.state.streams[product.stream].amount)
    fed = leaves / recovery
    by_input = np.zeros(len(derivative.inputs))
    for feed in network.feeds:
        place = f"feed.{feed.name}"
        brings = sum(feed.concentration.get(symbol, 0.0) for symbol in product.elements)
        by_input[derivative.inputs.index(f"{place}.flow")] -= recovery / fed * brings
        for symbol in product.elements:
            by_input[derivative.inputs.index(f"{place}.{symbol}")] -= recovery / fed * feed.flow
    rows.add(
        f"recovery.{name}", recovery, streams={product.stream: chosen / fed}, by_input=by_input
    )


def _use_rows(rows: _Rows, prices: Prices | None) -> None:
    """Add ammonia and, with prices, cost; both per oxide of all products."""
    derivative = rows.derivative
    network = derivative.network
    oxide = _oxide(network)
    made = {product.stream for product in network.products.values()}
    total = sum(float(oxide[:-1] @ derivative.state.streams[name].amount) for name in made)
    ammonia = np.zeros(len(USES))
    ammonia[USES.index("NH3")] = AMMONIA_MOLAR_MASS
    _per_oxide(rows, AMMONIA, float(ammonia @ derivative.uses), total, ammonia)
    if prices is None:
        return
    weights, fixed = cost_weights(network, prices)
    if not weights.any() and not fixed:
        raise SpecificationError(
            f"no cost can be counted with the prices {prices.name}.",
            where="cost",
            mend="Give prices of reagents at least.",
        )
    feed = prices.values("feed_per_kg_reo")
    by_input = np.zeros(len(derivative.inputs))
    if feed is not None and oxide_fed(network) > 0.0:
        by_input = feed[0] * _oxide_fed_slopes(derivative)
    paid = fixed + float(weights @ derivative.uses)
    _per_oxide(rows, COST, paid, total, weights, by_input)


def _per_oxide(
    rows: _Rows,
    name: str,
    value: float,
    total: float,
    by_use: Array,
    by_input: Array | None = None,
) -> None:
    network = rows.derivative.network
    oxide = _oxide(network)
    made = {product.stream for product in network.products.values()}
    rows.add(
        name,
        value / total,
        streams=dict.fromkeys(made, -value / total**2 * oxide),
        by_use=by_use / total,
        by_input=None if by_input is None else by_input / total,
    )


def _oxide_fed_slopes(derivative: NetworkDerivative) -> Array:
    """Return d (oxide in the feeds) / d inputs, (input,)."""
    network = derivative.network
    oxide = _oxide(network)
    found = np.zeros(len(derivative.inputs))
    for feed in network.feeds:
        place = f"feed.{feed.name}"
        for k, symbol in enumerate(network.elements):
            amount = feed.concentration.get(symbol, 0.0)
            found[derivative.inputs.index(f"{place}.flow")] += oxide[k] * amount
            found[derivative.inputs.index(f"{place}.{symbol}")] += oxide[k] * feed.flow
    return found


def cut_purities_of(derivative: NetworkDerivative, unit: CircuitUnit) -> list[tuple[float, Array]]:
    """Return log₁₀ impurity of raffinate and extract of a cut, and derivatives by the streams."""
    assert unit.cut is not None
    network = derivative.network
    group = cut_group(unit, unit.cut)
    rare = network.rare_earths
    kept = tuple(symbol for symbol in rare if symbol not in group)
    taken = tuple(symbol for symbol in rare if symbol in group)
    ends = ((f"{unit.name}.{RAFFINATE_OUTLET}", kept), (unit.outlets[-1], taken))
    found = []
    for stream, wanted in ends:
        value, slope = _impurity(derivative, stream, wanted)
        row = np.zeros(derivative.answer.shape[0])
        row[derivative.block(stream)] = slope
        found.append((value, row))
    return found


def _met(
    derivative: NetworkDerivative, slopes: Array, names: list[str], values: list[float]
) -> tuple[Array, list[str], list[float], list[int]]:
    """Return outcomes and slopes with the flows of cuts moved so that their purities stay.

    With q the flows that are free and c(p, q) the impurities, dq/dp = -(∂c/∂q)⁻¹ ∂c/∂p.
    """
    inputs, flows = derivative.inputs, derivative.values
    cuts = [unit for unit in derivative.network.circuits if unit.cut is not None]
    if not cuts:
        raise SpecificationError(
            "no circuit has a cut, so there are no purities to keep.",
            where=f"gradients of {derivative.network.name}",
            mend="Ask for derivatives at given flows.",
        )
    held = [row for unit in cuts for _, row in cut_purities_of(derivative, unit)]
    kept_slopes = derivative.total(np.array(held), np.zeros((len(held), len(USES))))
    own = [[inputs.index(f"{unit.name}.{name}") for name in FLOWS] for unit in cuts]
    free = np.zeros((len(inputs), 2 * len(cuts)))
    for k, (organic, acid, draw) in enumerate(own):
        # The acid follows the organic, and the draw goes with both unless its share is moved.
        for place in (organic, acid, draw):
            free[place, 2 * k] = flows[place]
        free[draw, 2 * k + 1] = flows[draw]
    kept = [k for k in range(len(inputs)) if not any(k in places for places in own)]
    answer = -np.linalg.solve(kept_slopes @ free, kept_slopes[:, kept])
    moved = free @ answer
    found = slopes[:, kept] + slopes @ moved
    places = [place for each in own for place in each]
    return (
        np.concatenate([found, moved[places]]),
        [*names, *(inputs[place] for place in places)],
        [*values, *(float(flows[place]) for place in places)],
        kept,
    )
