"""A network tried at other flows: solved from the trial before, with its derivatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import ConvergenceError, SpecificationError, nearest_name
from raffinate.plant.economics_prices import Prices
from raffinate.plant.gradients import Gradients
from raffinate.plant.gradients_inputs import IMPURITY
from raffinate.plant.network import Network
from raffinate.plant.network_levers import at_state, free_levers, with_levers
from raffinate.plant.network_outcomes import network_gradients
from raffinate.plant.network_solve import solve_network
from raffinate.plant.network_state import NetworkState

Array = NDArray[np.float64]


@dataclass(slots=True, kw_only=True, eq=False)
class Trials:
    """A network as a function of the logarithms of its free flows over where they begin.

    Attributes:
        network: The plant where it begins, flows written in it.
        state: Its last steady state.
        names: Of the free flows.
        begin: (flow,), SI.
        prices: For the outcome "cost"; None leaves it out.
        count: Steady states asked for.
        failed: Whether the last one was not found.
        refusal: Why the last one that was not found was not.
        at: Where that was, (flow,), [-].
        found: The last derivatives.
        made: The plant they are of.
    """

    network: Network
    state: NetworkState
    names: tuple[str, ...]
    begin: Array
    prices: Prices | None
    count: int = 0
    failed: bool = False
    refusal: str = ""
    at: Array | None = None
    found: Gradients | None = None
    made: Network = field(init=False)

    def __post_init__(self) -> None:
        """Begin at the network itself."""
        self.made = self.network

    def look(self, turned: Array) -> Gradients:
        """Return outcomes and derivatives at turned flows; those before where none is found.

        Raises:
            SpecificationError: The first flows cannot be run.
            ConvergenceError: There is no steady state at them.
        """
        if self.at is not None and np.array_equal(turned, self.at):
            assert self.found is not None
            return self.found
        values = dict(zip(self.names, (self.begin * np.exp(turned)).tolist(), strict=True))
        self.at, self.count = turned.copy(), self.count + 1
        try:
            made = with_levers(self.network, values)
            state = solve_network(made, start=self.state)
        except (ConvergenceError, SpecificationError) as error:
            if self.found is None:
                raise
            self.failed, self.refusal = True, str(error)
            return self.found
        self.failed = False
        self.state, self.made = state, made
        self.found = network_gradients(made, state, prices=self.prices)
        return self.found

    def rows(self, found: Gradients, outcomes: list[str]) -> Array:
        """Return derivatives of outcomes by the logarithms of the flows, (outcome, flow)."""
        columns = [found.inputs.index(name) for name in self.names]
        places = [found.outcomes.index(name) for name in outcomes]
        rows: Array = found.slopes[np.ix_(places, columns)] * found.input_values[columns]
        return rows


def begun(network: Network, free: tuple[str, ...] | None, prices: Prices | None) -> Trials:
    """Return a network with its free flows, solved where it begins.

    Args:
        network: The plant.
        free: Flows that may be turned, by the names of `lever_values`; None for all.
        prices: For the outcome "cost"; None leaves it out.

    Raises:
        SpecificationError: There is no such flow, or the network cannot be run as it is.
        ConvergenceError: It has no steady state.
    """
    state = solve_network(network)
    written = at_state(network, state)
    flows = free_levers(written, free)
    return Trials(
        network=written,
        state=state,
        names=tuple(flows),
        begin=np.array(list(flows.values())),
        prices=prices,
    )


def asked_impurities(network: Network, purities: Mapping[str, float]) -> dict[str, float]:
    """Return log₁₀ of the impurities asked for, by outcome.

    Args:
        network: The plant.
        purities: By product, [-].

    Raises:
        SpecificationError: No such product, or a purity that is no fraction.
    """
    found = {}
    for name, purity in purities.items():
        if name not in network.products:
            raise SpecificationError(
                f"{name!r} is no product of {network.name}.",
                where="purities",
                mend=nearest_name(name, tuple(network.products)),
            )
        if not 0.0 < purity < 1.0:
            raise SpecificationError(
                f"purity is {purity:g}.",
                where=f"purity of {name}",
                allowed="between 0 and 1, as a fraction",
                mend="Write 0.999 for 99.9 %.",
            )
        found[f"{IMPURITY}{name}"] = float(np.log10(1.0 - purity))
    return found
