from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from patience import PATIENCE
from raffinate.errors import DataError, SpecificationError
from raffinate.runtime import history_keeper, history_process, history_sources
from raffinate.runtime.historian import DAY_US, Historian, open_historian
from raffinate.runtime.history_keeper import Archiver, HistoryLost, Keeper
from raffinate.runtime.history_process import drain, keep_history, opened, told
from raffinate.runtime.history_sources import DiskSource, disk_source
from raffinate.runtime.messages import Note
from raffinate.runtime.process_status import StatusWriter, StopRequest, read_status
from raffinate.runtime.records import Record
from raffinate.runtime.ring import Ring
from raffinate.runtime.run_directory import RunDirectory, RunSettings

EPOCH = 1_700_000_000_000_000
FOREVER = 2**62

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")


def record(sequence: int, **values: float) -> Record:
    return Record(
        sequence=sequence,
        time=60.0 * sequence,
        wall=EPOCH + sequence,
        values=values or {"Levers/organic_flow/Measured": float(sequence)},
    )


class Server:
    """A server's records as a source gives them; it can be cut off, lose some, and die."""

    def __init__(self, name: str, records: Sequence[Record] = ()) -> None:
        self.name = name
        self.records = list(records)
        self.connected = True
        self.most = 7
        self.pulls = 0
        self.after_pull: Callable[[], None] = lambda: None

    @property
    def newest(self) -> int | None:
        return self.records[-1].sequence if self.records else None

    async def pull(self, after: int, most: int) -> Sequence[Record]:
        self.pulls += 1
        if not self.connected:
            raise OSError("connection refused")
        found = [each for each in self.records if each.sequence > after]
        self.after_pull()
        return found[: min(most, self.most)]

    async def news(self, longest: float) -> None:
        await asyncio.sleep(0.001)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path / "run", RunSettings(plant="ceprnd_p507", epoch_us=EPOCH))


@pytest.fixture
def historian(run: RunDirectory) -> Any:
    found = open_historian(run.history_url)
    yield found
    found.close()


def keeper(source: Any, historian: Historian) -> Keeper:
    return Keeper(source, historian, asyncio.Lock(), EPOCH)


def sequences(historian: Historian) -> list[int]:
    rows = historian.rows("Levers/organic_flow/Measured", 0, FOREVER)
    return [int(sequence) for sequence in rows.sequence]


def texts(historian: Historian) -> list[str]:
    return [note.text for note in historian.notes(0, FOREVER)]


def test_everything_a_server_said_is_taken_once_in_order(historian: Historian) -> None:
    server = Server("plant", [record(n) for n in range(1, 31)])
    kept = keeper(server, historian)
    assert asyncio.run(kept.take_all()) == 30
    assert asyncio.run(kept.take_all()) == 0
    server.records += [record(31), record(32)]
    assert asyncio.run(kept.take_all()) == 2
    assert sequences(historian) == list(range(1, 33))
    rows = historian.rows("Levers/organic_flow/Measured", 0, FOREVER)
    assert rows.source_time.tolist() == [EPOCH + 60_000_000 * n for n in range(1, 33)]
    assert (kept.cursor, kept.rows, kept.missing, kept.lag) == (32, 32, 0, 0)
    assert historian.cursor("plant") == 32


def test_history_goes_on_where_it_was_when_it_ended(historian: Historian) -> None:
    server = Server("plant", [record(n) for n in range(1, 11)])
    asyncio.run(keeper(server, historian).take_all())
    server.records += [record(n) for n in range(11, 21)]
    later = keeper(server, historian)
    assert later.cursor == 10
    assert later.lag == 10
    assert asyncio.run(later.take_all()) == 10
    assert sequences(historian) == list(range(1, 21))


def test_duplicates_and_disorder_do_no_harm(historian: Historian) -> None:
    class Muddled(Server):
        async def pull(self, after: int, most: int) -> Sequence[Record]:
            found = list(await super().pull(max(0, after - 3), most + 3))
            return [*reversed(found), *found]

    server = Muddled("plant", [record(n) for n in range(1, 20)])
    kept = keeper(server, historian)
    asyncio.run(kept.take_all())
    assert sequences(historian) == list(range(1, 20))
    assert (kept.missing, kept.rows) == (0, 19)


def test_a_gap_is_told_in_the_history_itself(historian: Historian) -> None:
    server = Server("plant", [record(n) for n in range(1, 6)])
    kept = keeper(server, historian)
    asyncio.run(kept.take_all())
    server.records = [record(n) for n in range(9, 12)]
    asyncio.run(kept.take_all())
    assert kept.missing == 3
    assert sequences(historian) == [1, 2, 3, 4, 5, 9, 10, 11]
    notes = historian.notes(0, FOREVER)
    assert [(note.text, note.priority, note.sequence) for note in notes] == [
        ("Records 6 to 8 of plant are missing in the history", "medium", 9)
    ]


