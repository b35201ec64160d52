"""Pictures of the operator page for the documentation, from one shift on a virtual plant.

Run ``python web/dev/screenshots.py`` in the package's environment, with Chromium installed; it
starts a plant of its own, does what docs/guide/operators-day.md tells, and writes docs/img. What
the terminal says of the shift is printed. Not part of the package.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, FloatRect, Locator, expect, sync_playwright

from raffinate.runtime.opcua_client import TagClient, WriteRefused
from raffinate.runtime.run_directory import RunDirectory

ROOT = Path(__file__).parents[2]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
SIZE = {"width": 1440, "height": 900}
RAFFINATE = str(Path(sys.executable).with_name("raffinate"))
PEOPLE = {"olga": "operator", "erik": "engineer"}
PASSWORD = "a password for pictures"
SHIFT = 8.0
"""Plant hour at which the shift begins."""

DAY = ["--speed", "600", "--no-story"]
"""A plant that stays calm until the operator asks for an upset, ten minutes of it in a second."""


def main() -> None:
    """Take every picture, or those of the plant whose page is at --address."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "img")
    parser.add_argument("--address", help="one picture of a plant that runs already")
    parser.add_argument("--view", default="overview")
    parser.add_argument("--only", choices=("story", "shift"))
    given = parser.parse_args()
    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            if given.address:
                picture_of(browser, given.address, given.view, given.output)
            else:
                if given.only != "shift":
                    with plant_in([]) as (address, run):
                        Visit(browser, address, run, given.output).show_story()
                if given.only != "story":
                    with plant_in(DAY) as (address, run):
                        Visit(browser, address, run, given.output).work()
        finally:
            browser.close()


def picture_of(browser: Browser, address: str, view: str, output: Path) -> None:
    """Save one view of a plant that runs already as page-real.png."""
    page = browser.new_page(viewport=SIZE)
    page.goto(address)
    page.get_by_test_id(f"view-{view}").click(timeout=60_000)
    page.wait_for_timeout(3000)
    save(page.screenshot(), output / "page-real.png")


