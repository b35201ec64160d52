"""The live page in a browser, against a plant started as a user starts it."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

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


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A running plant; its last fixture also sees that it stops when it is told to."""
    command = [str(Path(sys.executable).with_name("raffinate")), "run"]
    options = ["--port", "0", "--no-browser", "--no-story", "--seed", "3", "--speed", "3600"]
    with subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True) as plant:
        assert plant.stderr is not None
        try:
            found = re.search(r"http://127\.0\.0\.1:\d+", plant.stderr.readline())
            assert found is not None
            yield found.group()
        finally:
            plant.send_signal(signal.SIGINT)
            told = plant.communicate(timeout=30.0)[1]
        assert plant.returncode == 0
        assert "Traceback" not in told


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
        expect(page.get_by_test_id("plant-time")).to_have_text(
            re.compile(r"\d+ d \d\d:\d\d"), timeout=START_MS
        )
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def hours(page: Page) -> float:
    days, clock = page.get_by_test_id("plant-time").inner_text().split(" d ")
    hour, minute = clock.split(":")
    return 24.0 * int(days) + int(hour) + int(minute) / 60.0


def measured(page: Page, lever: str) -> float:
    text = page.get_by_test_id(f"measured-{lever}").inner_text()
    found = re.search(r"measured ([\d.]+)", text)
    assert found is not None
    return float(found.group(1))


def setpoint(page: Page, lever: str) -> float:
    return float(page.get_by_test_id(f"setpoint-{lever}").input_value())


def go(page: Page, speed: int) -> None:
    page.get_by_test_id(f"speed-{speed}").click()
    expect(page.get_by_test_id(f"speed-{speed}")).to_have_attribute("aria-pressed", "true")


def wait_until(page: Page, hour: float, seconds: float = 60.0) -> None:
    for _ in range(int(seconds / 0.1)):
        if hours(page) >= hour:
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"it is {hours(page)} h, not {hour} h")


def test_the_page_paints_and_plant_time_advances(open_page):
    page = open_page()
    expect(page.get_by_test_id("connection")).to_contain_text("Connected")
    expect(page.get_by_test_id("virtual-badge")).to_be_visible()
    expect(page.get_by_test_id("bank-plot")).to_have_attribute("data-ready", "true")
    for product in ("cepr", "nd"):
        expect(page.get_by_test_id(f"kpi-{product}-purity")).to_contain_text("99.9")
        expect(page.get_by_test_id(f"kpi-{product}-spec")).to_have_attribute("data-in-spec", "true")
    go(page, 10800)
    wait_until(page, hours(page) + 1.0)
    for plot in ("trend-impurity", "trend-levers", "trend-disturbances"):
        canvas = page.get_by_test_id(plot).locator("canvas").first
        box = canvas.bounding_box()
        assert box is not None
        assert box["width"] > 200
        assert box["height"] > 40


def test_in_manual_a_flow_follows_the_operator_and_fuzzy_takes_over_without_a_bump(open_page):
    page = open_page()
    go(page, 600)
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
    wait_until(page, hours(page) + 2.0)
    assert setpoint(page, "organic_flow") == pytest.approx(wanted, abs=0.01)
    assert measured(page, "organic_flow") == pytest.approx(wanted, rel=0.02)
    go(page, 600)
    page.get_by_test_id("mode-fuzzy").click()
    expect(page.get_by_test_id("mode-fuzzy")).to_have_attribute("aria-pressed", "true")
    wait_until(page, hours(page) + 1 / 6)
    assert setpoint(page, "organic_flow") == pytest.approx(wanted, rel=0.025)
    expect(page.get_by_test_id("event-log")).to_contain_text("Mode: fuzzy")


def test_an_upset_is_logged_shown_and_ended(open_page):
    page = open_page()
    go(page, 3600)
    page.get_by_test_id("upset-saponification_low").click()
    expect(page.get_by_test_id("upset-saponification_low")).to_be_disabled()
    expect(page.get_by_test_id("event-log")).to_contain_text("Saponification −10 %")
    disturbances = page.locator("section", has_text="Disturbances").last
    expect(disturbances).to_contain_text("32.40")
    page.get_by_test_id("clear-saponification_low").click()
    expect(page.get_by_test_id("upset-saponification_low")).to_be_enabled()
    expect(page.get_by_test_id("event-log")).to_contain_text("Ended: Saponification")
    expect(disturbances).to_contain_text("36.00")


def test_pause_holds_plant_time(open_page):
    page = open_page()
    go(page, 0)
    expect(page.get_by_test_id("run-state")).to_have_attribute("data-run", "paused")
    page.wait_for_timeout(500)
    held = hours(page)
    page.wait_for_timeout(1500)
    assert hours(page) == held
    go(page, 3600)
    wait_until(page, held + 0.5)


def test_a_reload_keeps_the_history(open_page):
    page = open_page()
    go(page, 0)
    before = page.get_by_test_id("event-log").inner_text()
    assert "Mode: fuzzy" in before
    page.reload()
    expect(page.get_by_test_id("event-log")).to_contain_text("Mode: fuzzy")
    page.get_by_test_id("event-log").evaluate("log => log.scrollTo(0, log.scrollHeight)")
    expect(page.get_by_test_id("event-log")).to_contain_text("Run begins in fuzzy, seed 3")
    expect(page.get_by_test_id("trend-impurity").locator("canvas").first).to_be_visible()


@pytest.mark.parametrize(("width", "height"), [(390, 844), (820, 1180)])
def test_a_narrow_screen_scrolls_only_down(open_page, width, height):
    page = open_page(width, height)
    expect(page.get_by_test_id("kpi-nd-purity")).to_be_visible()
    sideways = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert sideways <= 0
    page.get_by_test_id("mode-manual").scroll_into_view_if_needed()
    page.get_by_test_id("upset-acid_weak").scroll_into_view_if_needed()
    expect(page.get_by_test_id("upset-acid_weak")).to_be_in_viewport()
