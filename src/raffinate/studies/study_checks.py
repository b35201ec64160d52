"""Checks of a study before any case is run."""

from __future__ import annotations

from collections.abc import Iterable

from raffinate.errors import SpecificationError, nearest_name
from raffinate.plant.model import Plant
from raffinate.plant.network import Network
from raffinate.studies.case_network import network_flow_names, network_input_names
from raffinate.studies.case_plant import (
    FRACTION,
    SOLVED_FLOWS,
    fraction_name,
    input_names,
)
from raffinate.studies.model import PURITY, Study

DRAWN = ("latin_hypercube", "monte_carlo")

MOST_CASES = 10_000_000
"""Cases of one study; more than this is taken for a slip of the pen."""


def check_study(study: Study, where: str) -> None:
    """Refuse a study that cannot be run as written.

    Raises:
        SpecificationError: Says what, and the mend.
    """
    names = _names(study)
    _check_names(study, names, where)
    if study.method in DRAWN:
        _check_drawn(study, where)
    else:
        _check_chosen(study, where)
    _check_together(study, set(names), where)
    if study.flows == "cheapest" and study.prices is None:
        raise SpecificationError(
            "nothing tells what is cheap.", where=f"{where}: flows", mend="Name a file in `prices`."
        )
    if "cost" in study.outcomes and (study.prices is None or study.motion is not None):
        raise SpecificationError(
            "cost is asked for.",
            where=f"{where}: outcomes",
            allowed="a steady study with `prices`",
            mend="Name a price file, or leave cost out.",
        )


def _names(study: Study) -> list[str]:
    listed = (name for case in study.cases for name in case)
    return list(dict.fromkeys((*(each.name for each in study.inputs), *listed)))


def _check_names(study: Study, names: Iterable[str], where: str) -> None:
    plant = study.plant
    known = network_input_names(plant) if isinstance(plant, Network) else input_names(plant)
    for name in names:
        if name not in known:
            raise SpecificationError(
                f"{name!r} cannot be varied.", where=where, mend=nearest_name(name, known)
            )
    products = tuple(plant.products)
    for product in study.purities:
        if product not in products:
            raise SpecificationError(
                f"{product!r} is no product of {plant.name}.",
                where=f"{where}: purity",
                allowed=", ".join(products),
                mend=nearest_name(product, products),
            )


def _check_drawn(study: Study, where: str) -> None:
    if not 1 <= study.count <= MOST_CASES:
        raise SpecificationError(
            f"count is {study.count}.", where=where, allowed=f"1 to {MOST_CASES}"
        )
    fixed = [each.name for each in study.inputs if each.distribution is None]
    if fixed or study.cases:
        raise SpecificationError(
            f"{', '.join(fixed) or 'a list of cases'} is not drawn.",
            where=f"{where}: inputs",
            allowed=f"distributions, with the method {study.method}",
        )
    if not study.inputs and study.constants is None:
        raise SpecificationError("nothing varies.", where=where, mend="Give inputs or constants.")


def _check_chosen(study: Study, where: str) -> None:
    if study.count or study.constants is not None:
        raise SpecificationError(
            "count and constants belong to what is drawn.",
            where=where,
            allowed=f"neither, with the method {study.method}",
            mend=f"Leave them out, or choose one of {', '.join(DRAWN)}.",
        )
    grid = study.method == "grid"
    if bool(study.cases) == grid:
        raise SpecificationError(
            "it has cases." if grid else "it has no cases.",
            where=f"{where}: cases",
            allowed="one or more with the method list, none with grid",
        )
    wrong = [each.name for each in study.inputs if bool(each.values) != grid or each.distribution]
    if wrong or (grid and not study.inputs):
        raise SpecificationError(
            f"{', '.join(wrong) or 'nothing'} is on the grid."
            if not grid
            else f"{', '.join(wrong) or 'no input'} has no values.",
            where=f"{where}: inputs",
            allowed="values, or low, high and points, with grid; only `how` with a list",
        )
    total = 1
    for each in study.inputs:
        total *= max(1, len(each.values))
    if total > MOST_CASES:
        raise SpecificationError(
            f"the grid has {total} points.", where=where, allowed=f"at most {MOST_CASES}"
        )


def _check_together(study: Study, names: set[str], where: str) -> None:
    plant = study.plant
    solved = network_flow_names(plant) if isinstance(plant, Network) else SOLVED_FLOWS
    if study.flows != "nominal":
        if fixed := [name for name in solved if name in names]:
            raise SpecificationError(
                f"{', '.join(fixed)} is varied and solved for at once.",
                where=f"{where}: flows",
                mend="Write `flows: nominal`, or leave the flow out of the inputs.",
            )
        if study.motion is not None:
            raise SpecificationError(
                "a simulated case has flows of its own.",
                where=f"{where}: flows",
                mend="Leave `flows` or `simulate` out.",
            )
    elif varied := sorted(name for name in names if name.startswith(PURITY)):
        raise SpecificationError(
            f"{', '.join(varied)} is varied, but follows from the flows.",
            where=f"{where}: flows",
            mend="Write `flows: purities` or `flows: cheapest`.",
        )
    if isinstance(plant, Plant):
        _check_fractions(study, plant.circuit.elements, names, where)
    elif study.motion is not None:
        raise SpecificationError(
            "a plant of many circuits is not moved in time.",
            where=f"{where}: simulate",
            allowed="plants of one circuit",
            mend="Leave `simulate` out, or write the circuit as a plant of its own.",
        )
    drawn = study.constants.names if study.constants is not None else ()
    if twice := sorted(set(drawn) & names):
        raise SpecificationError(
            f"{', '.join(twice)} is drawn twice.",
            where=f"{where}: inputs",
            mend="Leave it out of the inputs or out of the constants.",
        )


def _check_fractions(study: Study, elements: tuple[str, ...], names: set[str], where: str) -> None:
    fractions = sorted(name for name in names if name.endswith(FRACTION))
    if len(fractions) == len(elements):
        raise SpecificationError(
            "the mass fraction of every element is varied.",
            where=f"{where}: inputs",
            mend=f"Leave {fraction_name(elements[0])} out: it makes up the rest.",
        )
    if study.motion is not None and len(fractions) > 1:
        raise SpecificationError(
            f"{', '.join(fractions)} are varied together in a simulation, where each rescales the "
            "others.",
            where=f"{where}: inputs",
            allowed="one mass fraction",
        )
