"""Flows of a circuit with a cut, by countercurrent-extraction theory: where the search begins.

With F moles of metal fed per second, S the least extraction amount of Underwood's equations times
the excess stated, W the scrub amount of the split, a the strip acid and a third of the saponified
extractant as capacity c:

    organic = (S F + acid of the feed/3)/c      scrub = 3 W F/a      draw = acid - scrub

A strip liquor that took up n moles of rare earth lost 3 n of acid, so a volume of it returns a/3
moles to the aqueous of the scrub whatever n is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from raffinate.cascade.constant_beta import minimum_extraction_amount
from raffinate.cascade.theory import flows_from, split_from
from raffinate.chemistry.elements import RARE_EARTHS
from raffinate.errors import SpecificationError
from raffinate.plant.model import Liquor
from raffinate.plant.network import CircuitUnit, Cut, CutFlows
from raffinate.plant.network_stream import Stream, StreamAxis
from raffinate.plant.strip_acid import AcidNeed, refuse_short_acid

TRACE = 1e-9
"""Mole fraction of a metal in the feed below which the theory does not see it, [-]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TheoryFlows:
    """What the theory says of a cut.

    Attributes:
        minimum: Least extraction amount, infinitely many stages, [mol per mol of feed].
        extraction_amount: S, [mol per mol of feed].
        scrub_amount: W, [mol per mol of feed].
        flows: The flows that make them.
    """

    minimum: float
    extraction_amount: float
    scrub_amount: float
    flows: CutFlows


def cut_group(unit: CircuitUnit, cut: Cut) -> tuple[str, ...]:
    """Return the metals that leave with the organic: those of the cut and all extracted more.

    Raises:
        SpecificationError: The cut leaves nothing behind, or parts the series out of its order.
    """
    system = unit.system
    constant = dict(
        zip(system.elements, np.asarray(system.log10_extraction_constant).tolist(), strict=True)
    )
    least = min(constant[symbol] for symbol in cut.extracted)
    group = tuple(symbol for symbol in system.elements if constant[symbol] >= least)
    if len(group) == len(system.elements):
        order = sorted(constant, key=lambda symbol: -constant[symbol])
        raise SpecificationError(
            f"{', '.join(cut.extracted)} cannot be extracted and leave something behind.",
            where=f"cut of {unit.name}",
            allowed="elements from the left of " + " > ".join(order),
            mend=f"Cut further left: extract {order[0]} at least, and {order[-1]} not.",
        )
    return group


def theory_flows(
    axis: StreamAxis, unit: CircuitUnit, entering: Stream, extractant_concentration: float
) -> TheoryFlows:
    """Return the first flows of a circuit with a cut.

    Args:
        axis: Components of the streams.
        unit: The circuit.
        entering: All that enters it.
        extractant_concentration: HA not taken by stuck metals, [mol/m³].

    Raises:
        SpecificationError: A cut with no feasible reflux; says the smallest change.
    """
    cut = unit.cut
    assert cut is not None
    metals = dict(zip(axis.elements, entering.metals(axis).tolist(), strict=True))
    total = sum(max(metals[symbol], 0.0) for symbol in unit.system.elements)
    group, fraction, beta = cut_fractions(unit, metals)
    minimum = minimum_extraction_amount(fraction, beta, extracted=group)
    up, down = cut_purities(cut, group, fraction)
    split = split_from(sum(fraction[symbol] for symbol in group), purity_a=up, purity_b=down)
    amounts = flows_from(split, cut.excess * minimum.extraction_amount)
    capacity = unit.organic.saponification_degree * extractant_concentration / 3.0
    acid_fed = max(axis.acid(entering.amount), 0.0)
    organic = (amounts.extraction_amount * total + acid_fed / 3.0) / capacity
    strip = unit.sections[-1].acid
    assert strip is not None
    acid = organic / unit.organic_to_acid
    refuse_short_acid(
        AcidNeed(
            acid=Liquor(name=strip.name, flow=acid, proton=strip.proton),
            brought=acid * strip.proton,
            others=acid_fed,
            needed=3.0 * organic * capacity,
            organic_flow=organic,
        ),
        f"cut of {unit.name}",
    )
    scrub = 3.0 * amounts.scrub_amount * total / strip.proton
    return TheoryFlows(
        minimum=minimum.extraction_amount,
        extraction_amount=amounts.extraction_amount,
        scrub_amount=amounts.scrub_amount,
        flows=CutFlows(organic=organic, acid=acid, draw=acid - scrub),
    )


def cut_fractions(
    unit: CircuitUnit, metals: Mapping[str, float]
) -> tuple[tuple[str, ...], dict[str, float], dict[str, float]]:
    """Return the extracted group, and mole fraction and β of every metal a circuit is fed.

    Args:
        unit: A circuit with a cut.
        metals: Moles by symbol, in any unit.

    Raises:
        SpecificationError: One side of the cut is not in the feed.
    """
    assert unit.cut is not None
    group = cut_group(unit, unit.cut)
    fed = {symbol: max(metals[symbol], 0.0) for symbol in unit.system.elements}
    total = sum(fed.values())
    up = sum(fed[symbol] for symbol in group)
    if not 0.0 < up < total:
        side = "what is to be extracted" if up == 0.0 else "what is to stay"
        raise SpecificationError(
            f"the feed holds nothing of {side}.",
            where=f"cut of {unit.name}",
            mend="Cut elsewhere, or take the circuit out.",
        )
    fraction = {symbol: moles / total for symbol, moles in fed.items() if moles >= TRACE * total}
    present = sum(fraction.values())
    constant = np.asarray(unit.system.log10_extraction_constant)
    over = dict(
        zip(unit.system.elements, np.power(10.0, constant - constant.min()).tolist(), strict=True)
    )
    return (
        tuple(symbol for symbol in group if symbol in fraction),
        {symbol: value / present for symbol, value in fraction.items()},
        {symbol: over[symbol] for symbol in fraction},
    )


def cut_purities(
    cut: Cut, group: Collection[str], fraction: Mapping[str, float]
) -> tuple[float, float]:
    """Return the purities of extract and raffinate in moles, sides as in the feed, [-]."""
    others = [symbol for symbol in fraction if symbol not in group]
    up, down = _oxide_mass(group, fraction), _oxide_mass(others, fraction)
    return _in_moles(cut.extract_purity, up, down), _in_moles(cut.raffinate_purity, down, up)


def _in_moles(purity: float, kept: float, impurity: float) -> float:
    good, bad = purity / kept, (1.0 - purity) / impurity
    return good / (good + bad)


def _oxide_mass(symbols: Collection[str], fraction: Mapping[str, float]) -> float:
    """Return the oxide per mole of rare earth of a side; 1 where it holds none."""
    rare = [symbol for symbol in symbols if symbol in RARE_EARTHS]
    total = sum(fraction[symbol] for symbol in rare)
    masses = [fraction[symbol] * RARE_EARTHS[symbol].oxide_molar_mass for symbol in rare]
    return sum(masses) / total if total > 0.0 else 1.0
