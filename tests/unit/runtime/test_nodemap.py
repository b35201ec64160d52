from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from raffinate.chemistry.elements import molar_masses, oxide_molar_masses
from raffinate.errors import DataError, SpecificationError
from raffinate.runtime.nodemap import NodeMap
from raffinate.runtime.nodemap_file import load_nodemap, parse_nodemap
from raffinate.runtime.nodemap_nodes import NodeRef, StreamNodes
from raffinate.runtime.nodemap_twin import twin_nodemap_text
from raffinate.runtime.tags import NAMESPACES, plant_tags
from solved_plants import shipped_plant

SMALL = """
format: raffinate-nodemap/1
title: small
namespaces: {dcs: "urn:x", other: "urn:y"}
plant:
  guard: {heartbeat: dcs;s=HB}
  levers:
    organic_flow: {setpoint: dcs;s=F1.SP, measured: dcs;s=F1.PV, unit: L/min, factor: 0.1}
    scrub_flow: {setpoint: dcs;s=F2.SP, measured: dcs;s=F2.PV}
    acid_flow: {setpoint: other;i=7, measured: "nsu=urn:z;g=9a"}
  streams:
    stage 5: {values: dcs;s=A5, elements: [Nd, Ce, Pr], unit: g/L, basis: metal,
              sigma: {relative: 0.01, absolute: 0.02}, detection_limit: 0.05}
"""


def small(old: str = "", new: str = "") -> NodeMap:
    assert old in SMALL
    return parse_nodemap(SMALL.replace(old, new))


def stage_5(**changes: object) -> StreamNodes:
    made = {
        "place": "stage 5",
        "instrument": "xrf",
        "elements": ("Nd", "Ce", "Pr"),
        "values": (NodeRef(namespace="urn:x", identifier="s=A5"),),
        "unit": "g/L",
        "basis": "metal",
        "sigma_relative": 0.01,
        "sigma_absolute": 0.02,
        "detection_limit": 0.05,
    }
    return StreamNodes(**{**made, **changes})  # type: ignore[arg-type]


def test_the_nodemap_of_the_twin_names_every_tag_its_plant_server_offers():
    plant = shipped_plant()
    shipped = load_nodemap("nodemap_twin")
    assert {node.identifier.removeprefix("s=") for node in shipped.nodes()} == {
        tag.path for tag in plant_tags(plant)
    }
    assert {node.namespace for node in shipped.nodes()} == {NAMESPACES["plant"]}
    assert shipped.check(plant) == ()


def test_the_shipped_nodemap_of_the_twin_is_what_export_would_write():
    assert parse_nodemap(twin_nodemap_text(shipped_plant())) == load_nodemap("nodemap_twin")


def test_units_of_the_twin_are_those_of_its_tags():
    nodemap = load_nodemap("nodemap_twin")
    units = {tag.path: tag.unit for tag in plant_tags(shipped_plant())}
    for lever in nodemap.levers.values():
        assert units[lever.setpoint.identifier[2:]] == lever.unit
    for stream in nodemap.streams:
        assert units[stream.values[0].identifier[2:]] == stream.unit


def test_the_example_fits_the_shipped_plant_and_no_node_serves_two_ends():
    nodemap = load_nodemap("nodemap_example")
    assert nodemap.check(shipped_plant()) == ()
    nodes = list(nodemap.nodes())
    assert len(nodes) == len(set(nodes))


def test_a_flow_is_turned_into_si_and_back():
    lever = small().levers["organic_flow"]
    # A server value of 600 is 60 L/min, one litre a second.
    assert lever.to_si(600.0) == pytest.approx(1e-3)
    assert lever.from_si(1e-3) == pytest.approx(600.0)


def test_a_node_is_named_by_alias_or_by_uri():
    levers = small().levers
    assert str(levers["organic_flow"].setpoint) == "nsu=urn:x;s=F1.SP"
    assert levers["acid_flow"].setpoint == NodeRef(namespace="urn:y", identifier="i=7")
    assert levers["acid_flow"].measured == NodeRef(namespace="urn:z", identifier="g=9a")