def test_a_history_begun_late_has_no_gap_before_its_first_record(historian: Historian) -> None:
    kept = keeper(Server("plant", [record(n) for n in range(100, 103)]), historian)
    asyncio.run(kept.take_all())
    assert (kept.missing, texts(historian)) == (0, [])


def test_notes_of_a_record_with_a_gap_before_it_are_kept(historian: Historian) -> None:
    server = Server("plant", [record(1)])
    kept = keeper(server, historian)
    asyncio.run(kept.take_all())
    own = Note(time=180.0, kind="lot", text="Lot 1 closed")
    server.records = [Record(sequence=3, time=180.0, wall=EPOCH, notes=(own,))]
    asyncio.run(kept.take_all())
    assert sorted(texts(historian)) == [
        "Lot 1 closed",
        "Records 2 to 2 of plant are missing in the history",
    ]


def test_a_server_whose_ring_lost_its_end_is_noticed(historian: Historian) -> None:
    server = Server("plant", [record(n) for n in range(1, 11)])
    kept = keeper(server, historian)
    asyncio.run(kept.take_all())
    server.records = server.records[:7]
    later = keeper(server, historian)
    assert asyncio.run(later.take_all()) == 0
    server.records += [record(n) for n in range(8, 13)]
    assert asyncio.run(later.take_all()) == 2
    assert sequences(historian) == list(range(1, 13))
    assert texts(historian) == [
        "Records of plant up to 10 may differ from those in the history: its ring had lost its end"
    ]


def test_a_server_that_tells_its_newest_number_late_has_lost_nothing(
    historian: Historian,
) -> None:
    class Late(Server):
        @property
        def newest(self) -> int | None:
            return 1

    server = Late("plant")
    kept = keeper(server, historian)
    for n in range(1, 20):
        server.records.append(record(n))
        asyncio.run(kept.take_all())
    asyncio.run(keeper(server, historian).take_all())
    assert texts(historian) == []


def follow(kept: Keeper, until: Callable[[], bool]) -> None:
    async def work() -> None:
        stopped = asyncio.Event()
        task = asyncio.create_task(kept.follow(stopped))
        async with asyncio.timeout(PATIENCE):
            while not until() and not task.done():
                await asyncio.sleep(0.001)
        stopped.set()
        await task

    asyncio.run(work())


def test_cut_links_lose_nothing(historian: Historian) -> None:
    server = Server("plant")
    kept = keeper(server, historian)
    cuts = 20

    def work() -> bool:
        """Cut, write, mend, wait until all is taken; once per call of the loop."""
        nonlocal cuts
        if not server.connected:
            if not kept.trouble:
                return False
            server.connected = True
        if server.newest == kept.cursor or server.newest is None:
            if cuts == 0:
                return not kept.trouble
            cuts -= 1
            first = (server.newest or 0) + 1
            server.records += [record(n) for n in range(first, first + 11)]
            server.connected = False
        return False

    follow(kept, work)
    assert sequences(historian) == list(range(1, 221))
    assert kept.missing == 0


def test_a_link_that_is_down_is_told_and_another_is_not_held_up(historian: Historian) -> None:
    down, up = Server("plant"), Server("operate", [record(1)])
    down.connected = False
    keepers = [keeper(down, historian), keeper(up, historian)]
    follow(keepers[0], lambda: bool(keepers[0].trouble))
    follow(keepers[1], lambda: keepers[1].cursor == 1)
    found = told(keepers, Archiver("nowhere", Path("nowhere")))
    assert found["links"] == {
        "history → plant": {"connected": False, "trouble": "connection refused"},
        "history → operate": {"connected": True, "trouble": ""},
    }
    assert found["lag_records"] == {"plant": None, "operate": 0}
    assert found["trouble"] == "connection refused"


