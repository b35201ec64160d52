"""Plants that are not what they should be, and the real operating program against them.

One says again what a twin has said before, with samples doubled, late, from the future and left
out; the other is a stranger's, without scans or records, whose clock jumps.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from runtime_books import steps_of
from runtime_links_run import alarms_of, by_hand
from runtime_support import LEVERS, Limit, say, wait_for

from raffinate.instruments.reading import Reading
from raffinate.plant.plant_file import load_plant
from raffinate.runtime.checkpoint import load_checkpoint
from raffinate.runtime.opcua_access import Who
from raffinate.runtime.opcua_server import TagServer
from raffinate.runtime.operate_host import OperateCheckpoint
from raffinate.runtime.records import Record
from raffinate.runtime.ring import Ring
from raffinate.runtime.run_directory import RunDirectory, RunSettings, free_port
from raffinate.runtime.serving import add_records
from raffinate.runtime.tags import Tag, Value, plant_tags, twin_tags

PLANT = "ceprnd_p507"
STEPS = 200
"""Steps that are said again."""

TWICE, LATE, FUTURE = 8, 13, 31
"""Every so many samples one comes twice, late, or from the future."""

LATER = 45
"""Scans by which a late sample is late; the analyzer's round is 24 scans."""

DAY = 86_400.0


@dataclass(slots=True)
class Expected:
    """What was done to the samples."""

    twice: int = 0
    late: int = 0
    future: int = 0
    records_left_out: int = 0


def disordered(records: Sequence[Record]) -> tuple[list[Record], Expected]:
    """Return steps numbered anew, with their samples in disorder and one number left out."""
    expected = Expected()
    waiting: dict[int, list[Reading]] = {}
    made = []
    count = 0
    for index, record in enumerate(records):
        samples = waiting.pop(index, [])
        for sample in record.samples:
            count += 1
            if sample.instrument != "xrf" or index > len(records) - LATER - 5:
                samples.append(sample)
            elif count % LATE == 0:
                expected.late += 1
                waiting.setdefault(index + LATER, []).append(sample)
            elif count % TWICE == 0:
                expected.twice += 1
                samples.append(sample)
                waiting.setdefault(index + 1, []).append(sample)
            elif count % FUTURE == 0:
                expected.future += 1
                samples += [sample, replace(sample, sample_time=sample.sample_time + DAY,
                                            result_time=sample.result_time + DAY)]  # fmt: skip
            else:
                samples.append(sample)
        # The newest first: what comes in one record is to be sorted, not refused.
        samples.sort(key=lambda each: -each.sample_time)
        skipped = int(index >= len(records) // 2)
        expected.records_left_out = skipped
        made.append(replace(record, sequence=index + 1 + skipped, samples=tuple(samples), notes=()))
    return made, expected


class Stub:
    """A plant's server that says what it is given, a step for every plan it gets.

    Args:
        run: Whose address and accounts it takes.
        records: What it says.
    """

    def __init__(self, run: RunDirectory, records: Sequence[Record]) -> None:
        self._run = run
        self._records = list(records)
        self._ring = Ring(run.ring("plant"))
        self.step = 0
        self._said = 0
        self._server: TagServer | None = None

    async def work(self, ready: threading.Event, stop: threading.Event) -> None:
        """Serve until told to stop."""
        settings = self._run.settings
        model = load_plant(settings.plant)
        self._server = TagServer(
            name="plant",
            host=settings.host,
            port=settings.plant_port,
            tags=[_free(tag) for tag in (*plant_tags(model), *twin_tags(model))],
            pki=self._run.pki,
            users=None,
            internal=self._run.internal_accounts(),
            audit=lambda entry: None,
            on_write=self._written,
        )
        async with self._server:
            await add_records(self._server, self._ring)
            self._server.publish({"PLC/Mode": "remote", "PLC/Watchdog": False, "PLC/Alarms": (),
                                  "Pace/Speed": 600.0, "Guard/Sequence": 0,
                                  "Interlocks/organic_lost": False,
                                  "Interlocks/scrub_within_acid": False})  # fmt: skip
            self._say()
            ready.set()
            while not stop.is_set():
                await asyncio.sleep(0.05)
        self._ring.close()

    def _say(self) -> None:
        for record in self._records[self._said : self.step + 1]:
            if record.sequence > self._ring.last + 1:
                self._ring.skip_to(record.sequence)
            self._ring.append(record)
        self._said = self.step + 1
        record = self._records[self.step]
        assert self._server is not None
        levers = {p: v for p, v in record.values.items() if p.startswith("Levers/")}
        self._server.publish(
            {
                **levers,
                "PLC/Time": record.time,
                "PLC/Scan": round(record.time / 60.0),
                "Records/Last": record.sequence,
            }
        )

    async def _written(self, tag: Tag, value: Value, who: Who) -> None:
        if tag.path == "Guard/Heartbeat" and not self.finished:
            following = self._records[self.step + 1].sequence
            # Two records at once after the number left out: the second must not hide the gap.
            self.step += 1 if following == self._records[self.step].sequence + 1 else 2
            # After the answer, as of a plant, so that the plan is acknowledged first.
            asyncio.get_running_loop().call_later(0.01, self._say)

    @property
    def finished(self) -> bool:
        """Whether everything was said."""
        return self.step + 1 == len(self._records)


def _free(tag: Tag) -> Tag:
    """Return a tag without limits; what is asked of this plant is not the question here."""
    return replace(tag, low=None, high=None)


@contextmanager
def serving(plant: Any) -> Iterator[None]:
    """Let a stub serve in a thread of its own."""
    ready, stop = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(plant.work(ready, stop)), daemon=True)
    thread.start()
    assert ready.wait(60.0)
    try:
        yield
    finally:
        stop.set()
        thread.join(30.0)


