"""A published step of the feed, 62.01 to 72.01 L/h, on a bank of three mixer-settlers.

The other simulator keeps every mixer full, the phases in it as what leaves, both layers of a
settler at their volumes and divided into four cells, and goes from 0 to 12 h in four steps of
Radau's method with two points each, of which the one at 4 h is the last with the old feed. That
method on the equations written again here returns its outlets; steps a hundred times as short
return ours. Only free of its time steps do both mean the same.

Source: PrOMMiS, `mixer_settler_ex_flowsheet_dynamic.py` (flows, volumes, cells, steps) and its
expected results at 12 h; output of a model, not a plant.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import fsolve

from prommis_bank import (
    BISULFATE_MASS,
    CHARGE,
    ELEMENTS,
    FED,
    MASS,
    PROTON_MASS,
    correlation,
    rows,
    solved,
)
from raffinate.cascade.bank import Streams, Unknowns, Vessels, no_specification
from raffinate.cascade.dynamic import Span, begin, integrate
from raffinate.cascade.dynamic_cells import all_held, settled, with_cells
from raffinate.cascade.equations import Problem
from raffinate.cascade.volumes import Hydraulics
from raffinate.numerics.jax_setup import jax, jnp

pytestmark = [pytest.mark.literature, pytest.mark.slow]

STAGES, SIZE, CELLS = 3, 8, 4
HOUR = 3600.0
BEFORE, AFTER, ORGANIC = 62.01e-3 / HOUR, 72.01e-3 / HOUR, 62.01e-3 / HOUR
VOLUME = 0.4
"""Of a mixer, and of either layer of a settler, [m³]."""

ENDLESS = 1e15
"""A tank that never changes, [m³]: fresh organic."""

COUNT = len(ELEMENTS)
RADAU = np.array([[5.0 / 12.0, -1.0 / 12.0], [3.0 / 4.0, 1.0 / 4.0]])
"""Radau's method of two points, at a third and at the end of a step."""

FEED = np.array([float(FED[e]["aq_feed_mg_L"]) for e in ELEMENTS]) / MASS


