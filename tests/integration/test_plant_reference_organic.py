"""A bank that entrains and is fed organic on the way, in time, against equations written again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from plant_variants import SMALL, restaged
from raffinate.plant.model import OrganicFeed
from raffinate.plant.motion import PlantMotion
from raffinate.plant.steady import solve_steady

HOUR = 3600.0
STAGES = sum(SMALL)
BACK, UP = 0.01, 0.02
LOADED = {"Pr": 20.0, "Nd": 60.0}
CATION = 20.0


def bent(plant):
    """Return the plant with entraining settlers and loaded organic fed to its scrub."""
    flow = 0.1 * plant.circuit.organic_flow
    feed = OrganicFeed(name="loaded", flow=flow, concentration=LOADED, cation=CATION)
    first, second, third = (
        replace(section, entrained_organic=BACK, entrained_aqueous=UP)
        for section in plant.circuit.sections
    )
    sections = (first, replace(second, organic=feed), third)
    return replace(plant, circuit=replace(plant.circuit, sections=sections))


class Bank:
    """Flows by elimination, then mixers, settlers and tank; as an engineer would write them.

    State per stage: aqueous metals, ammonium, chloride and organic metals, ammonium, in mixer and
    in settler; then the metals of the tank.
    """

    def __init__(self, plant, operation, design):
        circuit = plant.operated(operation).circuit
        system, self.count = circuit.system, len(circuit.elements)
        self.constant = 10.0 ** np.asarray(system.log10_extraction_constant)
        self.cation_constant = 10.0**system.log10_saponification_constant
        self.dimer = circuit.extractant_concentration / 2.0
        self.inlet_cation = circuit.saponification_degree * circuit.extractant_concentration
        self.organic_flow, self.tank = circuit.organic_flow, circuit.organic_tank
        self.efficiency = circuit.sections[0].efficiency
        every = np.concatenate([np.full(s.stages, s.recycle) for s in circuit.sections])
        self.recycle = every[:, None]
        self.settler = circuit.sections[0].settler_aqueous, circuit.sections[0].settler_organic
        self._flows(circuit)
        # The phases share a mixer as at the design flows, whatever flows later.
        settled, organic = (self.settled, self.organic) if design is None else design
        share = organic / (organic + settled + self.recycle)
        mixer = circuit.sections[0].mixer
        self.mixer_organic, self.mixer_aqueous = mixer * share, mixer * (1.0 - share)

    def _flows(self, circuit):
        fed, drawn, oil = np.zeros((3, STAGES))
        oil[0] = circuit.organic_flow
        self.fed = np.zeros((STAGES, self.count + 2))
        self.loads = np.zeros((STAGES, self.count + 1))
        start = 0
        for section in circuit.sections:
            end = start + section.stages
            if section.aqueous is not None:
                metals = [section.aqueous.concentration.get(e, 0.0) for e in circuit.elements]
                fed[end - 1] += section.aqueous.flow
                chloride = 3.0 * sum(metals) + section.aqueous.proton
                self.fed[end - 1] = section.aqueous.flow * np.array([*metals, 0.0, chloride])
            if section.organic is not None:
                metals = [section.organic.concentration.get(e, 0.0) for e in circuit.elements]
                oil[start] += section.organic.flow
                self.loads[start] = section.organic.flow * np.array([*metals, CATION])
            drawn[start] += section.draw_flow
            start = end
        up = np.full(STAGES, UP)
        up[-1] = 0.0
        below, above = np.eye(STAGES, k=-1), np.eye(STAGES, k=1)
        climbs, falls = below * up, above * (1.0 - up)
        settled = np.linalg.solve(np.eye(STAGES) - climbs - falls, fed - above @ drawn)
        down = (1.0 - up) * settled
        onward = (down - drawn) / down
        organic = np.linalg.solve(
            np.eye(STAGES) - below * (1.0 - BACK) - above * (BACK * onward), oil
        )
        self.settled, self.organic = settled[:, None], organic[:, None]
        self.climbing, self.passed = (up * settled)[:, None], (down - drawn)[:, None]
        self.rising, self.sinking = (1.0 - BACK) * self.organic, (BACK * onward * organic)[:, None]

    def ratio(self, aqueous):
        """Return f/h: f + 3 Σ K x q³ + K_c a q = total dimer, with h from the charges."""
        x, a, c = aqueous[:, :-2], aqueous[:, -2], aqueous[:, -1]
        cubic = np.maximum(3.0 * (x * self.constant).sum(axis=1), 1e-30)
        linear = c - 3.0 * x.sum(axis=1) - a + self.cation_constant * a
        q = np.cbrt(self.dimer / cubic) + np.sqrt(np.abs(linear) / cubic)
        q = np.where(linear > 0.0, np.minimum(q, self.dimer / np.abs(linear)), q)
        for _ in range(40):
            excess = cubic * q**3 + linear * q - self.dimer
            q = q - excess / (3.0 * cubic * q**2 + linear)
        return q[:, None]

    def split(self, state):
        e = self.count
        ends = np.cumsum([STAGES * w for w in (e + 2, e + 1, e + 2, e + 1)])
        parts = np.split(state, ends)
        return [part.reshape(STAGES, -1) for part in parts[:4]] + [parts[4]]

    def rates(self, _time, state):
        x, y, c, o, tank = self.split(state)
        q = self.ratio(x)
        equal = np.hstack(
            [self.constant * x[:, :-2] * q**3, self.cation_constant * x[:, -2:-1] * q]
        )
        loads = self.loads.copy()
        loads[0] += self.organic_flow * np.append(tank, self.inlet_cation)
        loads[1:] += (self.rising * o)[:-1]
        loads[:-1] += (self.sinking * o)[1:]
        transfer = self.organic * self.efficiency / (1.0 - self.efficiency) * (equal - y)
        brought = self.fed + self.recycle * c
        brought[:-1] += (self.passed * c)[1:]
        brought[1:] += (self.climbing * c)[:-1]
        through = self.settled + self.recycle
        aqueous = brought - through * x
        aqueous[:, :-1] -= transfer
        kept = min(float(self.rising[-1, 0]), self.organic_flow)
        return np.concatenate(
            [
                (aqueous / self.mixer_aqueous).ravel(),
                ((loads - self.organic * y + transfer) / self.mixer_organic).ravel(),
                (through * (x - c) / self.settler[0]).ravel(),
                (self.organic * (y - o) / self.settler[1]).ravel(),
                (kept * o[-1, :-1] - self.organic_flow * tank) / self.tank,
            ]
        )

    def slopes(self, time, state):
        """Return ∂rates/∂state by central differences."""
        columns = []
        for place, value in enumerate(state):
            step = 1e-5 * max(abs(value), 1e-2)
            higher, lower = state.copy(), state.copy()
            higher[place] += step
            lower[place] -= step
            columns.append((self.rates(time, higher) - self.rates(time, lower)) / (2.0 * step))
        return np.array(columns).T


@pytest.mark.slow
def test_entrainment_and_organic_feeds_in_time_agree_with_scipy(default_plant):
    """Every settled liquor and organic to 1e-5 over 8 h after less saponification."""
    plant = bent(restaged(default_plant, SMALL))
    rest, base = solve_steady(plant), plant.operation()
    operation = replace(base, saponification_degree=0.9 * base.saponification_degree)
    still = Bank(plant, base, None)
    bank = Bank(plant, operation, (still.settled, still.organic))
    unknowns = np.asarray(rest.unknowns.stage)[:STAGES]
    aqueous = np.exp(unknowns[:, : bank.count + 2])
    organic = unknowns[:, -bank.count - 2 : -1] * bank.dimer
    tank = np.asarray(rest.unknowns.border) * bank.dimer
    start = np.concatenate([aqueous.ravel(), organic.ravel()] * 2 + [tank])
    assert np.abs(still.rates(0.0, start)).max() < 1e-6, "both take the same state for a steady one"
    times = np.array([0.5, 2.0, 8.0]) * HOUR
    reference = solve_ivp(
        bank.rates, (0.0, times[-1]), start, "BDF", times, rtol=1e-8, atol=1e-8, jac=bank.slopes
    )
    assert reference.success
    motion, before = PlantMotion(plant, rest, tolerance=1e-6), 0.0
    for time, state in zip(times, reference.y.T, strict=True):
        motion.advance(operation, float(time) - before)
        before = float(time)
        now, (_, _, liquors, loads, _) = motion.snapshot(), bank.split(state)
        np.testing.assert_allclose(now.aqueous, liquors[:, : bank.count], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(now.organic, loads[:, : bank.count], rtol=1e-5, atol=1e-5)
    assert motion.check() < 1e-12
