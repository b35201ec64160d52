"""One circuit of a network: from the streams that enter to a bank at rest, and back to streams."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from raffinate.cascade.bank import Unknowns
from raffinate.cascade.equations import Problem
from raffinate.cascade.steady import SteadyResult
from raffinate.chemistry.stage_chemistry import StageChemistry
from raffinate.errors import ConvergenceError, SpecificationError
from raffinate.numerics.jax_setup import given
from raffinate.plant.arrays import chemistry_of
from raffinate.plant.model import Circuit
from raffinate.plant.network import CircuitUnit, CutFlows
from raffinate.plant.network_bank import bank_of, cut_specification, network_problem
from raffinate.plant.network_entry import (
    CircuitEntry,
    brought,
    circuit_entry,
    outlet_stream,
    pass_beside,
)
from raffinate.plant.network_fixed import solve_bank
from raffinate.plant.network_loop import LoopState, settle_loop
from raffinate.plant.network_purities import search_purities
from raffinate.plant.network_stream import AMMONIUM, ANION, Stream, StreamAxis
from raffinate.plant.network_theory import TheoryFlows, theory_flows
from raffinate.plant.network_units import UnitOutcome, mixed
from raffinate.plant.outcome import BankStreams, bank_streams, check_steady

Array = NDArray[np.float64]

Hold = Literal["flows", "purities"]
"""What a circuit with a cut keeps: the flows it is given, or the purities of its cut."""

LOOP_TOLERANCE = 1e-10
"""Relative change of the free extractant below which stuck metals and flows agree, [-]."""

LOOP_ROUNDS = 20
"""Solves after which stuck metals and flows are given up."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CircuitState:
    """A circuit at rest within its network.

    Attributes:
        name: Unit name.
        elements: Metals on the element axis of its profiles.
        sections: Section of every stage, (stage,).
        aqueous: Metals, (stage, element), [mol/m³].
        organic: Metals, (stage, element), [mol/m³].
        proton: Free, (stage,), [mol/m³].
        free_extractant: (stage,), [mol/m³].
        circuit: The bank as it was solved.
        flows: Flows of a circuit with a cut; None for one at stated ratios.
        theory: What the theory of constant separation factors foresaw for a cut; None where the
            flows were given.
        loop: Its organic loop.
        extraction_amount: S, what the saponified organic can take up per mole fed, [-].
        balance_error: Worst relative imbalance of the bank, [-].
        residual: Largest relative residual, [-].
        iterations: Newton iterations.
        unknowns: For a warm start.
        outcome: Its streams and reagents.
    """

    name: str
    elements: tuple[str, ...]
    sections: tuple[str, ...]
    aqueous: Array
    organic: Array
    proton: Array
    free_extractant: Array
    circuit: Circuit
    flows: CutFlows | None
    theory: TheoryFlows | None
    loop: LoopState
    extraction_amount: float
    balance_error: float
    residual: float
    iterations: int
    unknowns: Unknowns
    outcome: UnitOutcome


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Solved:
    """A bank at rest."""

    chemistry: StageChemistry
    circuit: Circuit
    problem: Problem
    result: SteadyResult
    iterations: int


def solve_circuit(
    axis: StreamAxis,
    unit: CircuitUnit,
    taken: Mapping[str, Stream],
    *,
    hold: Hold,
    start: CircuitState | None = None,
) -> CircuitState:
    """Solve one circuit for the streams that enter it.

    Args:
        axis: Components of the streams.
        unit: The circuit.
        taken: Streams by name; those the circuit takes are read.
        hold: What a cut keeps; circuits without one keep their flow ratios.
        start: A state of the same circuit to start from.

    Raises:
        SpecificationError: A loop that must accumulate, a cut without feasible reflux, a mixer
            outside its phase ratio.
        ConvergenceError: No steady state, or no flows give the purities.
        BalanceError: What enters is not what leaves.
    """
    liquors = {s.name: mixed(axis, [taken[s.liquor]], unit.name) for s in unit.sections if s.liquor}
    whole = mixed(axis, list(liquors.values()), unit.name)
    if not min(stream.flow for stream in liquors.values()) > 0.0:
        raise SpecificationError(
            "nothing enters.",
            where=unit.name,
            mend="Send a stream with flow to it, or take the circuit out.",
        )
    flows, theory = _first_flows(axis, unit, whole, hold, start)
    unknowns = None if start is None else start.unknowns
    free = hold == "purities" or unit.flows is None
    for _ in range(LOOP_ROUNDS):
        organic = flows.organic if flows is not None else unit.organic_per_feed * whole.flow
        loop = settle_loop(axis, unit, whole, organic)
        entry = circuit_entry(axis, unit, whole, liquors, loop)
        solved = _settled(axis, unit, entry, flows, unknowns, free=free and unit.cut is not None)
        if flows is None or not free:
            break
        flows, unknowns = _flows_of(solved), solved.result.unknowns
        after = settle_loop(axis, unit, whole, flows.organic)
        change = after.extractant_concentration / loop.extractant_concentration - 1.0
        if abs(change) <= LOOP_TOLERANCE:
            break
    return _described(axis, unit, entry, solved, flows, theory)


