"""The live page in a browser, against a plant started as a user starts it.

What the page says is checked against what the plant's own server says.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import IO

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from patience import PATIENCE
from plant_server import PlantServer
from raffinate.runtime.process_status import read_status

pytestmark = pytest.mark.e2e

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START_MS = 240_000
"""A first start compiles, and may do so on a busy machine."""

# A page that works answers at once; on a machine that does other work, later.
expect.set_options(timeout=60_000)

PLANT_TIME = re.compile(r"\d+ d \d\d:\d\d")
"""What the page shows of the plant's time once it has a state."""


@pytest.fixture(scope="module")
def run_directory(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("run") / "run"


@pytest.fixture(scope="module")
def address(run_directory) -> Iterator[str]:
    """A running plant; its last fixture also sees that it stops when it is told to."""
    command = [str(Path(sys.executable).with_name("raffinate")), "run"]
    options = ["--port", "0", "--no-browser", "--no-story", "--seed", "3", "--speed", "3600"]
    options += ["--run-dir", str(run_directory)]
    with subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True) as plant:
        assert plant.stderr is not None
        try:
            yield served_at(plant.stderr)
        finally:
            plant.send_signal(signal.SIGINT)
            told = plant.communicate(timeout=PATIENCE)[1]
        assert plant.returncode == 0
        assert "Traceback" not in told
    for log in (run_directory / "log").glob("*.log"):
        assert "Traceback" not in log.read_text(encoding="utf-8"), log.name


def served_at(told: IO[str]) -> str:
    """Return the address of the page, once the terminal tells it."""
    lines = []
    for line in told:
        lines.append(line)
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        if found is not None:
            return found.group()
    raise AssertionError("".join(lines))


@pytest.fixture
def plant(address, run_directory) -> PlantServer:
    return PlantServer(run_directory)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield found
        found.close()


@pytest.fixture
def complaints() -> list[str]:
    return []


@pytest.fixture
def open_page(
    browser: Browser, address: str, complaints: list[str]
) -> Iterator[Callable[[int, int], Page]]:
    """Open the page at a size; whatever the browser complains about fails the test."""
    contexts = []

    def opened(width: int = 1440, height: int = 900) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.on(
            "console",
            lambda message: (
                complaints.append(message.text) if message.type in ("error", "warning") else None
            ),
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address)
        expect(page.get_by_test_id("plant-time")).to_have_text(PLANT_TIME, timeout=START_MS)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def hours(page: Page) -> float:
    """Return the plant time on the page; one that has just connected again gets it in a moment."""
    expect(page.get_by_test_id("plant-time")).to_have_text(PLANT_TIME, timeout=START_MS)
    days, clock = page.get_by_test_id("plant-time").inner_text().split(" d ")
    hour, minute = clock.split(":")
    return 24.0 * int(days) + int(hour) + int(minute) / 60.0


def view(page: Page, name: str) -> None:
    page.get_by_test_id(f"view-{name}").click()
    expect(page.get_by_test_id(f"view-{name}")).to_have_attribute("aria-current", "page")


def setpoint(page: Page, lever: str) -> float:
    return float(page.get_by_test_id(f"setpoint-{lever}").input_value())


def go(page: Page, speed: int) -> None:
    page.get_by_test_id(f"speed-{speed}").click()
    expect(page.get_by_test_id(f"speed-{speed}")).to_have_attribute("aria-pressed", "true")


def wait_until(page: Page, hour: float, seconds: float = PATIENCE) -> None:
    for _ in range(int(seconds / 0.1)):
        if hours(page) >= hour:
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"it is {hours(page)} h, not {hour} h")


def test_the_page_paints_and_plant_time_advances(open_page, plant):
    page = open_page()
    expect(page.get_by_test_id("connection")).to_contain_text("Connected")
    expect(page.get_by_test_id("virtual-badge")).to_be_visible()
    for product in ("cepr", "nd"):
        expect(page.get_by_test_id(f"kpi-{product}-purity")).to_contain_text(
            "99.9", timeout=START_MS
        )
        expect(page.get_by_test_id(f"kpi-{product}-spec")).to_have_attribute("data-in-spec", "true")
    go(page, 10800)
    (scan,) = plant.read("PLC/Scan")
    wait_until(page, hours(page) + 1.0)
    plant.until(lambda now: now >= scan + 60, "PLC/Scan")
    for plot in ("trend-impurity", "trend-levers", "trend-disturbances"):
        canvas = page.get_by_test_id(plot).locator("canvas").first
        box = canvas.bounding_box()
        assert box is not None
        assert box["width"] > 200
        assert box["height"] > 40
    view(page, "bank")
    expect(page.get_by_test_id("bank-plot")).to_have_attribute("data-ready", "true")
    view(page, "diagnostics")
    for process in ("twin", "operate", "history", "web"):
        row = page.get_by_test_id(f"process-{process}")
        expect(row).to_have_attribute("data-state", "running")