def disorder(path: Path, recorded: Sequence[Record]) -> tuple[list[Limit], dict[str, Any]]:
    """Let a plant's samples come twice, late, out of order and from the future."""
    records, expected = disordered(steps_of(recorded)[:STEPS])
    settings = RunSettings(
        plant=PLANT, epoch_us=time.time_ns() // 1000, story="none", speed=600.0, web_port=0
    )
    run = RunDirectory.create(path, settings)
    stub = Stub(run, records)
    with serving(stub), by_hand(run) as hand:
        hand.begin("operate", "history")
        with alarms_of(run) as alarms:
            wait_for(lambda: stub.finished, "the stub has said all", 240.0)
            time.sleep(3.0)
            seen = dict(alarms.seen)
        hand.stop("operate", "history")
    kept = load_checkpoint(run.checkpoint("operate"))
    assert isinstance(kept, OperateCheckpoint)
    wanted = expected.twice + expected.late + expected.future
    stored = _stored(run)
    said = sum(len(record.samples) for record in records)
    missing = [tag for tag in ("samples.order", "link.gap") if tag not in seen]
    say(f"  {said} samples said again, {kept.gate.refused} refused, alarms {sorted(seen)}")
    limits = [
        Limit(what="disorder: samples wrongly used or refused",
              value=abs(kept.gate.refused - wanted), must=0),
        Limit(what="disorder: samples not in the history", value=abs(said - stored), must=0),
        Limit(what="disorder: alarms missing", value=len(missing), must=0),
    ]  # fmt: skip
    return limits, {
        "steps": len(records),
        "samples": said,
        "twice": expected.twice,
        "late": expected.late,
        "from_the_future": expected.future,
        "refused": kept.gate.refused,
        "alarms": seen,
        "alarms_missing": missing,
    }


def _stored(run: RunDirectory) -> int:
    from raffinate.runtime.historian import open_historian

    history = open_historian(run.history_url, read_only=True)
    try:
        return len(history.samples("", 0, 2**62))
    finally:
        history.close()


