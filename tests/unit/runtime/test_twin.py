"""The virtual plant obeys plans, suffers upsets and faults, and refuses nonsense."""

from __future__ import annotations

import numpy as np
import pytest

from raffinate.control.plan import Plan
from raffinate.errors import SpecificationError
from raffinate.plant.events import parse_event
from raffinate.runtime.twin import Twin
from raffinate.units import HOUR
from running_plants import nominal


@pytest.fixture
def twin() -> Twin:
    return Twin(nominal()[0], 7)


def plans(**factors: float) -> list[Plan]:
    operation = nominal()[1].operation
    flows = {name: getattr(operation, name) for name in nominal()[0].levers}
    setpoints = {name: flow * factors.get(name, 1.0) for name, flow in flows.items()}
    return [
        Plan(
            setpoints=setpoints,
            issued_at=0.0,
            expires_at=1200.0,
            sequence=1,
            author="guard",
            mode="manual",
        )
    ] * 10


def test_the_plant_gets_flows_that_its_meters_read_as_the_setpoints(twin):
    report, _ = twin.advance(plans(organic_flow=1.1))
    for name, setpoint in report.setpoints.items():
        true = getattr(twin.operation, name)
        assert true * (1.0 + twin.meters[name].bias) == pytest.approx(setpoint, rel=1e-12)
        assert report.measured[name] == pytest.approx(setpoint, rel=0.02)
    assert report.measured["organic_flow"] != report.setpoints["organic_flow"]


def test_metal_is_conserved_over_a_step_of_the_flows(twin):
    for factor in (1.0, 0.9, 1.1):
        twin.advance(plans(organic_flow=factor))
    assert twin.check() < 1e-6
    assert twin.fed.sum() > 0.0


def test_a_matched_twin_is_its_model():
    matched = Twin(nominal()[0], 7, matched=True)
    system = nominal()[0].circuit.system
    np.testing.assert_array_equal(
        matched.plant.circuit.system.log10_extraction_constant, system.log10_extraction_constant
    )
    assert all(meter.bias == 0.0 for meter in matched.meters.values())


def test_a_pump_trip_stops_the_flow_and_reports_it(twin):
    twin.begin_upset("scrub_pump_trip")
    report, _ = twin.advance(plans())
    assert twin.operation.scrub_flow == 0.0
    assert report.measured["scrub_flow"] == 0.0
    assert "scrub_flow.deviation" in report.alarms
    twin.clear_upset("scrub_pump_trip")
    report, _ = twin.advance(plans())
    assert not report.alarms


def test_an_event_begins_inside_a_period(twin):
    event = parse_event("organic.saponification_degree*=0.9@5min..15min", ("Ce", "Pr", "Nd"))
    twin.add_event(event, "dip")
    degrees = []
    for _ in range(3):
        twin.advance(plans())
        degrees.append(twin.operation.saponification_degree)
    assert degrees[0] == pytest.approx(0.9 * degrees[2])
    assert degrees[1] == pytest.approx(degrees[2])


def test_an_event_that_is_a_shipped_upset_goes_by_its_name(twin):
    event = parse_event("organic.saponification_degree*=0.9@24h..72h", ("Ce", "Pr", "Nd"))
    twin.add_event(event, "low")
    other = parse_event("organic.saponification_degree*=0.8@24h..72h", ("Ce", "Pr", "Nd"))
    twin.add_event(other, "lower")
    names = [active.name for active in twin.upsets]
    assert names == ["saponification_low", "organic.saponification_degree"]


@pytest.mark.parametrize("instrument", ["xrf", "assay"])
def test_a_missing_instrument_delivers_nothing(twin, instrument):
    twin.inject_fault(instrument, "missing")
    reports = [twin.advance(plans())[0] for _ in range(int(13 * HOUR / 600))]
    readings = sum(len(report.readings) for report in reports)
    assays = sum(len(report.assays) for report in reports)
    assert (readings == 0) == (instrument == "xrf")
    assert (assays == 0) == (instrument == "assay")


def test_a_frozen_place_repeats_itself_and_the_others_go_on(twin):
    for _ in range(6):
        twin.advance(plans())
    twin.inject_fault("stage 5", "frozen")
    values: dict[str, list[np.ndarray]] = {}
    for _ in range(9):
        for reading in twin.advance(plans())[0].readings:
            values.setdefault(reading.place, []).append(reading.values)
    assert np.array_equal(values["stage 5"][1], values["stage 5"][2])
    assert not np.array_equal(values["stage 10"][1], values["stage 10"][2])
    twin.inject_fault("stage 5", None)
    assert twin.faults == {}


@pytest.mark.parametrize(
    ("call", "place"),
    [
        (lambda twin: twin.begin_upset("saponification_lo"), "saponification_low"),
        (lambda twin: twin.clear_upset("saponification_low"), "Begin it"),
        (lambda twin: twin.inject_fault("stage 6", "nan"), "stage"),
        (lambda twin: twin.inject_fault("xrf", "froze"), "frozen"),
    ],
)
def test_unknown_upsets_places_and_faults_are_refused(twin, call, place):
    with pytest.raises(SpecificationError) as caught:
        call(twin)
    assert caught.value.where == "twin"
    assert place in caught.value.mend