def test_in_manual_the_plant_follows_the_operator_and_fuzzy_takes_over_without_a_bump(
    open_page, plant
):
    page = open_page()
    go(page, 600)
    view(page, "control")
    expect(page.get_by_test_id("setpoint-organic_flow")).to_be_disabled()
    expect(page.get_by_test_id("held-organic_flow")).to_have_text("held by fuzzy")
    page.get_by_test_id("mode-manual").click()
    expect(page.get_by_test_id("mode-manual")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_test_id("setpoint-organic_flow")).to_be_enabled()
    expect(page.get_by_test_id("held-organic_flow")).to_have_text("held by operator")
    wanted = round(setpoint(page, "organic_flow") * 1.05, 2)
    entry = page.get_by_test_id("setpoint-organic_flow")
    entry.fill("9999")
    expect(page.get_by_test_id("send-organic_flow")).to_be_disabled()
    entry.fill(str(wanted))
    entry.press("Enter")
    go(page, 10800)
    lever = "Levers/organic_flow"
    plant.until(lambda flow: abs(flow - wanted) < 0.02, f"{lever}/InForce")
    plant.until(lambda flow: abs(flow - wanted) < 0.03 * wanted, f"{lever}/Measured")
    go(page, 0)
    low, high, last = plant.read(f"{lever}/Low", f"{lever}/High", "Records/Last")
    page.get_by_test_id("mode-fuzzy").click()
    expect(page.get_by_test_id("mode-fuzzy")).to_have_attribute("aria-pressed", "true")
    go(page, 600)
    plant.until(lambda now: now >= last + 8, "Records/Last")
    # What people did while the plant stood still makes records without flows.
    told = [record.values.get(f"{lever}/InForce") for record in plant.records(last - 1)]
    flows = [flow for flow in told if flow is not None]
    assert len(flows) >= 4
    assert max(abs(b - a) for a, b in pairwise(flows)) < 0.01 * (high - low)
    view(page, "overview")
    expect(page.get_by_test_id("event-log")).to_contain_text("Mode: fuzzy (local)")
    expect(page.get_by_test_id("event-log")).to_contain_text("Organic set to")


def test_an_upset_changes_the_plant_until_it_is_ended(open_page, plant):
    page = open_page()
    go(page, 3600)
    view(page, "bank")
    degree = "Truth/SaponificationDegree"
    (sound,) = plant.read(degree)
    page.get_by_test_id("upset-saponification_low").click()
    expect(page.get_by_test_id("upset-saponification_low")).to_be_disabled()
    plant.until(lambda now: abs(now - 0.9 * sound) < 1e-9, degree)
    expect(page.get_by_test_id("event-log")).to_contain_text("Saponification −10 %")
    page.get_by_test_id("clear-saponification_low").click()
    expect(page.get_by_test_id("upset-saponification_low")).to_be_enabled()
    plant.until(lambda now: abs(now - sound) < 1e-9, degree)
    expect(page.get_by_test_id("event-log")).to_contain_text("Ended: Saponification")