def _first_flows(
    axis: StreamAxis, unit: CircuitUnit, whole: Stream, hold: Hold, start: CircuitState | None
) -> tuple[CutFlows | None, TheoryFlows | None]:
    if unit.cut is None or (hold == "flows" and unit.flows is not None):
        return unit.flows, None
    if start is not None and start.flows is not None:
        return start.flows, start.theory
    theory = theory_flows(axis, unit, whole, unit.organic.extractant_concentration)
    return theory.flows, theory


def _settled(
    axis: StreamAxis,
    unit: CircuitUnit,
    entry: CircuitEntry,
    flows: CutFlows | None,
    start: Unknowns | None,
    *,
    free: bool,
) -> _Solved:
    """Solve the bank, for its purities if the flows are free."""
    extractant = entry.loop.extractant_concentration
    circuit = bank_of(axis, unit, entry.liquors, flows, extractant)
    chemistry = chemistry_of(circuit.system)
    problem = network_problem(circuit, axis, entry.liquors)
    try:
        result = solve_bank(chemistry, problem, circuit, start)
        iterations = int(result.iterations)
        if free:
            asked = cut_specification(unit, circuit)
            result, problem, more = search_purities(chemistry, problem, circuit, asked, result)
            iterations += more
    except ConvergenceError as error:
        error.where = f"circuit {unit.name}, {error.where}"
        error.args = (f"circuit {unit.name}: {error.args[0]}",)
        raise
    solved = _Solved(
        chemistry=chemistry,
        circuit=circuit,
        problem=problem,
        result=result,
        iterations=iterations,
    )
    if free:
        final = bank_of(axis, unit, entry.liquors, _flows_of(solved), extractant)
        solved = _Solved(
            chemistry=chemistry,
            circuit=final,
            problem=problem,
            result=result,
            iterations=iterations,
        )
    return solved


def _flows_of(solved: _Solved) -> CutFlows:
    streams = solved.problem.streams
    return CutFlows(
        organic=float(streams.organic_flow),
        acid=float(np.asarray(streams.feed_flow)[-1]),
        draw=float(np.asarray(streams.draw_flow)[0]),
    )


def _described(
    axis: StreamAxis,
    unit: CircuitUnit,
    entry: CircuitEntry,
    solved: _Solved,
    flows: CutFlows | None,
    theory: TheoryFlows | None,
) -> CircuitState:
    circuit, chemistry = solved.circuit, solved.chemistry
    bank = bank_streams(chemistry, solved.problem, solved.result, circuit.stages)
    balance_error = check_steady(chemistry, solved.problem, bank)
    count = len(circuit.elements)
    unknowns = given(bank.unknowns)
    capacity = circuit.saponification_degree * circuit.extractant_concentration / 3.0
    chosen = [axis.elements.index(symbol) for symbol in circuit.elements]
    fed = float(entry.whole.metals(axis)[chosen].sum())
    return CircuitState(
        name=unit.name,
        elements=circuit.elements,
        sections=circuit.section_names,
        aqueous=bank.aqueous[:, :count],
        organic=bank.organic[:, :count],
        proton=np.asarray(chemistry.proton(unknowns)),
        free_extractant=np.asarray(chemistry.free_extractant(unknowns)),
        circuit=circuit,
        flows=flows,
        theory=theory,
        loop=entry.loop,
        extraction_amount=circuit.organic_flow * capacity / fed,
        balance_error=balance_error,
        residual=float(solved.result.norm),
        iterations=solved.iterations,
        unknowns=solved.result.unknowns,
        outcome=_outcome(axis, unit, entry, solved, bank),
    )