class Rewritten:
    """The bank as an engineer would write it down; metals in [mol/m³], three stages.

    Total acid with the metals' charges is the same in all aqueous, and so is free with bound
    extractant in all organic: extraction changes neither, and all that enters is alike.
    """

    def __init__(self, extractant, returned):
        self.numbers = correlation()
        acid = float(FED["H"]["aq_feed_mg_L"]) / PROTON_MASS
        acid += float(FED["HSO4"]["aq_feed_mg_L"]) / BISULFATE_MASS
        self.acid = acid + CHARGE @ FEED
        self.extractant, self.returned = extractant, returned

    def organic(self, liquor, proton, free):
        p = self.numbers
        dose = p.dose_per_free * free
        slope = np.multiply.outer(np.ones_like(dose), p.slope) + np.multiply.outer(
            dose, p.slope_of_dose
        )
        held = np.multiply.outer(np.log10(dose), p.dose_exponent) + p.intercept
        return 10.0 ** (slope * (3.0 - np.log10(proton))[..., None] + held) * liquor

    def off_equilibrium(self, liquor, organic, proton, free):
        p = self.numbers
        bound = p.sulfate * proton / (p.dissociation + proton)
        charge = (liquor @ CHARGE + proton + bound) / self.acid - 1.0
        return charge, (free + organic @ CHARGE) / self.extractant - 1.0

    def flows(self, share, feed):
        """Return aqueous and organic leaving every mixer, (stage,), where volumes are `share`."""
        matrix, right = np.eye(2 * STAGES), np.zeros(2 * STAGES)
        for stage in range(STAGES):
            for row, part in ((stage, share[stage]), (STAGES + stage, 1.0 - share[stage])):
                if stage + 1 < STAGES:
                    matrix[row, stage + 1] -= part
                if stage:
                    matrix[row, STAGES + stage - 1] -= part
            entering = (feed if stage == STAGES - 1 else 0.0) + (ORGANIC if stage == 0 else 0.0)
            right[stage] = share[stage] * entering
            right[STAGES + stage] = (1.0 - share[stage]) * entering
        return np.split(np.linalg.solve(matrix, right), 2)

    def step(self, start, length, feeds):
        """Return the bank after one step; `feeds` is what is fed at its two points."""
        share, liquor, proton, free, below, above = start
        amount = self.amount(share, liquor, proton, free)

        def unpacked(unknowns):
            table = unknowns.reshape(2, STAGES, COUNT + 3)
            metals, acid, dimer = (
                np.exp(table[..., :COUNT]),
                np.exp(table[..., COUNT]),
                np.exp(table[..., COUNT + 1]),
            )
            return table[..., COUNT + 2], metals, acid, dimer

        def cells(base, sent, flow):
            """Return the cells of a layer at both points, (point, stage, cell, element)."""
            found = np.empty((2, STAGES, CELLS, COUNT))
            speed = flow / (VOLUME / CELLS)
            for stage in range(STAGES):
                entering = sent[:, stage]
                matrix = np.eye(2) + length * RADAU * speed[:, stage]
                for cell in range(CELLS):
                    gained = length * RADAU @ (speed[:, stage, None] * entering)
                    entering = np.linalg.solve(matrix, base[stage, cell] + gained)
                    found[:, stage, cell] = entering
            return found

        def ends(unknowns):
            part, metals, acid, dimer = unpacked(unknowns)
            loaded = self.organic(metals, acid, dimer)
            flow = [self.flows(part[i], feeds[i]) for i in range(2)]
            aqueous, organic = (np.array([f[k] for f in flow]) for k in range(2))
            return (
                part,
                metals,
                acid,
                dimer,
                loaded,
                aqueous,
                organic,
                cells(below, metals, aqueous),
                cells(above, loaded, organic),
            )

        def off(unknowns):
            part, metals, acid, dimer, loaded, aqueous, organic, down, up = ends(unknowns)
            fed = np.repeat(np.asarray(feeds)[:, None], 1, axis=1)
            entering = np.concatenate([aqueous[:, 1:], fed], axis=1)
            liquors = np.concatenate([down[:, 1:, -1], np.tile(FEED, (2, 1, 1))], axis=1)
            fresh = np.tile(self.returned, (2, 1, 1))
            arriving = np.concatenate([np.full((2, 1), ORGANIC), organic[:, :-1]], axis=1)
            loads = np.concatenate([fresh, up[:, :-1, -1]], axis=1)
            gained = entering[..., None] * liquors - aqueous[..., None] * metals
            gained += arriving[..., None] * loads - organic[..., None] * loaded
            now = VOLUME * (part[..., None] * metals + (1.0 - part[..., None]) * loaded)
            left = now - amount - length * np.einsum("ij,jse->ise", RADAU, gained)
            volume = part - share - length * RADAU @ (entering - aqueous) / VOLUME
            charge, dose = self.off_equilibrium(metals, loaded, acid, dimer)
            rest = np.stack([charge, dose, volume], axis=-1)
            return np.concatenate([left / now, rest], axis=-1).ravel()

        guess = np.concatenate(
            [np.log(liquor), np.log(proton)[:, None], np.log(free)[:, None], share[:, None]], axis=1
        )
        root = fsolve(off, np.tile(guess, (2, 1, 1)).ravel(), xtol=1e-13)
        assert np.abs(off(root)).max() < 1e-9
        part, metals, acid, dimer, _, _, _, down, up = ends(root)
        return part[-1], metals[-1], acid[-1], dimer[-1], down[-1], up[-1]

    def amount(self, share, liquor, proton, free):
        loaded = self.organic(liquor, proton, free)
        return VOLUME * (share[:, None] * liquor + (1.0 - share)[:, None] * loaded)

    def mixed(self, share, amount):
        """Return liquor and organic of every mixer from what it holds, by Newton's method."""
        log_acid = np.log(np.full(STAGES, 30.0))
        log_free = np.log(np.full(STAGES, 0.97 * self.extractant))

        def phases(log_acid, log_free):
            acid, free = np.exp(log_acid), np.exp(log_free)
            ratio = self.organic(np.ones((STAGES, COUNT)), acid, free)
            liquor = amount / VOLUME / (share[:, None] + (1.0 - share)[:, None] * ratio)
            off = self.off_equilibrium(liquor, ratio * liquor, acid, free)
            return liquor, ratio * liquor, np.stack(off, axis=-1)

        small = 1e-6
        for _ in range(12):
            liquor, loaded, off = phases(log_acid, log_free)
            slope = np.stack(
                [
                    (phases(log_acid + small, log_free)[2] - off) / small,
                    (phases(log_acid, log_free + small)[2] - off) / small,
                ],
                axis=-1,
            )
            step = np.linalg.solve(slope, -off[..., None])[..., 0]
            log_acid, log_free = log_acid + step[:, 0], log_free + step[:, 1]
            if np.abs(step).max() < 1e-13:
                break
        return liquor, loaded

    def rates(self, _time, state):
        """Return d/dt of shares, mixer contents and cells with the feed after the step."""
        share, amount, below, above = self.split(state)
        liquor, loaded = self.mixed(share, amount)
        aqueous, organic = self.flows(share, AFTER)
        entering = np.append(aqueous[1:], AFTER)
        arriving = np.append(ORGANIC, organic[:-1])
        liquors = np.concatenate([below[1:, -1], FEED[None]])
        loads = np.concatenate([self.returned[None], above[:-1, -1]])
        gained = entering[:, None] * liquors - aqueous[:, None] * liquor
        gained += arriving[:, None] * loads - organic[:, None] * loaded
        into = [
            flow[:, None, None] * (np.concatenate([sent[:, None], row[:, :-1]], axis=1) - row)
            for flow, sent, row in ((aqueous, liquor, below), (organic, loaded, above))
        ]
        cells = [part * CELLS / VOLUME for part in into]
        parts = ((entering - aqueous) / VOLUME, gained, *cells)
        return np.concatenate([part.ravel() for part in parts])

    def split(self, state):
        edges = np.cumsum([STAGES, STAGES * COUNT, STAGES * CELLS * COUNT])
        share, amount, below, above = np.split(state, edges)
        cells = (STAGES, CELLS, COUNT)
        return share, amount.reshape(STAGES, COUNT), below.reshape(cells), above.reshape(cells)