class Stranger:
    """A plant of another maker that runs in real time: values, no scans, no records.

    Args:
        run: Whose address and accounts it takes.
        port: TCP port.
        flows: Of the levers, [m³/h].
    """

    def __init__(self, run: RunDirectory, port: int, flows: Mapping[str, float]) -> None:
        self._run = run
        self._port = port
        self._flows = dict(flows)
        self.jump = 0.0
        self.begun = time.monotonic()

    async def work(self, ready: threading.Event, stop: threading.Event) -> None:
        """Serve until told to stop."""
        model = load_plant(PLANT)
        server = TagServer(
            name="plant",
            host="127.0.0.1",
            port=self._port,
            tags=[_free(tag) for tag in plant_tags(model)],
            pki=self._run.pki,
            users=None,
            internal=self._run.internal_accounts(),
            audit=lambda entry: None,
        )
        async with server:
            flows = {
                f"Levers/{n}/{e}": f
                for n, f in self._flows.items()
                for e in ("InForce", "Measured")
            }
            server.publish({**flows, "PLC/Mode": "remote", "PLC/Watchdog": False})
            ready.set()
            while not stop.is_set():
                server.publish({"PLC/Time": 600.0 + time.monotonic() - self.begun + self.jump})
                await asyncio.sleep(0.1)


FOREIGN = ("scan", "acknowledged", "plan_expires", "plc_alarms", "records_object", "records_last")
"""What the stranger's nodemap does not name."""


def clock_jump(path: Path) -> tuple[list[Limit], dict[str, Any]]:
    """Let the clock of a plant in real time jump forth and back."""
    text = (files("raffinate.data") / "nodemap_twin.yaml").read_text(encoding="utf-8")
    kept = [s for s in text.splitlines() if s.strip().partition(":")[0] not in FOREIGN]
    path.mkdir()
    nodemap = path / "nodemap.yaml"
    port = free_port("127.0.0.1")
    nodemap.write_text("\n".join([*kept, "user: operate", ""]), encoding="utf-8")
    settings = RunSettings(
        plant=PLANT,
        epoch_us=time.time_ns() // 1000,
        story="none",
        speed=1.0,
        web_port=0,
        connect=f"opc.tcp://127.0.0.1:{port}/raffinate/plant/",
        nodemap=str(nodemap),
        mode="manual",
    )
    run = RunDirectory.create(path / "run", settings)
    stranger = Stranger(run, port, _nominal())
    jumps: list[dict[str, Any]] = []
    off: list[float] = []
    password = {"RAFFINATE_PLANT_PASSWORD": run.secrets()["operate"]}
    with serving(stranger), by_hand(run, password) as hand:
        hand.begin("operate")
        with alarms_of(run) as alarms:
            wait_for(lambda: alarms.time > 0.0, "the first report", 60.0)
            for jump in (3600.0, -5400.0):
                time.sleep(3.0)
                jumped = time.monotonic()
                stranger.jump += jump
                took = alarms.wait("link.clock", jumped, 75.0)
                told = 600.0 + time.monotonic() - stranger.begun
                off.append(round(alarms.time - told, 1))
                jumps.append({"jump": jump, "alarm_s": took, "plant_time_off_s": off[-1]})
                say(f"  clock by {jump:+g} s: {jumps[-1]}")
                alarms.acknowledge("link.clock")
    limits = [
        Limit(what="clock jumps without link.clock",
              value=sum(each["alarm_s"] is None for each in jumps), must=0),
        Limit(what="clock jumps that moved plant time",
              value=sum(abs(each) > 120.0 for each in off), must=0),
    ]  # fmt: skip
    return limits, {"jumps": jumps}


def _nominal() -> dict[str, float]:
    """Return nominal flows of the levers, [m³/h]."""
    operation = load_plant(PLANT).operation()
    return {name: 3600.0 * float(getattr(operation, name)) for name in LEVERS}