def test_an_alarm_comes_is_acknowledged_and_stays_until_the_plant_is_well(open_page, plant):
    page = open_page()
    go(page, 3600)
    view(page, "bank")
    page.get_by_test_id("upset-scrub_pump_trip").click()
    plant.until(lambda flow: flow == 0.0, "Levers/scrub_flow/Measured")
    view(page, "alarms")
    row = page.get_by_test_id("alarm-row-scrub_flow.deviation")
    expect(row).to_have_attribute("data-state", "unacknowledged", timeout=START_MS)
    page.get_by_test_id("ack-scrub_flow.deviation").click()
    expect(row).to_have_attribute("data-state", "acknowledged")
    (standing,) = plant.read_operate("Alarms/Standing")
    told = {each["tag"]: each["state"] for each in json.loads(standing)}
    assert told["scrub_flow.deviation"] == "acknowledged"
    view(page, "bank")
    page.get_by_test_id("clear-scrub_pump_trip").click()
    plant.until(lambda flow: flow > 0.1, "Levers/scrub_flow/Measured")
    view(page, "alarms")
    expect(row).to_have_count(0, timeout=START_MS)
    expect(page.get_by_test_id("event-log")).to_contain_text("(local)")
    verdict = subprocess.run(
        [str(Path(sys.executable).with_name("raffinate")), "audit", "verify", str(plant.run.path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr


def settled(page: Page, name: str) -> str:
    """Wait until a text has not changed for three seconds; return it."""
    for _ in range(20):
        shown = page.get_by_test_id(name).first.inner_text()
        page.wait_for_timeout(3000)
        if page.get_by_test_id(name).first.inner_text() == shown:
            return shown
    raise AssertionError(f"{name} does not settle: {shown}")


def test_last_night_is_replayed_while_the_plant_goes_on(open_page, plant):
    page = open_page()
    go(page, 10800)
    wait_until(page, 12.0)
    go(page, 3600)
    view(page, "bank")
    slider = page.get_by_test_id("replay-slider")
    slider.focus()
    for _ in range(6):
        slider.press("ArrowLeft")
    expect(page.get_by_test_id("replay-badge").first).to_contain_text("Replay")
    # The slider asks for one frame after another until it has the last one.
    shown = settled(page, "replay-badge")
    (scan,) = plant.read("PLC/Scan")
    plant.until(lambda now: now > scan + 20, "PLC/Scan")
    assert page.get_by_test_id("replay-badge").first.inner_text() == shown
    page.get_by_test_id("replay-live").click()
    expect(page.get_by_test_id("replay-badge")).to_have_count(0)


def test_a_what_if_runs_on_a_copy_and_leaves_the_plant_alone(open_page, plant):
    page = open_page()
    go(page, 600)
    view(page, "control")
    before = plant.read("Levers/organic_flow/Setpoint", "Levers/acid_flow/Setpoint")
    expect(page.get_by_test_id("whatif-badge")).to_contain_text("Not live")
    page.get_by_test_id("whatif-hours").fill("12")
    page.get_by_test_id("whatif-run").click()
    expect(page.get_by_test_id("whatif-result")).to_have_attribute(
        "data-state", "done", timeout=START_MS
    )
    for product in ("cepr", "nd"):
        verdict = page.get_by_test_id(f"whatif-{product}")
        expect(verdict).to_have_attribute("data-in-spec", re.compile("true|false"))
    after = plant.read("Levers/organic_flow/Setpoint", "Levers/acid_flow/Setpoint")
    assert after == pytest.approx(before, rel=0.1)


def test_pause_holds_plant_time(open_page, plant):
    page = open_page()
    go(page, 0)
    expect(page.get_by_test_id("run-state")).to_have_attribute("data-run", "paused")
    page.wait_for_timeout(500)
    held, (scan,) = hours(page), plant.read("PLC/Scan")
    page.wait_for_timeout(1500)
    assert hours(page) == held
    assert plant.read("PLC/Scan") == [scan]
    go(page, 3600)
    wait_until(page, held + 0.5)


def test_a_reload_keeps_the_history(open_page):
    page = open_page()
    go(page, 0)
    expect(page.get_by_test_id("event-log")).to_contain_text("Mode: fuzzy")
    page.reload()
    expect(page.get_by_test_id("event-log")).to_contain_text("Mode: fuzzy")
    page.get_by_test_id("event-log").evaluate("log => log.scrollTo(0, log.scrollHeight)")
    expect(page.get_by_test_id("event-log")).to_contain_text("Run begins in fuzzy, seed 3")
    expect(page.get_by_test_id("trend-impurity").locator("canvas").first).to_be_visible()


@pytest.mark.parametrize("killed", ["operate", "web", "history", "twin"])
def test_a_killed_process_comes_back_and_the_page_with_it(open_page, plant, killed, complaints):
    page = open_page()
    go(page, 600)
    status = read_status(plant.run, killed)
    assert status is not None
    os.kill(status.pid, signal.SIGKILL)
    end = time.monotonic() + PATIENCE
    while True:
        now = read_status(plant.run, killed)
        if now is not None and now.pid != status.pid and now.state == "running":
            break
        assert time.monotonic() < end, killed
        time.sleep(0.2)
    (scan,) = plant.read("PLC/Scan")
    plant.until(lambda now, mode: now > scan and mode == "remote", "PLC/Scan", "PLC/Mode")
    expect(page.get_by_test_id("connection")).to_contain_text("Connected", timeout=START_MS)
    before = hours(page)
    wait_until(page, before + 0.1)
    # While its server is gone the browser says so, once for every attempt.
    complaints[:] = [text for text in complaints if "WebSocket connection to" not in text]


@pytest.mark.parametrize(("width", "height"), [(390, 844), (820, 1180)])
def test_a_narrow_screen_scrolls_only_down(open_page, width, height):
    page = open_page(width, height)
    for name in ("overview", "bank", "control", "diagnostics", "alarms"):
        view(page, name)
        sideways = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert sideways <= 0, name
    view(page, "bank")
    page.get_by_test_id("upset-acid_weak").scroll_into_view_if_needed()
    expect(page.get_by_test_id("upset-acid_weak")).to_be_in_viewport()