@contextmanager
def plant_in(options: list[str]) -> Iterator[tuple[str, Path]]:
    """Start a plant whose page asks for a name, and stop it in good order."""
    with tempfile.TemporaryDirectory() as folder:
        users, run = str(Path(folder) / "users.json"), Path(folder) / "day"
        for name, role in PEOPLE.items():
            tell("users", "add", name, "--role", role, "--password-stdin", "--users", users)
        command = [RAFFINATE, "run", "--seed", "3", "--port", "0", "--no-browser", *options]
        command += ["--users", users, "--run-dir", str(run)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as plant:
            assert plant.stderr is not None
            try:
                for line in plant.stderr:
                    found = re.search(r"http://127\.0\.0\.1:\d+", line)
                    if found is not None:
                        yield found.group(), run
                        break
            finally:
                plant.send_signal(signal.SIGINT)
                plant.communicate(timeout=60.0)


def tell(*words: str) -> str:
    """Run a command of raffinate and return what it prints."""
    environment = {**os.environ, "COLUMNS": "110"}
    done = subprocess.run(
        [RAFFINATE, *words], input=PASSWORD, capture_output=True, text=True, env=environment
    )
    if done.returncode:
        raise SystemExit(f"raffinate {' '.join(words)}: {done.stdout}{done.stderr}")
    return done.stdout


def save(png: bytes, path: Path) -> None:
    """Save a screenshot with a palette of 256 colours.

    Half of them are the commonest; the others are each as far as can be from those before, because
    it is a rare colour that warns, and the usual methods lose it.
    """
    image = Image.open(io.BytesIO(png)).convert("RGB")
    pixels = np.asarray(image, dtype=np.int32).reshape(-1, 3)
    colours, which, count = np.unique(pixels, axis=0, return_inverse=True, return_counts=True)
    chosen = list(np.argsort(-count)[:128])
    far = np.min([((colours - colours[one]) ** 2).sum(axis=1) for one in chosen], axis=0)
    while len(chosen) < 256 and far.max() > 0:
        chosen.append(int(far.argmax()))
        far = np.minimum(far, ((colours - colours[chosen[-1]]) ** 2).sum(axis=1))
    nearest = ((colours[:, None] - colours[chosen]) ** 2).sum(axis=2).argmin(axis=1)
    few = Image.frombytes("P", image.size, nearest[which.ravel()].astype(np.uint8).tobytes())
    few.putpalette(colours[chosen].astype(np.uint8).tobytes())
    few.save(path, optimize=True)
    print(f"{path.name}: {image.width}x{image.height}, {path.stat().st_size / 1000:.0f} kB")


class Visit:
    """What one operator does at the page, with a picture where the guide has one.

    Args:
        browser: To look at the page with.
        address: Of the page.
        run: Run directory.
        output: Folder for pictures.
    """

    def __init__(self, browser: Browser, address: str, run: Path, output: Path) -> None:
        self.browser = browser
        self.address = address
        self.run = run
        self.output = output
        self.page = browser.new_page(viewport=SIZE)

    def work(self) -> None:
        """Do the shift."""
        self.log_in()
        self.come_on_shift()
        self.answer_an_alarm()
        self.steer_by_hand()
        self.replay_the_night()
        self.ask_what_if()
        self.hand_over()
        self.look_behind()

    def show_story(self) -> None:
        """Picture the default story on its twelfth day, light, dark and on a telephone."""
        self.log_in()
        self.pass_time(24.0 * 11.0, 10800)
        self.picture("overview")
        self.view("bank")
        self.page.wait_for_timeout(1500)
        self.picture("bank")
        self.page.get_by_test_id("theme-toggle").click()
        self.page.wait_for_timeout(800)
        self.picture("dark")
        self.page.get_by_test_id("theme-toggle").click()
        self.phone()

    def log_in(self) -> None:
        """Mistype the password once, so that the trail shows what a refusal looks like."""
        page = self.page
        page.goto(self.address)
        for password in ("a password mistyped", PASSWORD):
            page.get_by_test_id("login-user").fill("olga")
            page.get_by_test_id("login-password").fill(password)
            page.get_by_test_id("login-submit").click()
            if password != PASSWORD:
                expect(page.get_by_test_id("login-error")).not_to_be_empty()
                self.part("login", page.get_by_test_id("login-form"), 24)
        expect(page.get_by_test_id("plant-time")).to_have_text(
            re.compile(r"\d+ d \d\d:\d\d"), timeout=240_000
        )
        self.page.wait_for_timeout(3000)
        left = page.get_by_test_id("banner-ack")
        while left.is_visible():
            left.click()
            page.wait_for_timeout(500)

    def come_on_shift(self) -> None:
        """Look at the overview and at what the night left."""
        self.pass_time(SHIFT)
        self.picture("morning")
        self.go(600)
        self.run_told("history", "report", "--json")

    def answer_an_alarm(self) -> None:
        """Let the scrub pump trip, read the alarm, acknowledge it, and shelve its consequence."""
        self.pass_time(SHIFT + 0.5)
        self.view("bank")
        page, tag = self.page, "scrub_flow.deviation"
        page.get_by_test_id("upset-scrub_pump_trip").click()
        self.view("alarms")
        self.pass_time(SHIFT + 1.0)
        row = page.get_by_test_id(f"alarm-row-{tag}")
        expect(row).to_have_attribute("data-state", "unacknowledged", timeout=30_000)
        page.get_by_test_id(f"alarm-open-{tag}").click()
        self.picture("alarms")
        page.get_by_test_id(f"ack-{tag}").click()
        expect(row).to_have_attribute("data-state", "acknowledged")
        page.get_by_test_id(f"alarm-open-{tag}").click()
        page.get_by_test_id("shelve-fuzzy.holding").click()
        page.get_by_test_id("shelve-hours-2").check(force=True)
        page.get_by_test_id("alarm-comment-fuzzy.holding").fill("spare scrub pump is being started")
        self.part("shelve", page.locator("section", has=page.locator("#alarm-panel")), 0)
        page.get_by_test_id("alarm-send-fuzzy.holding").click()

    def steer_by_hand(self) -> None:
        """Take over in manual, lower the organic, and give back once the scrub flows again."""
        self.view("control")
        page = self.page
        page.get_by_test_id("mode-manual").click()
        entry = page.get_by_test_id("setpoint-organic_flow")
        expect(entry).to_be_enabled()
        entry.fill(f"{0.95 * float(entry.input_value()):.2f}")
        entry.press("Enter")
        self.pass_time(SHIFT + 1.15)
        self.picture("control")
        self.ask_for_too_much()
        self.view("bank")
        self.pass_time(SHIFT + 1.5)
        page.get_by_test_id("clear-scrub_pump_trip").click()
        self.view("control")
        self.pass_time(SHIFT + 2.5)
        page.get_by_test_id("mode-fuzzy").click()
        expect(page.get_by_test_id("mode-fuzzy")).to_have_attribute("aria-pressed", "true")
        self.pass_time(SHIFT + 4.5)

    def ask_for_too_much(self) -> None:
        """Do it as another OPC UA client would, under the operator's name."""
        settings = RunDirectory.open(self.run).settings

        async def ask() -> None:
            client = TagClient(
                settings.operate_endpoint,
                pki=self.run / "pki",
                name="olga",
                user="olga",
                password=PASSWORD,
            )
            await client.connect(10.0)
            try:
                await client.write([("Levers/organic_flow/Request", 99.0)])
            except WriteRefused as refusal:
                print(refusal)
            finally:
                await client.close()

        with ThreadPoolExecutor(1) as worker:
            worker.submit(lambda: asyncio.run(ask())).result()

    def replay_the_night(self) -> None:
        """Go back twelve hours in the bank, and come back."""
        self.view("bank")
        for _ in range(2):
            self.page.get_by_test_id("replay-step-minus-6h").click()
            self.page.wait_for_timeout(1500)
        self.picture("replay")
        self.page.get_by_test_id("replay-live").click()

    def ask_what_if(self) -> None:
        """Ask a copy what happened if nobody moved anything."""
        self.view("control")
        page = self.page
        self.go(600)
        page.get_by_role("button", name="Present flows").click()
        page.get_by_test_id("whatif-run").click()
        expect(page.get_by_test_id("whatif-result")).to_have_attribute(
            "data-state", "done", timeout=180_000
        )
        self.part("what-if", page.locator("section.whatif"), 0)

    def hand_over(self) -> None:
        """Print and picture the shift, and what the plant and the trails say of it."""
        self.view("overview")
        self.pass_time(SHIFT + 8.2)
        self.go(600)
        path = self.run / "shift.html"
        self.run_told("history", "report", "--output", str(path))
        sheet = self.browser.new_page(viewport={"width": 1000, "height": 1340})
        sheet.goto(path.as_uri())
        save(sheet.screenshot(), self.output / "page-report.png")
        sheet.close()
        self.run_told("audit", "show", "--user", "olga")
        self.run_told("audit", "verify")
        self.run_told("status")
        hours = ["--from", f"{SHIFT + 1.0}", "--to", f"{SHIFT + 3.0}", "--points", "13"]
        for lever in ("organic", "scrub"):
            self.run_told("history", "trend", f"Levers/{lever}_flow/InForce", *hours)

    def look_behind(self) -> None:
        """Picture the diagnostics."""
        self.view("diagnostics")
        self.page.wait_for_timeout(3000)
        self.picture("diagnostics")

    def phone(self) -> None:
        """Picture the overview on a telephone."""
        state = self.page.context.storage_state()
        context = self.browser.new_context(
            viewport={"width": 390, "height": 844}, device_scale_factor=2, storage_state=state
        )
        page = context.new_page()
        page.goto(self.address)
        page.get_by_test_id("view-overview").click()
        page.wait_for_timeout(1500)
        save(page.screenshot(), self.output / "page-phone.png")
        context.close()

    def run_told(self, command: str, *words: str) -> None:
        """Print a command about this run, and what it says."""
        sub, rest = ([words[0]], words[1:]) if command in ("history", "audit") else ([], words)
        print(f"$ raffinate {' '.join([command, *sub, 'day', *rest])}")
        print(tell(command, *sub, str(self.run), *rest))

    def view(self, name: str) -> None:
        """Go to a display."""
        self.page.get_by_test_id(f"view-{name}").click()
        self.page.wait_for_timeout(800)

    def picture(self, name: str) -> None:
        """Picture what the page shows."""
        save(self.page.screenshot(), self.output / f"page-{name}.png")

    def part(self, name: str, element: Locator, margin: int) -> None:
        """Picture one element of the page."""
        element.scroll_into_view_if_needed()
        box = element.bounding_box()
        assert box is not None
        clip: FloatRect = {
            "x": box["x"] - margin,
            "y": box["y"] - margin,
            "width": box["width"] + 2 * margin,
            "height": box["height"] + 2 * margin,
        }
        save(self.page.screenshot(clip=clip), self.output / f"page-{name}.png")

    def hours(self) -> float:
        """Return the plant time that the page shows, [h]; minus one while it shows none."""
        shown = self.page.get_by_test_id("plant-time").inner_text()
        found = re.match(r"(\d+) d (\d\d):(\d\d)", shown)
        if found is None:
            return -1.0
        return 24.0 * int(found[1]) + int(found[2]) + int(found[3]) / 60.0

    def go(self, speed: int) -> None:
        """Choose a speed."""
        button = self.page.get_by_test_id(f"speed-{speed}")
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")

    def pass_time(self, hour: float, speed: int = 600) -> None:
        """Let plant time run to an hour, and hold it there if it is one of the shift."""
        begun = time.monotonic()
        self.go(speed)
        while self.hours() < hour:
            assert time.monotonic() < begun + 600.0, f"{self.hours()} h, not {hour} h"
            self.page.wait_for_timeout(50)
        if speed == 600:
            self.go(0)
        self.page.wait_for_timeout(1000)


if __name__ == "__main__":
    main()
