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

from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from raffinate.runtime.opcua_client import TagClient, WriteRefused
from raffinate.runtime.run_directory import RunDirectory

ROOT = Path(__file__).parents[2]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
SIZE = {"width": 1440, "height": 900}
RAFFINATE = str(Path(sys.executable).with_name("raffinate"))
PEOPLE = {"olga": "operator", "erik": "engineer"}
PASSWORD = "a password for pictures"
SHIFT = 80.0
"""Plant hour at which the shift begins: 08:00 on the fourth day."""


def main() -> None:
    """Take every picture, or those of the plant whose page is at --address."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "img")
    parser.add_argument("--address", help="one picture of a plant that runs already")
    parser.add_argument("--view", default="overview")
    given = parser.parse_args()
    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            if given.address:
                picture_of(browser, given.address, given.view, given.output)
            else:
                with tempfile.TemporaryDirectory() as folder, plant_in(Path(folder)) as address:
                    Shift(browser, address, Path(folder) / "shift", given.output).work()
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
def plant_in(folder: Path) -> Iterator[str]:
    """Start a plant whose page asks for a name, and stop it in good order."""
    users = str(folder / "users.json")
    for name, role in PEOPLE.items():
        tell("users", "add", name, "--role", role, "--password-stdin", "--users", users)
    command = [RAFFINATE, "run", "--seed", "3", "--port", "0", "--no-browser"]
    command += ["--users", users, "--run-dir", str(folder / "shift")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as plant:
        assert plant.stderr is not None
        try:
            for line in plant.stderr:
                found = re.search(r"http://127\.0\.0\.1:\d+", line)
                if found is not None:
                    yield found.group()
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
    """Save a screenshot with a palette of 256 colours, which no eye tells from the whole."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    image.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.name}: {image.width}x{image.height}, {path.stat().st_size / 1000:.0f} kB")


