"""One circuit of a network in time: its bank and its organic loop.

The bank is moved by the engine's integration, its liquors by ramps that have the mean and the ends
of what flows in. Vessels and recycle pumps stay what they are at the nominal flows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from raffinate.cascade.bank import FeedRamp, Streams, Unknowns, Vessels, no_specification
from raffinate.cascade.boundary import Boundary, total_held
from raffinate.cascade.dynamic import Motion, Span, begin, integrate
from raffinate.cascade.dynamic_cells import settled
from raffinate.cascade.equations import Problem
from raffinate.chemistry.exchange import FLOOR
from raffinate.chemistry.stage_chemistry import Parameters, StageChemistry
from raffinate.errors import ConvergenceError
from raffinate.numerics.jax_setup import given, jax
from raffinate.plant.arrays import chemistry_of, parameters_of, streams_of, vessels_of
from raffinate.plant.model import Circuit
from raffinate.plant.motion import Snapshot
from raffinate.plant.motion_state import fingerprint
from raffinate.plant.network import CircuitUnit
from raffinate.plant.network_bank import bank_of
from raffinate.plant.network_circuit import CircuitState
from raffinate.plant.network_entry import (
    CircuitEntry,
    brought,
    circuit_entry,
    met_by_equilibrium,
    outlet_stream,
    pass_beside,
)
from raffinate.plant.network_motion_stuck import stuck_after
from raffinate.plant.network_path import StreamPath, constant_path
from raffinate.plant.network_stream import AMMONIUM, ANION, Stream, StreamAxis
from raffinate.plant.network_units import UnitOutcome

Array = NDArray[np.float64]

RECORDED = 8
"""Steps that one call of the integration records; the network reads none of them."""

LONGEST_STEP = 6.0 * 3600.0
"""Longest step of the integration, [s]."""

STEEPEST = 0.9
"""Most by which a ramp departs from its mean at its ends, as a share of it, [-]; below 1 by more
than the integration looks beyond the end of a step."""


class CircuitMoment(NamedTuple):
    """A circuit at one moment.

    Attributes:
        motion: State of the integration of its bank.
        stuck: Metals that stick to its organic, (stuck,), [mol].
        leaving: Flow of every outlet, (outlet,), [m³/s].
        extractant: What the organic unknowns of the bank are fractions of, [mol/m³].
    """

    motion: Motion
    stuck: Array
    leaving: Array
    extractant: Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CircuitPassage:
    """What a circuit did in a time.

    Attributes:
        moment: Where it stands after.
        outlets: Its streams by name.
        stuck: Metals that stick to its organic as it began, on the mean and as it ended,
            (3, stuck), [mol/m³].
        outcome: On the mean: reagents, and what left with bled organic.
        steps: Steps taken.
    """

    moment: CircuitMoment
    outlets: Mapping[str, StreamPath]
    stuck: Array
    outcome: UnitOutcome
    steps: int


class CircuitMotion:
    """Integrates one circuit; every call takes the streams that enter it.

    Args:
        axis: Components of the streams.
        unit: The circuit at its nominal flows.
        state: The circuit at rest at those flows; fixes vessels and recycles.

    Attributes:
        name: Of the circuit.
        elements: Metals of its bank.
        organic_volume: Organic in mixers, settlers and tank, [m³].
    """

    def __init__(self, axis: StreamAxis, unit: CircuitUnit, state: CircuitState) -> None:
        self.name = unit.name
        self.elements = state.circuit.elements
        self._axis = axis
        self._circuit = state.circuit
        self._recycle = {each.name: each.recycle for each in state.circuit.sections}
        self.chemistry: StageChemistry = chemistry_of(unit.system)
        self._vessels: Vessels = vessels_of(state.circuit)
        self._parameters: Parameters = parameters_of(unit.system)
        active = np.asarray(self._vessels.active)
        organic = np.asarray(self._vessels.mixer_organic) + np.asarray(
            self._vessels.settler_organic
        )
        self.organic_volume = float(organic[active].sum()) + state.circuit.organic_tank
        self._known: tuple[CircuitUnit, tuple[float, ...], float, Circuit, Streams] | None = None

    def at_rest(
        self, unit: CircuitUnit, state: CircuitState, streams: Mapping[str, Stream]
    ) -> CircuitMoment:
        """Return the circuit as it rests between the streams of its network."""
        paths = {s.name: constant_path(streams[s.liquor]) for s in unit.sections if s.liquor}
        bank = self._ramped(unit, state.circuit, streams_of(state.circuit), paths, 0.0, 1.0)
        motion: Motion = begin(self.chemistry, self._problem(bank), state.unknowns, np.float64(1.0))
        made = state.outcome.streams
        return CircuitMoment(
            motion=motion,
            stuck=state.loop.concentration * self.organic_volume,
            leaving=np.array([made[name].flow for name in unit.outlets]),
            extractant=_extractant(bank),
        )

    def _problem(self, streams: Streams) -> Problem:
        flows = 1 + len(streams.feed_flow) + len(streams.draw_flow)
        nothing = no_specification(len(self.chemistry.components), flows)
        return Problem(self._vessels, streams, nothing, self._parameters)

    def held(self, moment: CircuitMoment, unit: CircuitUnit) -> Array:
        """Return what the circuit holds along the stream axis, (component,), [mol]."""
        axis = self._axis
        streams = self._known[4] if self._known is not None else streams_of(self._circuit)
        amount = np.asarray(total_held(self.chemistry, self._problem(streams), moment.motion.held))
        found: Array = outlet_stream(axis, self.elements, 0.0, amount).amount
        for metal, stuck in zip(unit.organic.stuck, moment.stuck.tolist(), strict=True):
            found[axis.elements.index(metal.symbol)] += stuck
        return found

    def snapshot(self, moment: CircuitMoment) -> Snapshot:
        """Return the bank as it is."""
        count, elements, motion = self._circuit.stages, len(self.elements), moment.motion
        aqueous, organic, stage = jax.device_get((*settled(motion.held), motion.unknowns.stage))
        proton, free = np.exp(stage[:count, self.chemistry.acidity].T)
        return Snapshot(
            aqueous=aqueous[:count, :elements],
            organic=organic[:count, :elements],
            proton=proton,
            free_extractant=free,
        )

    def identity(self) -> str:
        """Return a digest of vessels and constants."""
        return fingerprint(self._vessels, self._parameters)

    def advance(
        self,
        unit: CircuitUnit,
        moment: CircuitMoment,
        taken: Mapping[str, StreamPath],
        duration: float,
        tolerance: float,
    ) -> CircuitPassage:
        """Move the circuit for `duration`, [s].

        Args:
            unit: The circuit as it is run.
            moment: Where it stands.
            taken: Streams of the network by name.
            duration: [s].
            tolerance: Relative error per step; also absolute in mol/m³.

        Raises:
            SpecificationError: A mixer outside its phase ratio, a draw of more than arrives, or
                a metal that fills the organic.
            ConvergenceError: The step size fell below any use.
        """
        axis = self._axis
        paths = {each.name: taken[each.liquor] for each in unit.sections if each.liquor}
        whole = Stream(
            flow=sum(path.mean.flow for path in paths.values()),
            amount=np.sum([path.mean.amount for path in paths.values()], axis=0),
        )
        loop, stuck = stuck_after(axis, unit, self.organic_volume, moment.stuck, whole, duration)
        means = {name: path.mean for name, path in paths.items()}
        entry = circuit_entry(axis, unit, whole, means, loop)
        circuit, streams = self._operated(unit, entry)
        begun = float(moment.motion.time)
        streams = self._ramped(unit, circuit, streams, paths, begun, duration)
        begun_motion = self._scaled(moment, streams)
        motion, crossed, steps = self._moved(streams, begun_motion, duration, tolerance)
        rates = jax.tree.map(lambda amount: np.asarray(amount) / duration, crossed)
        leaving, extractant = _leaving(entry, circuit), _extractant(streams)
        after = CircuitMoment(motion, stuck, leaving, extractant)
        return self._described(unit, moment, after, rates, entry, circuit, steps)

    def _operated(self, unit: CircuitUnit, entry: CircuitEntry) -> tuple[Circuit, Streams]:
        """Return bank and streams at these flows; what enters is written in by the ramps."""
        flows = tuple(stream.flow for stream in entry.liquors.values())
        extractant = entry.loop.extractant_concentration
        if self._known is not None:
            of, known, held, circuit, streams = self._known
            if of is unit and known == flows and held == extractant:
                return circuit, streams
        held_fast = replace(
            unit,
            sections=tuple(
                replace(each, recycle=self._recycle[each.name]) for each in unit.sections
            ),
        )
        circuit = bank_of(self._axis, held_fast, entry.liquors, unit.flows, extractant)
        streams = streams_of(circuit)
        self._known = (unit, flows, extractant, circuit, streams)
        return circuit, streams

    def _ramped(
        self,
        unit: CircuitUnit,
        circuit: Circuit,
        streams: Streams,
        paths: Mapping[str, StreamPath],
        begun: float,
        duration: float,
    ) -> Streams:
        """Return streams whose liquors follow their paths."""
        rows = np.array(streams.feed_concentration)
        slopes = np.zeros(rows.shape)
        row = 0
        for section in circuit.sections:
            if section.aqueous is None:
                continue
            if section.name in paths:
                rows[row], slopes[row] = self._ramp(unit, paths[section.name], duration)
            row += 1
        ramp = FeedRamp(given(slopes), given(np.float64(begun + 0.5 * duration)))
        return streams._replace(feed_concentration=given(rows), ramp=ramp)

    def _ramp(self, unit: CircuitUnit, path: StreamPath, duration: float) -> tuple[Array, Array]:
        """Return the mean and the slope of a liquor, (component,), [mol/m³] and [mol/m³/s]."""
        begin, mean, end = (
            self._quantities(met_by_equilibrium(self._axis, unit, stream)) / path.mean.flow
            for stream in (path.begin, path.mean, path.end)
        )
        mean = np.maximum(mean, FLOOR)
        # Nothing may fall below zero, nor acid by way of the others: each is bounded alone.
        steepest = 2.0 * STEEPEST * mean
        slope = np.clip(end - begin, -steepest, steepest) / duration
        return self._components(mean), self._components(slope)

    def _quantities(self, stream: Stream) -> Array:
        """Return metals of the bank, ammonium and acid of a liquor, [mol/s]."""
        axis = self._axis
        chosen = [axis.elements.index(symbol) for symbol in self.elements]
        return np.array(
            [
                *stream.amount[chosen],
                stream.amount[axis.place(AMMONIUM)],
                axis.acid(stream.amount),
            ]
        )

    def _components(self, quantities: Array) -> Array:
        """Return them as components of the bank: the anion by electroneutrality."""
        count = len(self.elements)
        charge = self._axis.charge[[self._axis.elements.index(e) for e in self.elements]]
        positive = float(charge @ quantities[:count]) + quantities[count] + quantities[count + 1]
        return np.array([*quantities[: count + 1], positive / self._axis.anion_charge, 0.0])

    def _scaled(self, moment: CircuitMoment, streams: Streams) -> Motion:
        """Return the motion with its organic unknowns as fractions of what extractant is now."""
        motion, ratio = moment.motion, float(moment.extractant) / float(_extractant(streams))
        if ratio == 1.0:
            return motion
        count = self.chemistry.unknown_count

        def scaled(unknowns: Unknowns) -> Unknowns:
            stage, border = np.array(unknowns.stage), np.asarray(unknowns.border)
            stage[:, count:] *= ratio
            return Unknowns(given(stage), given(border * ratio))

        return motion._replace(unknowns=scaled(motion.unknowns), before=scaled(motion.before))

    def _moved(
        self, streams: Streams, motion: Motion, duration: float, tolerance: float
    ) -> tuple[Motion, Boundary, int]:
        """Return the bank after `duration`, what crossed its boundary, and the steps taken."""
        problem = self._problem(streams)
        until = float(motion.time) + duration
        changed, steps, crossed = True, 0, None
        while float(motion.time) < until:
            span = Span(
                until=given(np.float64(until)),
                changed=given(np.bool_(changed)),
                short=given(np.bool_(False)),
                tolerance=given(np.float64(tolerance)),
                longest=given(np.float64(LONGEST_STEP)),
            )
            motion, _ = integrate(self.chemistry, problem, motion, span, RECORDED)
            if bool(motion.failed):
                raise ConvergenceError(
                    f"no step of at least 0.1 ms could be taken at {float(motion.time):g} s.",
                    where=f"circuit {self.name}, simulation",
                    mend="Check the flows of this interval; a phase may be cut off for long.",
                )
            changed, steps = False, steps + int(motion.steps)
            passed: Boundary = jax.device_get(motion.crossed)
            crossed = passed if crossed is None else jax.tree.map(np.add, crossed, passed)
        assert crossed is not None
        return motion, crossed, steps

    def _described(
        self,
        unit: CircuitUnit,
        before: CircuitMoment,
        after: CircuitMoment,
        rates: Boundary,
        entry: CircuitEntry,
        circuit: Circuit,
        steps: int,
    ) -> CircuitPassage:
        leaving, motions = after.leaving, (before.motion, after.motion)
        crossings: list[Boundary] = jax.device_get([each.crossing for each in motions])
        first, last = (self._outlets(unit, leaving, each) for each in crossings)
        # Flows change at once, what is in them does not.
        for stream, old in zip(first.values(), before.leaving.tolist(), strict=True):
            stream.amount[:] *= stream.flow / old
        mean = self._outlets(unit, leaving, rates)
        for made in (first, mean, last):
            pass_beside(self._axis, unit, entry, made)
        supplied, removed, reagents = self._reagents(unit, rates, entry, circuit)
        lost = unit.organic.loss * float(leaving.sum())
        water, volume = _bought(entry, circuit), self.organic_volume
        return CircuitPassage(
            moment=after,
            outlets={
                name: StreamPath(mean=mean[name], begin=first[name], end=last[name])
                for name in unit.outlets
            },
            stuck=np.array([before.stuck, entry.loop.concentration * volume, after.stuck]) / volume,
            outcome=UnitOutcome(
                streams=mean,
                supplied=supplied,
                removed=removed,
                water=water,
                reagents={**reagents, "water": water, "extractant": lost},
            ),
            steps=steps,
        )

    def _outlets(self, unit: CircuitUnit, leaving: Array, rates: Boundary) -> dict[str, Stream]:
        rows = [np.asarray(rates.raffinate), *np.asarray(rates.drawn)]
        return {
            name: outlet_stream(self._axis, self.elements, flow, row)
            for name, flow, row in zip(unit.outlets, leaving.tolist(), rows, strict=True)
        }

    def _reagents(
        self, unit: CircuitUnit, rates: Boundary, entry: CircuitEntry, circuit: Circuit
    ) -> tuple[Array, Array, dict[str, float]]:
        """Return what reagents bring, what leaves with the organic, and the reagents, [mol/s]."""
        axis, count = self._axis, len(self.elements)
        flow = sum(s.aqueous.flow for s in circuit.sections if s.aqueous is not None)
        fed = outlet_stream(axis, self.elements, 0.0, np.asarray(rates.fed))
        # The weights of the integration are known to twelve digits.
        supplied = brought(axis, entry, fed, flow, rounding=1e-10)
        acid = axis.anion_charge * float(supplied[axis.place(ANION)])
        chosen = [*(axis.elements.index(e) for e in self.elements), axis.place(AMMONIUM)]
        organic_in = np.asarray(rates.organic_in)[: count + 1].copy()
        organic_out = np.asarray(rates.organic_out)[: count + 1].copy()
        fed_on_the_way = np.zeros(count + 1)
        if any(section.organic is not None for section in circuit.sections):
            for section in circuit.sections:
                if section.organic is not None:
                    metals = section.organic.concentration
                    row = [*(metals.get(e, 0.0) for e in self.elements), section.organic.cation]
                    fed_on_the_way += section.organic.flow * np.array(row)
        else:
            # Rare earths in the organic stay in the loop, whose tank is counted as held.
            organic_in[:count] = organic_out[:count] = 0.0
        removed = np.zeros(axis.size)
        np.add.at(supplied, chosen, organic_in)
        np.add.at(removed, chosen, organic_out)
        places = [axis.elements.index(symbol) for symbol in entry.loop.symbols]
        bled = float(axis.charge[places] @ entry.loop.regenerated) / axis.anion_charge
        supplied[axis.place(ANION)] += bled
        removed[axis.place(ANION)] += bled
        removed[places] += entry.loop.regenerated
        ammonia = float(organic_in[count] - organic_out[count] - fed_on_the_way[count])
        return supplied, removed, {"NH3": ammonia, "acid": acid + axis.anion_charge * bled}


def _bought(entry: CircuitEntry, circuit: Circuit) -> float:
    """Return the flow of the acids that are bought, [m³/s]."""
    fed = [s.aqueous for s in circuit.sections if s.aqueous and s.name not in entry.liquors]
    return sum(liquor.flow for liquor in fed)


def _leaving(entry: CircuitEntry, circuit: Circuit) -> Array:
    """Return the flow of every outlet, (outlet,), [m³/s]."""
    drawn = [section.draw_flow for section in circuit.sections if section.draw]
    return np.array([entry.whole.flow + _bought(entry, circuit) - sum(drawn), *drawn])


def _extractant(streams: Streams) -> Array:
    """Return what the organic unknowns of a bank are fractions of, [mol/m³]."""
    return np.asarray(np.asarray(streams.organic_inlet)[-1])