def test_a_history_that_cannot_be_written_ends_the_process(
    historian: Historian, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise DataError("the disk is full.", where="history")

    monkeypatch.setattr(historian, "take", full)
    kept = keeper(Server("plant", [record(1)]), historian)
    with pytest.raises(HistoryLost, match="the disk is full"):
        asyncio.run(kept.follow(asyncio.Event()))
    assert kept.cursor == 0


def left_on_disk(run: RunDirectory, name: str, count: int) -> None:
    ring = Ring(run.ring(name), sync=False)
    ring.append(*(record(n) for n in range(ring.last + 1, count + 1)))
    ring.close()


def test_at_the_end_the_last_records_come_from_disk(
    run: RunDirectory, historian: Historian
) -> None:
    left_on_disk(run, "plant", 25)
    left_on_disk(run, "operate", 3)
    plant = Server("plant", [record(n) for n in range(1, 11)])
    operate = Server("operate")
    keepers = [keeper(plant, historian), keeper(operate, historian)]
    asyncio.run(keepers[0].take_all())
    plant.connected = operate.connected = False
    asyncio.run(drain(run, keepers))
    assert [each.cursor for each in keepers] == [25, 3]
    assert historian.cursor("plant") == 25
    rows = historian.rows("plant:Levers/organic_flow/Measured", 0, FOREVER)
    assert [int(n) for n in rows.sequence] == list(range(1, 26))


def test_the_ring_of_a_server_that_lives_is_left_alone(run: RunDirectory) -> None:
    StatusWriter(run, "twin").running()
    assert disk_source(run, "plant") is None
    found = disk_source(run, "operate")
    assert isinstance(found, DiskSource)
    found.close()


def test_a_foreign_plant_has_no_ring_here(run: RunDirectory) -> None:
    foreign = run.amended(connect="opc.tcp://plc:4840/")
    assert disk_source(foreign, "plant") is None


def test_a_server_that_does_not_answer_does_not_hold_up_the_end(
    run: RunDirectory, historian: Historian, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Silent(Server):
        async def pull(self, after: int, most: int) -> Sequence[Record]:
            await asyncio.sleep(3600.0)
            return []

    left_on_disk(run, "plant", 4)
    monkeypatch.setattr(history_process, "LAST_PULL", 0.05)
    kept = keeper(Silent("plant"), historian)
    asyncio.run(drain(run, [kept]))
    assert kept.cursor == 4


def test_a_database_that_is_down_is_waited_for(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = 0

    def refused(url: str) -> str:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise DataError("connection refused.", where="history")
        return "open"

    monkeypatch.setattr(history_process, "open_historian", refused)
    monkeypatch.setattr(history_process, "RETRY", (0.01, 0.02))
    status = StatusWriter(run, "history")
    assert opened(run, status, StopRequest()) == "open"
    assert tries == 3
    assert "trouble" not in status.status.detail


def test_the_wait_for_a_database_ends_with_the_run(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(url: str) -> Historian:
        raise DataError("connection refused.", where="history")

    monkeypatch.setattr(history_process, "open_historian", refused)
    stop = StopRequest()
    threading.Timer(0.3, stop.set).start()
    status = StatusWriter(run, "history")
    assert opened(run, status, stop) is None
    assert status.status.detail["trouble"] == "history: connection refused."


def test_a_history_no_one_can_keep_is_refused(run: RunDirectory) -> None:
    wrong = run.amended(history_url="mysql://db/raffinate")
    with pytest.raises(SpecificationError, match="no database known"):
        opened(wrong, StatusWriter(run, "history"), StopRequest())


def finished(archiver: Archiver) -> None:
    archiver.finish(60.0)
    assert not archiver.busy


def test_a_day_that_is_over_is_archived_once(
    run: RunDirectory, historian: Historian, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def archive_apart(url: str, folder: Path, now_us: int) -> int:
        asked.append(now_us // DAY_US)
        return 1

    monkeypatch.setattr(history_keeper, "archive_apart", archive_apart)
    now = [1000.0]
    archiver = Archiver(run.history_url, run.archive, clock=lambda: now[0])
    archiver.at(0)
    for time_us in (EPOCH, EPOCH + 1, EPOCH + DAY_US):
        archiver.at(time_us)
        finished(archiver)
    assert asked == [EPOCH // DAY_US]
    now[0] += 60.0
    for _ in range(3):
        archiver.at(EPOCH + 2 * DAY_US)
        finished(archiver)
    assert asked == [EPOCH // DAY_US, EPOCH // DAY_US + 2]
    assert archiver.days == 2


def test_an_archive_that_fails_is_told_and_tried_again_unless_its_library_is_missing(
    run: RunDirectory, historian: Historian, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[Exception] = [DataError("cannot be written.", where="archive")]
    tries = []

    def archive_apart(*_: object) -> int:
        tries.append(1)
        raise errors[-1]

    monkeypatch.setattr(history_keeper, "archive_apart", archive_apart)
    now = [1000.0]
    archiver = Archiver(run.history_url, run.archive, clock=lambda: now[0])
    for day in range(4):
        now[0] += 100.0
        archiver.at(EPOCH + day * DAY_US)
        finished(archiver)
        if day == 0:
            assert archiver.state == "archive: cannot be written."
            errors.append(SpecificationError("DuckDB is not installed."))
    assert len(tries) == 2
    assert archiver.state == "DuckDB is not installed."


def test_the_archive_is_written_by_a_process_of_its_own(
    run: RunDirectory, historian: Historian
) -> None:
    historian.take("plant", [record(n) for n in range(1, 4)], EPOCH)
    folder = run.archive
    assert history_keeper.archive_apart(run.history_url, folder, EPOCH + 2 * DAY_US) == 1
    assert len(list(folder.glob("*.parquet"))) == 1
    with pytest.raises(DataError, match="no history yet"):
        history_keeper.archive_apart(str(run.path / "none.sqlite"), folder, EPOCH)


class Listening(Server):
    """A fake server that can be opened and closed as a link can."""

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        self.connected = False


def test_the_process_takes_what_comes_and_leaves_nothing_behind(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant, operate = Listening("plant", [record(n) for n in range(1, 40)]), Listening("operate")
    monkeypatch.setattr(history_process, "link_sources", lambda run: [plant, operate])
    (run.archive / ".archive-left").mkdir()
    stop, status = StopRequest(), StatusWriter(run, "history")
    work = threading.Thread(target=keep_history, args=(run, status, stop))
    work.start()
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and status.status.detail.get("cursor", {}).get("plant") != 39:
        time.sleep(0.02)
    left_on_disk(run, "plant", 45)
    plant.connected = False
    stop.set()
    work.join(PATIENCE)
    assert not work.is_alive()
    assert not (run.archive / ".archive-left").exists()
    status.write()
    found = read_status(run, "history")
    assert found is not None
    assert found.state == "running"
    assert found.detail["cursor"] == {"plant": 45, "operate": 0}
    historian = open_historian(run.history_url)
    assert sequences(historian) == list(range(1, 46))
    historian.close()


def test_the_error_of_the_database_is_the_error_of_the_process(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def cursor(self, source: str) -> int:
            return 0

        def take(self, *_: object) -> None:
            raise DataError("the disk is full.", where="history")

        def close(self) -> None:
            pass

    servers = [Listening("plant", [record(1)]), Listening("operate", [record(1)])]
    monkeypatch.setattr(history_process, "link_sources", lambda run: servers)
    monkeypatch.setattr(history_process, "opened", lambda *_: Broken())
    with pytest.raises(DataError, match="history: the disk is full"):
        keep_history(run, StatusWriter(run, "history"), StopRequest())


def test_history_listens_to_both_servers_or_to_operate_alone(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[str, dict[str, Any]]] = []

    class Client:
        def __init__(self, endpoint: str, **given: Any) -> None:
            made.append((endpoint, given))

    monkeypatch.setattr(history_sources, "TagClient", Client)
    names = [source.name for source in history_sources.link_sources(run)]
    assert names == ["plant", "operate"]
    assert {endpoint for endpoint, _ in made} == {
        run.settings.plant_endpoint,
        run.settings.operate_endpoint,
    }
    for _, given in made:
        assert (given["user"], given["password"]) == ("history", run.secrets()["history"])


@pytest.mark.slow
def test_records_come_over_opc_ua_before_and_after_the_server_is_there(
    run: RunDirectory, historian: Historian
) -> None:
    from raffinate.runtime.opcua_server import TagServer
    from raffinate.runtime.serving import add_records
    from raffinate.runtime.tags import Tag

    last = Tag(path="Records/Last", kind="Int64", title="Number of the newest record")

    async def serve(ring: Ring, source: history_sources.LinkSource, count: int) -> None:
        server = TagServer(
            name="plant",
            host="127.0.0.1",
            port=run.settings.plant_port,
            tags=(last,),
            pki=run.pki,
            users=None,
            internal=run.internal_accounts(),
            audit=lambda entry: None,
            on_write=None,
        )
        async with server:
            await add_records(server, ring)
            while kept.cursor < count:
                first = ring.last + 1
                ring.append(*(record(n) for n in range(first, min(first + 10, count + 1))))
                server.publish({"Records/Last": ring.last})
                await asyncio.sleep(0.05)
            assert source.connected

    async def work() -> None:
        source = history_sources.link_sources(run)[0]
        nonlocal kept
        kept = keeper(source, historian)
        stopped = asyncio.Event()
        following = asyncio.create_task(kept.follow(stopped))
        await source.open()
        ring = Ring(run.ring("plant"), sync=False)
        async with asyncio.timeout(PATIENCE):
            for count in (60, 120):
                while not kept.trouble:
                    await asyncio.sleep(0.02)
                await serve(ring, source, count)
        stopped.set()
        await following
        await source.close()
        ring.close()

    kept: Keeper = keeper(Server("plant"), historian)
    asyncio.run(work())
    assert sequences(historian) == list(range(1, 121))
    assert (kept.missing, kept.lag) == (0, None)