@pytest.mark.parametrize(
    ("basis", "masses"), [("metal", molar_masses), ("oxide", oxide_molar_masses)]
)
def test_a_mass_concentration_becomes_moles_by_its_basis(basis, masses):
    found = stage_5(basis=basis).reading(
        {stage_5().values[0]: [72.12, 14.012, 0.0]},
        ("Ce", "Pr", "Nd"),
        sample_time=5.0,
        result_time=9.0,
    )
    ce, _, nd = masses(("Ce", "Pr", "Nd"))
    assert found.elements == ("Ce", "Pr", "Nd")
    assert found.values == pytest.approx([14.012 / ce, 0.0, 72.12 / nd])
    assert (found.place, found.sample_time, found.result_time) == ("stage 5", 5.0, 9.0)


def test_declared_uncertainty_adds_its_parts_in_squares():
    found = stage_5().reading(
        {stage_5().values[0]: [10.0, 0.0, 0.0]},
        ("Nd", "Ce", "Pr"),
        sample_time=0.0,
        result_time=0.0,
    )
    nd, ce, _ = molar_masses(("Nd", "Ce", "Pr"))
    assert found.sigma[0] == pytest.approx(math.hypot(0.1, 0.02) / nd)
    assert found.sigma[1] == pytest.approx(0.02 / ce)
    assert found.detection_limit[1] == pytest.approx(0.05 / ce)


def test_a_covariance_of_the_server_is_kept_and_reordered():
    covariance = NodeRef(namespace="urn:x", identifier="s=C5")
    stream = stage_5(unit="mol/L", basis=None, covariance=covariance)
    rows = np.array([[4.0, 1.0, 0.5], [1.0, 9.0, 0.2], [0.5, 0.2, 16.0]]) * 1e-6
    found = stream.reading(
        {stream.values[0]: [1.0, 2.0, 3.0], covariance: rows.ravel().tolist()},
        ("Ce", "Pr", "Nd"),
        sample_time=0.0,
        result_time=0.0,
    )
    assert found.values == pytest.approx([2000.0, 3000.0, 1000.0])
    assert found.covariance == pytest.approx(np.array([[9, 0.2, 1], [0.2, 16, 0.5], [1, 0.5, 4]]))


@pytest.mark.parametrize("value", [None, [1.0, 2.0], [1.0, None, 3.0], "x", [1.0, math.nan, 3.0]])
def test_values_that_are_none_make_a_bad_reading_not_a_crash(value):
    found = stage_5().reading(
        {stage_5().values[0]: value}, ("Nd", "Ce", "Pr"), sample_time=0.0, result_time=0.0
    )
    assert found.quality == "bad"


def test_a_result_never_precedes_its_sample():
    found = stage_5().reading({}, ("Nd", "Ce", "Pr"), sample_time=7.0, result_time=3.0)
    assert found.result_time == 7.0


@pytest.mark.parametrize(
    ("word", "judged"),
    [("OK", "good"), (3, "below_limit"), ("good", "good"), ("MAINT", "bad"), (None, "bad")],
)
def test_quality_is_translated_and_an_unknown_word_is_not_trusted(word, judged):
    node = NodeRef(namespace="urn:x", identifier="s=Q5")
    stream = stage_5(quality=node, quality_words={"OK": "good", "3": "below_limit"})
    found = stream.reading(
        {stream.values[0]: [1.0, 2.0, 3.0], node: word},
        ("Nd", "Ce", "Pr"),
        sample_time=0.0,
        result_time=0.0,
    )
    assert found.quality == judged


def test_one_node_per_element_is_read_in_its_own_order():
    text = SMALL.replace(
        "values: dcs;s=A5, elements: [Nd, Ce, Pr]",
        "values: {Pr: dcs;s=P, Nd: dcs;s=N, Ce: dcs;s=C}",
    )
    stream = parse_nodemap(text).streams[0]
    values = dict(zip(stream.values, (14.091, 14.424, 14.012), strict=True))
    found = stream.reading(values, ("Ce", "Pr", "Nd"), sample_time=0.0, result_time=0.0)
    assert found.values == pytest.approx([100.0, 100.0, 100.0])