def _outcome(
    axis: StreamAxis, unit: CircuitUnit, entry: CircuitEntry, solved: _Solved, bank: BankStreams
) -> UnitOutcome:
    """Return outlets, reagents and what leaves with the bled organic."""
    circuit, streams = solved.circuit, solved.problem.streams
    drawn_flow = np.asarray(streams.draw_flow)
    rows = _drawn_rows(solved, bank)
    names = [f"{unit.name}.{section.draw}" for section in circuit.sections if section.draw]
    acid_in = [
        s.aqueous.flow * s.aqueous.proton
        for s in circuit.sections
        if s.aqueous is not None and s.name not in entry.liquors
    ]
    water = sum(
        s.aqueous.flow
        for s in circuit.sections
        if s.aqueous is not None and s.name not in entry.liquors
    )
    left = entry.whole.flow + water - float(drawn_flow.sum())
    made = {unit.outlets[0]: outlet_stream(axis, circuit.elements, left, bank.raffinate)}
    for name, flow, row in zip(names, drawn_flow.tolist(), rows, strict=True):
        made[name] = outlet_stream(axis, circuit.elements, flow, flow * row)
    pass_beside(axis, unit, entry, made)
    count = len(circuit.elements)
    inlet = float(np.asarray(streams.organic_inlet)[count])
    returned = float(bank.organic_passed[-1]) - bank.organic_surplus
    ammonia = bank.organic_flow * inlet - returned * float(bank.organic[-1, count])
    places = [axis.elements.index(symbol) for symbol in entry.loop.symbols]
    bled = float(axis.charge[places] @ entry.loop.regenerated)
    feeds = np.asarray(streams.feed_flow)
    fed = outlet_stream(axis, circuit.elements, 0.0, feeds @ np.asarray(streams.feed_concentration))
    supplied = brought(axis, entry, fed, float(feeds.sum()))
    removed = np.zeros(axis.size)
    supplied[axis.place(AMMONIUM)] += ammonia
    supplied[axis.place(ANION)] += bled / axis.anion_charge
    removed[places] = entry.loop.regenerated
    removed[axis.place(ANION)] = bled / axis.anion_charge
    _pass_with_organic(axis, solved, bank, supplied, removed)
    lost = unit.organic.loss * (left + float(drawn_flow.sum()))
    lost += unit.organic.extractant_concentration * bank.organic_lost
    reagents = {"NH3": ammonia, "acid": sum(acid_in) + bled, "water": water, "extractant": lost}
    return UnitOutcome(
        streams=made, supplied=supplied, removed=removed, water=water, reagents=reagents
    )


def _drawn_rows(solved: _Solved, bank: BankStreams) -> Array:
    """Return what each draw holds, entrained organic included, (draw, soluble), [mol/m³]."""
    streams = solved.problem.streams
    stages = np.asarray(streams.draw_stage)
    rows: Array = bank.aqueous[stages].copy()
    if streams.entrainment is not None:
        carried = bank.lost_with_draws / np.asarray(streams.draw_flow)
        count = len(solved.circuit.elements) + 1
        rows[:, :count] += carried[:, None] * bank.organic[stages, :count]
    return rows


def _pass_with_organic(
    axis: StreamAxis, solved: _Solved, bank: BankStreams, supplied: Array, removed: Array
) -> None:
    """Add what organic fed on the way brings, and what leaves with organic behind the bank."""
    feeds = solved.problem.streams.organic_feeds
    if feeds is None:
        return
    symbols = solved.circuit.elements
    chosen = [*(axis.elements.index(symbol) for symbol in symbols), axis.place(AMMONIUM)]
    brought = np.asarray(feeds.flow) @ np.asarray(feeds.concentration)
    supplied[chosen] += brought[: len(chosen)]
    removed[chosen] += bank.organic_surplus * bank.organic[-1, : len(chosen)]