@pytest.fixture(scope="module")
def bank():
    """Return the bank at rest: its chemistry, unknowns, rewritten equations and their start."""
    chemistry, problem, streams = solved(STAGES)
    fresh = {row["element"]: row for row in rows("prommis_d2ehpa_tbp_organic_feed.csv")}
    returned = np.array([float(fresh[e]["mg_per_L"]) for e in ELEMENTS]) / MASS
    rewritten = Rewritten(float(problem.streams.organic_inlet[-1]), returned)
    unknowns = np.asarray(streams.unknowns)[:STAGES]
    part, metals = slice(0, STAGES), slice(0, COUNT)
    organic = np.asarray(streams.organic)[part]
    liquor, loaded = np.asarray(streams.aqueous)[part, metals], organic[:, metals]
    start = (
        np.full(STAGES, 0.5),
        liquor,
        np.asarray(chemistry.proton(unknowns)),
        np.asarray(chemistry.free_extractant(unknowns)),
        np.repeat(liquor[:, None], CELLS, axis=1),
        np.repeat(loaded[:, None], CELLS, axis=1),
    )
    stages = np.concatenate([unknowns, organic / rewritten.extractant], axis=1)
    return chemistry, problem, stages, rewritten, start


def moving_bank(problem, flow):
    """Return the bank with its vessels, fed `flow`, [m³/s]."""
    column = np.ones(SIZE)
    cells = np.where(np.arange(SIZE) < STAGES, CELLS, 1)
    vessels = Vessels(
        mixer_aqueous=0.5 * VOLUME * column,
        mixer_organic=0.5 * VOLUME * column,
        settler_aqueous=VOLUME * column,
        settler_organic=VOLUME * column,
        efficiency=column,
        active=np.arange(SIZE) < STAGES,
        last=np.int64(STAGES - 1),
        tank=np.float64(ENDLESS),
        hydraulics=Hydraulics(mixer=VOLUME * column),
    )
    fed = problem.streams
    streams = Streams(
        organic_flow=np.float64(ORGANIC),
        organic_inlet=np.asarray(fed.organic_inlet),
        feed_flow=np.array([flow]),
        feed_concentration=np.asarray(fed.feed_concentration)[:1],
        feed_stage=np.array([STAGES - 1]),
        draw_flow=np.zeros(1),
        draw_stage=np.zeros(1, dtype=np.int64),
        recycle=np.zeros(SIZE),
    )
    nothing = no_specification(COUNT + 3, 3)
    return Problem(with_cells(vessels, cells), streams, nothing, problem.parameters)


