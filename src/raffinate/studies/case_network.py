"""One case of a plant of many circuits: what an input's name means, and what comes of it.

Inputs are those of its gradients, by their names and in SI, beside `stages.<circuit>.<section>` and
`purity.<product>`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from raffinate.plant.network import CircuitUnit, Network
from raffinate.plant.network_asked import solve_network_for
from raffinate.plant.network_economics import account_of
from raffinate.plant.network_inputs import changeable_inputs, input_values, with_inputs
from raffinate.plant.network_levers import at_state, lever_values
from raffinate.plant.network_optimise import optimise_network
from raffinate.plant.network_solve import solve_network
from raffinate.plant.network_state import NetworkState
from raffinate.studies.model import PURITY, STAGES, How, Study, hows, moved, whole_stages
from raffinate.studies.outcomes import product_outcomes
from raffinate.units import HOUR


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NominalNetwork:
    """What all cases of a network begin from.

    Attributes:
        network: With its flows written in it.
        state: Its steady state.
    """

    network: Network
    state: NetworkState


def network_input_names(network: Network) -> tuple[str, ...]:
    """Return the name of everything a study can vary in a network."""
    stages = [
        f"{STAGES}{unit.name}.{section.name}"
        for unit in network.circuits
        for section in unit.sections
    ]
    purities = [f"{PURITY}{name}" for name in network.products]
    return (*changeable_inputs(network), *stages, *purities)


def network_flow_names(network: Network) -> tuple[str, ...]:
    """Return the inputs that purities fix."""
    flows = ("organic_flow", "acid_flow", "draw_flow", "_per_feed")
    return tuple(name for name in changeable_inputs(network) if name.endswith(flows))


def prepare_network(study: Study, network: Network) -> NominalNetwork:
    """Solve what all cases share: the undisturbed network, at the purities of the study."""
    solved, state = solve_network_for(network, study.purities)
    return NominalNetwork(network=at_state(solved, state), state=state)


def network_case(study: Study, nominal: NominalNetwork, numbers: Mapping[str, float]) -> Network:
    """Return the network of a case, at the flows of the undisturbed one.

    Raises:
        SpecificationError: A number that cannot be.
    """
    how = hows(study)
    now = input_values(nominal.network)
    network = with_inputs(
        nominal.network,
        {
            name: moved(now[name], number, how.get(name, "value"))
            for name, number in numbers.items()
            if name in now
        },
    )
    for name, number in numbers.items():
        if name.startswith(STAGES):
            network = _with_stages(network, name, number, how.get(name, "value"))
    return network


def _with_stages(network: Network, name: str, number: float, how: How) -> Network:
    def resized(unit: CircuitUnit) -> CircuitUnit:
        sections = []
        for section in unit.sections:
            if name == f"{STAGES}{unit.name}.{section.name}":
                stages = whole_stages(name, moved(float(section.stages), number, how))
                section = replace(section, stages=stages)
            sections.append(section)
        return replace(unit, sections=tuple(sections))

    return replace(
        network,
        units=tuple(
            resized(unit) if isinstance(unit, CircuitUnit) else unit for unit in network.units
        ),
    )


def network_purities(
    study: Study, network: Network, numbers: Mapping[str, float]
) -> dict[str, float]:
    """Return the purities a case is solved for, by product, [-]; its limit where none is stated."""
    how, purities = hows(study), dict(study.purities)
    for name, number in numbers.items():
        if name.startswith(PURITY):
            product = name.removeprefix(PURITY)
            limit = network.products[product].purity_limit
            begin = purities.get(product, limit)
            purities[product] = moved(begin, number, how.get(name, "value"))
    return purities


def network_outcomes(
    study: Study, nominal: NominalNetwork, numbers: Mapping[str, float]
) -> dict[str, float]:
    """Solve a case and return what is kept of it.

    As of one circuit, with the flows of every circuit by the names of its inputs: in m³/h, or [-]
    where they are ratios.

    Raises:
        SpecificationError: A number that cannot be, or purities no flows near these give.
        ConvergenceError: There is no steady state.
    """
    network = network_case(study, nominal, numbers)
    resized = any(name.startswith(STAGES) for name in numbers)
    saved: dict[str, float] = {}
    if study.flows == "nominal":
        state = solve_network(network, start=None if resized else nominal.state)
    else:
        purities = network_purities(study, network, numbers)
        if study.flows == "cheapest":
            assert study.prices is not None
            found = optimise_network(network, study.prices, purities=purities)
            network, state = found.network, found.state
            saved = {"cost_saved_per_kg_reo": found.before - found.value}
        elif purities:
            network, state = solve_network_for(network, purities)
        else:
            state = solve_network(network, hold="purities")
    return _kept(study, at_state(network, state), state) | saved


def _kept(study: Study, network: Network, state: NetworkState) -> dict[str, float]:
    limits = {name: product.purity_limit for name, product in network.products.items()}
    found = product_outcomes(study, state.products, limits)
    if "flows" in study.outcomes:
        for name, value in lever_values(network).items():
            ratio = name.endswith("_per_feed")
            found[name if ratio else f"{name}_m3_per_h"] = value if ratio else value * HOUR
    if "reagents" in study.outcomes:
        for reagent, amount in state.reagents_per_reo.items():
            found[f"reagent_t_per_t_reo.{reagent}"] = amount
    if "cost" in study.outcomes:
        assert study.prices is not None
        cost = account_of(network, state, study.prices).cost_per_reo
        found["cost_per_kg_reo"] = math.nan if cost is None else cost
    found["balance_error"] = state.balance_error
    return found
