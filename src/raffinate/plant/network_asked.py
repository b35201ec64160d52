"""Flows that give the products of a network asked purities, recycles included.

Newton's method on the logarithms of the impurities; of all changes of the flows that do a step,
the smallest in the logarithms is taken. More flows than purities are the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from raffinate.errors import SpecificationError
from raffinate.plant.gradients_inputs import IMPURITY
from raffinate.plant.network import Network
from raffinate.plant.network_solve import solve_network
from raffinate.plant.network_state import NetworkState
from raffinate.plant.network_trials import Trials, asked_impurities, begun

Array = NDArray[np.float64]

MET = 1e-8
"""Decades of impurity at which an asked purity is met."""

LONGEST = 0.1
"""Largest change of the logarithm of a flow in one step."""

SHORTEST = 1e-4
"""Largest change in a step below which a plant that is not found is given up."""

MOST_STEPS = 60
"""Steps after which asked purities are given up."""


def solve_network_for(
    network: Network,
    purities: Mapping[str, float],
    *,
    free: tuple[str, ...] | None = None,
    advance: Callable[[str], None] = lambda step: None,
) -> tuple[Network, NetworkState]:
    """Return a network whose products have asked purities, flows written in it, and its state.

    Of all flows that do it, those are taken that lie nearest where the network begins, in the
    squares of the logarithms, step by step.

    Args:
        network: The plant.
        purities: By product, [-]; without any the network is solved as it stands.
        free: Flows that may be turned, by the names of `lever_values`; None for all.
        advance: Called with what is done next, in words.

    Raises:
        SpecificationError: No such product or flow, or no flows near these give the purities.
    """
    if not purities:
        return network, solve_network(network, advance=advance)
    wanted = asked_impurities(network, purities)
    names = list(wanted)
    target = np.array([wanted[name] for name in names])
    advance("the plant as it is written")
    trials = begun(network, free, None)
    advance("how its purities follow from its flows")
    turned = np.zeros(len(trials.names))
    found, history = trials.look(turned), []
    for _ in range(MOST_STEPS):
        missed = target - np.array([found.value(name) for name in names])
        history.append(float(np.abs(missed).max()))
        advance(f"flows for the purities, {history[-1]:.2g} decades of impurity to go")
        if history[-1] <= MET:
            return trials.made, trials.state
        step, *_ = np.linalg.lstsq(trials.rows(found, names), missed, rcond=1e-10)
        step *= min(1.0, LONGEST / float(np.abs(step).max()))
        found = trials.look(turned + step)
        while trials.failed and float(np.abs(step).max()) > SHORTEST:
            step *= 0.3
            found = trials.look(turned + step)
        if trials.failed:
            break
        turned = turned + step
    raise _out_of_reach(trials, names, target, min(history))


def _out_of_reach(
    trials: Trials, names: list[str], target: Array, nearest: float
) -> SpecificationError:
    assert trials.found is not None
    shown = zip(names, target.tolist(), strict=True)
    return SpecificationError(
        f"no flows near these give them; the nearest miss by {nearest:.2g} decades of "
        f"impurity. {trials.refusal}".rstrip(),
        where=f"purities of {trials.network.name}",
        allowed=", ".join(
            f"{name.removeprefix(IMPURITY)} {1.0 - 10.0 ** trials.found.value(name):.6g}, asked "
            f"{1.0 - 10.0**value:.6g}"
            for name, value in shown
        ),
        mend="Ask for less purity, free more flows, or give the circuits more stages.",
    )