@pytest.mark.parametrize(
    ("old", "new", "where", "hint"),
    [
        ("measured: dcs;s=F1.PV", "mesured: dcs;s=F1.PV", "mesured", "'measured'"),
        ("heartbeat: dcs", "heartbeat: dsc", "guard.heartbeat", "'dcs'"),
        ("dcs;s=F2.SP", "FIC2", "levers.scrub_flow", "ALIAS;s=NAME"),
        ("dcs;s=F2.SP", "s=F2.SP", "levers.scrub_flow", "dcs"),
        ("unit: L/min", "unit: kg", "levers.organic_flow.unit", "m³/h"),
        (", basis: metal", "", "streams.stage 5.unit", "basis: metal"),
        (", elements: [Nd, Ce, Pr]", "", "streams.stage 5", "Add elements"),
        ("sigma: {relative: 0.01, absolute: 0.02}, ", "", "streams.stage 5", "covariance"),
        ("title: small", "title: small\ntrust: {}", "trust", "one of"),
        ("raffinate-nodemap/1", "raffinate-nodemap/2", "format", "raffinate-nodemap/1"),
        ("title: small", "title: small\nsecurity: sign", "security", "sign_and_encrypt"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_mend(old, new, where, hint):
    with pytest.raises(DataError) as caught:
        small(old, new)
    assert where in caught.value.where
    assert hint in f"{caught.value.allowed} {caught.value.mend}"


def test_a_certificate_file_lies_beside_the_nodemap(tmp_path):
    path = tmp_path / "map.yaml"
    path.write_text(SMALL + "trust: {certificate: dcs.der}\n", encoding="utf-8")
    trust = load_nodemap(path).trust
    assert trust is not None
    assert trust.certificate == tmp_path / "dcs.der"


def test_a_fingerprint_is_taken_in_either_case():
    trust = parse_nodemap(SMALL + f"trust: {{fingerprint: {'AB' * 32}}}\n").trust
    assert trust is not None
    assert trust.fingerprint == "ab" * 32


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        ("    scrub_flow: {setpoint: dcs;s=F2.SP, measured: dcs;s=F2.PV}\n", "", "scrub_flow"),
        ("    acid_flow:", "    acid_fow:", "acid_flow"),
        ("stage 5:", "stage 69:", "stage 68"),
        ("[Nd, Ce, Pr]", "[Nd, Ce]", "Pr"),
        ("[Nd, Ce, Pr]", "[Nd, Ce, Pr, La]", "Ce, Pr, Nd"),
        ("title: small", "title: small", "stage 10"),
    ],
)
def test_a_nodemap_that_does_not_fit_the_plant_is_refused(old, new, hint):
    with pytest.raises(SpecificationError) as caught:
        small(old, new).check(shipped_plant())
    assert hint in str(caught.value)


def test_what_a_plant_can_run_without_is_remarked_upon():
    text = twin_nodemap_text(shipped_plant()).replace("watchdog:", "plc_mode:", 1)
    lines = [line for line in text.splitlines() if "plc_mode: plant;s=PLC/Mode" not in line]
    remarks = parse_nodemap("\n".join(lines)).check(shipped_plant())
    assert len(remarks) == 1
    assert "heartbeat" in remarks[0]


def test_setpoints_never_cross_a_network_in_plain_text():
    plain = small("title: small", "title: small\nsecurity: none")
    assert plain.endpoint_or_error("opc.tcp://127.0.0.1:4840") == "opc.tcp://127.0.0.1:4840"
    with pytest.raises(SpecificationError, match="plain text"):
        plain.endpoint_or_error("opc.tcp://dcs.example:4840")
    assert small().endpoint_or_error("opc.tcp://dcs.example:4840") == "opc.tcp://dcs.example:4840"


def test_an_endpoint_must_be_given_somewhere():
    with pytest.raises(SpecificationError, match="endpoint"):
        small().endpoint_or_error()


def test_the_nodemap_printed_in_the_guide_can_be_read_and_is_part_of_the_example():
    guide = Path(__file__).parents[3] / "docs" / "guide" / "connect-a-real-plant.md"
    block = guide.read_text(encoding="utf-8").partition("```yaml\n")[2].partition("```")[0]
    printed, example = parse_nodemap(block), load_nodemap("nodemap_example")
    assert set(printed.nodes()) < set(example.nodes())
    assert printed.streams[0] == example.streams[0]
    assert printed.levers["organic_flow"] == example.levers["organic_flow"]
