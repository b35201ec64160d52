"""The virtual plant and its control system: executes plans, suffers upsets, takes samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from raffinate.chemistry.elements import AMMONIA_MOLAR_MASS, HYDROGEN_CHLORIDE_MOLAR_MASS
from raffinate.control.plan import Plan
from raffinate.errors import SpecificationError, nearest_name
from raffinate.instruments.assay import LaboratoryAssay
from raffinate.instruments.flow_meter import FlowMeter
from raffinate.instruments.reading import Fault, Reading, with_fault
from raffinate.instruments.sampling import Request
from raffinate.plant.events import Event, apply_events, change_times
from raffinate.plant.lots import ProductAccount, booked, open_account
from raffinate.plant.model import Operation, Plant
from raffinate.plant.motion import PlantMotion, Snapshot
from raffinate.runtime.messages import CHECK, SCAN, Note, PlantReport, place_of
from raffinate.runtime.mismatch import Mismatch, draw_mismatch
from raffinate.runtime.solved_states import nominal_state
from raffinate.runtime.twin_analyzer import TwinAnalyzer
from raffinate.runtime.twin_analyzer_rounds import AnalyzerRounds
from raffinate.runtime.upsets import UPSETS
from raffinate.units import HOUR

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ActiveUpset:
    """An upset that was called for.

    Attributes:
        name: Its name.
        title: In words.
        event: What it does, and when.
    """

    name: str
    title: str
    event: Event


class Twin:
    """A plant that stands in for a real one.

    Args:
        plant: The operator's model of it, at its nominal flows.
        seed: Fixes the mismatch and all noise.
        matched: Make the plant equal to its model, with perfect meters and analyzer.
    """

    def __init__(self, plant: Plant, seed: int, *, matched: bool = False) -> None:
        generator = np.random.default_rng([seed, 1])
        self.model = plant
        self.mismatch = self._drawn(plant, generator, matched)
        self.plant = self.mismatch.plant
        elements = plant.circuit.elements
        self._elements = elements
        self._noise = np.random.default_rng([seed, 2])
        # The shift before brought the plant onto specification; its true flows were not noted.
        start = nominal_state(self.plant)
        assert start.operation is not None
        self._world = start.operation
        self._motion = PlantMotion(self.plant.operated(start.operation), start)
        gain = None if matched else generator
        self.analyzer = TwinAnalyzer(plant, seed, gain, matched=matched)
        self.assay = LaboratoryAssay(elements=elements)
        self.meters = {
            name: FlowMeter(bias=self.mismatch.meter_bias[name], name=name) for name in plant.levers
        }
        places = {place_of(s + 1): s for s in plant.analyzer.monitored_stages}
        outlets = {
            name: self.plant.stage_index(product) for name, product in plant.products.items()
        }
        self._stage_of = {**places, **outlets}
        self.rounds = AnalyzerRounds(plant.analyzer, tuple(places), tuple(outlets))
        self.time = 0.0
        self.accounts: dict[str, ProductAccount] = {
            name: open_account(elements) for name in plant.products
        }
        self.fed = np.zeros(len(elements))
        self.reagents = {"NH3": 0.0, "HCl": 0.0}
        self.upsets: list[ActiveUpset] = []
        self._announced: set[int] = set()
        self.faults: dict[str, Fault] = {}
        self._previous: dict[tuple[str, str], Reading] = {}
        self._pending: list[Reading] = []
        self._snapshot = self._motion.snapshot()
        self.operation = self._world

    @staticmethod
    def _drawn(plant: Plant, generator: np.random.Generator, matched: bool) -> Mismatch:
        if not matched:
            return draw_mismatch(plant, generator)
        pairs = len(plant.circuit.elements) - 1
        return Mismatch(
            plant=plant,
            meter_bias=dict.fromkeys(plant.levers, 0.0),
            level=0.0,
            selectivity=(1.0,) * pairs,
            efficiency=0.0,
        )

    def prepare(self) -> None:
        """Compile what moves the plant, without moving it."""
        self._motion.advance(self.operation, 0.0)
        self.analyzer.prepare()

    def begin_upset(self, name: str) -> None:
        """Let an upset begin now; the next advance notes it.

        Raises:
            SpecificationError: There is no such upset.
        """
        if name not in UPSETS:
            raise SpecificationError(
                f"{name!r} is no upset.", where="twin", mend=nearest_name(name, tuple(UPSETS))
            )
        upset = UPSETS[name]
        self.upsets.append(ActiveUpset(name=name, title=upset.title, event=upset.begun(self.time)))

    def add_event(self, event: Event, title: str) -> None:
        """Schedule an event of the world; one that equals a shipped upset goes by its name."""
        same = (each.name for each in UPSETS.values() if each.begun(event.begin) == event)
        name = next(same, event.name)
        self.upsets.append(ActiveUpset(name=name, title=title, event=event))

    def clear_upset(self, name: str) -> Note:
        """End every upset of this name now.

        Raises:
            SpecificationError: None of this name is active.
        """
        active = [
            (index, upset)
            for index, upset in enumerate(self.upsets)
            if upset.name == name and upset.event.begin <= self.time < upset.event.end
        ]
        if not active:
            raise SpecificationError(
                f"no upset {name!r} is active.", where="twin", mend="Begin it before ending it."
            )
        for index, upset in active:
            # An event cannot end as it begins; a second is below any scan.
            ended = max(self.time, upset.event.begin + 1.0)
            self.upsets[index] = replace(upset, event=replace(upset.event, end=ended))
        return Note(time=self.time, kind="upset", text=f"Ended: {active[0][1].title}")

    def inject_fault(self, place: str, fault: Fault | None) -> None:
        """Let an instrument fail from now on, or mend it.

        Args:
            place: "xrf" for the whole analyzer, "assay" for the laboratory, or one place the
                analyzer reads.
            fault: How it fails; None mends it.

        Raises:
            SpecificationError: There is no such instrument or place, or no such fault.
        """
        places = ("xrf", "assay", *self._stage_of)
        if place not in places:
            raise SpecificationError(
                f"{place!r} is no instrument.", where="twin", mend=nearest_name(place, places)
            )
        if fault is None:
            self.faults.pop(place, None)
            return
        if fault not in get_args(Fault):
            raise SpecificationError(
                f"{fault!r} is no fault.", where="twin", mend=nearest_name(fault, get_args(Fault))
            )
        self.faults[place] = fault

    def true_flows(self, setpoints: Mapping[str, float]) -> dict[str, float]:
        """Return the flows the plant gets when its meters read the setpoints, [m³/s]."""
        return {name: float(self.meters[name].true_flow(setpoints[name])) for name in self.meters}

    def advance(self, plans: Sequence[Plan]) -> tuple[PlantReport, tuple[Note, ...]]:
        """Run as many scans as there are plans, a control period at most.

        The flow loops settle in seconds, so the plant is moved with the mean of the scans'
        setpoints, piecewise between the moments at which the world changes.
        """
        mean = {n: float(np.mean([plan.setpoints[n] for plan in plans])) for n in self.meters}
        begin, end = self.time, self.time + len(plans) * SCAN
        before = self._snapshot
        notes = self._move(self.true_flows(mean), begin, end)
        self.time = end
        self._snapshot = self._motion.snapshot()
        self._sample(before, self._snapshot, begin, end)
        report, checked = self._report(dict(plans[-1].setpoints))
        return report, (*self._begun_upsets(), *notes, *checked)

    def ask(self, requests: Sequence[Request]) -> None:
        """Take the streams that the estimation would have the analyzer look at next."""
        self.rounds.ask(requests, self.time)

    def _begun_upsets(self) -> list[Note]:
        found = []
        for index, active in enumerate(self.upsets):
            if active.event.begin < self.time and index not in self._announced:
                self._announced.add(index)
                text = f"Upset: {active.title}"
                found.append(
                    Note(time=active.event.begin, kind="upset", text=text, priority="medium")
                )
        return found

    def _move(self, flows: Mapping[str, float], begin: float, end: float) -> list[Note]:
        """Move the plant with these true flows, [m³/s], and book what leaves it."""
        world = self._world
        base = replace(
            world,
            organic_flow=flows.get("organic_flow", world.organic_flow),
            acid_flow=flows.get("acid_flow", world.acid_flow),
            scrub_flow=flows.get("scrub_flow", world.scrub_flow),
        )
        events = [active.event for active in self.upsets]
        inside = [t for t in change_times(events, end) if begin < t < end]
        notes: list[Note] = []
        now = begin
        for stop in (*inside, end):
            self.operation = self._with_world(base, events, now)
            passage = self._motion.advance(self.operation, stop - now)
            self.fed += passage.fed
            self.reagents["NH3"] += passage.ammonia
            self.reagents["HCl"] += passage.acid
            notes += self._book(passage.raffinate, passage.drawn, now, stop - now)
            now = stop
        return notes

    def _report(self, setpoints: Mapping[str, float]) -> tuple[PlantReport, list[Note]]:
        known = [r for r in self._pending if r.result_time <= self.time]
        self._pending = [r for r in self._pending if r.result_time > self.time]
        for assay in known:
            if assay.instrument == self.assay.name:
                self.analyzer.learn(assay)
        checks = tuple(r for r in known if r.instrument == CHECK)
        notes = [note for check in checks for note in self._judged(check)]
        measured = {
            name: float(meter.measure(getattr(self.operation, name), self._noise))
            for name, meter in self.meters.items()
        }
        report = PlantReport(
            time=self.time,
            measured=measured,
            setpoints=setpoints,
            readings=tuple(r for r in known if r.instrument == self.analyzer.name),
            assays=tuple(r for r in known if r.instrument == self.assay.name),
            checks=checks,
            alarms=self._alarms(measured, setpoints),
        )
        return report, notes

    def _judged(self, check: Reading) -> list[Note]:
        """Judge a check that has become known; let it be repeated where that is asked for."""
        outcome = self.analyzer.checked(check)
        if outcome.verdict in ("failed", "repeated"):
            self.rounds.due_again(check.place)
        if outcome.verdict in ("passed", "repeated"):
            return []
        priority = "low" if outcome.verdict in ("not_confirmed", "recalibrated") else "medium"
        text = f"Analyzer check: {outcome.text}"
        return [Note(time=self.time, kind="lab", text=text, priority=priority)]

    def _with_world(self, base: Operation, events: Sequence[Event], time: float) -> Operation:
        operation = apply_events(base, events, time, self._elements)
        if operation.scrub_flow > operation.acid_flow:
            operation = replace(operation, scrub_flow=operation.acid_flow)
        return operation

    def _book(self, raffinate: Array, drawn: Array, begin: float, duration: float) -> list[Note]:
        notes = []
        for name, product in self.plant.products.items():
            left = raffinate if self.plant.stage_index(product) == 0 else drawn
            self.accounts[name], lots = booked(
                self.accounts[name], product, self._elements, left, begin, duration
            )
            for purity in lots:
                good = purity >= product.purity_limit
                number = self.accounts[name].lots
                notes.append(
                    Note(
                        time=begin + duration,
                        kind="lot",
                        text=f"{name} lot {number} closed at {purity:.4%}"
                        + ("" if good else ", below its limit"),
                        priority="info" if good else "high",
                    )
                )
        return notes

    def _sample(self, before: Snapshot, after: Snapshot, begin: float, end: float) -> None:
        """Take the samples that fall to this period, between its first and last profile."""

        def between(first: Array, last: Array, time: float) -> Array:
            share = (time - begin) / (end - begin)
            return np.asarray(np.maximum((1.0 - share) * first + share * last, 0.0))

        def liquor(place: str, time: float) -> Array:
            stage = self._stage_of[place]
            return between(before.aqueous[stage], after.aqueous[stage], time)

        standing = {} if self.analyzer.checks is None else self.analyzer.checks.contents
        for slot in self.rounds.samples(begin, end):
            if slot.stream in standing:
                metals, acid = standing[slot.stream]
            else:
                metals = liquor(slot.stream, slot.sample_time)
                acids = between(before.proton, after.proton, slot.sample_time)
                acid = float(acids[self._stage_of[slot.stream]])
            reading = self.analyzer.measure(slot, metals, acid, self._noise)
            fault = self.faults.get(slot.stream) or self.faults.get("xrf")
            self._deliver(reading, fault)
        for time in self.assay.sample_times(begin, end):
            for name in self.plant.products:
                sample = self.assay.take(liquor(name, time), time, self._noise, place=name)
                self._deliver(sample, self.faults.get("assay"))

    def _deliver(self, reading: Reading, fault: Fault | None) -> None:
        """Send a reading off, as its instrument lets it through."""
        key = (reading.instrument, reading.place)
        delivered = with_fault(reading, fault, self._previous.get(key))
        if delivered is not None:
            self._previous[key] = delivered
            self._pending.append(delivered)

    def _alarms(
        self, measured: Mapping[str, float], setpoints: Mapping[str, float]
    ) -> dict[str, str]:
        found = self.analyzer.alarms()
        for name, limits in self.plant.levers.items():
            wanted = setpoints[name]
            if abs(measured[name] - wanted) > 0.1 * wanted:
                found[f"{name}.deviation"] = (
                    f"{limits.title} flow is {measured[name] * HOUR:.3g} m³/h, its setpoint "
                    f"{wanted * HOUR:.3g} m³/h"
                )
        return found

    def recovery(self, name: str) -> float | None:
        """Return the share of a product's elements that left in that product, 0 to 1, [-].

        Counted over what has left the plant, not over what was fed: some 170 h of feed are inside
        the bank, so product over feed passes 1 whenever the inventory falls. None before anything
        has left.
        """
        product = self.plant.products[name]
        chosen = np.array([e in product.elements for e in self._elements])
        left = {key: float(a.made[chosen].sum()) for key, a in self.accounts.items()}
        total = sum(left.values())
        return left[name] / total if total > 0.0 else None

    def reagents_per_t_reo(self) -> dict[str, float]:
        """Return reagents used per product so far, [t per t REO]; empty before any product."""
        made = sum(float(account.made.sum()) for account in self.accounts.values())
        if made <= 0.0:
            return {}
        return {
            "NH3": self.reagents["NH3"] * AMMONIA_MOLAR_MASS / made,
            "HCl": self.reagents["HCl"] * HYDROGEN_CHLORIDE_MOLAR_MASS / made,
        }

    def profile(self) -> Snapshot:
        """Return the true profile, which only a virtual plant has."""
        return self._snapshot

    def check(self) -> float:
        """Return the worst relative metal imbalance since the start; raise if it is too large."""
        return self._motion.check()
