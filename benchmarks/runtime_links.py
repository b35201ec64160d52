"""Figure: links cut, clocks that jump, samples that come twice or late, certificates that expire.

The twin, operate and history are the processes of a run. Operate and history reach the twin through
a proxy, which is cut and held. Beside them an observer takes samples through the same proxy with
operate's own code, so that each sample lost in it would be counted.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from runtime_books import books_of
from runtime_links_certificate import refused_certificate
from runtime_links_proxy import Proxy, proxy_to
from runtime_links_run import AlarmWatch, Hand, alarms_of, by_hand
from runtime_links_stub import clock_jump, disorder
from runtime_support import Figure, Limit, asked, called, ring_records, say, wait_for

from raffinate.errors import RaffinateError
from raffinate.plant.plant_file import load_plant
from raffinate.runtime.checkpoint import load_checkpoint
from raffinate.runtime.nodemap_file import load_nodemap
from raffinate.runtime.opcua_client import TagClient
from raffinate.runtime.opcua_pki import make_identity
from raffinate.runtime.operate_host import OperateCheckpoint
from raffinate.runtime.plant_port import PlantPort
from raffinate.runtime.process_status import read_status
from raffinate.runtime.run_directory import RunDirectory, RunSettings

SEED = 20_260_102
SPEED = 600.0
NOTICED = 30.0
"""Wall time within which a lost link must have its alarm, [s]."""

BACK = 60.0
"""Wall time within which the plant must follow the guard again, [s]."""


class Observer:
    """Takes the plant's samples as operate does, through the same proxy.

    Args:
        run: Of which run; its address must be the proxy's.
    """

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self._stop = threading.Event()
        self.samples: list[tuple[str, str, float]] = []
        self.lost = 0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._work()), daemon=True)
        self._thread.start()

    async def _work(self) -> None:
        settings = self._run.settings
        client = TagClient(
            settings.plant_endpoint,
            pki=self._run.pki,
            name="observer",
            user="history",
            password=self._run.secrets()["history"],
        )
        await client.connect(30.0)
        plant = load_plant(settings.plant)
        port = PlantPort(client, load_nodemap("nodemap_twin"), plant, epoch_us=settings.epoch_us)
        try:
            while not self._stop.is_set():
                await self._once(port)
                await asyncio.sleep(0.05)
            # What has not arrived because the link is still coming back is late, not lost.
            given_up = time.monotonic() + BACK
            while not await self._once(port) and time.monotonic() < given_up:
                await asyncio.sleep(0.05)
        finally:
            await client.close()

    async def _once(self, port: PlantPort) -> bool:
        """Take what there is; return whether the plant answered."""
        try:
            report = await port.report()
        except (RaffinateError, OSError, TimeoutError):
            self.lost += 1
            return False
        self.samples += [
            (s.instrument, s.place, s.sample_time) for s in (*report.readings, *report.assays)
        ]
        return True

    def close(self) -> None:
        """Take what is left, and stop."""
        self._stop.set()
        self._thread.join(BACK + 30.0)


def links(reduced: bool) -> Figure:
    """Cut the link 20 times (twice if reduced), and do everything else that befalls links."""
    with tempfile.TemporaryDirectory(prefix="raffinate-bench-") as name:
        folder = Path(name)
        limits, detail, run = _cuts(folder / "cut", 2 if reduced else 20)
        records = ring_records(run, "plant")
        more, detail["disorder"] = disorder(folder / "stub", records)
        limits += more
        if not reduced:
            more, detail["clock"] = clock_jump(folder / "clock")
            limits += more
    return Figure(title="Links, clocks, samples, certificates", limits=limits, detail=detail)


def new_run(path: Path, **changes: Any) -> RunDirectory:
    """Make a run directory of the default plant."""
    settings = {
        "plant": "ceprnd_p507",
        "epoch_us": time.time_ns() // 1000,
        "seed": 7,
        "story": "none",
        "hours": 8760.0,
        "speed": SPEED,
        "web_port": 0,
        **changes,
    }
    return RunDirectory.create(path, RunSettings(**settings))


def _cuts(path: Path, cuts: int) -> tuple[list[Limit], dict[str, Any], RunDirectory]:
    """Cut the link between the plant and everybody else, and let a certificate expire."""
    generator = random.Random(SEED)
    direct = new_run(path)
    with by_hand(direct) as hand:
        hand.begin("twin")
        with proxy_to(direct.settings.plant_port) as proxy:
            # The twin has read its port; the others find the proxy's in its place.
            hand.run = run = direct.amended(plant_port=proxy.port)
            hand.begin("operate", "history")
            wait_for(lambda: _follows(direct), "the plant follows the guard", BACK)
            observer = Observer(run)
            with alarms_of(run) as alarms:
                told = [_cut(direct, proxy, alarms, generator, n) for n in range(cuts)]
                expired = _expired(direct, hand, alarms)
            called(direct, "Pace", "SetSpeed", 0.0)
            time.sleep(3.0)
            observer.close()
            hand.stop("operate", "twin", "history")
    books = books_of(run)
    own = {(i, p, t) for _, i, p, t in books.samples}
    kept = load_checkpoint(run.checkpoint("operate"))
    assert isinstance(kept, OperateCheckpoint)
    assert kept.port is not None
    # What people did while the plant stood comes with its next step.
    behind = max(0, books.steps[-1].sequence - kept.port.records)
    late = "certificate of raffinate late"
    audited = any(late in str(entry["reason"]) for entry in books.entries)
    limits = [
        Limit(what="cuts without link.plant", value=sum(e["alarm_s"] is None for e in told
                                                       if e["noticeable"]), must=0),
        Limit(what="cuts after which the plant did not follow again",
              value=sum(e["back_s"] is None for e in told), must=0),
        Limit(what="samples lost on the link", value=len(own - set(observer.samples)), must=0),
        Limit(what="samples taken twice",
              value=len(observer.samples) - len(set(observer.samples)), must=0),
        Limit(what="records operate had not taken", value=behind, must=0),
        *books.limits(),
        Limit(what="expired certificate: shortcomings", value=len(expired["wrong"]), must=0),
        Limit(what="expired client: refusals not audited",
              value=int(not audited), must=0),
    ]  # fmt: skip
    detail = {
        "cuts": told,
        "requests_lost": observer.lost,
        "expired": expired,
        **books.detail,
    }
    return limits, detail, run


def _follows(run: RunDirectory, scan: int = -1) -> bool:
    """Return whether the plant follows the guard, some scans after a number."""
    try:
        now, mode = asked(run, "plant", "PLC/Scan", "PLC/Mode")
    except (RaffinateError, OSError, TimeoutError):
        return False
    return bool(mode == "remote" and now > scan + 5)


def _cut(
    direct: RunDirectory, proxy: Proxy, alarms: AlarmWatch, generator: random.Random, number: int
) -> dict[str, Any]:
    """Break the link once, and wait until all is as before."""
    time.sleep(generator.uniform(0.2, 2.0))
    how: Callable[[float], None] = (proxy.cut, proxy.reset)[number % 2]
    seconds, noticeable = generator.uniform(1.5, 6.0), True
    if number % 5 == 4:
        # Longer than a request waits for its answer, or too short to be noticed, in turn.
        noticeable = number % 10 == 4
        how, seconds = proxy.hold, 20.0 if noticeable else 1.0
    begun = time.monotonic()
    how(seconds)
    alarm = alarms.wait("link.plant", begun, NOTICED if noticeable else 0.0)
    (scan,) = asked(direct, "plant", "PLC/Scan")
    back: float | None = None
    try:
        back = round(wait_for(lambda: _follows(direct, scan), "the plant", BACK), 2)
    except SystemExit as error:
        say(f"  {error}")
    alarms.acknowledge("link.plant")
    say(f"  {how.__name__} for {seconds:.1f} s: back after {back} s")
    return {
        "how": how.__name__,
        "seconds": round(seconds, 2),
        "noticeable": noticeable,
        "alarm_s": alarm,
        "back_s": back,
        "alarms": sorted(alarms.seen),
    }


def _expired(direct: RunDirectory, hand: Hand, alarms: AlarmWatch) -> dict[str, Any]:
    """Let the plant's server come back with an expired certificate, and then with a new one."""
    wrong: list[str] = []
    client = refused_certificate(direct)
    if client != "BadCertificateTimeInvalid":
        wrong.append(f"a client with an expired certificate was answered {client}")
    past = datetime.now(UTC) - timedelta(days=1)
    make_identity(direct.pki, "plant", not_before=past - timedelta(days=9), not_after=past)
    if alarms.wait("link.certificate", time.monotonic(), NOTICED) is None:
        wrong.append("no link.certificate while the process runs on")
    hand.kill("twin")
    hand.run = direct
    hand.start("twin")
    code = hand.ended("twin")
    status = read_status(direct, "twin")
    error = dict(status.error or {}) if status is not None else {}
    if code == 0 or "certificate" not in str(error.get("what")):
        wrong.append(f"the twin ended with {code}: {error}")
    if alarms.wait("link.plant", time.monotonic(), NOTICED) is None:
        wrong.append("no link.plant while the twin cannot start")
    for ending in ("der", "pem"):
        (direct.pki / f"plant.{ending}").unlink()
    direct.amended(plant_port=direct.settings.plant_port)
    hand.begin("twin")
    (scan,) = asked(direct, "plant", "PLC/Scan")
    try:
        wait_for(lambda: _follows(direct, scan), "the plant", BACK)
    except SystemExit as failure:
        wrong.append(f"{failure} after the certificate was made anew")
    return {"client": client, "twin_exit_code": code, "twin_error": error, "wrong": wrong}
