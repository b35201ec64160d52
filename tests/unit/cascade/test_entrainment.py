"""Entrainment both ways, and organic fed on the way: flows, Newton matrix, solved banks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from plant_variants import SMALL, default_text, restaged
from raffinate.cascade.adjoint import problem_gradient
from raffinate.cascade.bank import Unknowns, aqueous_flows
from raffinate.cascade.equations import blank_inventory, inventory, residual
from raffinate.cascade.jacobian import newton_blocks
from raffinate.errors import DataError, SpecificationError
from raffinate.numerics.jax_setup import jax, jnp
from raffinate.plant.arrays import (
    chemistry_of,
    entrainment_of,
    mixer_ratios,
    problem_of,
    settled_flows,
    specification_of,
    streams_of,
)
from raffinate.plant.economics_ions import ion_balance
from raffinate.plant.gradients_point import solved_point
from raffinate.plant.model import OrganicFeed, Plant, Section
from raffinate.plant.plant_file import parse_plant
from raffinate.plant.refusals import refuse_entrainment, refuse_organic_feeds
from raffinate.plant.search import first_guess
from raffinate.plant.steady import solve_steady
from raffinate.plant.steady_many import solve_steady_many

ORGANIC, AQUEOUS = 0.02, 0.03
PADDED = (2, 2, 2)


def entraining(plant: Plant, organic: float = ORGANIC, aqueous: float = AQUEOUS) -> Plant:
    """Return the plant with settlers that send these shares the wrong way."""
    sections = tuple(
        replace(section, entrained_organic=organic, entrained_aqueous=aqueous)
        for section in plant.circuit.sections
    )
    return replace(plant, circuit=replace(plant.circuit, sections=sections))


def fed_organic(plant: Plant, **concentration: float) -> Plant:
    """Return the plant with a fifth of its organic flow fed to its second section as well."""
    flow = 0.2 * plant.circuit.organic_flow
    feed = OrganicFeed(name="loaded", flow=flow, concentration=concentration, cation=20.0)
    first, second, third = plant.circuit.sections
    sections = (first, replace(second, organic=feed), third)
    return replace(plant, circuit=replace(plant.circuit, sections=sections))


@pytest.fixture(scope="module")
def plant(default_plant):
    return entraining(restaged(default_plant, SMALL))


@pytest.fixture(scope="module")
def solved(plant):
    return solve_steady(plant)


def test_clean_settlers_leave_the_arrays_as_they_are(default_plant):
    assert entrainment_of(default_plant.circuit) is None
    flows = settled_flows(streams_of(default_plant.circuit))
    assert flows.entrained is None
    assert (flows.organic == default_plant.circuit.organic_flow).all()


def test_both_phases_close_in_every_stage_and_over_the_bank(plant):
    streams = streams_of(plant.circuit)
    flows, last = settled_flows(streams), plant.circuit.stages - 1
    down = flows.passed * flows.entrained.organic_per_aqueous
    inside = slice(1, last)
    organic = flows.entrained.organic_passed[: last - 1] + down[2 : last + 1]
    np.testing.assert_allclose(flows.organic[inside], organic, rtol=1e-13)
    assert (flows.entrained.from_above[:last] > 0.0).all()
    fed = np.zeros(len(flows.leaving))
    np.add.at(fed, np.asarray(streams.feed_stage), np.asarray(streams.feed_flow))
    entering = fed[inside] + flows.passed[2 : last + 1] + flows.entrained.aqueous_up[: last - 1]
    np.testing.assert_allclose(flows.leaving[inside], entering, rtol=1e-13)
    taken = float(streams.draw_flow[0])
    out = flows.passed[0] + taken
    assert out == pytest.approx(float(np.sum(streams.feed_flow)), rel=1e-13)
    lost = down[0] + taken * flows.entrained.organic_per_aqueous[int(streams.draw_stage[0])]
    returned = flows.entrained.organic_passed[last]
    assert lost + returned == pytest.approx(plant.circuit.organic_flow, rel=1e-13)


def test_mixers_see_what_settles(default_plant, plant):
    clean = mixer_ratios(restaged(default_plant, SMALL).circuit)
    flows = settled_flows(streams_of(plant.circuit))
    recycle = np.concatenate([np.full(s.stages, s.recycle) for s in plant.circuit.sections])
    stages = plant.circuit.stages
    expected = flows.organic[:stages] / (flows.leaving[:stages] + recycle)
    np.testing.assert_allclose(mixer_ratios(plant.circuit), expected, rtol=1e-14)
    assert np.abs(expected / clean - 1.0).max() > 1e-3


@pytest.fixture(scope="module")
def derivatives(default_plant):
    """Blocks and derivative of the residual at unknowns that are no solution, by rate."""
    plant = fed_organic(entraining(restaged(default_plant, PADDED), 0.1, 0.2), Nd=100.0)
    chemistry = chemistry_of(plant.circuit.system)
    problem = problem_of(plant.circuit, specification_of(plant, {"cepr": 0.9, "nd": 0.9}))
    guess = first_guess(chemistry, problem, plant.circuit)
    stage = np.asarray(guess.stage)
    random = np.random.default_rng(3)
    stage = stage + 0.1 * random.normal(size=stage.shape) * np.minimum(np.abs(stage), 1.0)
    at = Unknowns(jnp.asarray(stage), jnp.asarray([2e-4, 2e-4, 2e-4, 0.02, -0.01]))

    @jax.jit
    def compared(rate):
        blank = blank_inventory(chemistry, problem)
        base = inventory(chemistry, problem, at, blank, jnp.array(0.0))
        blocks = newton_blocks(chemistry, problem, at, base, rate)
        return blocks, jax.jacfwd(lambda u: residual(chemistry, problem, u, base, rate))(at)

    return np.flatnonzero(np.asarray(problem.vessels.active)), compared


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.0, 1.0 / 300.0])
def test_blocks_are_the_derivative_of_the_whole_residual(derivatives, rate):
    exists, compared = derivatives
    blocks, whole = compared(rate)
    by_stage, tolerance = np.asarray(whole.stage.stage), {"rtol": 1e-9, "atol": 1e-11}
    for n in exists:
        np.testing.assert_allclose(blocks.diagonal[n], by_stage[n, :, n], **tolerance)
        if n > 0:
            np.testing.assert_allclose(blocks.lower[n], by_stage[n, :, n - 1], **tolerance)
            np.testing.assert_allclose(blocks.upper[n - 1], by_stage[n - 1, :, n], **tolerance)
    far = np.abs(exists[:, None] - exists[None, :]) > 1
    assert not by_stage[exists][:, :, exists].transpose(0, 2, 1, 3)[far].any()
    np.testing.assert_allclose(blocks.columns, whole.stage.border, **tolerance)
    np.testing.assert_allclose(blocks.corner, whole.border.border, **tolerance)
    seen = np.zeros_like(whole.border.stage)
    for place, n in enumerate(np.asarray(blocks.seen)):
        seen[:, n] += np.asarray(blocks.rows)[:, place]
    np.testing.assert_allclose(seen, whole.border.stage, **tolerance)


@pytest.mark.slow
def test_a_bank_that_entrains_balances_and_parts_worse(default_plant, plant, solved):
    clean = solve_steady(restaged(default_plant, SMALL))
    assert solved.residual < 1e-11
    assert solved.balance_error < 1e-12
    for name in solved.products:
        assert solved.products[name].purity < clean.products[name].purity
    flows = settled_flows(streams_of(plant.circuit))
    lost = flows.passed[0] * flows.entrained.organic_per_aqueous[0]
    assert solved.organic_lost["raffinate"] == pytest.approx(lost, rel=1e-13)
    assert clean.organic_lost == {"raffinate": 0.0, "draws": 0.0}
    (told,) = (warning for warning in solved.warnings if "extractant" in warning)
    assert f"{lost * 3.6e6:.3g} L/h of it with the raffinate" in told


@pytest.mark.slow
def test_five_percent_both_ways_take_a_handful_of_passes(default_plant, nominal_state):
    """Its fronts stand where those of a clean bank with the net organic flow do."""
    plant = default_plant.operated(nominal_state.operation)
    found = solve_steady(entraining(plant, 0.05, 0.05), check_mixers=False)
    assert found.residual < 1e-11
    assert found.balance_error < 1e-10
    assert found.iterations <= 8


@pytest.mark.slow
def test_metal_leaves_with_the_organic_that_the_raffinate_entrains(plant, solved):
    flows = settled_flows(streams_of(plant.circuit))
    aqueous = flows.passed[0] * solved.aqueous[0]
    carried = solved.organic_lost["raffinate"] * solved.organic[0]
    np.testing.assert_allclose(solved.raffinate, aqueous + carried, rtol=1e-12)
    assert (carried > 1e-3 * aqueous).all()


@pytest.mark.slow
def test_vanishing_entrainment_is_none(default_plant):
    clean = solve_steady(restaged(default_plant, SMALL))
    nearly = solve_steady(entraining(restaged(default_plant, SMALL), 1e-13, 1e-13))
    np.testing.assert_allclose(nearly.aqueous, clean.aqueous, rtol=1e-9)


@pytest.mark.slow
def test_purities_are_met_with_the_organic_in_the_product(plant, solved):
    wanted = {name: product.purity for name, product in solved.products.items()}
    wanted = {name: 1.0 - 0.97 * (1.0 - purity) for name, purity in wanted.items()}
    state = solve_steady(plant, purities=wanted, start=solved, check_mixers=False)
    for name, purity in wanted.items():
        assert state.products[name].purity == pytest.approx(purity, rel=1e-10)
    assert state.organic_flow != pytest.approx(solved.organic_flow, rel=1e-3)


@pytest.mark.slow
def test_the_adjoint_agrees_with_differences_where_a_bank_entrains(plant, solved):
    chemistry, problem = chemistry_of(plant.circuit.system), problem_of(plant.circuit)

    def raffinate_nd(problem, unknowns):
        flows = aqueous_flows(problem.streams, unknowns.stage.shape[0])
        row, count = unknowns.stage[0], chemistry.unknown_count
        organic = row[count + 2] * problem.streams.organic_inlet[-1]
        per_aqueous = flows.entrained.organic_per_aqueous[0]
        return flows.passed[0] * (jnp.exp(row[2]) + per_aqueous * organic)

    gradient = jax.jit(
        lambda numbers: problem_gradient(chemistry, numbers, solved.unknowns, raffinate_nd)
    )(problem)
    at_rest = raffinate_nd(problem, solved.unknowns)
    assert float(at_rest) == pytest.approx(solved.raffinate[2], rel=1e-12)
    active = np.asarray(problem.vessels.active)
    by_organic = float(np.asarray(gradient.streams.entrainment.organic)[active].sum())
    last = plant.circuit.stages - 1
    by_aqueous = float(np.asarray(gradient.streams.entrainment.aqueous)[:last].sum())

    def found(organic, aqueous, flow):
        here = entraining(plant, ORGANIC + organic, AQUEOUS + aqueous)
        circuit = replace(here.circuit, organic_flow=plant.circuit.organic_flow * (1.0 + flow))
        return float(solve_steady(circuit, start=solved, check_mixers=False).raffinate[2])

    def slope(*step):
        return (found(*step) - found(*(-s for s in step))) / (2.0 * max(map(abs, step)))

    assert by_organic == pytest.approx(slope(1e-5, 0.0, 0.0), rel=1e-5)
    assert by_aqueous == pytest.approx(slope(0.0, 1e-5, 0.0), rel=1e-5)
    by_flow = float(gradient.streams.organic_flow) * plant.circuit.organic_flow
    assert by_flow == pytest.approx(slope(0.0, 0.0, 1e-5), rel=1e-5)


@pytest.mark.slow
def test_organic_fed_on_the_way_leaves_behind_the_last_stage(default_plant):
    clean = restaged(default_plant, SMALL)
    plant = fed_organic(clean, Pr=20.0, Nd=120.0)
    state, plain = solve_steady(plant), solve_steady(clean)
    flow = 0.2 * clean.circuit.organic_flow
    assert state.balance_error < 1e-10
    assert state.residual < 1e-11
    # Every metal that enters leaves: by products, and with the organic that is left over.
    feed, acid = (s.aqueous for s in plant.circuit.sections if s.aqueous is not None)
    entered = feed.flow * np.array([feed.concentration[e] for e in state.elements])
    entered += flow * np.array([0.0, 20.0, 120.0])
    left = state.raffinate + state.drawn + flow * state.barren_organic
    np.testing.assert_allclose(left, entered, rtol=1e-9)
    assert acid.flow > 0.0
    assert state.drawn[2] > plain.drawn[2] + 0.5 * flow * 120.0
    recovered = sum(product.recovery for product in state.products.values())
    assert 0.0 < recovered <= 2.0
    assert not any("extractant" in warning for warning in state.warnings)


def test_organic_flow_grows_where_organic_is_fed(default_plant):
    clean = restaged(default_plant, SMALL)
    flows = settled_flows(streams_of(fed_organic(clean).circuit))
    unit = clean.circuit.organic_flow
    expected = np.where(np.arange(len(flows.organic)) < SMALL[0], unit, 1.2 * unit)
    np.testing.assert_allclose(flows.organic, expected, rtol=1e-14)
    plain = settled_flows(streams_of(clean.circuit))
    np.testing.assert_allclose(flows.leaving, plain.leaving, rtol=1e-14, atol=1e-18)
    ratios = mixer_ratios(fed_organic(clean).circuit) / mixer_ratios(clean.circuit)
    np.testing.assert_allclose(ratios, expected[: len(ratios)] / unit, rtol=1e-14)


@pytest.mark.parametrize(
    ("concentration", "said"),
    [
        ({"Nd": 300.0}, "bind 920 mol/m³"),
        ({"Dy": 1.0}, "Dy has no constant"),
        ({"Nd": -1.0}, "Nd is -1"),
    ],
)
def test_an_organic_feed_that_cannot_be_is_refused(default_plant, concentration, said):
    with pytest.raises(SpecificationError, match=f"organic feed loaded: .*{said}"):
        streams_of(fed_organic(restaged(default_plant, SMALL), **concentration).circuit)


@pytest.mark.parametrize("name", ["entrained_organic", "entrained_aqueous"])
@pytest.mark.parametrize("share", [-0.01, 0.5, float("nan")])
def test_a_share_that_is_none_is_refused(name, share):
    with pytest.raises(SpecificationError, match=f"{name} is .*0 to below 0.5"):
        Section(name="extraction", stages=3, **{name: share})


def test_a_plant_file_gives_shares_by_section():
    line = "recycle_m3_per_h: "
    before, after = default_text().split(line, 1)
    text = f"{before}entrained_organic: 0.001, entrained_aqueous: 0.002, {line}{after}"
    read = parse_plant(text)
    first, *others = read.circuit.sections
    assert (first.entrained_organic, first.entrained_aqueous) == (0.001, 0.002)
    assert all(each.entrained_organic == 0.0 for each in others)
    with pytest.raises(DataError, match="entrained_organic"):
        parse_plant(text.replace("entrained_organic: 0.001", "entrained_organic: 0.6"))


def test_a_plant_file_feeds_organic_to_a_section():
    line, source = "recycle_m3_per_h: 6.8", "sections_source: "
    text = default_text()
    named = text.split(source, 1)[1].split("\n", 1)[0].strip()
    feed = f"organic_feed: {{flow_m3_per_h: 1.8, metals_mol_per_L: {{Nd: 0.1}}, source: {named}}}"
    text = text.replace(line, f"{feed}, {line}")
    first, scrub, strip = parse_plant(text).circuit.sections
    assert scrub.organic == OrganicFeed(
        name="organic_feed", flow=1.8 / 3600.0, concentration={"Nd": 100.0}
    )
    assert first.organic is None
    assert strip.organic is None
    with pytest.raises(DataError, match="'Nb' is not in the feed"):
        parse_plant(text.replace("{Nd: 0.1}", "{Nb: 0.1}"))
    with pytest.raises(DataError, match="nobody"):
        parse_plant(text.replace(f"0.1}}, source: {named}", "0.1}, source: nobody"))


def test_what_carries_no_organic_feed_refuses_it_by_name(default_plant):
    refuse_organic_feeds(default_plant.circuit, "batch")
    with pytest.raises(SpecificationError, match="batch: section scrub is fed organic loaded"):
        refuse_organic_feeds(fed_organic(default_plant).circuit, "batch")


def test_what_does_not_carry_entrainment_refuses_it_by_name(default_plant):
    refuse_entrainment(default_plant.circuit, "batch")
    with pytest.raises(SpecificationError, match=r"batch: section extraction entrains 0\.02"):
        refuse_entrainment(entraining(default_plant).circuit, "batch")


@pytest.mark.slow
def test_the_differentiable_outcomes_are_those_of_the_bank_that_entrains(plant, solved):
    point = solved_point(plant, solved)
    for name, product in solved.products.items():
        impurity = np.log10(1.0 - product.purity)
        assert point.outcome(f"log_impurity.{name}") == pytest.approx(impurity, rel=1e-9)
        assert point.outcome(f"recovery.{name}") == pytest.approx(product.recovery, rel=1e-9)
    ammonia = point.outcome("reagent.NH3")
    assert ammonia == pytest.approx(solved.reagents["NH3"], rel=1e-9)
    ratios, first = mixer_ratios(plant.circuit), [0, SMALL[0], SMALL[0] + SMALL[1]]
    for section, stage in zip(plant.circuit.sections, first, strict=True):
        ratio = point.outcome(f"{section.name}.oa_ratio")
        assert ratio == pytest.approx(ratios[stage], rel=1e-9)
    lost = sum(solved.organic_lost.values())
    assert ion_balance(plant, solved).organic_lost == pytest.approx(lost, rel=1e-12)


@pytest.mark.parametrize("bent", [entraining, fed_organic])
def test_calculations_that_carry_neither_say_so(default_plant, bent):
    plant = bent(default_plant)
    with pytest.raises(SpecificationError, match=r"section .* (entrains|is fed organic)"):
        solve_steady_many([plant])
