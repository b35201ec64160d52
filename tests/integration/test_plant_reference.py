"""A small bank in time against equations written again, in NumPy, and integrated by SciPy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from plant_variants import SMALL, restaged
from raffinate.chemistry.elements import oxide_molar_masses
from raffinate.plant.arrays import aqueous_leaving, mixer_ratios
from raffinate.plant.motion import PlantMotion
from raffinate.plant.steady import solve_steady

HOUR = 3600.0


class ReferenceBank:
    """Mixers, settlers and organic tank as an engineer would write them down.

    State per stage: aqueous x (element), ammonium a and chloride c in mixer and settler; organic y
    (element) and ammonium s in mixer and settler; for the tank, the rare earths it holds.
    """

    def __init__(self, plant, operation):
        circuit = plant.operated(operation).circuit
        self.count, self.elements = circuit.stages, len(circuit.elements)
        system = circuit.system
        self.constant = 10.0 ** np.asarray(system.log10_extraction_constant)
        self.cation_constant = 10.0**system.log10_saponification_constant
        self.dimer = circuit.extractant_concentration / 2.0
        self.organic_flow = circuit.organic_flow
        self.fresh_cation = circuit.saponification_degree * circuit.extractant_concentration
        self.tank = circuit.organic_tank
        self.leaving = aqueous_leaving(circuit)
        self.recycle = np.concatenate([np.full(s.stages, s.recycle) for s in circuit.sections])
        self.efficiency = np.concatenate(
            [np.full(s.stages, s.efficiency) for s in circuit.sections]
        )
        self.passed = self.leaving.copy()
        self.fed = np.zeros((self.count, self.elements + 2))
        self._place(circuit)
        # The phases share a mixer as at the design flows, whatever flows later.
        ratio = mixer_ratios(plant.circuit)
        mixer = np.concatenate([np.full(s.stages, s.mixer) for s in circuit.sections])
        self.mixer_organic = mixer * ratio / (1.0 + ratio)
        self.mixer_aqueous = mixer - self.mixer_organic
        self.settler_aqueous = circuit.sections[0].settler_aqueous
        self.settler_organic = circuit.sections[0].settler_organic

    def _place(self, circuit):
        start = 0
        for section in circuit.sections:
            end = start + section.stages
            if section.aqueous is not None:
                amounts = [section.aqueous.concentration.get(e, 0.0) for e in circuit.elements]
                chloride = 3.0 * sum(amounts) + section.aqueous.proton
                flow = section.aqueous.flow
                self.fed[end - 1] = flow * np.array([*amounts, 0.0, chloride])
            self.passed[start] -= section.draw_flow
            start = end

    def free_dimer_ratio(self, aqueous):
        """Return f/h: f + 3 Σ K x q³ + K_c a q = total dimer, with h from the charges."""
        x, a, c = aqueous[:, :-2], aqueous[:, -2], aqueous[:, -1]
        proton = c - 3.0 * x.sum(axis=1) - a
        cubic = np.maximum(3.0 * (x * self.constant).sum(axis=1), 1e-30)
        linear = proton + self.cation_constant * a
        # The integrator also tries states without acid. From above the root, Newton only descends.
        ratio = np.where(
            linear > 0.0,
            np.minimum(self.dimer / np.abs(linear), np.cbrt(self.dimer / cubic)),
            np.cbrt(self.dimer / cubic) + np.sqrt(np.abs(linear) / cubic),
        )
        for _ in range(60):
            excess = cubic * ratio**3 + linear * ratio - self.dimer
            ratio = ratio - excess / (3.0 * cubic * ratio**2 + linear)
        return ratio

    def split(self, state):
        n, e = self.count, self.elements
        sizes = [n * (e + 2), n * (e + 1), n * (e + 2), n * (e + 1), e]
        parts = np.split(state, np.cumsum(sizes)[:-1])
        widths = (e + 2, e + 1, e + 2, e + 1)
        return [part.reshape(n, width) for part, width in zip(parts[:4], widths, strict=True)] + [
            parts[4]
        ]

    def rates(self, _time, state):
        aqueous, organic, settled, settled_organic, tank = self.split(state)
        ratio = self.free_dimer_ratio(aqueous)[:, None]
        equilibrium = np.hstack(
            [
                self.constant * aqueous[:, :-2] * ratio**3,
                self.cation_constant * aqueous[:, -2:-1] * ratio,
            ]
        )
        inlet = np.append(tank, self.fresh_cation)
        arriving = np.vstack([inlet, settled_organic[:-1]])
        speed = (self.efficiency / (1.0 - self.efficiency))[:, None]
        transfer = self.organic_flow * speed * (equilibrium - organic)
        organic_rate = self.organic_flow * (arriving - organic) + transfer
        through = (self.leaving + self.recycle)[:, None]
        from_above = np.zeros_like(settled)
        from_above[:-1] = self.passed[1:, None] * settled[1:]
        aqueous_rate = self.fed + from_above + self.recycle[:, None] * settled - through * aqueous
        aqueous_rate[:, :-1] -= transfer
        return np.concatenate(
            [
                (aqueous_rate / self.mixer_aqueous[:, None]).ravel(),
                (organic_rate / self.mixer_organic[:, None]).ravel(),
                (through * (aqueous - settled) / self.settler_aqueous).ravel(),
                (self.organic_flow * (organic - settled_organic) / self.settler_organic).ravel(),
                self.organic_flow * (settled_organic[-1, :-1] - tank) / self.tank,
            ]
        )

    def slopes(self, time, state):
        """Return ∂rates/∂state by central differences.

        SciPy's own difference steps follow what it saw before and can end in rounding noise, after
        which its integration hardly moves.
        """
        columns = []
        for place, value in enumerate(state):
            step = 1e-5 * max(abs(value), 1e-2)
            higher, lower = state.copy(), state.copy()
            higher[place] += step
            lower[place] -= step
            columns.append((self.rates(time, higher) - self.rates(time, lower)) / (2.0 * step))
        return np.array(columns).T


@pytest.mark.slow
@pytest.mark.parametrize("upset", ["saponification", "feed", "scrub"])
def test_trajectory_agrees_with_scipy_on_rewritten_equations(default_plant, upset):
    """Both impurities, and every settled liquor, to 1e-5 over 24 h."""
    plant = restaged(default_plant, SMALL)
    rest = solve_steady(plant)
    base = plant.operation()
    operation = {
        "saponification": replace(base, saponification_degree=0.9 * base.saponification_degree),
        "feed": base.with_element(2, 1.1 * float(base.feed_mass_fraction[2])),
        "scrub": replace(base, scrub_flow=0.5 * base.scrub_flow),
    }[upset]
    bank = ReferenceBank(plant, operation)

    motion = PlantMotion(plant, rest, tolerance=1e-7)
    dimer = bank.dimer
    unknowns = np.asarray(rest.unknowns.stage)[: bank.count]
    aqueous = np.exp(unknowns[:, : bank.elements + 2])
    organic = unknowns[:, -bank.elements - 2 : -1] * dimer
    tank = np.asarray(rest.unknowns.border) * dimer
    start = np.concatenate(
        [aqueous.ravel(), organic.ravel(), aqueous.ravel(), organic.ravel(), tank]
    )
    unmoved = ReferenceBank(plant, base).rates(0.0, start)
    assert np.abs(unmoved).max() < 1e-6, "both take the same state for a steady one"

    times = np.array([0.5, 2.0, 6.0, 12.0, 24.0]) * HOUR
    reference = solve_ivp(
        bank.rates,
        (0.0, times[-1]),
        start,
        "BDF",
        t_eval=times,
        rtol=1e-9,
        atol=1e-9,
        jac=bank.slopes,
    )
    assert reference.success
    oxides = np.array(oxide_molar_masses(plant.circuit.elements))
    before = 0.0
    for time, state in zip(times, reference.y.T, strict=True):
        motion.advance(operation, float(time - before))
        before = time
        ours, theirs = motion.snapshot().aqueous, bank.split(state)[2][:, : bank.elements]
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
        for product in plant.products.values():
            stage = plant.stage_index(product)
            other = [symbol not in product.elements for symbol in plant.circuit.elements]
            impurity = [
                float((row[stage] * oxides)[other].sum() / (row[stage] * oxides).sum())
                for row in (ours, theirs)
            ]
            assert impurity[0] == pytest.approx(impurity[1], rel=1e-5), (product.name, time)