@pytest.fixture(scope="module")
def ours(bank):
    """Return the engine's motion at the step and eight hours later, and its problem."""
    chemistry, problem, stages, rewritten, _ = bank
    padded = np.concatenate([stages, np.repeat(stages[-1:], SIZE - STAGES, axis=0)])
    border = rewritten.returned / rewritten.extractant
    start = Unknowns(jnp.array(padded), jnp.array(border))
    motion = begin(chemistry, moving_bank(problem, BEFORE), start, np.float64(1.0))
    after = moving_bank(problem, AFTER)
    span = Span(
        until=np.float64(8.0 * HOUR),
        changed=np.bool_(True),
        short=np.bool_(False),
        tolerance=np.float64(1e-6),
        longest=np.float64(HOUR),
    )
    end, _ = integrate(chemistry, after, motion, span, 500)
    assert float(end.time) == 8.0 * HOUR
    return motion, end, after


def printed(column):
    return np.array([float(FED[e][column] or np.nan) for e in ELEMENTS])


def test_with_its_time_steps_the_equations_return_the_published_outlet(bank):
    """Every metal but yttrium: 12.4 ng/L are printed and 6.4 found, with 124 000 fed.

    The rest of dysprosium, half a nanogram per litre of 1192, is of the same kind. In moles per
    hour both are some 10⁻¹², far below where such a solver stops; the likely reason, not shown.
    """
    *_, rewritten, now = bank
    for feeds in ((BEFORE, BEFORE), (BEFORE, AFTER), (AFTER, AFTER), (AFTER, AFTER)):
        now = rewritten.step(now, 3.0 * HOUR, feeds)
    found, wanted = now[4][0, -1] * MASS, printed("dynamic_raffinate_t12h_mg_L")
    there = ~np.isnan(wanted)
    assert there.sum() == COUNT - 1
    for place in np.flatnonzero(there):
        element = ELEMENTS[place]
        if element != "Y":
            close = 5e-4 if element == "Dy" else 1e-5
            assert found[place] == pytest.approx(wanted[place], rel=close), element
    moved = wanted - printed("steady_raffinate_mg_L")
    for element in ("La", "Ce", "Pr", "Nd", "Gd", "Al", "Ca", "Fe"):
        place = ELEMENTS.index(element)
        ours = found[place] - printed("steady_raffinate_mg_L")[place]
        assert ours == pytest.approx(moved[place], rel=4e-3), element


def test_free_of_time_steps_the_engine_moves_as_the_equations_do(bank, ours):
    """Settled liquors of all stages eight hours after the step, to 1e-5; volumes likewise."""
    *_, rewritten, start = bank
    share, liquor, proton, free, below, above = start
    amount = rewritten.amount(share, liquor, proton, free)
    first = np.concatenate([part.ravel() for part in (share, amount, below, above)])
    scale = np.maximum(np.abs(first), 1e-9)
    found = solve_ivp(
        lambda time, state: rewritten.rates(time, state * scale) / scale,
        (0.0, 8.0 * HOUR),
        first / scale,
        "BDF",
        rtol=1e-7,
        atol=1e-8,
    )
    assert found.success
    shares, _, cells, loads = rewritten.split(found.y[:, -1] * scale)
    _, end, _ = ours
    aqueous, organic = settled(end.held)
    volumes = end.held.volumes
    np.testing.assert_allclose(volumes.mixer_aqueous[:STAGES] / VOLUME, shares, rtol=1e-6)
    np.testing.assert_allclose(aqueous[:STAGES, :COUNT], cells[:, -1], rtol=1e-5)
    np.testing.assert_allclose(organic[:STAGES, :COUNT], loads[:, -1], rtol=1e-5)


def test_every_component_and_both_volumes_balance(bank, ours):
    """To rounding; the endless tank is left out: it would hide anything."""
    chemistry = bank[0]
    before, after, problem = ours
    held = [
        np.asarray(all_held(chemistry, problem, m.held._replace(tank=0.0 * m.held.tank)))
        for m in (before, after)
    ]
    crossed = jax.device_get(after.crossed)
    carried = np.array(chemistry.organic_components)
    entered, left = np.array(crossed.fed), np.array(crossed.raffinate)
    entered[carried] += crossed.organic_in
    left[carried] += crossed.organic_out
    error = entered - left - held[1] + held[0]
    assert (np.abs(error) <= 1e-11 * (entered + held[0])).all()
    mixers = [float(m.held.volumes.mixer_aqueous[:STAGES].sum()) for m in (before, after)]
    assert mixers[1] > 1.01 * mixers[0]
    for part in ("settler_aqueous", "settler_organic"):
        volume = np.asarray(getattr(after.held.volumes, part))[:STAGES]
        np.testing.assert_allclose(volume, VOLUME / CELLS, rtol=1e-12)