class Shift:
    """One operator's shift, with a picture where the guide has one.

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
        self.take_over_by_hand()
        self.replay_the_night()
        self.ask_what_if()
        self.hand_over()
        self.look_behind()

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
                box = page.get_by_test_id("login-form").bounding_box()
                assert box is not None
                clip = {"x": box["x"] - 24, "y": box["y"] - 24}
                clip |= {"width": box["width"] + 48, "height": box["height"] + 48}
                save(page.screenshot(clip=clip), self.output / "page-login.png")
        expect(page.get_by_test_id("plant-time")).to_have_text(
            re.compile(r"\d+ d \d\d:\d\d"), timeout=240_000
        )

    def come_on_shift(self) -> None:
        self.pass_time(SHIFT)
        self.picture("overview")
        print(tell("history", "report", str(self.run), "--json"))
        self.report("night")

    def answer_an_alarm(self) -> None:
        self.pass_time(SHIFT + 0.5)
        self.view("bank")
        self.page.get_by_test_id("upset-scrub_pump_trip").click()
        self.pass_time(SHIFT + 1.0)
        self.view("alarms")
        page, tag = self.page, "scrub_flow.deviation"
        expect(self.row(tag)).to_have_attribute("data-state", "unacknowledged", timeout=30_000)
        page.get_by_test_id(f"alarm-open-{tag}").click()
        self.picture("alarms")
        page.get_by_test_id(f"ack-{tag}").click()
        expect(self.row(tag)).to_have_attribute("data-state", "acknowledged")
        page.get_by_test_id("shelve-fuzzy.holding").click()
        page.get_by_test_id("shelve-hours-2").check(force=True)
        page.get_by_test_id("alarm-comment-fuzzy.holding").fill("scrub pump is being changed")
        self.picture("shelve")
        page.get_by_test_id("alarm-send-fuzzy.holding").click()
        self.view("bank")
        self.pass_time(SHIFT + 1.5)
        page.get_by_test_id("clear-scrub_pump_trip").click()

    def row(self, tag: str) -> Locator:
        return self.page.get_by_test_id(f"alarm-row-{tag}")

    def take_over_by_hand(self) -> None:
        self.pass_time(SHIFT + 2.5)
        self.view("control")
        page, lever = self.page, "organic_flow"
        page.get_by_test_id("mode-manual").click()
        expect(page.get_by_test_id(f"setpoint-{lever}")).to_be_enabled()
        entry = page.get_by_test_id(f"setpoint-{lever}")
        entry.fill(f"{1.05 * float(entry.input_value()):.2f}")
        entry.press("Enter")
        self.pass_time(SHIFT + 2.6)
        self.picture("control")
        self.refused_elsewhere()
        self.pass_time(SHIFT + 4.0)
        page.get_by_test_id("mode-fuzzy").click()
        expect(page.get_by_test_id("mode-fuzzy")).to_have_attribute("aria-pressed", "true")
        self.pass_time(SHIFT + 4.5)

    def refused_elsewhere(self) -> None:
        """Ask for too much as another OPC UA client would, under the operator's name."""
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
        self.view("bank")
        slider = self.page.get_by_test_id("replay-slider")
        slider.focus()
        self.page.get_by_test_id("replay-step-minus-6h").click()
        self.page.wait_for_timeout(3000)
        self.picture("bank-replay")
        self.page.get_by_test_id("replay-live").click()
        self.page.wait_for_timeout(500)
        self.picture("bank")

    def ask_what_if(self) -> None:
        self.view("control")
        page = self.page
        page.get_by_test_id("whatif-scrub_flow").fill("1.5")
        page.get_by_test_id("whatif-run").click()
        result = page.get_by_test_id("whatif-result")
        expect(result).to_have_attribute("data-state", "done", timeout=180_000)
        page.locator("section.whatif").scroll_into_view_if_needed()
        save(page.locator("section.whatif").screenshot(), self.output / "page-what-if.png")

    def hand_over(self) -> None:
        self.view("overview")
        self.pass_time(SHIFT + 8.2)
        self.report("shift")
        for words in (["audit", "show"], ["audit", "verify"], ["status"]):
            print(f"$ raffinate {' '.join(words)}\n{tell(*words, str(self.run))}")
        lever = "Levers/organic_flow/InForce"
        span = ["--from", f"{SHIFT + 3.5}", "--to", f"{SHIFT + 4.5}", "--points", "60"]
        print(tell("history", "trend", str(self.run), lever, *span))

    def look_behind(self) -> None:
        self.view("diagnostics")
        self.picture("diagnostics")
        self.view("bank")
        self.page.get_by_test_id("theme-toggle").click()
        self.page.wait_for_timeout(800)
        self.picture("dark")

    def report(self, name: str) -> None:
        """Picture the upper part of the report of the last complete shift."""
        path = self.run / f"{name}.html"
        print(tell("history", "report", str(self.run), "--output", str(path)))
        sheet = self.browser.new_page(viewport={"width": 1000, "height": 900})
        sheet.goto(path.as_uri())
        save(sheet.screenshot(full_page=True), self.output / f"page-report-{name}.png")
        sheet.close()

    def view(self, name: str) -> None:
        self.page.get_by_test_id(f"view-{name}").click()
        self.page.wait_for_timeout(800)

    def picture(self, name: str) -> None:
        save(self.page.screenshot(), self.output / f"page-{name}.png")

    def hours(self) -> float:
        days, clock = self.page.get_by_test_id("plant-time").inner_text().split(" d ")
        hour, minute = clock.split(":")
        return 24.0 * int(days) + int(hour) + int(minute) / 60.0

    def go(self, speed: int) -> None:
        button = self.page.get_by_test_id(f"speed-{speed}")
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")

    def pass_time(self, hour: float) -> None:
        """Let plant time run to an hour and hold it there."""
        begun = time.monotonic()
        for speed, short in ((10800, 3.0), (600, 0.0)):
            if self.hours() < hour - short:
                self.go(speed)
            while self.hours() < hour - short:
                assert time.monotonic() < begun + 300.0, f"{self.hours()} h, not {hour} h"
                self.page.wait_for_timeout(50)
        self.go(0)
        self.page.wait_for_timeout(1500)
        print(f"{self.hours():.2f} h after {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
